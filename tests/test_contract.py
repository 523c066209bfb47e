"""Every method on every kind of model keeps the promises that all of them make.

A model is captured once, and all methods are run on it in a row: what one of them left behind, the next would meet.
"""

import contextlib
import functools
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfxai
from tests.models import MODELS
from tfxai.method.lookup import class_of
from tfxai.method.table import METHODS

FEWER = {"samples": 6}
CELLS = {"samples": 16, "groups": tfxai.segments.grid(2)}
OPTIONS = {"smoothgrad": FEWER, "vargrad": FEWER, "smoothgrad_squared": FEWER, "rise": FEWER, "kernel_shap": CELLS,
           "lime": CELLS, "shapley_sampling": {"samples": 2}}  # fmt: skip
# For the promises that hold for any number of passes.
COARSE = {
    "integrated_gradients": {"steps": 3},
    "expected_gradients": {"samples": 3},
    "occlusion": {"window": 3, "stride": 3},
}
PLANS = [(name, OPTIONS.get(name, {})) for name in METHODS if not class_of(name).needs_data]
PLANS += [("deeplift", {"rule": "reveal_cancel"})]
PLANS += [(name, {"relu": False}) for name in ("gradcam", "gradcam++", "layercam", "hirescam", "scorecam")]
PLANS += [("gradcam", {"channels": "each", "resize": False}), ("hirescam", {"channels": "each", "resize": False})]
PLANS += [("lrp", {"rule": rule}) for rule in ("epsilon", "epsilon_alpha2_beta1", "epsilon_plus_flat", "attnlrp")]
PLANS += [("smoothgrad", {"inner": "deeplift", **FEWER}), ("smoothgrad", {"inner": "gradcam", **FEWER})]


def id_of(name, options):
    words = [v if isinstance(v, str) else f"{k}={v}" for k, v in options.items() if isinstance(v, (str, bool))]
    return "-".join([name, *words])


# Integrated Gradients adds up for continuous functions with a gradient everywhere near the path: what these are not.
ROUGH = {
    "upsampling": "a rectifier that jumps at its threshold",
    "attention": "layer normalisation, which has no variance at the zero baseline",
}

NO_RECTIFIER = {"lstm", "gru", "gru_reset_before", "rnn_unrolled", "masked_gru", "conv_lstm", "text"}
NO_MAP = {
    "keras_ops", "shared_layers", "subclassed", "lstm", "gru", "gru_reset_before", "rnn_unrolled", "masked_gru",
    "attention", "text", "tabular", "maxout", "merged_batch",
}  # fmt: skip


# Without a convolution the genomics rule is reveal-cancel, which is there as well.
CONVOLVED = {
    "sequential_cnn", "functional_bn", "nested_transfer", "dict_inputs", "conv_lstm", "dna", "volumes", "upsampling",
    "time_distributed",
}  # fmt: skip
SQUASHED = {"sequential_cnn", "functional_bn", "shared_layers", "masked_gru", "attention", "text", "dna"}


class Subject:
    """One model with its examples, captured once, and what it was before anything was explained."""

    def __init__(self, kind):
        keras.utils.set_random_seed(1)
        self.kind = kind
        self.model, self.x = MODELS[kind](np.random.default_rng(0))
        self.explainer = tfxai.Explainer(self.model)
        # Without a softmax or sigmoid at the end the logit is the output.
        self.probability = tfxai.Explainer(self.model, on="probability") if kind in SQUASHED else self.explainer
        self.weights = [w.copy() for w in self.model.get_weights()]
        self.before = self.outputs(self.x)
        self.config = self.its_config()

    @functools.cached_property
    def patterns(self):
        n = len(keras.tree.flatten(self.x)[0])
        return tfxai.Patterns.fit(self.model, rows(self.x, np.arange(20) % n))

    def its_config(self):
        return None if self.kind == "subclassed" else self.model.get_config()  # which such models have none of

    def outputs(self, x):
        return np.asarray(self.model(x))

    def at_the_baseline(self):
        """What the model itself returns for zeros, where x says which steps exist."""
        if self.kind == "text":  # for the zero embedding
            lstm, dense = self.model.layers[-2:]
            return np.asarray(dense(lstm(np.zeros((*self.x.shape, 6), "float32"), mask=self.x != 0)))
        if self.kind == "masked_gru":
            return self.outputs(np.where((self.x == -1).all(-1, keepdims=True), self.x, 0))
        return self.outputs(keras.tree.map_structure(np.zeros_like, self.x))

    def check_weights(self):
        for old, new in zip(self.weights, self.model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)

    def check_unchanged(self):
        self.check_weights()
        np.testing.assert_array_equal(self.before, self.outputs(self.x))
        assert self.its_config() == self.config


