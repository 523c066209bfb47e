"""Explanations of whole data sets: a store that survives anything, filled by one process or many."""
