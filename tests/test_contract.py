"""Every method on every kind of model keeps the promises that all of them make."""

import warnings

import keras
import numpy as np
import pytest

import tfxai
from tests.models import MODELS
from tfxai.method.table import METHODS

FEWER = {"samples": 12}  # enough for promises that hold for any number
OPTIONS = {"smoothgrad": FEWER, "vargrad": FEWER, "smoothgrad_squared": FEWER, "rise": FEWER}
PLANS = [(name, OPTIONS.get(name, {})) for name in METHODS]
PLANS += [("deeplift", {"rule": r}) for r in ("reveal_cancel", "genomics")]
PLANS += [("smoothgrad", {"inner": "deeplift", **FEWER}), ("smoothgrad", {"inner": "gradcam", **FEWER})]
IDS = ["-".join([n, *(v for v in o.values() if isinstance(v, str))]) for n, o in PLANS]

# Integrated Gradients adds up for continuous functions with a gradient everywhere near the path: what these are not.
ROUGH = {
    "upsampling": "a rectifier that jumps at its threshold",
    "attention": "layer normalisation, which has no variance at the zero baseline",
}

NO_RECTIFIER = {"lstm", "gru", "gru_reset_before", "rnn_unrolled", "masked_gru", "conv_lstm", "text"}
NO_MAP = {
    "keras_ops", "shared_layers", "subclassed", "lstm", "gru", "gru_reset_before", "rnn_unrolled", "masked_gru",
    "conv_lstm", "attention", "text", "tabular", "maxout", "merged_batch", "time_distributed",
}  # fmt: skip


def refusals(method):
    """Kinds of model on which the method has nothing to look at, and says so."""
    refused = NO_MAP if method.maps else set()
    return refused | NO_RECTIFIER if method.name in ("guided_backprop", "deconvnet", "guided_gradcam") else refused


def rows(x, which):
    return keras.tree.map_structure(lambda a: a[which], x)


def close(a, b, scale):
    for p, q in zip(keras.tree.flatten(a), keras.tree.flatten(b), strict=True):
        np.testing.assert_allclose(p, q, rtol=2e-4, atol=2e-5 * scale)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name, options", PLANS, ids=IDS)
def test_contract(name, options, kind, rng):
    keras.utils.set_random_seed(1)
    model, x = MODELS[kind](rng)
    before = [w.copy() for w in model.get_weights()], np.asarray(model(x)).copy()
    config = None if kind == "subclassed" else model.get_config()
    explainer = tfxai.Explainer(model, name, **options)
    if kind in refusals(explainer.method):
        with pytest.raises(
            (tfxai.errors.LayerError, tfxai.errors.NoRectifierError), match="no convolution|has none|fits no input"
        ):
            explainer(x)
        unchanged(model, x, before, config)
        return
    rough = kind in ROUGH and name in ("integrated_gradients", "expected_gradients")
    if rough:
        with pytest.warns(tfxai.CompletenessWarning, match="Raise"):
            e = explainer(x, seed=3, verbose=0)
        warnings.simplefilter("ignore", tfxai.CompletenessWarning)
    else:
        e = explainer(x, seed=3, verbose=0)

    if explainer.method.per_map:
        (pixels,) = [a for a in keras.tree.flatten(x) if a.ndim > 2]
        assert e.values.shape == (*pixels.shape[:-1], 1) and e.values.min() >= 0
    else:
        assert keras.tree.map_structure(np.shape, e.values) == keras.tree.map_structure(np.shape, x)
    assert all(np.isfinite(v).all() for v in keras.tree.flatten(e.values))
    scale = max(np.abs(v).max() for v in keras.tree.flatten(e.values))
    assert scale > 0
    if METHODS[name].complete:
        size = np.maximum(np.abs(e.score - e.baseline_score), np.abs(e.score).mean())
        total = sum(v.reshape(len(v), -1).sum(1, dtype="float64") for v in keras.tree.flatten(e.values))
        allowed = max(1e-4, explainer.method.accuracy())
        assert rough or np.abs(total - (e.score - e.baseline_score)).max() <= allowed * size.max()
        np.testing.assert_allclose(e.delta, e.score - e.baseline_score - total, atol=1e-5 * size.max())
    else:
        assert e.delta is None

    again = explainer(x, seed=3, verbose=0)
    for p, q in zip(keras.tree.flatten(e.values), keras.tree.flatten(again.values), strict=True):
        np.testing.assert_array_equal(p, q)
    one = explainer(rows(x, slice(1, 2)), seed=3, verbose=0)
    close(one.values, rows(e.values, slice(1, 2)), scale)
    order = np.array([1, 0, *range(2, len(e))])
    close(explainer(rows(x, order), seed=3, verbose=0).values, rows(e.values, order), scale)
    close(explainer(x, seed=3, batch_size=1, verbose=0).values, e.values, scale)
    unchanged(model, x, before, config)


def unchanged(model, x, before, config):
    for old, new in zip(before[0], model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(before[1], np.asarray(model(x)))
    assert config is None or config == model.get_config()
