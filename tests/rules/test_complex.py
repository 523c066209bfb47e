"""Complex numbers inside of a model: finite differences, and sums that add up."""

import numpy as np
import pytest
import tensorflow as tf

import tfxai

X = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
KERNEL, READOUT = tf.constant(np.random.default_rng(1).normal(size=(2, 3, 8)).astype("float32"))
rfft = tf.signal.rfft


def _read(spectrum):
    return tf.reduce_sum(tf.signal.irfft(spectrum) * READOUT, (1, 2))


def _halves(x):
    return tf.complex(x[..., :4], x[..., 4:])


def _turned(x):
    z = _halves(x) * tf.exp(tf.complex(0.0, tf.range(4.0)))
    return tf.reduce_sum(tf.math.real(z) + 2 * tf.math.imag(z), (1, 2))


LINEAR = {
    "convolution": lambda x: _read(rfft(x) * rfft(KERNEL)),
    "filter": lambda x: _read(rfft(x) / (rfft(KERNEL) + 2.0)),
    "turned": _turned,
}
OTHER = {
    "autocorrelation": lambda x: _read(rfft(x) * tf.math.conj(rfft(x))),
    "deconvolution": lambda x: _read(rfft(x) / (rfft(x[:, ::-1]) * tf.math.conj(rfft(x)) + 9.0)),
    "spectrogram": lambda x: tf.reduce_sum(tf.math.log(tf.abs(tf.signal.stft(x, 4, 2)) + 0.1), (1, 2, 3)),
    "angle": lambda x: tf.reduce_sum(tf.math.angle(_halves(x) + 6.0), (1, 2)),
    "matrix": lambda x: tf.reduce_sum(tf.abs(tf.matmul(_halves(x), _halves(x), adjoint_b=True)), (1, 2)),
    "smooth": lambda x: tf.reduce_sum(tf.math.real(tf.exp(_halves(x)) + tf.tanh(_halves(x) / 9.0)), (1, 2)),
    "chosen": lambda x: tf.reduce_sum(tf.abs(tf.where(x[..., :4] > 0, _halves(x), 2 * _halves(x))), (1, 2)),
}


@pytest.fixture(scope="module")
def explainer(request):
    return tfxai.Explainer(request.param)


def _named(functions):
    return pytest.mark.parametrize("explainer, f", [pytest.param(f, f, id=n) for n, f in functions.items()],
                                   indirect=["explainer"])  # fmt: skip


def _difference(f, way, step=1e-2):
    return ((f(X + step * way) - f(X - step * way)) / (2 * step)).numpy()


@pytest.mark.long
@_named(LINEAR)
def test_linear(explainer, f):
    """The gradient is that of finite differences; input times gradient is what every complete method finds."""
    basis = np.eye(24, dtype="float32").reshape(24, 1, 3, 8)
    rate = np.stack([_difference(f, way) for way in basis], 1).reshape(2, 3, 8)
    np.testing.assert_allclose(explainer.using("gradient")(X, verbose=0).values, rate, atol=5e-3)
    for method, options in (("deeplift", {}), ("deeplift", {"rule": "reveal_cancel"}), ("integrated_gradients", {})):
        values = explainer.using(method, **options)(X, verbose=0).values
        np.testing.assert_allclose(values, rate * X, atol=5e-3, err_msg=f"{method} {options}")


@pytest.mark.long
@_named(OTHER)
def test_not_linear(explainer, f):
    """The gradient along a way is the finite difference; both rules add up."""
    way = np.random.default_rng(2).normal(size=X.shape).astype("float32")
    slope = (explainer.using("gradient")(X, verbose=0).values * way).sum((1, 2))
    np.testing.assert_allclose(slope, _difference(f, way, 3e-3), rtol=2e-2, atol=5e-2)
    change = (f(X) - f(0 * X)).numpy()
    assert np.abs(change).max() > 1e-2
    for rule in ("rescale", "reveal_cancel"):
        values = explainer.using("deeplift", rule=rule)(X, verbose=0).values
        np.testing.assert_allclose(values.sum((1, 2)), change, rtol=1e-4, atol=1e-4, err_msg=rule)


def test_an_unknown_op_of_complex_numbers_can_be_averaged():
    def f(x):
        matrix = _halves(x)[:, :2, :2] + 4 * tf.eye(2, dtype=tf.complex64)
        return tf.math.real(tf.raw_ops.LogMatrixDeterminant(input=matrix)[1])

    explainer = tfxai.Explainer(f)
    with pytest.raises(tfxai.UnsupportedOpError, match="LogMatrixDeterminant"):
        explainer(X, verbose=0)
    values = explainer.using("deeplift", unknown_ops="average")(X, verbose=0).values
    np.testing.assert_allclose(values.sum((1, 2)), (f(X) - f(0 * X)).numpy(), atol=1e-5)
