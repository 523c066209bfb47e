"""Numbers that the test suites of other packages assert, and tfxai once refused to give: networks and values as facts.

Names say where they come from: captum (tests/attr), DeepExplain (deepexplain/tests), xplique, tf-explain and
tf-keras-vis (tests). Those suites allow captum's sampled values to be off by 1; ours are exact where they enumerate.
Where tfxai means something else by a number, the test says what and why:

- a value of a group is shared among its features, so that values add up (captum writes the whole on each of them):
  `e.grouped` has theirs;
- occlusion adds up the windows over a place (captum takes their mean), and its last window moves back to touch the edge
  (captum's is cut off);
- a baseline is of the inputs, also where a layer is explained (captum's is of the layer);
- an explanation is of each example: captum's regressions of several examples are the means over ours, and a score of a
  whole batch is that of one example which holds the rows.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tests.networks import ML, c1, dense
from tfxai.errors import OptionError
from tfxai.method import shapley

SHAPLEY = ["shapley_sampling", "kernel_shap"]
ONE, BOTH = [[20.0, 50, 30]], [[2.0, 10, 3], [20, 50, 30]]
A, B, C = ([[23.0, 100, 0], [20, 50, 30]], [[20.0, 50, 30], [0, 100, 0]], [[0.0, 100, 10], [2, 10, 3]])
MASKS = [[[1, 1, 1], [0, 1, 0]], [[0, 1, 2], [0, 1, 2]], [[0, 1, 2], [0, 0, 0]]]  # of A, B, C: 0, 1, 2 in each example
APART = [np.array(mask) + 10 * k for k, mask in enumerate(MASKS)]  # of each input its own


@pytest.fixture(scope="module")
def net():
    """captum's BasicModel_MultiLayer: relu(s - 10) + 3 relu(s + 1) - 1, and 2 more, of s = x1 + x2 + x3."""
    return tfxai.Explainer(dense(*ML, dtype="float64"), "occlusion")


@pytest.fixture(scope="module")
def three():
    """captum's BasicModel_MultiLayer_MultiInput: of the sum of three inputs."""
    inputs = [keras.Input((3,), dtype="float64", name=name) for name in "abc"]
    return tfxai.Explainer(
        keras.Model(inputs, dense(*ML, dtype="float64")(layers.Add(dtype="float64")(inputs))), "occlusion"
    )


@pytest.fixture(scope="module")
def two_pictures():
    """captum's BasicModel_ConvNet_One_Conv of the sum of two pictures."""
    inputs = [keras.Input((4, 4, 1), name=name) for name in "ab"]
    model = keras.Model(inputs, c1()[0](layers.Add()(inputs)))
    return model, [np.arange(16, dtype="float32").reshape(1, 4, 4, 1), np.ones((1, 4, 4, 1), "float32")]


def arrays(*values):
    return [np.array(v) for v in values]


def sums(e, groups):
    """{group: value} of each example, over all inputs."""
    parts = e.values if isinstance(e.values, list) else [e.values]
    labels = groups if isinstance(e.values, list) else [groups]
    rows = [{} for _ in range(len(parts[0]))]
    for values, own in zip(parts, labels, strict=True):
        for row, one, label in zip(rows, values, np.broadcast_to(own, values.shape), strict=True):
            for number in np.unique(label):
                row[int(number)] = row.get(int(number), 0) + one[label == number].sum()
    return rows


# --- Shapley values: captum tests/attr/test_shapley.py, test_kernel_shap.py

OF_FEATURES = {
    "simple": (ONE, None, [[230 / 3, 590 / 3, 350 / 3]]),
    "several examples": (BOTH, None, [[7, 32.5, 10.5], [230 / 3, 590 / 3, 350 / 3]]),
    "linear between": (ONE, [10.0, 20, 10], [[40, 120, 80]]),
}
OF_GROUPS = {
    "a mask": (ONE, [[0, 0, 1]], None, [{0: 275, 1: 115}]),
    "a mask and a baseline": (ONE, [[0, 0, 1]], 4.0, [{0: 248, 1: 104}]),
    "a mask of each example": (BOTH, [[0, 0, 1], [1, 1, 0]], None, [{0: 39.5, 1: 10.5}, {1: 275, 0: 115}]),
}


@pytest.mark.parametrize("case", OF_FEATURES)
@pytest.mark.parametrize("method", SHAPLEY)
def test_captum_shapley_values_of_features(case, method, net):
    x, baseline, expected = OF_FEATURES[case]
    np.testing.assert_allclose(net.using(method)(np.array(x), 0, baseline).values, expected, atol=1e-9)


