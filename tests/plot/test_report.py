"""Pages: self-contained, escaped, readable in a browser of any width."""

import base64
import dataclasses
import io
import re
import warnings
from html import escape

import numpy as np
import pytest
from PIL import Image

import tfxai
from tests import browser
from tfxai.errors import InputError, OptionError
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
    assert text.count("<h2>Example") == 3 and text.count('<img class="over" alt=') == 3 * 2  # two methods
    assert text.count("data:image/png") == 3 * 3  # one photograph for both
    for part in (
        "3e-07",
        "rule=rescale",
        "abc123",
        "tensorflow 2.21",
        "dog: 0.2",
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
    assert not re.search(r'(src|href)="(?!data:|#)', text) and not re.search(r"url\((?!data:)", text)


@pytest.mark.long
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
    assert text.count("<figure") == 3 and "<b>" not in re.sub("<b style[^>]*>", "", text)  # bars, a picture, its map
    (place,) = set(re.findall(r"(--photo[-\w]*):url", text))
    assert text.count(f"var({place})") == 2  # by itself, and under its map
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
    values, bought = np.array([[3.0, -2.0, 1.0]]), "bought again within thirty days of the first order"
    e = Explanation(values=values, inputs=np.array([[7.0, 0.125, 41.0]]), score=np.ones(1), method="deeplift",
                    target=np.array([1]), meta={"features": {"": [long, also, "age"]}})  # fmt: skip
    page = report([e], tmp_path / "r.html", ["no", bought]).read_text()
    rows = re.findall(r'<th scope="row">(.*?)</th><td class=".*?">(.*?)</td>.*?title="(.*?)".*?</tr>', page)
    assert rows == [(escape(long), "= 7", "+3"), (escape(also), "= 0.125", "-2"), ("age", "= 41", "+1")]
    assert f"<caption>contribution to {bought}</caption>" in page and "<script" not in page
    bars = re.findall(r'<i class="(\w+)" style="left:([\d.]+)%;width:([\d.]+)%">', page)
    assert bars == [("for", "40.0", "60.0"), ("against", "0.0", "40.0"), ("for", "40.0", "20.0")]


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


def test_examples_methods_and_pictures_are_chosen_without_a_script(page):
    text = page.read_text()
    buttons = re.findall(r'<input type="radio" name="(\w+)" id="(\w+)"( checked)?>(.*?)</label>', text)
    assert [(name, words) for name, _, checked, words in buttons if checked] == [
        ("example", "all"), ("method", "all"), ("over", "map on picture")]  # fmt: skip
    assert [words for name, *_, words in buttons if name == "method"] == ["all", "deeplift rescale", "gradcam"]
    assert re.findall(r'<section class="example (\w+)">', text) == ["x0", "x1", "x2"]
    assert re.findall(r'<figure class="map one (\w+)">', text) == ["m0", "m1"] * 3
    for rule in ("body:has(#m1:checked) .one:not(.m1)", "body:has(#x2:checked) .example:not(.x2)"):
        assert f"{rule}{{display:none}}" in text
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(set(ids)) == len(ids) and set(re.findall('href="#(.*?)"', text)) <= set(ids)


def test_one_explanation_of_one_example_has_nothing_to_choose(tmp_path):
    e = Explanation(values=np.ones((1, 2)), score=np.ones(1), method="deeplift")
    assert "<fieldset" not in report([e], tmp_path / "r.html").read_text()


def test_numbers_where_the_pointer_rests(tmp_path):
    values = np.zeros((1, 32, 16, 1))
    values[0, :2, 0] = 0.25  # a cell of two pixels
    values[0, 31, 15] = -3
    e = Explanation(values=values, inputs=np.ones((1, 32, 16, 3)), score=np.ones(1), method="deeplift")
    text = report([e], tmp_path / "r.html").read_text()
    (net,) = re.findall(r'<div class="cells" aria-hidden="true" style="grid-template:(.*?);">(.*?)</div>', text)
    cells = re.findall('<i title="(.*?)">', net[1])
    assert net[0] == "repeat(16,1fr)/repeat(16,1fr)" and len(cells) == 256
    assert (cells[0], cells[-1]) == ("+0.5", "-3") and set(cells[1:-1]) == {"0"}
    assert "from -3 to 0.25, most in the lower right third" in text and '<i class="signed">' in text
    sizes = dataclasses.replace(e, values=np.abs(values), method="gradcam")
    text = report([sizes], tmp_path / "r.html").read_text()
    assert '<i title="+0.25">' in text and '<i class="unsigned">' in text  # without a sign: the mean of a cell


def test_zero_has_the_neutral_colour_and_does_not_cover_the_photograph(tmp_path):
    values = np.zeros((1, 20, 20, 1))
    values[0, 0, :2, 0] = 2.0, -2.0
    e = Explanation(values=values, inputs=np.ones((1, 20, 20, 3)), score=np.ones(1), method="deeplift")
    (data,) = re.findall(
        'class="over" alt=".*?" src="data:image/png;base64,(.*?)"', report([e], tmp_path / "r.html").read_text()
    )
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")).astype(int)
    red, blue, zero = pixels[0, 0], pixels[0, 1], pixels[5, 5]
    assert red[0] > red[2] and blue[2] > blue[0] and red[3] == blue[3] == 191 and zero[3] == 0 and zero[:3].min() > 240


def test_a_page_that_is_too_large_to_mail_says_what_became_of_it(rng, tmp_path):
    x = rng.uniform(size=(4, 256, 256, 3))
    e = Explanation(values=rng.normal(size=x.shape), inputs=x, score=np.ones(4), method="deeplift")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = report([e], tmp_path / "a.html", megabytes=None).stat().st_size
        assert (
            report([e], tmp_path / "b.html", megabytes=1.01 * whole / 1e6).read_text()
            == (tmp_path / "a.html").read_text()
        )
    with pytest.warns(
        UserWarning, match=r"would have .* MB, too many to mail: its pictures are drawn smaller\. Choose"
    ):
        smaller = report([e], tmp_path / "c.html", megabytes=0.9 * whole / 1e6).read_text()
    assert len(smaller) <= 0.9 * whole and smaller.count("<h2>Example") == 4
    cap = 0.6 * len(smaller) / 1e6
    with pytest.warns(UserWarning, match=r"the last 2 of 4 examples are left out\. .* megabytes= \(it is 0\."):
        fewer = report([e], tmp_path / "d.html", megabytes=cap).read_text()
    assert len(fewer) <= cap * 1e6 and "2 of 4 examples; choose others with examples=" in fewer
    with pytest.warns(UserWarning, match="the last 3 of 4 examples are left out, and it still has 0.* MB"):
        assert report([e], tmp_path / "e.html", megabytes=0.001).read_text().count("<h2>Example") == 1
    for wrong in (0, -1.0, "2", True):
        with pytest.raises(OptionError, match="megabytes is a size above 0, such as 2.0, or None for any"):
            report([e], tmp_path / "f.html", megabytes=wrong)


@browser.needed
def test_a_page_on_paper(page, tmp_path):
    browser.open_page(page, tmp_path, f"--print-to-pdf={tmp_path / 'page.pdf'}")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


@browser.needed
def test_what_is_chosen_is_shown_alone(page, tmp_path):
    """A button that is pressed hides the other examples: the page becomes shorter."""

    def height(text):
        (tmp_path / "chosen.html").write_text(text)
        pixels = np.asarray(browser.screenshot(tmp_path / "chosen.html", tmp_path, height=3000))
        return int(np.flatnonzero((pixels < 200).any(axis=(1, 2))).max())

    text = page.read_text()
    second = text.replace('id="x" checked', 'id="x"').replace('id="x1"', 'id="x1" checked')
    example = (height(text) - height(second)) / 2  # of three, one is left
    assert second != text and example > 250
