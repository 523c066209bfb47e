"""An output of one number with two names is the score of the second; the first is its complement.

The oracle is a twin with two outputs: the logits (-z, z), or the probabilities (1 - p, p).
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import tfxai
from tfxai.callbacks import ExplanationSnapshot
from tfxai.errors import InputError, TargetError
from tfxai.result.describe import target_name

NAMES = ["cat", "dog"]
X = np.random.default_rng(0).uniform(0, 1, (3, 8, 8, 3)).astype("float32")


@pytest.fixture(scope="module")
def twins():
    """The same network ending in z, in sigmoid(z), in (-z, z) and in (1 - p, p)."""
    keras.utils.set_random_seed(0)
    i = keras.Input((8, 8, 3))
    h = layers.Conv2D(4, 3, activation="relu")(i)
    z = layers.Dense(1)(layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(h)))
    p = ops.sigmoid(z)
    return {
        "logit": keras.Model(i, z),
        "sigmoid": keras.Model(i, p),
        "logits": keras.Model(i, ops.concatenate([-z, z], -1)),
        "probabilities": keras.Model(i, ops.concatenate([1 - p, p], -1)),
        "flat": keras.Model(i, ops.reshape(p, (-1,))),
    }


def same(e, want, atol=1e-5):
    np.testing.assert_allclose(e.values, want.values, atol=atol)
    np.testing.assert_allclose(e.score, want.score, atol=1e-5)
    if want.baseline_score is not None:
        np.testing.assert_allclose(e.baseline_score, want.baseline_score, atol=1e-5)
    assert (e.target == want.target).all()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::tfxai.errors.EmptyMapWarning")  # a map of one side or the other
@pytest.mark.parametrize("method", ["deeplift", "gradient", "integrated_gradients", "occlusion", "gradcam", "rise"])
def test_both_sides_of_a_logit(twins, method):
    sizes, few = [], {"samples": 32} if method == "rise" else {}
    for name, side in (("cat", 0), ("dog", 1)):
        want = tfxai.explain(twins["logits"], X, method, target=side, seed=0, **few)
        sizes.append(np.abs(want.values).max())
        for model in (twins["logit"], twins["sigmoid"]):
            for target in (name, side, [name] * 3, np.full(3, side)):
                same(tfxai.explain(model, X, method, target=target, labels=NAMES, seed=0, **few), want)
    assert max(sizes) > 1e-3


@pytest.mark.long
@pytest.mark.parametrize("method", ["deeplift", "integrated_gradients", "occlusion"])
def test_both_sides_of_a_probability(twins, method):
    for side in (0, 1):
        want = tfxai.explain(twins["probabilities"], X, method, target=side, on="probability")
        for model in (twins["sigmoid"], twins["flat"]):
            same(tfxai.explain(model, X, method, target=side, labels=NAMES, on="probability"), want)
        same(tfxai.explain(twins["flat"], X, method, target=side, labels=NAMES), want)  # its logit is not found
    p = twins["sigmoid"](X).numpy()[:, 0]
    np.testing.assert_allclose(
        tfxai.explain(twins["sigmoid"], X, target="cat", labels=NAMES, on="probability").score, 1 - p, atol=1e-6
    )


def test_a_logit_that_stays_one_has_no_probability(twins):
    """Without a sigmoid the first class has the logit -z, whatever `on` says."""
    e = tfxai.explain(twins["logit"], X, target="cat", labels=NAMES, on="probability")
    np.testing.assert_allclose(e.score, -twins["logit"](X).numpy()[:, 0], atol=1e-6)


def test_each_example_has_its_own_side_in_any_batch(twins):
    e = tfxai.explain(twins["sigmoid"], X, target=["cat", "dog", "cat"], labels=NAMES, on="probability")
    p = twins["sigmoid"](X).numpy()[:, 0]
    np.testing.assert_allclose(e.score, [1 - p[0], p[1], 1 - p[2]], atol=1e-6)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)
    explainer = tfxai.Explainer(twins["sigmoid"], labels=NAMES, on="probability")
    for size in (1, 2):
        np.testing.assert_allclose(explainer(X, ["cat", "dog", "cat"], batch_size=size).values, e.values, atol=1e-6)
    assert [target_name(e, k) for k in range(3)] == ["cat", "dog", "cat"]
    assert [target_name(e, k, {"wolf": 1, "lynx": 0}) for k in range(2)] == ["lynx", "wolf"]


def test_the_second_unless_told(twins):
    for labels in (NAMES, {"dog": 1, "cat": 0}, {0: "cat", 1: "dog"}):
        e = tfxai.explain(twins["sigmoid"], X, labels=labels)
        same(e, tfxai.explain(twins["logits"], X, target=1))
        assert target_name(e, 0) == "dog"


@pytest.mark.long
def test_without_two_names_target_0_is_the_output(twins):
    for labels in (None, ["dog"]):
        e = tfxai.explain(twins["sigmoid"], X, target=0, labels=labels)
        np.testing.assert_allclose(e.score, twins["logit"](X).numpy()[:, 0], atol=1e-5)
    for labels, error in ((["dog"], TargetError), (["a", "b", "c"], InputError)):
        with pytest.raises(error):
            tfxai.explain(twins["sigmoid"], X, target=1, labels=labels)
    with pytest.raises(TargetError, match="classes 0 to 1. Received: target 2"):
        tfxai.explain(twins["sigmoid"], X, target=2, labels=NAMES)
    with pytest.raises(TargetError, match="No class is called 'cow'"):
        tfxai.explain(twins["sigmoid"], X, target="cow", labels=NAMES)


def test_functions_and_weights_see_the_output_itself(twins):
    up = tfxai.explain(twins["sigmoid"], X, target=lambda y: y[:, 0], labels=NAMES)
    weighed = tfxai.explain(twins["sigmoid"], X, target=tfxai.targets.mask([-2.0]), labels=NAMES)
    np.testing.assert_allclose(weighed.values, -2 * up.values, atol=1e-5)


def test_names_where_it_is_drawn(twins, tmp_path):
    e = tfxai.explain(twins["sigmoid"], X, target="cat", labels=NAMES)
    e.save(tmp_path / "e.npz")
    for one in (e, tfxai.load(tmp_path / "e.npz")):
        assert one.plot(0).figure.axes[-1].get_ylabel() == "contribution to cat"
        page = tfxai.report([one], tmp_path / "r.html", NAMES, predictions=np.full((3, 1), 0.25)).read_text()
        assert "Explained: cat" in page and "Prediction: cat: 0.75" in page


def test_snapshots_take_a_name():
    model, seen = keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(1)]), []
    model.compile("sgd", "mse")
    snapshot = ExplanationSnapshot(X, "deeplift", target="cat", labels=NAMES, sinks=lambda e, f, step: seen.append(e))
    model.fit(X, np.zeros(3), epochs=1, verbose=0, callbacks=[snapshot])
    np.testing.assert_allclose(seen[-1].score, -model(X).numpy()[:, 0], atol=1e-5)
    assert target_name(seen[-1], 0) == "cat"


def test_a_function_of_tensors():
    """f = x0 - 2 x1: the first of two classes has what speaks against it."""
    e = tfxai.explain(lambda x: x[:, :1] - 2 * x[:, 1:], tf.constant([[3.0, 1.0]]), target="no", labels=["no", "yes"])
    np.testing.assert_allclose(e.values, [[-3, 2]], atol=1e-6)
    np.testing.assert_allclose(e.score, [-1], atol=1e-6)