@pytest.mark.parametrize("case", OF_GROUPS)
@pytest.mark.parametrize("method", SHAPLEY)
def test_captum_shapley_values_of_groups_which_share_them(case, method, net):
    x, groups, baseline, expected = OF_GROUPS[case]
    e = net.using(method, groups=groups)(np.array(x), 0, baseline)
    found = sums(e, np.array(groups))
    assert found == [{k: pytest.approx(v, abs=1e-9) for k, v in row.items()} for row in expected]
    first = e.values[0][np.array(groups)[0] == 0]
    np.testing.assert_allclose(first, expected[0][0] / len(first))  # captum writes the whole on each


THREE = {
    "zeros": (None, [{1: 1088.6666, 0: 76.6666, 2: 156.6666}, {0: 255, 1: 595, 2: 0}]),
    "a baseline of each input": ([2.0, 3.0, 4.0], [{1: 1040, 0: 52, 2: 132}, {0: 184, 1: 580, 2: -12}]),
}


@pytest.mark.parametrize("case", THREE)
@pytest.mark.parametrize("method", SHAPLEY)
def test_captum_groups_across_inputs(case, method, three):
    baseline, expected = THREE[case]
    e = three.using(method, groups=arrays(*MASKS))(arrays(A, B, C), 0, baseline)
    assert sums(e, MASKS) == [{k: pytest.approx(v, abs=1e-3) for k, v in row.items()} for row in expected]


@pytest.mark.parametrize("method, options", [("kernel_shap", {}), ("shapley_sampling", {"samples": 200})])
def test_captum_nine_features_of_three_inputs(method, options, three):
    """Within 1, as that suite; the values add up exactly."""
    x = arrays([[23.0, 0, 0], [20, 50, 30]], [[20.0, 0, 50], [0, 100, 0]], [[0.0, 100, 10], [0, 10, 0]])
    e = three.using(method, **options)(x, 0, seed=0)
    expected = [[90, 0, 0], [78, 198, 118]], [[78, 0, 198], [0, 398, 0]], [[0, 398, 38], [0, 38, 0]]
    for values, own in zip(e.values, expected, strict=True):
        np.testing.assert_allclose(values, own, atol=1)
    np.testing.assert_allclose(e.delta, 0, atol=1e-9)


@pytest.mark.parametrize("baseline, expected", [(False, [35, 35]), (True, [-40, 0])])
@pytest.mark.parametrize("method", [*SHAPLEY, "black box"])
def test_captum_yes_and_no(baseline, expected, method):
    """BasicModelBoolInput: ten times what is true goes through the network."""
    model = dense(*ML, dtype="float64")
    x, groups = np.array([[True, False, True]]), np.array([[0, 0, 1]])
    if method == "black box":
        f, method = tfxai.black_box(lambda z: model.predict_on_batch(10.0 * z)), "kernel_shap"
        assert f(x).shape == (1, 2)
    else:
        i = keras.Input((3,), dtype="bool")
        f = keras.Model(i, model(keras.ops.cast(i, "float64") * 10))
    e = tfxai.explain(f, x, method, 0, np.full((1, 3), baseline), groups=groups)
    assert sums(e, groups) == [{0: pytest.approx(expected[0]), 1: pytest.approx(expected[1])}]


def test_captum_all_classes_at_once():
    """A network with two outputs more that are constant; there target=None means all, here `targets.each`."""
    model = dense(*ML, dtype="float64")
    i = keras.Input((3,), dtype="float64")
    y = model(i)
    four = keras.Model(i, layers.Concatenate(dtype="float64")([y, keras.ops.ones_like(y)]))
    x, groups = np.array(ONE * 2), np.array([[1, 1, 0], [0, 1, 1]])
    plain = tfxai.explain(four, x[:1], "shapley_sampling", tfxai.targets.each([0, 1, 2, 3]))
    grouped = tfxai.explain(four, x, "kernel_shap", tfxai.targets.each([0, 1, 2]), groups=groups)
    for k in range(4):
        np.testing.assert_allclose(plain[k].values, [[230 / 3, 590 / 3, 350 / 3]] if k < 2 else 0 * x[:1], atol=1e-9)
    for k in range(3):
        expected = [{1: 275, 0: 115}, {0: 75, 1: 315}] if k < 2 else [{1: 0, 0: 0}] * 2
        assert sums(grouped[k], groups) == [{g: pytest.approx(v, abs=1e-9) for g, v in row.items()} for row in expected]


