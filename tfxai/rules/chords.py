"""Chords: the mean slope of y = f(x) between two points, element by element, however near they are to each other.

The quotient dy / dx is right where the points are apart. Beside each other both changes are rounding errors, and it is
noise, although f has a plain slope there. One table says for every op what its chord is without subtracting near
numbers; where the two points are one, it is f'. All rules that ask for slopes of nonlinearities read it.

A function that gives numbers as they are (a maximum, a clipped value, a step) has exact changes: its quotient is right
at any distance. Kinks with another slope than 0 and 1, and smooth functions, are not like that.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfxai.graph import ops
from tfxai.graph.table import Call
from tfxai.support.numerics import finite_or_none, rounding, widened

GAUSS = 3**-0.5  # the two Gauss-Legendre nodes of [-1, 1]: right for slopes of third degree


class Point(NamedTuple):
    """A point of the curve: x, and y = f(x)."""

    x: tf.Tensor
    y: tf.Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """y = f(x) of one input of an op, element by element, its other inputs held.

    Attributes:
        call: The op.
        position: Of the input that varies.
        others: The op's inputs; the one that varies is replaced.
    """

    call: Call
    position: int
    others: list[tf.Tensor]

    @property
    def dtype(self) -> tf.DType:
        """Of x."""
        return self.call.x[self.position].dtype

    def at(self, x: tf.Tensor) -> Point:
        """The point at x."""
        return Point(x, self.call.run(self._inputs(x))[0])

    def slope(self, x: tf.Tensor) -> tf.Tensor:
        """f'(x)."""
        alone = dataclasses.replace(self.call, active=(self.position,))
        return tf.math.conj(alone.vjp(self._inputs(x), [tf.ones_like(x)])[0])

    def chord(self, p: Point, q: Point) -> tf.Tensor:
        """The mean slope between two points, of which q may be one for many; computed in no less than float32."""
        kind, dtype = self.call.op.type, p.x.dtype
        made = CHORDS[kind] if kind in CHORDS and not dtype.is_complex else guarded
        wide = widened(dtype)
        return tf.cast(made(self, *[Point(tf.cast(t.x, wide), tf.cast(t.y, wide)) for t in (p, q)]), dtype)

    def slope_between(self, p: Point, q: Point) -> tf.Tensor:
        """f' averaged on the way from q to p by two nodes, 0 where it has no finite value: nothing moves there."""
        middle, half = (p.x + q.x) / 2, (p.x - q.x) * (GAUSS / 2)
        nodes = [tf.cast(t, self.dtype) for t in (middle - half, middle + half)]
        return finite_or_none(tf.cast(self.slope(nodes[0]) + self.slope(nodes[1]), p.x.dtype) / 2)

    def without_line(self) -> tuple[float, Curve]:
        """f as alpha x + (1 - alpha) g(x), whose changes are exact where f's are not: alpha and g."""
        op = self.call.op
        if op.type != "LeakyRelu":
            return 0.0, self
        kink = dataclasses.replace(op, type="Relu", attrs={})
        return op.attrs["alpha"], dataclasses.replace(self, call=dataclasses.replace(self.call, op=kink))

    def _inputs(self, x: tf.Tensor) -> list[tf.Tensor]:
        return [x if i == self.position else t for i, t in enumerate(self.others)]


Chord = Callable[[Curve, Point, Point], tf.Tensor]


def exact(f: Curve, p: Point, q: Point) -> tf.Tensor:
    """The quotient: f gives numbers as they are, so its changes are exact."""
    dx = p.x - q.x
    slope = tf.cast(f.slope(tf.cast(q.x, f.dtype)), dx.dtype)
    return tf.where(dx == 0, slope, (p.y - q.y) / dx)


def rising(f: Curve, p: Point, q: Point) -> tf.Tensor:
    """As `exact`, of an f that never falls: both sizes are at least something, which is less than any change is.

    It costs half of a choice. Added, it could be lost: TensorFlow may bring numbers that are added into another order.
    """
    least = 32 * float(np.finfo(p.x.dtype.as_numpy_dtype).tiny)
    slope = tf.cast(f.slope(tf.cast(q.x, f.dtype)), p.x.dtype)
    return tf.maximum(tf.abs(p.y - q.y), least * slope) / tf.maximum(tf.abs(p.x - q.x), least)


