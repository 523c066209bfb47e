"""Baselines: every form, and the references that tfxai makes."""

from collections import Counter
from itertools import permutations

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tfxai import baselines
from tfxai.errors import BaselineError


def linear(rng, shape=(4,)):
    model = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(1)])
    return model, model.layers[-1].kernel.numpy()[:, 0].reshape(shape)


@pytest.mark.long
@pytest.mark.parametrize(
    "form", ["none", "scalar", "one", "batch of one", "each", "several", "several each", "function"]
)
def test_forms(form, rng):
    model, w = linear(rng)
    x, b = rng.normal(size=(3, 4)).astype("float32"), rng.normal(size=(3, 5, 4)).astype("float32")
    given, mean = {
        "none": (None, np.zeros(4)),
        "scalar": (0.5, np.full(4, 0.5)),
        "one": (b[0, 0], b[0, 0]),
        "batch of one": (b[:1, 0], b[0, 0]),
        "each": (b[:, 0], b[:, 0]),
        "several": (b[:1], b[0].mean(0)),
        "several each": (b, b.mean(1)),
        "function": (lambda z: z / 2, x / 2),
    }[form]
    e = tfxai.explain(model, x, baseline=given)
    np.testing.assert_allclose(e.values, (x - mean) * w, atol=1e-5)
    np.testing.assert_allclose(e.baseline_score, e.score - e.values.sum(1), atol=1e-5)


@pytest.mark.long
def test_several_references_are_the_mean_of_each(rng):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(6, activation="relu"), layers.Dense(2)])
    x, b = rng.normal(size=(3, 4)).astype("float32"), rng.normal(size=(1, 7, 4)).astype("float32")
    for rule in ("rescale", "reveal_cancel"):
        alone = np.mean([tfxai.explain(model, x, target=0, baseline=r, rule=rule).values for r in b[0]], axis=0)
        for batch_size in (1, 2, None):
            e = tfxai.explain(model, x, target=0, baseline=b, rule=rule, batch_size=batch_size)
            np.testing.assert_allclose(e.values, alone, atol=1e-5)


def test_several_inputs(rng):
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    model = keras.Model({"a": a, "b": b}, layers.Dense(1)(layers.Concatenate()([a, b])))
    w = model.layers[-1].kernel.numpy()[:, 0]
    x = {"a": rng.normal(size=(2, 2)).astype("float32"), "b": rng.normal(size=(2, 3)).astype("float32")}
    e = tfxai.explain(model, x, baseline={"a": np.ones(2), "b": np.zeros((1, 4, 3))})
    np.testing.assert_allclose(e.values["a"], (x["a"] - 1) * w[:2], atol=1e-6)
    np.testing.assert_allclose(e.values["b"], x["b"] * w[2:], atol=1e-6)
    with pytest.raises(BaselineError, match="one entry per input"):
        tfxai.explain(model, x, baseline={"c": 0})
    with pytest.raises(BaselineError, match="same number of references"):
        tfxai.explain(model, x, baseline={"a": np.zeros((1, 2, 2)), "b": np.zeros((1, 4, 3))})
    with pytest.raises(BaselineError, match="pass a list or dict"):
        tfxai.explain(model, x, baseline=np.zeros(2))


def test_tokens(rng):
    model = keras.Sequential(
        [keras.Input((4,), dtype="int32"), layers.Embedding(9, 3), layers.Flatten(), layers.Dense(1)]
    )
    table, w = model.layers[0].embeddings.numpy(), model.layers[-1].kernel.numpy().reshape(4, 3)
    ids = rng.integers(0, 9, (2, 4))
    e = tfxai.explain(model, ids)
    np.testing.assert_allclose(e.values, (table[ids] * w).sum(-1), atol=1e-6)  # zero embedding vector
    e = tfxai.explain(model, ids, baseline=7)
    np.testing.assert_allclose(e.values, ((table[ids] - table[7]) * w).sum(-1), atol=1e-6)
    pad = rng.integers(0, 9, (2, 4))
    e = tfxai.explain(model, ids, baseline=pad)
    np.testing.assert_allclose(e.values, ((table[ids] - table[pad]) * w).sum(-1), atol=1e-6)
    with pytest.raises(BaselineError, match="fractions"):
        tfxai.explain(model, ids, baseline=0.5)


