"""SmoothGrad and its relatives against their formulas."""

import keras
import numpy as np
import pytest
from keras import layers

import tfxai


def square(z):
    return keras.ops.sum(z**2, axis=1)


def test_linear_gradient_keeps_no_noise_when_draws_come_in_pairs():
    """The gradient of a square is 2 (x + e): pairs +e, -e cancel exactly."""
    x = np.array([[1.0, -2.0, 3.0]])
    e = tfxai.explain(square, x, "smoothgrad", samples=6, seed=0)
    np.testing.assert_allclose(e.values, 2 * x, rtol=1e-12)
    np.testing.assert_allclose(e.standard_error, 0, atol=1e-12)
    odd = tfxai.explain(square, x, tfxai.SmoothGrad(samples=6, antithetic=False), seed=0)
    assert np.abs(odd.values - 2 * x).max() > 1e-2 and (odd.standard_error > 0).all()


def test_moments_of_the_noise():
    """2 (x + e), e of standard deviation noise * (max - min): mean square and variance are known."""
    x = np.concatenate([np.linspace(-2, 2, 40), np.linspace(0, 0.5, 40)]).reshape(2, 40)  # many places, few draws
    sigma = 0.2 * np.ptp(x, axis=1, keepdims=True)
    explainer = tfxai.Explainer(square, "smoothgrad_squared", samples=600, noise=0.2)
    e = explainer(x, seed=1)
    expected = 4 * (x**2 + sigma**2)
    off = (e.values - expected) / e.standard_error
    assert np.abs(off).max() < 5 and np.abs(off.mean()) < 0.5 and 0.6 < off.std() < 1.5
    np.testing.assert_allclose(e.values.mean(1), expected.mean(1), rtol=0.03)
    variance = explainer.using("vargrad", samples=600, noise=0.2)(x, seed=1).values
    np.testing.assert_allclose(variance, np.broadcast_to(4 * sigma**2, x.shape), rtol=0.35)
    np.testing.assert_allclose(variance.mean(1), 4 * sigma[:, 0] ** 2, rtol=0.03)


def test_every_example_meets_the_same_noise_scaled_by_its_range():
    """So neither its neighbours nor the batch change it. A gradient of x^2 / 2 shows the noisy copies themselves."""
    half = lambda z: square(z) / 2  # noqa: E731
    x = np.array([[0.0, 1.0, 4.0], [5.0, 5.0, 7.0], [0.0, 1.0, 4.0]])
    noise = tfxai.explain(half, x, tfxai.SmoothGrad(samples=1, noise=0.5, antithetic=False), seed=4).values - x
    np.testing.assert_array_equal(noise[0], noise[2])
    np.testing.assert_allclose(noise[0] / 4, noise[1] / 2, rtol=1e-6)


def test_standard_error_is_that_of_repeated_runs():
    """Equal rows meet equal draws, so the runs differ by their seed; the places are as good as runs of their own."""

    def wavy(z):
        return keras.ops.sum(keras.ops.sin(3 * z), axis=1)

    x = np.tile([0.3, -1.0, 2.0], 50)[None]  # with the same range everywhere
    explainer = tfxai.Explainer(wavy, "smoothgrad", samples=40)
    runs = [explainer(x, seed=s) for s in range(4)]
    values = np.stack([r.values.reshape(50, 3) for r in runs])
    errors = np.stack([r.standard_error.reshape(50, 3) for r in runs])
    spread = values.reshape(200, 3).std(0)
    np.testing.assert_allclose(errors.mean((0, 1)), spread, rtol=0.25)


def test_a_curved_function_has_the_moments_of_its_formula():
    """E cos(3 (x + e)) = cos(3 x) exp(-9 s^2 / 2), and so for its square; the variance is what is between them."""

    def wavy(z):
        return keras.ops.sum(keras.ops.sin(3 * z), axis=1)

    x = np.linspace(-1, 1, 30)[None]
    sigma = 0.15 * 2
    explainer = tfxai.Explainer(wavy, "smoothgrad", samples=400)
    smooth = explainer(x, seed=7)
    squared = explainer.using("smoothgrad_squared", samples=400)(x, seed=7)
    variance = explainer.using("vargrad", samples=400)(x, seed=7)
    for found, expected in (
        (smooth, 3 * np.cos(3 * x) * np.exp(-4.5 * sigma**2)),
        (squared, 4.5 * (1 + np.cos(6 * x) * np.exp(-18 * sigma**2))),
    ):
        assert (np.abs(found.values - expected) < 5 * found.standard_error + 1e-9).all()
        assert found.standard_error.max() < 0.5
    np.testing.assert_allclose(variance.values, squared.values - smooth.values**2, rtol=1e-5)


