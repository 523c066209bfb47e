import pytest


@pytest.fixture(autouse=True)
def every_generator(seeded_tensorflow):
    """Training draws from TensorFlow's generator too."""
