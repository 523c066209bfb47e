"""Layer-wise relevance propagation, and Deep Taylor decomposition as one setting of it."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfxai.errors import InputError, OptionError, received, suggest
from tfxai.graph.ops import BY_ELEMENT
from tfxai.method.base import Method, Tensors
from tfxai.model.attribution import Attribution
from tfxai.model.scorer import Scorer
from tfxai.model.traced import TracedModel
from tfxai.rules.composites import COMPOSITES, SERVED, Row, places
from tfxai.rules.lrp import EQUAL, RULES, Setting
from tfxai.rules.relevance import ADDS_CONSTANTS, Bounds, Fixed, RelevanceRules
from tfxai.rules.surroundings import layers_of
from tfxai.support.checks import amount, is_number

EVEN = ("zero", "epsilon")  # the rules under which a bias can be shared equally
NAMED = {**{name: (("kernel", name),) for name in RULES}, **COMPOSITES}  # what a text as `rule` means


@dataclasses.dataclass(frozen=True)
class LRP(Method):
    """Layer-wise relevance propagation: the score itself, divided layer by layer among what made it.

    R_i = sum_j share_ij R_j, from the output, where R is the score, to the input; the shares of a unit sum to 1. What
    biases and other constants get is not handed on, so the values sum to the score less that: see `layer_sums`. Bach
    et al. 2015, doi:10.1371/journal.pone.0130140; the rules are listed in `tfxai.rules.lrp`.

    Dense layers and convolutions come with their bias and the batch normalisation behind them as one step. Elementwise
    functions hand on what they get; sums and average pooling divide in proportion; max pooling gives to its winner;
    gates (a sigmoid, softmax or ReLU6 that multiplies) get nothing, and what normalises (the division by a norm or a
    standard deviation) gets nothing; softmax has AttnLRP's rule.

    Args:
        rule: One for all dense layers and convolutions: `"zero"`, `"epsilon"`, `"gamma"`, `"gamma_general"`,
            `"alpha_beta"`, `"z_plus"`, `"w_square"`, `"flat"`, `"z_box"`. A composite: `"epsilon"`, `"epsilon_plus"`
            (z+ for convolutions, epsilon for dense layers), `"epsilon_plus_flat"` (flat for the first layer),
            `"epsilon_gamma_box"` (z-box first, general gamma for convolutions), `"epsilon_alpha2_beta1"`, `"attnlrp"`
            (epsilon, and products in halves). A list of your own: pairs (what, rule), of which the first that takes an
            op counts; `what` is `"dense"`, `"convolution"`, `"kernel"` (both), `"product"`, `"first"`, the name of a
            layer or the layer itself, or a function of a place with `kind`, `type`, `name`, `layer` and `first`; a
            rule is a name, or a dict such as `{"rule": "gamma", "gamma": 0.5}`. Products have the rules `"signal"` and
            `"half"`.
            None goes by the model: `"attnlrp"` where two parts that depend on the input are multiplied as matrices
            (attention), which needs rules of its own; `"epsilon_plus"` where there are convolutions, whose many terms
            of either sign make epsilon noisy; else `"epsilon"`.
        epsilon: Added to the size of every denominator of a kernel's rule.
        gamma: How much more positive contributions count under the gamma rules. `"gamma"` is for inputs and outputs
            that are not negative, as behind ReLUs, where both are the same; elsewhere its denominators may be near 0,
            and relevance grows without bounds: `"gamma_general"` is for those.
        alpha: How much positive contributions count under alpha-beta. Where a unit has no negative ones, its inputs get
            alpha times its relevance.
        beta: How much negative ones count; None is alpha - 1, the only number that keeps the sum.
        low: Smallest number of the input, for z-box: a scalar, an array that is broadcast to one example, or a list of
            these, one per explained input.
        high: Largest.
        bias: What becomes of the share of biases and other constants that are added: True, they keep it; False, they
            have none, and all goes to what varies (the lecture's numbers; under zero and epsilon it may grow without
            bounds in deep networks, where inputs nearly cancel); `"equal"`, each unit's inputs get equal parts of it,
            as in the LRP toolbox: for the rules zero and epsilon, whose values then sum to the score. Units that are 0
            get relevance then, which may grow without bounds in deep networks.

    Raises:
        OptionError: When used: no such rule, numbers it cannot use, or z-box without bounds.
        InputError: When used: x is outside of its bounds.
        UnsupportedOpError: When used: a rule is meant for ops that it cannot serve, or an op has none.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.LRP(rule="epsilon"))
        >>> e.values.round(3).tolist()
        [[1.0, 2.0]]
    """

    rule: Any = None
    epsilon: float = 1e-6
    gamma: float = 0.25
    alpha: float = 2.0
    beta: float | None = None
    low: Any = None
    high: Any = None
    bias: bool | str = True

    name: ClassVar[str] = "lrp"
    signed: ClassVar[bool] = True
    fine: ClassVar[dict[str, Any]] = {"rule": "zero", "bias": False}

    def check(self) -> None:
        self._setting("epsilon")  # whose numbers are those of the method
        if self.bias not in (True, False, EQUAL):
            raise OptionError(f"bias is True, False or 'equal'. {received(self.bias)}")
        rows = () if self.rule is None else self._rows
        other = [row.setting.rule for row in rows if row.setting.rule in RULES and row.setting.rule not in EVEN]
        if self.bias == EQUAL and (other or self.rule is None):
            raise OptionError(f"bias='equal' is for the rules {' and '.join(EVEN)}. Received: rule={self.rule!r}.")
        if any(row.setting.rule == "z_box" for row in rows):
            self._check_bounds()
        elif self.low is not None or self.high is not None:
            raise OptionError("low= and high= are for the rule 'z_box', which this rule= does not use.")

    def _check_bounds(self) -> None:
        if self.low is None or self.high is None:
            raise OptionError(
                "The rule 'z_box' needs low= and high=, the smallest and largest number of the input, such as 0 and "
                "255 for pictures. For an input without bounds use 'w_square' or 'flat'."
            )

    @functools.cached_property
    def _rows(self) -> tuple[Row, ...]:
        return self._named(self.rule) if isinstance(self.rule, str) else self._own(self.rule)

    def _named(self, rule: str) -> tuple[Row, ...]:
        if rule not in NAMED:
            raise OptionError(f"No rule {rule!r}. {suggest(rule, NAMED)} {received(rule)}")
        return tuple(Row(what, self._setting(name)) for what, name in NAMED[rule])

    def _own(self, rules: Any) -> tuple[Row, ...]:
        """The rows of a user's list."""
        if not isinstance(rules, Sequence) or not all(isinstance(r, Sequence) and len(r) == 2 for r in rules):
            raise OptionError(
                "rule is a name, or a list of pairs (what, rule), such as [('first', 'flat'), ('kernel', 'epsilon')]. "
                + received(rules)
            )
        rows = []
        for what, rule in rules:
            name = (
                what if isinstance(what, str) or isinstance(what, types.FunctionType) else getattr(what, "name", what)
            )
            if not (isinstance(name, str) or callable(name)):
                raise OptionError(f"In rule=, what a rule is for is a text, a layer or a function. {received(what)}")
            rows.append(Row(name, self._setting(rule)))
        return tuple(rows)

    def _setting(self, rule: Any) -> Setting:
        """A rule with its numbers: those of the method, or of the row."""
        own = dict(rule) if isinstance(rule, dict) else {"rule": rule}
        known = [f.name for f in dataclasses.fields(Setting)]
        if wrong := [name for name in own if name not in known]:
            raise OptionError(f"A rule has no number {wrong[0]!r}. {suggest(wrong[0], known)}")
        every = [*RULES, *SERVED["product"]]
        if own.get("rule") not in every:
            raise OptionError(f"No rule {own.get('rule')!r}. {suggest(str(own.get('rule')), every)} {received(rule)}")
        numbers: dict[str, Any] = {
            "epsilon": self.epsilon, "gamma": self.gamma, "alpha": self.alpha, "bias": self.bias,
            "beta": _beta(self.alpha) if self.beta is None else self.beta,
        }  # fmt: skip
        if "alpha" in own and "beta" not in own:
            own["beta"] = _beta(own["alpha"])
        setting = Setting(**numbers | own)
        for name in ("epsilon", "gamma", "alpha", "beta"):
            amount(getattr(setting, name), name)
        if abs(setting.alpha - setting.beta - 1) > 1e-6:
            raise OptionError(f"alpha - beta is 1. Received: alpha={setting.alpha}, beta={setting.beta}.")
        return setting

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        table = self.table(scorer, x)
        found = scorer.backward(table, x)
        notes = {"rule": default_rule(scorer.model)} if self.rule is None else None
        return found._replace(account=by_layer(scorer.model, table, found), notes=notes)

    def table(self, scorer: Scorer, x: Tensors) -> RelevanceRules:
        """The rules for this model."""
        rows = self._rows if self.rule is not None else self._named(default_rule(scorer.model))
        boxed = any(row.setting.rule == "z_box" for row in rows)
        bounds = bounds_of(scorer.model, x, self.low, self.high) if boxed else ()
        return RelevanceRules(rows, self.bias, tuple(scorer.model.owners.items()), bounds)


