"""Everyday files through the whole command: scores by hand, names, where the results are, and what is said."""

import io
import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers as L
from PIL import Image

import tfxai
from tfxai import cli


def summing(path, *shape, outputs=1, **how):
    """A model whose score is the sum of its inputs, k + 1 times that for output k."""
    model = keras.Sequential([keras.Input(shape, **how), L.Flatten(), L.Dense(outputs, use_bias=False)])
    model.set_weights([np.ones_like(w) * (1 + np.arange(outputs)) for w in model.get_weights()])
    model.save(path)
    return str(path)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    free = keras.Sequential([keras.Input((None, None, 3)), L.GlobalAveragePooling2D(), L.Dense(2, use_bias=False)])
    free.set_weights([np.ones((3, 2))])
    free.save(folder / "free.keras")
    summing(folder / "picture.keras", 4, 4, 3)
    summing(folder / "grey.keras", 4, 4)
    summing(folder / "table.keras", 3, outputs=3)
    a, b = keras.Input((2,), name="user"), keras.Input((2,), name="item")
    pair = keras.Model([a, b], L.Dense(1, use_bias=False)(L.Concatenate()([a, b])))
    pair.set_weights([np.array([[1.0], [1.0], [-3.0], [-3.0]])])
    pair.save(folder / "pair.keras")
    pair.export(folder / "pair", verbose=False)
    for k in range(15):
        Image.fromarray(np.full((4, 4, 3), k, np.uint8)).save(folder / f"beach{k:02d}.png")
    return folder