@pytest.mark.parametrize("name", ["smoothgrad", "smoothgrad_squared", "vargrad"])
def test_one_by_one_the_examples_meet_the_same_draws(name):
    def wavy(z):
        return keras.ops.sum(keras.ops.sin(3 * z) * z, axis=1)

    x = np.array([[0.3, -1.0, 2.0], [1.0, 1.5, 0.1]])
    explainer = tfxai.Explainer(wavy, name, samples=8)
    e = explainer(x, seed=7)
    np.testing.assert_allclose(explainer(x, seed=7, batch_size=1).values, e.values, rtol=1e-6)
    np.testing.assert_allclose(explainer(x[1:], seed=7).values, e.values[1:], rtol=1e-6)


@pytest.mark.long
def test_noise_zero_is_the_method_itself(rng):
    model = keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(3, 3, activation="relu"), layers.Flatten(), layers.Dense(2)]
    )
    x = rng.normal(size=(2, 6, 6, 2)).astype("float32")
    for inner in ("gradient", "deeplift", "guided_backprop", "gradcam", tfxai.IntegratedGradients(steps=4)):
        a = tfxai.explain(model, x, "smoothgrad", inner=inner, noise=0, samples=3, target=0)
        b = tfxai.explain(model, x, inner, target=0)
        np.testing.assert_allclose(a.values, b.values, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(a.score, b.score, rtol=1e-6)


def test_a_seed_is_drawn_and_kept_when_none_is_given(rng):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(5, "tanh"), layers.Dense(2)])
    x = rng.normal(size=(3, 4)).astype("float32")
    first, second = (tfxai.explain(model, x, "smoothgrad", samples=4) for _ in range(2))
    assert np.abs(first.values - second.values).max() > 0
    again = tfxai.explain(model, x, "smoothgrad", samples=4, seed=first.meta["seed"])
    np.testing.assert_array_equal(first.values, again.values)
    assert tfxai.explain(model, x, "gradient").meta["seed"] is None


def test_standard_error_is_saved(tmp_path, rng):
    e = tfxai.explain(square, rng.normal(size=(2, 3)), "smoothgrad_squared", samples=4, seed=0)
    np.testing.assert_array_equal(tfxai.load(e.save(tmp_path / "e")).standard_error, e.standard_error)
    np.testing.assert_array_equal(e[1].standard_error, e.standard_error[1:])


def test_progress_is_shown_on_request_only(capsys, rng):
    x = rng.normal(size=(2, 3))
    tfxai.explain(square, x, "smoothgrad", samples=4, verbose=0)
    assert not capsys.readouterr().out
    tfxai.explain(square, x, "smoothgrad", samples=4, verbose=1)
    assert capsys.readouterr().out == "100% of 2 examples explained, 0 s\n"  # no terminal: a line


@pytest.mark.parametrize(
    "options, message",
    [
        ({"samples": 0}, "samples is a whole number from 1. Received: 0"),
        ({"noise": -0.1}, "noise is a number from 0"),
        ({"noise": float("nan")}, "noise is a number from 0"),
        ({"inner": 3}, "inner is a method's name or object"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(tfxai.errors.OptionError, match=message):
        tfxai.Explainer(square, "smoothgrad", **options)
    with pytest.raises(tfxai.errors.MethodError, match="No method 'gradiant'. Did you mean 'gradient'"):
        tfxai.Explainer(square, "smoothgrad", inner="gradiant")


FLAT = ["smoothgrad", "smoothgrad_squared", "vargrad"]


@pytest.mark.long
@pytest.mark.parametrize("method", FLAT)
def test_noise_that_is_a_share_of_nothing_is_said(method):
    x = np.array([[2.0], [3.0]], "float32")  # one feature: no range

    def square(t):
        return t**2

    with pytest.warns(UserWarning, match=r"noise=0\.15 is a share.*input 'x'.*noise_std="):
        tfxai.explain(square, x, method, seed=0)
    e = tfxai.explain(square, x, method, seed=0, noise_std=0.5, samples=4000)
    # of the slope 2 (x + N(0, .5^2)): mean 2x, mean square 4x^2 + 1, variance 1
    want = {"smoothgrad": 2 * x, "smoothgrad_squared": 4 * x**2 + 1, "vargrad": 0 * x + 1}[method]
    np.testing.assert_allclose(e.values, want, rtol=0.08)


@pytest.mark.long
def test_noise_in_units_of_the_input_is_the_same_for_all_examples():
    x = np.array([[0.0, 1.0], [0.0, 100.0]], "float32")
    e = tfxai.explain(lambda t: keras.ops.sum(t**2, 1), x, "vargrad", seed=0, noise_std=0.5, samples=2000)
    np.testing.assert_allclose(e.values, np.ones_like(x), rtol=0.1)


def test_noise_std_is_a_number():
    with pytest.raises(tfxai.errors.OptionError, match="noise_std is a number from 0.*-1"):
        tfxai.explain(lambda t: t, np.ones((1, 1), "float32"), "smoothgrad", noise_std=-1)
