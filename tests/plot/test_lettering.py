"""Words in figures: that they fit, differ and can be read."""

import base64
import dataclasses
import io
import re
import warnings

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import tfxai
from tfxai import plot
from tfxai.plot.kinds import lettering
from tfxai.plot.kinds.image import in_range

QUESTION = "Over the last twelve months, how often were you bothered by any of the following: "
NAMES = [f"{QUESTION}item {k}" for k in range(12)]


def explained(values, x, **more):
    n = len(values)
    return tfxai.Explanation(
        values=values, inputs=x, score=np.ones(n), method="deeplift", target=np.zeros(n, int), **more
    )


def test_long_names_are_cut_in_their_middle_and_stay_different():
    short = lettering.short(NAMES)
    assert len(set(short)) == 12 and max(map(len, short)) == 30
    assert short[0] == "Over the …e following: item 0"[:9] + "…" + NAMES[0][-20:]
    assert lettering.short(["age", "age", "b" * 30]) == ["age", "age", "b" * 30]
    alike = [f"{'a' * 30}{k}{'b' * 30}" for k in range(3)]  # they differ where they are cut
    assert lettering.short(alike)[1:] == ["a" * 9 + "…" + "b" * 16 + " (2)", "a" * 9 + "…" + "b" * 16 + " (3)"]


def test_lines():
    assert lettering.lines("contribution to cat") == "contribution to cat" and lettering.lines("") == ""
    text = lettering.lines("contribution to " + "x" * 90)
    assert len(text.split("\n")) == 3 and max(map(len, text.split("\n"))) <= 30 and text.endswith("…")


def boxes(figure):
    """Extents of all texts that are drawn."""
    FigureCanvasAgg(figure).draw()
    found = [t for ax in figure.axes for t in [*ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label, ax.title]]
    return [t.get_window_extent() for t in found if t.get_text() and t.get_visible()]


@pytest.mark.parametrize("draw", [
    lambda e: e.plot(0, ax=Figure(figsize=(5, 4.2), layout="constrained").subplots()).figure,
    lambda e: plot.compare([e, e], [0]),
    lambda e: plot.summary(e.values, e.inputs, NAMES).figure,
])  # fmt: skip
def test_nothing_leaves_the_picture(draw, rng):
    v = rng.normal(size=(3, 12))
    figure = draw(explained(v, v, meta={"features": {"": NAMES}}))
    found = boxes(figure)
    assert len(found) > 12
    for box in found:
        assert box.x0 > -2 and box.y0 > -2 and box.x1 < figure.bbox.width + 2 and box.y1 < figure.bbox.height + 2
    for a in found[:12]:
        assert sum(min(a.y1, b.y1) - max(a.y0, b.y0) > 1.5 for b in found[:12]) == 1  # only itself


def test_words_that_the_font_lacks_are_named(rng):
    words = ["\u4e0b\u96e8", "rain", "\u56de\u5bb6"]
    for call in (lambda: plot.bars(np.ones(3), words), lambda: plot.tokens(np.ones(3), words)):
        with pytest.warns(UserWarning, match=r"has no glyphs for \u4e0b\u96e8, \u56de\u5bb6: boxes"):
            call()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot.bars(np.ones(3), ["gr\u00fcn", "\u03bb\u03cc\u03b3\u03bf\u03c2", "a b"])


def test_a_page_has_words_as_text(tmp_path):
    v = np.array([[0.5, -1.0]])
    words = ["\u4e0b\u96e8", "<rain>"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = tfxai.report(explained(v, np.array([[3, 4]])), tmp_path / "r.html", tokens=[words]).read_text("utf-8")
    assert (
        "\u4e0b\u96e8</span>" in text
        and "&lt;rain&gt;</span>" in text
        and 'title="contribution to target 0: -1"' in text
    )


@pytest.mark.parametrize("low, high, wanted", [
    (0, 255, (0, 1)), (255, 255, (1, 1)), (0, 0, (0, 0)), (1, 1, (1, 1)), (0, 100, (0, 100 / 255)), (-1, 1, (0, 1)),
    (-1, 0, (0, 0.5)), (-2, 6, (0, 1)), (0, 4, (0, 1)), (0, 1000, (0, 1)), (-3, -3, (0.5, 0.5)),
])  # fmt: skip
def test_the_range_of_a_picture(low, high, wanted):
    picture = np.full((2, 3, 3), low, float)
    picture[1] = high
    found = in_range(picture)
    np.testing.assert_allclose([found[0].mean(), found[1].mean()], wanted)


def test_colours_do_not_depend_on_the_batch(rng):
    x = np.abs(rng.normal(size=(2, 16, 16, 1)))
    x[1] *= -1
    both = explained(x, x, meta={"signed": True})
    for e in (both, both[:1]):
        assert e.plot(0, ax=Figure().subplots()).images[-1].cmap.name == "red and blue"
        assert plot.compare([e], [0]).axes[1].images[-1].cmap.name == "red and blue"
    unsaid = dataclasses.replace(both[:1], meta={})
    assert unsaid.plot(0, ax=Figure().subplots()).images[-1].cmap.name == "white to brown"


def test_one_bad_example_leaves_the_others(rng, tmp_path):
    values = rng.normal(size=(3, 12, 12, 3))
    values[1, 0, 0, 0] = np.nan
    e = explained(values, np.abs(values[[0, 0, 2]]))
    page = tfxai.report(e, tmp_path / "r.html").read_text("utf-8")
    assert page.count("no picture: these values hold NaN or Inf") == 1
    assert len(re.findall("data:image", page)) == 5  # three inputs, two maps
    figure = plot.compare([e], [1, 2])
    assert [t.get_text() for t in figure.axes[1].texts] == ["NaN or Inf"] and figure.axes[3].images
    rows = explained(np.where(np.eye(3) > 0, np.nan, 1.0)[:, :2], np.ones((3, 2)))
    page = tfxai.report(rows, tmp_path / "t.html").read_text("utf-8")
    assert page.count('<td class="track"') == 2 and page.count("no picture") == 2  # the third has numbers


def test_the_picture_from_before_a_preprocessing(rng, tmp_path):
    red = np.zeros((2, 16, 16, 3))
    red[..., 0] = 0.8
    e = explained(rng.normal(size=red.shape), 255 * red[..., ::-1] - 110)
    with pytest.warns(UserWarning, match="display="):
        assert np.argmax(e.plot(1, style="masked", ax=Figure().subplots()).images[0].get_array()[3, 3]) == 2
    shown = e.plot(1, display=red, style="masked", ax=Figure().subplots()).images[0].get_array()[3, 3]
    np.testing.assert_allclose(shown, [0.8, 0, 0])
    np.testing.assert_allclose(plot.compare([e], [1], display=red).axes[0].images[0].get_array()[3, 3], [0.8, 0, 0])
    page = tfxai.report(e, tmp_path / "r.html", display=red, examples=[0]).read_text("utf-8")
    data = re.findall(r"base64,([^)]+)\)", page)[0]
    pixel = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))[3, 3]
    np.testing.assert_allclose(pixel / 255, [0.8, 0, 0], atol=0.01)
