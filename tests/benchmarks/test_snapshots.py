"""What a snapshot costs beside the training step of the same batch size. `pytest -m benchmark -n 0 -s`."""

import keras
import numpy as np
import pytest

from tests.benchmarks.timing import paired_ratio
from tfxai.callbacks import ExplanationSnapshot, directory

pytestmark = [pytest.mark.benchmark, pytest.mark.filterwarnings("ignore::tfxai.errors.EmptyMapWarning")]
LIMIT = 3.0


@pytest.mark.parametrize("side", [96, 224])
def test_four_samples_of_gradcam(side, tmp_path, at_most):
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(weights=None, input_shape=(side, side, 3), classes=10)
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = np.random.default_rng(0).uniform(size=(4, side, side, 3)).astype("float32"), np.arange(4)
    snapshot = ExplanationSnapshot(x, "gradcam", sinks=[directory(tmp_path)])
    model.fit(x, y, batch_size=4, verbose=0, callbacks=[snapshot])
    steps = iter(range(2, 1000))
    ratio = paired_ratio(lambda: snapshot._snapshot(next(steps)), lambda: model.train_on_batch(x, y), 9)
    at_most(LIMIT, f"a snapshot, MobileNetV2 of {side} px, in training steps", ratio)
