"""What a call of an explainer asks for: captures, the layer or unit, targets, references -> runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfxai.errors import InputError, received, suggest
from tfxai.explainer import black_boxes, groups, references
from tfxai.explainer import labels as labels_of
from tfxai.explainer.black_boxes import Boxed
from tfxai.explainer.chunks import Run
from tfxai.explainer.inputs import Inputs
from tfxai.explainer.kept import Kept
from tfxai.explainer.prepared import Prepared
from tfxai.explainer.progress import Progress
from tfxai.explainer.references import References
from tfxai.method.base import Method
from tfxai.model import size
from tfxai.model.asked import Asked, at_layer, at_unit, layer_key
from tfxai.model.ends import explained_ends, reads_of
from tfxai.model.groups import Groups
from tfxai.model.prepare import prepare
from tfxai.model.traced import TracedModel
from tfxai.result.names import by_name, two_sided
from tfxai.targets import resolve
from tfxai.targets.bound import BoundTarget, alike
from tfxai.targets.several import Neuron, several

TARGETS = 32  # in a run: each has rows of its own of the explained tensors, in memory at once


@dataclasses.dataclass(frozen=True, eq=False)
class Asking:
    """The settings of an explainer, applied to x and a target. Attributes as those of `Explainer`.

    Attributes:
        prepared: What is captured of the model.
    """

    model: Any
    method: Method
    on: str
    layer: Any
    jit_compile: bool
    fixed: Sequence[str | int]
    reduction: str | None
    labels: Any
    allow_nan: bool
    prepared: Prepared | Boxed

    def trace(
        self, x: Any, batch_size: int | None = None, inside: bool = False
    ) -> tuple[Inputs, Kept | None, TracedModel]:
        """The inputs in the form that is captured, the capture, and the model explained at its inputs.

        Args:
            x, batch_size: As in `explain`.
            inside: Whether what a layer inside returns is explained.
        """
        if isinstance(self.prepared, Boxed):
            return self.prepared.trace(x, self.allow_nan, self._held, self.on == "probability")
        inputs = self.prepared.read(x, self.allow_nan)
        watched = inside or self.method.reads_feature_maps or self._asked is not None
        usual = batch_size or size.usual(inputs.shapes)
        rows = min(inputs.n, max(2, usual))  # of one alone it cannot be seen what it is
        inputs, kept = self.prepared.capture(inputs, watched, rows)
        return inputs, kept, self._made(self.prepared, inputs, kept, self.on)

    def _made(self, store: Prepared, inputs: Inputs, kept: Kept, on: str) -> TracedModel:
        """The model of a capture, explained at its inputs, with these outputs: logits, or as it returns them."""
        held = self._held(inputs)
        key = on, *self._key(held)[1:]
        return store.made(kept, key, lambda: prepare(kept.capture, on, self.jit_compile, held))

    def _key(self, held: Sequence[int], *more: Any) -> tuple:
        """What tells one traced model from others of the same capture."""
        return self.on, self.jit_compile, tuple(held), *more

    def _held(self, inputs: Inputs) -> list[int]:
        """The flat inputs that are to stay as they are."""
        known = inputs.positions
        for name in self.fixed:
            if name not in known:
                raise InputError(f"fixed= names inputs. {suggest(name, inputs.names)} {received(name)}")
        return [known[name] for name in self.fixed]

    @property
    def _asked(self) -> Any:
        """The layer that is asked for, or else what the method means by none."""
        return self.method.usual_layer if self.layer is None else self.layer

    def _at_layer(self, inputs: Inputs, kept: Kept | None, traced: TracedModel, target: BoundTarget) -> TracedModel:
        """The model at the layer that is asked for, for this target: one for all targets that read the same layer."""
        maps, held, store = self.method.reads_feature_maps, self._held(inputs), self.prepared
        if kept is None or isinstance(store, Boxed) or not maps and self._asked is None:
            return traced
        ends = explained_ends(traced, target)

        def made() -> TracedModel:
            asked = Asked(self._asked, maps, inputs.names)
            found = at_layer(traced, self.model, kept.capture.calls, asked, reads_of(traced, ends))
            same = self._key(held, maps, found.layer, found.explained, found.feature_maps, traced.outputs)
            return store.made(kept, same, lambda: found)

        key = self._key(held, maps, layer_key(self.model, self._asked), tuple(ends.items()), traced.unit_of)
        return store.made(kept, key, made)

    def runs(
        self, x: Any, target: Any, baseline: Any, batch_size: int | None = None, seed: int | None = None,
        verbose: int | str = 0,
    ) -> dict[tuple[int, ...], Run]:  # fmt: skip
        """What a call with these arguments explains: places of the targets -> the run that they share."""
        asked = several(target)
        wanted = [target] if asked is None else asked
        inside = any(isinstance(one, Neuron) for one in wanted)
        inputs, kept, traced = self.trace(x, batch_size, inside)
        if seed is None and (self.method.random or any(traced.draws)):
            seed = int(np.random.SeedSequence().generate_state(1)[0])  # every chunk and target meets the same draws
        together: dict[tuple, list[int]] = {}
        found = [self._bound(one, inputs, kept, traced) for one in wanted]
        for place, (model, one) in enumerate(found):
            together.setdefault((model, *alike(one)), []).append(place)
        runs: dict[tuple[int, ...], Run] = {}
        around: dict[TracedModel, tuple[References, Groups | None]] = {}  # functions of x are called once
        blocks = [some[k : k + TARGETS] for some in together.values() for k in range(0, len(some), TARGETS)]
        bar = Progress(inputs.n * len(blocks), verbose)
        for places in blocks:
            model, targets = found[places[0]][0], tuple(found[k][1] for k in places)
            if model not in around:
                against = references.resolve(baseline, inputs, model)
                around[model] = against, groups.resolve(self.method, inputs, model)
            rows = int(batch_size or size.rows(model, inputs.shapes))
            against, hidden = around[model]
            run = Run(self.method, model, inputs, targets[0], against, rows, seed, bar, self.reduction,
                      labels=self.labels, targets=targets if asked is not None else (), groups=hidden,
                      game_rows=groups.rows(self.method, hidden, inputs.n, against.count))  # fmt: skip
            runs[tuple(places)] = run
        return runs

    def run(self, x: Any, target: Any, *arguments: Any, **more: Any) -> Run:
        """What a call with one target explains.

        Raises:
            TargetError: Several targets.
        """
        resolve.single(target)
        (run,) = self.runs(x, target, *arguments, **more).values()
        return run

    def _bound(
        self, target: Any, inputs: Inputs, kept: Kept | None, traced: TracedModel
    ) -> tuple[TracedModel, BoundTarget]:
        """The model of which a target is explained, at the layer that is asked for, and the target, checked."""
        store = self.prepared
        if isinstance(target, Neuron):
            if kept is None or isinstance(store, Boxed):
                raise black_boxes.no_layers(target.layer)
            key = self._key(self._held(inputs), "unit", layer_key(self.model, target.layer))
            inside = store.made(kept, key, lambda: at_unit(traced, self.model, kept.capture.calls, target.layer))
            wanted = resolve.unit(
                target.index, inside.output_shapes, inside.channels_of(0), str(inside.unit_of), inputs.n
            )
            return self._at_layer(inputs, kept, inside, wanted), wanted
        both = None
        target = labels_of.resolved(target, traced, self.labels)
        if self.labels is not None:
            two = two_sided(self.labels, traced.classes())
            both = float(traced.is_probability(0)) if two else None
            target = by_name(target, self.labels, 2 if two else traced.classes())
        sizes = zip(inputs.shapes, traced.layouts, strict=True)
        pictures = [(s[p.places[0] - 1], s[p.places[1] - 1]) for s, p in sizes if len(p.places) == 2]
        wanted = resolve.resolve(
            target, traced.output_shapes, traced.output_names, inputs.n, both, traced.channels_of, pictures
        )
        if wanted.as_returned and kept is not None and not isinstance(store, Boxed):
            traced = self._made(store, inputs, kept, "probability")
        return self._at_layer(inputs, kept, traced, wanted), wanted
