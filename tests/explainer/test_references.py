"""Several references share a pass, and the values are the mean of those against each of them alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import tfxai
from tests.models import MODELS
from tfxai.support.structure import leaves

COUNT = 5
# Loops and branches, numbers made of decisions, sums and products along an axis: these go pair by pair.
ONE_BY_ONE = {
    "lstm", "gru", "gru_reset_before", "rnn_unrolled", "masked_gru", "conv_lstm", "text",  # loops
    "keras_ops", "subclassed",
}  # fmt: skip
SMALL = {"dna", "tabular"}  # with one output


def references(rng, x, rows=1):
    """COUNT of them for each input, in the structure of x, and each of them alone."""

    def drawn(a):
        shape = (rows, COUNT, *a.shape[1:])
        return rng.integers(0, a.max() + 1, shape) if a.dtype.kind == "i" else rng.normal(size=shape).astype(a.dtype)

    found = keras.tree.map_structure(drawn, x)
    return found, [keras.tree.map_structure(lambda b, k=k: b[:, k], found) for k in range(COUNT)]


def in_pairs(explainer, x, baseline, target=1):
    return explainer._asking.run(x, target, baseline).in_pairs


def assert_mean(explainer, x, together, alone, tolerance=2e-5, scores=1e-5, **options):
    """Values, scores and delta against all are the mean of those against each."""
    e = explainer(x, baseline=together, verbose=0, **options)
    each = [explainer(x, baseline=one, verbose=0, **options) for one in alone]
    for got, *parts in zip(leaves(e.values), *[leaves(o.values) for o in each], strict=True):
        want = np.mean(parts, axis=0)
        assert np.abs(want).max() > 0
        np.testing.assert_allclose(got, want, atol=tolerance * np.abs(parts).max())
    for name in ("score", "baseline_score") if e.baseline_score is not None else ("score",):
        want = np.mean([getattr(o, name) for o in each], axis=0)
        np.testing.assert_allclose(getattr(e, name), want, rtol=scores, atol=scores / 10)
    return e


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_references_that_all_examples_share(name, rng):
    model, x = MODELS[name](rng)
    together, alone = references(rng, x)
    explainer = tfxai.Explainer(model)
    target = int(name not in SMALL)
    assert in_pairs(explainer, x, together, target) == (name not in ONE_BY_ONE)
    e = assert_mean(explainer, x, together, alone, target=target)
    assert np.abs(e.delta).max() < 1e-4 * max(1, np.abs(e.score - e.baseline_score).max())
    some = explainer(x, target=target, baseline=together, batch_size=2)  # two pairs in a pass
    for a, b in zip(leaves(e.values), leaves(some.values), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(a).max())


@pytest.mark.long
@pytest.mark.parametrize("make", [
    layers.LayerNormalization, lambda: layers.LayerNormalization(axis=1), lambda: layers.GroupNormalization(2),
    lambda: layers.LayerNormalization(rms_scaling=True),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:You passed `rms_scaling")
def test_normalisations_as_one_op(make, rng):
    model = keras.Sequential([keras.Input((3, 4)), layers.Dense(6), make(), layers.Flatten(), layers.Dense(2)])
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    x = rng.normal(size=(4, 3, 4)).astype("float32")
    together, alone = references(rng, x)
    explainer = tfxai.Explainer(model)
    assert in_pairs(explainer, x, together)
    assert_mean(explainer, x, together, alone, target=1)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::tfxai.errors.CompletenessWarning")  # of few steps
@pytest.mark.parametrize("name", ["functional_bn", "dict_inputs", "gru"])
@pytest.mark.parametrize("method, options", [
    ("deeplift", {"rule": "reveal_cancel"}), ("input_x_gradient", {}), ("integrated_gradients", {"steps": 3}),
    ("integrated_gradients", {"tolerance": 0.5}), ("occlusion", {}), ("expected_gradients", {"samples": 10}),
])  # fmt: skip
def test_other_methods(name, method, options, rng):
    model, x = MODELS[name](rng)
    together, alone = references(rng, x)
    explainer = tfxai.Explainer(model, method, **options)
    if method == "expected_gradients":  # other draws for each reference; the same whatever the batch
        a, b = (explainer(x, target=1, baseline=together, seed=3, batch_size=size) for size in (None, 1))
        for p, q in zip(leaves(a.values), leaves(b.values), strict=True):
            np.testing.assert_allclose(p, q, atol=1e-5 * np.abs(p).max())
        return
    e = assert_mean(explainer, x, together, alone, target=1)
    if "tolerance" in options:
        each = [explainer(x, target=1, baseline=one).meta["steps"] for one in alone]
        assert e.meta["steps"] == np.sum(each, axis=0).tolist()


@pytest.mark.long
@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
@pytest.mark.parametrize("name", ["dict_inputs", "text"])
def test_references_of_each_example(name, rule, rng):
    model, x = MODELS[name](rng)
    together, alone = references(rng, x, rows=len(leaves(x)[0]))
    explainer = tfxai.Explainer(model, rule=rule)
    assert not in_pairs(explainer, x, together)
    assert_mean(explainer, x, together, alone, target=1)


@pytest.mark.long
@pytest.mark.parametrize("options", [{"multipliers": True}, {"hypothetical": True}, {"unknown_ops": "average"}])
def test_options_of_deeplift(options, rng):
    model, x = MODELS["dna"](rng)
    together, alone = references(rng, x)
    assert_mean(tfxai.Explainer(model, **options), x, together, alone, target=0)


@pytest.mark.long
@pytest.mark.parametrize("paired, target", [
    (True, None), (True, [0, 2, 1, 0]), (True, tfxai.targets.difference(0, 2)), (True, tfxai.targets.adjusted(1)),
    (False, lambda y: y[:, 0] * y[:, 1]),
])  # fmt: skip
def test_targets(paired, target, rng):
    model, x = MODELS["functional_bn"](rng)
    together, alone = references(rng, x)
    explainer = tfxai.Explainer(model)
    assert in_pairs(explainer, x, together, target) == paired
    assert_mean(explainer, x, together, alone, target=target)


def test_one_example_and_a_target_that_reads_a_row(rng):
    """Repeated, the example would have several rows, and this function one number."""
    model, x = MODELS["functional_bn"](rng)
    together, alone = references(rng, x)
    assert_mean(tfxai.Explainer(model), x[:1], together, alone, target=lambda y: y[:1, 0] + 0 * y[:1, 1])


@pytest.mark.long
def test_a_layer(rng):
    model, x = MODELS["functional_bn"](rng)
    together, alone = references(rng, x)
    layer = next(one.name for one in model.layers if isinstance(one, layers.Conv2D))
    explainer = tfxai.Explainer(model, layer=layer)
    assert in_pairs(explainer, x, together)
    assert_mean(explainer, x, together, alone, target=1)


def test_half_precision(rng):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="gelu"), layers.Dense(2)])
    finally:
        keras.config.set_dtype_policy("float32")
    x = rng.normal(size=(4, 6)).astype("float32")
    together, alone = references(rng, x)
    explainer = tfxai.Explainer(model)
    assert in_pairs(explainer, x, together)
    assert_mean(explainer, x, together, alone, tolerance=5e-3, scores=1e-3, target=1)


# --- What becomes of the rows on the way ------------------------------------------------------------------------------

T, D = 4, 6  # steps and channels of a value (n, T, D)


def weights(seed, *shape):
    return tf.constant(np.random.default_rng(seed).normal(size=shape))


def blocks(z, seed):
    apart = tf.nn.relu(tf.space_to_batch(z[:, :, None], [2, 1], [[0, 0], [0, 0]]) + weights(seed, D))
    return tf.batch_to_space(apart, [2, 1], [[0, 0], [0, 0]])[:, :, 0]


KEPT = {
    "dense": lambda z, s: tf.tanh(z @ weights(s, D, D) + weights(s + 1, D)),
    "time_first": lambda z, s: tf.transpose(tf.nn.relu(tf.transpose(z, [1, 0, 2]) @ weights(s, D, D)), [1, 0, 2]),
    "steps_into_batch": lambda z, s: tf.reshape(tf.nn.elu(tf.reshape(z, [-1, D]) @ weights(s, D, D)), [-1, T, D]),
    "by_shape": lambda z, s: tf.reshape(tf.nn.softplus(tf.reshape(z, [tf.shape(z)[0], T * D])), tf.shape(z)),
    "last": lambda z, s: tf.transpose(tf.nn.relu(tf.transpose(z, [1, 2, 0])), [2, 0, 1]),
    "blocks": blocks,
    "halves": lambda z, s: tf.concat([tf.nn.relu(half) for half in tf.split(z, 2, axis=2)[::-1]], axis=2),
    "stacked": lambda z, s: tf.stack([tf.nn.selu(step) for step in tf.unstack(z, axis=1)], axis=1),
    "attention": lambda z, s: tf.nn.softmax(tf.einsum("bic,bjc->bij", z @ weights(s, D, D), z)) @ z,
    "product": lambda z, s: z * tf.sigmoid(z @ weights(s, D, D)),
    "pooled": lambda z, s: z + tf.reduce_max(z, axis=1, keepdims=True),
    "reversed_steps": lambda z, s: tf.math.atan(tf.reverse(z, [1])),
    "padded_steps": lambda z, s: tf.nn.relu(tf.pad(z, [[0, 0], [1, 0], [0, 0]]))[:, :T],
    "divided": lambda z, s: z / (1 + tf.reduce_sum(z * z, axis=-1, keepdims=True)),
    "swish": lambda z, s: keras.activations.silu(z),
}
# The examples meet, change places, or are read one by one.
MIXED = {
    "running_sum": lambda z: tf.cumsum(z, axis=0),
    "turned": lambda z: z[::-1],
    "reversed": lambda z: tf.reverse(z, [0]),
    "rolled": lambda z: tf.roll(z, 1, axis=0),
    "centred": lambda z: z - tf.reduce_mean(z, axis=0),
    "first": lambda z: z + z[:1],
    "softmax": lambda z: tf.transpose(tf.nn.softmax(tf.transpose(z, [1, 2, 0])), [2, 0, 1]),
    "gram": lambda z: tf.linalg.matmul(tf.linalg.matmul(z[:, 0], z[:, 0], transpose_b=True), z[:, 0])[:, None] + z,
    "gathered": lambda z: tf.gather(z, tf.zeros_like(tf.range(tf.shape(z)[0]))),
    "steps_outside": lambda z: tf.reshape(tf.reshape(tf.transpose(z, [1, 0, 2]), [-1, D]), [T, -1, D])[0][:, None] + z,
}


@pytest.mark.long
@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.lists(st.sampled_from(sorted(KEPT)), min_size=1, max_size=4))
def test_ways_of_the_rows(seed, ways):
    def model(z):
        for k, way in enumerate(ways):
            z = KEPT[way](z, seed + k)
        return tf.reshape(z, [-1, T * D]) @ weights(seed, T * D, 3)

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, T, D))
    together, alone = references(rng, x)
    explainer = tfxai.Explainer(model)
    assert in_pairs(explainer, x, together), ways
    assert_mean(explainer, x, together, alone, tolerance=1e-9, target=1)


@pytest.mark.long
@pytest.mark.parametrize("name", MIXED)
def test_rows_that_meet_are_no_pairs(name, rng):
    def model(z):
        return tf.reshape(tf.nn.relu(MIXED[name](tf.nn.relu(z))), [-1, T * D]) @ weights(1, T * D, 3)

    x = rng.normal(size=(3, T, D))
    together, _ = references(rng, x)
    assert not in_pairs(tfxai.Explainer(model), x, together)


def test_more_references_need_no_more_passes_than_fit(rng):
    """A hundred references of one row of a table: one pass, and none for each of them."""
    model, x = MODELS["tabular"](rng)
    b = rng.normal(size=(1, 100, *x.shape[1:]))
    explainer = tfxai.Explainer(model)
    run = explainer._asking.run(x[:1], 0, b)
    scorer, _ = run.scorer(slice(0, 1))
    assert run._parts(scorer) == [range(100)]
    few = explainer._asking.run(x[:1], 0, b, batch_size=30)
    assert [len(part) for part in few._parts(few.scorer(slice(0, 1))[0])] == [25, 25, 25, 25]


@pytest.mark.long
@pytest.mark.parametrize("activation", ["silu", "gelu", "hard_silu", "gate", "maximum", "gelu_tanh"])
def test_chains_meet_references_too(activation, rng):
    """Several ops of one tensor that are one op: as rows and columns, and with choices inside as pairs."""
    by_hand = {
        "gate": lambda t: t * keras.ops.cast(t > 0.1, "float32"),
        "maximum": lambda t: keras.ops.maximum(t, 0.2 * t * t),
        "gelu_tanh": lambda t: keras.ops.gelu(t, approximate=True),
    }
    f = by_hand.get(activation) or getattr(keras.ops, activation)
    i = keras.Input((6, 3))
    h = layers.Dense(7)(f(layers.Conv1D(5, 2)(i)))
    model = keras.Model(i, layers.Dense(2)(layers.Flatten()(f(h))))
    x = rng.normal(size=(4, 6, 3)).astype("float32")
    together, alone = references(rng, x)
    explainer = tfxai.Explainer(model)
    assert in_pairs(explainer, x, together)
    e = assert_mean(explainer, x, together, alone, target=1)
    assert np.abs(e.delta).max() < 1e-5


LOOKS = {
    "compares": (True, lambda z: tf.cond(tf.shape(z)[0] > 9, lambda: 2 * z, lambda: z * z)),
    "divides": (True, lambda z: z / tf.cast(tf.shape(z)[0], z.dtype)),
    "counts": (True, lambda z: z * tf.cast(tf.range(tf.shape(z)[0]), z.dtype)[:, None]),
    "reshapes": (False, lambda z: tf.reshape(z, [tf.shape(z)[0], -1]) ** 2),
    "fills": (False, lambda z: z + tf.zeros([tf.shape(z)[0], 3], z.dtype) * z),
    "by the length": (False, lambda z: z * z / tf.cast(tf.shape(z)[1], z.dtype)),
}


@pytest.mark.long
@pytest.mark.parametrize("name", LOOKS)
def test_a_model_that_looks_at_how_many_examples_there_are(name, rng):
    """Then they are not repeated: its values are those of each reference alone, in a pass of as many rows."""
    looks, model = LOOKS[name]
    x = rng.normal(size=(4, 3))
    together, alone = references(rng, x)
    explainer = tfxai.Explainer(model, "integrated_gradients", steps=3)
    assert explainer.trace(x)[1].looks_at_its_batch == looks
    run = explainer._asking.run(x, 0, together)
    assert len(run._parts(run.scorer(slice(0, 4))[0])) == (COUNT if looks else 1)
    if not looks:
        assert_mean(explainer, x, together, alone, tolerance=1e-9, target=0)
