"""A model that draws at inference: one draw for all passes of an explanation."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import tfxai
from tfxai.errors import CompletenessWarning


class Sampling(layers.Layer):
    """x times a draw of its own for every number."""

    def __init__(self, how):
        super().__init__()
        self.how, self.seed = how, keras.random.SeedGenerator(3)

    def call(self, x):
        noise = {
            "keras": lambda: keras.random.normal(ops.shape(x), seed=self.seed),
            "tf": lambda: tf.random.normal(tf.shape(x)),
            "fixed": lambda: tf.random.stateless_normal(tf.shape(x), [1, 2]),
            "of the batch": lambda: tf.random.normal([4]),
        }[self.how]()
        return x * (1 + noise)


def network(how, rng):
    i = keras.Input((4,))
    model = keras.Model(i, layers.Dense(2)(Sampling(how)(i)))
    return model, rng.normal(size=(3, 4)).astype("float32")


def explained(model, x, method, **options):
    return tfxai.explain(model, x, method, target=0, verbose=0, **options)


@pytest.mark.parametrize("how", ["keras", "tf"])
def test_passes_share_a_draw_that_seed_fixes(how, rng):
    model, x = network(how, rng)
    x[:, 2:] = 0
    for method, options in (("occlusion", {"window": 1}), ("integrated_gradients", {"steps": 3}), ("deeplift", {})):
        e = explained(model, x, method, seed=5, **options)
        assert np.abs(e.values[:, 2:]).max() < 1e-6 < np.abs(e.values[:, :2]).max()
        np.testing.assert_allclose(e.values.sum(1), e.score - model.layers[-1].bias.numpy()[0], atol=1e-5)
        assert e.meta["seed"] == 5 and e.meta["draws"] == "one for all passes, fixed by seed="
        again = explained(model, x, method, seed=5, batch_size=1, **options)
        np.testing.assert_allclose(again.values, e.values, atol=1e-6)
    other = [explained(model, x, "gradient", seed=seed).values for seed in (5, 6)]
    assert not np.allclose(*other)
    state = model.layers[1].seed.state.numpy().copy()
    explained(model, x, "occlusion")
    np.testing.assert_array_equal(model.layers[1].seed.state.numpy(), state)


def test_a_fixed_draw_is_part_of_the_function(rng):
    model, x = network("fixed", rng)
    e = explained(model, x, "deeplift")
    np.testing.assert_allclose(e.score, model(x).numpy()[:, 0], atol=1e-6)
    assert "draws" not in e.meta


def test_draws_that_are_not_of_examples_are_said(rng):
    model, x = network("of the batch", rng)
    with pytest.warns(CompletenessWarning, match="random at inference .RandomStandardNormal at"):
        e = explained(model, x, "gradient")
    assert e.meta["draws"] == "new in every pass"