def rectified(f: Curve, p: Point, q: Point) -> tf.Tensor:
    """Of max(x, 0): (y + y0) / (|x| + |x0|). Above 0 both sums are the same, below the first one is 0."""
    least = float(np.finfo(p.x.dtype.as_numpy_dtype).tiny)
    return (p.y + q.y) / (tf.abs(p.x) + (tf.abs(q.x) + least))


def leaky(f: Curve, p: Point, q: Point) -> tf.Tensor:
    """Of a kink between the slopes alpha and 1: the part of the way that is above 0 counts in full."""
    alpha, _ = f.without_line()
    above, below = tf.maximum(p.x, tf.maximum(q.x, 0)), tf.minimum(p.x, tf.minimum(q.x, 0))
    return alpha + (1 - alpha) * tf.math.divide_no_nan(above, above - below)


def entire(f: Curve, p: Point, q: Point) -> tf.Tensor:
    """The quotient of points that are apart; near each other f' averaged. For an f that bends on a scale of 1."""
    dx = p.x - q.x
    near = tf.abs(dx) <= reach(f)
    return tf.where(near, f.slope_between(p, q), (p.y - q.y) / dx)


def bell(sign: int) -> Chord:
    """As `entire`, of erf (1) and erfc (-1): near, 2 / sqrt(pi) exp(-m^2) (1 + dx^2 (m^2 - 1/2) / 6) with m between.

    That is f' averaged, up to dx^4, in half the steps of two nodes: the derivatives of a bell are multiples of it.
    """

    def chord(f: Curve, p: Point, q: Point) -> tf.Tensor:
        dx, middle = p.x - q.x, (p.x + q.x) / 2
        square = tf.minimum(middle * middle, 100)  # where the bell is 0, and stays so times what would be infinite
        slope = tf.exp(math.log(2 / math.sqrt(math.pi)) - square) * (1 + dx * dx * (square / 6 - 1 / 12))
        return tf.where(tf.abs(dx) <= reach(f), sign * slope, (p.y - q.y) / dx)

    return chord


def bent_at_zero(f: Curve, p: Point, q: Point) -> tf.Tensor:
    """As `entire` on either side of 0; across it the quotient, f being odd or nearly so there."""
    dx = p.x - q.x
    near = (tf.abs(dx) <= reach(f)) & (p.x * q.x > 0) | (dx == 0)
    return tf.where(near, f.slope_between(p, q), (p.y - q.y) / dx)


def guarded(f: Curve, p: Point, q: Point) -> tf.Tensor:
    """As `entire`, nearer: f may have a pole or an end anywhere, so its own change must be small too."""
    dx, dy = p.x - q.x, p.y - q.y
    small = reach(f) / 10
    near = (tf.abs(dx) <= small * (1 + tf.abs(p.x))) & (tf.abs(dy) <= small * tf.abs(p.y)) | (dx == 0)
    return tf.where(near, f.slope_between(p, q), dy / dx)


def tangent(slope: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], steepness: float) -> Chord:
    """From tanh b - tanh a = (1 - tanh a tanh b) tanh(b - a), at any distance; the sigmoid is half as steep."""

    def chord(f: Curve, p: Point, q: Point) -> tf.Tensor:
        least = 32 * float(np.finfo(p.x.dtype.as_numpy_dtype).tiny)  # for a way of 0, at a third of a choice's cost
        way = tf.maximum(tf.abs(p.x - q.x), least)
        way = way if steepness == 1 else way * steepness
        return slope(p.y, q.y) * (tf.tanh(way) / way)

    return chord


def logarithm(offset: float) -> Chord:
    """log(x + offset): log(1 + t) / dx with t = |dx| / (the smaller argument), while t is at most 1."""

    def chord(f: Curve, p: Point, q: Point) -> tf.Tensor:
        least, way = offset + tf.minimum(p.x, q.x), tf.abs(p.x - q.x)
        t = way / least
        beside = tf.where(way == 0, 1 / least, tf.math.divide_no_nan(tf.math.log1p(t), way))
        return tf.where(t <= 1, beside, tf.math.divide_no_nan(p.y - q.y, p.x - q.x))

    return chord


def straight(f: Curve, p: Point, q: Point) -> tf.Tensor:
    """f', the same everywhere: a product with something held."""
    return tf.cast(f.slope(tf.cast(p.x, f.dtype)), p.x.dtype)


