import os
import random
import sys
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import pytest

from tests.products import beyond_each_value
from tests.scheduling import ByFileOrModel


def pytest_xdist_make_scheduler(config, log):
    return ByFileOrModel(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(tryfirst=True)  # before cases are chosen by their marks
def pytest_collection_modifyitems(items):
    for item in beyond_each_value(items):
        item.add_marker(pytest.mark.product)


# Keras draws the seed of every initialiser when a layer is made, so no layer may be made before these have run:
# not when a test file is imported, nor in a fixture of the session.
@pytest.fixture(autouse=True, scope="module")
def seeded_module():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def seeded(seeded_module):
    """Python's generator, of which Keras draws its seeds, and numpy's."""
    random.seed(0)
    np.random.seed(0)


@pytest.fixture
def seeded_tensorflow(seeded):
    """All generators, for tests that draw from TensorFlow's or train.

    Not for every test: it drops the kernels of all functions, which then are compiled again where tests share them.
    """
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def closed_figures():
    """pyplot's figures are the process's: what one test leaves open, another would draw into."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def without_extras(monkeypatch):
    """As if no optional package were installed: for tfxai alone, not for the whole process."""

    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("tfxai.support.extras.importlib", SimpleNamespace(import_module=missing))


@pytest.fixture
def data(rng):
    """Images whose upper half is brighter, or not."""
    x = rng.uniform(size=(32, 12, 12, 1)).astype("float32")
    return x, (x[:, :6].mean((1, 2, 3)) > x[:, 6:].mean((1, 2, 3))).astype("int32")
