"""The step of a snapshot is the training done until then, in every way of training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai.callbacks import ExplanationSnapshot
from tfxai.callbacks.training import Training

BATCHES = 10  # in an epoch
X = np.random.default_rng(0).normal(size=(8 * BATCHES, 6)).astype("float32")
Y = X[:, :2].copy()


def network(seed=1):
    keras.utils.set_random_seed(seed)
    dense = [layers.Dense(5, activation="tanh", name="base"), layers.Dense(2, name="head")]
    return keras.Sequential([keras.Input((6,)), *dense])


def compiled(model=None, optimizer="sgd", **options):
    model = network() if model is None else model
    model.compile(optimizer, "mse", **options)
    return model


class Steps(ExplanationSnapshot):
    """A callback that keeps its steps, and the score that each of them explains."""

    def __init__(self, unit="epoch", every=1, **options):
        self.steps, self.scores, self.metas = [], [], []
        options = {"sinks": self.keep, "strict": True} | options
        super().__init__(X[:1], "gradient", target=0, unit=unit, every=every, **options)

    def keep(self, e, figure, step):
        self.steps.append(step)
        self.scores.append(float(e.score[0]))
        self.metas.append(e.meta["snapshot"])


def fit(model, *callbacks, **options):
    model.fit(X, Y, **{"batch_size": 8, "verbose": 0, "callbacks": list(callbacks)} | options)


def score(model):
    return float(np.asarray(model(X[:1]))[0, 0])


def test_fit_again_goes_on():
    model, seen = compiled(), Steps()
    start = score(model)
    fit(model, seen, epochs=2)
    fit(model, seen)
    assert seen.steps == [0, 1, 2, 3]
    np.testing.assert_allclose([seen.scores[0], seen.scores[-1]], [start, score(model)], atol=1e-6)
    fit(model, seen, epochs=4, initial_epoch=3)  # its epoch, as it is
    fit(model, seen, epochs=8, initial_epoch=7)  # trained elsewhere meanwhile: that is what it says
    fit(model, seen, epochs=4, initial_epoch=3)  # counted from the second fit on
    assert seen.steps == [0, 1, 2, 3, 4, 8, 9] and len(set(np.round(seen.scores, 7))) == 7


@pytest.mark.long
@pytest.mark.parametrize("unit, want", [("epoch", [0, 1, 2]), ("batch", [0, 5, 10, 15, 20])])
def test_compiled_again_goes_on(unit, want):
    model, seen = compiled(), Steps(unit, 1 if unit == "epoch" else 5)
    fit(model, seen)
    fit(compiled(model, "adam"), seen)
    assert seen.steps == want
    assert [meta["compiled"] for meta in seen.metas] == [0] * (len(want) // 2 + 1) + [1] * (len(want) // 2)


@pytest.mark.long
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_what_is_trained_without_the_callback_counts(optimizer):
    model, batches, epochs = compiled(), Steps("batch", 5), Steps()
    fit(model, batches, epochs)
    compiled(model, optimizer)
    fit(model, epochs=2)
    for k in range(3):
        model.train_on_batch(X[8 * k : 8 * k + 8], Y[8 * k : 8 * k + 8])
    fit(model, batches, epochs)
    assert batches.steps == [0, 5, 10, 35, 40] and epochs.steps == [0, 1, 4]


def test_optimizers_that_come_back_are_counted_once():
    model, seen = network(), Steps("batch", BATCHES)
    first, second = keras.optimizers.SGD(), keras.optimizers.SGD()
    for optimizer in (first, second, first):
        fit(compiled(model, optimizer), seen)
    assert seen.steps == [0, 10, 20, 30] and int(first.iterations) == 20


@pytest.mark.long
@pytest.mark.parametrize("accumulated", [2, 4])
def test_accumulated_gradients(accumulated):
    model, seen = compiled(optimizer=keras.optimizers.Adam(gradient_accumulation_steps=accumulated)), Steps("batch", 5)
    fit(model, seen)
    fit(model)
    fit(model, seen)
    assert seen.steps == [0, 5, 10, 25, 30]


@pytest.mark.long
def test_scaled_losses():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model, seen = compiled(optimizer=keras.optimizers.Adam()), Steps("batch", 5)
    finally:
        keras.config.set_dtype_policy("float32")
    fit(model)
    fit(model, seen)
    assert type(model.optimizer).__name__ == "LossScaleOptimizer" and seen.steps == [15, 20]


@pytest.mark.long
@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}])
@pytest.mark.parametrize("per, every, want", [
    (4, 1, [0, 4, 8, 10, 14, 18, 20]), (4, 6, [0, 8, 14, 18]), (16, 10, [0, 10, 20]), (1, 7, [0, 7, 14]),
])  # fmt: skip
def test_several_batches_in_an_execution(per, every, want, options):
    model, seen = compiled(steps_per_execution=per, **options), []
    sink = lambda e, f, step: seen.append((step, int(model.optimizer.iterations)))  # noqa: E731
    fit(model, Steps("batch", every, sinks=sink), epochs=2)
    assert seen == [(step, step) for step in want]


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_executions_of_data_without_a_length():
    model, seen = compiled(steps_per_execution=4), []
    batches = tf.data.Dataset.from_generator(
        lambda: ((X[8 * k : 8 * k + 8], Y[8 * k : 8 * k + 8]) for k in range(BATCHES)),
        output_signature=(tf.TensorSpec((None, 6)), tf.TensorSpec((None, 2))),
    )
    sink = lambda e, f, step: seen.append((step, int(model.optimizer.iterations)))  # noqa: E731
    model.fit(batches, epochs=2, verbose=0, shuffle=False, callbacks=[Steps("batch", sinks=sink)])
    assert seen == [(step, step) for step in (0, 4, 8, 10, 14, 18, 20)]


def test_executions_that_report_their_first_batch():
    """As Keras did before 3.10."""
    model = compiled(steps_per_execution=4)
    training, done = Training(model), []
    training.begin_fit()
    training.begin_epoch(0, None)
    for first in (0, 4):
        training.begin_batch(first)
        done.append(training.end_batch(first, None))
    assert done == [4, 4] and training.batches == 8


class Adversaries(keras.Model):
    """Two optimizers that `compile` does not know, one of them with two steps for every batch."""

    def __init__(self):
        super().__init__()
        self.net = network()

    def call(self, x):
        return self.net(x)

    def compile(self, first, second, **options):
        super().compile(**options)
        self.both = [first, second]

    def train_step(self, data):
        for optimizer, k in ((self.both[0], 0), (self.both[1], 1), (self.both[1], 1)):
            weights = self.net.layers[k].trainable_variables
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(data[0]) - data[1]) ** 2)
            optimizer.apply(tape.gradient(loss, weights), weights)
        return {"loss": loss}


@pytest.mark.long
def test_optimizers_of_its_own():
    model, batches, epochs = Adversaries(), Steps("batch", 5), Steps()
    model(X[:1])
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.Adam())
    fit(model, batches, epochs)
    fit(model, batches, epochs)
    assert batches.steps == [0, 5, 10, 15, 20] and epochs.steps == [0, 1, 2]
    late = Steps()
    fit(model, late)
    assert late.steps == [1]  # it was trained: there is no step 0


@pytest.mark.long
def test_several_batches_in_an_execution_of_its_own_step():
    model, seen = Adversaries(), Steps("batch")
    model(X[:1])
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.Adam(), steps_per_execution=4)
    fit(model, seen, epochs=2)
    assert seen.steps == [0, 4, 8, 10, 14, 18, 20] and int(model.both[0].iterations) == 20


def test_resumed_from_files(tmp_path):
    model = compiled()
    fit(model, epochs=2)
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    whole, epochs = Steps("batch", 5), Steps()
    fit(keras.models.load_model(tmp_path / "m.keras"), whole, epochs, epochs=3, initial_epoch=2)
    assert whole.steps == [25, 30] and epochs.steps == [3]
    other = compiled(network(5))
    other.load_weights(tmp_path / "m.weights.h5")  # without the steps of the optimizer
    whole, epochs = Steps("batch", 5), Steps()
    fit(other, whole, epochs, epochs=3, initial_epoch=2)
    assert whole.steps == [25, 30] and epochs.steps == [3]


def test_resumed_by_a_callback(tmp_path):
    def stop(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    first, second = Steps(), Steps()
    with pytest.raises(KeyboardInterrupt):
        fit(compiled(), keras.callbacks.BackupAndRestore(tmp_path), first,
            keras.callbacks.LambdaCallback(on_epoch_begin=stop), epochs=4)  # fmt: skip
    fit(compiled(network(7)), second, keras.callbacks.BackupAndRestore(tmp_path), epochs=4)
    assert first.steps == [0, 1, 2] and second.steps == [3, 4]
    np.testing.assert_allclose(second.metas[0]["run"]["scores"], first.scores[-1:], atol=1e-6)


def test_interrupted_in_an_epoch():
    model, batches, epochs = compiled(), Steps("batch", 5), Steps()

    def stop(batch, logs):
        if int(model.optimizer.iterations) == 13:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # the thirteenth batch is not reported
        fit(model, keras.callbacks.LambdaCallback(on_train_batch_end=stop), batches, epochs, epochs=2)
    fit(model, batches, epochs)
    assert batches.steps == [0, 5, 10, 15, 20] and epochs.steps == [0, 1, 2]


def test_another_model_is_another_run():
    seen = Steps()
    for seed in (1, 2):
        fit(compiled(network(seed)), seen)
    assert seen.steps == [0, 1, 0, 1]
    assert [note["drift"] is None for note in seen.history] == [True, False, True, False]
    runs = [meta["run"]["id"] for meta in seen.metas]
    assert runs[0] == runs[1] != runs[2] == runs[3]


def test_layers_are_those_that_the_compiled_step_trains():
    model, seen = network(), Steps()
    model.get_layer("base").trainable = False
    fit(compiled(model), seen)
    before = model.get_weights()
    model.get_layer("base").trainable = True
    fit(model, seen)  # not compiled again: Keras goes on with what it traced
    assert [np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)] == [
        True,
        True,
        False,
        False,
    ]
    fit(compiled(model), seen)
    assert [meta["trainable"] for meta in seen.metas] == [["head"]] * 3 + [["base", "head"]]
    assert [meta["frozen"] for meta in seen.metas] == [["base"]] * 3 + [[]]
    assert [meta["compiled"] for meta in seen.metas] == [0, 0, 0, 1]


@pytest.mark.long
@pytest.mark.parametrize("per, want", [(1, [0, 4, 8, 12, 16, 20, 32, 36, 40]), (4, [0, 4, 8, 14, 18, 20, 34, 38, 40])])
def test_tf_keras(per, want):
    tf_keras = pytest.importorskip("tf_keras")
    dense = [tf_keras.layers.Dense(5, activation="tanh", name="base"), tf_keras.layers.Dense(2, name="head")]
    model = tf_keras.Sequential([tf_keras.layers.Input((6,)), *dense])
    model.get_layer("base").trainable = False
    model.compile("sgd", "mse", steps_per_execution=per)
    batches, epochs = Steps("batch", 4), Steps()
    fit(model, batches, epochs, epochs=2)
    fit(model)
    fit(model, batches, epochs)
    assert batches.steps == want and epochs.steps == [0, 1, 2, 4]
    assert epochs.metas[-1]["trainable"] == ["head"] and epochs.metas[-1]["frozen"] == ["base"]
    e = tfxai.explain(model, X[:1], "gradient", target=0)
    np.testing.assert_allclose(epochs.scores[-1], e.score[0], atol=1e-6)
