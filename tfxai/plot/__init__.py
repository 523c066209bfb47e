"""Pictures of explanations: matplotlib only, `ax=` everywhere, the Axes returned, nothing shown or closed for you.

Signed maps are red for what speaks for the target and blue for what speaks against it, white is zero.
"""

from __future__ import annotations

from tfxai.plot.auto import auto
from tfxai.plot.bars import bars
from tfxai.plot.grid import grid
from tfxai.plot.image import image

__all__ = ["auto", "bars", "grid", "image"]
