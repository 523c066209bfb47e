"""Real trained networks, rebuilt from the weights that packages ship. Nothing of the packages is run."""

import ast
import io
import json
import pickle
import zipfile

import h5py
import keras
import numpy as np
from keras import layers


def arrays(path):
    """Every weight of an HDF5 file by its short name; `taken` of the result must be all of them at the end."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, o: found.__setitem__(name, o[()]) if isinstance(o, h5py.Dataset) else None)
    return {name.split("/")[0] + "/" + name.split("/")[-1].removesuffix(":0"): a for name, a in found.items()}


class Weights:
    """Hands every array out once."""

    def __init__(self, found):
        self.left = dict(found)

    def give(self, layer, *names):
        layer.set_weights([self.left.pop(n) for n in names])

    def done(self):
        assert not self.left, f"weights left over: {sorted(self.left)}"


def crepe(path):
    """Pitch tracker: frames of 1024 samples at 16 kHz -> 360 pitches, 20 cents apart."""
    weights = Weights(arrays(path))
    model = keras.Sequential([keras.Input((1024, 1))])
    for k, (filters, width, stride) in enumerate(
        [(128, 512, 4), (16, 64, 1), (16, 64, 1), (16, 64, 1), (32, 64, 1), (64, 64, 1)], start=1
    ):
        model.add(layers.Conv1D(filters, width, stride, padding="same", activation="relu"))
        weights.give(model.layers[-1], f"conv{k}/kernel", f"conv{k}/bias")
        model.add(layers.BatchNormalization())
        names = [f"conv{k}-BN/{n}" for n in ("gamma", "beta", "moving_mean", "moving_variance")]
        weights.give(model.layers[-1], *names)
        model.add(layers.MaxPooling1D(2))
    model.add(layers.Flatten())
    model.add(layers.Dense(360, activation="sigmoid"))
    weights.give(model.layers[-1], "classifier/kernel", "classifier/bias")
    weights.done()
    return model


def cents(activation):
    """Pitch in cents above 10 Hz: the mean over the neighbours of the strongest."""
    top = int(activation.argmax())
    near = slice(max(0, top - 4), top + 5)
    pitches = np.linspace(0, 7180, 360) + 1997.3794084376191
    return float(activation[near] @ pitches[near] / activation[near].sum())


class WeightedAverage(layers.Layer):
    """Attention with one query: softmax over the steps."""

    def build(self, shape):
        self.query = self.add_weight(shape=(shape[-1], 1), name="query")

    def call(self, x):
        return keras.ops.sum(x * keras.ops.softmax(x @ self.query, axis=1), axis=1)


def _from_cudnn(kernel, recurrent, bias):
    """cuDNN keeps each gate's matrices transposed, and a bias for each of them."""
    gates = [k.T.reshape(k.shape, order="F") for k in np.hsplit(kernel, 4)]
    own = [k.T for k in np.hsplit(recurrent, 4)]
    return np.hstack(gates), np.hstack(own), bias.reshape(2, -1).sum(axis=0)


def textgenrnn(weights_path, vocabulary_path):
    """The next character after 40 tokens; returns the model and character -> id."""
    weights = Weights(arrays(weights_path))
    for k in (1, 2):
        names = [f"rnn_{k}/{n}" for n in ("kernel", "recurrent_kernel", "bias")]
        weights.left.update(zip(names, _from_cudnn(*[weights.left[n] for n in names]), strict=True))
    i = keras.Input((40,), dtype="int32")
    embedding, first, second = layers.Embedding(465, 100), *[layers.LSTM(128, return_sequences=True) for _ in "ab"]
    embedded = embedding(i)
    one = first(embedded)
    attention, output = WeightedAverage(), layers.Dense(465, activation="softmax")
    model = keras.Model(i, output(attention(layers.Concatenate()([embedded, one, second(one)]))))
    weights.give(embedding, "embedding/embeddings")
    for k, layer in ((1, first), (2, second)):
        weights.give(layer, f"rnn_{k}/kernel", f"rnn_{k}/recurrent_kernel", f"rnn_{k}/bias")
    weights.give(attention, "attention/attention_W")
    weights.give(output, "output/kernel", "output/bias")
    weights.done()
    return model, json.loads(vocabulary_path.read_text())