@pytest.mark.parametrize("dtype", ["float64", "int64"])
@pytest.mark.parametrize("method, x, expected", [
    ("kernel_shap", BOTH[:1], {0: 79, 1: 21}), ("shapley_sampling", BOTH, {0: 629, 1: 251}),
    ("occlusion", BOTH[:1], {0: 82, 1: 24}), ("occlusion", BOTH, {0: 642, 1: 264}),
])  # fmt: skip
def test_captum_one_score_of_a_batch_is_of_one_example_that_holds_its_rows(method, x, expected, dtype):
    """There a function may return one number of all rows; here each row has a score, so the rows get an axis."""
    model, rows = dense(*ML, dtype="float64"), np.array(x, dtype)[None]
    box = tfxai.black_box(lambda z: model(z.reshape(-1, 3)).numpy().reshape(len(z), -1).sum(1), "table")
    groups = np.broadcast_to([0, 0, 1], rows.shape)
    assert sums(tfxai.explain(box, rows, method, groups=groups), groups) == [
        {k: pytest.approx(v, abs=1e-9) for k, v in expected.items()}
    ]


def test_captum_one_score_of_a_batch_of_three_inputs(three):
    x = arrays([A], [B], [[C[0], [20, 10, 13]]])
    model = three.model
    box = tfxai.black_box(
        lambda z: model([p.reshape(-1, 3) for p in z]).numpy().reshape(len(z[0]), -1).sum(1), ["table"] * 3
    )
    groups = [np.full((1, 2, 3), 1), *[np.broadcast_to([0, 1, 2], (1, 2, 3))] * 2]
    e = tfxai.explain(box, x, "kernel_shap", groups=groups)
    assert sums(e, groups) == [{1: pytest.approx(3850.6666, abs=1e-3), 0: pytest.approx(306.6666, abs=1e-3),
                                2: pytest.approx(410.6666, abs=1e-3)}]  # fmt: skip


def test_captum_one_regression_of_several_examples_is_the_mean_of_ours(net, three):
    x, masks = np.array([[20.0, 50, 30], [10, 14, 4]]), np.array([[0, 0, 1], [0, 1, 0]])
    e = net.using("kernel_shap")(x, 0)
    np.testing.assert_allclose(e.values.mean(0), [56.1688, 124.1695, 65.6695], atol=0.01)
    rows = sums(net.using("kernel_shap", groups=masks)(x, 0), masks)
    assert [np.mean([row[k] for row in rows]) for k in (0, 1)] == pytest.approx([162.9993, 83.0007], abs=0.01)
    rows = sums(three.using("kernel_shap", groups=arrays(*MASKS))(arrays(A, B, C), 0), MASKS)
    assert [np.mean([row[k] for row in rows]) for k in range(3)] == pytest.approx(
        [165.83333, 841.83333, 78.3333], abs=1e-3
    )


# --- LIME: captum tests/attr/test_lime.py. A lasso of alpha 1 takes 1 / (1/2 * 1/2) = 4 from each coefficient; ours has
# a ridge, which is left out here.


@pytest.mark.parametrize("groups, baseline, expected", [
    (None, None, {0: 73.3716, 1: 193.3349, 2: 113.3349}), ([[0, 0, 1]], None, {0: 271, 1: 111}),
    ([[0, 0, 1]], 4.0, {0: 244, 1: 100}),
])  # fmt: skip
def test_captum_lime_is_ours_less_what_a_lasso_takes(groups, baseline, expected, net):
    e = net.using("lime", groups=groups, ridge=0.0, kernel_width=10.0, samples=2000)(np.array(ONE), 0, baseline, seed=0)
    (found,) = sums(e, np.arange(3) if groups is None else np.array(groups))
    assert {k: v - 4 for k, v in found.items()} == {k: pytest.approx(v, abs=1) for k, v in expected.items()}


def test_captum_lime_across_inputs(three):
    lime = three.using("lime", groups=arrays(*MASKS), ridge=0.0, kernel_width=10.0, samples=3000)
    zeros = [{0: 73.2166, 1: 1086.2802, 2: 152.6888}, {0: 250.8907, 1: 590.9789, 2: 0}]
    other = [{0: 48.2441, 1: 1036.4233, 2: 128.3161}, {0: 180.3035, 1: 575.8969, 2: -8.3229}]
    for baseline, expected in ((None, zeros), ([2.0, 3.0, 4.0], other)):
        rows = sums(lime(arrays(A, B, C), 0, baseline, seed=0), MASKS)
        shrunk = [{k: np.sign(v) * max(abs(v) - 4, 0) for k, v in row.items()} for row in rows]
        assert shrunk == [{k: pytest.approx(v, abs=1) for k, v in row.items()} for row in expected]


# --- Ablation: captum tests/attr/test_feature_ablation.py


