"""Series, logos, words, volumes, summaries: what is drawn, and what is refused."""

import dataclasses
import re

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import tfxai
from tfxai import plot
from tfxai.errors import InputError, MissingExtraError, OptionError
from tfxai.explanation import Explanation
from tfxai.plot.kinds.table import guess
from tfxai.result.describe import target_name


def relevance(rng, layers=3):
    score, part = np.array([2.0, 3.0]), {}
    for k in range(layers):
        bias, other = rng.normal(size=(2, 2))
        part[f"layer {k}"] = {"arrived": score, "left": score - bias - other, "bias": bias, "other": other}
    none = np.zeros(2)
    lost = sum(p["bias"] + p["other"] for p in part.values())
    part["elsewhere"] = {"arrived": none, "left": none, "bias": none, "other": none}
    return Explanation(np.ones((2, 2)) * (score - lost)[:, None] / 2, score, "lrp", layer_sums=part)


def test_conservation_begins_at_the_score_and_ends_at_the_sum(rng, ax):
    e = relevance(rng)
    plot.conservation(e, 1, ax=ax)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["layer 2", "layer 1", "layer 0"]
    left = ax.lines[0].get_xdata()
    assert left[0] == 3 and left[-1] == pytest.approx(e.values[1].sum())
    widths = [[bar.get_width() for bar in bars] for bars in ax.containers]
    expected = [[e.layer_sums[f"layer {k}"][part][1] for k in (2, 1, 0)] for part in ("bias", "other")]
    np.testing.assert_allclose(widths, expected)


def test_conservation_of_many_layers_keeps_the_sum(rng, ax):
    e = relevance(rng, 40)
    plot.conservation(e, 0, top=5, ax=ax)
    names = [t.get_text() for t in ax.get_yticklabels()]
    lost = {name: abs(p["bias"][0] + p["other"][0]) for name, p in e.layer_sums.items()}
    assert set(names[:5]) == set(sorted(lost, key=lost.get)[-5:]) and names[5:] == ["35 others"]
    assert ax.lines[0].get_xdata()[-1] == pytest.approx(e.values[0].sum())


def test_conservation_refuses(rng):
    with pytest.raises(InputError, match="Only 'lrp' and 'deep_taylor' keep account .* method 'deeplift'"):
        plot.conservation(explained(np.ones((1, 2))))
    with pytest.raises(OptionError, match="top is a number of layers from 1"):
        plot.conservation(relevance(rng), top=0)


@pytest.fixture
def ax():
    return Figure().subplots()


def explained(values, inputs=None, **more):
    return Explanation(values=values, inputs=values if inputs is None else inputs, score=np.ones(len(values)),
                       target=np.full(len(values), 1), method="deeplift", **more)  # fmt: skip


def test_series_draws_each_channel_in_its_lane_on_one_scale(rng, ax):
    values, signal = rng.normal(size=(2, 30, 3))
    plot.series(values, signal, names=["a", "b$", "c"], ax=ax, unit="contribution to x")
    bands = ax.collections
    assert len(bands) == 3 and len({(b.norm.vmin, b.norm.vmax) for b in bands}) == 1
    np.testing.assert_allclose(bands[1].get_array().ravel(), values[:, 1])
    assert bands[0].norm.vmax == -bands[0].norm.vmin == np.abs(values).max()
    line = ax.lines[0].get_ydata()  # the first channel fills the top lane
    assert line.min() == pytest.approx(2.08) and line.max() == pytest.approx(2.92)
    assert np.argmax(line) == np.argmax(signal[:, 0])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", r"b\$", "c"]


def test_series_as_a_coloured_line(rng, ax):
    values, signal = rng.normal(size=(2, 30))
    plot.series(values, signal, ax=ax, style="line")
    (line,) = ax.collections
    np.testing.assert_allclose(line.get_array(), values)
    assert line.norm.vmax == np.abs(values).max() == -line.norm.vmin and len(line.get_segments()) == 30
    assert line.get_segments()[4][1][0] == 4  # the fifth piece lies around the fifth step
    with pytest.raises(OptionError, match="style is one of 'band', 'line'"):
        plot.series(values, ax=ax, style="dots")


