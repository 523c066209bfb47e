"""SmoothGrad and its relatives against their formulas."""

import time

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tfxai.explainer.progress import Progress


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
    x = np.array([[1.0, -1.0, 3.0], [0.0, 0.0, 0.5]])
    sigma = 0.2 * np.array([[4.0], [0.5]])
    squared = tfxai.explain(square, x, "smoothgrad_squared", samples=20000, noise=0.2, seed=1)
    np.testing.assert_allclose(squared.values, 4 * (x**2 + sigma**2), rtol=0.05)
    assert (np.abs(squared.values - 4 * (x**2 + sigma**2)) < 5 * squared.standard_error).all()
    variance = tfxai.explain(square, x, "vargrad", samples=20000, noise=0.2, seed=1)
    np.testing.assert_allclose(variance.values, np.broadcast_to(4 * sigma**2, x.shape), rtol=0.05)


def test_standard_error_is_that_of_repeated_runs():
    def wavy(z):
        return keras.ops.sum(keras.ops.sin(3 * z), axis=1)

    x = np.array([[0.3, -1.0, 2.0]])
    runs = [tfxai.explain(wavy, x, "smoothgrad", samples=40, seed=s) for s in range(150)]
    spread = np.std([r.values for r in runs], axis=0)
    np.testing.assert_allclose(np.mean([r.standard_error for r in runs], axis=0), spread, rtol=0.25)


def test_the_stream_is_the_two_pass_statistic():
    def wavy(z):
        return keras.ops.sum(keras.ops.sin(3 * z) * z, axis=1)

    x = np.array([[0.3, -1.0, 2.0], [1.0, 1.5, 0.1]])
    noise, draws = np.random.default_rng(7), []
    noise.integers(2**32)
    for _ in range(4):
        e = noise.standard_normal(3, np.float32).astype("float64")
        draws += [e, -e]
    points = x + 0.15 * np.ptp(x, axis=1, keepdims=True) * np.array(draws)[:, None]
    maps = 3 * np.cos(3 * points) * points + np.sin(3 * points)
    for name, expected in (
        ("smoothgrad", maps.mean(0)),
        ("smoothgrad_squared", (maps**2).mean(0)),
        ("vargrad", maps.var(0)),
    ):
        e = tfxai.explain(wavy, x, name, samples=8, seed=7)
        np.testing.assert_allclose(e.values, expected, rtol=1e-6)
        np.testing.assert_allclose(
            tfxai.explain(wavy, x, name, samples=8, seed=7, batch_size=1).values, expected, rtol=1e-6
        )


def test_noise_zero_is_the_method_itself(rng):
    model = keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(3, 3, activation="relu"), layers.Flatten(), layers.Dense(2)]
    )
    x = rng.normal(size=(2, 6, 6, 2)).astype("float32")
    for inner in ("gradient", "deeplift", "guided_backprop", "gradcam", tfxai.IntegratedGradients(steps=4)):
        a = tfxai.explain(model, x, "smoothgrad", inner=inner, noise=0, samples=3, target=0)
        options = {} if isinstance(inner, str) else {}
        b = tfxai.explain(model, x, inner, target=0, **options)
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


def test_a_bar_appears_when_work_takes_long(capsys, monkeypatch):
    monkeypatch.setattr("tfxai.explainer.progress.PATIENCE", 0.05)
    bar = Progress(2, "auto")
    bar.within(0.1)
    assert capsys.readouterr().out == ""
    time.sleep(0.06)
    bar.within(0.5)
    shown = capsys.readouterr().out
    assert "50/200" in shown and "0us" not in shown  # the time before the bar appeared counts
    bar.step()
    bar.step()
    assert "200/200" in capsys.readouterr().out


def test_progress_is_shown_on_request_only(capsys, rng):
    x = rng.normal(size=(2, 3))
    tfxai.explain(square, x, "smoothgrad", samples=4, verbose=0)
    assert not capsys.readouterr().out
    tfxai.explain(square, x, "smoothgrad", samples=4, verbose=1)
    assert "100/100" in capsys.readouterr().out


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