@dataclasses.dataclass(frozen=True)
class DeepTaylor(Method):
    """Deep Taylor decomposition: every unit expanded at a root point of its own, so that relevance stays positive.

    z+ inside, R_i = sum_j (x_i w_ij)+ R_j / sum_i (x_i w_ij)+; at the first layer z-box where the input is bounded,
    R_i = sum_j (x_i w_ij - low_i w_ij+ - high_i w_ij-) R_j / sum_i (...), else w^2, R_i = sum_j w_ij^2 R_j / sum_i
    w_ij^2. Biases get nothing, so the values sum to the score, less what units have that only their bias lifts above 0.
    Montavon et al. 2017, arXiv:1512.02479. It is made for networks of ReLUs, sums and pooling, and for a score above 0;
    other ops have the rules of `lrp`.

    Args:
        low: Smallest number of the input, as in `lrp`; None: it has no bounds.
        high: Largest.
        epsilon: Added to every denominator of a dense layer or convolution.

    Raises:
        OptionError: When used: one bound without the other.
        InputError: When used: x is outside of its bounds.

    Example:
        >>> import keras, numpy as np, tfxai
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> e = tfxai.explain(model, np.array([[1.0, 2.0]]), tfxai.DeepTaylor(low=0, high=4))
        >>> e.values.round(3).tolist()
        [[1.0, 2.0]]
    """

    low: Any = None
    high: Any = None
    epsilon: float = 1e-6

    name: ClassVar[str] = "deep_taylor"
    signed: ClassVar[bool] = True

    def check(self) -> None:
        if (self.low is None) != (self.high is None):
            raise OptionError("An input has both bounds, low= and high=, or none. Received: one of them.")
        self._lrp.check()

    @functools.cached_property
    def _lrp(self) -> LRP:
        rule = "deep_taylor" if self.low is None else "deep_taylor_box"
        return LRP(rule, self.epsilon, low=self.low, high=self.high, bias=False)

    def __call__(self, scorer: Scorer, x: Tensors, reference: Tensors, rng: np.random.Generator) -> Attribution:
        return self._lrp(scorer, x, reference, rng)