def test_series_in_time(ax):
    plot.series(np.arange(4.0), time=np.array([0.0, 0.5, 1.0, 2.0]), ax=ax, sign="positive")
    assert ax.get_xlim() == (-0.25, 2.25 + 0.0) and ax.collections[0].cmap.name == "white to brown"
    with pytest.raises(InputError, match="one number per value"):
        plot.series(np.ones(4), np.ones(5), ax=ax)
    with pytest.raises(InputError, match="Expected 1 names and times of shape"):
        plot.series(np.ones(4), names=["a", "b"], ax=ax)
    with pytest.raises(InputError, match="NaN or Inf"):
        plot.series(np.array([1.0, np.nan]), ax=ax)


def test_logo_letters_are_as_high_as_their_values(ax):
    pytest.importorskip("logomaker")
    values = np.zeros((5, 4))
    values[1, 2], values[3, 0] = 2.0, -1.0
    assert plot.logo(values, ax=ax, highlight=(1, 3)) is ax
    low, high = ax.get_ylim()
    assert low <= -1 and high >= 2 and ax.get_xlabel() == "position"
    with pytest.raises(InputError, match=r"shape \(length, 4\) for the alphabet 'ACGT'"):
        plot.logo(np.zeros((5, 3)), ax=ax)


def test_logo_without_its_package(without_extras, ax):
    with pytest.raises(MissingExtraError, match=r'pip install "tfxai\[dna\]"'):
        plot.logo(np.zeros((5, 4)), ax=ax)


def test_text_escapes_and_colours():
    words = plot.text(np.array([1.0, -1.0, 0.0]), ["good", "<script>alert(1)</script>", "&"])
    page = words._repr_html_()
    assert (
        "<script>" not in page and "&lt;script&gt;" in page and "&amp;" in page and 'title="contribution: +1"' in page
    )
    red, blue, white = words.colours()
    assert red[0] > red[2] and blue[2] > blue[0] and white.min() > 0.96
    assert words.__rich__().plain == "good <script>alert(1)</script> & "
    assert repr(words).startswith("good(+1)")
    with pytest.raises(InputError, match="Expected one word per value, 2 of them. Received: 1 words"):
        plot.text(np.ones(2), ["a"])
    assert plot.text(np.ones((2, 3)), ["a", "b"]).values.tolist() == [3, 3]
    assert plot.text(np.zeros(0), []).html().count("<span") == 0


def test_tokens_break_into_lines(ax):
    plot.tokens(np.linspace(-1, 1, 30), [f"word{i}" for i in range(29)] + ["$x$"], ax=ax, width=40)
    heights = {round(t.get_position()[1]) for t in ax.texts}
    assert len(heights) > 3 and ax.texts[-1].get_text() == "$x$" and not ax.texts[-1].get_parse_math()
    ax.figure.canvas.draw()


def test_volume_shows_the_slices_asked_for(rng, ax):
    values = rng.normal(size=(8, 5, 6, 2))
    plot.volume(values, ax=ax, slices=[1, 4])
    np.testing.assert_allclose(ax.images[-1].get_array(), np.concatenate([values[1], values[4]], 1).sum(-1))
    other = Figure().subplots()
    plot.volume(values[..., 0], rng.normal(size=(8, 5, 6)), axis=2, slices=3, ax=other)
    assert [t.get_text() for t in other.get_xticklabels()] == ["0", "2", "5"] and len(other.images) == 2
    for bad in (0, [9], []):
        with pytest.raises(OptionError, match="list of indices below 8"):
            plot.volume(values, slices=bad, ax=ax)
    with pytest.raises(OptionError, match="axis is 0, 1 or 2"):
        plot.volume(values, axis=3, ax=ax)
    with pytest.raises(InputError, match="has the places of the volume"):
        plot.volume(values, np.ones((2, 2, 2)), ax=ax)


def test_summary_orders_features_and_colours_by_rank(ax):
    values = np.array([[1.0, -5.0, 0.1], [2.0, 5.0, 0.1], [1.0, 5.0, 0.1]])
    inputs = np.array([[1.0, 7.0, 0.0], [1000.0, 7.0, 1.0], [2.0, 9.0, 2.0]])
    plot.summary(values, inputs, ["a", "b", "c"], top=2, ax=ax)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["b", "a"]
    first, second = ax.collections
    np.testing.assert_allclose(first.get_offsets()[:, 0], [-5, 5, 5])
    np.testing.assert_allclose(first.get_array(), [0, 0, 1])
    np.testing.assert_allclose(second.get_array(), [0, 1, 0.5])  # ranks: one outlier does not take the colours
    heights = first.get_offsets()[:, 1]
    assert heights[0] == 0 and heights[1] != heights[2]  # equal points stand above each other
    with pytest.raises(InputError, match="shape of the values"):
        plot.summary(values, inputs[:2], ax=ax)
    with pytest.raises(OptionError, match="top is a number of features"):
        plot.summary(values, top=0, ax=ax)


