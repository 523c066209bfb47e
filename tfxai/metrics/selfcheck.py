"""What can be trusted on your own model: one self-check."""

from __future__ import annotations

import dataclasses
import re
import warnings
from typing import Any

import keras
import numpy as np

from tfxai.errors import CompletenessWarning, ModelError, UnsupportedOpError
from tfxai.explainer import Explainer
from tfxai.metrics.findings import Finding, findings
from tfxai.model.function import declared_inputs, open_model
from tfxai.rules.supported import supported_ops
from tfxai.targets.factories import Output
from tfxai.targets.resolve import single

TOLERANCE = 1e-4
LAYERS_SHOWN = 12  # layers
LEVELS = {"ok": "ok  ", "note": "note", "fail": "FAIL", "skipped": "-   "}


@dataclasses.dataclass(frozen=True)
class Check:
    """What a self-check measured. True when everything is as it should be.

    Attributes:
        residual: Largest |delta|, relative to the change of the score or its size.
        batch: Largest difference between the values in a batch and one by one, relative to the largest value.
        repeats: Whether the same call twice gives the same bits.
        unsupported: Ops without a rule, with their names; the rest was then measured with `unknown_ops="average"`.
        layers: What each layer (by its path) leaks of the first example's change, largest first.
        warnings: What tfxai warned of.
        findings: What else was measured: of the baseline, the units, the weights, and whether methods agree.
        advice: Which method to take.

    Example:
        >>> bool(Check(1e-7, 0.0, True, (), {}, ())), bool(Check(0.1, 0.0, True, (), {}, ()))
        (True, False)
    """

    residual: float
    batch: float
    repeats: bool
    unsupported: tuple[str, ...]
    layers: dict[str, float]
    warnings: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    advice: str = ""

    def __bool__(self) -> bool:
        sound = not any(finding.level == "fail" for finding in self.findings)
        return sound and self.repeats and not self.unsupported and max(self.residual, self.batch) <= TOLERANCE

    def __str__(self) -> str:
        """All of it in one screen."""
        told = [f"  {LEVELS[level]} {name:20s} {text}" for name, level, text, _ in (*self._sums(), *self.findings)]
        told += [f"  warning: {text}" for text in self.warnings]
        told += ["", "  what each layer leaks of the change of the first example's score:"]
        told += [f"    {amount:+.1e}  {layer}" for layer, amount in list(self.layers.items())[:LAYERS_SHOWN]]
        if len(self.layers) > LAYERS_SHOWN:
            told.append(f"    less in {len(self.layers) - LAYERS_SHOWN} more")
        told += ["", f"  take: {self.advice}"] if self.advice else []
        return "\n".join([*told, "", "All well." if self else "Not as it should be: see above."])

    def _sums(self) -> list[Finding]:
        """Of what it measured itself."""
        repeats = "same call, same bits" if self.repeats else "the same call gave other numbers"
        measured = [
            ("adds up", self.residual <= TOLERANCE, f"largest residual {self.residual:.1e} of the score's change"),
            ("batch", self.batch <= TOLERANCE, f"in a batch and alone differ by {self.batch:.1e}"),
            ("repeats", self.repeats, repeats),
            ("every op has a rule", not self.unsupported, f"without: {', '.join(self.unsupported) or 'none'}"),
        ]
        return [Finding(name, "ok" if good else "fail", text) for name, good, text in measured]


