"""Pictures: the numbers that are drawn, their scale and colour; nothing left open."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

import tfxai
from tfxai import plot
from tfxai.errors import InputError, OptionError
from tfxai.explanation import Explanation


@pytest.fixture
def ax():
    return Figure().subplots()


def maps(ax):
    return ax.images[-1]


def test_signed_map_is_symmetric_about_white(rng, ax):
    values = rng.normal(size=(6, 7, 3)) + 0.5
    assert plot.image(values, ax=ax, unit="contribution to cat") is ax
    drawn = maps(ax)
    np.testing.assert_allclose(drawn.get_array(), values.sum(-1))
    assert drawn.norm.vmin == -drawn.norm.vmax and drawn.cmap.name == "red and blue"
    np.testing.assert_allclose(drawn.cmap(drawn.norm(0.0)), drawn.cmap(0.5), atol=1e-6)
    assert min(drawn.cmap(drawn.norm(0.0))[:3]) > 0.95
    assert ax.figure.axes[-1].get_ylabel() == "contribution to cat"


@pytest.mark.parametrize("sign", ["positive", "negative", "absolute_value"])
def test_signs(sign, rng, ax):
    values = rng.normal(size=(6, 7))
    plot.image(values, ax=ax, sign=sign)
    expected = {"positive": np.maximum(values, 0), "negative": np.maximum(-values, 0), "absolute_value": np.abs(values)}
    np.testing.assert_allclose(maps(ax).get_array(), expected[sign])
    assert maps(ax).norm.vmin == 0 and maps(ax).cmap.name == "white to brown"


@pytest.mark.parametrize(
    "sign, text",
    [
        ("positive", "contribution to cat"),
        ("negative", "negative contribution to cat,\nits size"),
        ("absolute_value", "size of contribution to cat"),
    ],
)
def test_the_scale_says_when_signs_are_dropped(sign, text, ax):
    plot.image(np.array([[1.0, -2.0]]), ax=ax, sign=sign, unit="contribution to cat")
    assert ax.figure.axes[-1].get_ylabel() == text


def test_channels_are_summed_before_the_sign_is_taken(ax):
    plot.image(np.array([[[3.0, -1.0], [-3.0, 1.0]]]), ax=ax, sign="absolute_value", outlier_perc=0)
    assert maps(ax).get_array().tolist() == [[2, 2]] and maps(ax).norm.vmax == 2


def test_outliers_do_not_rule(ax):
    values = np.ones((20, 20))
    values[0, 0] = 1000
    plot.image(values, ax=ax, outlier_perc=1)
    assert maps(ax).norm.vmax < 2
    other = Figure().subplots()
    plot.image(values, ax=other, outlier_perc=0)
    assert maps(other).norm.vmax == 1000


def test_overlay_fades_to_the_image_at_zero(ax, rng):
    values = np.zeros((5, 5))
    values[2, 2] = 1.0
    plot.image(values, rng.uniform(size=(10, 10, 3)), ax=ax, outlier_perc=0)
    alpha = maps(ax).get_alpha()
    assert alpha[0, 0] == 0 and alpha[2, 2] == 0.75 and len(ax.images) == 2


@pytest.mark.parametrize("values", [np.zeros((4, 4)), np.full((4, 4), -3.0)])
def test_flat_maps(values, ax):
    plot.image(values, ax=ax)
    assert maps(ax).norm.vmax == (3.0 if values.any() else 1.0)


def test_the_photograph_is_grey_light_and_under_the_whole_map(ax, rng):
    photograph = rng.uniform(size=(40, 20, 3)) * 255
    plot.image(np.ones((4, 2)), photograph, ax=ax)
    under = ax.images[0].get_array()
    assert (np.ptp(under, axis=-1) < 1e-12).all() and under.min() > 0.4 and under.max() <= 1
    order = np.argsort(photograph.mean(-1).ravel())
    assert (np.diff(under[..., 0].ravel()[order]) >= 0).all()  # nothing but light is changed
    assert ax.images[0].get_extent() == ax.images[1].get_extent()


def test_backgrounds_that_are_no_image(ax):
    for bad in (np.ones(4), np.ones((2, 4, 4, 3)), np.full((4, 4), np.nan), np.ones((0, 4))):
        with pytest.raises(InputError, match="The background is one image without NaN"):
            plot.image(np.ones((4, 4)), bad, ax=ax)
    assert not ax.images and len(ax.figure.axes) == 1  # refused before anything is drawn
    plot.image(np.ones((4, 4)), np.zeros((4, 4)), ax=ax)
    assert len(ax.images) == 2


def test_refusals(ax):
    for top in (0, -1.0, np.nan):
        with pytest.raises(OptionError, match="top is a magnitude above 0"):
            plot.image(np.ones((3, 3)), ax=ax, top=top)
    for empty in (np.ones((0, 3)), np.ones((3, 3, 0))[:0]):
        with pytest.raises(InputError, match="nothing to draw"):
            plot.image(empty, ax=ax)
    with pytest.raises(InputError, match="nothing to draw"):
        plot.bars(np.ones(0), ax=ax)
    with pytest.raises(InputError, match="NaN or Inf"):
        plot.image(np.full((3, 3), np.nan), ax=ax)
    with pytest.raises(OptionError, match="sign is one of"):
        plot.image(np.ones((3, 3)), ax=ax, sign="both")
    with pytest.raises(OptionError, match="outlier_perc"):
        plot.image(np.ones((3, 3)), ax=ax, outlier_perc=100)
    with pytest.raises(InputError, match="Received"):
        plot.image(np.ones(3), ax=ax)
    with pytest.raises(InputError, match="one name per feature"):
        plot.bars(np.ones(3), ["a"], ax=ax)


def test_bars_add_up(ax):
    values = np.array([0.5, -3.0, 2.0, 0.1, 0.1])
    plot.bars(values, ["a", "b", "c", "d", "e"], top=3, ax=ax)
    widths = [p.get_width() for p in ax.patches]
    np.testing.assert_allclose(widths, [-3.0, 2.0, 0.5, 0.2])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["b", "c", "a", "2 others"]
    assert sum(widths) == pytest.approx(values.sum())
    assert [t.get_text() for t in ax.texts] == ["-3", "+2", "+0.5", "+0.2"] and ax.get_xlim() == (
        -4,
        3,
    )  # room for them
    red, blue = ax.patches[1].get_facecolor(), ax.patches[0].get_facecolor()
    assert red[0] > red[2] and blue[2] > blue[0]


def test_bars_say_what_the_features_are(ax):
    x = np.array([[63.0, 0.123456, 1.0]])
    e = Explanation(values=np.array([[1.0, -2.0, 0.0]]), inputs=x, score=np.ones(1), method="deeplift",
                    meta={"features": {"": ["age", "dose", "sex"]}})  # fmt: skip
    e.plot(0, ax=ax)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["dose = 0.1235", "age = 63", "sex = 1"]
    unnamed = Figure().subplots()
    plot.auto(Explanation(values=e.values, inputs=x, score=e.score, method="deeplift"), ax=unnamed)
    assert [t.get_text() for t in unnamed.get_yticklabels()] == ["1", "0", "2"]  # "1 = 0.12" would be no sentence
    words = plot.bars(np.ones(2), ["town", "age"], inputs=["Ulm", 3], ax=Figure().subplots())
    assert [t.get_text() for t in words.get_yticklabels()] == ["town = Ulm", "age = 3"]
    with pytest.raises(InputError, match="one input per feature, 2. Received: 1"):
        plot.bars(np.ones(2), inputs=[1], ax=ax)


@pytest.mark.parametrize("values, limits", [([2.0, 1.0], (0, 2.4)), ([-2.0], (-2.4, 0)), ([0.0], (-0.2, 0.2))])
def test_bars_of_one_sign_begin_at_the_edge(values, limits, ax):
    assert plot.bars(np.array(values), ax=ax).get_xlim() == pytest.approx(limits)


def test_auto_chooses(rng, ax):
    def e(shape, **more):
        values = rng.normal(size=shape)
        return Explanation(
            values=values, inputs=values, score=np.ones(2), target=np.array([3, 4]), method="deeplift", **more
        )

    e((2, 8, 8, 3)).plot(1, ax=ax)
    assert len(ax.images) == 2 and ax.figure.axes[-1].get_ylabel() == "contribution to target 4"
    other = Figure().subplots()
    assert e((2, 5)).plot(0, ax=other) is other and len(other.patches) == 5
    third = Figure().subplots()
    e((2, 30, 4)).plot(0, ax=third)
    assert len(third.lines) == 7 and len(third.collections) == 4  # a lane per channel, a line between lanes
    several = Explanation(values={"a": np.ones((1, 3))}, score=np.ones(1), method="deeplift")
    with pytest.raises(InputError, match=r"say input= one of \['a'\]"):
        several.plot()
    assert several.plot(input="a", ax=Figure().subplots())


def test_grid_has_one_scale_per_map_and_leaves_no_figure_open(rng):
    before = plt.get_fignums()
    figure = plot.grid(
        [np.ones((8, 8, 3)) * 0.5] * 2,
        [[rng.normal(size=(8, 8)), 5 * rng.normal(size=(8, 8))]] * 2,
        ["a", "b"],
        ["x", "y"],
    )
    axes = figure.axes
    assert [a.get_title() for a in axes[:3]] == ["", "a", "b"] and axes[0].get_xlabel() == "x"
    assert axes[2].images[-1].norm.vmax > 2 * axes[1].images[-1].norm.vmax
    assert plt.get_fignums() == before


def test_given_axes_leave_pyplot_alone(ax):
    before, current = plt.get_fignums(), plt._pylab_helpers.Gcf.get_active()
    size = tuple(ax.figure.get_size_inches())
    plot.image(np.ones((3, 3)), ax=ax)
    plot.bars(np.ones(3), ax=Figure().subplots())
    assert plt.get_fignums() == before and plt._pylab_helpers.Gcf.get_active() is current
    assert tuple(ax.figure.get_size_inches()) == size


def test_a_new_figure_is_made_without_ax():
    ax = tfxai.plot.bars(np.ones(3))
    assert ax.figure.number in plt.get_fignums()
    plt.close(ax.figure)


def test_examples_have_their_names_beside_each_other():
    table = Explanation(values=np.ones((3, 2)), inputs=np.ones((3, 2)), score=np.ones(3), method="deeplift",
                        target=np.arange(3))  # fmt: skip
    figure = plot.compare([table, table], [2, 0], rows=["a.csv", "b.csv", "a row of a table with a long name"])
    lefts = [ax.get_title(loc="left") for ax in figure.axes]
    assert lefts == ["a row o…with a long name", "", "a.csv", ""]
    x = np.ones((2, 16, 16, 3))
    picture = Explanation(values=x, inputs=x, score=np.ones(2), method="deeplift", target=np.arange(2))
    figure = plot.compare([picture], rows=["one.jpg", "two.jpg"], labels=["cat", "dog"])
    assert [figure.axes[k].get_xlabel() for k in (0, 2)] == ["cat, one.jpg", "dog, two.jpg"]
    with pytest.raises(InputError, match="Expected names for 2 examples. Received: 1"):
        plot.compare([picture], rows=["one.jpg"])
