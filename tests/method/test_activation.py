"""A layer's output as an explanation: what Keras itself says, of every kind of model and layer."""

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tests.models import MODELS
from tests.recorded import recorded
from tests.test_contract import NO_MAP


@pytest.mark.long
@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind not in NO_MAP])
def test_none_is_the_last_convolution(kind):
    keras.utils.set_random_seed(1)
    model, x = MODELS[kind](np.random.default_rng(0))
    e = tfxai.explain(model, x, "activation", target=0, on="probability", verbose=0)
    expected, _ = recorded(model, x, e.layer.split("/")[-1])
    assert e.values.shape == expected.shape and e.delta is None and e.baseline_score is None
    np.testing.assert_allclose(e.values, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(e.score, np.asarray(model(x))[:, 0], rtol=1e-4, atol=1e-6)
    assert e.layer == tfxai.explain(model, x, "gradcam", target=0, resize=False, verbose=0).layer


@pytest.mark.long
@pytest.mark.parametrize("kind", ["tabular", "lstm", "text", "attention", "subclassed", "masked_gru"])
def test_any_layer_by_name(kind):
    keras.utils.set_random_seed(1)
    model, x = MODELS[kind](np.random.default_rng(0))
    np.asarray(model(x))
    name = model.layers[-2].name
    expected, _ = recorded(model, x, name)
    e = tfxai.explain(model, x, "activation", layer=name, target=0, verbose=0)
    np.testing.assert_allclose(e.values, expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(tfxai.errors.LayerError, match="no convolution.*say which layer's output to read with layer="):
        tfxai.explain(model, x, "activation", verbose=0)


@pytest.fixture
def network(rng):
    keras.utils.set_random_seed(3)
    rows = [layers.Conv2D(4, 3, activation="elu", name="a"), layers.Conv2D(5, 3, activation="relu", name="b")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *rows, layers.GlobalAveragePooling2D(), layers.Dense(3)])
    return model, rng.normal(size=(3, 8, 8, 1)).astype("float32")


@pytest.mark.long
def test_several_layers_the_target_does_not_matter_and_batches_do_not(network):
    model, x = network
    e = tfxai.explain(model, x, "activation", layer=["a", "b"], target=0)
    for name in ("a", "b"):
        np.testing.assert_allclose(e.values[name], recorded(model, x, name)[0], rtol=1e-5, atol=1e-6)
        other = tfxai.explain(model, x, "activation", layer=name, target=2, batch_size=1)
        np.testing.assert_allclose(other.values, e.values[name], rtol=1e-5, atol=1e-6)


def test_it_is_drawn_over_the_input_and_kept_in_files(network, tmp_path):
    model, x = network
    e = tfxai.explain(model, x, "activation")
    assert e.values.shape == (3, 4, 4, 5) and e.values.min() == 0
    ax = e.plot(0)
    assert ax.images[-1].norm.vmin == 0 and ax.figure.axes[-1].get_ylabel() == "activation"  # from black up; no class
    below = tfxai.explain(model, x, "activation", layer="a").plot(0).images[-1]
    assert below.norm.vmin == -below.norm.vmax
    e.save(tmp_path / "e.npz")
    np.testing.assert_array_equal(tfxai.load(tmp_path / "e.npz").values, e.values)


def test_metrics_refuse_what_is_not_of_the_input(network):
    model, x = network
    with pytest.raises(tfxai.errors.InputError, match=r"activation: expected shape \(3, 8, 8, 1\).*\(3, 4, 4, 5\)"):
        tfxai.evaluate(model, x, ["activation"], ["deletion"])


def test_snapshots_show_what_a_layer_finds_while_it_learns(network, tmp_path):
    model, x = network
    seen = []
    snapshots = tfxai.callbacks.ExplanationSnapshot(
        x[:2], "activation", layer="a", sinks=[lambda e, *_: seen.append(e)]
    )
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((3, 3)), epochs=2, verbose=0, callbacks=[snapshots])
    assert [e.method for e in seen] == ["activation"] * 3 and len(snapshots.history) == 3
    np.testing.assert_allclose(seen[-1].values, recorded(model, x[:2], "a")[0], rtol=1e-4, atol=1e-6)
    assert np.abs(seen[-1].values - seen[0].values).max() > 1e-5
