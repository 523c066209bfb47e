"""What pictures are divided into where nothing is said: superpixels where scikit-image is installed, else a grid."""

import sys

import keras
import numpy as np
import pytest
from keras import layers

import tfxai

GRID, SLIC = "grid(8)", "slic(50, compactness=10, sigma=0)"


def squares(z):
    """The square of every number, added up: a group's value is the sum of its squares."""
    return keras.ops.sum(z**2, axis=tuple(range(1, len(z.shape))))


def box(layout):
    return tfxai.black_box(lambda z: (z.astype("float64") ** 2).reshape(len(z), -1).sum(1), layout)


@pytest.fixture
def pictures(rng):
    """Three with an edge, at different places."""
    x = rng.normal(size=(3, 24, 24, 3)) * 0.02 + 1
    x[0, :, 7:], x[1, 15:], x[2, 3:9, 4:20] = -2, 3, 5
    return x


@pytest.fixture
def blocked(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)


@pytest.mark.parametrize("method", ["shapley_sampling", "kernel_shap", "lime"])
def test_superpixels_are_usual_where_they_can_be_made(method, pictures):
    pytest.importorskip("skimage")
    options = tfxai.Explainer(squares, method).method.quick
    e = tfxai.explain(squares, pictures, method, seed=0, **options)
    asked = tfxai.explain(squares, pictures, method, seed=0, groups=tfxai.segments.slic(), **options)
    np.testing.assert_array_equal(e.values, asked.values)
    assert e.meta["groups"] == asked.meta["groups"] | {"made_by": SLIC}
    labels = tfxai.segments.slic()(pictures)
    sums = e.grouped(tfxai.segments.slic()).values
    for i in range(3):
        for k in np.unique(labels[i]):
            expected = (pictures[i][labels[i] == k] ** 2).sum()
            np.testing.assert_allclose(sums[i, k], expected, rtol=0.02 if method == "lime" else 1e-6)


@pytest.mark.parametrize("method", ["shapley_sampling", "kernel_shap", "lime"])
def test_a_grid_is_usual_where_scikit_image_is_not_installed(method, pictures, blocked):
    options = tfxai.Explainer(squares, method).method.quick
    e = tfxai.explain(squares, pictures, method, seed=0, **options)
    asked = tfxai.explain(squares, pictures, method, seed=0, groups=tfxai.segments.grid(8), **options)
    np.testing.assert_array_equal(e.values, asked.values)
    assert e.meta["groups"] == {"made_by": GRID, "count": 64}


def test_it_is_asked_once_for_each_picture_of_a_call(pictures, monkeypatch):
    segmentation = pytest.importorskip("skimage.segmentation")
    seen, slic = [], segmentation.slic
    monkeypatch.setattr(
        segmentation, "slic", lambda one, *args, **options: seen.append(1) or slic(one, *args, **options)
    )
    explainer = tfxai.Explainer(squares, "shapley_sampling", samples=2)
    explainer(pictures, seed=0, batch_size=1, baseline=np.zeros((1, 2, 24, 24, 3)))
    assert len(seen) == 3


VIEWS = {
    "colours": (lambda x: x, "image"),
    "channels first": (lambda x: np.moveaxis(x, -1, 1).copy(), "image_channels_first"),
    "grey": (lambda x: x[..., :1], "image"),
    "without an axis of channels": (lambda x: x[..., 0], "image"),
    "bytes": (lambda x: (20 * (x + 3)).round().astype("uint8"), "image"),
    "single precision": (lambda x: x.astype("float32"), "image"),
    "half precision": (lambda x: x.astype("float16"), "image"),
}


@pytest.mark.parametrize("view", VIEWS)
def test_superpixels_keep_to_edges_in_every_form(view, pictures):
    """No piece lies on both sides of the edge of the first picture, and its value is its sum of squares."""
    pytest.importorskip("skimage")
    change, layout = VIEWS[view]
    x = change(pictures)
    e = tfxai.explain(box(layout), x, "kernel_shap", seed=0, samples=200)
    assert e.meta["groups"]["made_by"] == SLIC
    places = (2, 3) if layout.endswith("first") else (1, 2)
    labels = tfxai.segments.slic()(x, places)
    assert not set(labels[0, :, :7].flat) & set(labels[0, :, 7:].flat)
    own = e.grouped(labels[:, None] if places == (2, 3) else labels).values[0]
    squared = (x[0].astype("float64") ** 2).reshape(*x.shape[1:])
    squared = squared.sum(0 if places == (2, 3) else 2) if x.ndim == 4 else squared
    expected = np.bincount(labels[0].reshape(-1), squared.reshape(-1), minlength=len(own))
    np.testing.assert_allclose(own, expected, rtol=1e-2 if x.dtype == np.float16 else 1e-5)