def check(
    model: Any, x: Any = None, rule: str = "rescale", target: Any = None, baseline: Any = None, allow_nan: bool = False
) -> Check:
    """Whether explanations of your model can be trusted, and which method to take.

    DeepLIFT explains x in several ways: do the contributions add up, the same in every batch and every time? Then: does
    the baseline differ from x, and its choice matter? Do contributions cancel? Is the score flat at x? Does a ReLU let
    nothing through? Do the values change when all weights are drawn again (they are put back)? Do three methods agree?

    Args:
        model: As in `tfxai.explain`.
        x: Two examples or more; None draws four from a normal distribution, where the model declares its inputs.
        rule: Of DeepLIFT.
        target: As in `tfxai.explain`.
        baseline: As in `tfxai.explain`.
        allow_nan: As in `tfxai.explain`.

    Returns:
        Check.

    Raises:
        ModelError: x is None and the model does not say what its inputs look like.
        TfxaiError: As in `tfxai.explain`.

    Example:
        >>> import keras
        >>> import tfxai
        >>> bool(tfxai.check(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="relu")])))
        True
    """
    single(target)
    model = open_model(model)
    x = random_inputs(model) if x is None else x
    unsupported = _without_rule(model, x, allow_nan)
    options: dict[str, Any] = {"rule": rule, "allow_nan": allow_nan}
    explainer = Explainer(model, "deeplift", **options, unknown_ops="average" if unsupported else "raise")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            e = explainer(x, target, baseline, verbose=0)
        except UnsupportedOpError as error:  # inside a loop or a branch
            unsupported = (str(error),)
            explainer = Explainer(model, "deeplift", **options, unknown_ops="average")
            e = explainer(x, target, baseline, verbose=0)
        again = explainer(x, target, baseline, verbose=0)
        alone = explainer(x, target, baseline, batch_size=1, verbose=0)
    pairs = [zip(keras.tree.flatten(e.values), keras.tree.flatten(o.values), strict=True) for o in (again, alone)]
    size = max(float(np.abs(v).max()) for v in keras.tree.flatten(e.values)) or 1.0
    also, advice = findings(model, x, _found(e.target, target), baseline, allow_nan)
    return Check(
        residual=float(np.max(np.asarray(e.residual))),
        batch=max(float(np.abs(a - b).max()) for a, b in pairs[1]) / size,
        repeats=all(np.array_equal(a, b) for a, b in pairs[0]),
        unsupported=unsupported,
        layers=_by_layer(explainer.leaks(x, target, baseline), _names(model)),
        warnings=tuple(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, CompletenessWarning))),
        findings=tuple(also),
        advice=advice,
    )


def _found(found: Any, target: Any) -> Any:
    """The classes that were explained, of the output that was asked for; other targets as they are."""
    if not isinstance(found, np.ndarray):
        return target
    return dataclasses.replace(target, inner=found) if isinstance(target, Output) else found


def random_inputs(model: Any, n: int = 4, seed: int = 0) -> Any:
    """Random examples of the form that the model declares: normal numbers, ids 0 and 1 for whole numbers.

    Raises:
        ModelError: It declares no form.
    """
    declared = declared_inputs(model)
    if declared is None:
        raise ModelError("The model does not say what its inputs look like. Pass examples of them as x.")
    rng = np.random.default_rng(seed)
    arrays = []
    for _, shape, dtype in declared:
        shape = (n, *(16 if size is None else size for size in shape[1:]))
        if dtype.startswith(("int", "uint", "bool")):
            arrays.append(rng.integers(0, 2, shape).astype(dtype))
        elif dtype == "string":
            arrays.append(np.full(shape, "a"))
        else:
            arrays.append(rng.normal(size=shape).astype("float32" if dtype == "bfloat16" else dtype))
    if len(arrays) == 1:
        return arrays[0]
    return (
        {name: a for (name, *_), a in zip(declared, arrays, strict=True)} if isinstance(model.input, dict) else arrays
    )


def _names(model: Any) -> set[str]:
    known = model._flatten_layers() if isinstance(model, keras.layers.Layer) else ()
    return {layer.name for layer in known}


def _own_name(part: str, names: set[str]) -> str:
    """A layer's name without the number that TensorFlow adds where a name was there before."""
    shorter = re.sub(r"_\d+$", "", part)
    return shorter if part not in names and shorter in names else part


def _without_rule(model: Any, x: Any, allow_nan: bool) -> tuple[str, ...]:
    """Ops on the way from the input to the output that DeepLIFT has no rule for."""
    _, traced = Explainer(model, "gradient", allow_nan=allow_nan).trace(x)
    known = supported_ops()
    return tuple(f"{op.name} ({op.type})" for op in traced.carrying() if op.type not in known)


def _by_layer(leaks: dict[str, float], names: set[str]) -> dict[str, float]:
    """What the ops of each layer leak together, largest first."""
    total: dict[str, float] = {}
    for op, amount in leaks.items():
        parts = op.split(" (")[0].split("/")[:-1]
        layer = "/".join(_own_name(part, names) for part in parts) or "(outside of layers)"
        total[layer] = total.get(layer, 0.0) + amount
    return dict(sorted(total.items(), key=lambda kv: -abs(kv[1])))
