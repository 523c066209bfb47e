"""What is known of TensorFlow's ops, whatever the method: op types by the question that they answer."""

from __future__ import annotations

import tensorflow as tf

# --- How the graph is made ---------------------------------------------------------------------------------------

# Calls whose body is put in their place.
CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
# Loops and branches, with the attributes that name their bodies.
LOOPS = {"While": ("cond", "body"), "StatelessWhile": ("cond", "body")}
BRANCHES = {"If": ("then_branch", "else_branch"), "StatelessIf": ("then_branch", "else_branch")}
CASES = frozenset({"Case", "StatelessCase"})
CONTROL = frozenset(LOOPS) | frozenset(BRANCHES) | CASES
# What a variable holds, or a part of it, as it is now.
VARIABLE_READS = frozenset({"ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape"})
# Ops of ours: several ops that rules see as one; their body runs in their place.
AFFINE_STEP = "AffineStep"  # a kernel with its bias and normalisation: inputs (x, kernel, what else the body takes)
RECTIFIER_STEP = "RectifierStep"  # y = f(x) element by element: inputs (x, what else the body takes)
NORMALISATION_STEP = "NormalisationStep"  # division by a norm: inputs (x, what else the body takes)
LOGSUMEXP_STEP = "LogSumExpStep"  # y = log(sum(exp(x))) along axes: inputs (x, what else the body takes)
CHAIN = "Chain"  # y = f(x) element by element, of several ops: inputs (x, what else the body takes)
ABREAST = "Abreast"  # ops that are alike, each of its own tensor: one of them on the tensors side by side
STEPS_AS_ONE = frozenset({AFFINE_STEP, RECTIFIER_STEP, NORMALISATION_STEP, LOGSUMEXP_STEP, CHAIN})

# --- What a value is to the input --------------------------------------------------------------------------------

# The value passes through; what they say about gradients concerns only methods that read the gradient.
ALIASES = frozenset({
    "Identity", "IdentityN", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics", "Copy", "DeepCopy",
})  # fmt: skip
# The result depends on shapes alone.
SHAPE_ONLY = frozenset({
    "Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike", "TensorListLength",
    "TensorListElementShape", "BroadcastGradientArgs",
})  # fmt: skip
# The result is floating and depends on values, but in steps only.
DECISIONS = frozenset({"Bucketize", "StringToHashBucketFast", "OneHot"})
# Beginnings of the names of random draws: the same for x and for the reference.
RANDOM = (
    "Random", "StatelessRandom", "StatelessTruncated", "StatefulRandom", "StatefulUniform",
    "StatefulStandardNormal", "StatefulTruncatedNormal", "TruncatedNormal", "ParameterizedTruncated",
    "Multinomial", "StatelessMultinomial", "StatelessParameterized",
)  # fmt: skip
# TensorFlow has gradients of these dtypes; of float8, for one, it has none.
DIFFERENTIABLE = frozenset({
    tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.complex64, tf.complex128, tf.variant,
})  # fmt: skip

# --- What an op computes -----------------------------------------------------------------------------------------

