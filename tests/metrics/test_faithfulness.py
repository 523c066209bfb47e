"""Faithfulness against closed forms and sums by hand."""

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tests.planted import KINDS, case_of
from tfxai.errors import InputError, OptionError
from tfxai.metrics import Case, correlation, deletion, infidelity, insertion, road
from tfxai.metrics.faithfulness import counts, deletion_curve, insertion_curve, road_curve
from tfxai.metrics.imputation import imputed


def ones(features):
    return keras.Sequential([keras.Input((features,)), layers.Dense(1, kernel_initializer="ones")])


def cnn():
    conv = layers.Conv2D(4, 3, activation="relu")
    return keras.Sequential([keras.Input((6, 6, 2)), conv, layers.Flatten(), layers.Dense(3, activation="softmax")])


@pytest.mark.parametrize("place", [0, 17, 63])
def test_step_models(place):
    """f is 1 while one feature is there: whoever puts it first has deletion 0 and insertion 1, but for half a step."""
    x, values = np.ones((2, 64), "float32"), np.zeros((2, 64))
    values[:, place] = 1

    def model(x):
        return keras.ops.clip(1000 * (x[:, place : place + 1] - 0.5), 0, 1)

    def case(values):
        return Case.of(model, x, values, target=0)

    assert np.allclose(deletion(case(values), steps=64), 1 / 128)
    assert np.allclose(insertion(case(values), steps=64), 1 - 1 / 128)
    assert np.allclose(deletion(case(-values), steps=64), 1 - 1 / 128)
    assert np.allclose(insertion(case(-values), steps=64), 1 / 128)


def test_deletion_by_hand(rng):
    """On a network whose prediction changes on the way: the score is that of the class at x."""
    model, x, values = cnn(), rng.normal(size=(3, 6, 6, 2)).astype("float32"), rng.normal(size=(3, 6, 6, 2))
    classes = model.predict(x, verbose=0).argmax(1)
    logits = keras.Model(model.inputs, layers.Dense(3, name="head")(model.layers[-2].output))
    logits.get_layer("head").set_weights(model.layers[-1].get_weights())
    order = np.argsort(-values.sum(-1).reshape(3, 36), axis=1, kind="stable")
    expected = []
    for k in (0, 9, 18, 27, 36):
        hidden = x.copy().reshape(3, 36, 2)
        for row, first in zip(hidden, order, strict=True):
            row[first[:k]] = 0.25
        expected.append(logits.predict(hidden.reshape(x.shape), verbose=0)[np.arange(3), classes])
    case = Case.of(model, x, values, baseline=0.25)
    curve = deletion_curve(case, steps=4)
    assert np.allclose(curve.shares, [0, 0.25, 0.5, 0.75, 1])
    assert np.allclose(curve.scores, np.transpose(expected), atol=1e-5)
    by_hand = np.transpose(expected) @ [0.125, 0.25, 0.25, 0.25, 0.125]
    assert np.allclose(deletion(case, steps=4), by_hand, atol=1e-5)
    assert len({tuple(e.argmax(1)) for e in [logits.predict(x * s, verbose=0) for s in (1, 0)]}) == 2
    backwards = Case.of(model, x, -values, baseline=0.25)
    assert np.allclose(insertion(case, steps=4), deletion(backwards, steps=4), atol=1e-5)
    assert np.allclose(
        insertion_curve(case, steps=4).scores, deletion_curve(backwards, steps=4).scores[:, ::-1], atol=1e-5
    )


def test_several_references_are_averaged(rng):
    model, x, values = cnn(), rng.normal(size=(2, 6, 6, 2)).astype("float32"), rng.normal(size=(2, 6, 6, 2))
    references = rng.normal(size=(1, 3, 6, 6, 2)).astype("float32")
    whole = deletion(Case.of(model, x, values, baseline=references))
    each = [deletion(Case.of(model, x, values, baseline=references[0, k : k + 1])) for k in range(3)]
    assert np.allclose(whole, np.mean(each, 0), atol=1e-5) and np.ptp(each, axis=0).min() > 1e-3


