"""Pages: self-contained, escaped, readable in a browser of any width."""

import dataclasses
import re
from html import escape

import numpy as np
import pytest

import tfxai
from tests import browser
from tfxai.errors import InputError
from tfxai.explanation import Explanation
from tfxai.plot.report import report

HOSTILE = '<img src=x onerror="document.title=\'taken\'"><script>document.title="taken"</script>$x$ {'


def explained(rng, method="deeplift", n=3, **more):
    x = rng.uniform(size=(n, 12, 12, 3)).astype("float32") if "inputs" not in more else more.pop("inputs")
    values = rng.normal(size=x.shape)
    return Explanation(values=values, inputs=x, score=np.full(n, 2.0), baseline_score=np.zeros(n),
                       delta=np.full(n, 3e-7),
                       target=np.arange(n), method=method, options={"rule": "rescale", "on": "logit"},
                       fingerprint="abc123", meta={"tensorflow": "2.21", "keras": "3.15", "seed": 7},
                       **more)  # fmt: skip


@pytest.fixture
def page(rng, tmp_path):
    e = explained(rng)
    other = Explanation(values=np.abs(rng.normal(size=(3, 12, 12, 1))), inputs=e.inputs, score=e.score, target=e.target,
                        method="gradcam", layer="base/<conv>", options={"on": "logit"})  # fmt: skip
    predictions = np.array([[0.7, 0.2, 0.1, 0.0]] * 3)
    path = tfxai.report([e, other], tmp_path / "r.html", [HOSTILE, "dog", "fox", "owl"], predictions=predictions)
    return path


def test_what_the_page_says(page):
    text = page.read_text()
    assert text.count("<h2>Example") == 3 and text.count("<img alt=") == 3 * 3  # input and two methods
    for part in (
        "3e-07",
        "rule=rescale",
        "abc123",
        "tensorflow 2.21",
        "dog 0.2",
        "base/&lt;conv&gt;",
        "seed",
        "Explained: dog",
    ):
        assert part in text, part
    assert "logit 2, at the baseline 0, delta 3.0e-07" in text


def test_nothing_runs_and_nothing_is_loaded(page):
    text = page.read_text()
    assert "<script" not in text and HOSTILE not in text and "&lt;script&gt;" in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; img-src data:;") and "script-src" not in policy
    assert not re.search(r'(src|href)="(?!data:)', text)


@browser.needed
def test_in_a_browser(page, tmp_path):
    found = browser.dom(page, tmp_path)
    assert "<title>Explanations</title>" in found and "<script" not in found
    wide, phone = browser.screenshot(page, tmp_path), browser.screenshot(page, tmp_path, width=500)
    for picture in (wide, phone):
        assert len(picture.getcolors(1 << 24)) > 500
    assert np.asarray(phone)[:, -6:].min() > 200  # nothing is cut off at the edge


def test_examples_are_chosen(rng, tmp_path):
    e = explained(rng, n=20)
    assert tfxai.report(e, tmp_path / "a.html").read_text().count("<h2>Example") == 12
    text = tfxai.report(e, tmp_path / "a.html", examples=[4]).read_text()
    assert "Example 4" in text and "1 of 20 examples" in text
    for wrong in ({"examples": [20]}, {"predictions": np.ones((2, 2))}, {"tokens": [["a"]]}):
        with pytest.raises(InputError):
            tfxai.report(e, tmp_path / "b.html", **wrong)
    with pytest.raises(InputError, match="one or more explanations"):
        tfxai.report([], tmp_path / "b.html")
    assert not (tmp_path / "b.html").exists()


def test_examples_have_names(rng, tmp_path):
    text = tfxai.report(explained(rng), tmp_path / "r.html", names=["a.png", "<b>", "c"], examples=[1, 2]).read_text()
    assert re.findall("<h2>(Example.*)</h2>", text) == ["Example 1: &lt;b&gt;", "Example 2: c"]
    with pytest.raises(InputError, match="Expected names for 3 examples. Received: 2"):
        tfxai.report(explained(rng), tmp_path / "r.html", names=["a", "b"])


def test_of_different_inputs_each_has_its_part(rng, tmp_path):
    a, b = explained(rng, n=1), explained(rng, n=2)
    assert tfxai.report([a, b, a], tmp_path / "a.html").read_text().count("<h2>Example") == 3


