"""Capture and replay: the plain table is the tape, weights are live, nothing is retraced or changed."""

import gc
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.models import KINDS


def tape_gradient(function, x, target):
    @tf.function  # as users run it; eager kernels break ties in max pooling differently
    def gradient(tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            score = function(tensors)[:, target]
        return tape.gradient(score, tensors)

    return gradient(keras.tree.map_structure(tf.constant, x))


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "text"])
def test_plain_table_is_the_tape(kind, rng):
    keras.utils.set_random_seed(2)
    model, x = KINDS[kind](rng)
    e = tfxai.explain(model, x, "gradient", target=0, on="probability")
    expected = tape_gradient(lambda z: model(z, training=False), x, 0)
    for p, q in zip(keras.tree.flatten(e.values), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-5, atol=1e-6 * np.abs(q).max())
    np.testing.assert_allclose(e.score, np.asarray(model(x))[:, 0], rtol=1e-5)


@tf.custom_gradient
def reversed_gradient(z):
    scale = tf.reduce_sum(z * z)  # the backward pass uses a tensor of the forward scope
    return tf.identity(z), lambda upstream: -upstream * scale


def test_custom_and_stopped_gradients(rng):
    x = rng.normal(size=(1, 4))
    function = lambda z: tf.reduce_sum(reversed_gradient(tf.tanh(z)) * 3.0 + tf.stop_gradient(z * z), axis=1)  # noqa: E731
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = function(tensor)
    e = tfxai.explain(function, x, "gradient")
    np.testing.assert_allclose(e.values, tape.gradient(y, tensor), rtol=1e-12)
    # DeepLIFT explains the function itself and passes through both
    np.testing.assert_allclose(tfxai.explain(function, x).values, 3 * np.tanh(x) + x * x, rtol=1e-10)


def test_custom_gradient_inside_a_nested_function(rng):
    x = rng.normal(size=(2, 3))
    inner = tf.function(lambda z: reversed_gradient(tf.sin(z)) * 2)
    function = lambda z: tf.reduce_sum(inner(inner(z)), axis=1)  # noqa: E731
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = function(tensor)
    np.testing.assert_allclose(tfxai.explain(function, x, "gradient").values, tape.gradient(y, tensor), rtol=1e-12)


def test_weights_are_read_live_without_retracing(rng):
    model, x = KINDS["sequential_cnn"](rng)
    explainer = tfxai.Explainer(model)
    first = explainer(x, target=0)
    engine = next(iter(explainer._engines.values()))
    compiled = dict(engine.compiled)
    for w in model.weights:
        w.assign(w * 1.5 + 0.01)
    second = explainer(x[:2], target=2, baseline=0.0)
    assert dict(engine.compiled) == compiled and len(explainer._engines) == 1
    fresh = tfxai.explain(model, x[:2], target=2)
    np.testing.assert_allclose(second.values, fresh.values, rtol=1e-5, atol=1e-7)
    assert np.abs(second.values - first.values[:2]).max() > 1e-3


def test_no_retracing_for_targets_batches_and_references(rng):
    model, x = KINDS["functional_bn"](rng)
    explainer = tfxai.Explainer(model)
    explainer(x)
    explainer(x, baseline=rng.normal(size=x.shape))  # one reference per example: the second and last form
    count = len(next(iter(explainer._engines.values())).compiled)
    for target in (0, 3, [0, 1, 2, 3], None):
        for batch_size in (1, 3, None):
            explainer(x, target=target, batch_size=batch_size)
            explainer(x, target=target, batch_size=batch_size, baseline=rng.normal(size=(1, 5, *x.shape[1:])))
    assert len(next(iter(explainer._engines.values())).compiled) == count