def test_ties_are_broken_by_position():
    """Of equal attributions the first in x is hidden first, and comes back first."""
    x = np.array([[1.0, 2.0, 4.0, 8.0]], "float32")
    case = Case.of(ones(4), x, np.zeros((1, 4)))
    assert case.order().tolist() == [[0, 1, 2, 3]] and case.ranks().tolist() == [[0, 1, 2, 3]]
    assert deletion_curve(case).scores.tolist() == [[15, 14, 12, 8, 0]]
    assert insertion_curve(case).scores.tolist() == [[0, 1, 3, 7, 15]]


def test_steps_are_never_more_than_features():
    assert counts(9, 20).tolist() == list(range(10)) and counts(10, 4).tolist() == [0, 2, 5, 8, 10]
    assert counts(50176, 100)[[0, 1, 100]].tolist() == [0, 502, 50176]


def test_correlation_and_infidelity_of_a_sum(rng):
    x = rng.normal(size=(3, 12)).astype("float32")
    model = ones(12)
    assert np.allclose(correlation(Case.of(model, x, x)), 1, atol=1e-5)
    assert np.allclose(correlation(Case.of(model, x, -x)), -1, atol=1e-5)
    assert np.allclose(infidelity(Case.of(model, x, x), scaled=False), 0, atol=1e-9)
    assert np.allclose(infidelity(Case.of(model, x, 7 * x)), 0, atol=1e-9)  # scaled
    lost = infidelity(Case.of(model, x, 0 * x))  # nothing is said: the mean square of what is lost, the worst
    assert np.allclose(infidelity(Case.of(model, x, 3 * x), scaled=False), 4 * lost, rtol=1e-4)
    assert (lost > 0).all() and np.allclose(correlation(Case.of(model, x, 0 * x)), 0)
    assert (infidelity(Case.of(model, x, rng.normal(size=x.shape))) < lost).all()


def test_subsets_hold_as_many_features_as_they_should():
    """All subsets of a sum of ones lose their size: that is what tells how large they are."""
    case = Case.of(ones(20), np.ones((1, 20), "float32"), np.zeros((1, 20)))
    assert infidelity(case, share=0.25).round(4).tolist() == [25] and infidelity(case, share=0.5).round(4).tolist() == [
        100
    ]


# --- ROAD


def dense_solution(x, gone):
    """u_i sum_j w_ij = sum_j w_ij u_j as a dense system, neighbour by neighbour."""
    places = [tuple(p) for p in np.argwhere(gone)]
    number = {p: k for k, p in enumerate(places)}
    a, b = np.zeros((len(places),) * 2), np.zeros((len(places), x.shape[-1]))
    for p, k in number.items():
        for offset in np.ndindex((3,) * gone.ndim):
            q = tuple(i + o - 1 for i, o in zip(p, offset, strict=True))
            if q == p or any(not 0 <= i < s for i, s in zip(q, gone.shape, strict=True)):
                continue
            weight = 0.5 ** sum(o != 1 for o in offset)
            a[k, k] += weight
            if q in number:
                a[k, number[q]] -= weight
            else:
                b[k] += weight * x[q]
    filled = x.astype(float).copy()
    filled[gone] = np.linalg.solve(a, b)
    return filled


@pytest.mark.parametrize("grid", [(40,), (15, 12), (5, 6, 7), (1, 9)])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_imputation_solves_the_system(grid, share, rng):
    x = rng.uniform(size=(2, *grid, 3)).astype("float32")
    gone = rng.uniform(size=(2, 4, *grid)) < share
    gone[:, 0] = True
    gone[:, 0, ..., -1] = False  # a large hole
    gone[:, :, (0,) * len(grid)] = False if len(grid) == 1 else gone[:, :, (0,) * len(grid)]
    gone[(slice(None), slice(None), *(0,) * len(grid))] = False
    found = imputed(x, gone[..., None], tuple(range(1, 1 + len(grid))))
    for i, k in np.ndindex(2, 4):
        expected = dense_solution(x[i], gone[i, k])
        assert np.abs(found[i, k] - expected).max() < 3e-3
        assert np.array_equal(found[i, k][~gone[i, k]], x[i][~gone[i, k]])


