"""Which rule of relevance propagation each op of a model gets: lists of (what, rule), some of them with a name.

The named ones follow the literature: lower layers need rules that average over their many noisy terms (z+, alpha-beta,
gamma), the first one a rule that does not depend on how its input is measured (flat, z-box, w^2), dense layers near the
output the exact epsilon (Montavon et al. 2019; Kohlbrenner et al. 2020, arXiv:1910.09840).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tfxai.errors import OptionError, UnsupportedOpError, suggest
from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph
from tfxai.graph.ops import BILINEAR
from tfxai.rules.annotations import graphs
from tfxai.rules.kernel_step import is_convolution, kernel_of, positions
from tfxai.rules.lrp import RULES, Setting
from tfxai.rules.surroundings import behind_kernel, layers_of


class Place(NamedTuple):
    """What a predicate is asked about: an op that can have more than one rule.

    Attributes:
        kind: "dense", "convolution", or "product" (of two parts that depend on the input).
        type: TensorFlow's type of the op, such as "Conv2D".
        name: Its name in the graph, such as "model/conv_1/convolution".
        layer: The name of the layer whose weights it uses; "" where it has none, or the model no layers.
        first: Whether no other dense layer or convolution lies before it.
    """

    kind: str
    type: str
    name: str
    layer: str
    first: bool


class Row(NamedTuple):
    """What gets which rule.

    Attributes:
        what: A function Place -> bool; or a kind, "kernel" (dense or convolution), "first" (the kernels that are), or
            the name of a layer.
        setting: The rule and its numbers.
    """

    what: str | Callable[[Place], bool]
    setting: Setting


SERVED: dict[str, tuple[str, ...]] = {  # kind -> the rules that can serve it
    "dense": tuple(RULES),
    "convolution": tuple(RULES),
    "product": ("signal", "half"),
}
KERNELS_ONLY = ("kernel", "dense", "convolution", "first")

COMPOSITES: dict[str, tuple[tuple[str, str], ...]] = {
    "epsilon": (("kernel", "epsilon"),),
    "epsilon_plus": (("convolution", "z_plus"), ("dense", "epsilon")),
    "epsilon_plus_flat": (("first", "flat"), ("convolution", "z_plus"), ("dense", "epsilon")),
    "epsilon_gamma_box": (("first", "z_box"), ("convolution", "gamma_general"), ("dense", "epsilon")),
    "epsilon_alpha2_beta1": (("convolution", "alpha_beta"), ("dense", "epsilon")),
    "attnlrp": (("kernel", "epsilon"), ("product", "half")),
    "deep_taylor": (("first", "w_square"), ("kernel", "z_plus")),
    "deep_taylor_box": (("first", "z_box"), ("kernel", "z_plus")),
}


def places(graph: Graph, activity: Mapping[int, Activity], owners: Mapping[int, str]) -> dict[int, Place]:
    """First output of every op that can have more than one rule -> its place.

    Args:
        graph: As it is replayed.
        activity: Of its values.
        owners: Value number of each variable -> the name of its layer.
    """
    found, behind, layers = {}, behind_kernel(graph, activity), layers_of(graph, activity, owners)
    for op in (op for part in graphs(graph) for op in part.ops):
        active = [i for i, number in enumerate(op.inputs) if activity.get(number) is Activity.ACTIVE]
        kernel = kernel_of(op)
        if kernel is not None and positions(op, active) is not None:
            kind = "convolution" if is_convolution(op) else "dense"
            first = not any(behind.get(op.inputs[i]) for i in active)
            layer = next((layers[i] for k, i in enumerate(op.inputs) if k not in active and i in layers), "")
            found[op.outputs[0]] = Place(kind, kernel.type, kernel.name, layer, first)
        elif len(active) == 2 and op.type in BILINEAR:
            found[op.outputs[0]] = Place("product", op.type, op.name, "", False)
    return found


def assignment(
    rows: Sequence[Row], graph: Graph, activity: Mapping[int, Activity], owners: Mapping[int, str]
) -> dict[int, Setting]:
    """First output of an op -> the setting of the first row that takes it and whose rule can serve it.

    Raises:
        OptionError: A row names a layer that there is not.
        UnsupportedOpError: All that a row takes are ops which its rule cannot serve.
    """
    found: dict[int, Setting] = {}
    asked = places(graph, activity, owners)
    for row in rows:
        mine = {n: place for n, place in asked.items() if takes(row.what, place)}
        if not mine and isinstance(row.what, str) and row.what not in (*SERVED, *KERNELS_ONLY):
            names = {place.layer for place in asked.values()} - {""}
            raise OptionError(
                f"rule= names {row.what!r}, which is no layer with a dense product or convolution on the way to the "
                f"output. {suggest(row.what, [*names, *SERVED, *KERNELS_ONLY])}"
            )
        served = {n for n, place in mine.items() if row.setting.rule in SERVED[place.kind]}
        if mine and not served:
            place = next(iter(mine.values()))
            raise UnsupportedOpError(
                f"The rule {row.setting.rule!r} cannot serve the {place.kind} {place.type} at {place.name!r}. Rules "
                f"that can: {', '.join(SERVED[place.kind])}."
            )
        found |= {n: row.setting for n in served if n not in found}
    return found


def takes(what: str | Callable[[Place], Any], place: Place) -> bool:
    """Whether a row is meant for this place."""
    if not isinstance(what, str):
        return bool(what(place))
    if what == "kernel":
        return place.kind != "product"
    if what == "first":
        return place.first
    return what in (place.kind, place.layer)