@pytest.mark.parametrize("x, groups, baseline, expected", [
    (BOTH, [[0, 1, 2]], None, [{0: 8, 1: 35, 2: 12}, {0: 80, 1: 200, 2: 120}]),
    (ONE, [[0, 0, 1]], None, [{0: 280, 1: 120}]), (ONE, [[0, 0, 1]], 4.0, [{0: 248, 1: 104}]),
    (BOTH, [[0, 0, 1], [1, 1, 0]], None, [{0: 41, 1: 12}, {1: 280, 0: 120}]),
])  # fmt: skip
def test_captum_ablation_of_groups(x, groups, baseline, expected, net):
    e = net.using("occlusion", groups=groups)(np.array(x), 0, baseline)
    assert sums(e, np.array(groups)) == [{k: pytest.approx(v) for k, v in row.items()} for row in expected]


@pytest.mark.parametrize("baseline, expected", [
    (None, [{1: 492, 10: 80, 11: 200, 12: 120, 20: 0, 21: 400, 22: 40},
            {0: 200, 1: 200, 10: 0, 11: 400, 12: 0, 20: 60}]),
    ([2.0, 3.0, 4.0], [{1: 468, 10: 68, 11: 188, 12: 108, 20: -16, 21: 384, 22: 24},
                       {0: 184, 1: 192, 10: -12, 11: 388, 12: -12, 20: 12}]),
])  # fmt: skip
def test_captum_ablation_of_groups_of_each_input(baseline, expected, three):
    """There the same number in two inputs is two groups, here it is one: they are numbered apart."""
    e = three.using("occlusion", groups=APART)(arrays(A, B, C), 0, baseline)
    assert sums(e, APART) == [{k: pytest.approx(v, abs=1e-9) for k, v in row.items()} for row in expected]


@pytest.mark.parametrize("baseline, expected", [
    ([[3.0, 0, 0], [0.0, 1, 0], [1.0, 2, 3]],
     ([[80, 400, 0], [68, 200, 120]], [[80, 196, 120], [0, 396, 0]], [[-4, 392, 28], [4, 32, 0]])),
    ([[[3.0, 0, 0], [3, 0, 2]], [[0.0, 1, 0], [0, 1, 4]], [[3.0, 2, 4], [1, 2, 3]]],
     ([[80, 400, 0], [68, 200, 112]], [[80, 196, 120], [0, 396, -16]], [[-12, 392, 24], [4, 32, 0]])),
])  # fmt: skip
def test_captum_baselines_of_each_input_and_example(baseline, expected, three):
    e = three(arrays(A, B, C), 0, arrays(*baseline))
    for values, own in zip(e.values, expected, strict=True):
        np.testing.assert_allclose(values, own, atol=1e-9)


def test_captum_whole_numbers():
    """BasicModel, 1 - relu(1 - x), and BasicModel3, relu(relu(a - 1) - relu(b)), of integers."""
    box = tfxai.black_box(lambda x: (1 - np.maximum(1 - x, 0)).astype(float))
    np.testing.assert_array_equal(tfxai.explain(box, np.array([[-3, 1, 2]]), "occlusion", 0).values, [[-3, 0, 0]])
    two = tfxai.black_box(lambda x: np.maximum(np.maximum(x[0] - 1, 0) - np.maximum(x[1], 0), 0)[:, 0].astype(float))
    e = tfxai.explain(two, arrays([[-10], [3]], [[-5], [1]]), "occlusion")
    np.testing.assert_array_equal(np.concatenate(e.values, 1), [[0, 0], [1, -1]])


def test_captum_two_pictures_each_as_a_whole_and_pixel_by_pixel(two_pictures):
    model, x = two_pictures
    whole = tfxai.explain(model, x, "occlusion", 0, groups=[np.zeros((4, 4), int), np.ones((4, 4), int)])
    assert [v.sum() for v in whole.values] == pytest.approx([67, 13])
    each = tfxai.explain(model, x, "occlusion", 0, window=1)
    np.testing.assert_allclose(
        each.values[0][0, ..., 0], [[0, 2, 4, 3], [4, 9, 10, 7], [4, 13, 14, 11], [0] * 4], atol=1e-4
    )
    np.testing.assert_allclose(each.values[1][0, ..., 0], [[1, 2, 2, 1]] * 3 + [[0] * 4], atol=1e-4)


# --- Inside of a network: captum tests/attr/layer/test_layer_ablation.py, test_layer_activation.py, test_grad_cam.py


