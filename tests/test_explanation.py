"""The result: what it holds, and that files give it back and refuse what is not one."""

import json
import zipfile

import numpy as np
import pytest

import tfxai
from tfxai.errors import FileFormatError, OptionError
from tfxai.explanation import Explanation


def example(rng, structure="array"):
    values = rng.normal(size=(3, 8, 9, 2)).astype("float32")
    if structure == "dict":
        values = {"a": values, "b": [rng.normal(size=(3, 4)), rng.normal(size=(3, 2))]}
    return Explanation(
        values=values,
        inputs=values,
        score=np.arange(3.0),
        baseline_score=np.ones(3),
        delta=np.array([0, 1e-3, -2e-3]),
        target=np.array([4, 5, 6]),
        method="deeplift",
        options={"rule": "rescale", "number": np.float32(0.5)},
        layer="base/conv",
        fingerprint="abc",
        meta={"seed": None},
    )


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a.dtype == b.dtype and np.array_equal(a, b)


@pytest.mark.parametrize("structure", ["array", "dict"])
def test_file_gives_everything_back(structure, rng, tmp_path):
    e = example(rng, structure)
    path = e.save(tmp_path / "one")
    assert path.name == "one.npz" and [p.name for p in tmp_path.iterdir()] == ["one.npz"]
    back = tfxai.load(path)
    for field in ("values", "inputs", "score", "baseline_score", "delta", "target"):
        assert same(getattr(e, field), getattr(back, field))
    assert back.options == {"rule": "rescale", "number": 0.5} and back.multipliers is None
    assert (back.method, back.layer, back.fingerprint, back.meta) == ("deeplift", "base/conv", "abc", {"seed": None})


def test_real_explanation_survives(rng, tmp_path):
    demo = tfxai.demo.digits()
    e = tfxai.explain(demo.model, demo.examples[:3], multipliers=True)
    back = tfxai.load(e.save(tmp_path / "digits.npz"))
    assert same(e.values, back.values) and same(e.multipliers, back.multipliers) and back.fingerprint == e.fingerprint


def test_fingerprint_tells_models_and_options_apart():
    demo = tfxai.demo.digits()
    first = tfxai.explain(demo.model, demo.examples[:1]).fingerprint
    assert first == tfxai.explain(demo.model, demo.examples[1:3]).fingerprint
    assert first != tfxai.explain(demo.model, demo.examples[:1], rule="genomics").fingerprint
    demo.model.weights[-1].assign_add(np.ones(10))
    assert first != tfxai.explain(demo.model, demo.examples[:1]).fingerprint


def test_files_that_are_not_explanations(rng, tmp_path):
    with pytest.raises(FileNotFoundError):
        tfxai.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    np.savez(tmp_path / "objects.npz", tfxai=np.array([{}], object))
    good = example(rng).save(tmp_path / "good.npz")
    (tmp_path / "cut.npz").write_bytes(good.read_bytes()[:400])
    arrays = dict(np.load(good))
    np.savez(tmp_path / "short.npz", **{**arrays, "delta": arrays["delta"][:2]})
    text = json.loads(bytes(arrays["tfxai"]).decode())
    for name, change in (
        ("lies", {"skeletons": {**text["skeletons"], "values": "nothing"}}),
        ("newer", {"format": 99}),
        ("extra", {"fields": {**text["fields"], "surprise": 1}}),
    ):
        np.savez(
            tmp_path / f"{name}.npz", **{**arrays, "tfxai": np.frombuffer(json.dumps(text | change).encode(), np.uint8)}
        )
    for name in ("text", "other", "objects", "cut", "short", "lies", "newer", "extra"):
        with pytest.raises(FileFormatError):
            tfxai.load(tmp_path / f"{name}.npz")


def test_no_pickle_in_the_file(rng, tmp_path):
    path = example(rng).save(tmp_path / "e.npz")
    with zipfile.ZipFile(path) as file:
        for name in file.namelist():
            assert b"'descr': '|O'" not in file.read(name)[:200]


def test_failed_save_leaves_nothing(rng, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fails)
    with pytest.raises(OSError, match="disk full"):
        example(rng).save(tmp_path / "e.npz")
    assert list(tmp_path.iterdir()) == []


def test_rows(rng):
    e = example(rng, "dict")
    assert len(e[1]) == 1 and e[1].score.tolist() == [1.0] and e[-1].target.tolist() == [6]
    assert e[1:].values["b"][0].shape == (2, 4) and np.array_equal(e[2].values["a"][0], e.values["a"][2])
    assert [len(one) for one in e] == [1, 1, 1]
    with pytest.raises(IndexError):
        e[3]


def test_repr_says_what_matters(rng):
    text = repr(example(rng))
    assert text == (
        "Explanation('deeplift', n=3, values=(3, 8, 9, 2), layer='base/conv', target=[4, 5, 6], max |delta|=0.002)"
    )


def test_smooth_keeps_the_sum(rng):
    e = example(rng)
    for sigma in (0.4, 1.5, 30.0):
        s = e.smooth(sigma)
        np.testing.assert_allclose(s.values.sum((1, 2)), e.values.sum((1, 2)), rtol=1e-4, atol=1e-4)
        assert s.values.dtype == np.float32 and s.values.std() < e.values.std()
    sequence = Explanation(values=rng.normal(size=(2, 7, 4)), score=np.ones(2), method="gradient").smooth(1.0)
    assert sequence.values.shape == (2, 7, 4)
    for bad in (0, -1, np.nan):
        with pytest.raises(OptionError, match="above 0"):
            e.smooth(bad)
    with pytest.raises(OptionError, match="spatial axes"):
        Explanation(values=np.ones((2, 3)), score=np.ones(2), method="gradient").smooth(1.0)