def default_rule(model: TracedModel) -> str:
    """The composite for a model of this kind."""

    def found() -> str:
        graph, activity = model.program(RelevanceRules())
        asked = places(graph, activity, {}).values()
        if any(place.kind == "product" and place.type not in BY_ELEMENT for place in asked):
            return "attnlrp"
        return "epsilon_plus" if any(place.kind == "convolution" for place in asked) else "epsilon"

    rule: str = model.compiled.get("default rule", found, traced=False)
    return rule


def by_layer(model: TracedModel, table: RelevanceRules, found: Attribution) -> dict[str, dict[str, tf.Tensor]]:
    """Layer -> what arrived at it, what it handed on, and the two parts of the difference; see `Explanation`.

    A layer is known by the weights that it owns; what has none by the scope of its ops. What is missing in the end and
    in none of them is "elsewhere": inside of loops, or where the examples are folded into another axis.
    """
    graph, activity = model.program(table)
    layers = model.compiled.get("layers of values", lambda: layers_of(graph, activity, model.owners), traced=False)
    sums: dict[str, dict[str, tf.Tensor]] = {}
    kept: dict[str, Any] = found.account  # type: ignore[assignment]  # this table keeps one
    for op in graph.ops:
        key = f"{op.name} ({op.type})"
        if key not in kept["arrived"] or key not in kept["left"]:
            continue
        arrived, left = kept["arrived"][key], kept["left"][key]
        lost, none = arrived - left, tf.zeros_like(left)
        constant = op.type in ADDS_CONSTANTS
        parts = {
            "arrived": arrived,
            "left": left,
            "bias": lost if constant else none,
            "other": none if constant else lost,
        }
        name = next((layers[i] for i in op.inputs if i in layers), _scope(op.name))
        before = sums.get(name)
        sums[name] = parts if before is None else {k: before[k] + v for k, v in parts.items()}
    handed = tf.add_n([tf.reduce_sum(tf.cast(v, tf.float64), list(range(1, v.shape.rank))) for v in found.values])
    lost = tf.add_n([handed, *(s["arrived"] - s["left"] for s in sums.values())])
    rest = tf.cast(found.score, tf.float64) - lost
    sums["elsewhere"] = {"arrived": rest, "left": tf.zeros_like(rest), "bias": tf.zeros_like(rest), "other": rest}
    return sums


