"""Two devices in a process of their own (a process decides once how many it has): what the mirrored engine does there.

two_devices.py FOLDER: prints what was seen, as JSON; where ops ran is in the log.
"""

import json
import sys
import threading
import warnings
from pathlib import Path

import tensorflow as tf

[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])
tf.debugging.set_log_device_placement(True)

import keras  # noqa: E402
import numpy as np  # noqa: E402

import tfxai  # noqa: E402
from tests.scale.trapped import Trapped  # noqa: E402
from tfxai.errors import InputError  # noqa: E402
from tfxai.scale.engines import mirrored  # noqa: E402
from tfxai.scale.job import Job  # noqa: E402
from tfxai.scale.store import Store  # noqa: E402

X = np.random.default_rng(0).normal(size=(40, 8, 6)).astype("float32")
ASKED = {"chunk": 5, "seed": 3, "target": 1, "verbose": 0}


def network():
    """With variables of two kinds, and a layer to be explained."""
    x = keras.Input((8, 6))
    y = keras.layers.BatchNormalization()(keras.layers.Dense(4, activation="tanh")(x))
    return keras.Model(x, keras.layers.Dense(3, name="last")(keras.layers.Flatten()(y)))


def same(one, other):
    one, other = Store.at(one), Store.at(other)
    assert one.names == other.names and other.record("done").all()
    return all(np.array_equal(one.arrays[name][:], other.arrays[name][:]) for name in one.names)


def workers(out):
    """The devices of the chunks."""
    return [bytes(w).rstrip(b"\0").decode().split(":", 2)[2] for w in Store.at(out).record("worker")]


def devices_of_variables(made):
    return [[v.handle.device[-5:] for v in copies] for _, copies in made[0]._copies.values()]


def main(folder):
    seen, made, barrier = {}, [], threading.Barrier(2, timeout=60)
    model, mirrors, explained = network(), mirrored.Mirrors.__init__, Job.explained

    def noted(self, devices):
        mirrors(self, devices)
        made.append(self)

    def together(self, rows):
        if rows.start in (0, 5) and ":CPU:" in self.worker:
            barrier.wait()  # broken where one waits for the end of the other
        return explained(self, rows)

    mirrored.Mirrors.__init__, Job.explained = noted, together
    one = tfxai.scale.explain_dataset(model, X, folder / "one.zarr", "smoothgrad", samples=2, **ASKED)
    print("BEGIN", file=sys.stderr, flush=True)
    two = tfxai.scale.explain_dataset(
        model, X, folder / "two.zarr", "smoothgrad", samples=2, engine="mirrored", **ASKED
    )
    print("END", file=sys.stderr, flush=True)
    tf.debugging.set_log_device_placement(False)
    seen["smoothgrad"] = same(one, two)
    seen["workers"], seen["variables"], seen["of the model"] = (
        workers(two),
        devices_of_variables(made),
        len(model.weights),
    )

    Job.explained = explained
    stream = tf.data.Dataset.from_tensor_slices(X).batch(4)
    of_one, of_two = (
        tfxai.scale.explain_dataset(
            model, stream, folder / f"{engine}.zarr", "deeplift", layer="batch_normalization", engine=engine, **ASKED
        ) for engine in ("local", "mirrored")
    )  # fmt: skip
    seen["stream, deeplift of a layer"] = same(of_one, of_two)

    source = Trapped(X, folder)
    source.set(15, "fails")
    try:
        tfxai.scale.explain_dataset(model, source, folder / "bad.zarr", engine="mirrored", **ASKED)
    except InputError as error:
        done = Store.at(folder / "bad.zarr").record("done").tolist()
        seen["error"], seen["done"] = str(error), [*done[:3], done[3], sum(done)]
    (folder / "15").unlink()
    tfxai.scale.explain_dataset(model, source, folder / "bad.zarr", engine="mirrored", workers=1, **ASKED)
    local = tfxai.scale.explain_dataset(model, source, folder / "good.zarr", **ASKED)
    seen["resumed"] = same(local, folder / "bad.zarr")
    try:
        tfxai.scale.explain_dataset(model, X, folder / "three.zarr", engine="mirrored", workers=3, **ASKED)
    except tfxai.TfxaiError as error:
        seen["three"] = str(error)
    print(json.dumps(seen))


if __name__ == "__main__":
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    main(Path(sys.argv[1]))