def test_float_ids_and_images_of_bytes(rng):
    floats = keras.Sequential(
        [keras.Input((4,)), layers.Embedding(9, 3), layers.GlobalAveragePooling1D(), layers.Dense(1)]
    )
    ids = rng.integers(0, 9, (2, 4))
    table, w = floats.layers[0].embeddings.numpy(), floats.layers[-1].kernel.numpy()[:, 0]
    e = tfxai.explain(floats, ids.astype("float32"))
    np.testing.assert_allclose(e.values, table[ids] @ w / 4, atol=1e-6)  # against the zero embedding here too
    pixels = keras.Sequential(
        [keras.Input((5, 5, 1), dtype="uint8"), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(1)]
    )
    image = rng.integers(0, 255, (2, 5, 5, 1)).astype("uint8")
    e = tfxai.explain(pixels, image, baseline=np.full((5, 5, 1), 100, "uint8"))
    w = pixels.layers[-1].kernel.numpy().reshape(5, 5, 1)
    np.testing.assert_allclose(e.values, (image.astype(float) - 100) / 255 * w, atol=1e-5)


def test_blur_keeps_the_sum_and_the_constant(rng):
    x = rng.normal(size=(2, 9, 7, 3))
    blurred = baselines.blur(2.0)(x)
    np.testing.assert_allclose(blurred.sum((1, 2)), x.sum((1, 2)), atol=1e-10)
    np.testing.assert_allclose(baselines.blur(2.0)(np.ones((1, 6, 6, 1))), 1, atol=1e-12)
    assert blurred.std() < 0.4 * x.std()


def test_simple_ones(rng):
    x, data = np.zeros((2, 3), "float32"), rng.normal(size=(20, 3))
    assert baselines.zeros()(x).tolist() == [[0, 0, 0]]
    assert baselines.constant(2)(x).tolist() == [[2, 2, 2]]
    np.testing.assert_allclose(baselines.mean_of(data)(x)[0], data.mean(0), rtol=1e-6)
    sample = baselines.sample_of(data, 5, seed=1)(x)
    assert sample.shape == (1, 5, 3) and len({tuple(r) for r in sample[0]}) == 5
    np.testing.assert_array_equal(sample, baselines.sample_of(data, 5, seed=1)(x))
    drawn = baselines.uniform(-1, 1, n=200)(x)
    assert drawn.shape == (1, 200, 3) and -1 <= drawn.min() < -0.9 and 0.9 < drawn.max() < 1
    assert baselines.background((0.1, 0.2, 0.3, 0.4))(np.zeros((5, 6, 4))).shape == (1, 6, 4)
    for bad in (
        lambda: baselines.background((0.5, 0.6, 0, 0)),
        lambda: baselines.sample_of(data, 21),
        lambda: baselines.sample_of(data, 2.5),
        lambda: baselines.sample_of(data, 5, seed=-1),
        lambda: baselines.blur(0),
        lambda: baselines.blur("wide"),
        lambda: baselines.blur(np.inf),
        lambda: baselines.blur()(x),
        lambda: baselines.constant("white"),
        lambda: baselines.constant([1, 2]),
        lambda: baselines.mean_of(data[:0]),
        lambda: baselines.mean_of([[1], [2, 3]]),
        lambda: baselines.uniform(1, 0),
        lambda: baselines.uniform(0, np.inf),
        lambda: baselines.uniform("a", "b"),
        lambda: baselines.background("ACGT"),
        lambda: baselines.background()(np.zeros((5, 4, 6))),
        lambda: baselines.dinucleotide_shuffle(0),
        lambda: baselines.dinucleotide_shuffle(2.5),
        lambda: baselines.dinucleotide_shuffle(2, seed="a"),
    ):
        with pytest.raises(BaselineError, match="Received"):
            bad()


def test_dinucleotide_shuffle_keeps_counts_and_ends(rng):
    letters = rng.integers(0, 4, (1000, 200))
    x = np.eye(4, dtype="float32")[letters]
    shuffled = baselines.dinucleotide_shuffle(1, seed=3)(x)
    assert shuffled.shape == (1000, 1, 200, 4) and (shuffled.sum(-1) == 1).all()
    new = shuffled[:, 0].argmax(-1)
    pairs = lambda s: Counter(zip(s[:-1].tolist(), s[1:].tolist(), strict=True))  # noqa: E731
    assert all(pairs(a) == pairs(b) for a, b in zip(letters, new, strict=True))
    assert (new[:, 0] == letters[:, 0]).all() and (new[:, -1] == letters[:, -1]).all()
    assert (new != letters).mean() > 0.5