def _scope(name: str) -> str:
    """The scope in which an op was made, below the model's own."""
    *scopes, last = name.split("/")
    return "/".join(scopes[1:]) or last


def bounds_of(model: TracedModel, x: Tensors, low: Any, high: Any) -> tuple[Bounds, ...]:
    """The bounds of every explained tensor, checked against its numbers.

    Raises:
        OptionError: They are no numbers, do not fit the tensor, or one is above the other.
        InputError: x is outside of them.
    """
    found = []
    ends = zip(_for_each(low, "low", len(x)), _for_each(high, "high", len(x)), strict=True)
    for k, (tensor, (below, above)) in enumerate(zip(x, ends, strict=True)):
        dtype = tensor.dtype.as_numpy_dtype
        try:
            below, above = (np.broadcast_to(np.asarray(b, dtype), tensor.shape[1:])[None] for b in (below, above))
        except ValueError as error:
            raise OptionError(
                f"low= and high= fit one example, of shape {tuple(tensor.shape[1:])}. Received: shapes "
                f"{np.shape(below)} and {np.shape(above)}."
            ) from error
        if not (below <= above).all():
            raise OptionError("low= is above high= at some place, or one of them is no number.")
        smallest, largest = tf.reduce_min(tensor - below), tf.reduce_min(above - tensor)
        if min(smallest, largest) < 0:
            raise InputError(
                f"The rule 'z_box' is for inputs between low= and high=. Received: numbers from "
                f"{tf.reduce_min(tensor).numpy():g} to {tf.reduce_max(tensor).numpy():g}."
            )
        found.append(Bounds(model.explained[k], Fixed.of(below), Fixed.of(above)))
    return tuple(found)


def _for_each(bound: Any, name: str, count: int) -> list[Any]:
    """One bound per explained tensor."""
    if not isinstance(bound, (list, tuple)) or count == 1 and len(bound) != 1:
        return [bound] * count
    if len(bound) != count:
        raise OptionError(f"{name}= as a list has one for each of {count} inputs. Received: {len(bound)}.")
    return list(bound)


def _beta(alpha: Any) -> Any:
    """The beta that belongs to an alpha; where that is no number from 1, what is refused later."""
    return alpha - 1 if is_number(alpha) and alpha >= 1 else alpha