def test_a_summary_has_no_colour_for_what_is_missing():
    inputs = np.array([[1.0], [np.nan], [3.0]])
    ax = plot.summary(np.ones((3, 1)), inputs, ax=Figure().subplots())
    points = ax.collections[0]
    points.update_scalarmappable()
    first, missing, last = points.get_facecolors()[:, :3]
    viridis = matplotlib.colormaps["viridis"]
    np.testing.assert_allclose(
        [first, missing, last], [viridis(0.0)[:3], [0.6] * 3, viridis(0.88)[:3]]
    )  # the yellow end is not seen on white


@pytest.mark.parametrize(
    "shape, kind",
    [((2, 8, 8, 3), "image"), ((2, 3, 20, 20), "image"), ((2, 28, 28), "image"), ((2, 100, 4), "series"),
     ((2, 4, 6, 6, 2), "volume"), ((2, 5), "bars"), ((2, 20, 1), "series")],
)  # fmt: skip
def test_the_kind_goes_by_the_shape(shape, kind, rng):
    values = rng.normal(size=shape)
    assert guess(values[0], values[0]) == kind
    assert explained(values).plot(1, ax=Figure().subplots()) is not None


def test_tokens_and_logos_through_the_explanation(rng, ax):
    pytest.importorskip("logomaker")
    e = explained(np.array([[1.0, -1.0]]), np.array([[7, 42]]))
    e.plot(ax=ax)
    assert [t.get_text() for t in ax.texts] == ["7", "42"]
    other = Figure().subplots()
    e.plot(ax=other, tokens=["not", "good"], labels=["bad", "fine"])
    assert [t.get_text() for t in other.texts] == ["not", "good"]
    assert other.figure.axes[-1].get_xlabel() == "contribution to fine"
    sequence = np.eye(4)[rng.integers(0, 4, 12)][None]
    assert explained(sequence).plot(ax=Figure().subplots(), kind="logo")
    with pytest.raises(OptionError, match="kind is one of .*'image'"):
        e.plot(kind="pie")
    with pytest.raises(InputError, match="has 1 examples. Received: index 3"):
        e.plot(3)


def test_maps_without_direction_go_up_from_black(ax):
    e = explained(np.abs(np.random.default_rng(0).normal(size=(1, 6, 6, 1))))
    e.plot(ax=ax)
    assert ax.images[-1].cmap.name == "white to brown" and ax.images[-1].norm.vmin == 0


def test_a_layer_is_stretched_over_the_image(rng, ax):
    e = explained(rng.normal(size=(1, 4, 4, 8)), rng.uniform(size=(1, 32, 32, 3)), layer="base/conv")
    e.plot(ax=ax)
    assert ax.images[-1].get_extent() == [-0.5, 31.5, 31.5, -0.5] and len(ax.images) == 2


def test_of_several_layers_the_deepest(rng, ax):
    maps = {"a": np.ones((1, 8, 8, 1)), "b": rng.uniform(0.1, 1, size=(1, 8, 8, 1))}
    e = explained(np.ones((1, 8, 8, 1)))
    e = Explanation(values=maps, inputs=e.inputs, score=e.score, method="gradcam", layer="a, b")
    e.plot(ax=ax)
    np.testing.assert_allclose(ax.images[-1].get_array(), maps["b"][0, ..., 0])
    other = Figure().subplots()
    e.plot(ax=other, input="a")
    np.testing.assert_allclose(other.images[-1].get_array(), 1)


def test_image_styles_channels_and_formats(rng, ax):
    values, picture = rng.normal(size=(3, 9, 9)), rng.uniform(size=(3, 9, 9))
    plot.image(values, picture, ax=ax, data_format="channels_first", channel=1, style="heat_map")
    np.testing.assert_allclose(ax.images[-1].get_array(), values[1])
    assert len(ax.images) == 1
    masked = Figure().subplots()
    plot.image(np.array([[0.0, 4.0]]), np.ones((1, 2, 3)) * [[[0.0, 0.5, 1.0]]], ax=masked, style="masked",
               outlier_perc=0)  # fmt: skip
    assert masked.images[-1].get_alpha().tolist() == [[1, 0]]  # black where nothing is, clear where all is
    np.testing.assert_allclose(masked.images[0].get_array()[0, 1], [0, 0.5, 1])
    for wrong, text in (({"style": "x"}, "style is one of"), ({"channel": 3}, "has 3 channels"),
                        ({"data_format": "x"}, "channels_first")):  # fmt: skip
        with pytest.raises(OptionError, match=text):
            plot.image(np.moveaxis(values, 0, -1), ax=ax, **wrong)