# y = A x + b with A and b independent of x, jointly in all inputs that vary.
AFFINE = frozenset({
    # sums, scalings, casts
    "Add", "AddN", "AddV2", "BiasAdd", "BiasAddV1", "Cast", "Cumsum", "Mean", "Neg", "Sub", "Sum", "Real", "Imag",
    "Complex", "Conj", "EnsureShape",
    # moving values
    "BroadcastTo", "Concat", "ConcatV2", "ConjugateTranspose", "Diag", "DiagPart", "DynamicPartition",
    "DynamicStitch", "ExpandDims", "ExtractImagePatches", "ExtractVolumePatches", "Fill", "Gather", "GatherNd",
    "GatherV2", "MatrixBandPart", "MatrixDiag", "MatrixDiagPart", "MatrixDiagPartV3", "MatrixDiagV3",
    "MatrixSetDiagV3", "MirrorPad", "Pack", "Pad", "PadV2", "ParallelDynamicStitch", "Reshape", "ReverseSequence",
    "RaggedTensorToTensor", "ReverseV2", "Roll", "ScatterNd", "Slice", "Split", "SplitV", "Squeeze", "StridedSlice",
    "TensorScatterAdd", "TensorScatterSub", "TensorScatterUpdate", "Tile", "Transpose", "Unpack", "XlaDynamicSlice",
    "XlaDynamicUpdateSlice",
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
# Of the affine ones: every number of the output is one of the inputs (or a constant), moved or copied.
MOVING = frozenset({
    "Cast", "EnsureShape", "Real", "Imag", "Complex", "BroadcastTo", "Concat", "ConcatV2", "ConjugateTranspose", "Diag",
    "DiagPart", "DynamicPartition", "DynamicStitch", "ExpandDims", "ExtractImagePatches", "ExtractVolumePatches",
    "Fill", "Gather", "GatherNd", "GatherV2", "MatrixBandPart", "MatrixDiag", "MatrixDiagPart", "MatrixDiagPartV3",
    "MatrixDiagV3", "MatrixSetDiagV3", "MirrorPad", "Pack", "Pad", "PadV2", "ParallelDynamicStitch", "Reshape",
    "ReverseSequence", "ReverseV2", "Roll", "Slice", "Split", "SplitV", "Squeeze", "StridedSlice",
    "TensorScatterUpdate", "Tile", "Transpose", "Unpack", "XlaDynamicSlice", "XlaDynamicUpdateSlice",
    "BatchToSpaceND", "DepthToSpace", "ResizeNearestNeighbor", "SpaceToBatchND", "SpaceToDepth",
    "EmptyTensorList", "TensorListConcatV2", "TensorListFromTensor", "TensorListGather", "TensorListGetItem",
    "TensorListPopBack", "TensorListPushBack", "TensorListReserve", "TensorListResize", "TensorListScatterV2",
    "TensorListSetItem", "TensorListStack",
})  # fmt: skip
# Of those: several are put beside each other.
JOINS = frozenset({"Concat", "ConcatV2", "Pack"})
# Of those: zeros are put around.
PADDINGS = frozenset({"Pad", "SpaceToBatchND"})
# Of the affine ones: the sign changes, nothing else.
SIGN_ONLY = frozenset({"Neg", "Conj"})
# Of the affine ones: constants among their inputs are added or put beside, so a change of x does not meet them.
ADDITIVE = frozenset({
    "Add", "AddN", "AddV2", "BiasAdd", "BiasAddV1", "Concat", "ConcatV2", "Pack", "PadV2", "DynamicStitch",
    "RaggedTensorToTensor",
    "ParallelDynamicStitch", "SelectV2", "Select", "XlaDynamicUpdateSlice",
    "TensorListSetItem", "TensorListPushBack", "TensorListFromTensor",
})  # fmt: skip
# Linear, and their other float inputs are parameters rather than summands.
STEERED = frozenset({"ScaleAndTranslate"})
# With a constant other operand each output is its own input, scaled.
DIAGONAL = frozenset({"Mul", "MulNoNan", "RealDiv", "Neg", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"})
NORMALISATIONS = frozenset({"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"})

CONVOLUTIONS = frozenset({
    "Conv2D", "Conv3D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "Conv3DBackpropInputV2",
})  # fmt: skip
# Of those, with the size of their output as the first input.
TRANSPOSED = frozenset({"Conv2DBackpropInput", "Conv3DBackpropInputV2"})
# Dense and convolution: sums of products of an input and weights.
KERNELS = CONVOLUTIONS | {"MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"}
# Affine in each input alone: two that vary multiply.
BILINEAR = KERNELS | {"Mul", "MulNoNan", "Cross", "SparseTensorDenseMatMul"}
QUADRATIC = frozenset({"Square", "SquaredDifference", "L2Loss"})

# y_i = f(x_i): piecewise linear, smooth, and steps (slope 0 almost everywhere).
PIECEWISE = frozenset({"Relu", "Relu6", "LeakyRelu", "Abs", "ClipByValue"})
SMOOTH = frozenset({
    "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BesselI0e", "BesselI1e", "Cos", "Cosh", "Digamma", "Elu",
    "Erf", "Erfc", "Erfinv", "Exp", "Expm1", "Inv", "Lgamma", "Log", "Log1p", "Ndtri", "Reciprocal", "Rsqrt",
    "Selu", "Sigmoid", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh",
})  # fmt: skip
STEPS = frozenset({"Ceil", "Floor", "Rint", "Round", "Sign"})
# Their slope is 0 wherever it is defined: TensorFlow sends nothing back through them, or zeros.
FLAT = STEPS | {"FloorDiv"}
# Of one varying operand: the outputs are inputs, bounds or whole numbers as they are, their changes exact.
EXACT = (PIECEWISE - {"LeakyRelu"}) | STEPS | {"Maximum", "Minimum", "FloorDiv", "FloorMod"}
# Of the smooth ones: on all reals, bending on a scale of 1; and those that have another curve on either side of 0.
ENTIRE = frozenset({
    "Asinh", "Atan", "Cos", "Cosh", "Erf", "Erfc", "Exp", "Expm1", "Sin", "Sinh", "Softplus",
})  # fmt: skip
BENT_AT_ZERO = frozenset({"BesselI0e", "BesselI1e", "Elu", "Selu", "Softsign"})
# Of one varying operand: defined and tame on all reals, so that f may be asked for far from x and the reference.
EVERYWHERE = PIECEWISE | STEPS | {
    "Asinh", "Atan", "Cos", "Elu", "Erf", "Erfc", "Selu", "Sigmoid", "Sin", "Softplus", "Softsign", "Tanh",
    "Square", "Maximum", "Minimum",
}  # fmt: skip
# Of those: never falling.
RISING = frozenset({
    "Relu", "Relu6", "ClipByValue", "Ceil", "Floor", "Rint", "Round", "Sign", "Asinh", "Atan", "Elu", "Erf", "Selu",
    "Sigmoid", "Softplus", "Softsign", "Tanh", "Maximum", "Minimum",
})  # fmt: skip

# The outputs are never below 0; and those of these are not where no input is.
NONNEGATIVE = frozenset({
    "Relu", "Relu6", "Sigmoid", "Softmax", "Softplus", "Square", "SquaredDifference", "Abs", "Exp", "Sqrt", "Rsqrt",
    "EuclideanNorm", "ComplexAbs", "Erfc", "L2Loss",
})  # fmt: skip
NONNEGATIVE_KEPT = MOVING | {
    "Identity", "IdentityN", "StopGradient", "Add", "AddV2", "AddN", "Mul", "RealDiv", "Mean", "Sum", "Cumsum", "Prod",
    "AvgPool", "AvgPool3D", "MaxPool", "MaxPool3D", "MaxPoolV2", "Max", "Min", "Maximum", "Minimum", "ResizeBilinear",
}  # fmt: skip
# Between 0 and a bound, by the input: what opens and closes the way of another value when they are multiplied.
GATES = frozenset({"Sigmoid", "Softmax", "Relu6"})
# Of one varying operand: never rising, or never falling.
MONOTONE = RISING | SIGN_ONLY | {
    "Identity", "IdentityN", "StopGradient", "Add", "AddV2", "BiasAdd", "Sub", "Mul", "RealDiv", "Relu", "LeakyRelu",
    "Exp", "Expm1", "Log", "Log1p", "Sqrt", "Sinh", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3",
}  # fmt: skip

# y_i = f(a_i, b_i), broadcast.
PAIRWISE = frozenset({
    "Atan2", "Div", "DivNoNan", "FloorDiv", "FloorMod", "Maximum", "Minimum", "Pow", "RealDiv",
    "Xdivy", "Xlog1py", "Xlogy",
})  # fmt: skip
DIVISIONS = frozenset({"RealDiv", "Div"})
# Products and the like of two operands, element by element.
BY_ELEMENT = PAIRWISE | {"Mul", "MulNoNan", "Square", "SquaredDifference"}
SELECTS = frozenset({"Select", "SelectV2"})

# One output for a window or an axis: its largest or smallest member.
LARGEST = frozenset(
    {"Max", "MaxPool", "MaxPool3D", "MaxPoolV2", "MaxPoolWithArgmax", "SegmentMax", "UnsortedSegmentMax"}
)
SMALLEST = frozenset({"Min", "SegmentMin", "UnsortedSegmentMin"})

# Every output depends on every input of its row (the last axis), or of its example.
ROWS = frozenset({"LogSoftmax", "Softmax"})
MIXING = frozenset({
    "Cholesky", "CumulativeLogsumexp", "Cumprod", "EuclideanNorm", "LRN", "MatrixDeterminant", "MatrixInverse",
    "Prod", "TopKV2",
})  # fmt: skip
# TensorFlow cannot differentiate their gradient again.
ONCE_DIFFERENTIABLE = frozenset({"LRN", "MaxPoolWithArgmax"})

# Sums and logic, element by element.
SUMS = frozenset({"Add", "AddN", "AddV2", "Sub", "Neg"})
COMPARISONS = frozenset({"ApproximateEqual", "Equal", "Greater", "GreaterEqual", "Less", "LessEqual", "NotEqual"})
LOGIC = frozenset({"LogicalAnd", "LogicalOr", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "LeftShift", "RightShift"})
# Look-ups, and the position of their indices among the inputs.
GATHERS = {"Gather": 1, "GatherV2": 1, "GatherNd": 1, "ResourceGather": 1, "ResourceGatherNd": 1}
# Lists of a loop: as their members stacked, the first axis counts them.
STACKS = frozenset({"TensorListFromTensor", "TensorListStack", "TensorListResize"})
# Whole numbers of whole numbers: what sizes and paddings are computed with.
COUNTING = ALIASES | {
    "Add", "AddV2", "Sub", "Mul", "FloorDiv", "FloorMod", "Maximum", "Minimum", "Neg", "Abs", "Sum", "Prod", "Max",
    "Min", "Fill", "Range", "Tile", "Pack", "ConcatV2", "StridedSlice", "Slice", "GatherV2", "Reshape", "ExpandDims",
    "Squeeze", "Transpose", "ReverseV2", "SelectV2", "Cast",
}  # fmt: skip
# What they take as sizes says how large their output is, and nothing else.
SIZED = TRANSPOSED | {
    "Reshape", "Fill", "BroadcastTo", "Tile", "Slice", "StridedSlice", "ScatterNd", "EmptyTensorList",
    "TensorListReserve", "EnsureShape",
}  # fmt: skip
# Texts, element by element.
TEXTS = frozenset({
    "AsString", "StaticRegexReplace", "StringLower", "StringStrip", "StringToHashBucket", "StringToHashBucketFast",
    "StringToHashBucketStrong", "StringToNumber", "StringUpper",
})  # fmt: skip
# Along axes that they keep, every output depends on several inputs.
MIXING_ALONG = ROWS | {"Cumsum", "Cumprod", "CumulativeLogsumexp", "LRN"}
# A mask stays one: moved, met by constants, counted.
MASK_MOVES = ALIASES | {
    "Reshape",
    "Squeeze",
    "ExpandDims",
    "Cast",
    "Transpose",
    "Tile",
    "BroadcastTo",
    "StridedSlice",
    "Slice",
    "Pack",
}
MASK_SUMS = COMPARISONS | LOGIC | SUMS | {"Mul", "Maximum", "Minimum", "RealDiv", "LogicalNot"}
MASK_COUNTS = frozenset({"Sum", "Mean", "Max", "Min", "Any", "All"})
# Along the axes of places: a window becomes one number; other sizes of a picture.
# Whose gradient TensorFlow takes by another kernel in the body of a loop: of equal numbers all get it, not one of them.
OTHER_IN_LOOPS = frozenset({"MaxPool3D"})
POOLINGS = frozenset({"AvgPool", "AvgPool3D", "MaxPool", "MaxPool3D", "MaxPoolV2", "MaxPoolWithArgmax"})
RESIZINGS = frozenset({"ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor"})

# --- What is recognised in a graph -------------------------------------------------------------------------------

# The last op of a classifier, behind its logits.
SQUASHERS = frozenset({"Softmax", "Sigmoid"})
# A rectifier in one op; and what those of several ops are made of: affine parts, and parts that are not.
RECTIFIERS = frozenset({"Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Softplus"})
RECTIFIER_AFFINE = NORMALISATIONS | ALIASES | {"Mul", "AddV2", "Add", "Sub", "RealDiv", "Neg", "Cast", "BiasAdd"}
RECTIFIER_GATES = RECTIFIERS | {
    "Greater", "GreaterEqual", "Less", "LessEqual", "Select", "SelectV2", "Maximum", "Minimum", "ClipByValue", "Pow",
    "Square", "Sqrt", "Sigmoid", "Tanh", "Erf", "Erfc", "Exp", "Expm1", "Log1p", "Log", "Sign", "Abs",
}  # fmt: skip
# What a chain of ops of one variable is made of: affine in what varies (of two that do, sums are), and others. No
# roots: they make norms, which have rules of their own.
CHAIN_AFFINE = ALIASES | {"Add", "AddV2", "Mul", "Neg", "RealDiv", "Sub"}
CHAIN_BENT = (
    COMPARISONS
    | SELECTS
    | {"Cast", "Maximum", "Minimum", "Pow", "Square"}
    | ((SMOOTH | PIECEWISE | STEPS) - {"ClipByValue", "Inv", "Reciprocal", "Rsqrt", "Sqrt"})
)
# Ids in float form stay ids; a scale stays one for all the values that it is spread to; two such meet in these.
ID_CARRIERS = ALIASES | {"Cast", "Reshape", "Squeeze", "ExpandDims", "Transpose", "Bucketize"}
SCALE_SPREADERS = ID_CARRIERS | {"GatherV2", "Tile", "BroadcastTo"}
SCALE_MERGERS = frozenset({"Add", "AddV2", "Sub", "Mul", "RealDiv"})
# A norm stays one, up to a constant factor.
NORM_CARRIERS = ALIASES | {
    "BroadcastTo", "Cast", "ExpandDims", "Maximum", "Minimum", "Mul", "Neg", "Reshape", "Squeeze", "Tile",
}  # fmt: skip
# After these a feature map is another map, even when its size is not known while tracing.
MAP_ENDS = CONVOLUTIONS | {
    "MaxPool", "MaxPoolV2", "MaxPool3D", "MaxPoolWithArgmax", "AvgPool", "AvgPool3D", "Mean", "Max", "Min", "Sum",
    "Prod", "ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "StridedSlice",
}  # fmt: skip
# Kernels into which a scale and a shift of their channels can be folded, and what can scale or shift them.
FOLDABLE = frozenset({"Conv2D", "DepthwiseConv2dNative", "MatMul"})
SHIFTS = frozenset({"AddV2", "Add", "BiasAdd"})
# Between a kernel and its bias: the values are moved as they are.
MOVES = ALIASES | {"Reshape", "Squeeze", "BatchToSpaceND"}


def differentiable(tensor: tf.Tensor) -> bool:
    """Whether TensorFlow has gradients of this tensor's dtype."""
    return tensor.dtype in DIFFERENTIABLE
