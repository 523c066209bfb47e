"""What is explained: one number per example, made from the model's output.

A target is None (each example's own arg max), a class index, one index per example, a tuple index into an
output of higher rank, a function `outputs -> (batch,)`, or one of the objects made here. All but functions (as those
of `per_example` and `box` are) are weighted sums of the output, so they share one compiled backward pass. `each` and
`top` ask for several at once, `neuron` for what a layer inside of the model returns.
"""

from tfxai.targets.boxes import box
from tfxai.targets.examples import per_example, region
from tfxai.targets.factories import adjusted, contrast, difference, mask, output
from tfxai.targets.several import each, neuron, top

__all__ = [
    "adjusted",
    "box",
    "contrast",
    "difference",
    "each",
    "mask",
    "neuron",
    "output",
    "per_example",
    "region",
    "top",
]