@pytest.mark.parametrize("letters", [[0, 1, 0, 2, 0, 1, 2, 0], [0, 0, 1, 1, 0, 2, 1, 0, 1], [2, 0, 1, 0, 2, 1]])
def test_dinucleotide_shuffle_is_uniform(letters):
    """Every arrangement with the same dinucleotides, found by trying all, comes up equally often."""
    pairs = lambda s: Counter(zip(s[:-1], s[1:], strict=True))  # noqa: E731
    middle = permutations(letters[1:-1])
    every = {s for m in middle if pairs(s := (letters[0], *m, letters[-1])) == pairs(letters)}
    draws = baselines.dinucleotide_shuffle(6000, seed=0)(np.eye(3)[[letters]])[0].argmax(-1)
    counts = Counter(map(tuple, draws.tolist()))
    assert set(counts) == every and len(every) > 2
    expected = 6000 / len(every)
    chi2 = sum((c - expected) ** 2 / expected for c in counts.values())
    assert chi2 < len(every) - 1 + 4 * np.sqrt(2 * (len(every) - 1))  # four standard deviations above its mean


def test_dinucleotide_shuffle_of_sequences_with_one_arrangement():
    for letters in ([2], [0, 0, 0, 0], [0, 1, 2, 3]):
        x = np.eye(4, dtype="float32")[[letters]]
        shuffled = baselines.dinucleotide_shuffle(3)(x)
        assert shuffled.dtype == np.float32
        np.testing.assert_array_equal(shuffled, np.repeat(x[:, None], 3, axis=1))


def test_dinucleotide_shuffle_does_not_see_its_neighbours(rng):
    x = np.eye(4)[rng.integers(0, 4, (5, 30))]
    shuffle = baselines.dinucleotide_shuffle(3, seed=1)
    np.testing.assert_array_equal(shuffle(x)[2], shuffle(x[2:3])[0])
    np.testing.assert_array_equal(shuffle(x)[::-1], shuffle(x[::-1]))
    assert (shuffle(x) != baselines.dinucleotide_shuffle(3, seed=2)(x)).any()
    for bad in (np.concatenate([x, x], -1), x[..., 0], x[:0], x[:, :0]):
        with pytest.raises(BaselineError, match="one-hot"):
            shuffle(bad)
    with pytest.raises(BaselineError, match="one-hot"):
        shuffle(x * 0.5)


def test_encoded_categories(rng):
    encoding = layers.CategoryEncoding(num_tokens=5, output_mode="one_hot")
    model = keras.Sequential([keras.Input((1,), dtype="int32"), encoding, layers.Dense(2)])
    w = model.layers[-1].kernel.numpy()
    e = tfxai.explain(model, np.array([[1], [4]]), target=1)
    np.testing.assert_allclose(e.values, w[[1, 4], 1][:, None], atol=1e-6)
    bag = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            layers.CategoryEncoding(5, output_mode="multi_hot", name="bag"),
            layers.Dense(2),
        ]
    )
    w = bag.layers[-1].kernel.numpy()
    e = tfxai.explain(bag, np.array([[1, 2, 3], [4, 0, 2]]), target=1)
    np.testing.assert_allclose(e.values, w[[[1, 2, 3], [4, 0, 2]], 1], atol=1e-6)
    counted = keras.Sequential(
        [keras.Input((3,), dtype="int32"), layers.CategoryEncoding(5, output_mode="count"), layers.Dense(2)]
    )
    counted.layers[-1].set_weights([w, np.zeros(2)])
    e = tfxai.explain(counted, np.array([[1, 3, 3]]), target=1)  # each of two equal ids counts
    np.testing.assert_allclose(e.values, w[[[1, 3, 3]], 1], atol=1e-6)
    e = tfxai.explain(bag, np.array([[1, 2, 3]]), layer="bag", target=0, baseline=0)
    assert e.values.shape == (1, 5)
    binned = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Discretization([0.0, 1.0]),
            layers.Embedding(4, 2),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    assert np.abs(tfxai.explain(binned, rng.normal(size=(2, 3)).astype("float32")).delta).max() < 1e-6


