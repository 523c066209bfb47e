"""Pictures of explanations: matplotlib only, `ax=` everywhere, the Axes returned, nothing shown or closed for you.

Without `ax` a pyplot figure is made, which a notebook displays; in a loop pass `matplotlib.figure.Figure().subplots()`,
so that no figure stays open. `grid` and `compare` return a Figure of this kind.

    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> ax = image(np.array([[1.0, -2.0]]), ax=Figure().subplots(), outlier_perc=0, unit="contribution to cat")
    >>> ax.images[0].norm.vmin, ax.images[0].norm.vmax
    (-2.0, 2.0)

Signed maps are red for what speaks for the target and blue for what speaks against it, white is zero. Maps without a
direction go from white (zero) over yellow to brown.
"""

from __future__ import annotations

from tfxai.plot.automatic import auto
from tfxai.plot.beeswarm import summary
from tfxai.plot.comparison import compare, grid
from tfxai.plot.conservation import conservation
from tfxai.plot.groups import groups
from tfxai.plot.kinds.bars import bars
from tfxai.plot.kinds.image import image
from tfxai.plot.kinds.logo import logo
from tfxai.plot.kinds.series import series
from tfxai.plot.kinds.text import text, tokens
from tfxai.plot.kinds.volume import volume

__all__ = [
    "auto", "bars", "compare", "conservation", "grid", "groups", "image", "logo", "series", "summary", "text", "tokens",
    "volume",
]  # fmt: skip
