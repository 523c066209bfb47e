"""Ops that tf.raw_ops leaves out or cannot run everywhere, ops without a gradient, values of an unknown rank."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from tensorflow.compiler.tf2xla.ops import gen_xla_ops

import tfxai
from tests.graph.captured import captured, run, spec
from tfxai import errors
from tfxai.graph import written
from tfxai.graph.written import WRITTEN

X = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
BLOCK = np.random.default_rng(1).normal(size=(2, 2, 3)).astype("float32")


@pytest.mark.parametrize("start", [[0, 0, 0], [0, 1, 0], [0, 3, 0], [1, 9, 2], [0, -2, 0]])
def test_blocks_begin_where_xla_lets_them(start):
    """Against XLA's own ops: a block that would reach over an end is moved inside."""
    specs = spec(2, 4, 3), spec(2, 2, 3), spec(3, dtype="int32")
    both = [gen_xla_ops.xla_dynamic_update_slice, lambda x, b, s: gen_xla_ops.xla_dynamic_slice(x, s, [2, 2, 3]) + b]
    for function in both:
        graph = captured(function, *specs)
        assert {op.type for op in graph.ops} & {"XlaDynamicUpdateSlice", "XlaDynamicSlice"}
        traced = tf.function(function, autograph=False)
        given = X, BLOCK, np.array(start, "int32")
        np.testing.assert_array_equal(run(graph, *given)[0], traced(*given))


class _Inner(layers.Layer):
    def __init__(self, function):
        super().__init__(name="inner")
        self.function = function

    def call(self, x):
        return self.function(x)

    def compute_output_shape(self, shape):
        return shape


