"""Pictures of explanations: matplotlib only, `ax=` everywhere, the Axes returned, nothing shown or closed for you.

Without `ax` a pyplot figure is made, which a notebook displays; in a loop pass `matplotlib.figure.Figure().subplots()`,
so that no figure stays open. `grid` returns a Figure of this kind.

    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> ax = image(np.array([[1.0, -2.0]]), ax=Figure().subplots(), outlier_perc=0, unit="contribution to cat")
    >>> ax.images[0].norm.vmin, ax.images[0].norm.vmax
    (-2.0, 2.0)

Signed maps are red for what speaks for the target and blue for what speaks against it, white is zero.
"""

from __future__ import annotations

from tfxai.plot.auto import auto
from tfxai.plot.bars import bars
from tfxai.plot.grid import grid
from tfxai.plot.image import image

__all__ = ["auto", "bars", "grid", "image"]