def test_captum_ablation_of_a_layer(net, three):
    first = net.model.layers[0].name
    layer = tfxai.Explainer(net.model, "occlusion", layer=first, groups=[[0, 0, 1]])
    assert sums(layer(np.array(ONE), 0), np.array([[0, 0, 1]])) == [{0: pytest.approx(280), 1: pytest.approx(120)}]
    model, x = three.model, arrays(A, B, C)
    below = arrays(
        [[1.0, 2, 3]], [[0.0] * 3], [[0.0] * 3]
    )  # baselines are of the inputs: theirs is what the layer makes
    path = f"{model.layers[-1].name}/{model.layers[-1].layers[0].name}"
    each = tfxai.explain(model, x, "occlusion", 0, below, layer=path)
    np.testing.assert_allclose(each.values, [[168, 992, 148], [84, 632, 120]])
    masks = np.array([[0, 1, 0], [0, 1, 2]])
    e = tfxai.explain(model, x, "occlusion", 0, below, layer=path, groups=masks)
    assert sums(e, masks) == [{0: pytest.approx(316), 1: pytest.approx(992)},
                              {0: pytest.approx(84), 1: pytest.approx(632), 2: pytest.approx(120)}]  # fmt: skip


def test_captum_ablation_of_feature_maps(two_pictures):
    model, x = two_pictures
    path = f"{model.layers[-1].name}/relu"
    each = tfxai.explain(model, x, "occlusion", 0, layer=path, window=(1, 1, 1))
    np.testing.assert_allclose(
        each.values[0], np.moveaxis([[[4, 13], [40, 49]], [[0, 0], [-15, -24]]], 0, -1), atol=1e-4
    )
    masks = np.moveaxis(np.array([[[0, 0], [1, 1]], [[2, 2], [3, 3]]]), 0, -1)[None]
    e = tfxai.explain(model, x, "occlusion", 0, layer=path, groups=masks)
    assert sums(e, masks) == [{k: pytest.approx(v, abs=1e-3) for k, v in enumerate([17, 67, 0, -39])}]


@pytest.mark.parametrize("layer, x, expected", [
    (0, [0.0, 100, 0], [0, 100, 0]), (1, [0.0, 100, 0], [90, 101, 101, 101]), (1, [2.0, -5, 4], [-9, 2, 2, 2]),
    (2, [3.0, 4, 0], [0, 8, 8, 8]), (3, [0.0, 100, 0], [392, 394]),
])  # fmt: skip
def test_captum_activations(layer, x, expected, net):
    e = tfxai.explain(net.model, np.array([x]), "activation", target=0, layer=net.model.layers[layer].name)
    np.testing.assert_allclose(e.values, [expected])


def test_captum_activations_of_several_inputs(three):
    """Five times the sum, which there is a scale that the function takes beside."""
    x = [5 * a for a in arrays([[0.0, 10, 1]], [[0.0, 4, 5]], [[0.0, 0, 0]])]
    path = f"{three.model.layers[-1].name}/{three.model.layers[-1].layers[2].name}"
    np.testing.assert_allclose(tfxai.explain(three.model, x, "activation", 0, layer=path).values, [[90, 101, 101, 101]])


def test_captum_gradcam_with_and_without_its_relu():
    """Of a layer that hands the picture on, whose weight is .5625, with a pixel below 0."""
    model, x = c1()
    i = keras.Input((4, 4, 1))
    same = keras.Model(i, model(layers.Activation("linear", name="same")(i)))
    conv = tfxai.explain(model, x, "gradcam", 0, layer="conv", resize=False, relu=False)
    np.testing.assert_allclose(conv.values[0, ..., 0], [[11.25, 13.5], [20.25, 22.5]])
    x = x.copy()
    x[0, 1, 1] = -4
    for relu in (False, True):
        e = tfxai.explain(same, x, "gradcam", 0, layer="same", resize=False, relu=relu)
        np.testing.assert_allclose(e.values, 0.5625 * (np.maximum(x, 0) if relu else x))


def test_captum_gradcam_of_two_pictures(two_pictures):
    model, x = two_pictures
    e = tfxai.explain(model, x, "gradcam", 0, layer=f"{model.layers[-1].name}/conv", resize=False, relu=False)
    np.testing.assert_allclose(np.asarray(e.values[0] if isinstance(e.values, list) else e.values)[0, ..., 0],
                               [[14.5, 19], [32.5, 37]])  # fmt: skip


# --- Occlusion by windows: captum tests/attr/test_occlusion.py


def test_captum_windows_of_each_input_are_added_up_not_averaged(three):
    e = three.using("occlusion", window=[3, 1, 2], stride=1)(arrays(A, B, C), 0)
    np.testing.assert_allclose(e.values[0], [[492] * 3, [400] * 3])
    np.testing.assert_allclose(e.values[1], [[80, 200, 120], [0, 400, 0]])
    covered = [1, 2, 1]  # windows over a place
    np.testing.assert_allclose(e.values[2] / covered, [[400, 420, 440], [48, 50, 52]])