def test_names_with_dollars_are_not_mathematics(ax):
    plot.bars(np.array([1.0]), names=["$a_{"], title="$\\bad{", unit="x $ y $ {", ax=ax)
    plot.image(np.ones((2, 2)), ax=Figure().subplots(), unit="$\\frac$", title="$ $ {")
    ax.figure.canvas.draw()
    assert ax.get_title() == "\\$\\bad{"


def test_classes_against_each_other_are_named(rng):
    labels = ["a cat", "a dog", "a bird", "an animal with a name of many words"]
    e = dataclasses.replace(explained(rng.normal(size=(1, 9, 9, 3))), target=tfxai.targets.difference(1, 0).label)
    assert target_name(e, 0, labels) == "a dog - a cat" and target_name(e, 0) == "target 1 - 0"
    e = dataclasses.replace(e, target=tfxai.targets.contrast(0, [3, 2]).label)
    below = plot.compare([e], labels=labels).axes[0].get_xlabel()
    assert below == "a cat - mean(an animal\nwith a name of many\nwords, a bird)"  # within its column
    e = dataclasses.replace(e, target=tfxai.targets.mask(np.ones((2, 3))).label)
    assert target_name(e, 0, labels) == "target mask of shape (2, 3)"
    assert target_name(dataclasses.replace(e, target="7 - 1"), 0, labels) == "7 - a dog"


def test_compare_puts_methods_side_by_side(rng):
    a, b = explained(rng.normal(size=(3, 9, 9, 3))), explained(np.abs(rng.normal(size=(3, 9, 9, 1))))
    figure = plot.compare([a, b, a], examples=[2, 0], labels=["x", "y"], scales="row", titles=["1", "2", "3"])
    axes = figure.axes[:8]
    assert [ax.get_title() for ax in axes[:4]] == ["", "1", "2", "3"] and axes[0].get_xlabel() == "y"
    one, two = axes[1].images[-1], axes[3].images[-1]
    assert one.norm.vmax == two.norm.vmax and axes[2].images[-1].cmap.name == "white to brown"
    np.testing.assert_allclose(one.get_array(), a.values[2].sum(-1))
    with pytest.raises(InputError, match=r"explanations of \[3, 2\] examples"):
        plot.compare([a, b[:2]])
    with pytest.raises(OptionError, match="scales is 'own' or 'row'"):
        plot.compare([a], scales="all")
    assert figure._repr_png_().startswith(b"\x89PNG")  # what a notebook shows
    tables = plot.compare([explained(rng.normal(size=(2, 4)))] * 2, names=list("abcd"))
    assert len(tables.axes) == 4 and tables.axes[0].get_yticklabels()


def test_a_map_with_a_channel_over_a_picture_without():
    values, x = np.eye(20)[None, ..., None], np.zeros((1, 20, 20))
    e = tfxai.Explanation(values, np.ones(1), "gradcam", inputs=x)
    assert len(e.plot(0, ax=Figure().subplots()).images) == 2  # the picture, and the map over it
    small = tfxai.Explanation(values, np.ones(1), "gradcam", inputs=np.zeros((1, 20)))
    assert len(small.plot(0, ax=Figure().subplots()).images) == 1


def test_compare_says_what_the_numbers_are(rng):
    """One scale stands for all signed maps: its words are theirs where they are of one kind."""
    x = rng.uniform(size=(1, 4, 4, 1))
    found = {name: tfxai.Explanation(values=x - 0.5, inputs=x, score=np.ones(1), target=np.array([3]), method=name)
             for name in ("deeplift", "occlusion", "gradient", "activation")}  # fmt: skip
    sums = found["deeplift"].grouped(tfxai.segments.grid(2)).painted()
    for chosen, words in (
        ([found["deeplift"], found["occlusion"]], "contribution"), ([found["gradient"]] * 2, "d score / d input"),
        ([found["deeplift"], found["gradient"]], "value"), ([sums, sums], "contribution of a group"),
        ([sums, found["deeplift"]], "value"),
    ):  # fmt: skip
        figure = plot.compare(chosen, examples=[0])
        assert figure.axes[-1].get_xlabel() == f"{words}, each map on its own scale"
    assert sums.plot(0).figure.axes[-1].get_ylabel().split() == "contribution of a group to target 3".split()
    assert found["deeplift"].plot(0).figure.axes[-1].get_ylabel() == "contribution to target 3"