def literals(path):
    """The assignments of plain values in a Python file, read without running it."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def deepcut(weights_path, tables_path):
    """Whether a Thai word begins at a character; returns the model and text -> its two inputs."""
    weights = Weights(arrays(weights_path))
    characters, kinds = keras.Input((21,), dtype="int32"), keras.Input((21,), dtype="int32")
    embedding, normal = layers.Embedding(178, 32), layers.BatchNormalization()
    a, branches = normal(embedding(characters)), []
    made = [(embedding, ["embedding_1/embeddings"])]
    made.append((normal, [f"batch_normalization_1/{n}" for n in ("gamma", "beta", "moving_mean", "moving_variance")]))
    for k in range(1, 13):
        conv = layers.Conv1D(200 if k < 9 else 150 if k < 12 else 100, k, activation="relu")
        dense = layers.TimeDistributed(layers.Dense(5))
        branches.append(layers.ZeroPadding1D((0, k - 1))(dense(conv(a))))
        made.append((conv, [f"conv1d_{k}/kernel", f"conv1d_{k}/bias"]))
        made.append((dense, [f"time_distributed_{k}/kernel", f"time_distributed_{k}/bias"]))
    kind, last = layers.Embedding(12, 12), layers.BatchNormalization()
    x = last(layers.Concatenate()([a, layers.Maximum()(branches), kind(kinds)]))
    hidden, output = layers.Dense(100, activation="relu"), layers.Dense(1, activation="sigmoid")
    model = keras.Model([characters, kinds], output(hidden(layers.Flatten()(x))))
    made.append((kind, ["embedding_2/embeddings"]))
    made.append((last, [f"batch_normalization_2/{n}" for n in ("gamma", "beta", "moving_mean", "moving_variance")]))
    made += [(hidden, ["dense_13/kernel", "dense_13/bias"]), (output, ["dense_14/kernel", "dense_14/bias"])]
    for layer, names in made:
        weights.give(layer, *names)
    weights.done()
    return model, lambda text: _windows(text, literals(tables_path))


def _windows(text, tables):
    """Per character the ten after it, the ten before it (nearest first) and itself, as ids and as kinds."""
    ids = {c: k for k, c in enumerate(tables["CHARS"])}
    kind_ids = {c: k for k, c in enumerate(tables["CHAR_TYPES"])}
    kind_of = {c: kind for group, kind in tables["CHAR_TYPE"].items() for c in group}
    padded = " " * 10 + text + " " * 10
    windows = [padded[i + 1 : i + 11] + padded[i - 10 : i][::-1] + padded[i] for i in range(10, 10 + len(text))]
    characters = np.array([[ids.get(c, ids["other"]) for c in w] for w in windows], "int32")
    return [characters, np.array([[kind_ids[kind_of.get(c, "o")] for c in w] for w in windows], "int32")]


class Plain(pickle.Unpickler):
    """Reads numpy arrays and plain containers, nothing else."""

    ALLOWED = {("_reconstruct", "multiarray"), ("ndarray", "numpy"), ("dtype", "numpy"), ("scalar", "multiarray")}

    def find_class(self, module, name):
        if (name, module.split(".")[-1]) in self.ALLOWED and module.split(".")[0] == "numpy":
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"refused: {module}.{name}")


def unpickled(path):
    return Plain(io.BytesIO(path.read_bytes())).load()


def g2pm(weights_path, characters_path, classes_path):
    """The reading of every character of a Chinese sentence; returns the model, character -> id, reading -> class."""
    state = {name: np.asarray(a) for name, a in unpickled(weights_path).items()}
    words, width = state["embedding.weight"].shape
    units = state["lstm.weight_hh_l0"].shape[1]
    i = keras.Input((None,), dtype="int32")
    embedding = layers.Embedding(words, width)
    both = layers.Bidirectional(layers.LSTM(units, return_sequences=True))
    hidden = layers.Dense(len(state["logit_layer.0.bias"]), activation="relu")
    output = layers.Dense(len(state["logit_layer.2.bias"]))
    model = keras.Model(i, output(hidden(both(embedding(i)))))
    embedding.set_weights([state.pop("embedding.weight")])
    directions = []
    for end in ("", "_reverse"):
        directions += [state.pop(f"lstm.weight_{n}_l0{end}").T for n in ("ih", "hh")]
        directions.append(state.pop(f"lstm.bias_ih_l0{end}") + state.pop(f"lstm.bias_hh_l0{end}"))
    both.set_weights(directions)
    for layer, number in ((hidden, 0), (output, 2)):
        layer.set_weights([state.pop(f"logit_layer.{number}.weight").T, state.pop(f"logit_layer.{number}.bias")])
    assert not state
    return model, unpickled(characters_path), unpickled(classes_path)


def sleep_stager(path, folder):
    """Masking, batch normalisation, two bidirectional GRUs, any length."""
    with zipfile.ZipFile(path) as archive:
        archive.extract("classifier.keras", folder)
    return keras.saving.load_model(folder / "classifier.keras", compile=False)
