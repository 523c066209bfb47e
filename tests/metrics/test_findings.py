"""The verdict: green on sound models, and each planted fault is found."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.models import MODELS
from tfxai import cli
from tfxai.metrics.lecture import saturated

pytestmark = pytest.mark.usefixtures("seeded_tensorflow")


def level(found, name):
    return next(finding.level for finding in found.findings if finding.name == name)


def number(found, name):
    return next(finding.number for finding in found.findings if finding.name == name)


def linear(weights, more=None):
    """Their sum with x, and what else is added."""
    i = keras.Input((len(weights),))
    dense = layers.Dense(1, use_bias=False)
    y = dense(i)
    model = keras.Model(i, y if more is None else y + more(i))
    dense.set_weights([np.asarray(weights, float)[:, None]])
    return model


@pytest.mark.long
@pytest.mark.parametrize("name", ["sequential_cnn", "functional_bn", "dna", "dict_inputs"])
def test_sound_models_are_green(name, rng):
    model, x = MODELS[name](rng)
    before = [np.array(v).tobytes() for v in model.variables]
    found = tfxai.check(model, x)
    assert found and {finding.level for finding in found.findings} <= {"ok", "skipped"} and len(found.findings) == 8
    assert found.advice.split(" (")[0] in ("deeplift", "integrated_gradients", "input_x_gradient")
    shown = str(found).splitlines()
    assert (
        shown[0].split()[:3] == ["ok", "adds", "up"] and shown[-1] == "All well." and f"  take: {found.advice}" in shown
    )
    assert [np.array(v).tobytes() for v in model.variables] == before


def test_a_baseline_that_scores_as_x_does(rng):
    model, x = linear(np.ones(20)), rng.normal(size=(4, 20)).astype("float32")
    half = np.concatenate([x[:1], np.zeros((3, 20), "float32")])
    assert level(tfxai.check(model, x), "baseline") == "ok"
    found = tfxai.check(model, half)
    assert level(found, "baseline") == "fail" and number(found, "baseline") == 0.75 and not found
    assert level(tfxai.check(model, half[[0, 0, 0, 1]]), "baseline") == "note"


@pytest.mark.long
def test_contributions_that_cancel(rng):
    """5000 (x1 - x2) + x1, x = 1: 10001 times the change."""
    x = np.ones((3, 2), "float32")
    found = tfxai.check(linear([5001, -5000]), x)
    assert level(found, "size") == "fail" and np.isclose(number(found, "size"), 10001, rtol=1e-3) and not found
    assert level(tfxai.check(linear([101, -100]), x), "size") == "note"
    assert np.isclose(number(tfxai.check(linear([3, -2]), x), "size"), 5, rtol=1e-3)


@pytest.mark.long
def test_a_score_that_is_flat_at_x():
    found = tfxai.check(saturated(), np.array([[2.0], [3.0]], "float32"))
    assert level(found, "saturation") == "note" and number(found, "saturation") == 0
    assert level(tfxai.check(saturated(), np.array([[0.5], [0.25]], "float32")), "saturation") == "ok"


@pytest.mark.long
def test_rectifiers_that_let_nothing_through(rng):
    dead = layers.Dense(4, activation="relu", bias_initializer=keras.initializers.Constant(-100.0), name="asleep")
    model, x = linear(np.ones(20), lambda i: layers.Dense(1)(dead(i))), rng.normal(size=(4, 20)).astype("float32")
    found = tfxai.check(model, x)
    assert level(found, "dead units") == "fail" and "asleep" in repr(found.findings) and not found
    dead.bias.assign([100.0, 100, -100, -100])
    found = tfxai.check(model, x)
    assert level(found, "dead units") == "ok" and number(found, "dead units") == 0.5
    dead.bias.assign([0.0, -100, -100, -100])  # the one unit is awake in the last of many examples alone
    late = np.zeros((20, 20), "float32")
    late[-1] = np.sign(dead.kernel[:, 0])
    found = tfxai.check(model, late)
    assert level(found, "dead units") == "ok" and number(found, "dead units") == 0.75


@pytest.mark.long
def test_weights_that_do_not_matter(rng):
    """A network that has learnt nothing of what its score is: a fixed sum, and its weights hardly count."""
    i = keras.Input((40,))
    fixed = keras.ops.convert_to_tensor(rng.normal(size=(40, 1)).astype("float32"))
    y = keras.ops.matmul(i, fixed) + 1e-6 * layers.Dense(1)(layers.Dense(8, activation="relu")(i))
    found = tfxai.check(keras.Model(i, y), rng.normal(size=(4, 40)).astype("float32"))
    assert level(found, "randomisation") == "fail" and number(found, "randomisation") > 0.99 and not found


@pytest.mark.long
def test_a_baseline_whose_choice_decides(rng):
    """Far from zero all that zeros say is how far: of x less its mean they say nothing."""
    x = (50 + rng.normal(size=(8, 40))).astype("float32")
    found = tfxai.check(linear(rng.uniform(0.5, 1, 40)), x)
    assert level(found, "choice of baseline") == "note" and abs(number(found, "choice of baseline")) < 0.2 and found
    assert level(tfxai.check(linear(rng.normal(size=40)), x, baseline=50.0), "choice of baseline") == "ok"


@pytest.mark.long
def test_methods_that_disagree(rng):
    """A fast wave: its slopes at x say nothing of the change."""
    i = keras.Input((40,))
    wave = keras.Model(i, layers.Dense(1, kernel_initializer="ones")(keras.ops.sin(400 * i) + keras.ops.tanh(i)))
    found = tfxai.check(wave, rng.normal(size=(6, 40)).astype("float32"))
    assert level(found, "agreement") == "note" and number(found, "agreement") < 0.5
    calm = tfxai.check(linear(rng.normal(size=40)), rng.normal(size=(6, 40)).astype("float32"))
    assert np.isclose(number(calm, "agreement"), 1, atol=1e-4)


@pytest.mark.long
def test_draws_at_inference():
    class Noisy(layers.Layer):
        def call(self, x):
            return x * tf.random.uniform(tf.shape(x))

    class Anew(layers.Layer):
        def call(self, x):
            def step(k, s):
                return k + 1, s + tf.random.normal(tf.shape(s))

            return tf.while_loop(lambda k, s: k < 3, step, (0, x))[1]

    once, anew = (tfxai.check(keras.Sequential([keras.Input((6,)), kind(), layers.Dense(1)])) for kind in (Noisy, Anew))
    assert level(once, "random draws") == "note" and level(anew, "random draws") == "fail" and not anew


def test_advice_is_the_most_faithful_of_them():
    found = tfxai.check(saturated(), np.array([[2.0], [3.0]], "float32"))
    assert found.advice.startswith("none of these is faithful here")  # one feature: there are no subsets
    x = np.random.default_rng(0).normal(size=(4, 20)).astype("float32")
    assert tfxai.check(linear(np.ones(20)), x).advice.startswith("deeplift (correlation with what the score loses")


@pytest.mark.long
def test_the_shell(tmp_path, capsys, rng):
    x = rng.normal(size=(4, 20)).astype("float32")
    model = linear(np.ones(20))
    model.save(tmp_path / "good.keras")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "nothing.npy", np.zeros((4, 20), "float32"))
    assert cli.main(["check", str(tmp_path / "good.keras"), str(tmp_path / "x.npy")]) == 0
    printed = capsys.readouterr().out
    assert "ok   agreement" in printed and "take: deeplift" in printed and len(printed.splitlines()) < 40
    assert cli.main(["check", str(tmp_path / "good.keras"), str(tmp_path / "nothing.npy")]) == 1
    assert "FAIL baseline" in capsys.readouterr().out
    assert cli.main(["check", str(tmp_path / "good.keras"), str(tmp_path / "x.npy"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True and told["residual"] < 1e-4 and told["advice"].startswith("deeplift")
    assert {f["name"]: f["level"] for f in told["findings"]}["dead units"] == "skipped"
    assert next(f for f in told["findings"] if f["name"] == "dead units")["number"] is None
    assert cli.main(["check", str(tmp_path / "good.keras"), str(tmp_path / "nothing.npy"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False