def test_to_html_and_notebook(rng, tmp_path):
    e = explained(rng, n=5)
    assert e.to_html(tmp_path / "e.html", ["a", "b"]).read_text().count("<h2>Example") == 5
    shown = e._repr_html_()
    assert shown.count("<img") == 3 and "2 more examples: e.plot(i)" in shown and "<script" not in shown


def test_several_inputs_layers_and_words(rng, tmp_path):
    values = {"a": np.ones((1, 3)), "<b>": np.ones((1, 6, 6, 1))}
    several = Explanation(values=values, inputs=values, score=np.ones(1), method="deeplift")
    text = tfxai.report(several, tmp_path / "a.html").read_text()
    assert text.count("<figure>") == 2 and "<b>" not in text
    assert several._repr_html_().count("<img") == 2
    words = Explanation(values=np.ones((1, 2)), inputs=np.array([[3, 4]]), score=np.ones(1), method="deeplift")
    assert tfxai.report(words, tmp_path / "b.html", tokens=[["good", "film"]]).exists()


def test_unwritable(rng, tmp_path):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(OSError):
        tfxai.report(explained(rng), tmp_path / "folder.html")
    with pytest.raises(OSError):
        tfxai.report(explained(rng), tmp_path / "nowhere" / "a.html")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.html"]


def test_names_that_a_picture_cuts_are_whole_in_a_page(tmp_path):
    long, also = "share of wallet before the campaign of March <b>", "share of wallet before the campaign of April <b>"
    values = np.array([[3.0, -2.0, 1.0]])
    e = Explanation(values=values, inputs=values, score=np.ones(1), method="deeplift", target=np.array([1]),
                    meta={"features": {"": [long, also, "age"]}})  # fmt: skip
    page = report([e], tmp_path / "r.html", ["no", "bought again within thirty days of the first order"]).read_text()
    listed = re.findall(r"<li>(.*?)</li>", page)
    assert listed == [escape(long), escape(also), "bought again within thirty days of the first order"]
    assert "names in full (3)" in page and "<script" not in page
    short = report([e], tmp_path / "s.html", ["no", "yes"])
    e.meta["features"][""][:2] = ["income", "rent"]
    assert short.read_text().count("<details>") == 1
    assert "<details>" not in report([e], tmp_path / "s.html", ["no", "yes"]).read_text()


def test_explanations_of_the_same_missing_numbers_stand_beside_each_other(tmp_path):
    x = np.array([[np.nan, 1.0]])
    one = Explanation(values=np.ones((1, 2)), inputs=x, score=np.ones(1), method="deeplift")
    assert report([one, one], tmp_path / "r.html").read_text().count("<h2>Example 0") == 1
    other = Explanation(values=np.ones((1, 2)), inputs=x[:, ::-1], score=np.ones(1), method="deeplift")
    assert report([one, other], tmp_path / "r.html").read_text().count("<h2>Example 0") == 2
    words = Explanation(values=np.ones((1, 2)), inputs=np.array([["a", "b"]], object), score=np.ones(1), method="rise")
    assert report([words, words], tmp_path / "r.html").read_text().count("<h2>Example 0") == 1


def test_several_targets_of_a_method(rng, tmp_path):
    """The class stands over each map, where it is another; under the input where all have the same."""
    first = explained(rng)
    second = dataclasses.replace(first, target=np.array([2, 1, 0]))  # the same class in the second example
    names = ["ant", "bee", "cat"]
    page = tfxai.report([[first, second]], tmp_path / "r.html", names).read_text()
    examples = re.split(r"<h2>Example \d", page)[1:]
    assert ["Explained:" in part for part in examples] == [False, True, False]
    assert "<p>Explained: bee</p>" in examples[1]
    assert re.findall(r"for (\w+): logit 2", examples[0]) == ["ant", "cat"]
    figure = tfxai.plot.compare([[first, second]], labels=names)
    beneath = [ax.get_xlabel() for ax in figure.axes[:9]]
    assert beneath[:3] == ["", "ant\ndelta 3e-07", "cat\ndelta 3e-07"] and beneath[6:8] == ["", "cat\ndelta 3e-07"]
    alike = tfxai.plot.compare([first, first], labels=names)
    assert [ax.get_xlabel() for ax in alike.axes[:2]] == ["ant", "delta 3e-07"]