@pytest.mark.parametrize("signed", [1, 2])
def test_what_stands_below_a_scale_is_inside_of_the_picture(rng, signed):
    """Also below the scale of a single column, whose words are longer than it is wide."""
    x = rng.uniform(size=(1, 8, 8, 1))
    shared = {"inputs": x, "score": np.ones(1), "target": np.array([3])}
    found = [tfxai.Explanation(values=x, method="gradcam", layer="conv", **shared)]
    found += [tfxai.Explanation(values=x - 0.5, method="deeplift", **shared)] * signed
    figure = plot.compare(found, examples=[0])
    figure.draw_without_rendering()
    for ax in figure.axes[-2:]:
        words = ax.xaxis.label.get_window_extent()
        assert figure.bbox.x0 <= words.x0 and words.x1 <= figure.bbox.x1, ax.get_xlabel()


COLUMNS = {"age": [70.0, 57.0], "sex": ["male", "female"], "id": [3, 7]}


def by_column(**more):
    """A model with an input per column, of numbers, words and whole numbers."""
    inputs = {name: np.array(column)[:, None] for name, column in COLUMNS.items()}
    inputs["sex"] = inputs["sex"].astype(object)
    inputs["sex"][0, 0] = b"male"  # as TensorFlow hands words back
    values = {"age": np.array([[-0.4], [0.1]]), "sex": np.array([[2.0], [-1.0]]), "id": np.array([[0.01], [0.02]])}
    return Explanation(
        values=values, inputs=inputs, score=np.ones(2), method="deeplift", target=np.zeros(2, int), **more
    )


def test_an_input_per_column_is_one_table():
    axes = by_column().plot(0, ax=Figure().subplots())
    assert [t.get_text() for t in axes.get_yticklabels()] == ["sex = male", "age = 70", "id = 3"]
    assert [bar.get_width() for bar in axes.containers[0]] == [2.0, -0.4, 0.01]  # on one scale
    alone = by_column().plot(0, input="age", ax=Figure().subplots())  # one of them, where it is asked for
    assert [bar.get_width() for bar in alone.containers[0]] == [-0.4]
    figure = plot.compare([by_column(), by_column()])
    assert len(figure.axes) == 4 and [t.get_text() for t in figure.axes[2].get_yticklabels()][0] == "sex = female"


def test_an_input_per_column_is_one_table_of_a_page(tmp_path):
    page = tfxai.report(by_column(), tmp_path / "r.html", examples=[0]).read_text()
    row = r'<tr><th scope="row">{}</th>.*?= {}</td>.*?width:{}%.*?>{}</td></tr>'
    for name, value, width, told in (("sex", "male", "83.3", r"\+2"), ("age", "70", "16.7", "-0.4")):
        assert re.search(row.format(name, value, width, told), page), name
    assert page.count("<caption>contribution to target 0</caption>") == 1
    assert by_column()._repr_html_().count("<img") == 2  # in a notebook one of each example


def test_inputs_that_are_no_columns_stay_apart():
    values = {"picture": np.ones((2, 6, 6, 3)), "age": np.ones((2, 1)), "sex": np.ones((2, 1))}
    e = Explanation(values=values, inputs=values, score=np.ones(2), method="deeplift")
    with pytest.raises(InputError, match="say input= one of"):
        e.plot(0, ax=Figure().subplots())
    layers = Explanation({"a": np.ones((2, 1)), "b": np.ones((2, 1))}, np.ones(2), "deeplift", layer="a, b")
    assert len(layers.plot(0, ax=Figure().subplots()).containers[0]) == 1


def test_a_summary_takes_an_input_per_column_and_the_names_of_a_frame():
    e = by_column()
    ax = plot.summary(e.values, e.inputs, ax=Figure().subplots())
    assert [t.get_text() for t in ax.get_yticklabels()] == ["sex", "age", "id"]
    colours = [np.ma.filled(c.get_array(), -1).tolist() for c in ax.collections]  # -1: words have no colour
    assert colours == [[-1, -1], [1, 0], [0, 1]]
    pandas = pytest.importorskip("pandas")
    ax = plot.summary(np.ones((2, 3)), pandas.DataFrame(COLUMNS), ax=Figure().subplots())
    assert [t.get_text() for t in ax.get_yticklabels()] == ["age", "sex", "id"]