def test_text_through_a_vocabulary():
    model = keras.Sequential(
        [keras.Input((2,), dtype="string"), layers.StringLookup(vocabulary=["a", "b"]), layers.Embedding(4, 3),
         layers.Flatten(), layers.Dense(1)]
    )  # fmt: skip
    e = tfxai.explain(model, np.array([["a", "b"], ["b", "c"]]))
    assert e.values.shape == (2, 2) and np.abs(e.delta).max() < 1e-6


def test_the_result_says_what_it_was_measured_against(rng):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    x = rng.normal(size=(4, 3)).astype("float32")
    assert tfxai.explain(model, x, "gradient").baseline is None
    assert tfxai.explain(model, x).baseline.tolist() == [[[0, 0, 0]]]
    e = tfxai.explain(model, x, baseline=x / 2)
    np.testing.assert_array_equal(e.baseline, (x / 2)[:, None])
    np.testing.assert_array_equal(e[1:3].baseline, (x[1:3] / 2)[:, None])
    many = tfxai.explain(model, x, baseline=baselines.uniform(n=9))
    assert isinstance(many.baseline, str) and many.baseline == many.meta["baseline"]  # larger than x itself
    tokens = keras.Sequential(
        [keras.Input((3,), dtype="int32"), layers.Embedding(9, 4), layers.Flatten(), layers.Dense(1)]
    )
    assert tfxai.explain(tokens, np.ones((1, 3), "int32"), target=0).baseline == "the zero embedding"
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    two = keras.Model({"a": a, "b": b}, layers.Dense(1)(layers.Concatenate()([a, b])))
    e = tfxai.explain(two, {"a": x[:, :2], "b": x}, baseline={"b": 1.0}, target=0)
    assert e.baseline["a"].tolist() == [[[0, 0]]] and e.baseline["b"].tolist() == [[[1, 1, 1]]]


def test_shuffles_leave_what_is_unknown(rng):
    """Zeros of padding and an N of equal parts stay; each stretch keeps its ends and its pairs of neighbours."""
    x = np.eye(4, dtype="float32")[rng.integers(0, 4, (2, 40))]
    x[:, :5] = 0
    x[0, 20:22] = 0.25
    shuffled = tfxai.baselines.dinucleotide_shuffle(n=6)(x)
    assert shuffled.shape == (2, 6, 40, 4) and (shuffled != x[:, None]).any(axis=(1, 2, 3)).all()
    for one, references, stretches in zip(x, shuffled, ([(5, 20), (22, 40)], [(5, 40)]), strict=True):
        known = np.concatenate([np.arange(*s) for s in stretches])
        unknown = np.setdiff1d(np.arange(40), known)
        for reference in references:
            np.testing.assert_array_equal(reference[unknown], one[unknown])
            for start, stop in stretches:
                before, after = (a[start:stop].argmax(1) for a in (one, reference))
                assert sorted(zip(before[:-1], before[1:], strict=True)) == sorted(
                    zip(after[:-1], after[1:], strict=True)
                )
                assert (before[0], before[-1]) == (after[0], after[-1])
    for bad in (np.zeros((1, 3, 4)), np.full((1, 3, 4), 0.5), -np.eye(4)[None]):
        with pytest.raises(tfxai.errors.BaselineError, match="needs one-hot sequences"):
            tfxai.baselines.dinucleotide_shuffle()(bad)


def test_results_say_what_they_start_from(rng):
    """Not the name of a function inside of another: what is written below a table is read by people."""
    model, _ = linear(rng)
    x = rng.normal(size=(3, 4)).astype("float32")
    words = {
        "zeros": baselines.zeros(),
        "constant(0.5)": baselines.constant(0.5),
        "mean_of(3 examples)": baselines.mean_of(x),
        "sample_of(2 of 3 examples, seed=1)": baselines.sample_of(x, n=2, seed=1),
        "uniform(-1, 1, n=2, seed=0)": baselines.uniform(-1.0, n=2),
    }
    for expected, baseline in words.items():
        assert tfxai.explain(model, x, baseline=baseline).meta["baseline"] == expected
    assert baselines.background((0.3, 0.2, 0.2, 0.3)).__qualname__ == "background(0.3, 0.2, 0.2, 0.3)"
    assert baselines.dinucleotide_shuffle(n=3).__qualname__ == "dinucleotide_shuffle(n=3, seed=0)"
    table = tfxai.evaluate(model, x, ["deeplift"], ["deletion"], 0, baseline=baselines.mean_of(x))
    assert table.about().endswith("baseline mean_of(3 examples), seed 0")
