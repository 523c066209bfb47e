"""Where the positions of a feature map lie in an input."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from tfxai.errors import LayerError
from tfxai.graph.axes import Axes, Axis, Kind, Label, spans
from tfxai.model.layout import Layout


@dataclasses.dataclass(frozen=True)
class Grid:
    """A feature map as (n, places..., channels), its places in the order of its input's axes, and where they lie there.

    Attributes:
        part: (axis, start, stop) of the tokens that are places, where others stand beside them on their axis.
        folded: Of each axis of the value the sizes that it unfolds to; none for an axis that stays.
        order: The unfolded axes: examples, places, then what becomes the channels.
        places: The axes of places.
        input: The flat input that they are of; -1: places of no input.
        layout: That of the input; of places of no input channels last.
    """

    part: tuple[int, int, int] | None
    folded: tuple[tuple[int | None, ...], ...]
    order: tuple[int, ...]
    places: tuple[Axis, ...]
    input: int
    layout: Layout

    def features(self, value: tf.Tensor) -> tf.Tensor:
        """(n, places..., channels) of the value, or of its slopes."""
        if self.part is not None:
            axis, start, stop = self.part
            value = tf.gather(value, tf.range(start, stop), axis=axis)
        shape = tf.shape(value)
        if any(len(sizes) > 1 for sizes in self.folded):
            new = []
            for a, sizes in enumerate(self.folded):
                new += [-1 if s is None else s for s in sizes] if len(sizes) > 1 else [shape[a]]
            value = tf.reshape(value, new)
        value = tf.transpose(value, self.order)
        back = [a for a, place in enumerate(self.places, 1) if place.backwards]
        value = tf.reverse(value, back) if back else value
        rank = 1 + len(self.places)
        if value.shape.rank == rank + 1:
            return value
        return tf.reshape(value, tf.concat([tf.shape(value)[:rank], [-1 if value.shape.rank > rank else 1]], 0))

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the input that the map runs over."""
        return tuple(dict.fromkeys(place.axis for place in self.places))

    def restored(self, heat: tf.Tensor, shape: Sequence[int | None], method: str) -> tf.Tensor:
        """(n, places...) brought to the sizes that the places have in an input of this shape.

        Raises:
            LayerError: They are no places of an input.
        """
        if self.input < 0:
            raise LayerError(
                "The places of this layer are none of an input's: the network made them, from a code for example. "
                "Choose another layer, or resize=False for the map as it is."
            )
        for position, axis in enumerate(self.axes, 1):
            parts = [place for place in self.places if place.axis == axis]
            length = int(shape[axis] or 0)
            first, last = round(parts[0].window[0] * length), round(parts[0].window[1] * length)
            if len(parts) > 1:
                for k, part in enumerate(parts):
                    heat = stretched(heat, position + k, part.extent or 0, method)
                merged = tf.shape(heat)
                heat = tf.reshape(heat, tf.concat([merged[:position], [-1], merged[position + len(parts) :]], 0))
            heat = stretched(heat, position, last - first, method)
            if (first, last) != (0, length):
                paddings = [[0, 0] for _ in range(heat.shape.rank)]
                paddings[position] = [first, length - last]
                heat = tf.pad(heat, paddings)
        return heat

    @property
    def channels(self) -> int:
        """The axis of 1 that a map has where its input has its channels, behind the places if it has none."""
        return 1 if self.layout.channels == 1 else 1 + len(self.axes)

    def with_channels(self, heat: tf.Tensor) -> tf.Tensor:
        """(n, places...) with an axis of 1 for the channels, so that it is a picture like its input."""
        return tf.expand_dims(heat, 1 if self.layout.channels == 1 else -1)

    def like_input(self, maps: tf.Tensor) -> tf.Tensor:
        """(n, places..., channels) with the channels where its input has them."""
        if self.layout.channels != 1:
            return maps
        rank = maps.shape.rank
        return tf.transpose(maps, [0, rank - 1, *range(1, rank - 1)])

    def spread(self, heat: tf.Tensor, axes: Axes, rank: int) -> tf.Tensor:
        """(n, places of the input...) as a factor of a tensor of these axes that stands for the input."""
        where = {a.axis: k for k, label in enumerate(axes.labels) for a in label if a.input == self.input}
        kept = [where.get(axis, axis) for axis in self.axes]
        sizes = tf.shape(heat)
        new = [sizes[0]] + [1] * (rank - 1)
        for position, k in enumerate(kept, 1):
            new[k] = sizes[position]
        return tf.reshape(heat, new)


def stretched(heat: tf.Tensor, axis: int, size: int, method: str) -> tf.Tensor:
    """The map with another size along one axis."""
    if heat.shape[axis] == size:
        return heat
    shape = heat.shape.as_list()
    before, after = _product(shape[:axis]), _product(shape[axis + 1 :])
    flat = tf.reshape(heat, [before, shape[axis], after, 1])
    flat = tf.cast(tf.image.resize(flat, [size, after], method), heat.dtype)
    return tf.reshape(flat, [*shape[:axis], size, *shape[axis + 1 :]])


