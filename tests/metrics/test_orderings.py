"""What papers found of methods, measured on a network that is trained here and whose truth is drawn into its inputs."""

import functools

import numpy as np
import pytest

import tfxai
from tests.planted import drawings, trained_on_drawings
from tfxai.support.ranks import correlation, ranks

METHODS = ["deeplift", "integrated_gradients", "input_x_gradient", "gradient", "guided_backprop", "deconvnet", "lrp",
           "gradcam", "occlusion"]  # fmt: skip


@functools.cache
def network():
    model, (x, y, _) = trained_on_drawings(), drawings(300, 2)
    assert model.evaluate(x, y, verbose=0)[1] > 0.97
    return model


@functools.cache
def measured():
    x, y, drawn = drawings(32, 1)
    metrics = ["deletion", "insertion", "correlation", "road", "road_least", "pointing_game", "relevance_mass",
               "relevance_rank"]  # fmt: skip
    return tfxai.evaluate(network(), x, METHODS, metrics, y, drawn, verbose=0)


def better(one, two, metric, table):
    """Whether it is by two standard errors of the mean difference."""
    sign = 1 if table.rows[metric].better == "higher" else -1
    gain = sign * (table.values[one][metric] - table.values[two][metric])
    return gain.mean() > 2 * gain.std(ddof=1) / np.sqrt(len(gain))


@pytest.mark.long
def test_deeplift_and_integrated_gradients_are_above_gradient_and_chance():
    table = measured()
    for method in ("deeplift", "integrated_gradients"):
        for metric in table.metrics:
            if metric.startswith("road"):  # of which below
                continue
            if metric in ("deletion", "insertion"):  # in logits, which differ much between examples: in the mean
                sign = 1 if metric == "insertion" else -1
                assert sign * table.mean(method, metric) > sign * table.mean("gradient", metric) + 0.5
            else:
                assert better(method, "gradient", metric, table), (method, metric)
            assert better(method, "random", metric, table) and better(method, "edges", metric, table)
        assert better(method, "random", "road", table)
        assert table.mean(method, "pointing_game") > 0.9 and table.mean(method, "relevance_mass") > 0.6
    assert better("gradient", "random", "deletion", table) and table.mean("random", "pointing_game") < 0.4


@pytest.mark.long
def test_randomisation_catches_guided_backpropagation():
    """Adebayo et al. 2018: it stays more alike than the gradient as the layers that it should explain are destroyed."""
    x, y, _ = drawings(32, 1)
    metrics = ["cascading_randomisation", "independent_randomisation"]
    table = tfxai.evaluate(network(), x, ["guided_backprop", "gradient", "gradcam"], metrics, y, verbose=0)
    for metric in metrics:
        assert better("gradient", "guided_backprop", metric, table) and better("gradcam", "gradient", metric, table)
        assert table.mean("edges", metric) == 1 and abs(table.mean("random", metric)) < 0.1
        assert table.mean("guided_backprop", metric) > 0.6


@pytest.mark.long
def test_road_agrees_with_itself_in_the_other_order_more_than_with_deletion():
    """Rong et al. 2022: the order of the methods, by removing the most relevant and the least relevant features."""
    table = measured()

    def order(metric):
        sign = 1 if table.rows[metric].better == "higher" else -1
        return ranks(np.array([[sign * table.mean(method, metric) for method in METHODS]]))

    itself = correlation(order("road"), order("road_least"))[0]
    fixed = correlation(order("road"), order("deletion"))[0]
    assert itself > fixed + 0.3 and itself > 0.3
