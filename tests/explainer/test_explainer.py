"""An Explainer is prepared once: weights are live, nothing is retraced or changed, threads may share it."""

import gc
import sys
import threading
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.types.experimental import ConcreteFunction

import tfxai
from tests.models import MODELS


def test_weights_are_read_live_without_retracing(rng):
    model, x = MODELS["sequential_cnn"](rng)
    explainer = tfxai.Explainer(model)
    first = explainer(x, target=0)
    traces = explainer.traces
    for w in model.weights:
        w.assign(w * 1.5 + 0.01)
    second = explainer(x[:2], target=2, baseline=0.0)
    assert explainer.traces == traces > 0
    fresh = tfxai.explain(model, x[:2], target=2)
    np.testing.assert_allclose(second.values, fresh.values, rtol=1e-5, atol=1e-7)
    assert np.abs(second.values - first.values[:2]).max() > 1e-3


@pytest.mark.long
def test_no_retracing_for_targets_batches_and_references(rng):
    model, x = MODELS["functional_bn"](rng)
    explainer = tfxai.Explainer(model)
    explainer(x)
    explainer(x, baseline=rng.normal(size=x.shape))  # one reference per example
    explainer(x, baseline=rng.normal(size=(1, 2, *x.shape[1:])))  # several for all: the last form
    traces = explainer.traces
    for target in (0, 3, [0, 1, 2, 3], None):
        for batch_size in (1, 3, None):
            explainer(x, target=target, batch_size=batch_size)
            explainer(x, target=target, batch_size=batch_size, baseline=rng.normal(size=(1, 5, *x.shape[1:])))
    assert explainer.traces == traces


@pytest.mark.long
def test_two_threads(rng):
    models = [MODELS[k](np.random.default_rng(5)) for k in ("sequential_cnn", "functional_bn")]
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


@pytest.mark.long
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
    tfxai.explain(MODELS["lstm"](np.random.default_rng(0))[0], np.ones((1, 6, 5), "float32"), layer=0)

    assert sys.getprofile() is None
    assert [dict(vars(c)) for c in watched] == before
    assert [set(vars(m)) for m in (keras, keras.layers, tf, tf.raw_ops)] == names
    assert state == {id(layer): set(vars(layer)) for layer in model.layers}


@pytest.mark.long
def test_jit_compile_gives_the_same(rng):
    model, x = MODELS["functional_bn"](rng)
    a, b = tfxai.explain(model, x, target=0), tfxai.explain(model, x, target=0, jit_compile=True)
    np.testing.assert_allclose(a.values, b.values, rtol=1e-3, atol=1e-6)


def test_traces_count_what_is_new(rng):
    model, x = MODELS["tabular"](rng)
    explainer = tfxai.Explainer(model)
    assert explainer.traces == 0
    explainer(x)
    first = explainer.traces
    explainer(x[:1])
    assert first > 0 and explainer.traces == first
    gradient = explainer.using("gradient")  # shares the capture, and needs a pass of its own
    gradient(x)
    assert explainer.traces == gradient.traces > first


@pytest.mark.long
def test_nothing_is_left_of_an_explainer_but_its_model(rng):
    """What it traced is gone when it is forgotten, and it does not keep the model alive either."""
    model, x = MODELS["tabular"](rng)
    gc.collect()
    before = functions()
    explainer = tfxai.Explainer(model)
    explainer(x)
    held = weakref.ref(explainer)
    assert functions() > before
    del explainer
    tfxai.forget(model)
    gc.collect()
    assert held() is None and functions() == before
    explainer, held = tfxai.Explainer(model), weakref.ref(model)
    explainer(x)
    del explainer, model
    keras.backend.clear_session()
    gc.collect()
    assert held() is None


def functions():
    """How many traced functions TensorFlow holds."""
    return sum(isinstance(thing, ConcreteFunction) for thing in gc.get_objects())


@pytest.mark.parametrize("name, value", [("layer", "dense"), ("on", "probability"), ("jit_compile", True)])
def test_using_says_that_the_explainers_own_options_stay(name, value):
    explainer = tfxai.Explainer(lambda z: z, "gradient")
    with pytest.raises(
        tfxai.errors.UnknownOptionError, match=rf"using\(\) keeps on=.* Received: {name}. Make another: tfxai"
    ):
        explainer.using("deeplift", **{name: value})


def test_axes_of_inputs_in_a_dict_of_any_order(rng, tmp_path):
    a, b = keras.Input((6, 6, 3), name="photo"), keras.Input((2,), name="facts")
    model = keras.Model([a, b], keras.layers.Dense(1)(keras.layers.Concatenate()([keras.layers.Flatten()(a), b])))
    x = {"photo": rng.normal(size=(1, 6, 6, 3)).astype("float32"), "facts": np.ones((1, 2), "float32")}
    for order in (["photo", "facts"], ["facts", "photo"]):
        e = tfxai.explain(model, {name: x[name] for name in order})
        assert dict(zip(e.inputs, e.meta["channels"]["inputs"], strict=True)) == {"photo": 3, "facts": None}
        assert tfxai.report(e, tmp_path / "r.html").is_file()
