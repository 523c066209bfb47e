"""Localisation, complexity, agreement, robustness and adding up: extreme values, and small cases by hand."""

import keras
import numpy as np
import pytest
import scipy.stats
from keras import layers

import tfxai
from tests.planted import KINDS, case_of
from tfxai.errors import InputError, MethodError, OptionError, TargetError, UnknownOptionError
from tfxai.metrics import (
    Case,
    entropy,
    incompleteness,
    max_sensitivity,
    pointing_game,
    rank_agreement,
    relevance_mass,
    relevance_rank,
    sparseness,
    top_k_overlap,
)


@pytest.fixture
def images(rng):
    model, x, truth, masks = KINDS["images"](rng)
    return model, x, truth, masks


def test_localisation_of_the_mask_and_of_all_else(images):
    model, x, _, masks = images
    values = masks + 1e-3 * np.random.default_rng(0).uniform(size=masks.shape) * masks
    inside, outside = (case_of(model, x, v, masks=masks) for v in (values, 1 - values))
    for metric in (pointing_game, relevance_mass, relevance_rank):
        assert np.allclose(metric(inside), 1) and metric(outside).max() < 1e-2
    even = case_of(model, x, np.ones((6, 8, 8)), masks=masks)
    assert np.allclose(relevance_mass(even), 4 / 64)
    assert relevance_mass(case_of(model, x, -values, masks=masks)).tolist() == [0] * 6


def test_masks_in_every_form(images):
    model, x, truth, masks = images
    forms = (masks, masks.astype(int), masks.astype("float32")[..., None], np.repeat(masks[..., None], 2, -1))
    assert all(np.array_equal(case_of(model, x, truth, masks=m).masks, masks.reshape(6, 64)) for m in forms)
    two, x2, truth2, masks2 = KINDS["two inputs"](np.random.default_rng(0))
    whole = case_of(two, x2, truth2, masks=masks2)
    assert whole.masks.shape == (6, 76) and whole.masks[:, 64:].sum() == 24
    assert case_of(two, x2, truth2, masks=[masks2[0], None]).masks[:, 64:].sum() == 0


def test_masks_that_do_not_fit(images):
    model, x, truth, masks = images
    for wrong, words in (
        (masks[:5], r"masks: expected shape \(6, 8, 8, 2\).*Received: \(5, 8, 8\)"),
        (masks.transpose(1, 2, 0), r"Received: \(8, 8, 6\)"),
        (np.zeros_like(masks), r"masks of 6 examples have nothing inside \(first: example 0\)"),
        (3, r"Received: \(\)"),
    ):
        with pytest.raises(InputError, match=words):
            case_of(model, x, truth, masks=wrong)
    with pytest.raises(InputError, match="pass masks=.*Received: none"):
        pointing_game(case_of(model, x, truth))
    two, x2, truth2, masks2 = KINDS["two inputs"](np.random.default_rng(0))
    with pytest.raises(InputError, match=r"expected an array for each input \(0, 1\).*Received: 1"):
        case_of(two, x2, truth2, masks=masks2[0])
    with pytest.raises(InputError, match="A map of a layer does not say which of them it is of"):
        case_of(two, x2, truth2[0])


def test_complexity_has_its_extremes_and_its_formulas(rng):
    model = keras.Sequential([keras.Input((10,)), layers.Dense(1)])
    values = np.stack([np.eye(10)[3], np.ones(10), np.zeros(10), rng.normal(size=10)])
    case = Case.of(model, np.zeros((4, 10), "float32"), values)
    assert np.allclose(sparseness(case)[:3], [0.9, 0, 0]) and np.allclose(
        entropy(case)[:3], [0, np.log(10), np.log(10)]
    )
    sizes = np.abs(values[3])
    gini = np.abs(sizes[:, None] - sizes[None]).mean() / (2 * sizes.mean())  # the definition by pairs
    assert np.isclose(sparseness(case)[3], gini) and np.isclose(entropy(case)[3], scipy.stats.entropy(sizes))


def test_agreement(rng):
    model = keras.Sequential([keras.Input((20,)), layers.Dense(1)])
    x, a, b, c = np.zeros((3, 20), "float32"), *rng.normal(size=(3, 3, 20))
    same = Case.of(model, x, a, others=[a, np.exp(a)])
    assert np.allclose(rank_agreement(same), 1) and np.allclose(top_k_overlap(Case.of(model, x, a, others=[-a])), 1)
    assert np.allclose(rank_agreement(Case.of(model, x, a, others=[-a])), -1)
    both = Case.of(model, x, a, others=[b, c])
    expected = [np.mean([scipy.stats.spearmanr(a[i], o[i])[0] for o in (b, c)]) for i in range(3)]
    assert np.allclose(rank_agreement(both), expected)
    top = [[set(np.argsort(-np.abs(v[i]))[:5]) for v in (a, b, c)] for i in range(3)]
    assert np.allclose(top_k_overlap(both, k=5), [(len(p & q) + len(p & r)) / 10 for p, q, r in top])
    assert np.allclose(top_k_overlap(both, k=20), 1)
    for k, words in ((21, "k is at most the number of features, 20. Received: 21"), (0, "k is a whole number from 1")):
        with pytest.raises(OptionError, match=words):
            top_k_overlap(both, k=k)
    for metric in (rank_agreement, top_k_overlap):
        with pytest.raises(MethodError, match="pass two or more. Received: one"):
            metric(Case.of(model, x, a))