def test_captum_a_window_that_goes_over_the_edge_moves_back(net):
    """Theirs is cut off there: the groups 0, 0, 1."""
    e = net.using("occlusion", window=2, stride=2)(np.array(ONE), 0)
    np.testing.assert_allclose(e.values, [[280, 280 + 320, 320]])
    larger = net.using("occlusion", window=2, stride=1)(np.array(ONE), 0, 10.0)
    np.testing.assert_allclose(larger.values / [1, 2, 1], [[200, 220, 240]])


def test_captum_windows_of_two_pictures(two_pictures):
    model, x = two_pictures
    e = tfxai.explain(model, x, "occlusion", 0, window=[(2, 3), (1, 2)], stride=[(2, 1), (1, 2)])
    expected = [[17] * 4, [17] * 4, [64, 65.5, 65.5, 67], [64, 65.5, 65.5, 67]]
    np.testing.assert_allclose(e.values[0][0, ..., 0] / [1, 2, 2, 1], expected, atol=1e-4)
    np.testing.assert_allclose(e.values[1][0, ..., 0], [[3] * 4] * 3 + [[0] * 4], atol=1e-4)


@pytest.mark.parametrize("options, words", [
    ({"window": (1, 2, 3, 4)}, "window has one number, or one for each of the 2 axes"),
    ({"window": 2, "stride": (1, 2, 3, 4)}, "stride has one number, or one for each of the 2 axes"),
    ({"window": [2, 2, 2]}, "window"), ({"window": 1, "stride": 2}, "leave places between them"),
])  # fmt: skip
def test_captum_improper_windows(options, words, two_pictures):
    model, x = two_pictures
    with pytest.raises(OptionError, match=words):
        tfxai.explain(model, x, "occlusion", 0, **options)


# --- DeepExplain: occlusion and Shapley values

CROSS = tfxai.black_box(lambda x: np.maximum(np.maximum(x[:, 0] - 1, 0) - np.maximum(x[:, 1], 0), 0))
MINIMUM = tfxai.black_box(lambda x: x.reshape(len(x), -1).min(1), "table")


def test_deepexplain_occlusion():
    x = np.array([[-10.0, -5], [3, 1]])
    np.testing.assert_array_equal(tfxai.explain(CROSS, x, "occlusion").values, [[0, 0], [1, -1]])
    np.testing.assert_array_equal(tfxai.explain(CROSS, x.repeat(10, 0), "occlusion", batch_size=5).values,
                                  np.repeat([[0, 0], [1, -1]], 10, 0))  # fmt: skip
    shared = tfxai.explain(CROSS, x, "occlusion", groups=[0, 0])  # a window of two shares its drop there
    np.testing.assert_array_equal(shared.values, [[0, 0], [0.5, 0.5]])
    with pytest.raises(OptionError, match="leave places between them"):  # NaN there
        tfxai.explain(CROSS, x, "occlusion", stride=2)


@pytest.mark.parametrize("method", SHAPLEY)
def test_deepexplain_shapley_values_of_a_minimum(method):
    x = np.array([[2.0, -2], [4, 2]])
    np.testing.assert_allclose(tfxai.explain(MINIMUM, x, method).values, [[0, -2], [1, 1]], atol=1e-12)
    many = tfxai.explain(MINIMUM, x.repeat(20, 0), method, batch_size=5)
    np.testing.assert_allclose(many.values, np.repeat([[0, -2], [1, 1]], 20, 0), atol=1e-12)
    rows = tfxai.explain(MINIMUM, np.array([[[-1.0, 4], [-2, 1]]]), method, groups=[[0, 0], [1, 1]])
    np.testing.assert_allclose(rows.values.sum(2), [[-0.5, -1.5]], atol=1e-12)  # sampling_dims=[1] there


@pytest.mark.parametrize("method", ["occlusion", *SHAPLEY])
def test_deepexplain_two_inputs_which_it_refuses_and_weights_of_outputs(method):
    box = tfxai.black_box(lambda x: np.maximum(np.concatenate([x[0] * 3, x[1] * 2], 1), 0))
    x = arrays([[-10.0, -5]], [[3.0, 1]])
    for target, expected in (([1.0, 1, 1, 1], [6, 2]), ([0.0, 0, 1, 0], [6, 0]), ([0.0, 0, 0, 1], [0, 2])):
        e = tfxai.explain(box, x, method, tfxai.targets.mask(target))
        np.testing.assert_allclose(e.values[0], [[0, 0]], atol=1e-12)
        np.testing.assert_allclose(e.values[1], [expected], atol=1e-12)
        if sum(target) == 1:
            one = tfxai.explain(box, x, method, target.index(1.0))
            np.testing.assert_allclose(one.values[1], e.values[1], atol=1e-12)


# --- Targets: captum tests/attr/helpers/test_config.py, xplique tests/commons and test_object_detector.py


