"""A function as a graph, for the tests of what is done with graphs: the one place where they know its inner names."""

import dataclasses

import numpy as np
import tensorflow as tf

import tfxai
from tfxai.graph import logsumexp, normalisations
from tfxai.graph.activity import Activity, classify
from tfxai.graph.capture import capture, needed
from tfxai.graph.fold import fold
from tfxai.graph.rectifiers import composed
from tfxai.graph.replay import Replay
from tfxai.graph.table import annotated
from tfxai.graph.value import Value
from tfxai.rules.gradient import OrdinaryGradient

CONST, CONTEXT, SHAPE, DISCRETE, ACTIVE = Activity


def spec(*shape, dtype="float32"):
    return tf.TensorSpec(shape, dtype)


def captured(function, *specs):
    return live(capture(function, specs))


def live(graph, keep=()):
    """The graph without the ops that nothing reads any more."""
    return dataclasses.replace(graph, ops=needed(graph, [*graph.outputs, *keep]))


def activities(graph):
    """What each value is to the inputs, all of which are explained."""
    return classify(graph, dict.fromkeys(graph.inputs, ACTIVE))


def activity(function, *specs):
    """What the one output of a function is to its inputs."""
    graph = captured(function, *specs)
    return activities(graph)[graph.outputs[0]]


def folded(graph, keep=()):
    """The graph as an explainer folds it; `keep` are further values that must go on existing."""
    return live(fold(graph, activities(graph), {*graph.inputs, *graph.outputs, *keep})[0], keep)


def rectified(graph):
    """The graph in which each rectifier is one op."""
    return live(composed(graph, activities(graph), {*graph.inputs, *graph.outputs}))


def normalised(graph, keep=()):
    """The graph in which each normalisation is one op; `keep` are further values that must go on existing."""
    return live(normalisations.as_one(graph, activities(graph), {*graph.inputs, *graph.outputs, *keep}), keep)


def logs_of_sums(graph):
    """The graph in which each logarithm of a sum of exponentials is one op."""
    return live(logsumexp.as_one(graph, activities(graph), {*graph.inputs, *graph.outputs}))


def prepared(model, x):
    """The graph that an explainer of the gradient runs for this model, up to its logits."""
    _, traced = tfxai.Explainer(model, "gradient").trace(x)
    return live(dataclasses.replace(traced.program(OrdinaryGradient())[0], outputs=list(traced.outputs)))


def replayed(graph, table, *values):
    """The outputs of the graph under a table, given each input in every stream."""
    env = dict(graph.captured) | {i: Value(*v) for i, v in zip(graph.inputs, values, strict=True)}
    notes = annotated(table, graph, activities(graph))
    env = Replay(activities(graph), table, notes)(graph.ops, env)
    return [env[o] for o in graph.outputs]


def gradient_ops(function, *specs):
    """Types of the ops that compute the gradient of a function of which every argument is explained."""
    graph = captured(function, *specs)

    @tf.function(autograph=False)
    def gradient(*arguments):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            (y,) = replayed(graph, OrdinaryGradient(), *[(a,) for a in arguments])
        return tape.gradient(y.x, arguments)

    return [op.type for op in gradient.get_concrete_function(*specs).graph.get_operations()]


def pulled(graph, table, *specs):
    """The compiled gradient of the output by the input, given x and the reference, as a graph definition."""

    @tf.function(autograph=False)
    def gradient(x, x0):
        with tf.GradientTape() as tape:
            tape.watch(x)
            (y,) = replayed(graph, table, (x, x0))
        return tape.gradient(y.x, x)

    return gradient.get_concrete_function(*specs).graph.as_graph_def()


def types(graph):
    return [op.type for op in graph.ops if op.type != "Identity"]


def run(graph, *arrays):
    """The outputs of the graph, op by op, without any table."""
    env = dict(graph.captured) | dict(zip(graph.inputs, map(tf.convert_to_tensor, arrays), strict=True))
    for op in graph.ops:
        env.update(zip(op.outputs, op.run([env[i] for i in op.inputs]), strict=True))
    return [env[o] for o in graph.outputs]


def varying(graph, x):
    """Types of the ops whose result grows with the batch; what is made of weights alone does not."""
    shapes = []
    for n in (1, 2):
        env = dict(graph.captured) | {graph.inputs[0]: tf.convert_to_tensor(x[:n])}
        for op in graph.ops:
            env.update(zip(op.outputs, op.run([env[i] for i in op.inputs]), strict=True))
        shapes.append({o: (op.type, env[o].shape) for op in graph.ops for o in op.outputs})
    return {kind for o, (kind, shape) in shapes[0].items() if shape != shapes[1][o][1]} - {"Identity"}


def slopes(graph, x):
    """The tape's gradient of the first output of the graph; of its sine, so that every number counts differently."""
    x = tf.constant(np.asarray(x))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(tf.sin(run(graph, x)[0]))
    return tape.gradient(y, x)
