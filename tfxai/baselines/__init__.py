"""References that contributions are measured against.

Anything here can be passed as `baseline=`; so can a scalar, an array, or a function of x. Which reference is right
depends on the question: the reference is what "nothing there" means (the lecture: the background of a digit, a
blurred photograph, the expected frequencies of ACGT).

Every factory returns a function of x, (n, ...), to references: (1 or n, ...), or (1 or n, R, ...) where R are drawn.

    >>> import numpy as np
    >>> zeros()(np.ones((5, 3), "float32"))
    array([[0., 0., 0.]], dtype=float32)
"""

from tfxai.baselines.data import mean_of, sample_of
from tfxai.baselines.factories import background, blur, constant, uniform, zeros
from tfxai.baselines.shuffle import dinucleotide_shuffle

__all__ = ["background", "blur", "constant", "dinucleotide_shuffle", "mean_of", "sample_of", "uniform", "zeros"]
