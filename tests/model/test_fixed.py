"""What does not depend on the input is read at every call, op by op or compiled: the same numbers, of now.

The weights are changed between calls, and the model itself says what its score is then.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai.graph.capture import capture
from tfxai.model import fixed


class Iterated(layers.Layer):
    """Weights that are made in a loop, as spectral normalisation makes them."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 2), initializer="glorot_uniform")

    def call(self, x):
        w = tf.convert_to_tensor(self.w)
        return x @ tf.while_loop(lambda k, w: k < 3, lambda k, w: [k + 1, tf.tanh(w)], [0, w])[1]


def plain():
    return keras.Sequential([keras.Input((6,)), layers.Dense(8), layers.BatchNormalization(), layers.Dense(2)])


def looped():
    return keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="relu"), Iterated()])


def drawn(model, rng):
    model.set_weights([rng.uniform(0.1, 1, w.shape).astype("float32") for w in model.get_weights()])


@pytest.mark.long
@pytest.mark.parametrize("method", ["deeplift", "gradient"])
@pytest.mark.parametrize("few", [0, 200])
def test_weights_of_now_whether_compiled_or_not(few, method, rng, monkeypatch):
    monkeypatch.setattr(fixed, "FEW", few)
    model, x = plain(), rng.normal(size=(3, 6)).astype("float32")
    explainer, counts = tfxai.Explainer(model, method), []
    for _ in range(fixed.OFTEN + 3):
        drawn(model, rng)
        e = explainer(x, target=0)
        np.testing.assert_allclose(e.score, np.asarray(model(x))[:, 0], rtol=1e-5)
        np.testing.assert_array_equal(explainer(x, target=0).values, e.values)
        counts.append(explainer.traces)
    assert counts[fixed.OFTEN - 1] == counts[0] and counts[-1] - counts[0] == (few == 0)


def trained(**how):
    """What trains one step by a compiled function."""

    def train(model, rng):
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build(model.trainable_variables)

        @tf.function(**how)
        def step(x):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(x, training=False)))
            optimizer.apply(tape.gradient(loss, model.trainable_variables))

        step(tf.constant(rng.normal(size=(4, 6)).astype("float32")))

    return train


def fitted(model, rng):
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(rng.normal(size=(8, 6)), rng.normal(size=(8, 2)), verbose=0)


CHANGES = {
    "set_weights": drawn,
    "assign_add": lambda model, rng: model.variables[0].value.assign_add(rng.normal(size=(6, 8))),
    "assign_sub": lambda model, rng: model.variables[2].value.assign_sub(rng.normal(size=8)),  # is folded away
    "some rows": lambda model, rng: model.variables[0].value.scatter_nd_update([[2]], rng.normal(size=(1, 8))),
    "a slice": lambda model, rng: model.variables[0].value[1:3].assign(rng.normal(size=(2, 8))),
    "a step": trained(),
    "a step by XLA": trained(jit_compile=True),
    "fit": fitted,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_change_of_a_variable_is_missed(change, rng):
    model, x = plain(), rng.normal(size=(3, 6)).astype("float32")
    drawn(model, rng)
    explainer = tfxai.Explainer(model)
    before = [explainer(x, target=0) for _ in range(2)][1]  # the second is of what the first has kept
    for _ in range(2):
        change(model, rng)
        e = explainer(x, target=0)
        np.testing.assert_allclose(e.score, np.asarray(model(x))[:, 0], rtol=1e-5)
        assert np.abs(e.values - before.values).max() > 1e-4 and e.fingerprint != before.fingerprint
        before = e


def test_weights_are_made_again_only_after_a_change(rng):
    model, x = plain(), rng.normal(size=(3, 6)).astype("float32")
    explainer = tfxai.Explainer(model)
    for _ in range(3):
        explainer(x, target=0)
    (made,) = explainer.trace(x)[1]._fixed.values()
    assert made.times == 1
    drawn(model, rng)
    explainer(x, target=0)
    assert made.times == 2


def test_a_draw_that_looks_like_a_weight_is_not_kept(rng):
    """Noise on the weights that is drawn without a generator: anew at every call."""

    weights = tf.Variable(rng.normal(size=(6, 2)).astype("float32"))
    graph = capture(
        lambda x: x @ (weights + tf.raw_ops.RandomStandardNormal(shape=[6, 2], dtype=tf.float32)),
        [tf.TensorSpec((None, 6))],
    )
    followed = [fixed.Fixed([], graph.ops[:k], graph.captured).follows for k in range(len(graph.ops) + 1)]
    draw = [op.type for op in graph.ops].index("RandomStandardNormal")
    assert followed == [k <= draw for k in range(len(graph.ops) + 1)]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
def test_a_variable_has_its_place_until_it_is_changed(dtype):
    variable = tf.Variable(tf.cast([1, 2], dtype))
    kept = fixed.Kept([variable.read_value()], [])
    assert kept.holds([variable.read_value()])
    variable.assign_add(tf.cast([1, 1], dtype))
    assert not kept.holds([variable.read_value()]) and int(kept.shown[0][0]) == 1


def test_words_and_what_numpy_copies_are_made_anew(monkeypatch):
    words = tf.constant(["words"])
    assert not fixed.Kept([words], []).holds([words])
    numbers = tf.constant([1.0, 2.0])
    assert fixed.Kept([numbers], []).holds([numbers])
    monkeypatch.setattr(fixed.np, "asarray", lambda t: t.numpy())  # a copy, each time
    kept = fixed.Kept([numbers], [])
    assert not any(kept.holds([numbers]) for _ in range(20))


def test_what_is_large_is_not_kept(rng, monkeypatch):
    monkeypatch.setattr(fixed, "MOST", 100)
    model, x = plain(), rng.normal(size=(3, 6)).astype("float32")
    explainer = tfxai.Explainer(model)
    values = [explainer(x, target=0).values for _ in range(2)]
    np.testing.assert_array_equal(*values)
    (made,) = explainer.trace(x)[1]._fixed.values()
    assert made.times == 2 and made.kept is None


def test_a_loop_is_compiled_at_once(rng):
    model, x = looped(), rng.normal(size=(3, 6)).astype("float32")
    explainer = tfxai.Explainer(model)
    e = explainer(x, target=0)
    np.testing.assert_allclose(e.score, np.asarray(model(x))[:, 0], rtol=1e-5)
    np.testing.assert_allclose(e.values.sum(1), e.score - e.baseline_score, atol=1e-5)
    assert "weights" in {key[0] for key in explainer.trace(x)[1].compiled.functions}