def test_captum_a_place_of_each_example():
    """BasicModel_MultiLayer(multidim_output=True): (class, 1 or 2 times, 1 or 4 times)."""
    i = keras.Input((3,), dtype="float64")
    y = dense(*ML, dtype="float64")(i)
    twice = keras.ops.stack([y, 2 * y], axis=2)
    model = keras.Model(i, keras.ops.stack([twice, 4 * twice], axis=3))
    places = [(1, 0, 0), (0, 1, 1), (1, 1, 1), (0, 0, 0)]
    for method, one in (("occlusion", [80, 200, 120]), ("kernel_shap", [230 / 3, 590 / 3, 350 / 3])):
        e = tfxai.explain(model, np.array(ONE * 4), method, places)
        np.testing.assert_allclose(e.values, np.outer([1, 8, 8, 1], one))


@pytest.mark.parametrize("asked, found, overlap", [
    ([10, 20, 30, 40], [15, 20, 30, 40], 0.75), ([10, 20, 30, 40], [0, 20, 10, 40], 0),
    ([0, 20, 10, 40], [15, 20, 30, 40], 0), ([10, 20, 30, 40], [0, 0, 100, 100], 0.04),
    ([15, 20, 30, 40], [0, 0, 100, 100], 0.03), ([0, 20, 10, 40], [0, 0, 100, 100], 0.02),
])  # fmt: skip
def test_xplique_overlap_of_boxes_is_the_score_of_a_sure_detector(asked, found, overlap):
    def detector(x):
        boxes, sure = np.full((len(x), 1, 4), found, float), np.tile([[[0.0, 1.0]]], (len(x), 1, 1))
        return {"boxes": boxes, "scores": sure}

    target = tfxai.targets.box(asked, 1, format="xyxy", size=(100, 100))
    e = tfxai.explain(tfxai.black_box(detector, "image"), np.ones((1, 2, 2, 1)), "occlusion", target, window=1)
    assert e.score == [pytest.approx(overlap, abs=1e-6)] and not e.values.any()


def test_xplique_regions_of_a_segmentation():
    """The picture and the mean of its channels as classes; their score is the mean over a region."""
    channels = [[[0, 0, 1], [0, 0, 1], [1, 1, 1]], [[0, 0, 0], [0, 1, 0], [1, 1, 1]], [[0, 0, 0], [0, 0, 0], [1, 0, 0]]]
    x = np.moveaxis(np.array(channels, "float32"), 0, -1)[None]

    i = keras.Input((3, 3, 3))
    mean = layers.Conv2D(1, 1, use_bias=False, kernel_initializer=keras.initializers.Constant(1 / 3))
    model = keras.Model(i, layers.Concatenate()([i, mean(i)]))
    ones = np.array(channels[0], float)
    below = np.array([[0, 0, 0], [0, 0, 0], [1, 1, 1.0]])
    for region, k, expected in ((ones, 0, 1), (below, 3, 7 / 9)):
        e = tfxai.explain(model, x, "occlusion", tfxai.targets.region(region / region.sum(), k), window=1)
        assert e.score == [pytest.approx(expected, abs=1e-6)] and e.values.sum() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("labels, outputs, expected", [
    ([0], [1], [0]), ([0], [0], [1]), ([1], [1], [1]), ([1], [0], [0]), ([1, 1, 1], [0, 1, 0], [0, 1, 0]),
    ([0, 0, 0], [0, 1, 0], [1, 0, 1]), ([1, 0, 1], [0, 1, 0], [0, 0, 0]), ([0, 1, 0], [0, 1, 0], [1, 1, 1]),
])  # fmt: skip
def test_tf_keras_vis_binary_scores_by_labels(labels, outputs, expected):
    """BinaryScore: the probability of the side that the label says, of outputs that are 0 or 1."""
    i = keras.Input((1,), dtype="float64")
    model = keras.Model(i, keras.ops.sigmoid(80 * i - 40))
    data = tf.data.Dataset.from_tensor_slices((np.array(outputs, float)[:, None], labels)).batch(2)
    e = tfxai.explain(model, data, "occlusion", "labels", on="probability")
    np.testing.assert_allclose(e.score, expected, atol=1e-15)


# --- Data sets: captum tests/attr/test_dataloader_attr.py; what is hidden: test_feature_permutation.py, xplique

DATA = [
    np.array([[0.0, 0.1], [0.3, 0.4], [0.6, 0.7], [0.9, 1.0], [1.2, 1.3]]),
    np.array([[[0.1, 0.2], [0.3, 0.2]], [[0.4, 0.5], [0.3, 0.2]], [[0.8, 0.1], [0.2, 0.5]], [[1.1, 0.7], [0.1, 0.7]],
              [[0.6, 1.4], [1.2, 0.4]]]),
    np.array([[0.0], [1], [0], [0], [1]]),
]  # fmt: skip