def test_adding_up():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, kernel_initializer="ones")])
    x = np.array([[1.0, 2, 3], [0, 0, 0]], "float32")
    assert np.allclose(incompleteness(Case.of(model, x, 1.5 * x)), [0.5, 0])
    assert incompleteness(Case.of(model, x, x + 1)).tolist() == [0.5, np.inf]
    wave = keras.Sequential([keras.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(2)])
    assert (incompleteness(Case.of(wave, x[:1], "deeplift")) < 1e-4).all()
    assert (incompleteness(Case.of(wave, x[:1], "gradient")) > 1e-2).all()


def test_sensitivity_of_a_parabola():
    """f = sum x_i^2 has the slopes 2 x_i: what they change by is twice the step."""

    def model(x):
        return keras.ops.sum(x**2, axis=1, keepdims=True)

    x = np.array([[3.0, 4.0], [30.0, 40.0], [2.0, 2.0]], "float32")
    found = max_sensitivity(Case.of(model, x, "gradient", target=0), samples=400, radius=0.1)
    most = 0.1 * 1 * np.sqrt(2) / 5  # radius times range, in every number; over |x|
    assert 0.9 * most < found[0] <= most and np.isclose(found[1], found[0], rtol=1e-4)
    assert found[2] == 0  # of no range


def test_sensitivity_of_what_is_no_method(images):
    model, x, truth, _ = images
    random, edges = (max_sensitivity(case_of(model, x, name)) for name in ("random", "edges"))
    assert ((1 < random) & (random < 2.5)).all() and ((0 < edges) & (edges < 0.5)).all()
    with pytest.raises(MethodError, match="which are numbers already"):
        max_sensitivity(case_of(model, x, truth))
    with pytest.raises(OptionError, match="radius is a number above 0"):
        max_sensitivity(case_of(model, x, "gradient"), radius=0)


def test_the_class_at_x_stays_beside_it():
    """At x the first class wins by a hair; beside it the other would."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, use_bias=False)])
    model.layers[0].set_weights([np.array([[1.0, 0.99], [5.0, -7.0]])])
    x = np.array([[1.0, 0.0]], "float32")
    assert max_sensitivity(Case.of(model, x, "gradient"), radius=1.0).tolist() == [0]


def test_edges(rng):
    model, x, *_ = KINDS["images"](rng)
    flat = np.zeros_like(x)
    flat[:, :, 4:] = 1
    found = case_of(model, flat, "edges").relevance.reshape(6, 8, 8)
    assert np.allclose(found[:, :, [3, 4]], np.sqrt(2) / 2) and np.allclose(found[:, :, [0, 1, 2, 5, 6, 7]], 0)
    i, j = keras.Input((8, 8, 2)), keras.Input((1, 3))
    both = keras.Model([i, j], layers.Dense(1)(layers.Concatenate()([layers.Flatten()(i), layers.Flatten()(j)])))
    beside = Case.of(both, [flat, np.ones((6, 1, 3), "float32")], "edges").relevance
    assert np.array_equal(beside[:, :64], found.reshape(6, 64)) and (beside[:, 64:] == 0).all()
    table, x, *_ = KINDS["tables"](rng)
    with pytest.raises(InputError, match="An edge detector needs pictures or sequences"):
        case_of(table, x, "edges")


def test_cases_of_everything(rng):
    model, x, truth, _ = KINDS["images"](rng)
    explainer = tfxai.Explainer(model, "gradient", on="probability")
    case = Case.of(explainer, x, tfxai.InputXGradient(), target=0)
    assert (
        np.allclose(case.relevance, truth.sum(-1).reshape(6, 64), atol=1e-5)
        and case.probe.explainer.on == "probability"
    )
    e = tfxai.explain(model, x, "input_x_gradient", target=0)
    assert np.array_equal(case_of(model, x, e).relevance, case_of(model, x, e.values).relevance)
    slopes = tfxai.explain(model, x, "gradient", target=0)
    assert np.array_equal(case_of(model, x, slopes).relevance, case_of(model, x, "gradient").relevance)
    with pytest.raises(TargetError, match=r"of other classes than what is .* in 6 examples .*example 0, class 1"):
        case_of(model, x, tfxai.explain(model, x, "gradient", target=1))
    with pytest.raises(InputError, match="Received: an explanation of layer"):
        case_of(model, x, tfxai.explain(model, x, "gradient", target=0, layer=1))
    with pytest.raises(UnknownOptionError, match="An Explainer has its own on"):
        Case.of(explainer, x, on="logit")
    with pytest.raises(MethodError, match="No method 'deep_lift'. Did you mean 'deeplift'"):
        case_of(model, x, "deep_lift")