def test_road_by_hand(rng):
    model, x, values = cnn(), rng.uniform(size=(2, 6, 6, 2)).astype("float32"), rng.normal(size=(2, 6, 6, 2))
    case = Case.of(model, x, values, target=1, on="probability")
    curve = road_curve(case, steps=4, noise=0)
    order = np.argsort(-values.sum(-1).reshape(2, 36), axis=1, kind="stable")
    for k, count in enumerate((0, 9, 18, 27)):
        gone = np.zeros((2, 36), bool)
        np.put_along_axis(gone, order[:, :count], True, axis=1)
        filled = np.stack([dense_solution(a, g.reshape(6, 6)) if count else a for a, g in zip(x, gone, strict=True)])
        assert np.allclose(curve.scores[:, k], model.predict(filled, verbose=0)[:, 1], atol=2e-3)
    least = road_curve(case, steps=4, first="least", noise=0)
    assert np.allclose(
        least.scores, road_curve(Case.of(model, x, -values, target=1, on="probability"), 4, noise=0).scores
    )
    assert not np.allclose(curve.scores[:, 1:], road_curve(case, 4, noise=0.2).scores[:, 1:], atol=1e-3)
    assert np.allclose(curve.scores[:, 0], road_curve(case, 4, noise=0.2).scores[:, 0])


def test_bad_options(rng):
    model, x, truth, _ = KINDS["images"](rng)
    case = case_of(model, x, truth)
    for wrong, words in (
        (lambda: deletion(case, steps=0), "steps is a whole number from 1. Received: 0"),
        (lambda: insertion(case, steps=2.5), "steps is a whole number"),
        (lambda: correlation(case, samples=1), "samples is a whole number from 2"),
        (lambda: correlation(case, share=1), "share is a number between 0 and 1"),
        (lambda: road(case, first="last"), "first is 'most' or 'least'. Received: 'last'"),
        (lambda: road(case, noise=-1), "noise is a number from 0"),
    ):
        with pytest.raises(OptionError, match=words):
            wrong()
    with pytest.raises(InputError, match=r"NaN or Inf in 1 examples \(first: example 2\)"):
        case_of(model, x, np.where(np.arange(6)[:, None, None, None] == 2, np.nan, truth))
    with pytest.raises(InputError, match=r"expected shape \(6, 8, 8, 2\).*or \(6, 8, 8\).*Received: \(6, 4, 4\)"):
        case_of(model, x, np.zeros((6, 4, 4)))
    with pytest.raises(InputError, match="Metrics are of inputs"):
        Case.of(model, x, layer=1)


def test_fixed_inputs_have_no_features(rng):
    model, x, truth, masks = KINDS["two inputs"](rng)
    whole, held = (case_of(model, x, "deeplift", fixed=fixed) for fixed in (None, ["in1"]))
    assert whole.features == 64 + 12 and held.features == 64
    assert np.allclose(held.relevance, whole.relevance[:, :64], atol=1e-5)
    assert np.allclose(np.subtract(*held.probe.ends.T), truth[0].sum((1, 2, 3)), atol=1e-4)
    assert case_of(model, x, "deeplift", fixed=["in1"], masks=masks[0]).masks.shape == (6, 64)


def test_class_activation_maps_and_channels_first(rng):
    keras.utils.set_random_seed(0)
    model, x = cnn(), rng.normal(size=(2, 6, 6, 2)).astype("float32")
    case = Case.of(model, x, "gradcam")
    assert case.relevance.shape == (2, 36) and np.isfinite(deletion(case)).all()
    turned = keras.Sequential([keras.Input((2, 6, 6)), layers.Permute((2, 3, 1)), *model.layers])
    other = Case.of(turned, x.transpose(0, 3, 1, 2), "deeplift")
    assert np.allclose(other.relevance, Case.of(model, x, "deeplift").relevance, atol=1e-5)
    assert np.allclose(deletion(other), deletion(Case.of(model, x, "deeplift")), atol=1e-5)


def test_slopes_count_by_their_size():
    model = keras.Sequential([keras.Input((2, 1)), layers.Flatten(), layers.Dense(1, use_bias=False)])
    model.layers[-1].set_weights([np.array([[1.0], [-3.0]])])
    x = np.ones((1, 2, 1), "float32")
    assert Case.of(model, x, "gradient").relevance.tolist() == [[1, 3]]
    assert Case.of(model, x, "deeplift").relevance.tolist() == [[1, -3]]
    assert Case.of(model, x, tfxai.explain(model, x, "gradient").values).relevance.tolist() == [[1, -3]]
