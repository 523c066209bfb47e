"""What an op computes, whatever the method: the op types that every table reads."""

from __future__ import annotations

# y = A x + b with A and b independent of x, jointly in all inputs that carry data.
AFFINE = frozenset({
    # sums, scalings, casts
    "Add", "AddN", "AddV2", "BiasAdd", "BiasAddV1", "Cast", "Cumsum", "Mean", "Neg", "Sub", "Sum", "Real", "Imag",
    "Complex", "Conj", "EnsureShape",
    # moving values
    "BroadcastTo", "Concat", "ConcatV2", "ConjugateTranspose", "Diag", "DiagPart", "DynamicPartition",
    "DynamicStitch", "ExpandDims", "ExtractImagePatches", "ExtractVolumePatches", "Fill", "Gather", "GatherNd",
    "GatherV2", "MatrixBandPart", "MatrixDiag", "MatrixDiagPart", "MatrixDiagPartV3", "MatrixDiagV3",
    "MatrixSetDiagV3", "MirrorPad", "Pack", "Pad", "PadV2", "ParallelDynamicStitch", "Reshape", "ReverseSequence",
    "ReverseV2", "Roll", "ScatterNd", "Slice", "Split", "SplitV", "Squeeze", "StridedSlice",
    "TensorScatterAdd", "TensorScatterSub", "TensorScatterUpdate", "Tile", "Transpose", "Unpack",
    # segments, blocks, resampling, pooling
    "AvgPool", "AvgPool3D", "BatchToSpaceND", "DepthToSpace", "ResizeBicubic", "ResizeBilinear",
    "ResizeNearestNeighbor", "ScaleAndTranslate", "SegmentMean", "SegmentSum", "SpaceToBatchND", "SpaceToDepth",
    "UnsortedSegmentSum",
    # Fourier
    "FFT", "FFT2D", "FFT3D", "IFFT", "IFFT2D", "IFFT3D", "IRFFT", "IRFFT2D", "RFFT", "RFFT2D",
    # lists (loops and TensorArray)
    "EmptyTensorList", "TensorListConcatV2", "TensorListFromTensor", "TensorListGather", "TensorListGetItem",
    "TensorListPopBack", "TensorListPushBack", "TensorListReserve", "TensorListResize", "TensorListScatterV2",
    "TensorListSetItem", "TensorListStack",
})  # fmt: skip

# Affine in each input alone: two that carry data multiply.
BILINEAR = frozenset({
    "Mul", "MulNoNan", "MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum", "Conv2D", "Conv3D",
    "DepthwiseConv2dNative", "Conv2DBackpropInput", "Conv3DBackpropInputV2", "Cross",
})  # fmt: skip
QUADRATIC = frozenset({"Square", "SquaredDifference", "L2Loss"})
CONVOLUTIONS = frozenset({
    "Conv2D", "Conv3D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "Conv3DBackpropInputV2",
})  # fmt: skip

# y_i = f(x_i): piecewise linear, smooth, and steps (slope 0 almost everywhere).
PIECEWISE = frozenset({"Relu", "Relu6", "LeakyRelu", "Abs", "ClipByValue"})
SMOOTH = frozenset({
    "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BesselI0e", "BesselI1e", "Cos", "Cosh", "Digamma", "Elu",
    "Erf", "Erfc", "Erfinv", "Exp", "Expm1", "Inv", "Lgamma", "Log", "Log1p", "Ndtri", "Reciprocal", "Rsqrt",
    "Selu", "Sigmoid", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh",
})  # fmt: skip
STEPS = frozenset({"Ceil", "Floor", "Rint", "Round", "Sign"})
# Defined and tame on all reals, so that RevealCancel may ask for f far from x and from the reference.
EVERYWHERE = PIECEWISE | STEPS | {
    "Asinh", "Atan", "Cos", "Elu", "Erf", "Erfc", "Selu", "Sigmoid", "Sin", "Softplus", "Softsign", "Tanh",
    "Square", "Maximum", "Minimum",
}  # fmt: skip
RISING = frozenset({
    "Relu", "Relu6", "ClipByValue", "Ceil", "Floor", "Rint", "Round", "Sign", "Asinh", "Atan", "Elu", "Erf", "Selu",
    "Sigmoid", "Softplus", "Softsign", "Tanh", "Maximum", "Minimum",
})  # fmt: skip
ELEMENTWISE = PIECEWISE | SMOOTH | STEPS

# y_i = f(a_i, b_i), broadcast.
PAIRWISE = frozenset({
    "Atan2", "Div", "DivNoNan", "FloorDiv", "FloorMod", "Maximum", "Minimum", "Pow", "RealDiv",
    "Xdivy", "Xlog1py", "Xlogy",
})  # fmt: skip

# One output for a window or an axis: its largest or smallest member.
LARGEST = frozenset(
    {"Max", "MaxPool", "MaxPool3D", "MaxPoolV2", "MaxPoolWithArgmax", "SegmentMax", "UnsortedSegmentMax"}
)
SMALLEST = frozenset({"Min", "SegmentMin", "UnsortedSegmentMin"})

# Every output depends on every input of its row (the last axis) or of its example.
ROWS = frozenset({"LogSoftmax", "Softmax"})
MIXING = frozenset({
    "Cholesky", "CumulativeLogsumexp", "Cumprod", "EuclideanNorm", "LRN", "MatrixDeterminant", "MatrixInverse",
    "Prod", "TopKV2",
})  # fmt: skip

SELECTS = frozenset({"Select", "SelectV2"})
NORMALISATIONS = frozenset({"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"})