@pytest.fixture(scope="module")
def subject(request):
    subject = Subject(request.param)
    yield subject
    subject.check_unchanged()  # after all methods in a row, and after their errors


def on(kinds):
    return pytest.mark.parametrize("subject", kinds, indirect=True)


def refusals(method):
    """Kinds of model on which the method has nothing to look at, and says so."""
    refused = NO_MAP if method.reads_feature_maps or method.usual_layer else set()
    return refused | NO_RECTIFIER if method.name in ("guided_backprop", "deconvnet", "guided_gradcam") else refused


def rows(x, which):
    return keras.tree.map_structure(lambda a: a[which], x)


def close(a, b, scale):
    for p, q in zip(keras.tree.flatten(a), keras.tree.flatten(b), strict=True):
        np.testing.assert_allclose(p, q, rtol=2e-4, atol=2e-5 * scale)


@on(MODELS)
@pytest.mark.parametrize("name, options", PLANS, ids=[id_of(*plan) for plan in PLANS])
def test_contract(subject, name, options):
    check_promises(subject, name, options)


@pytest.mark.long
@on(sorted(CONVOLVED))
def test_contract_of_genomics(subject):
    check_promises(subject, "deeplift", {"rule": "genomics"})


# With a dense layer or convolution inside of a loop, which has no pattern.
LOOPED = {"rnn_unrolled", "lstm", "gru", "gru_reset_before", "masked_gru", "conv_lstm", "text"}


@pytest.mark.long
@on(sorted(set(MODELS) - LOOPED))
@pytest.mark.parametrize("name", ["patternnet", "pattern_attribution"])
def test_contract_of_patterns(subject, name):
    check_promises(subject, name, {"patterns": subject.patterns})


def check_promises(subject, name, options):
    x, explainer = subject.x, subject.explainer.using(name, **options)
    if subject.kind in refusals(explainer.method):
        with pytest.raises(
            (tfxai.errors.LayerError, tfxai.errors.NoRectifierError), match="no convolution|has none|fits no input"
        ):
            explainer(x)
        subject.check_weights()
        return
    rough = subject.kind in ROUGH and name in ("integrated_gradients", "expected_gradients")
    warnings.filterwarnings("ignore", "lime: .* is no linear function of the groups")
    says = "Raise|jumps where a decision"  # Keras 3.8 multiplies by the cast comparison, newer ones select by it
    with pytest.warns(tfxai.CompletenessWarning, match=says) if rough else contextlib.nullcontext():
        e = explainer(x, seed=3, verbose=0)

    if explainer.method.one_map_per_layer:
        (pixels,) = [a for a in keras.tree.flatten(x) if a.ndim > 2]
        places = pixels.shape[2:-1] if subject.kind == "conv_lstm" else pixels.shape[1:-1]  # its steps become one state
        if options.get("channels") == "each":  # of the layer's size
            assert e.values.shape[0] == len(pixels) and e.values.ndim == 2 + len(places) and e.values.shape[-1] > 1
        else:
            assert e.values.shape == (len(pixels), *places, 1)
        assert e.values.min() >= 0 or options.get("relu") is False
    elif explainer.method.usual_layer is not None:  # in the shape of the layer
        assert e.layer and len(e.values) == len(keras.tree.flatten(x)[0])
    else:
        assert keras.tree.map_structure(np.shape, e.values) == keras.tree.map_structure(np.shape, x)
    assert all(np.isfinite(v).all() for v in keras.tree.flatten(e.values))
    scale = max(np.abs(v).max() for v in keras.tree.flatten(e.values))
    assert scale > 0
    if explainer.method.complete:
        size = np.maximum(np.abs(e.score - e.baseline_score), np.abs(e.score).mean())
        total = sum(v.reshape(len(v), -1).sum(1, dtype="float64") for v in keras.tree.flatten(e.values))
        allowed = max(1e-4, explainer.method.accuracy())
        assert rough or np.abs(total - (e.score - e.baseline_score)).max() <= allowed * size.max()
        np.testing.assert_allclose(e.delta, e.score - e.baseline_score - total, atol=1e-5 * size.max())
    else:
        assert e.delta is None

    if name in COARSE:
        explainer = subject.explainer.using(name, **options | COARSE[name])
        warnings.simplefilter("ignore", tfxai.CompletenessWarning)
        e = explainer(x, seed=3, verbose=0)
    again = explainer(x, seed=3, verbose=0)
    for p, q in zip(keras.tree.flatten(e.values), keras.tree.flatten(again.values), strict=True):
        np.testing.assert_array_equal(p, q)
    exchanged = explainer(rows(x, [1, 0]), seed=3, batch_size=1, verbose=0)  # in another order, and each alone
    close(exchanged.values, rows(e.values, [1, 0]), scale)
    subject.check_weights()


