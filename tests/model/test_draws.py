"""A model that draws at inference: one draw for all passes of an explanation."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import tfxai
from tfxai.errors import CompletenessWarning

pytestmark = pytest.mark.usefixtures("seeded_tensorflow")


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
        }[self.how]()
        return x * (1 + noise)


def network(how, rng):
    i = keras.Input((4,))
    model = keras.Model(i, layers.Dense(2)(Sampling(how)(i)))
    return model, rng.normal(size=(3, 4)).astype("float32")


def explained(model, x, method, **options):
    return tfxai.explain(model, x, method, target=0, verbose=0, **options)


@pytest.mark.long
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


# --- Every kind of draw -----------------------------------------------------------------------------------------------

W = np.random.default_rng(4).uniform(0.5, 1.5, (4, 2)).astype("float32")
keys, generator = keras.random.SeedGenerator(3), tf.random.Generator.from_seed(1)
counting = tf.random.Generator.from_seed(1, alg="threefry")
random, plain = tf.random, tf.raw_ops
ZERO = tf.constant(0)


def state(kind):
    return {"resource": kind.state.handle, "algorithm": tf.constant(kind.algorithm, tf.int64)}


def whole(numbers):
    return tf.cast(numbers, tf.float32)


def normal(shape, seed):
    return random.stateless_normal(shape, seed)


def uniform(shape, seed):
    return random.stateless_uniform(shape, seed)


def truncated(shape, seed):
    return random.stateless_truncated_normal(shape, seed)


def below_five(shape, seed):
    return whole(random.stateless_uniform(shape, seed, 0, 5, tf.int32))


def any_number(shape, seed):
    return whole(random.stateless_uniform(shape, seed, None, None, tf.int32)) * 1e-9


def gamma(shape, seed):
    return random.stateless_gamma(shape, seed, 2.0)


def poisson(shape, seed):
    return random.stateless_poisson(shape, seed, 2.0, tf.float32)


def binomial(shape, seed):
    return random.stateless_binomial(shape, seed, 5.0, 0.3, tf.float32)


def category(shape, seed):
    return whole(random.stateless_categorical(tf.zeros((1, 3)), 4, seed, tf.int32))


def cut(shape, seed):
    return random.stateless_parameterized_truncated_normal(shape, seed, 0.0, 1.0, -1.0, 2.0)


# What a model draws for t, (n, 4), and the same numbers drawn for one example with a seed.
KINDS = {
    "normal": (lambda t: random.normal(tf.shape(t)), normal),
    "normal of Keras": (lambda t: keras.random.normal(ops.shape(t), seed=keys), normal),
    "normal of a generator": (lambda t: generator.normal(tf.shape(t)), normal),
    "normal of another algorithm": (lambda t: counting.normal(tf.shape(t)), normal),
    "normal of an older generator": (
        lambda t: plain.StatefulStandardNormalV2(shape=tf.shape(t), dtype=tf.float32, **state(generator)), normal
    ),
    "normal of old seeds": (
        lambda t: plain.StatelessRandomNormal(shape=tf.shape(t), seed=keys.next()), normal
    ),
    "uniform": (lambda t: random.uniform(tf.shape(t)), uniform),
    "uniform of Keras": (lambda t: keras.random.uniform(ops.shape(t), seed=keys), uniform),
    "uniform of a generator": (lambda t: generator.uniform(tf.shape(t)), uniform),
    "uniform of an older generator": (
        lambda t: plain.StatefulUniform(shape=tf.shape(t), dtype=tf.float32, **state(generator)), uniform
    ),
    "truncated": (lambda t: random.truncated_normal(tf.shape(t)), truncated),
    "truncated of Keras": (lambda t: keras.random.truncated_normal(ops.shape(t), seed=keys), truncated),
    "truncated of a generator": (lambda t: generator.truncated_normal(tf.shape(t)), truncated),
    "truncated of an older generator": (
        lambda t: plain.StatefulTruncatedNormal(shape=tf.shape(t), dtype=tf.float32, **state(generator)), truncated
    ),
    "truncated to a range": (
        lambda t: random.stateless_parameterized_truncated_normal(tf.shape(t), keys.next(), 0.0, 1.0, -1.0, 2.0), cut
    ),
    "whole numbers": (lambda t: whole(random.uniform(tf.shape(t), 0, 5, tf.int32)), below_five),
    "whole numbers of Keras": (lambda t: whole(keras.random.randint(ops.shape(t), 0, 5, seed=keys)), below_five),
    "whole numbers of a generator": (lambda t: whole(generator.uniform(tf.shape(t), 0, 5, tf.int32)), below_five),
    "whole numbers of old seeds": (
        lambda t: whole(plain.StatelessRandomUniformInt(shape=tf.shape(t), seed=keys.next(), minval=0, maxval=5)),
        below_five,
    ),
    "whole numbers of an older generator": (
        lambda t: whole(plain.StatefulUniformInt(shape=tf.shape(t), minval=ZERO, maxval=ZERO + 5, **state(generator))),
        below_five,
    ),
    "any whole number": (
        lambda t: whole(random.stateless_uniform(tf.shape(t), keys.next(), None, None, tf.int32)) * 1e-9, any_number
    ),
    "any whole number of a generator": (
        lambda t: whole(generator.uniform_full_int(tf.shape(t), tf.int32)) * 1e-9, any_number
    ),
    "gamma": (lambda t: random.gamma(tf.shape(t), 2.0), gamma),
    "gamma, one for each number": (lambda t: random.gamma([tf.shape(t)[0]], [2.0] * 4), gamma),
    "gamma of Keras": (lambda t: keras.random.gamma(ops.shape(t), 2.0, seed=keys), gamma),
    "gamma of seeds": (lambda t: random.stateless_gamma(tf.shape(t), keys.next(), 2.0), gamma),
    "Poisson": (lambda t: random.poisson(tf.shape(t), 2.0), poisson),
    "Poisson of seeds": (lambda t: random.stateless_poisson(tf.shape(t), keys.next(), 2.0, tf.float32), poisson),
    "binomial": (
        lambda t: random.stateless_binomial(tf.shape(t), keys.next(), 5.0, 0.3, tf.float32), binomial
    ),
    "binomial of Keras": (lambda t: keras.random.binomial(ops.shape(t), 5.0, 0.3, seed=keys), binomial),
    "binomial of a generator": (
        lambda t: generator.binomial(tf.shape(t), 5.0, 0.3, dtype=tf.float32), binomial
    ),
    "category": (lambda t: whole(random.categorical(tf.zeros_like(t[:, :3]), 4, tf.int32)), category),
    "category of Keras": (
        lambda t: whole(keras.random.categorical(tf.zeros_like(t[:, :3]), 4, "int32", seed=keys)), category
    ),
    "seeds that are drawn": (
        lambda t: random.stateless_normal(tf.shape(t), generator.make_seeds(1)[:, 0]), normal
    ),
    "one for all examples": (lambda t: random.normal([4]), lambda shape, seed: normal([4], seed)),
    "one number": (lambda t: random.gamma([], 2.0), lambda shape, seed: gamma([], seed)),
}  # fmt: skip


def with_noise(t, noise):
    return tf.matmul(tf.nn.softplus(t + noise), W)


def holds(model, x, seed, noise, **options):
    """What is said of a held draw, against the function that has these numbers in it."""
    written = with_noise(x, noise).numpy()
    e = explained(model, x, "occlusion", window=1, seed=seed, **options)
    np.testing.assert_allclose(e.score, written[:, 0], rtol=1e-5)
    for k in range(4):
        hidden = with_noise(np.where(np.arange(4) == k, 0, x).astype("float32"), noise).numpy()
        np.testing.assert_allclose(e.values[:, k], (written - hidden)[:, 0], atol=2e-5)
    ig = explained(model, x, "integrated_gradients", seed=seed, steps=64, **options)
    np.testing.assert_allclose(ig.score, e.score, rtol=1e-6)
    bare = with_noise(0 * x, noise).numpy()[:, 0] + np.zeros(len(x))
    np.testing.assert_allclose(ig.values.sum(1), written[:, 0] - bare, rtol=1e-3, atol=1e-4)
    return e


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_once(kind, rng):
    make, again = KINDS[kind]
    x = rng.normal(size=(3, 4)).astype("float32")
    x[:, 2] = 0
    scores, states = [], [np.copy(kind.state) for kind in (keys, generator, counting)]

    def model(t):
        return with_noise(t, make(t))

    for seed in (5, 6):
        e = holds(model, x, seed, again([1, 4], [seed, 0]))
        assert np.abs(e.values[:, 2]).max() < 1e-6 and e.meta["draws"] == "one for all passes, fixed by seed="
        scores.append(e.score)
    assert not np.allclose(*scores)
    one_by_one = explained(model, x, "gradient", seed=6, batch_size=1)
    np.testing.assert_allclose(one_by_one.score, scores[1], rtol=1e-6)
    for source, before in zip((keys, generator, counting), states, strict=True):
        np.testing.assert_array_equal(source.state, before)  # the model's own numbers come as if nothing had been asked


def test_a_fixed_seed_is_part_of_the_function_whatever_the_distribution(rng):
    x = rng.normal(size=(3, 4)).astype("float32")
    drawn = random.stateless_gamma([3, 4], [1, 2], tf.exp(x))
    e = explained(lambda t: with_noise(t, random.stateless_gamma(tf.shape(t), [1, 2], tf.exp(t))), x, "gradient")
    np.testing.assert_allclose(e.score, with_noise(x, drawn).numpy()[:, 0], rtol=1e-5)
    assert "draws" not in e.meta


def test_a_kernel_of_a_fixed_seed_is_a_weight(rng):
    """Random features."""
    x = rng.normal(size=(3, 4)).astype("float32")
    kernel = random.stateless_normal([4, 2], [1, 2]).numpy()
    e = explained(lambda t: tf.matmul(t, random.stateless_normal([4, 2], [1, 2])), x, "deeplift")
    np.testing.assert_allclose(e.values, x * kernel[:, 0], rtol=1e-5)
    assert "draws" not in e.meta


def test_a_kernel_that_is_drawn(rng):
    x = rng.normal(size=(3, 4)).astype("float32")
    for method in ("deeplift", "gradient", "occlusion"):
        options = {"window": 1} if method == "occlusion" else {}
        e = explained(lambda t: tf.matmul(t, random.normal([4, 2])), x, method, seed=5, **options)
        kernel = normal([4, 2], [5, 0]).numpy()
        want = np.tile(kernel[:, 0], (3, 1)) if method == "gradient" else x * kernel[:, 0]
        np.testing.assert_allclose(e.values, want, rtol=1e-4, atol=1e-5)


# --- Distributions that depend on x -----------------------------------------------------------------------------------

OF_X = {
    "Poisson": (
        lambda t: random.poisson([], tf.exp(t)),
        lambda t, seed: random.stateless_poisson([1, 4], seed, tf.exp(t), tf.float32),
    ),
    "gamma": (
        lambda t: keras.random.gamma(ops.shape(t), tf.exp(t), seed=keys),
        lambda t, seed: random.stateless_gamma([1, 4], seed, tf.exp(t)),
    ),
    "binomial": (
        lambda t: keras.random.binomial(ops.shape(t), 5.0, tf.sigmoid(t), seed=keys),
        lambda t, seed: random.stateless_binomial([1, 4], seed, 5.0, tf.sigmoid(t), tf.float32),
    ),
    "category": (
        lambda t: whole(random.categorical(t * 3, 4)),
        lambda t, seed: whole(random.stateless_categorical(t * 3, 4, seed)),
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", OF_X)
@pytest.mark.parametrize("size", [None, 1])
def test_what_is_drawn_at_x_stays(kind, size, rng):
    """Each example as if it were alone: with its own distribution, and the same numbers behind it."""
    make, again = OF_X[kind]
    x = rng.normal(size=(3, 4)).astype("float32")
    noise = tf.concat([again(x[k : k + 1], [5, 0]) for k in range(3)], 0)
    assert len(np.unique(noise, axis=0)) == 3
    with pytest.warns(UserWarning, match="distribution that depends on what is explained .*stay in all passes"):
        e = holds(lambda t: with_noise(t, make(t)), x, 5, noise, batch_size=size)
    assert e.meta["draws"] == "one for all passes, fixed by seed=; as drawn at x where x is in their distribution"


def test_a_draw_from_a_drawn_distribution(rng):
    x = rng.normal(size=(3, 4)).astype("float32")
    rate = tf.exp(normal([1, 4], [5, 0]))
    noise = random.stateless_poisson([1, 4], [5, 1], rate, tf.float32)
    holds(lambda t: with_noise(t, random.poisson([], tf.exp(random.normal(tf.shape(t))))), x, 5, noise)


def test_a_model_of_so_many_examples(rng):
    x = rng.normal(size=(3, 4)).astype("float32")
    noise = tf.concat([random.stateless_poisson([1, 4], [5, 0], tf.exp(x[k : k + 1]), tf.float32) for k in range(3)], 0)
    model = tf.function(
        lambda t: with_noise(t, random.poisson([], tf.exp(t))), input_signature=[tf.TensorSpec((2, 4))], autograph=False
    )
    with pytest.warns(UserWarning, match="RandomPoissonV2"):
        holds(model, x, 5, noise)


ANEW = {
    "in a loop": lambda t: tf.while_loop(lambda k, s: k < 2, lambda k, s: (k + 1, s + random.normal([4])), (0, t))[1],
    "in another order": lambda t: t + random.shuffle(tf.range(4.0)),
    "with examples and steps in one axis": lambda t: (
        t + tf.reshape(whole(random.categorical(tf.reshape(t, [-1, 2]), 2)), [-1, 4])
    ),
    "of examples on another axis": lambda t: t + random.poisson([5], tf.exp(t))[0],
    "of a shape that is not known": lambda t: t + tf.reduce_sum(random.normal([tf.shape(t)[0] + 1, 4])),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", ANEW)
def test_draws_that_are_made_anew_are_said(kind, rng):
    x = rng.normal(size=(3, 4)).astype("float32")
    with pytest.warns(CompletenessWarning, match="random at inference .(Random|Multi)[A-Za-z0-9]* at"):
        e = explained(lambda t: tf.matmul(ANEW[kind](t), W), x, "gradient")
    assert e.meta["draws"] == "new in every pass"
