"""Trained networks with what they are shown, without any download at run time: for `tfxai demo`, tutorials and tests.

`digits` and `imagenet` see real pictures. `text`, `dna` and `table` are made up, so that the truth is known.
"""

from __future__ import annotations

from tfxai.demo.digits import digits
from tfxai.demo.flats import table
from tfxai.demo.networks import Demo
from tfxai.demo.photographs import imagenet
from tfxai.demo.sentences import text
from tfxai.demo.sequences import dna

__all__ = ["Demo", "digits", "dna", "imagenet", "table", "text"]