def batches(kind):
    found = [tuple(a[k : k + 2] for a in DATA) for k in (0, 2, 4)]
    if kind == "generator":
        return ((list(x),) for x in found)
    return tf.data.Dataset.from_tensor_slices((tuple(DATA),)).batch(2)


@pytest.mark.parametrize("kind", ["generator", "data set"])
def test_captum_data_in_batches_of_a_sum(kind):
    box = tfxai.black_box(lambda x: sum(a.reshape(len(a), -1).sum(1) for a in x), ["table", "table", "table"])
    steps = {"steps": 3} if kind == "generator" else {}
    for baseline in (None, [np.array([[0.0, -1.0]]), 1.0, 0.1]):
        e = tfxai.explain(box, batches(kind), "occlusion", None, baseline, **steps)
        for values, x, start in zip(e.values, DATA, baseline or [0.0] * 3, strict=True):
            np.testing.assert_allclose(values, x - start, atol=1e-12)
    masks = [np.array([[0, 0]]), np.array([[[1, 2], [3, 2]]]), np.array([[4]])]
    e = tfxai.explain(box, batches(kind), "occlusion", groups=masks, **steps)
    a, b, c = DATA
    expected = np.stack([a.sum(1), b[:, 0, 0], b[:, :, 1].sum(1), b[:, 1, 0], c[:, 0]], 1)
    np.testing.assert_allclose([list(row.values()) for row in sums(e, masks)], expected, atol=1e-12)


def test_captum_permutation_is_a_baseline_of_other_rows(rng):
    """Two rows that change places in one feature, of 1 - x; alone a row stays what it is."""
    x, f = rng.normal(size=(2, 4)), tfxai.black_box(lambda z: 1 - z)
    e = tfxai.explain(f, x, "occlusion", 1, x[::-1].copy())
    expected = np.zeros((2, 4))
    expected[:, 1] = (1 - x[:, 1]) - (1 - x[::-1, 1])
    np.testing.assert_allclose(e.values, expected, atol=1e-12)
    np.testing.assert_array_equal(tfxai.explain(f, x[:1], "occlusion", 1, x[:1]).values, np.zeros((1, 4)))


def test_xplique_what_is_hidden_is_replaced_by_the_number_given():
    """Its hand-made rows of 49, and of a colour of each channel; its drops from 1 to 1, 0, 10 and -1."""
    seen = []

    def looked(x):
        seen.append(x)
        return x.reshape(len(x), -1).sum(1)

    tfxai.explain(tfxai.black_box(looked, "image"), np.ones((1, 2, 2, 1)), "occlusion", window=1, fill=49)
    rows = [tuple(row) for row in np.concatenate(seen).reshape(-1, 4)]
    assert {(49, 1, 1, 1), (1, 49, 1, 1), (1, 1, 49, 1), (1, 1, 1, 49)} == set(rows) - {(1, 1, 1, 1), (0, 0, 0, 0)}
    seen.clear()
    colour = np.broadcast_to([125.0, 255, 0], (1, 2, 2, 3))
    tfxai.explain(tfxai.black_box(looked, "image"), np.ones((1, 2, 2, 3)), "occlusion", None, colour, window=1)
    assert any(
        np.array_equal(row, [[[1, 1, 1], [125, 255, 0]], [[1, 1, 1], [1, 1, 1]]]) for row in np.concatenate(seen)
    )

    drops = tfxai.black_box(lambda x: 1 + (1 - x.reshape(-1, 4)) @ np.array([0.0, -1, 9, -2]), "image")
    e = tfxai.explain(drops, np.ones((1, 2, 2, 1)), "occlusion", window=1)
    np.testing.assert_allclose(e.values[0, ..., 0], [[0, 1], [-9, 2]])


def test_tf_explain_confidence_that_falls_alike_under_every_patch():
    sure = tfxai.black_box(lambda x: np.where(x.reshape(len(x), -1).all(1), 1, 0.6), "image")
    e = tfxai.explain(sure, np.ones((1, 28, 28, 1)), "occlusion", window=4, stride=4)
    np.testing.assert_allclose(e.values, 0.4)


@pytest.mark.parametrize("count, expected", [(5, [1, 2 / 3, 2 / 3, 1])])
def test_xplique_weights_of_sizes_of_coalitions(count, expected):
    shown, weights = shapley.drawn(np.random.default_rng(0), count, 2**count - 2)
    each = np.array([weights[shown.sum(1) == size].sum() for size in range(1, count)])
    np.testing.assert_allclose(each / each[0], expected)
