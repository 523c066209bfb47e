"""Groups of features that belong together, for methods that hide parts and for sums: superpixels, stretches, words.

Anything here can be passed as `groups=` to a method that hides parts, and to `e.grouped`; so can whole numbers, one per
feature or per place, a function of x that returns them, and for tables names of columns:
`{"person": ["age", "sex"], "money": ["income"]}`.

    >>> import numpy as np
    >>> grid(2)(np.zeros((1, 4, 4, 3)))[0]
    array([[0, 0, 1, 1],
           [0, 0, 1, 1],
           [2, 2, 3, 3],
           [2, 2, 3, 3]])
"""

from tfxai.segments.factories import grid, slic, words

__all__ = ["grid", "slic", "words"]