OTHERS = {
    "two channels": (lambda x: x[..., :2], "image", GRID),
    "four channels": (lambda x: np.concatenate([x, x[..., :1]], -1), "image", GRID),
    "a volume": (lambda x: x[:, :, :, None, :], "volume", "grid(4)"),
    "a sequence": (lambda x: x[:, 0], "sequence", "grid(16)"),
    "a table": (lambda x: x[:, :3, :4, 0], "table", "each feature"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_not_known_to_be_a_picture(kind, pictures):
    change, layout, words = OTHERS[kind]
    e = tfxai.explain(box(layout), change(pictures), "shapley_sampling", seed=0, samples=2)
    assert e.meta["groups"]["made_by"] == words


def test_features_of_a_layer_are_no_picture(rng):
    i = keras.Input((12, 12, 1))
    h = layers.Conv2D(3, 3, name="conv")(i)
    model = keras.Model(i, layers.Dense(1)(layers.Flatten()(h)))
    x = rng.normal(size=(1, 12, 12, 1))
    e = tfxai.explain(model, x, "shapley_sampling", layer="conv", seed=0, samples=2)
    assert e.meta["groups"] == {"made_by": GRID, "count": 64}


def test_noise_and_missing_numbers_take_the_grid_beside_superpixels(pictures, rng):
    """Each as it is alone."""
    pytest.importorskip("skimage")
    x = np.concatenate([pictures, rng.uniform(size=(1, 24, 24, 3)), pictures[:1], np.ones((1, 24, 24, 3))])
    x[4, 2, 3, 0] = np.nan
    black_box = tfxai.black_box(lambda z: np.nansum(z**2, (1, 2, 3)), "image")
    explainer = tfxai.Explainer(black_box, "kernel_shap", samples=200, allow_nan=True)
    e = explainer(x, seed=0)
    assert e.meta["groups"]["made_by"] == f"{SLIC} of 4 pictures, {GRID} of 2"
    for k, words in enumerate((SLIC, SLIC, SLIC, GRID, GRID, SLIC)):
        alone = explainer(x[k : k + 1], seed=0)
        assert alone.meta["groups"]["made_by"] == words
        np.testing.assert_allclose(alone.values[0], e.values[k], atol=1e-12)
    cells = tfxai.segments.grid(8)(x)[0]
    noise = np.bincount(cells.reshape(-1), (x[3] ** 2).sum(-1).reshape(-1))
    np.testing.assert_allclose(explainer(x[3:4], seed=0).grouped(cells).values[0], noise, rtol=1e-9)


def test_each_input_has_its_own(pictures):
    pytest.importorskip("skimage")
    x = {"a": pictures, "b": pictures[:, :4, 0], "c": pictures[:, ::-1]}
    f = lambda z: squares(z["a"]) + squares(z["b"]) + 2 * squares(z["c"])  # noqa: E731
    e = tfxai.explain(f, x, "kernel_shap", seed=0, samples=400)
    assert e.meta["groups"]["made_by"] == f"a: {SLIC}, b: grid(16), c: {SLIC}"
    whole = e.values["c"].sum((1, 2, 3))
    np.testing.assert_allclose(whole, 2 * (x["c"] ** 2).sum((1, 2, 3)), rtol=1e-9)


def test_missing_numbers_are_refused_where_superpixels_were_asked_for(pictures):
    pytest.importorskip("skimage")
    pictures[1, 0, 0, 0] = np.inf
    with pytest.raises(tfxai.errors.OptionError, match=r"NaN or infinity in 1 of 3 \(first: number 1\). Use grid"):
        tfxai.segments.slic()(pictures)
