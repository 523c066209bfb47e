"""Every op of the public table, on random values: its multipliers add up to its own change."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops as xla

import tfxai
from tfxai.graph.capture import capture

R = tf.raw_ops
N = 3  # examples


def _kernel(*shape):
    return tf.constant(np.random.default_rng(1).normal(size=shape).astype("float32"))


W, K2, K3, D2 = _kernel(5, 4), _kernel(2, 2, 3, 4), _kernel(2, 2, 2, 3, 4), _kernel(2, 2, 3, 2)
IMAGE, VOLUME, ROW, SQUARE = (4, 4, 3), (4, 4, 4, 3), (5,), (4, 4)
PAIR = object()  # the op takes both halves of the input
POSITIVE, UNIT, ABOVE_ONE = "positive", "unit", "above one"


def _as_complex(z):
    return tf.complex(z, 2 * z)


def _parts(c):
    return tf.math.real(c) + 3 * tf.math.imag(c)


def _list(z):
    return tf.raw_ops.TensorListFromTensor(tensor=tf.transpose(z), element_shape=tf.constant([-1]))


def _loop(stateless):
    def run(z):
        return tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, tf.tanh(s) * z), (0, z))[1]

    return run


# op type -> function of x (and y for pairs), shape of one example, domain
ONE = {
    **{name: (lambda z, f=name: getattr(R, f)(x=z), ROW, None) for name in (
        "Abs", "Asinh", "Atan", "BesselI0e", "BesselI1e", "Ceil", "Cos", "Cosh", "Erf", "Erfc", "Exp", "Expm1", "Floor",
        "Neg", "Rint", "Round", "Sigmoid", "Sign", "Sin", "Sinh", "Square", "Tanh",
    )},
    **{name: (lambda z, f=name: getattr(R, f)(features=z), ROW, None) for name in (
        "Elu", "LeakyRelu", "Relu", "Relu6", "Selu", "Softplus", "Softsign",
    )},
    **{name: (lambda z, f=name: getattr(R, f)(x=z), ROW, POSITIVE) for name in (
        "Digamma", "Inv", "Lgamma", "Log", "Log1p", "Reciprocal", "Rsqrt", "Sqrt",
    )},
    **{name: (lambda z, f=name: getattr(R, f)(x=z), ROW, UNIT) for name in ("Acos", "Asin", "Atanh", "Erfinv", "Tan")},
    "Ndtri": (lambda z: R.Ndtri(x=0.5 + 0.4 * z), ROW, UNIT),
    "Acosh": (lambda z: R.Acosh(x=z), ROW, ABOVE_ONE),
    "ClipByValue": (lambda z: R.ClipByValue(t=z, clip_value_min=-0.5, clip_value_max=0.5), ROW, None),
    # passed through
    **{name: (lambda z, f=name: getattr(R, f)(input=z), ROW, None) for name in ("Identity", "StopGradient", "Snapshot")},
    "PreventGradient": (lambda z: R.PreventGradient(input=z), ROW, None),
    "CheckNumerics": (lambda z: R.CheckNumerics(tensor=z, message=""), ROW, None),
    "Copy": (lambda z: R.Copy(input=z), ROW, None),
    "DeepCopy": (lambda z: R.DeepCopy(x=z), ROW, None),
    "IdentityN": (lambda z: R.IdentityN(input=[z, z])[1], ROW, None),
    # linear
    "Add": (lambda z: R.Add(x=z, y=W[:, 0]), ROW, None),
    "AddV2": (lambda z: R.AddV2(x=z, y=W[:, 0]), ROW, None),
    "AddN": (lambda z: R.AddN(inputs=[z, z * z]), ROW, None),
    "Sub": (lambda z: R.Sub(x=W[:, 0], y=z), ROW, None),
    "BiasAdd": (lambda z: R.BiasAdd(value=z, bias=W[:, 0]), ROW, None),
    "BiasAddV1": (lambda z: R.BiasAddV1(value=z, bias=W[:, 0]), ROW, None),
    "Cast": (lambda z: R.Cast(x=z, DstT=tf.float64), ROW, None),
    "Cumsum": (lambda z: R.Cumsum(x=z, axis=1), ROW, None),
    "Mean": (lambda z: R.Mean(input=z, axis=[1]), ROW, None),
    "Sum": (lambda z: R.Sum(input=z, axis=[1]), ROW, None),
    "Real": (lambda z: R.Real(input=_as_complex(z)), ROW, None),
    "Imag": (lambda z: R.Imag(input=_as_complex(z)), ROW, None),
    "Complex": (lambda z: _parts(R.Complex(real=z, imag=z)), ROW, None),
    "ComplexAbs": (lambda z: R.ComplexAbs(x=_as_complex(z)), ROW, None),
    "Angle": (lambda z: R.Angle(input=tf.complex(z, z[:, ::-1])), ROW, None),
    "Conj": (lambda z: _parts(R.Conj(input=_as_complex(z))), ROW, None),
    "EnsureShape": (lambda z: R.EnsureShape(input=z, shape=[None, 5]), ROW, None),
    "BroadcastTo": (lambda z: R.BroadcastTo(input=z[:, None], shape=tf.stack([tf.shape(z)[0], 2, 5])), ROW, None),
    "Concat": (lambda z: R.Concat(concat_dim=1, values=[z, 2 * z]), ROW, None),
    "ConcatV2": (lambda z: R.ConcatV2(values=[z, 2 * z], axis=1), ROW, None),
    "Pack": (lambda z: R.Pack(values=[z, z * 2], axis=1), ROW, None),
    "Unpack": (lambda z: R.Unpack(value=z, num=5, axis=1)[2], ROW, None),
    "Split": (lambda z: R.Split(axis=1, value=z, num_split=5)[1], ROW, None),
    "SplitV": (lambda z: R.SplitV(value=z, size_splits=[2, 3], axis=1, num_split=2)[1], ROW, None),
    "ExpandDims": (lambda z: R.ExpandDims(input=z, axis=1), ROW, None),
    "Squeeze": (lambda z: R.Squeeze(input=z[:, None], axis=[1]), ROW, None),
    "Reshape": (lambda z: R.Reshape(tensor=z, shape=[-1, 5, 1]), ROW, None),
    "Transpose": (lambda z: R.Transpose(x=z, perm=[0, 2, 1]), SQUARE, None),
    "ConjugateTranspose": (lambda z: R.ConjugateTranspose(x=z, perm=[0, 2, 1]), SQUARE, None),
    "Slice": (lambda z: R.Slice(input=z, begin=[0, 1], size=[-1, 3]), ROW, None),
    "StridedSlice": (lambda z: z[:, 1:4:2], ROW, None),
    "Gather": (lambda z: tf.transpose(R.Gather(params=tf.transpose(z), indices=[0, 2, 2])), ROW, None),
    "GatherV2": (lambda z: R.GatherV2(params=z, indices=[0, 2, 2], axis=1), ROW, None),
    "GatherNd": (lambda z: tf.transpose(R.GatherNd(params=tf.transpose(z), indices=[[0], [3]])), ROW, None),
    "Pad": (lambda z: R.Pad(input=z, paddings=[[0, 0], [1, 1]]), ROW, None),
    "PadV2": (lambda z: R.PadV2(input=z, paddings=[[0, 0], [1, 1]], constant_values=2.0), ROW, None),
    "MirrorPad": (lambda z: R.MirrorPad(input=z, paddings=[[0, 0], [1, 1]], mode="REFLECT"), ROW, None),
    "Tile": (lambda z: R.Tile(input=z, multiples=[1, 2]), ROW, None),
    "ReverseV2": (lambda z: R.ReverseV2(tensor=z, axis=[1]), ROW, None),
    "ReverseSequence": (lambda z: R.ReverseSequence(input=z, seq_lengths=tf.fill([tf.shape(z)[0]], 3), seq_dim=1), ROW, None),
    "Roll": (lambda z: R.Roll(input=z, shift=[2], axis=[1]), ROW, None),
    "MatrixBandPart": (lambda z: R.MatrixBandPart(input=z, num_lower=0, num_upper=1), SQUARE, None),
    "MatrixDiag": (lambda z: R.MatrixDiag(diagonal=z), ROW, None),
    "MatrixDiagV3": (lambda z: R.MatrixDiagV3(diagonal=z, k=0, num_rows=-1, num_cols=-1, padding_value=0.0), ROW, None),
    "MatrixDiagPart": (lambda z: R.MatrixDiagPart(input=z), SQUARE, None),
    "MatrixDiagPartV3": (lambda z: R.MatrixDiagPartV3(input=z, k=0, padding_value=0.0), SQUARE, None),
    "MatrixSetDiagV3": (lambda z: R.MatrixSetDiagV3(input=z, diagonal=z[:, 0], k=0), SQUARE, None),
    "Diag": (lambda z: tf.reduce_sum(R.Diag(diagonal=tf.reshape(z, [-1])), 1)[:, None] * 1.0, (1,), None),
    "DiagPart": (lambda z: R.DiagPart(input=R.Diag(diagonal=tf.reshape(z, [-1])))[:, None], (1,), None),
    "DynamicPartition": (lambda z: tf.transpose(R.DynamicPartition(data=tf.transpose(z), partitions=[0, 1, 0, 1, 0], num_partitions=2)[1]), ROW, None),
    "DynamicStitch": (lambda z: tf.transpose(R.DynamicStitch(indices=[[0, 2], [1]], data=[tf.transpose(z)[:2], tf.transpose(z)[2:3]])), ROW, None),
    "ParallelDynamicStitch": (lambda z: tf.transpose(R.ParallelDynamicStitch(indices=[[0, 2], [1]], data=[tf.transpose(z)[:2], tf.transpose(z)[2:3]])), ROW, None),
    "RaggedTensorToTensor": (lambda z: R.RaggedTensorToTensor(
        shape=tf.constant([-1, -1], tf.int64), values=tf.reshape(z, [-1]), default_value=2.0,
        row_partition_tensors=[tf.range(tf.shape(z)[0] + 1) * tf.shape(z)[1]], row_partition_types=["ROW_SPLITS"]), ROW, None),
    "ScatterNd": (lambda z: tf.transpose(R.ScatterNd(indices=[[0], [2]], updates=tf.transpose(z)[:2], shape=tf.stack([4, tf.shape(z)[0]]))), ROW, None),
    "TensorScatterAdd": (lambda z: tf.transpose(R.TensorScatterAdd(tensor=tf.transpose(z), indices=[[0], [2]], updates=tf.transpose(z)[3:])), ROW, None),
    "TensorScatterSub": (lambda z: tf.transpose(R.TensorScatterSub(tensor=tf.transpose(z), indices=[[0], [2]], updates=tf.transpose(z)[3:])), ROW, None),
    "TensorScatterUpdate": (lambda z: tf.transpose(R.TensorScatterUpdate(tensor=tf.transpose(z), indices=[[0], [2]], updates=tf.transpose(z)[3:])), ROW, None),
    "XlaDynamicSlice": (lambda z: xla.xla_dynamic_slice(z, [0, 4], tf.stack([tf.shape(z)[0], 2])), ROW, None),
    "XlaDynamicUpdateSlice": (lambda z: xla.xla_dynamic_update_slice(z, 3 * z[:, :2], [0, 4]), ROW, None),
    "Fill": (lambda z: tf.transpose(tf.stack([R.Fill(dims=tf.constant([2]), value=v) for v in tf.unstack(tf.reduce_sum(tf.reshape(z, [-1, 5]), 0))]))[:1] + 0 * z[:, :1], ROW, "one"),
    "ExtractImagePatches": (lambda z: R.ExtractImagePatches(images=z, ksizes=[1, 2, 2, 1], strides=[1, 1, 1, 1], rates=[1, 1, 1, 1], padding="VALID"), IMAGE, None),
    "ExtractVolumePatches": (lambda z: R.ExtractVolumePatches(input=z, ksizes=[1, 2, 2, 2, 1], strides=[1, 1, 1, 1, 1], padding="VALID"), VOLUME, "static"),
    "AvgPool": (lambda z: R.AvgPool(value=z, ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="SAME"), IMAGE, None),
    "AvgPool3D": (lambda z: R.AvgPool3D(input=z, ksize=[1, 2, 2, 2, 1], strides=[1, 1, 1, 1, 1], padding="SAME"), VOLUME, None),
    "SpaceToDepth": (lambda z: R.SpaceToDepth(input=z, block_size=2), IMAGE, None),
    "DepthToSpace": (lambda z: R.DepthToSpace(input=R.SpaceToDepth(input=z, block_size=2), block_size=2), IMAGE, None),
    "SpaceToBatchND": (lambda z: R.BatchToSpaceND(input=2 * R.SpaceToBatchND(input=z, block_shape=[2, 2], paddings=[[0, 0], [0, 0]]), block_shape=[2, 2], crops=[[0, 0], [0, 0]]), IMAGE, None),
    "BatchToSpaceND": (lambda z: R.BatchToSpaceND(input=R.SpaceToBatchND(input=z, block_shape=[2, 2], paddings=[[0, 0], [0, 0]]), block_shape=[2, 2], crops=[[0, 0], [0, 0]]), IMAGE, None),
    "ResizeBilinear": (lambda z: R.ResizeBilinear(images=z, size=[7, 7]), IMAGE, None),
    "ResizeNearestNeighbor": (lambda z: R.ResizeNearestNeighbor(images=z, size=[7, 7]), IMAGE, None),
    "ResizeBicubic": (lambda z: R.ResizeBicubic(images=z, size=[7, 7]), IMAGE, None),
    "ScaleAndTranslate": (lambda z: R.ScaleAndTranslate(images=z, size=[7, 7], scale=[1.5, 1.5], translation=[0.2, 0.1], kernel_type="triangle"), IMAGE, None),
    "SegmentSum": (lambda z: tf.transpose(R.SegmentSum(data=tf.transpose(z), segment_ids=[0, 0, 1, 1, 2])), ROW, None),
    "SegmentMean": (lambda z: tf.transpose(R.SegmentMean(data=tf.transpose(z), segment_ids=[0, 0, 1, 1, 2])), ROW, None),
    "UnsortedSegmentSum": (lambda z: tf.transpose(R.UnsortedSegmentSum(data=tf.transpose(z), segment_ids=[0, 2, 1, 1, 2], num_segments=3)), ROW, None),
    **{f: (lambda z, f=f: _parts(getattr(R, f)(input=_as_complex(z))), shape, None) for f, shape in (
        ("FFT", ROW), ("FFT2D", SQUARE), ("FFT3D", (2, 2, 2)), ("IFFT", ROW), ("IFFT2D", SQUARE), ("IFFT3D", (2, 2, 2)))},
    "RFFT": (lambda z: _parts(R.RFFT(input=z, fft_length=[4])), (4,), None),
    "RFFT2D": (lambda z: _parts(R.RFFT2D(input=z, fft_length=[4, 4])), SQUARE, None),
    "IRFFT": (lambda z: R.IRFFT(input=_as_complex(z), fft_length=[4]), (3,), None),
    "IRFFT2D": (lambda z: R.IRFFT2D(input=_as_complex(z), fft_length=[4, 4]), (4, 3), None),
    # lists
    "TensorListFromTensor": (lambda z: tf.transpose(R.TensorListStack(input_handle=_list(z), element_shape=[-1], element_dtype=tf.float32)), ROW, None),
    "TensorListStack": (lambda z: tf.transpose(R.TensorListStack(input_handle=_list(z), element_shape=[-1], element_dtype=tf.float32)), ROW, None),
    "TensorListGetItem": (lambda z: R.TensorListGetItem(input_handle=_list(z), index=2, element_shape=[-1], element_dtype=tf.float32)[:, None], ROW, None),
    "TensorListSetItem": (lambda z: tf.transpose(R.TensorListStack(input_handle=R.TensorListSetItem(input_handle=_list(z), index=1, item=3 * z[:, 0]), element_shape=[-1], element_dtype=tf.float32)), ROW, None),
    "TensorListGather": (lambda z: tf.transpose(R.TensorListGather(input_handle=_list(z), indices=[0, 3], element_shape=[-1], element_dtype=tf.float32)), ROW, None),
    "TensorListScatterV2": (lambda z: tf.transpose(R.TensorListStack(input_handle=R.TensorListScatterV2(tensor=tf.transpose(z), indices=[0, 1, 2, 3, 4], element_shape=tf.constant([-1]), num_elements=5), element_shape=[-1], element_dtype=tf.float32)), ROW, None),
    "TensorListPushBack": (lambda z: R.TensorListGetItem(input_handle=R.TensorListPushBack(input_handle=R.EmptyTensorList(element_shape=tf.constant([-1]), max_num_elements=3, element_dtype=tf.float32), tensor=z[:, 1]), index=0, element_shape=[-1], element_dtype=tf.float32)[:, None], ROW, None),
    "EmptyTensorList": None, "TensorListReserve": None, "TensorListPopBack": None, "TensorListConcatV2": None, "TensorListResize": None,
    # products with constants
    "SparseTensorDenseMatMul": (lambda z: tf.transpose(R.SparseTensorDenseMatMul(
        a_indices=[[0, 1], [2, 0], [2, 4]], a_values=W[:3, 0], a_shape=[3, 5], b=tf.transpose(z))), ROW, None),
    "Mul": (lambda z: R.Mul(x=z, y=W[:, 0]), ROW, None),
    "MulNoNan": (lambda z: R.MulNoNan(x=z, y=W[:, 0]), ROW, None),
    "MatMul": (lambda z: R.MatMul(a=z, b=W), ROW, None),
    "BatchMatMul": (lambda z: R.BatchMatMul(x=z, y=tf.broadcast_to(W[:4], [tf.shape(z)[0], 4, 4])), SQUARE, None),
    "BatchMatMulV2": (lambda z: R.BatchMatMulV2(x=z, y=W[:4]), SQUARE, None),
    "BatchMatMulV3": (lambda z: R.BatchMatMulV3(x=z, y=W[:4], Tout=tf.float32), SQUARE, "no gradient in TensorFlow"),
    "Einsum": (lambda z: R.Einsum(inputs=[z, W], equation="ni,ij->nj"), ROW, None),
    "Conv2D": (lambda z: R.Conv2D(input=z, filter=K2, strides=[1, 1, 1, 1], padding="SAME"), IMAGE, None),
    "Conv3D": (lambda z: R.Conv3D(input=z, filter=K3, strides=[1, 1, 1, 1, 1], padding="SAME"), VOLUME, None),
    "DepthwiseConv2dNative": (lambda z: R.DepthwiseConv2dNative(input=z, filter=D2, strides=[1, 1, 1, 1], padding="SAME"), IMAGE, None),
    "Conv2DBackpropInput": (lambda z: R.Conv2DBackpropInput(input_sizes=tf.stack([tf.shape(z)[0], 8, 8, 4]), filter=tf.transpose(K2, [0, 1, 3, 2]), out_backprop=z, strides=[1, 2, 2, 1], padding="SAME"), IMAGE, None),
    "Conv3DBackpropInputV2": (lambda z: R.Conv3DBackpropInputV2(input_sizes=tf.stack([tf.shape(z)[0], 8, 8, 8, 4]), filter=tf.transpose(K3, [0, 1, 2, 4, 3]), out_backprop=z, strides=[1, 2, 2, 2, 1], padding="SAME"), VOLUME, None),
    "L2Loss": (lambda z: R.L2Loss(t=z)[None], ROW, "one"),
    **{f: (lambda z, f=f: getattr(R, f)(x=z, scale=[1.5, -0.5, 2.0], offset=[0.1, 0.2, 0.3], mean=[0.0, 1.0, 2.0], variance=[1.0, 2.0, 3.0], is_training=False)[0], IMAGE, None)
       for f in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")},
    # extremes, rows, mixing
    "Max": (lambda z: R.Max(input=z, axis=[1]), ROW, None),
    "Min": (lambda z: R.Min(input=z, axis=[1]), ROW, None),
    "MaxPool": (lambda z: R.MaxPool(input=z, ksize=[1, 3, 3, 1], strides=[1, 1, 1, 1], padding="SAME"), IMAGE, None),
    "MaxPool3D": (lambda z: R.MaxPool3D(input=z, ksize=[1, 3, 3, 3, 1], strides=[1, 1, 1, 1, 1], padding="SAME"), VOLUME, None),
    "MaxPoolV2": (lambda z: R.MaxPoolV2(input=z, ksize=tf.constant([1, 3, 3, 1]), strides=tf.constant([1, 1, 1, 1]), padding="SAME"), IMAGE, None),
    "MaxPoolWithArgmax": (lambda z: R.MaxPoolWithArgmax(input=z, ksize=[1, 3, 3, 1], strides=[1, 1, 1, 1], padding="VALID")[0], IMAGE, None),
    "SegmentMax": (lambda z: tf.transpose(R.SegmentMax(data=tf.transpose(z), segment_ids=[0, 0, 1, 1, 2])), ROW, None),
    "SegmentMin": (lambda z: tf.transpose(R.SegmentMin(data=tf.transpose(z), segment_ids=[0, 0, 1, 1, 2])), ROW, None),
    "UnsortedSegmentMax": (lambda z: tf.transpose(R.UnsortedSegmentMax(data=tf.transpose(z), segment_ids=[0, 2, 1, 1, 2], num_segments=3)), ROW, None),
    "UnsortedSegmentMin": (lambda z: tf.transpose(R.UnsortedSegmentMin(data=tf.transpose(z), segment_ids=[0, 2, 1, 1, 2], num_segments=3)), ROW, None),
    "Softmax": (lambda z: R.Softmax(logits=z), ROW, None),
    "LogSoftmax": (lambda z: R.LogSoftmax(logits=z), ROW, None),
    "LRN": (lambda z: R.LRN(input=z, depth_radius=1), IMAGE, None),
    "Prod": (lambda z: R.Prod(input=z, axis=[1]), ROW, None),
    "Cumprod": (lambda z: R.Cumprod(x=z, axis=1), ROW, None),
    "CumulativeLogsumexp": (lambda z: R.CumulativeLogsumexp(x=z, axis=1), ROW, None),
    "EuclideanNorm": (lambda z: R.EuclideanNorm(input=z, axis=[1]), ROW, None),
    "TopKV2": (lambda z: R.TopKV2(input=z, k=2)[0], ROW, None),
    "MatrixInverse": (lambda z: R.MatrixInverse(input=z + 6 * tf.eye(4)), SQUARE, None),
    "MatrixDeterminant": (lambda z: R.MatrixDeterminant(input=z + 2 * tf.eye(4))[:, None], SQUARE, None),
    "Cholesky": (lambda z: R.Cholesky(input=z @ tf.transpose(z, [0, 2, 1]) + 4 * tf.eye(4)), SQUARE, None),
    # several ops as one
    "NormalisationStep": (lambda z: (z - tf.reduce_mean(z, 1, keepdims=True)) * tf.math.rsqrt(tf.math.reduce_variance(z, 1, keepdims=True) + 0.1), ROW, None),
    "LogSumExpStep": (lambda z: tf.reduce_logsumexp(z, 1, keepdims=True), ROW, None),
    # control flow
    "While": (_loop(False), ROW, None),
    "StatelessWhile": (_loop(True), ROW, None),
    "If": (lambda z: tf.cond(tf.reduce_sum(W) > 0, lambda: tf.tanh(z), lambda: tf.exp(z)), ROW, None),
    "StatelessIf": (lambda z: tf.cond(tf.reduce_sum(W) < 0, lambda: tf.tanh(z), lambda: tf.exp(z)), ROW, None),
    "Case": (lambda z: tf.switch_case(tf.cast(tf.reduce_sum(W) > 1e9, tf.int32) + 1, [lambda: tf.tanh(z), lambda: tf.exp(z)]), ROW, None),
    "StatelessCase": (lambda z: tf.switch_case(tf.cast(tf.reduce_sum(W) > 1e9, tf.int32) + 1, [lambda: tf.tanh(z), lambda: tf.exp(z)]), ROW, None),
    "PartitionedCall": (tf.function(lambda z: tf.tanh(z) * z), ROW, None),
    "StatefulPartitionedCall": (tf.function(lambda z: tf.tanh(z) * z), ROW, None),
}  # fmt: skip
TWO = {
    **{f: (lambda a, b, f=f: getattr(R, f)(x=a, y=b), ROW, None) for f in ("Mul", "Maximum", "Minimum", "SquaredDifference", "Sub", "AddV2")},
    **{f: (lambda a, b, f=f: getattr(R, f)(x=a, y=b), ROW, POSITIVE) for f in ("RealDiv", "Div", "DivNoNan", "Pow", "Xdivy", "Xlogy", "Xlog1py", "FloorDiv", "MulNoNan")},
    **{f: (lambda a, b, f=f: getattr(R, f)(x=a, y=b), ROW, POSITIVE) for f in ("FloorMod",)},
    "Atan2": (lambda a, b: R.Atan2(y=a, x=b), ROW, POSITIVE),
    "Cross": (lambda a, b: R.Cross(a=a, b=b), (3,), None),
    "MatMul": (lambda a, b: R.MatMul(a=tf.reduce_sum(a, 0, keepdims=True), b=tf.transpose(b)), (2,), "one"),
    "BatchMatMulV2": (lambda a, b: R.BatchMatMulV2(x=a, y=b), SQUARE, None),
    "Einsum": (lambda a, b: R.Einsum(inputs=[a, b], equation="nij,njk->nik"), SQUARE, None),
    "Select": (lambda a, b: R.Select(condition=a > b, x=a * 2, y=b * b), ROW, None),
    "SelectV2": (lambda a, b: R.SelectV2(condition=a > b, t=a * 2, e=b * b), ROW, None),
}  # fmt: skip
# Made only on the way to other ops of the table, or without a gradient in TensorFlow.
INDIRECT = {"TensorListReserve", "EmptyTensorList", "TensorListPopBack", "TensorListConcatV2", "TensorListResize"}


def _draw(shape, domain, rng, n):
    if domain in (POSITIVE, ABOVE_ONE):
        return (rng.uniform(0.5, 2.0, (n, *shape)) + (1 if domain == ABOVE_ONE else 0)).astype("float32")
    if domain == UNIT:
        return rng.uniform(-0.9, 0.9, (n, *shape)).astype("float32")
    return rng.normal(size=(n, *shape)).astype("float32")


def _weights(y):
    """Sum of the outputs with weights, so that no error cancels."""
    y = tf.cast(y, tf.float32)
    if y.shape[1:].is_fully_defined():
        weights = tf.reshape(tf.range(1.0, 1.0 + y.shape[1:].num_elements()), y.shape[1:])
        return tf.reduce_sum(y * weights, range(1, y.shape.rank))
    flat = tf.reshape(y, [tf.shape(y)[0], -1])
    return tf.reduce_sum(flat * tf.cast(tf.range(1, tf.shape(flat)[1] + 1), tf.float32), 1)


class Example:
    """An op as a function, captured once for both rules, with random values for x and the reference."""

    def __init__(self, function, shape, domain, operands):
        rng, n = np.random.default_rng(0), 1 if domain == "one" else N
        self.x, self.x0 = [[_draw(shape, domain, rng, k) for _ in range(operands)] for k in (n, 1)]
        together = lambda z: _weights(function(*z) if operands > 1 else function(z))  # noqa: E731
        self.explainer = tfxai.Explainer(tf.autograph.experimental.do_not_convert(together))

    def check(self, rule):
        x, x0 = (a if len(a) > 1 else a[0] for a in (self.x, self.x0))
        e = self.explainer.using("deeplift", rule=rule)(x, baseline=x0)
        change = np.abs(e.score - e.baseline_score)
        assert change.max() > 1e-3, "the example must change, or the test shows nothing"
        np.testing.assert_allclose(e.delta / np.maximum(change, 1), 0, atol=5e-5)


@pytest.fixture(scope="module")
def one(request):
    return Example(*ONE[request.param], operands=1)


@pytest.fixture(scope="module")
def two(request):
    return Example(*TWO[request.param], operands=2)


def test_table_is_tested_whole():
    covered = {k for k, v in ONE.items() if v is not None} | set(TWO) | INDIRECT
    assert set(tfxai.supported_ops()) == covered


RULES = pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])


@RULES
@pytest.mark.parametrize("one", sorted(k for k, v in ONE.items() if v is not None), indirect=True)
def test_one_varying_input(one, rule):
    one.check(rule)


@RULES
@pytest.mark.parametrize("two", sorted(TWO), indirect=True)
def test_two_varying_inputs(two, rule):
    two.check(rule)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(k for k, v in ONE.items() if v is not None and k not in (
    "If", "Case", "While", "StatefulPartitionedCall", "PartitionedCall", "NormalisationStep", "LogSumExpStep")))  # fmt: skip
def test_examples_really_use_the_op(name):
    function, shape, domain = ONE[name]
    graph = capture(
        tf.autograph.experimental.do_not_convert(function), [tf.TensorSpec([None if domain != "one" else 1, *shape])]
    )
    types = {op.type for op in graph.ops} | {o.type for op in graph.ops for b in op.bodies for o in b.ops}
    assert name in types or name.startswith("Stateless")
