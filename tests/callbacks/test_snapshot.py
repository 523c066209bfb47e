"""Snapshots during training: files, scalars, and a training that is not disturbed."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import spearmanr

import tfxai
from tests.training import Subclassed, functional, mixed, sequential, trained
from tfxai.callbacks import ExplanationSnapshot, directory
from tfxai.callbacks.samples import Samples
from tfxai.errors import (
    LayerError,
    OptionError,
    SnapshotWarning,
    TargetError,
    UnknownOptionError,
)  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore::tfxai.errors.EmptyMapWarning", "ignore::tfxai.CompletenessWarning")


@pytest.mark.long
@pytest.mark.parametrize("build, options", [(functional, {}), (sequential, {}), (Subclassed, {}), (mixed, {}),
                                            (functional, {"jit_compile": True})])  # fmt: skip
def test_training_is_the_same_bit_for_bit(build, options, data, tmp_path):
    alone, losses, random = trained(build, data, [], **options)
    seen = ExplanationSnapshot(data[0][:4], "smoothgrad", samples=3, sinks=directory(tmp_path / "a"))
    other = ExplanationSnapshot(data[0][:4], sinks=[lambda *_: None], unit="batch", every=3)
    with_it, same_losses, same_random = trained(build, data, [seen, other], **options)
    assert losses == same_losses and same_random[1] == random[1]
    np.testing.assert_array_equal(same_random[0], random[0])
    for a, b in zip(alone.get_weights(), with_it.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    first = [] if build in (sequential, Subclassed) else [0]  # not built before its first batch
    assert [n["step"] for n in seen.history] == [*first, 1, 2] and [n["step"] for n in other.history] == [*first, 3, 6]


@pytest.mark.long
def test_under_a_strategy_of_several_devices(data, tmp_path):
    """In a process of its own: logical devices are made before TensorFlow starts."""
    code = """
import sys, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0],
                                           [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, tfxai
from tests import training as t
x = np.random.default_rng(0).uniform(size=(32, 12, 12, 1)).astype("float32")
data = x, (x[:, 0, 0, 0] > 0.5).astype("int32")
seen = []
def run(callbacks):
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        return t.trained(t.functional, data, callbacks)
a = run([])
b = run([tfxai.callbacks.ExplanationSnapshot(x[:4], "deeplift", sinks=[lambda e, f, s: seen.append(e)])])
assert a[1] == b[1], (a[1], b[1])
assert all(np.array_equal(p, q) for p, q in zip(a[0].get_weights(), b[0].get_weights()))
assert len(seen) == 3 and all(abs(e.delta).max() < 1e-4 for e in seen)
again = tfxai.explain(b[0], x[:4], "deeplift")
assert np.allclose(again.values, seen[-1].values, atol=1e-6)
"""
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.long
def test_each_snapshot_explains_the_weights_of_its_time(data):
    seen = []
    callback = ExplanationSnapshot(
        data[0][:4], "gradient", target=1, sinks=lambda e, f, s: seen.append((e, s)), every=2
    )
    model, *_ = trained(functional, data, [callback], epochs=5)
    assert [s for _, s in seen] == [0, 2, 4]
    assert not np.allclose(seen[0][0].values, seen[1][0].values)
    model.fit(*data, verbose=0, callbacks=[callback], initial_epoch=5, epochs=6)
    np.testing.assert_allclose(
        seen[-1][0].values, tfxai.explain(model, data[0][:4], "gradient", target=1).values, atol=1e-7
    )
    assert [s for _, s in seen] == [0, 2, 4, 6]
    assert callback.seconds > sum(n["seconds"] for n in callback.history)  # tracing the model is counted too


@pytest.mark.long
def test_nothing_is_traced_after_the_first_snapshot(data, monkeypatch):
    made, counts = [], []

    class Kept(tfxai.Explainer):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr("tfxai.callbacks.snapshot.Explainer", Kept)
    sink = lambda *_: counts.append([explainer.traces for explainer in made])  # noqa: E731
    trained(functional, data, [ExplanationSnapshot(data[0][:4], "deeplift", sinks=sink)], epochs=4)
    assert len(counts) == 5 and all(c == counts[0] for c in counts) and max(counts[0]) > 0


@pytest.mark.long
def test_drift_is_rank_correlation_with_the_snapshot_before(data):
    seen = []
    callback = ExplanationSnapshot(data[0][:3], "gradient", target=1, sinks=lambda e, *_: seen.append(e.values))
    trained(functional, data, [callback])
    drifts = [note["drift"] for note in callback.history]
    rows = [v.reshape(3, -1) for v in seen]
    each = [[spearmanr(p, q).statistic for p, q in zip(*two, strict=True)] for two in itertools.pairwise(rows)]
    assert drifts[0] is None and min(drifts[1:]) > 1e-3
    np.testing.assert_allclose(drifts[1:], 1 - np.mean(each, axis=1), rtol=1e-6)


@pytest.mark.long
def test_an_error_of_a_sink_is_a_warning_once(data):
    calls = []

    def broken(e, figure, step):
        calls.append(step)
        raise OSError("disk full")

    with pytest.warns(SnapshotWarning, match="failed in 'broken', and training goes on: OSError: disk full") as found:
        model, *_ = trained(functional, data, [ExplanationSnapshot(data[0][:2], sinks=[broken])], epochs=3)
    assert calls == [0, 1, 2, 3] and len([w for w in found if w.category is SnapshotWarning]) == 1
    with pytest.raises(OSError, match="disk full"):
        trained(functional, data, [ExplanationSnapshot(data[0][:2], sinks=[broken], strict=True)])


def test_mistakes_are_found_before_training(data):
    x = data[0][:2]
    with pytest.raises(OptionError, match="every is a whole number from 1"):
        ExplanationSnapshot(x, every=0)
    with pytest.raises(OptionError, match="unit is 'epoch' or 'batch'"):
        ExplanationSnapshot(x, unit="step")
    with pytest.raises(TargetError, match="One target is taken here"):
        ExplanationSnapshot(x, target=tfxai.targets.top(2))
    with pytest.raises(UnknownOptionError):
        ExplanationSnapshot(x, "gradcam", stepps=3)
    with pytest.raises(OptionError, match="A sink is a function"):
        ExplanationSnapshot(x, sinks=["tensorboard"])
    with pytest.raises(LayerError, match="convv"):
        trained(functional, data, [ExplanationSnapshot(x, layer="convv")])


def first(x, most, model=None):
    """The samples of x for a model that says nothing of its inputs."""
    return Samples(x, most).of(model)[0]


def test_samples_from_everything(data, rng):
    x, y = data
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(5)
    np.testing.assert_array_equal(first(batches, 7), x[:7])

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            return x[5 * i : 5 * i + 5], y[5 * i : 5 * i + 5]

    np.testing.assert_array_equal(first(Batches(), 12), x[:12])
    both = first({"a": x, "b": y}, 3)
    assert both["a"].shape == (3, 12, 12, 1) and both["b"].shape == (3,)
    with pytest.raises(OptionError, match="is empty"):
        Samples(batches.take(0), 3)
