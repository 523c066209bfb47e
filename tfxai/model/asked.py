"""The traced model at what is asked for: at a layer, with feature maps, or with a unit of a layer as its output."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tfxai.errors import LayerError, NoGradientError
from tfxai.graph.activity import Activity
from tfxai.graph.capture import Graph
from tfxai.graph.reads import Reads
from tfxai.model import layers
from tfxai.model.compiled import Compiled
from tfxai.model.feature_maps import FeatureMap, FeatureMaps
from tfxai.model.grid import grid
from tfxai.model.traced import TracedModel

LAST_CONVOLUTION = "last_conv"


class Asked(NamedTuple):
    """A layer that is asked for.

    Attributes:
        layer: A layer, `"last_conv"`, None, or a list of layers; for maps also `"all"`.
        maps: Whether the method reads feature maps at it, instead of attributing to it.
        inputs: Names of the inputs.
    """

    layer: Any
    maps: bool
    inputs: Sequence[str]


def layer_key(model: Any, layer: Any) -> Any:
    """What tells a layer that is asked for from others: layers by what they are, so that none is kept alive."""
    if isinstance(layer, list):
        return "list", *(layer_key(model, one) for one in layer)
    if isinstance(layer, tuple):  # a layer, and which call of it
        return "call", layer_key(model, layer[0]) if layer else None, *map(str, layer[1:])
    layer = resolved(model, layer)
    return layer if layer is None or isinstance(layer, (str, int)) else ("object", id(layer))


def at_layer(
    traced: TracedModel, model: Any, calls: Sequence[layers.LayerCall], asked: Asked, ends: Mapping[int, Reads]
) -> TracedModel:
    """The model explained at a layer, or with the feature maps of one or several.

    Args:
        traced: As prepared for its inputs.
        model: As the user gave it.
        calls: Of its layers.
        asked: Which layer.
        ends: What is explained: the output values, and what is read of them.

    Raises:
        LayerError: The layer is not there, what is explained does not depend on it, or it has no map.
    """
    if asked.maps:
        return _with_maps(traced, model, calls, asked, ends)
    explained: tuple[int, ...] = ()
    paths = []
    for one in asked.layer if isinstance(asked.layer, list) else [asked.layer]:
        if isinstance(one, str) and one == LAST_CONVOLUTION:
            finder = FeatureMaps(traced.graph, traced.activity, traced.followed, ends)
            numbers = _last(finder, calls)
            path = _path_of(finder, calls, numbers[0])
        else:
            numbers, path = _layer(traced.graph, layers.find(calls, resolved(model, one)), calls)
        check_path(dataclasses.replace(traced, explained=numbers, compiled=Compiled()), path, list(ends))
        explained += tuple(n for n in numbers if n not in explained)
        paths.append(path)
    return dataclasses.replace(traced, explained=explained, layer=", ".join(paths), compiled=Compiled())


def at_unit(traced: TracedModel, model: Any, calls: Sequence[layers.LayerCall], layer: Any) -> TracedModel:
    """The model whose outputs are what a layer inside of it returns.

    Args:
        traced: As prepared for its inputs.
        model: As the user gave it.
        calls: Of its layers.
        layer: Which.

    Raises:
        LayerError: The layer is not there, or does not depend differentiably on the inputs.
    """
    outputs, path = _layer(traced.graph, layers.find(calls, resolved(model, layer)), calls)
    names = tuple((str(k),) for k in range(len(outputs)))
    found = dataclasses.replace(traced, outputs=outputs, output_names=names, unit_of=path, compiled=Compiled())
    if not any(found.activity[o] is Activity.ACTIVE for o in outputs):
        raise LayerError(
            f"What the layer {path!r} returns does not depend differentiably on the inputs that are explained, so its "
            "units have nothing to be attributed to. Choose another layer, or fewer inputs in fixed=."
        )
    return found


def _with_maps(
    traced: TracedModel, model: Any, calls: Sequence[layers.LayerCall], asked: Asked, ends: Mapping[int, Reads]
) -> TracedModel:
    """The model that gives the feature maps of one or several layers."""
    finder = FeatureMaps(traced.graph, traced.activity, traced.followed, ends)
    chosen: dict[tuple[int, ...], str] = {}
    by_picture: list[tuple[int, ...]] = []
    for one in asked.layer if isinstance(asked.layer, list) else [asked.layer]:
        if one is None or isinstance(one, str) and one in (LAST_CONVOLUTION, "all"):
            last = _last_of_each(finder, calls, traced)
            found = finder.each() if one == "all" else last
            by_picture += last if one != "all" and one is asked.layer and len(last) > 1 else []
            chosen |= {values: _path_of(finder, calls, *values) for values in found}
        else:
            chosen |= _of_layer(finder, calls, resolved(model, one))
    for values, path in chosen.items():
        check_path(dataclasses.replace(traced, explained=values, compiled=Compiled()), path, list(ends))
    maps = tuple(
        _map(finder, traced, values, path, asked.inputs)._replace(of_picture=values in by_picture)
        for values, path in chosen.items()
    )
    return dataclasses.replace(traced, feature_maps=maps, layer=", ".join(chosen.values()), compiled=Compiled())


def _map(
    finder: FeatureMaps, traced: TracedModel, values: tuple[int, ...], path: str, names: Sequence[str]
) -> FeatureMap:
    """A map and where its places are. Beside others, those are meant that come from the convolution it has them of."""
    owners = {a.input for a in finder.places(values[0]) if a.grid == finder.grid(values[0])}
    wanted = owners.pop() if len(owners) == 1 else None
    axes = finder.stacked(values)
    where = grid(axes, path, traced.layouts, names, wanted)
    frame = where.places.index(axes.labels[1][0]) if len(values) > 1 else None
    return FeatureMap(values, path, where, frame)


def _of_layer(finder: FeatureMaps, calls: Sequence[layers.LayerCall], layer: Any) -> dict[tuple[int, ...], str]:
    """The value that a layer returned, or those of all frames where it is called for one after the other."""
    found = layers.matching(calls, layer)
    if len(found) > 1 and len({call.path for call in found}) == 1:
        values = finder.with_frames(_layer(finder.graph, found[0], calls)[0][0])
        if len(values) == len(found):
            return {values: found[0].path}
    numbers, path = _layer(finder.graph, layers.find(calls, layer), calls)
    return {numbers[:1]: path}


def _last_of_each(finder: FeatureMaps, calls: Sequence[layers.LayerCall], traced: TracedModel) -> list[tuple[int, ...]]:
    """The last map of each picture among the explained inputs, or of all of them."""
    pictures = [k for k, layout in enumerate(traced.layouts) if len(layout.places) > 1 and k in traced.input_of]
    return finder.last_of_each(pictures) or [_last(finder, calls)]


def _last(finder: FeatureMaps, calls: Sequence[layers.LayerCall]) -> tuple[int, ...]:
    """The values of the last convolution's map."""
    numbers = finder.last()
    if not numbers:
        known = list(dict.fromkeys(c.path for c in calls))[-5:]
        raise LayerError(
            "The model has no convolution with a spatial map on the way to its output, so there is no last one. Class "
            "activation maps are for pictures and the like: use method='deeplift', or say which layer's output to read "
            f"with layer=; the last ones are {', '.join(known) or 'none'}."
        )
    return numbers