UPDATES = {  # with slice_update, and the same without
    "of the input": (
        lambda x: ops.slice_update(x * 2, [0, 1, 0], x[:, :2]),
        lambda x: tf.concat([2 * x[:, :1], x[:, :2], 2 * x[:, 3:]], 1),
    ),
    "by a constant": (
        lambda x: ops.slice_update(x, [0, 2, 0], ops.ones((2, 1, 3))),
        lambda x: tf.concat([x[:, :2], tf.ones((2, 1, 3)), x[:, 3:]], 1),
    ),
    "at a computed place, in a loop": (
        lambda x: ops.fori_loop(0, 2, lambda i, h: ops.slice_update(h, [0, i, 0], h[:, 2:3] * x[:, 3:]), x),
        lambda x: tf.concat([x[:, 2:3] * x[:, 3:]] * 2 + [x[:, 2:]], 1),
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("name", UPDATES)
def test_slice_update(name):
    """Multipliers of every table are those of the twin."""
    with_op, without = UPDATES[name]
    tail = [layers.Dense(4, activation="relu"), layers.Flatten(), layers.Dense(2)]
    head = keras.Input((4, 3), batch_size=2)
    model, twin = (keras.Sequential([head, _Inner(f), *tail]) for f in (with_op, without))
    for method, options in (("gradient", {}), ("deeplift", {"rule": "reveal_cancel"})):
        got, wanted = (
            tfxai.explain(m, X, method, target=1, batch_size=2, verbose=0, **options).values for m in (model, twin)
        )
        assert np.abs(wanted).max() > 0.1
        np.testing.assert_allclose(got, wanted, atol=1e-5, err_msg=f"{method} {options}")


def test_other_ops_run_as_they_are_registered():
    function = lambda x: gen_xla_ops.xla_optimization_barrier([x * 2.0])[0]  # noqa: E731
    graph = captured(function, spec(2, 4, 3))
    assert "XlaOptimizationBarrier" in [op.type for op in graph.ops]
    traced = tf.function(lambda: run(graph, X)[0])
    np.testing.assert_array_equal(traced(), X * 2)


@pytest.mark.parametrize("method", ["gradient", "integrated_gradients", "deeplift"])
def test_an_op_without_a_gradient_is_named_and_what_works(method):
    resize = layers.Lambda(lambda t: tf.image.resize(t, (2, 2), "area"), name="smaller")
    model = keras.Sequential([keras.Input((4, 4, 1)), resize, layers.Flatten(), layers.Dense(1)])
    x = np.arange(16.0, dtype="float32").reshape(1, 4, 4, 1)
    said = r"no gradient of the op ResizeArea at '.*smaller.*'.* 'occlusion', 'rise'"
    for options in ({}, {"unknown_ops": "average"}) if method == "deeplift" else ({},):
        with pytest.raises(tfxai.UnsupportedOpError, match=said):
            tfxai.explain(model, x, method, verbose=0, **options)
    assert np.abs(tfxai.explain(model, x, "occlusion", target=0, verbose=0).values).max() > 0


@pytest.mark.long
def test_an_unknown_number_of_axes():
    """Keras' associative scan loses the rank of its result: rules do without it, a score needs it."""
    scan = lambda t: ops.associative_scan(lambda a, b: a * b + b, t, axis=1)  # noqa: E731
    f = lambda t: tf.ensure_shape(tf.reduce_sum(tf.nn.softplus(scan(t)), (1, 2)), [None])  # noqa: E731
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    np.testing.assert_allclose(tfxai.explain(f, X, "gradient", verbose=0).values, tape.gradient(y, x), atol=1e-5)
    for rule in ("rescale", "reveal_cancel"):
        values = tfxai.explain(f, X, rule=rule, verbose=0).values
        np.testing.assert_allclose(values.sum((1, 2)), f(X) - f(0 * X), rtol=1e-5)
    with pytest.raises(errors.TargetError, match=r"How many axes the model's output has is not known.*ensure_shape"):
        tfxai.explain(scan, X, verbose=0)


def _dense(kernel, groups):
    """The kernel of the same convolution without groups: zeros between them."""
    wide = np.zeros((*kernel.shape[:-2], kernel.shape[-2] * groups, kernel.shape[-1]), kernel.dtype)
    rows, columns = kernel.shape[-2], kernel.shape[-1] // groups
    for g in range(groups):
        wide[..., g * rows : (g + 1) * rows, g * columns : (g + 1) * columns] = kernel[
            ..., g * columns : (g + 1) * columns
        ]
    return wide


@pytest.mark.long
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_float16"])
def test_convolutions_in_groups(rank, dtype, rng):
    """The values of the twin with zeros between the groups, where TensorFlow has no such convolution too."""
    shape = (*[5] * rank, 4)
    build = getattr(layers, f"Conv{rank}D")
    grouped = build(6, 3, groups=2, padding="same", activation="relu", dtype=dtype)
    full = build(6, 3, padding="same", activation="relu", dtype=dtype)
    first, second = (keras.Sequential([keras.Input(shape), c, layers.Flatten(), layers.Dense(2, dtype=dtype)])
                     for c in (grouped, full))  # fmt: skip
    second.set_weights([_dense(w, 2) if w.ndim == rank + 2 else w for w in first.get_weights()])
    x = rng.normal(size=(2, *shape)).astype("float32")
    for method, options in (("gradient", {}), ("deeplift", {}), ("deeplift", {"rule": "reveal_cancel"})):
        got, wanted = (tfxai.explain(m, x, method, target=1, verbose=0, **options).values for m in (first, second))
        close = 1e-5 if dtype != "mixed_float16" else 4e-3
        np.testing.assert_allclose(got, wanted, atol=close * np.abs(wanted).max(), err_msg=f"{method} {options}")


@pytest.mark.parametrize("strides, dilation", [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("op", ["Conv2D", "Conv3D"])
def test_channels_first_and_groups_where_no_machine_has_them(op, strides, dilation, rng, monkeypatch):
    """Against TensorFlow on the same numbers, channels last and a group at a time."""
    monkeypatch.setattr(written, "runs", lambda *_: False)
    rank = int(op[4])
    x, kernel = (rng.normal(size=s).astype("float32") for s in ((2, *[6, 7, 5][:rank], 4), (*[3] * rank, 2, 6)))
    attrs = {"strides": [1, *[strides] * rank, 1], "dilations": [1, *[dilation] * rank, 1], "padding": "VALID"}
    plain = getattr(tf.raw_ops, op)
    wanted = np.concatenate(
        [plain(input=a, filter=b, **attrs) for a, b in zip(np.split(x, 2, -1), np.split(kernel, 2, -1), strict=True)],
        -1,
    )
    got = WRITTEN[op](input=tf.constant(x), filter=kernel, data_format=f"N{'DHW'[3 - rank :]}C".encode(), **attrs)
    np.testing.assert_allclose(got, wanted, atol=1e-4)
    attrs |= {name: [1, 1, *attrs[name][1:-1]] for name in ("strides", "dilations")}
    swapped = tf.constant(np.moveaxis(x, -1, 1))
    got = WRITTEN[op](input=swapped, filter=kernel, data_format=f"NC{'DHW'[3 - rank :]}".encode(), **attrs)
    np.testing.assert_allclose(np.moveaxis(got, 1, -1), wanted, atol=1e-4)


def test_paddings_of_their_own_channels_first(rng, monkeypatch):
    monkeypatch.setattr(written, "runs", lambda *_: False)
    x, kernel = (rng.normal(size=s).astype("float32") for s in ((2, 6, 7, 4), (3, 3, 4, 6)))
    attrs = {"strides": [1] * 4, "padding": "EXPLICIT"}
    wanted = tf.raw_ops.Conv2D(input=x, filter=kernel, explicit_paddings=[0, 0, 1, 2, 0, 3, 0, 0], **attrs)
    swapped = tf.constant(np.moveaxis(x, -1, 1))
    got = WRITTEN["Conv2D"](
        input=swapped, filter=kernel, data_format="NCHW", explicit_paddings=[0, 0, 0, 0, 1, 2, 0, 3], **attrs
    )
    np.testing.assert_allclose(np.moveaxis(got, 1, -1), wanted, atol=1e-4)


def test_what_tensorflow_cannot_run_is_said(rng):
    transposed = layers.Conv2DTranspose(3, 3, data_format="channels_first", dtype="float64")
    head = keras.Input((4, 6, 6), dtype="float64")
    model = keras.Sequential([head, transposed, layers.Flatten(dtype="float64"), layers.Dense(1, dtype="float64")])
    x = rng.normal(size=(2, 4, 6, 6))
    with pytest.raises(tf.errors.OpError):
        model.predict(x, verbose=0)
    for method in ("deeplift", "occlusion"):
        with pytest.raises(errors.ModelError, match=r"cannot run a pass through the model: .*NHWC\. Check that"):
            tfxai.explain(model, x, method, verbose=0)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@pytest.mark.parametrize("name, order", [("Conv2D", "NHWC"), ("Conv3D", "NDHWC")])
def test_whether_this_machine_has_groups_is_tried(name, order, dtype):
    """Also while a pass is traced, and in the scope in which TensorFlow's tapes record nothing."""
    rank = len(order) - 2
    x, kernel = tf.ones([2, *[6] * rank, 8], dtype), tf.ones([3] * rank + [2, 8], dtype)

    @tf.function
    def gradient(x, kernel):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = getattr(tf.raw_ops, name)(input=x, filter=kernel, strides=[1] * len(order), padding="VALID")
        return tape.gradient(y, x)

    try:
        gradient(x, kernel)
        wanted = True
    except tf.errors.OpError:
        wanted = False
    found = []
    written.runs.cache_clear()
    found.append(written.runs(name, dtype, order, True))
    written.runs.cache_clear()
    tf.function(lambda: found.append(written.runs(name, dtype, order, True)), autograph=False)()
    assert found == [wanted, wanted]
    graph = captured(lambda t: WRITTEN[name](input=t, filter=kernel, strides=[1] * len(order), padding="VALID",
                                             data_format=order), spec(2, *[6] * rank, 8, dtype=dtype.name))  # fmt: skip
    assert ("Split" in [op.type for op in graph.ops]) is not wanted


def test_a_convolution_of_open_channels():
    kernel = tf.ones((2, 2, 3, 4))
    for shape in ((None, 5, 5, None), None):
        traced = tf.function(lambda t: WRITTEN["Conv2D"](input=t, filter=kernel, strides=[1] * 4, padding="VALID",
                                                         data_format="NHWC")).get_concrete_function(
            tf.TensorSpec(shape))  # fmt: skip
        np.testing.assert_allclose(traced(tf.ones((1, 5, 5, 3))), np.full((1, 4, 4, 4), 12.0))