def explained(capsys, *arguments):
    """What the command printed, when all went well."""
    code = cli.main(["explain", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert code == 0, err
    return out


def test_a_line_for_every_file(models, tmp_path, capsys):
    out = explained(capsys, models / "picture.keras", models / "beach*.png", "-o", tmp_path / "o.npz", "-o",
                    tmp_path / "o.png")  # fmt: skip
    lines = [line for line in out.splitlines() if line.startswith("  deeplift: example")]
    assert lines[3].startswith("  deeplift: example 3, target 0: logit 144, delta ")
    assert lines[3].endswith(", beach03.png -> o.npz, o.png")
    assert lines[12].endswith(", beach12.png -> o.npz") and len(lines) == 15  # the picture has twelve rows
    assert tfxai.load(tmp_path / "o.npz").score.tolist() == [48.0 * k for k in range(15)]
    assert "  pattern beach*.png: 15 files\n" in out
    out = explained(capsys, models / "picture.keras", models / "beach*.png", "-o", tmp_path / "o.png")
    assert "beach12.png -> not drawn (the first 12 are); -o OUT.npz holds it" in out


def test_the_page_names_the_files(models, tmp_path, capsys):
    page = tmp_path / "o.html"
    explained(capsys, models / "picture.keras", models, "-o", page)
    text = page.read_text(encoding="utf-8")
    assert all(f"<h2>Example {k}: beach{k:02d}.png</h2>" in text for k in range(15))


def test_pictures_of_other_sizes(models, tmp_path, capsys):
    for k, size in enumerate([(10, 12), (20, 9)]):
        Image.fromarray(np.full((*size, 3), 10 * (k + 1), np.uint8)).save(tmp_path / f"s{k}.png")
    files = [tmp_path / "s0.png", tmp_path / "s1.png"]
    out = explained(capsys, models / "free.keras", *files, "--preprocess", "unit", "--target", "1,0",
                    "-o", tmp_path / "o.npz", "-o", tmp_path / "o.png")  # fmt: skip
    assert "each is explained on its own" in out
    assert "example 1, target 0: logit 0.2353, delta" in out and ", s1.png -> o-s1.npz, o-s1.png\n" in out
    for k, (size, target) in enumerate([((10, 12), 1), ((20, 9), 0)]):
        e = tfxai.load(tmp_path / f"o-s{k}.npz")
        assert e.values.shape == (1, *size, 3) and e.target[0] == target
        assert np.isclose(e.score[0], 30 * (k + 1) / 255) and (tmp_path / f"o-s{k}.png").is_file()
    assert cli.main(["explain", str(models / "free.keras"), *map(str, files), "--target", "1,0,0"]) == 1
    assert "one for each of the 2 pictures" in capsys.readouterr().err
    assert cli.main(["check", str(models / "free.keras"), *map(str, files)]) == 1
    assert "Check them one by one" in capsys.readouterr().err


def test_a_model_without_an_axis_of_channels(models, tmp_path, capsys):
    explained(capsys, models / "grey.keras", models / "beach02.png", "-o", tmp_path / "o.npz")
    e = tfxai.load(tmp_path / "o.npz")
    assert e.values.shape == (1, 4, 4) and e.score.tolist() == [32]


def test_rows_keep_their_names(models, tmp_path, capsys):
    (tmp_path / "t.csv").write_text(",a,b,c\nx,4,5,6\ny,7,8,9\n")
    out = explained(capsys, models / "table.keras", tmp_path / "t.csv", "--target", "0", "-o", tmp_path / "o.npz")
    e = tfxai.load(tmp_path / "o.npz")
    assert e.score.tolist() == [15, 24] and e.meta["features"] == {"": ["a", "b", "c"]}
    assert ", row y -> o.npz\n" in out and "first column taken as the names of the rows" in out
    (tmp_path / "t.csv").write_text("a,b,c\n" + "1,2,3\n" * 20)
    out = explained(capsys, models / "table.keras", tmp_path / "t.csv", "--target", "0", "-o", tmp_path / "o.npz")
    assert out.count("deeplift: example") == 12 and "8 more of 20 examples; an .npz holds them all" in out


@pytest.mark.parametrize("model", ["pair.keras", "pair"])
def test_several_inputs(models, tmp_path, model, capsys):
    np.savez(tmp_path / "named.npz", item=np.ones((1, 2), "float32"), user=np.full((1, 2), 5, "float32"))
    explained(capsys, models / model, tmp_path / "named.npz", "--target", "0", "-o", tmp_path / "o.npz")
    assert tfxai.load(tmp_path / "o.npz").score.tolist() == [4]
    np.savez(tmp_path / "ordered.npz", np.full((1, 2), 5, "float32"), np.ones((1, 2), "float32"))
    command = ["explain", str(models / model), str(tmp_path / "ordered.npz"), "-o", str(tmp_path / "p.npz")]
    if model == "pair":  # which keeps no order
        assert cli.main(command) == 1 and "the file holds arr_0, arr_1" in capsys.readouterr().err
    else:
        assert cli.main(command) == 0 and tfxai.load(tmp_path / "p.npz").score.tolist() == [4]


def test_a_column_for_each_input_and_one_picture_of_all(models, tmp_path, capsys):
    a, b = keras.Input((1,), name="dose"), keras.Input((1,), name="age")
    model = keras.Model([a, b], L.Dense(1, use_bias=False)(L.Concatenate()([a, b])))
    model.set_weights([np.array([[1.0], [10.0]])])
    model.save(tmp_path / "m.keras")
    (tmp_path / "t.csv").write_text("age,other,dose\n2,7,3\n4,7,5\n")
    outputs = ["-o", tmp_path / "o.npz", "-o", tmp_path / "o.png", "-o", tmp_path / "o.html"]
    out = explained(capsys, tmp_path / "m.keras", tmp_path / "t.csv", "--preprocess", "age=unit", *outputs)
    e = tfxai.load(tmp_path / "o.npz")
    np.testing.assert_allclose(e.score, [3 + 20 / 255, 5 + 40 / 255], rtol=1e-6)
    np.testing.assert_allclose(e.values["age"], [[20 / 255], [40 / 255]], rtol=1e-5)
    assert "-> o.npz, o.png, o.html\n" in out and "preprocess dose: as it is, age: unit\n" in out
    assert Image.open(tmp_path / "o.png").size[1] > 300 and not list(tmp_path.glob("o-*.png"))
    page = (tmp_path / "o.html").read_text()
    assert page.count("<caption>") == 2 and page.count('<th scope="row">dose</th>') == 2  # one table for each row


def test_ids_are_exact(tmp_path, capsys):
    i = keras.Input((2,), dtype="int64")
    model = keras.Model(i, L.Dense(1)(L.Flatten()(L.Embedding(40, 4)(L.Hashing(40)(i)))))
    model.save(tmp_path / "ids.keras")
    ids = [[123456789, 16777217], [9007199254740993, 36028797018963971], [1700000000123, 3]]
    (tmp_path / "ids.csv").write_text("user,item\n" + "".join(f"{a},{b}\n" for a, b in ids))
    explained(capsys, tmp_path / "ids.keras", tmp_path / "ids.csv", "-o", tmp_path / "o.npz")
    want = model(np.array(ids, "int64"))[:, 0]
    np.testing.assert_allclose(tfxai.load(tmp_path / "o.npz").score, want, rtol=1e-5)


class Subclassed(keras.Model):
    """Says how many outputs it has only when it runs."""

    def __init__(self, **how):
        super().__init__(**how)
        self.dense = L.Dense(3)

    def call(self, x):
        return self.dense(x)


@pytest.mark.parametrize("kind", ["sequential", "subclassed", "exported"])
def test_labels_that_do_not_fit(models, tmp_path, kind, capsys):
    (tmp_path / "t.csv").write_text("1,2,3\n")
    (tmp_path / "l.txt").write_text("cat\nfox\n")
    path = models / "table.keras"
    if kind != "sequential":
        model = Subclassed()
        model(np.ones((1, 3), "float32"))
        path = tmp_path / ("m.keras" if kind == "subclassed" else "m")
        model.save(path) if kind == "subclassed" else model.export(path, verbose=False)
    with keras.saving.custom_object_scope({"Subclassed": Subclassed}):
        command = ["explain", str(path), str(tmp_path / "t.csv"), "-o", str(tmp_path / "o.npz"), "--labels"]
        assert cli.main([*command, str(tmp_path / "l.txt")]) == 1
        assert "has 2 labels (cat, fox), and the model has 3 outputs" in capsys.readouterr().err
        (tmp_path / "l.txt").write_text("cat\nfox\nhen\n")
        assert cli.main([*command, str(tmp_path / "l.txt"), "--target", "hen"]) == 0
    assert "example 0, hen: logit" in capsys.readouterr().out


def test_two_names_for_one_output(models, tmp_path, capsys):
    (tmp_path / "l.txt").write_text("cat\ndog\n")
    out = explained(capsys, models / "picture.keras", models / "beach02.png", "--labels", tmp_path / "l.txt",
                    "--target", "dog", "-o", tmp_path / "o.npz")  # fmt: skip
    assert "example 0, dog: logit 96" in out


LAYER = """
import keras

class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x

def thrice(x):
    return 3 * x
"""


@pytest.mark.long
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_layer_of_ones_own(tmp_path, suffix, monkeypatch, capsys):
    (tmp_path / "layers_of_mine.py").write_text(LAYER)
    (tmp_path / "t.csv").write_text("1,2,3\n")
    code = (
        "import keras, numpy as np, layers_of_mine as m\n"
        "L = keras.layers\n"
        "model = keras.Sequential([keras.Input((3,)), m.Twice(), L.Dense(1, activation=m.thrice, use_bias=False)])\n"
        f"model.set_weights([np.ones((3, 1))])\nmodel.save('own{suffix}')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.chdir(tmp_path)
    command = ["explain", f"own{suffix}", "t.csv", "-o", "o.npz"]
    assert cli.main(command) == 1
    error = capsys.readouterr().err
    assert "it needs 'Twice', which Keras does not have" in error and "--import MODULE" in error and len(error) < 400
    try:
        for module in ("layers_of_mine", str(tmp_path / "layers_of_mine.py")):
            assert cli.main([*command, "--import", module]) == 0
            assert tfxai.load("o.npz").score.tolist() == [36]
    finally:
        sys.modules.pop("layers_of_mine", None)
    for wrong in ("no_such_module", "nothing.py"):
        assert cli.main([*command, "--import", wrong]) == 1
        assert "--import takes a module that Python finds from this folder, or a .py file" in capsys.readouterr().err


@pytest.fixture
def named(models, tmp_path, monkeypatch):
    """A command about a table whose classes have names that few encodings hold."""
    (tmp_path / "n.csv").write_text("1,2,3\n")
    (tmp_path / "names.txt").write_text("\u732b\n\u72d7\n\u03b1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return ["explain", str(models / "table.keras"), "n.csv", "--labels", "names.txt", "--target", "0", "-o", "o.npz"]


@pytest.mark.parametrize("encoding, seen", [("cp1252", rb"\u732b"), ("utf-8", "\u732b".encode())])
def test_any_console(named, encoding, seen, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert cli.main(named) == 0
    sys.stdout.flush()
    assert b"example 0, " + seen + b": logit 6" in sys.stdout.buffer.getvalue() and os.path.isfile("o.npz")


@pytest.mark.long
def test_the_console_that_python_starts_with(named):
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-m", "tfxai", *named], capture_output=True, timeout=300, env=env)
    assert done.returncode == 0 and rb"example 0, \u732b: logit 6" in done.stdout, done.stderr
    assert os.path.isfile("o.npz")


def test_help_says_what_is_taken(capsys):
    with pytest.raises(SystemExit):
        cli.main(["explain", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert all(text in out for text in ("folders or patterns", "[INPUT=]HOW", "--header {auto,yes,no}", "--import"))


def test_the_range_of_what_is_fed_is_said(models, tmp_path, capsys):
    scaled = keras.Sequential([keras.Input((4, 4, 3)), L.Rescaling(1 / 255), L.Flatten(), L.Dense(1)])
    scaled.save(tmp_path / "scaled.keras")
    hint = "no Rescaling or Normalization layer: if it was trained on 0 to 1, pass --preprocess unit"
    photo, out = models / "beach14.png", ("-o", tmp_path / "o.npz")
    said = explained(capsys, models / "picture.keras", photo, *out)
    assert "  the model is fed 14 to 14\n" in said and hint in said
    said = explained(capsys, models / "picture.keras", photo, "--preprocess", "unit", *out)
    assert "  the model is fed 0.054902 to 0.054902\n" in said and hint not in said
    said = explained(capsys, tmp_path / "scaled.keras", photo, *out)
    assert "  the model is fed 14 to 14\n" in said and hint not in said
    np.savetxt(tmp_path / "t.csv", [[1.5, -2, 30]], delimiter=",", header="a,b,c", comments="")
    said = explained(capsys, models / "table.keras", tmp_path / "t.csv", *out)
    assert "  the model is fed -2 to 30\n" in said and hint not in said


def test_missing_cells_for_a_model_that_is_made_for_them(tmp_path, capsys):
    """Score: where(isnan(x), 4, x), summed: NaN against 0 is 4."""
    i = keras.Input((2,))
    filled = keras.ops.where(keras.ops.isnan(i), 4.0, i)
    keras.Model(i, L.Dense(1, kernel_initializer="ones")(filled)).save(tmp_path / "m.keras")
    (tmp_path / "t.csv").write_text("age,fare\n1,2\n,3\n")
    assert cli.main(["explain", str(tmp_path / "m.keras"), str(tmp_path / "t.csv")]) == 1
    said = capsys.readouterr().err
    assert "line 3, column 1: the cell is missing" in said and "--allow-nan" in said
    out = explained(capsys, tmp_path / "m.keras", tmp_path / "t.csv", "--allow-nan", "-o", tmp_path / "o.npz", "-o",
                    tmp_path / "o.png", "-o", tmp_path / "o.html")  # fmt: skip
    assert "1 missing cell" in out and "the model is fed 1 to 3" in out
    np.testing.assert_allclose(tfxai.load(tmp_path / "o.npz").values, [[1, 2], [4, 3]], rtol=1e-6)
    assert cli.main(["check", str(tmp_path / "m.keras"), str(tmp_path / "t.csv"), "--allow-nan"]) == 0
    assert "All well." in capsys.readouterr().out


def test_either_of_two_classes_of_one_output(models, tmp_path, capsys):
    """The score is the sum, 144; what speaks for the first class is -144."""
    model = summing(tmp_path / "one.keras", 4, 4, 3)
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    for asked, name, score in ((["--target", "cat"], "cat", -144), (["--target", "1"], "dog", 144), ([], "dog", 144)):
        out = explained(capsys, model, models / "beach03.png", "--labels", tmp_path / "names.txt", *asked, "-o",
                        tmp_path / "o.npz", "-o", tmp_path / "o.html")  # fmt: skip
        assert f"example 0, {name}: logit {score}," in out
        assert tfxai.load(tmp_path / "o.npz").values.sum() == score
        assert f"Explained: {name}" in (tmp_path / "o.html").read_text()
    assert "target 0: logit 144," in explained(
        capsys, model, models / "beach03.png", "--target", "0", "-o", tmp_path / "o.npz"
    )


@pytest.mark.filterwarnings("ignore:Conversion of an array:DeprecationWarning")  # of Keras 3.8, to itself
@pytest.mark.filterwarnings("default::tfxai.EmptyMapWarning")
def test_a_warning_is_a_line_without_a_place_in_python(models, tmp_path, capsys):
    """A convolution whose map is zero after its ReLU, for a class that nothing speaks for."""
    i = keras.Input((8, 8, 3))
    mean = L.GlobalAveragePooling2D()(L.Conv2D(2, 3, kernel_initializer="ones")(i))
    keras.Model(i, -L.Dense(1, kernel_initializer="ones")(mean)).save(tmp_path / "m.keras")
    file = str(models / "beach03.png")
    code = cli.main(["explain", str(tmp_path / "m.keras"), file, "--method", "gradcam", "-o", str(tmp_path / "o.npz")])
    out, err = capsys.readouterr()
    assert code == 0 and err.startswith("tfxai: warning: gradcam: the map of 1 examples") and err.count("\n") == 1


def test_each_input_has_its_range(models, tmp_path, capsys):
    np.savez(tmp_path / "pair.npz", user=np.array([[1.0, 2.0]]), item=np.array([[-3.0, 40.0]]))
    out = explained(capsys, models / "pair.keras", tmp_path / "pair.npz", "-o", tmp_path / "o.npz")
    assert "  the model is fed user 1 to 2, item -3 to 40\n" in out


def test_the_highest_classes(models, tmp_path, capsys):
    """A table row is a line per class, from the highest; the picture has a column for each of them."""
    np.save(tmp_path / "x.npy", np.array([[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]], np.float32))
    (tmp_path / "labels.txt").write_text("low\nmiddle\nhigh\n")
    out = explained(capsys, models / "table.keras", tmp_path / "x.npy", "--top", 2, "--labels", tmp_path / "labels.txt",
                    "-o", tmp_path / "o.html", "-o", tmp_path / "o.png")  # fmt: skip
    lines = [line.split(", delta")[0] for line in out.splitlines() if line.startswith("  deeplift: example")]
    assert lines == [
        "  deeplift: example 0, high: logit 18", "  deeplift: example 1, low: logit -6",
        "  deeplift: example 0, middle: logit 12", "  deeplift: example 1, middle: logit -12",
    ]  # fmt: skip
    page = (tmp_path / "o.html").read_text()
    assert "logit 18" in page and "logit 12" in page and page.count("<caption>") == 4


@pytest.mark.parametrize(
    "more, words",
    [
        (["--top", "2", "--target", "1"], "--top names the classes, and so does --target"),
        (["--top", "4"], "The output has 3 classes, so top() has at most as many. Received: 4."),
        (["--top", "0"], "k is a whole number from 1"),
        (["--top", "2", "-o", "e.npz"], "An .npz holds one explanation. Received: --top."),
    ],
)
def test_highest_classes_that_are_not_there(models, tmp_path, more, words, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "x.npy", np.ones((1, 3), np.float32))
    assert cli.main(["explain", str(models / "table.keras"), str(tmp_path / "x.npy"), *more]) != 0
    assert words in capsys.readouterr().err


def test_columns_of_words_for_inputs_that_take_words(tmp_path, capsys):
    age, sex = keras.Input((1,), name="age"), keras.Input((1,), name="sex", dtype="string")
    coded = L.StringLookup(vocabulary=["f", "m"], output_mode="one_hot", num_oov_indices=0)(sex)
    model = keras.Model({"age": age, "sex": sex}, L.Dense(1, use_bias=False)(L.Concatenate()([age, coded])))
    model.set_weights([np.array([[1.0], [10.0], [-10.0]])])
    model.save(tmp_path / "m.keras")
    (tmp_path / "t.csv").write_text('sex;age;other\n"m";2,5;1\n\nf;4;7\n')
    outputs = ["-o", tmp_path / "o.npz", "-o", tmp_path / "o.html"]
    explained(capsys, tmp_path / "m.keras", tmp_path / "t.csv", *outputs)
    e = tfxai.load(tmp_path / "o.npz")
    np.testing.assert_allclose(e.values["age"], [[2.5], [4]])
    np.testing.assert_allclose(e.values["sex"], [[-10], [10]])
    page = (tmp_path / "o.html").read_text()
    assert re.search(r'<th scope="row">sex</th><td class="number value quiet">= m</td>', page)
    (tmp_path / "t.csv").write_text("sex,age\nm,2\n,3\n")
    assert cli.main(["explain", str(tmp_path / "m.keras"), str(tmp_path / "t.csv"), "-o", str(tmp_path / "p.npz")]) == 1
    assert "line 3, column 1: the cell is missing ('') (sex)" in capsys.readouterr().err
    missing = [
        "explain",
        str(tmp_path / "m.keras"),
        str(tmp_path / "t.csv"),
        "--allow-nan",
        "-o",
        str(tmp_path / "p.npz"),
    ]
    assert cli.main(missing) == 1
    assert "'sex' holds words, and that of row 1 is missing (1 in all)" in capsys.readouterr().err
