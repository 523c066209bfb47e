"""Several targets in one call: what each of them gives alone, from passes forward that are run once."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfxai
from tfxai import targets
from tfxai.errors import OptionError, TargetError
from tfxai.model.points import again, points


@pytest.fixture(scope="module")
def net():
    keras.utils.set_random_seed(4)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(8, activation="gelu"), layers.Dense(4), layers.Softmax()])
    return model, np.random.default_rng(0).normal(size=(3, 5)).astype("float32")


def same(e, own):
    np.testing.assert_allclose(e.values, own.values, atol=1e-6)
    np.testing.assert_allclose(e.score, own.score, atol=1e-6)
    np.testing.assert_array_equal(e.target, own.target)
    if own.delta is not None:
        np.testing.assert_allclose(e.delta, own.delta, atol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("batch_size", [None, 1, 2])
def test_all_forms_of_targets_side_by_side(net, batch_size):
    model, x = net
    explainer = tfxai.Explainer(model)
    wanted = [
        2, [1, 3, 0], None, targets.difference(2, 0), targets.adjusted(1), targets.mask(np.eye(4)[:3]), (3,),
        [(0,), (1,), (2,)], lambda y: y[:, 1] ** 2, targets.contrast(1), targets.neuron(0, 5), 0,
    ]  # fmt: skip
    found = explainer(x, targets.each(wanted), batch_size=batch_size)
    assert len(found) == len(wanted)
    for e, target in zip(found, wanted, strict=True):
        same(e, explainer(x, target))


REFERENCES = {
    "shared": np.random.default_rng(1).normal(size=(1, 6, 5)),
    "each their own": np.random.default_rng(1).normal(size=(3, 6, 5)),
    "one": np.full(5, 0.3),
    "of each example": np.random.default_rng(1).normal(size=(3, 5)),
}


@pytest.mark.long
@pytest.mark.parametrize("baseline", list(REFERENCES))
@pytest.mark.parametrize("method", ["deeplift", "integrated_gradients", "expected_gradients", "occlusion"])
def test_against_references(net, baseline, method):
    model, x = net
    explainer = tfxai.Explainer(model, method)
    found = explainer(x, targets.each([3, 0]), REFERENCES[baseline], batch_size=2, seed=1)
    for e, target in zip(found, [3, 0], strict=True):
        same(e, explainer(x, target, REFERENCES[baseline], batch_size=2, seed=1))


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [
        {"method": "integrated_gradients", "tolerance": 1e-4},  # its paths are cut where each class bends
        {"method": "smoothgrad", "samples": 3, "inner": "integrated_gradients"},
        {"method": "rise", "samples": 10},
        {"method": "shapley_sampling", "samples": 4},
        {"method": "kernel_shap"},
        {"method": "lime", "samples": 20},
        {"method": "occlusion", "groups": [0, 0, 1, 1, 2]},
        {"method": "integrated_gradients", "steps": 5, "layer": 0, "path": "input"},
        {"method": "lrp", "rule": "epsilon"},
        {"method": "deeplift", "rule": "reveal_cancel"},
        {"method": "deeplift", "multipliers": True},
        {"method": "deeplift", "jit_compile": True},
        {"method": "deeplift", "layer": 0},
        {"method": "gradient", "on": "probability"},
    ],
)
def test_methods_and_options(net, options):
    model, x = net
    explainer = tfxai.Explainer(model, **options)
    for e, target in zip(explainer(x, targets.each([3, 0, 1]), seed=0), [3, 0, 1], strict=True):
        own = explainer(x, target, seed=0)
        same(e, own)
        assert e.meta == own.meta | ({"r2": pytest.approx(own.meta["r2"])} if "r2" in own.meta else {})
        for name, sums in (own.layer_sums or {}).items():
            for part, numbers in sums.items():
                np.testing.assert_allclose(e.layer_sums[name][part], numbers, atol=1e-5)


def test_missing_numbers():
    model = keras.Sequential(
        [keras.Input((3,)), layers.Lambda(lambda x: tf.where(tf.math.is_nan(x), -1.0, x)), layers.Dense(3)]
    )
    x = np.array([[1, np.nan, 2], [np.nan, 1, 1]], "float32")
    for e, target in zip(tfxai.explain(model, x, target=targets.each([0, 2]), allow_nan=True), [0, 2], strict=True):
        same(e, tfxai.explain(model, x, target=target, allow_nan=True))


def test_the_way_forward_is_shared(net):
    """What is compiled of a model that has only ever been asked for several targets: no pass of one target."""
    model, x = net[0], net[1]
    explainer = tfxai.Explainer(keras.models.clone_model(model))
    explainer(x, targets.each([0, 3]))
    kinds = {key[0] for key in explainer.trace(x)[1].compiled.functions}
    assert "several" in kinds and not {"backward", "score"} & kinds
    traces = explainer.traces
    explainer(x, targets.each([0, 1, 2, 3]))
    explainer(x, targets.each([2, 1]))
    assert explainer.traces == traces


def test_more_targets_than_share_a_pass():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(6, activation="relu"), layers.Dense(75)])
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    explainer = tfxai.Explainer(model)
    runs = explainer._asking.runs(x, targets.each(range(75)), None)
    assert sorted(map(len, runs)) == [11, 32, 32] and sorted(k for places in runs for k in places) == list(range(75))
    found = explainer(x, targets.each(range(75)))
    for k in (0, 31, 32, 64, 74):
        same(found[k], explainer(x, k))


def test_a_model_of_a_fixed_batch():
    model = keras.Sequential([keras.Input((4, 3), batch_size=2), layers.LSTM(5), layers.Dense(3)])
    x = np.random.default_rng(0).normal(size=(5, 4, 3)).astype("float32")
    for e, target in zip(tfxai.explain(model, x, target=targets.each([2, 0])), [2, 0], strict=True):
        same(e, tfxai.explain(model, x, target=target))


def test_a_model_that_counts_its_examples():
    """Beside other targets, as alone, a pass has the examples of a chunk, and no more."""

    class Counting(keras.layers.Layer):
        def call(self, x):
            return x * tf.cast(tf.shape(x)[0], x.dtype)

    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="relu"), Counting(), layers.Dense(3)])
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    for batch_size in (2, 5):
        found = tfxai.explain(model, x, target=targets.each([2, 0]), batch_size=batch_size)
        for e, target in zip(found, [2, 0], strict=True):
            same(e, tfxai.explain(model, x, target=target, batch_size=batch_size))


def test_ragged_rows():
    i = keras.Input((None, 3), ragged=True)
    model = keras.Model(i, layers.Dense(3)(layers.Lambda(lambda r: tf.reduce_mean(r, 1))(i)))
    x = tf.RaggedTensor.from_row_lengths(np.random.default_rng(0).normal(size=(5, 3)).astype("float32"), [2, 3])
    for e, target in zip(tfxai.explain(model, x, target=targets.each([0, 2])), [0, 2], strict=True):
        same(e, tfxai.explain(model, x, target=target))


# --- top


def test_top_is_each_examples_own_order(net):
    model, x = net
    found = tfxai.explain(model, x, target=targets.top(4))
    order = np.argsort(-np.asarray(model(x)), axis=1)
    for rank, e in enumerate(found):
        np.testing.assert_array_equal(e.target, order[:, rank])
        same(e, tfxai.explain(model, x, target=order[:, rank]))
    assert [e.score[0] for e in found] == sorted((e.score[0] for e in found), reverse=True)


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_top_stays_the_class_at_x(net, method):
    """Also where the class would be another on the way to the baseline."""
    model, x = net
    order = np.argsort(-np.asarray(model(x)), axis=1)
    for rank, e in enumerate(tfxai.explain(model, x, method, target=targets.top(3))):
        same(e, tfxai.explain(model, x, method, target=order[:, rank]))


def test_equal_scores_are_in_the_order_of_their_classes():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, kernel_initializer="ones")])
    found = tfxai.explain(model, np.ones((2, 2)), target=targets.top(3))
    assert [e.target.tolist() for e in found] == [[0, 0], [1, 1], [2, 2]]


def test_top_of_two_named_sides():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, kernel_initializer="ones", activation="sigmoid")])
    x = np.array([[1.0, 2.0], [-1.0, -2.0]])
    for on, high, low in (("logit", 3, -3), ("probability", 1 / (1 + np.exp(-3)), 1 / (1 + np.exp(3)))):
        first, second = tfxai.explain(model, x, target=targets.top(2), labels=["cat", "dog"], on=on)
        assert first.target.tolist() == [1, 0] and second.target.tolist() == [0, 1]
        np.testing.assert_allclose(first.score, high, rtol=1e-5)
        np.testing.assert_allclose(second.score, low, rtol=1e-4)


def test_several_of_one_output():
    i = keras.Input((3,))
    model = keras.Model(i, {"a": layers.Dense(4, name="a")(i), "b": layers.Dense(2, name="b")(i)})
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    for e, k in zip(tfxai.explain(model, x, target=targets.output("a", targets.each([3, 1]))), [3, 1], strict=True):
        same(e, tfxai.explain(model, x, target=targets.output("a", k)))
    both = targets.each([targets.output("a", 0), targets.output("b", 0)])
    for e, name in zip(tfxai.explain(model, x, target=both), "ab", strict=True):
        same(e, tfxai.explain(model, x, target=targets.output(name, 0)))
    top = tfxai.explain(model, x, target=targets.output("b", targets.top(2)))
    assert [e.target.tolist() for e in top] == np.argsort(-np.asarray(model(x)["b"]), 1).T.tolist()


def test_names_of_classes(net):
    model, x = net
    names = ["ant", "bee", "cat", "dog"]
    found = tfxai.explain(model, x, target=targets.each(["dog", "ant"]), labels=names)
    assert [e.target.tolist() for e in found] == [[3] * 3, [0] * 3]


def test_a_warning_is_given_once(net):
    model, x = net
    with pytest.warns(tfxai.CompletenessWarning) as said:
        tfxai.explain(model, x, tfxai.IntegratedGradients(steps=1, quadrature="left"), target=targets.each([0, 1]))
    assert len(said) == len({str(w.message) for w in said}) <= 2


def test_what_is_no_list_of_targets(net):
    model, x = net
    for bad in (3, None, [], "dog"):
        with pytest.raises(TargetError, match=r"each\(\) takes a list of targets"):
            targets.each(bad)
    with pytest.raises(TargetError, match="is one target"):
        targets.each([0, targets.top(2)])
    with pytest.raises(OptionError, match="k is a whole number from 1"):
        targets.top(0)
    with pytest.raises(TargetError, match=r"has 4 classes, so top\(\) has at most as many. Received: 5"):
        tfxai.explain(model, x, target=targets.top(5))
    with pytest.raises(TargetError, match="classes 0 to 3. Received: target 7"):
        tfxai.explain(model, x, target=targets.each([0, 7]))


def test_what_is_put_into_an_output(net):
    model, x = net
    with pytest.raises(TargetError, match="A neuron is of a layer, not of an output"):
        tfxai.explain(model, x, target=targets.output(0, targets.neuron(0, 1)))
    with pytest.raises(TargetError, match="An output is named once"):
        tfxai.explain(model, x, target=targets.output(0, targets.output(0, 1)))


def test_where_one_target_is_taken(net):
    model, x = net
    explainer = tfxai.Explainer(model)
    for call in (
        lambda: explainer.leaks(x, targets.each([0, 1])),
        lambda: explainer.run(x, targets.top(2)),
        lambda: tfxai.evaluate(model, x, ["deeplift"], ["deletion"], target=targets.each([0, 1])),
        lambda: tfxai.check(model, x, target=targets.each([0, 1])),
    ):
        with pytest.raises(TargetError, match="One target is taken here"):
            call()


# --- Which rows are the same point


def test_copies_of_rows_are_points_of_their_own():
    numbers = np.array([0, 0, 1, 1])  # two examples, two targets each
    copies = again(numbers, np.repeat(np.arange(4), 3))
    found = points(copies)
    assert found is not None and found.order.shape == (2, 6)
    np.testing.assert_array_equal(found.of, [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5])
    rows = np.arange(12)
    np.testing.assert_array_equal(found.order.reshape(-1)[found.back], rows)
    np.testing.assert_array_equal(rows[found.first], [0, 1, 2, 6, 7, 8])
    assert points(again(numbers, np.array([0, 1, 2]))) is None  # one target of the second example is not there


def test_rows_that_a_method_changed_are_not_the_same():
    found = points(np.array([0, 0, 1, 1]))
    equal = tf.constant([[1.0], [1.0], [np.nan], [np.nan]])
    assert found.same([equal]) and not found.same([equal, tf.constant([1, 1, 2, 3])])