SEVERAL = [
    ("deeplift", {}), ("integrated_gradients", {"steps": 3}), ("occlusion", COARSE["occlusion"]), ("gradcam", {})
]  # fmt: skip


@pytest.mark.long
@on(MODELS)
@pytest.mark.parametrize("name, options", SEVERAL, ids=[name for name, _ in SEVERAL])
@pytest.mark.filterwarnings("ignore::tfxai.CompletenessWarning", "ignore::tfxai.EmptyMapWarning")
def test_several_targets_are_one_and_one(subject, name, options):
    explainer = subject.explainer.using(name, **options)
    if subject.kind in refusals(explainer.method):
        with pytest.raises(tfxai.errors.LayerError, match="no convolution|fits no input"):
            explainer(subject.x, tfxai.targets.each([0, 0]))
        return
    last = subject.outputs(subject.x).shape[-1] - 1
    wanted = [last, np.arange(len(subject.before)) % 2 * last, 0]
    found = explainer(subject.x, tfxai.targets.each(wanted), seed=3)
    for target, e in zip(wanted, found, strict=True):
        own = explainer(subject.x, target, seed=3)
        scale = max(np.abs(v).max() for v in keras.tree.flatten(own.values))
        close(e.values, own.values, scale)
        np.testing.assert_allclose(e.score, own.score, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(e.target, own.target)
        assert (e.baseline_score is None) == (own.baseline_score is None)
        if own.baseline_score is not None:
            np.testing.assert_allclose(e.baseline_score, own.baseline_score, rtol=1e-5, atol=1e-6)
        assert e.meta == own.meta and e.fingerprint == own.fingerprint and e.layer == own.layer


@pytest.mark.long
@on(MODELS)
@pytest.mark.parametrize("name, options", [("gradient", {}), ("deeplift", {}), ("integrated_gradients", {"steps": 2})])
@pytest.mark.filterwarnings("ignore::tfxai.CompletenessWarning")  # two steps are few; the scores are what is tested
def test_scores_are_those_of_the_model(subject, name, options):
    explainer = subject.probability.using(name, **options)
    e = explainer(subject.x, verbose=0)
    outputs = subject.outputs(subject.x)
    own = outputs.argmax(1)
    np.testing.assert_array_equal(e.target, own)
    np.testing.assert_allclose(e.score, outputs[range(len(e)), own], rtol=1e-5, atol=1e-6)
    if explainer.method.uses_baseline:
        expected = np.broadcast_to(subject.at_the_baseline(), outputs.shape)[range(len(e)), own]
        np.testing.assert_allclose(e.baseline_score, expected, rtol=1e-5, atol=1e-6)


@on([kind for kind in MODELS if kind != "text"])
def test_the_gradient_is_the_tapes(subject):
    @tf.function  # as users run it; eager kernels break ties in max pooling differently
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = subject.model(x, training=False)[:, 0]
        return tape.gradient(score, x)

    e = subject.probability.using("gradient")(subject.x, target=0)
    expected = gradient(keras.tree.map_structure(tf.constant, subject.x))
    for p, q in zip(keras.tree.flatten(e.values), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-5, atol=1e-6 * np.abs(q).max())
    np.testing.assert_allclose(e.score, subject.outputs(subject.x)[:, 0], rtol=1e-5)
