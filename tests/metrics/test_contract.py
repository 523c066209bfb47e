"""What every metric of the table promises: a planted truth is better than noise, on every kind of input; numbers depend
neither on the batch size nor on the neighbours, and random ones on the seed alone."""

import dataclasses
import functools

import keras
import numpy as np
import pytest

import tfxai
from tests.planted import KINDS, case_of
from tfxai.metrics.attributors import Attributor
from tfxai.metrics.table import METRICS

ONLY_PICTURES_AND_SEQUENCES = ("road", "road_least")
RANDOM = (
    "correlation",
    "infidelity",
    "road",
    "max_sensitivity",
    "cascading_randomisation",
    "independent_randomisation",
)
NAMES = list(METRICS)


class Deaf(Attributor):
    """Noise that hears of nothing: of no model, no class, no x."""

    name = "deaf"

    def __call__(self, probe, target=None, shift=None, draw=0):
        return np.random.default_rng(9).normal(size=(1, probe.features.count)).repeat(len(probe), axis=0)


def planted(kind):
    keras.utils.set_random_seed(0)
    return KINDS[kind](np.random.default_rng(0))


@functools.cache
def cases(kind, method="input_x_gradient", **options):
    """The truth, and noise; made once."""
    model, x, truth, masks = planted(kind)
    right = case_of(model, x, method, masks=masks, others=[truth], **options)
    numbers = Deaf()(right.probe)
    return right, dataclasses.replace(right, attributor=Deaf(), relevance=numbers, explanation=None, kept={})


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_of_these_models_is_what_methods_give(kind):
    right, noise = cases(kind)
    assert np.allclose(right.relevance, right.others[0], atol=1e-5)
    assert np.allclose(right.probe.ends[:, 0] - right.probe.ends[:, 1], right.relevance.sum(1), atol=1e-4)
    assert ((right.relevance > 0) == right.masks).all() and not np.allclose(noise.relevance, right.relevance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_planted_truth_is_better_than_noise(name, kind):
    row = METRICS[name]
    right, noise = cases(kind)
    if name in ONLY_PICTURES_AND_SEQUENCES and kind not in ("images", "sequences"):
        with pytest.raises(tfxai.errors.InputError, match="needs one explained input"):
            row.function(right, **row.options)
        return
    if name == "max_sensitivity":  # what hears nothing does not move: the noise here is what is drawn anew
        noise = dataclasses.replace(noise, attributor=tfxai.metrics.attributors.Random())
    truth, chance = (row.function(case, **row.options) for case in (right, noise))
    assert truth.shape == chance.shape == (6,) and np.isfinite(truth).all() and np.isfinite(chance).all()
    better = row.better or {"entropy": "lower"}.get(name, "higher")  # simpler, and in agreement with the truth
    assert (truth > chance if better == "higher" else truth < chance).all()


@pytest.mark.long
@pytest.mark.parametrize("kind", ["images", "tokens", "two inputs"])
def test_numbers_depend_neither_on_the_batch_size_nor_on_neighbours(kind):
    whole = cases(kind, "gradient")[0]
    single = cases(kind, "gradient", batch_size=1)[0]
    model, x, truth, masks = planted(kind)
    three = slice(2, 5)

    def cut(a):
        return [part[three] for part in a] if isinstance(a, list) else a[three]

    some = case_of(model, cut(x), "gradient", masks=cut(masks), others=[cut(truth)])
    for name, row in METRICS.items():
        if name in ONLY_PICTURES_AND_SEQUENCES and kind != "images":
            continue
        numbers = [row.function(case, **row.options) for case in (whole, single, some)]
        assert np.allclose(numbers[0], numbers[1], atol=2e-5), name
        assert np.allclose(numbers[0][three], numbers[2], atol=2e-5), name


def test_random_numbers_come_from_the_seed_alone():
    one, same, other = (cases("images", seed=seed)[0] for seed in (3, 3, 4))
    np.random.default_rng().normal()
    for name in RANDOM:
        row = METRICS[name]
        numbers = [row.function(case, **row.options) for case in (one, same, other)]
        assert np.array_equal(numbers[0], numbers[1]), name
        assert not np.array_equal(numbers[0], numbers[2]) or name == "infidelity", name


def test_the_table_is_complete():
    public = {name for name in tfxai.metrics.__all__ if callable(getattr(tfxai.metrics, name))}
    functions = {row.path.split(".")[1] for row in METRICS.values()}
    assert functions == public - {"Case", "Check", "available", "check"}
    assert {row.better for row in METRICS.values()} == {"higher", "lower", ""}
    for name, row in METRICS.items():
        assert tfxai.metrics.available()[name].endswith(f"{row.better.capitalize()} is better." if row.better else ".")
        assert not row.curve or row.curve_of(cases("images")[0], **row.options).scores.shape[0] == 6
