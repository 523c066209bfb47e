"""Class activation maps of several pictures: each has its own, the one it has when its layer is asked for."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.model.test_feature_maps import CONV, explained, first, gradcam, positive
from tfxai.result.describe import part


def two_pictures(rng, shared=False, joined=False):
    """Two pictures of other sizes, and a table; each picture has convolutions of its own (or shares their weights)."""
    left, right, table = keras.Input((8, 6, 1), name="left"), keras.Input((10, 12, 1), name="right"), keras.Input((3,))
    convs = [layers.Conv2D(4, 3, name=f"of_{name}", **CONV) for name in ("left", "right")]
    maps = [convs[0](left), convs[0 if shared else 1](right)]
    if joined:
        side_by_side = layers.Concatenate()([layers.ZeroPadding2D((1, 3))(left), right])
        maps = [layers.Conv2D(2, 3, name="top", **CONV)(side_by_side)]
    parts = [layers.GlobalAveragePooling2D()(m) for m in maps] + [layers.Dense(3)(table)]
    model = keras.Model([left, right, table], layers.Dense(2, name="scores")(layers.Concatenate()(parts)))
    for layer in model.layers:
        positive(layer)
    x = [np.abs(rng.normal(size=(2, *t.shape[1:]))).astype("float32") for t in model.inputs]
    return model, x, maps


@pytest.mark.long
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("method", ["gradcam", "hirescam", "scorecam", "layercam", "gradcam++"])
def test_each_of_several_pictures_has_a_map(rng, method, shared):
    model, x, maps = two_pictures(rng, shared=shared)
    e = explained(model, x, method)
    assert list(e.values) == ["0", "1"] and [v.shape for v in e.values.values()] == [(2, 8, 6, 1), (2, 10, 12, 1)]
    paths = e.layer.split(", ")
    assert sorted(paths) == (["of_left#0", "of_left#1"] if shared else ["of_left", "of_right"])
    for path in paths:  # each is what it is alone
        alone = explained(model, x, method, layer=path).values
        k = next(k for k in "01" if e.values[k].shape == alone.shape)
        np.testing.assert_allclose(e.values[k], alone, atol=1e-6)
    if method == "gradcam":
        for k, m in enumerate(maps):
            np.testing.assert_allclose(e.values[str(k)], gradcam(model, x, m, first), atol=1e-4)


@pytest.mark.long
def test_maps_of_pictures_have_the_structure_of_x_and_lie_over_them(rng):
    left, right = keras.Input((8, 6, 1), name="left"), keras.Input((10, 12, 1), name="right")
    maps = [layers.Conv2D(4, 3, **CONV)(i) for i in (left, right)]
    y = layers.Dense(2)(layers.Concatenate()([layers.GlobalAveragePooling2D()(m) for m in maps]))
    x = {"right": np.abs(rng.normal(size=(2, 10, 12, 1))), "left": np.abs(rng.normal(size=(2, 8, 6, 1)))}
    model = keras.Model({"left": left, "right": right}, y)
    for layer in model.layers:
        positive(layer)
    e = explained(model, x, "gradcam")
    assert {name: v.shape for name, v in e.values.items()} == {"right": (2, 10, 12, 1), "left": (2, 8, 6, 1)}
    for name in x:
        values, picture = part(e, name)
        assert values.shape == picture.shape
    listed = explained(keras.Model([left, right], y), [x["left"], x["right"]], "gradcam")
    assert isinstance(listed.values, list)
    np.testing.assert_allclose(listed.values[1], e.values["right"], atol=1e-6)
    smooth = explained(model, x, "smoothgrad", inner="gradcam", samples=2, noise=0)
    np.testing.assert_allclose(smooth.values["left"], e.values["left"], atol=1e-6)
    guided, product = explained(model, x, "guided_backprop").values, explained(model, x, "guided_gradcam").values
    for name in x:
        np.testing.assert_allclose(product[name], guided[name] * e.values[name], atol=1e-5)
    held = explained(model, x, "gradcam", fixed=["left"])
    np.testing.assert_allclose(held.values, e.values["right"], atol=1e-6)


def test_what_reads_several_pictures_at_once_is_one_map(rng):
    model, x, _ = two_pictures(rng, joined=True)
    e = explained(model, x, "gradcam", resize=False)
    assert e.layer == "top" and isinstance(e.values, np.ndarray)