def test_two_threads(rng):
    models = [KINDS[k](np.random.default_rng(5)) for k in ("sequential_cnn", "functional_bn")]
    expected = [tfxai.explain(m, x, target=1).values for m, x in models]
    shared = tfxai.Explainer(models[0][0])
    results: dict = {}

    def work(k):
        model, x = models[k % 2]
        explainer = shared if k % 2 == 0 else tfxai.Explainer(model)
        results[k] = [explainer(x, target=1).values for _ in range(3)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k in range(6):
        for values in results[k]:
            np.testing.assert_allclose(values, expected[k % 2], rtol=1e-4, atol=1e-6)


def test_nothing_of_keras_or_tensorflow_changes_even_after_an_error():
    class Fails(layers.Layer):
        def call(self, x):
            if tf.inside_function():
                raise RuntimeError("in the middle of tracing")
            return x

        def compute_output_spec(self, x):
            return keras.KerasTensor(x.shape, x.dtype)

    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    model.add(Fails())
    watched = (keras.layers.Layer, keras.Model, keras.layers.Dense, tf.Tensor, tf.Graph, tf.GradientTape)
    before = [dict(vars(c)) for c in watched]
    names = [set(vars(m)) for m in (keras, keras.layers, tf, tf.raw_ops)]
    state = {id(layer): set(vars(layer)) for layer in model.layers}
    with pytest.raises(tfxai.TfxaiError, match="in the middle of tracing"):
        tfxai.explain(model, np.ones((1, 3), "float32"), layer="dense")
    tfxai.explain(KINDS["lstm"](np.random.default_rng(0))[0], np.ones((1, 6, 5), "float32"), layer=0)
    import sys

    assert sys.getprofile() is None
    assert [dict(vars(c)) for c in watched] == before
    assert [set(vars(m)) for m in (keras, keras.layers, tf, tf.raw_ops)] == names
    assert state == {id(layer): set(vars(layer)) for layer in model.layers}


@pytest.mark.parametrize("policy, limit", [("mixed_float16", 3e-2), ("mixed_bfloat16", 0.2)])
@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_mixed_precision(policy, limit, rule, rng):
    def build(dtype):
        keras.utils.set_random_seed(3)
        return keras.Sequential(
            [
                keras.Input((10, 10, 3)),
                layers.Conv2D(6, 3, activation="relu", dtype=dtype),
                layers.BatchNormalization(dtype=dtype),
                layers.Conv2D(6, 3, activation="silu", dtype=dtype),
                layers.GlobalAveragePooling2D(dtype=dtype),
                layers.Dense(3, dtype=dtype),
                layers.Activation("softmax", dtype="float32"),
            ]
        )

    x = rng.normal(size=(3, 10, 10, 3)).astype("float32")
    e = tfxai.explain(build(policy), x, target=1, rule=rule)
    exact = tfxai.explain(build("float32"), x, target=1, rule=rule)
    assert e.values.dtype == np.float32
    scale = np.abs(exact.values).sum((1, 2, 3)).max()
    assert np.abs(e.values - exact.values).sum((1, 2, 3)).max() < limit * scale
    assert np.abs(e.delta).max() < limit * np.abs(exact.score).max()


def test_float64_is_exact_to_rounding(rng):
    x = rng.normal(size=(2, 5))
    e = tfxai.explain(lambda z: tf.reduce_sum(tf.nn.softmax(tf.sinh(z) / (1 + z * z)) * tf.math.erf(z), 1), x)
    assert e.values.dtype == np.float64 and np.abs(e.delta).max() < 1e-13


def test_jit_compile_gives_the_same(rng):
    model, x = KINDS["functional_bn"](rng)
    a, b = tfxai.explain(model, x, target=0), tfxai.explain(model, x, target=0, jit_compile=True)
    np.testing.assert_allclose(a.values, b.values, rtol=1e-3, atol=1e-6)


def test_saved_model_and_its_signature(rng, tmp_path):
    model, x = KINDS["sequential_cnn"](rng)
    expected = tfxai.explain(model, x, target=2)
    model.export(str(tmp_path / "exported"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    for served in (loaded, loaded.signatures["serving_default"], str(tmp_path / "exported")):
        e = tfxai.explain(served, x, target=2)
        values = e.values if isinstance(e.values, np.ndarray) else next(iter(e.values.values()))
        np.testing.assert_allclose(values, expected.values, rtol=1e-4, atol=1e-6)


def test_keras_file(rng, tmp_path):
    model, x = KINDS["dna"](rng)
    model.save(tmp_path / "m.keras")
    np.testing.assert_allclose(
        tfxai.explain(tmp_path / "m.keras", x).values, tfxai.explain(model, x).values, rtol=1e-5, atol=1e-7
    )


def test_the_model_is_free_when_the_explainer_is(rng):
    import weakref

    model, x = KINDS["tabular"](rng)
    explainer = tfxai.Explainer(model)
    explainer(x)
    engine = weakref.ref(next(iter(explainer._engines.values())))
    del explainer
    gc.collect()
    assert engine() is None
