"""What newcomers get wrong: the error says what to do, and what it says works when it is done."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from PIL import Image

import tfxai
from tfxai.cli import main
from tfxai.errors import (
    FileFormatError,
    InputError,
    InputTypeError,
    LayerError,
    MethodError,
    TargetError,
    UnknownOptionError,
)

NAMES = ["circle", "square", "triangle"]


@pytest.fixture(scope="module")
def pictures():
    keras.utils.set_random_seed(0)
    base = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, activation="relu", name="conv")], name="base")
    last = [base, layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")]
    return keras.Sequential([keras.Input((8, 8, 3)), *last])


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")


def test_a_class_by_its_name(pictures, x):
    with pytest.raises(TargetError, match="or a name: with labels=, the names of all classes in that order, beside"):
        tfxai.explain(pictures, x, target="square")
    assert tfxai.explain(pictures, x, target="square", labels=NAMES).target.tolist() == [1, 1]


def test_the_path_of_a_picture(pictures, tmp_path):
    file = tmp_path / "p.png"
    Image.new("RGB", (20, 20), "red").save(file)
    with pytest.raises(InputError, match=r"Files are not read here.*load_img\(path, target_size=\(8, 8\)\)\)\[None\]"):
        tfxai.explain(pictures, str(file))
    read = keras.utils.img_to_array(keras.utils.load_img(file, target_size=(8, 8)))[None]
    assert tfxai.explain(pictures, read / 255).values.shape == (1, 8, 8, 3)


def test_one_picture(pictures, x):
    with pytest.raises(InputError, match=r"without the axis of examples. For one example pass x\[None\]"):
        tfxai.explain(pictures, x[0])
    opened = Image.new("RGB", (8, 8), "red")  # which has no [None]
    with pytest.raises(InputError, match=r"For one example pass np.asarray\(x\)\[None\]"):
        tfxai.explain(pictures, opened)
    assert len(tfxai.explain(pictures, np.asarray(opened)[None])) == 1


def test_methods(pictures, x):
    with pytest.raises(MethodError, match="Did you mean 'ig'?"):
        tfxai.explain(pictures, x, "IG")
    with pytest.raises(MethodError, match=r"This is a method's class: pass tfxai.IntegratedGradients\(\)"):
        tfxai.explain(pictures, x, tfxai.IntegratedGradients)
    a, b = (tfxai.explain(pictures, x, method).values for method in ("ig", tfxai.IntegratedGradients()))
    assert np.array_equal(a, b)


def test_options_of_a_picture(pictures, x):
    e = tfxai.explain(pictures, x)
    with pytest.raises(
        UnknownOptionError, match="A picture of kind 'image' has no option 'colorbars'. Did you mean 'colorbar'"
    ):
        e.plot(0, colorbars=False)
    assert len(e.plot(0, colorbar=False).figure.axes) == 1
    table = tfxai.Explanation(np.ones((1, 3)), np.ones(1), "deeplift")
    with pytest.raises(UnknownOptionError, match="kind 'bars' has no option 'cmap'. Known: inputs, names, ordered"):
        table.plot(0, cmap="viridis")


def test_reports(pictures, x, tmp_path):
    e = tfxai.explain(pictures, x)
    with pytest.raises(
        InputError, match=r"A report needs one or more explanations.*Received: '.*r.html' \(of type str\)"
    ):
        tfxai.report(str(tmp_path / "r.html"), e)
    page = tmp_path / "r.html"
    tfxai.report(e, page)
    with pytest.raises(
        FileFormatError, match=r"no archive of arrays\). Save it again with explanation.save"
    ) as refused:
        tfxai.load(page)  # what is in a file is not run, nor is it advised
    assert "allow_pickle" not in str(refused.value) and "unsafely" not in str(refused.value)


def test_a_label_in_the_shell(pictures, tmp_path, capsys):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "p.png")
    pictures.save(tmp_path / "m.keras")
    (tmp_path / "labels.txt").write_text("\n".join(NAMES))
    asked = [
        "explain",
        str(tmp_path / "m.keras"),
        str(tmp_path / "p.png"),
        "--target",
        "square",
        "-o",
        str(tmp_path / "o.npz"),
    ]
    assert main(asked) == 1 and "Labels are told by --labels FILE" in capsys.readouterr().err
    assert main([*asked, "--labels", str(tmp_path / "labels.txt")]) == 0
    assert tfxai.load(tmp_path / "o.npz").target.tolist() == [1]


@pytest.fixture(scope="module")
def sentences():
    vectorize = layers.TextVectorization(output_sequence_length=5, name="vectorize", vocabulary=["not", "bad", "film"])
    words = layers.Embedding(5, 3, name="words")
    return keras.Sequential([keras.Input((1,), dtype="string"), vectorize, words, layers.Flatten(), layers.Dense(1)])


def test_texts(sentences):
    text = np.array([["not bad"], ["film"]])
    with pytest.raises(
        InputError, match="They are made at '.*words.*': explain the output of that layer, with its name as"
    ):
        tfxai.explain(sentences, text)
    with pytest.raises(LayerError, match="no float tensor.*the one that makes such of it, layer='words'"):
        tfxai.explain(sentences, text, layer="vectorize")
    e = tfxai.explain(sentences, text, layer="words")
    ids = sentences.layers[0](tf.constant(text)).numpy()
    table, kernel = sentences.layers[1].embeddings.numpy(), sentences.layers[-1].kernel.numpy().reshape(5, 3)
    np.testing.assert_allclose(e.values.sum(-1), (table[ids] * kernel).sum(-1), atol=1e-6)  # against zero embeddings
    with pytest.raises(InputError, match=r"Of one text pass a list of it, \[text\]"):
        tfxai.explain(sentences, "not bad", layer="words")
    assert len(tfxai.explain(sentences, ["not bad"], layer="words")) == 1


def test_a_data_frame_for_an_input_per_column():
    pandas = pytest.importorskip("pandas")
    age, dose = keras.Input((1,), name="age"), keras.Input((1,), name="dose")
    model = keras.Model({"age": age, "dose": dose}, layers.Dense(1)(layers.Concatenate()([age, dose])))
    frame = pandas.DataFrame({"age": [1.0, 2.0], "dose": [3.0, 4.0]})
    with pytest.raises(
        InputTypeError, match=r"2 inputs \(age, dose\).*Received: 1 array. Of a data frame .* pass dict\(frame"
    ):
        tfxai.explain(model, frame)
    assert set(tfxai.explain(model, dict(frame)).values) == {"age", "dose"}


def test_the_check_of_one_of_several_outputs():
    i = keras.Input((20,))
    hidden = layers.Dense(5, activation="relu")(i)
    model = keras.Model(i, {"first": layers.Dense(3)(hidden), "second": layers.Dense(2)(hidden)})
    x = np.random.default_rng(0).normal(size=(4, 20)).astype("float32")
    with pytest.raises(TargetError, match=r"say which with target=tfxai.targets.output\('first', i\)"):
        tfxai.check(model, x)
    found = tfxai.check(model, x, target=tfxai.targets.output("second", 1))
    assert [f.name for f in found.findings if f.level == "skipped"] == [] and found.advice
