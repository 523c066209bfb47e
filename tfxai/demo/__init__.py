"""Real trained networks on real input, without any download at run time: for `tfxai demo`, tutorials and tests."""

from __future__ import annotations

from tfxai.demo.digits import digits
from tfxai.demo.networks import Demo
from tfxai.demo.photographs import imagenet

__all__ = ["Demo", "digits", "imagenet"]
