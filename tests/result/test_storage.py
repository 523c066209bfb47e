"""Files give an explanation back, and refuse what is not one."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import tfxai
from tests.explanations import example
from tfxai.errors import FileFormatError, InputTypeError
from tfxai.explanation import Explanation


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


def rewritten(path, to, **changes):
    """The file at `path` with arrays, or parts of its JSON text, replaced."""
    arrays = dict(np.load(path))
    text = json.loads(bytes(arrays["tfxai"]).decode())
    for key in ("skeletons", "fields"):
        text[key] = {k: v for k, v in {**text[key], **changes.pop(key, {})}.items() if v != "drop"}
    arrays["tfxai"] = np.frombuffer(changes.pop("raw", json.dumps(text)).encode(), np.uint8)
    np.savez(to, **{**arrays, **changes})
    return to


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"fields": {"method": 3}}, "Method, layer and fingerprint are texts"),
        ({"fields": {"options": [1]}}, "options and meta are dicts"),
        ({"skeletons": {"score": "drop"}, "fields": {"score": [1, 2, 3]}}, "'score' is not one number"),
        ({"skeletons": {"score": "drop"}}, "not an explanation saved by tfxai"),
        ({"skeletons": {"delta": "drop"}, "fields": {"delta": "hey"}}, "'delta' is not one number"),
        ({"skeletons": {"values": "drop"}, "fields": {"values": "hey"}}, "'values' does not hold an array of 3"),
        ({"skeletons": {"values": {"set": {}}}}, "not an explanation saved by tfxai"),
        ({"skeletons": {"values": {"list": ["values", "nothing"]}}}, "not an explanation saved by tfxai"),
        ({"values": np.array(["a"] * 3)}, "'values' does not hold"),
        ({"inputs": np.ones((2, 8))}, "'inputs' does not hold an array of 3 examples"),
        ({"score": np.ones((3, 2))}, "'score' is not one number"),
        ({"score": np.array(1.0)}, "'score' is not one number"),
        ({"raw": "[" * 100_000}, "RecursionError"),
        ({"raw": "[]"}, "not an explanation saved by tfxai"),
    ],
)
def test_a_text_that_lies(changes, text, rng, tmp_path):
    path = rewritten(example(rng).save(tmp_path / "good.npz"), tmp_path / "lie.npz", **changes)
    with pytest.raises(FileFormatError, match=text) as caught:
        tfxai.load(path)
    assert "lie.npz" in str(caught.value) and "Save it again" in str(caught.value)


def test_damaged_bytes_are_always_the_same_error(rng, tmp_path):
    good = example(rng).save(tmp_path / "good.npz").read_bytes()
    path, refused = tmp_path / "bad.npz", 0
    for _ in range(300):
        bad = bytearray(good)
        for place in rng.integers(0, len(bad), rng.integers(1, 20)):
            bad[place] = rng.integers(256)
        path.write_bytes(bad[: rng.integers(1, len(bad))] if rng.random() < 0.2 else bad)
        try:
            tfxai.load(path)  # a changed date in the archive does no harm
        except FileFormatError:
            refused += 1
    assert refused > 200


def test_a_header_that_asks_for_too_much_memory(rng, tmp_path):
    path = example(rng).save(tmp_path / "good.npz")
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }"
    header += b" " * (64 - (len(header) + 11) % 64) + b"\n"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "bomb.npz", "w") as new:
        for name in old.namelist():
            bomb = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
            new.writestr(name, bomb if name == "values.npy" else old.read(name))
    with pytest.raises(FileFormatError, match="not an explanation"):
        tfxai.load(tmp_path / "bomb.npz")


def test_keys_that_look_like_paths_do_not_meet(tmp_path):
    values = {
        "a": {"b": np.ones((1, 2))},
        "a.b": np.zeros((1, 2)),
        "../x/y": [np.full((1, 2), 7.0)],
        "tfxai": np.eye(1),
    }
    e = Explanation(values=values, score=np.ones(1), method="gradient")
    assert same(values, tfxai.load(e.save(tmp_path / "e.npz")).values)


def test_what_numpy_cannot_store_is_refused_or_converted(rng, tmp_path):
    e = {"values": np.ones((2, 3)), "score": np.ones(2), "method": "gradient"}
    with pytest.raises(InputTypeError, match="'inputs' cannot be saved without pickle.*dtype object"):
        Explanation(**e, inputs=np.array([{}, None], object)).save(tmp_path / "e.npz")
    assert list(tmp_path.iterdir()) == []
    words = Explanation(**e, inputs=np.array(["good", "bad film"], object)).save(tmp_path / "e.npz")
    assert tfxai.load(words).inputs.tolist() == ["good", "bad film"]
    half = pytest.importorskip("ml_dtypes").bfloat16
    e["values"] = rng.normal(size=(2, 3)).astype(half)
    back = tfxai.load(Explanation(**e).save(tmp_path / "e.npz")).values
    assert back.dtype == np.float32 and np.array_equal(back, e["values"].astype(np.float32))


def test_options_of_any_kind_come_back_as_json(rng, tmp_path):
    options = {"window": (3, 3), ("a", 1): np.arange(2), "on": np.bool_(True), "inner": object, "x": np.float32(np.nan)}
    e = Explanation(values=np.ones((1, 2)), score=np.ones(1), method="gradient", options=options)
    back = tfxai.load(e.save(tmp_path / "e.npz")).options
    assert np.isnan(back.pop("x"))
    assert back == {"window": [3, 3], "('a', 1)": [0, 1], "on": True, "inner": repr(object)}


def test_baseline_is_kept_when_given(rng, tmp_path):
    e = {"values": {"a": np.ones((3, 2)), "b": np.ones((3, 1))}, "score": np.ones(3), "method": "deeplift"}
    own, shared = rng.normal(size=(3, 4, 2)), rng.normal(size=(1, 4, 1))
    back = tfxai.load(Explanation(**e, baseline={"a": own, "b": shared}).save(tmp_path / "e.npz"))
    assert same(back.baseline, {"a": own, "b": shared})
    assert np.array_equal(back[1].baseline["a"], own[1:2]) and np.array_equal(back[1].baseline["b"], shared)
    back = tfxai.load(Explanation(**e, baseline={"a": own, "b": None}).save(tmp_path / "e.npz"))
    assert back[2].baseline["b"] is None
    back = tfxai.load(Explanation(**e, baseline="a grey image").save(tmp_path / "e.npz"))
    assert back[0].baseline == "a grey image"
    assert Explanation(**e).baseline is None


def test_file_has_the_usual_permissions(rng, tmp_path):
    (tmp_path / "plain").write_text("")
    path = example(rng).save(tmp_path / "e.npz")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_loading_needs_no_backend(rng, tmp_path):
    path = example(rng, "dict").save(tmp_path / "e.npz")
    code = (
        "import sys, tfxai; e = tfxai.load(sys.argv[1]); e.smooth; repr(e[0])\n"
        "sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == 0


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
