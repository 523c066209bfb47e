"""What is explained: one number per example, made from the model's output.

A target is None (each example's own arg max), a class index, one index per example, a tuple index into an
output of higher rank, a function `outputs -> (batch,)`, or one of the objects made here. All but functions are
weighted sums of the output, so they share one compiled backward pass.
"""

from tfxai.targets.factories import adjusted, contrast, difference, mask, output

__all__ = ["adjusted", "contrast", "difference", "mask", "output"]
