"""Explanations of whole data sets: a store that survives anything, filled by one process or many."""

from tfxai.scale.dataset import explain_dataset
from tfxai.scale.job import Job, explain_chunk
from tfxai.scale.opened import Opened, open
from tfxai.scale.sources.folder import images
from tfxai.scale.sources.tables import table
from tfxai.scale.summary import Summary

__all__ = ["Job", "Opened", "Summary", "explain_chunk", "explain_dataset", "images", "open", "table"]
