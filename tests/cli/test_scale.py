"""`tfxai scale`: a data set into a store, from the shell."""

import keras
import numpy as np
import pytest
from PIL import Image

import tfxai
from tfxai import cli

zarr = pytest.importorskip("zarr")
ROWS = 20


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("scale"), np.random.default_rng(0)
    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Dense(4, "gelu")(inputs))).save(folder / "table.keras")
    pictures = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, activation="relu"),
                keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]  # fmt: skip
    keras.Sequential(pictures).save(folder / "pictures.keras")
    x = rng.normal(size=(ROWS, 3)).astype("float32")
    np.save(folder / "x.npy", x)
    lines = [f"row{k};{a:.4f};{b:.4f};{c:.4f};{k % 2}".replace(".", ",") for k, (a, b, c) in enumerate(x)]
    (folder / "x.csv").write_text("\n".join(["Unnamed: 0;age;dose;weight;ill", *lines]))
    (folder / "labels.txt").write_text("well\nill\n")
    for k in range(4):
        (folder / "photos" / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8)).save(folder / "photos" / "ab"[k % 2] / f"{k}.png")
    return folder


@pytest.fixture
def scale(files, tmp_path, monkeypatch, capsys):
    """Runs the command, and returns its code and what it printed."""
    monkeypatch.chdir(files)

    def run(*arguments):
        code = cli.main(["scale", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_an_array_is_explained_as_in_python(scale, files, tmp_path):
    out = tmp_path / "a.zarr"
    code, said = scale("table.keras", "x.npy", "-o", out, "--method", "integrated_gradients", "--set", "steps=7",
                       "--target", 1, "--baseline", 0.5, "--chunk", 8)  # fmt: skip
    assert code == 0, said
    assert "x.npy: 20 examples" in said and f"Wrote {out}: 20 examples. Read it with tfxai.scale.open(" in said
    x = np.load(files / "x.npy")
    e = tfxai.explain(str(files / "table.keras"), x, "integrated_gradients", target=1, baseline=0.5, steps=7)
    store = tfxai.scale.open(out)
    assert np.allclose(store[:].values, e.values, atol=1e-6) and np.allclose(store[:].score, e.score, atol=1e-6)
    assert len(store.done) == 3
    code, said = scale("--status", out)
    assert code == 0 and "a.zarr, integrated_gradients: 3 of 3 chunks done, 20 of 20 examples (100%)" in said
    assert "3 chunks, " in said and "examples/s, last" in said and "left" not in said


def test_shards_share_a_store_and_the_status_says_what_is_left(scale, tmp_path):
    out, job = tmp_path / "a.zarr", ("table.keras", "x.npy", "--chunk", 4, "-o")
    code, said = scale(*job, out, "--shard", "0/2")
    assert code == 0 and f"3 of 5 chunks of {out} are done: see tfxai scale --status {out}" in said
    code, said = scale("--status", out)
    assert "3 of 5 chunks done, 12 of 20 examples (60%)" in said and "examples/s, about 0 s left" in said
    assert scale(*job, out, "--shard", "1/2")[0] == 0
    assert tfxai.scale.open(out).done.all()
    code, said = scale(*job, out, "--no-resume")
    assert code == 1 and "There is a store at" in said
    code, said = scale(*job, out, "--target", 0)
    assert code == 1 and "holds another job: target: None, now 0" in said


def test_a_table_as_people_have_them(scale, files, tmp_path):
    out = tmp_path / "t.zarr"
    code, said = scale(
        "table.keras", "x.csv", "--label", "ill", "--target", "labels", "--labels", "labels.txt", "-o", out
    )
    assert code == 0, said
    x = np.load(files / "x.npy").round(4)
    e = tfxai.explain(str(files / "table.keras"), x, target=[k % 2 for k in range(ROWS)])
    assert np.allclose(tfxai.scale.open(out)[:].values, e.values, atol=1e-5)
    code, said = scale("table.keras", "x.csv", "--columns", "weight,dose,age", "-o", tmp_path / "c.zarr", "--target", 0)
    assert code == 0, said
    turned = tfxai.explain(str(files / "table.keras"), x[:, ::-1], target=0)
    assert np.allclose(tfxai.scale.open(tmp_path / "c.zarr")[:].values, turned.values, atol=1e-5)


def test_a_folder_of_pictures(scale, files, tmp_path):
    out = tmp_path / "p.zarr"
    code, said = scale("pictures.keras", "photos", "--preprocess", "unit", "--target", "labels", "-o", out)
    assert code == 0 and "photos: 4 examples, classes a, b" in said and "the model is fed 0" in said, said
    data = keras.utils.image_dataset_from_directory(files / "photos", image_size=(8, 8), shuffle=False, verbose=False)
    ((x, y),) = data.as_numpy_iterator()
    e = tfxai.explain(str(files / "pictures.keras"), x / 255, target=y.tolist())
    assert np.allclose(tfxai.scale.open(out)[:].values, e.values, atol=1e-6)


def test_inputs_of_a_saved_model_by_name(scale, files, tmp_path):
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    both = keras.layers.Dense(2)(keras.layers.Concatenate()([keras.layers.Dense(4, "gelu")(a), b]))
    keras.Model({"a": a, "b": b}, both).export(tmp_path / "saved", verbose=False)
    x = {"a": np.load(files / "x.npy"), "b": np.load(files / "x.npy")[:, :2] + 1}
    np.savez(tmp_path / "x.npz", **x)
    code, said = scale(tmp_path / "saved", tmp_path / "x.npz", "-o", tmp_path / "s.zarr", "--target", 1)
    assert code == 0, said
    e = tfxai.explain(str(tmp_path / "saved"), x, target=1)
    found = tfxai.scale.open(tmp_path / "s.zarr")[:].values
    assert all(np.allclose(found[name], e.values[name], atol=1e-6) for name in "ab")


WRONG = {
    "no data": (["table.keras"], 2, "MODEL and DATA are needed, or --status STORE"),
    "no file": (["table.keras", "none.npy"], 1, "No file or folder at 'none.npy'"),
    "no table": (["table.keras", "none.csv"], 1, "No input file at 'none.csv'"),
    "no model": (["none.keras", "x.npy"], 1, "No model file at 'none.keras'"),
    "no store": (["--status", "none.zarr"], 1, "No store of explanations at 'none.zarr'"),
    "shard": (["table.keras", "x.npy", "--shard", "3"], 1, "--shard is K/N, such as 3/16"),
    "shard of none": (["table.keras", "x.npy", "--shard", "2/2"], 1, "k-th of n processes"),
    "engine": (["table.keras", "x.npy", "--engine", "spark"], 1, "engine"),
    "size": (["pictures.keras", "photos", "--image-size", "8"], 1, "--image-size is HxW, such as 224x224"),
    "other size": (["pictures.keras", "photos", "--image-size", "9x9"], 1, "takes images of 8 x 8"),
    "label of an array": (["table.keras", "x.npy", "--label", "ill"], 1, "--label and --columns are of tables"),
    "too many columns": (
        ["table.keras", "x.csv"],
        1,
        "5 columns (Unnamed: 0, age, dose, weight, ill), and the model takes 3",
    ),
    "modules for ray": (
        ["table.keras", "x.npy", "--engine", "ray", "--import", "json"],
        1,
        "does not reach the workers",
    ),
    "preprocess": (["pictures.keras", "photos", "--preprocess", "twice"], 1, "--preprocess is keras.applications.NAME"),
    "something else": (["table.keras", "x.npy", "-o", "photos"], 1, "is no store of explanations"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_in_a_line(what, scale, capsys):
    arguments, code, message = WRONG[what]
    if code == 2:
        with pytest.raises(SystemExit) as stop:
            scale(*arguments)
        assert stop.value.code == 2 and message in capsys.readouterr().err
        return
    found, said = scale(*arguments)
    assert found == code and message in said and "Traceback" not in said, said
