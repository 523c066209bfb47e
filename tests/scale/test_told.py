"""The page of a store: its numbers against those of one call, and the page in a browser."""

import re

import keras
import numpy as np
import pytest

import tfxai
from tests import browser
from tfxai import scale, targets
from tfxai.errors import InputError
from tfxai.plot.parts import InParts
from tfxai.scale import told

NAMES = ["no <b>", "maybe", "yes"]


@pytest.fixture(scope="module")
def model(seeded_module):
    bent = keras.layers.Conv2D(3, 3, activation="relu", bias_initializer="random_normal")
    return keras.Sequential([keras.Input((8, 8, 1)), bent, keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])


@pytest.fixture(scope="module")
def x(seeded_module):
    return np.random.default_rng(1).normal(size=(23, 8, 8, 1)).astype("float32")


@pytest.fixture(scope="module")
def whole(model, x):
    return tfxai.explain(model, x, verbose=0)


@pytest.fixture(scope="module")
def out(model, x, tmp_path_factory):
    return scale.explain_dataset(model, x, tmp_path_factory.mktemp("store") / "a.zarr", chunk=5, verbose=0)


def rows(text):
    """The cells of the tables of a page."""
    return [re.findall("<t[dh].*?>(.*?)</t[dh]>", line) for line in re.findall("<tr>(.*?)</tr>", text)]


def under(text, heading):
    """What the part of this heading has for headings."""
    (part,) = (p for p in re.split("<h2", text) if re.match(f"[^>]*>{heading}</h2>", p))
    return re.findall("<h3>(.*?)</h3>", part), part


def test_classes_and_examples_are_those_of_one_call(out, x, whole, tmp_path):
    text = tfxai.report(scale.open(out, x), tmp_path / "r.html", NAMES).read_text()
    counts = np.bincount(whole.target, minlength=3)
    scores = [whole.score[whole.target == c].mean() if n else 0 for c, n in enumerate(counts)]
    named = [name.replace("<b>", "&lt;b&gt;") for name in NAMES]
    expected = [[named[c], f"{n}", f"{n / 23:.1%}", f"{scores[c]:.3g}"] for c, n in enumerate(counts) if n]
    assert len(expected) > 1
    assert sorted(line for line in rows(text) if line[0] in [one[0] for one in expected]) == sorted(expected)
    named, part = under(text, "Classes")
    assert sorted(named) == sorted(one[0] for one in expected) and "<b>" not in part.replace("<b style", "")
    named, _ = under(text, "Highest scores")
    assert named == [f"Example {i}" for i in np.argsort(-whole.score)[: told.TOP]]
    named, part = under(text, "Least complete")
    worst = np.argsort(-whole.residual, kind="stable")[: told.TOP]
    assert len(named) == told.TOP and f"Residual {whole.residual[worst[0]]:.1g}"[:9] in part
    named, part = under(text, "All examples")
    assert named == ["23 examples"] and f"mean logit {whole.score.mean():.4g}" in part
    assert "zeros" in part and "float32" in part


def test_the_means_are_drawn_with_the_numbers_of_all(out, whole, tmp_path):
    text = tfxai.report(scale.open(out), tmp_path / "r.html", NAMES).read_text()
    _, part = under(text, "All examples")
    sizes, means = re.findall(r'<div class="cells".*?>(.*?)</div>', part)
    found = [[float(n) for n in re.findall('title="(.*?)"', cells)] for cells in (sizes, means)]
    np.testing.assert_allclose(found[0], np.abs(whole.values).mean(0).ravel(), rtol=0.05)  # two figures are shown
    np.testing.assert_allclose(found[1], whole.values.mean(0).ravel(), rtol=0.05, atol=1e-5)
    assert "mean size: deeplift" in part and "mean of contribution to target" in part


def test_inputs_are_under_the_maps_where_the_store_has_its_source(out, x, tmp_path):
    with_source = tfxai.report(scale.open(out, x), tmp_path / "a.html").read_text()
    without = tfxai.report(scale.open(out), tmp_path / "b.html").read_text()
    shown = tfxai.report(scale.open(out), tmp_path / "c.html", display=x).read_text()
    assert "--photo" in under(with_source, "Highest scores")[1] and "--photo" not in under(without, "Highest scores")[1]
    assert under(shown, "Highest scores")[1] == under(with_source, "Highest scores")[1]
    with pytest.raises(InputError, match="display= is a function of the inputs, and the store was opened without"):
        tfxai.report(scale.open(out), tmp_path / "d.html", display=lambda x: x)