def _product(sizes: Sequence[int]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


def grid(axes: Axes, path: str, layouts: Sequence[Layout], names: Sequence[str], wanted: int | None = None) -> Grid:
    """The grid of a value.

    Args:
        axes: Its axes.
        path: The layer that returned it, for errors.
        layouts: Of the inputs.
        names: Of the inputs.
        wanted: The input whose places are meant, where the value has those of several beside each other; None: the only
            one.

    Raises:
        LayerError: It is no map of places: an op cannot be followed, or there are none.
    """
    labels, part = _chosen(axes.labels, path, names, wanted)
    flat = [axis for label in labels for axis in label]
    lost = next((axis for axis in flat if axis.kind in (Kind.UNKNOWN, Kind.ROLLED)), None)
    if lost is not None:
        raise LayerError(
            f"A class activation map needs to know which axes of the layer {path!r} are places, and they cannot be "
            f"followed from the input through the op {lost.op}. Choose a layer before it."
        )
    found = [k for k, axis in enumerate(flat) if _is_place(axis, layouts)]
    found.sort(key=lambda k: (flat[k].input, flat[k].axis, -flat[k].stride))
    examples = [k for k, axis in enumerate(flat) if axis.kind is Kind.EXAMPLES]
    places = tuple(flat[k] for k in found)
    if not places or len(examples) != 1:
        raise LayerError(
            "A class activation map needs feature maps, axes (example, place..., channel). Received: the layer "
            f"{path!r} with {described(axes)}. Choose a layer before pooling or flattening, or layer=None."
        )
    _check(places, path, names)
    rest = [k for k in range(len(flat)) if k not in (*examples, *found)]
    folded = tuple(tuple(axis.size for axis in label) for label in labels)
    order = _with_single(labels, [*examples, *found, *rest])
    owner = places[0].input
    layout = layouts[owner] if owner >= 0 else Layout(len(places) + 2, len(places) + 1)
    return Grid(part, folded, order, places, owner, layout)


def _with_single(labels: Sequence[Label], order: Sequence[int]) -> tuple[int, ...]:
    """The order among all unfolded axes, those of one position put last."""
    numbers: list[int] = []
    single: list[int] = []
    count = 0
    for label in labels:
        if label:
            numbers += range(count, count + len(label))
        else:
            single.append(count)
        count += max(1, len(label))
    return (*(numbers[k] for k in order), *single)


def _is_place(axis: Axis, layouts: Sequence[Layout]) -> bool:
    return axis.kind is Kind.PLACE and not (axis.input >= 0 and axis.axis == layouts[axis.input].channels)


def _chosen(
    labels: Sequence[Label], path: str, names: Sequence[str], wanted: int | None
) -> tuple[list[Label], tuple[int, int, int] | None]:
    """The labels, with those places of an axis alone that are wanted; and where these begin and end."""
    for axis, label in enumerate(labels):
        if len(label) != 1 or label[0].kind is not Kind.JOINED:
            continue
        parts = [(start, part) for start, part in spans(label[0]) if any(a.kind is Kind.PLACE for a in part)]
        mine = [(start, part) for start, part in parts if wanted is None or part[0].input == wanted]
        if len(mine) != 1:
            beside = ", ".join(sorted({names[a.input] for _, part in parts for a in part if a.input >= 0}))
            raise LayerError(
                f"The layer {path!r} has places of several inputs, or several times, beside each other ({beside}). "
                "Choose a layer before they are joined."
            )
        start, part = mine[0]
        size = _product([a.size or 0 for a in part])
        return [*labels[:axis], part, *labels[axis + 1 :]], (axis, start, start + size)
    return list(labels), None


def _check(places: Sequence[Axis], path: str, names: Sequence[str]) -> None:
    """Raises LayerError where the places are of several inputs, twice the same, or only positions within stretches."""
    if len({place.input for place in places}) > 1:
        inputs = sorted({names[p.input] if p.input >= 0 else "none" for p in places})
        raise LayerError(
            f"The layer {path!r} has places of several inputs ({', '.join(inputs)}) against each other; expected a map "
            "of one of them. Choose another layer."
        )
    stretches = [(p.axis, p.stride) for p in places]
    if len(set(stretches)) < len(stretches):
        raise LayerError(
            f"The layer {path!r} has the same places twice, as a matrix of scores between them has; expected a map, "
            "with channels. Choose another layer."
        )
    for axis in {p.axis for p in places}:
        parts = [p for p in places if p.axis == axis]
        strides = [p.stride * (p.extent or 1) for p in parts]
        if any(p.stride != below for p, below in zip(parts, strides[1:], strict=False)):
            raise LayerError(
                f"The layer {path!r} has only some positions within stretches of an axis. Choose another layer."
            )


def described(axes: Axes) -> str:
    """Axes in words, for errors."""

    def word(axis: Axis) -> str:
        return axis.kind.value if axis.kind is Kind.EXAMPLES else f"{axis.kind.value} {axis.size or '?'}"

    return f"axes ({', '.join(' x '.join(map(word, label)) or '1' for label in axes.labels)})"
