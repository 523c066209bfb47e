import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(0)