def test_examples_and_what_is_told_of_them(out, x, tmp_path):
    told_of = {"names": [f"photo {i}" for i in range(23)], "predictions": np.eye(23)[:, :3]}
    text = tfxai.report(scale.open(out, x), tmp_path / "a.html", NAMES, examples=[2, 17], **told_of).read_text()
    named, part = under(text, "Examples")
    assert named == ["Example 2: photo 2", "Example 17: photo 17"] and "Prediction: yes: 1," in part
    assert "example 17:" in part and "Highest scores" not in text
    for wrong in ({"examples": [23]}, {"examples": [-1]}, {"names": ["a"]}):
        with pytest.raises(InputError, match="23"):
            tfxai.report(scale.open(out, x), tmp_path / "b.html", **wrong)
    assert not (tmp_path / "b.html").exists()


def test_what_is_not_done_is_said(model, x, tmp_path):
    job = scale.Job(model, x, tmp_path / "a.zarr", "gradcam", chunk=5)
    with pytest.raises(InputError, match="No chunk of .* is done"):
        tfxai.report(scale.open(tmp_path / "a.zarr"), tmp_path / "a.html")
    job.explain_chunk(1)
    text = tfxai.report(scale.open(tmp_path / "a.zarr"), tmp_path / "a.html").read_text()
    named, part = under(text, "What is done")
    assert named == ["5 examples"] and "1 of 5 chunks are done" in part
    assert part.count("<figure") == 1 and "Least complete" not in text  # no direction, and no promise to add up
    with pytest.raises(InputError, match="Example 20 is not explained yet"):
        tfxai.report(scale.open(tmp_path / "a.zarr"), tmp_path / "a.html", examples=[20])


def test_several_targets_have_their_parts(model, x, tmp_path):
    each = targets.each([0, 2])
    out = scale.explain_dataset(model, x, tmp_path / "a.zarr", target=each, chunk=23, verbose=0)
    text = tfxai.report(scale.open(out), tmp_path / "a.html", ["no", "maybe", "yes"]).read_text()
    for name, target in (("no", 0), ("yes", 2)):
        e = tfxai.explain(model, x, target=target, verbose=0)
        assert under(text, f"Highest scores, {name}")[0] == [f"Example {i}" for i in np.argsort(-e.score)[: told.TOP]]
        assert f"mean logit {e.score.mean():.4g}" in under(text, f"All examples, {name}")[1]
    assert '<h2 id="part0">' in text and "Classes" not in text


def test_of_many_classes_the_most_frequent_are_drawn(out, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(told, "CLASSES", 1)
    text = tfxai.report(scale.open(out), tmp_path / "a.html", NAMES).read_text()
    named, part = under(text, "Classes")
    assert len(named) == 1 and "Drawn are the 1 most frequent." in part and "The table has" not in part
    monkeypatch.setattr(told, "COUNTED", 1)
    part = under(tfxai.report(scale.open(out), tmp_path / "a.html", NAMES).read_text(), "Classes")[1]
    assert "The table has the 1 most frequent." in part and f"each of {len(set(whole.target))} classes" in part


def test_only_what_has_parts_is_taken(out, tmp_path):
    assert isinstance(scale.open(out), InParts) and not isinstance([1], InParts)
    with pytest.raises(InputError, match="or one store"):
        tfxai.report([scale.open(out)], tmp_path / "a.html")


@pytest.mark.long
@browser.needed
def test_in_a_browser(out, x, tmp_path):
    page = tfxai.report(scale.open(out, x), tmp_path / "r.html", NAMES)
    found = browser.dom(page, tmp_path)
    ids = re.findall(r' id="([^"]*)"', found)
    assert len(set(ids)) == len(ids) and set(re.findall('href="#(.*?)"', found)) <= set(ids)
    assert found.count('class="part"') == 4 and "<script" not in found
    assert "body:has(#x1:checked) .part:not(:has(.x1)){display:none}" in found
    for picture in (browser.screenshot(page, tmp_path), browser.screenshot(page, tmp_path, width=500)):
        assert len(picture.getcolors(1 << 24)) > 500 and np.asarray(picture)[:, -6:].min() > 200