def square(f: Curve, p: Point, q: Point) -> tf.Tensor:
    """a + b."""
    return p.x + q.x


def power(f: Curve, p: Point, q: Point) -> tf.Tensor:
    """a^2 + a b + b^2 of the third power, which the GELU has; of others as `guarded`."""
    cube = f.position == 0 and np.array_equal(tf.get_static_value(f.others[1]), 3)
    return p.x * p.x + q.x * (p.x + q.x) if cube else guarded(f, p, q)


def root(f: Curve, p: Point, q: Point) -> tf.Tensor:
    """1 / (f(a) + f(b)); 0 where both are 0: f has an infinite slope there, and contributes 0 - 0."""
    return tf.math.divide_no_nan(tf.ones_like(p.y), p.y + q.y)


def inverse_root(f: Curve, p: Point, q: Point) -> tf.Tensor:
    """- f(a) f(b) * f(a) f(b) / (f(a) + f(b))."""
    return -p.y * q.y * (p.y * (q.y / (p.y + q.y)))


def reciprocal(f: Curve, p: Point, q: Point) -> tf.Tensor:
    """- f(a) f(b)."""
    return -p.y * q.y


def reach(f: Curve) -> float:
    """How far two points may be apart while two nodes are as exact as the quotient: in float32 a tenth.

    Their error grows with dx ** 4, that of the quotient with rounding / dx.
    """
    return float(2.5 * rounding(f.dtype) ** 0.2)


# op type -> its chord; what is not here has the guarded one.
CHORDS: Mapping[str, Chord] = {
    **dict.fromkeys(ops.EXACT, exact),
    **dict.fromkeys(ops.EXACT & ops.RISING, rising),
    **dict.fromkeys(ops.ENTIRE, entire),
    "Erf": bell(1),
    "Erfc": bell(-1),
    **dict.fromkeys(ops.BENT_AT_ZERO, bent_at_zero),
    **dict.fromkeys(("Mul", "MulNoNan"), straight),
    "Relu": rectified,
    "LeakyRelu": leaky,
    "Tanh": tangent(lambda y, y0: 1 - y * y0, 1),
    "Sigmoid": tangent(lambda y, y0: y * (0.5 - y0) + 0.5 * y0, 0.5),
    "Log": logarithm(0),
    "Log1p": logarithm(1),
    "Square": square,
    "Pow": power,
    "Sqrt": root,
    "Rsqrt": inverse_root,
    **dict.fromkeys(("Reciprocal", "Inv"), reciprocal),
}


# --- Two chords at once -----------------------------------------------------------------------------------------------

# A part below so many rounding errors of the spread is what rounding left of 0: the error of a sum grows as the square
# root of its length, and a kernel adds up a thousand products.
ROUNDED = 32


def corner_chords(f: Curve, start: Point, end: Point, spread: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The mean chords of the rising and of the falling part of a change, each on the first and on the last way.

    The corners are start + rise and start + fall, with rise + fall = end - start and rise - fall = spread. Where a part
    vanishes, or f bends little between the corners: the mean slope at both ends.
    """
    dx, dy = end.x - start.x, end.y - start.y
    up, down = (f.at((start.x + end.x + sign * spread) / 2) for sign in (1, -1))
    across, across_y = up.x - down.x, up.y - down.y  # not the spread: beside a near reference rounding moves a corner
    slope = (f.slope(end.x) + f.slope(start.x)) / 2
    least, little = spread * (ROUNDED * rounding(f.dtype)), _bends_little(f, up, down, spread)
    parts = [(across + dx, across_y + dy), (across - dx, across_y - dy)]
    rising, falling = (tf.where((part <= least) | little, slope, change / part) for part, change in parts)
    return rising, falling


def _bends_little(f: Curve, up: Point, down: Point, spread: tf.Tensor) -> bool | tf.Tensor:
    """Where the quotients would be rounding, and the slopes at the ends as good: see `entire`, with a node less."""
    kind = f.call.op.type
    if kind in ops.EXACT or kind in ops.QUADRATIC:
        return kind in ops.QUADRATIC
    near = spread <= rounding(f.dtype) ** 0.29
    return near & ((down.x > 0) | (up.x < 0)) if kind in ops.BENT_AT_ZERO else near
