"""Keras models that explain themselves."""

import keras
import numpy as np
import pytest

import tfxai
from tests.models import MODELS


def test_mixin_and_explainable_survive_saving(rng, tmp_path):
    model, x = MODELS["sequential_cnn"](rng)
    expected = tfxai.explain(model, x, target=1)
    wrapped = tfxai.explainable(model)
    assert wrapped.weights[0] is model.weights[0]
    wrapped.save(tmp_path / "w.keras")
    loaded = keras.saving.load_model(tmp_path / "w.keras")
    for m in (wrapped, loaded):
        np.testing.assert_allclose(m.explain(x, target=1).values, expected.values, rtol=1e-4, atol=1e-6)
    plain = keras.saving.load_model(tmp_path / "w.keras", custom_objects={"tfxai>ExplainableModel": keras.Model})
    np.testing.assert_allclose(plain(x), model(x), rtol=1e-5)
    assert not hasattr(keras.Model, "explain")
    with pytest.raises(TypeError, match="ExplainMixin among its base classes"):
        tfxai.explainable(MODELS["subclassed"](rng)[0])