def _path_of(finder: FeatureMaps, calls: Sequence[layers.LayerCall], number: int, *frames: int) -> str:
    """The innermost layer that returned this value, or else the op that made it."""
    for call in calls:
        for tensor in call.tensors:
            with contextlib.suppress(LayerError):
                if finder.aliases(layers.number_of(finder.graph, tensor))[-1] == finder.aliases(number)[-1]:
                    return call.path if frames else layers.name_of(call, calls)
    same = {finder.graph.values[n].name for n in finder.aliases(number)}
    return min(same, key=len).removesuffix(":0")


def resolved(model: Any, layer: Any) -> Any:
    """An index counts `model.layers`, as in Keras."""
    listed = getattr(model, "layers", None)
    if isinstance(layer, int) and not isinstance(layer, bool) and listed:
        if not -len(listed) <= layer < len(listed):
            raise LayerError(
                f"The model has {len(listed)} layers, so an index is in {-len(listed)} to {len(listed) - 1}. "
                f"Received: layer={layer}."
            )
        return listed[layer]
    return layer


def _layer(graph: Graph, call: layers.LayerCall, calls: Sequence[layers.LayerCall]) -> tuple[tuple[int, ...], str]:
    """Value numbers of what a layer returned, and the name of the call."""
    numbers = tuple(layers.number_of(graph, t) for t in call.tensors if t.dtype.is_floating)
    if not numbers:
        later = [c for c in calls[calls.index(call) + 1 :] if any(t.dtype.is_floating for t in c.tensors)]
        then = f"the one that makes such of it, layer={layers.name_of(later[0], calls)!r}" if later else "another layer"
        raise LayerError(f"The layer {call.path!r} returns no float tensor to attribute to. Choose {then}.")
    return numbers, layers.name_of(call, calls)


def check_path(model: TracedModel, path: str | None, ends: Sequence[int] = ()) -> None:
    """Raises LayerError or NoGradientError when no output (of `ends`) depends differentiably on what is explained."""
    if any(model.activity[o] is Activity.ACTIVE for o in ends or model.outputs):
        return
    if path is not None:
        other = any(model.activity[o] is Activity.ACTIVE for o in model.outputs)
        what = "The model's output" if model.unit_of is None else f"The unit of the layer {model.unit_of!r}"
        raise LayerError(
            f"{what} does not depend on the layer {path!r}"
            + (", but another output does" if other else "")
            + ". Choose a layer on its path."
        )
    raise NoGradientError(
        "No output of the model depends differentiably on its input, so there is nothing to attribute. Expected a "
        "path of float ops from the input (or from an embedding of it) to the output; comparisons, rounding and "
        "numpy code break it. By its scores alone any function is explained: tfxai.black_box(function)."
    )
