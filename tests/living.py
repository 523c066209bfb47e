"""What TensorFlow holds: whether calls have added to it. What others have left may go meanwhile."""

import gc
import weakref

from tensorflow.python.eager import context
from tensorflow.python.framework.func_graph import FuncGraph
from tensorflow.python.framework.ops import gradient_registry


class Living:
    """The registered gradients, the graphs and the functions at one time."""

    def __init__(self):
        self.names, self.functions = set(gradient_registry.list()), _functions()
        self.graphs = weakref.WeakSet(_graphs())

    def added(self):
        """How many names, graphs and functions there are now that were not there then."""
        graphs = [graph for graph in _graphs() if graph not in self.graphs]
        return len(set(gradient_registry.list()) - self.names), len(graphs), len(_functions() - self.functions)


def _graphs():
    gc.collect()
    return [thing for thing in gc.get_objects() if isinstance(thing, FuncGraph)]


def _functions():
    return set(context.context().list_function_names())
