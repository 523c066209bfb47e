"""Exports, read by their real consumers."""

import importlib.util
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

import tfxai
from tfxai.errors import InputError, MissingExtraError
from tfxai.explanation import Explanation


def explained(values, inputs=None, **more):
    n = len(values if isinstance(values, np.ndarray) else next(iter(values.values())))
    return Explanation(values=values, inputs=values if inputs is None else inputs, score=np.arange(n) + 1.0,
                       baseline_score=np.full(n, 0.25), delta=np.zeros(n), target=np.arange(n), method="deeplift",
                       options={"rule": "rescale"}, **more)  # fmt: skip


def test_xarray_names_the_axes_and_survives_a_file(rng, tmp_path):
    xarray = pytest.importorskip("xarray")
    values = rng.normal(size=(2, 4, 5, 3)).astype("float32")
    data = explained(values, layer="conv").to_xarray()
    assert data["values"].dims == ("sample", "y", "x", "channel") and data["inputs"].dims == data["values"].dims
    np.testing.assert_array_equal(data["values"].sel(sample=1).values, values[1])
    assert data["score"].dims == ("sample",) and json.loads(data.attrs["options"]) == {"rule": "rescale"}
    data.to_netcdf(tmp_path / "a.nc", engine="scipy" if importlib.util.find_spec("scipy") else None)
    with xarray.open_dataset(tmp_path / "a.nc") as again:
        np.testing.assert_array_equal(again["values"], values)
        assert again.attrs["layer"] == "conv"


def test_xarray_of_several_inputs_and_of_a_layer(rng):
    pytest.importorskip("xarray")
    both = {"image": rng.normal(size=(2, 4, 4, 1)), "table": rng.normal(size=(2, 3))}
    data = explained(both).to_xarray()
    assert data["values.table"].dims == ("sample", "feature.table") and data["inputs.image"].shape == (2, 4, 4, 1)
    layer = explained(rng.normal(size=(2, 4, 4, 8)), rng.normal(size=(2, 9, 9, 3)), layer="conv").to_xarray()
    assert layer["inputs"].dims == ("sample", "input.y", "input.x", "input.channel")


def test_dataframe(rng):
    pytest.importorskip("pandas")
    values = rng.normal(size=(3, 2))
    frame = explained(values).to_dataframe(["age", "dose"])
    assert list(frame.columns) == ["age", "dose", "score", "baseline_score", "delta", "target"]
    np.testing.assert_array_equal(frame[["age", "dose"]].to_numpy(), values)
    several = explained({"a": values, "b": values[:, :1]}).to_dataframe()
    assert list(several.columns)[:3] == ["a.0", "a.1", "b"]
    with pytest.raises(InputError, match="Expected 2 names"):
        explained(values).to_dataframe(["one"])
    with pytest.raises(InputError, match=r"Use to_xarray\(\)"):
        explained(rng.normal(size=(2, 3, 3))).to_dataframe()


@pytest.mark.filterwarnings("ignore:The set_.* function:PendingDeprecationWarning")  # when shap is imported
def test_shap_draws_it(rng):
    import matplotlib.pyplot as plt

    shap = pytest.importorskip("shap")

    values, inputs = rng.normal(size=(2, 6, 4))
    found = explained(values, inputs).to_shap(["a", "b", "c", "d"])
    assert isinstance(found, shap.Explanation) and found.feature_names == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(found.data, inputs)
    np.testing.assert_array_equal(found.base_values, 0.25)
    ax = shap.plots.bar(found, show=False)
    widths = sorted(abs(p.get_width()) for p in ax.patches)
    np.testing.assert_allclose(widths, sorted(np.abs(values).mean(0)), rtol=1e-6)
    plt.close("all")
    with pytest.raises(InputError, match="holds one array"):
        explained({"a": values}).to_shap()


@pytest.fixture
def dna(rng):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((30, 4)), keras.layers.Conv1D(8, 5, activation="relu"),
                              keras.layers.GlobalMaxPooling1D(), keras.layers.Dense(1)])  # fmt: skip
    x = np.eye(4, dtype="float32")[rng.integers(0, 4, (6, 30))]
    return model, x


def test_modisco_files(dna, tmp_path):
    model, x = dna
    e = tfxai.explain(model, x, hypothetical=True)
    sequences, scores = e.to_modisco(tmp_path / "motifs")
    with np.load(sequences) as s, np.load(scores) as h:
        assert s["arr_0"].shape == h["arr_0"].shape == (6, 4, 30)
        np.testing.assert_array_equal(s["arr_0"].transpose(0, 2, 1), x)
        actual = tfxai.explain(model, x).values  # hypothetical times one-hot is the actual contribution
        np.testing.assert_allclose((h["arr_0"] * s["arr_0"]).transpose(0, 2, 1), actual, atol=1e-6)
    with pytest.raises(InputError, match="hypothetical=True"):
        tfxai.explain(model, x).to_modisco(tmp_path)
    with pytest.raises(InputError, match="Expected one-hot sequences"):
        tfxai.explain(model, x + 0.5, hypothetical=True).to_modisco(tmp_path)


def test_without_the_packages(without_extras, rng):
    e = explained(rng.normal(size=(2, 3)))
    for call, name in ((e.to_xarray, "data"), (e.to_dataframe, "data"), (e.to_shap, "shap")):
        with pytest.raises(MissingExtraError, match=rf'pip install "tfxai\[{name}\]"'):
            call()


def test_nothing_optional_is_imported_early():
    early = "any(m in sys.modules for m in ('pandas', 'shap', 'xarray'))"
    code = f"import sys, tfxai; tfxai.Explanation; tfxai.plot; sys.exit({early})"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.filterwarnings("ignore:The set_.* function:PendingDeprecationWarning")  # when shap is imported
def test_columns_of_a_data_frame_are_the_names_of_its_features(rng, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("shap")
    frame = pandas.DataFrame(rng.normal(size=(3, 2)).astype("float32"), columns=["age", "income"])
    a, b = keras.Input((2,), name="person"), keras.Input((1,), name="place")
    model = keras.Model({"person": a, "place": b}, keras.layers.Dense(1)(keras.layers.Concatenate()([a, b])))
    alone = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    e = tfxai.load(tfxai.explain(alone, frame).save(tmp_path / "e.npz"))
    assert list(e.to_dataframe().columns[:2]) == ["age", "income"] == e.to_shap().feature_names
    assert {t.get_text().split(" = ")[0] for t in e.plot(0, ax=Figure().subplots()).get_yticklabels()} == {
        "age",
        "income",
    }
    both = tfxai.explain(model, {"person": frame, "place": np.ones((3, 1))}, target=0)
    assert list(both.to_dataframe().columns[:3]) == ["person.age", "person.income", "place"]
    ax = both.plot(0, input="person", ax=Figure().subplots())
    assert {t.get_text().split(" = ")[0] for t in ax.get_yticklabels()} == {"age", "income"}
    inside = tfxai.explain(alone, frame, layer=-1)
    assert list(inside.to_dataframe().columns[:1]) == ["0"]  # features of a layer are not those of the table
    assert list(e.to_dataframe(["x", "y"]).columns[:2]) == ["x", "y"]
