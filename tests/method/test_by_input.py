"""Options by input: what each input would have with that option for all, in an additive model of several inputs."""

import keras
import numpy as np
import pytest
from keras import layers

import tfxai
from tfxai.errors import OptionError

RNG = np.random.default_rng(3)
IMAGE, TABLE = RNG.normal(size=(2, 6, 6, 2)).astype("float32"), RNG.normal(size=(2, 5)).astype("float32")
NAMED = {"image": IMAGE, "table": TABLE}


def parts():
    """f(image, table) = g(image) + h(table), and g, h alone: an input's values do not depend on the other one."""
    keras.utils.set_random_seed(0)
    image, table = keras.Input((6, 6, 2), name="image"), keras.Input((5,), name="table")
    hidden = layers.Flatten()(layers.Conv2D(3, 3, activation="tanh")(image))
    first = keras.Model(image, layers.Dense(1, "tanh")(hidden))
    second = keras.Model(table, layers.Dense(1, "tanh")(layers.Dense(4, "tanh", name="hidden")(table)))
    both = layers.Add()([first.output, second.output])
    return keras.Model({"image": image, "table": table}, both), keras.Model([image, table], both), first, second


@pytest.fixture(scope="module")
def net():
    return parts()


FORMS = [
    ({"window": {"image": (2, 3), "table": 2}, "stride": {"table": 1}}, {"window": (2, 3)}, {"window": 2, "stride": 1}),
    ({"window": {"image": 3}}, {"window": 3}, {}),  # of the other the default
    ({"fill": {"image": 0.5}}, {"fill": 0.5}, {}),
    ({"window": {1: 2}, "fill": {"table": -1, "image": None}}, {}, {"window": 2, "fill": -1}),
]


@pytest.mark.parametrize("options, image, table", FORMS)
def test_occlusion_by_input(net, options, image, table):
    named, _, first, second = net
    e = tfxai.explain(named, NAMED, "occlusion", baseline=0.2, **options)
    own = tfxai.explain(first, IMAGE, "occlusion", baseline=0.2, **image)
    np.testing.assert_allclose(e.values["image"], own.values, atol=1e-5)
    own = tfxai.explain(second, TABLE, "occlusion", baseline=0.2, **table)
    np.testing.assert_allclose(e.values["table"], own.values, atol=1e-5)


def test_lists_are_in_the_order_of_the_inputs(net):
    named, listed, *_ = net
    wanted = tfxai.explain(named, NAMED, "occlusion", window={"image": (2, 3), "table": 2}, fill={"image": 1.0})
    for options in (
        {"window": [(2, 3), 2], "fill": [1.0, None]},
        {"window": {0: (2, 3), 1: 2}, "fill": {"0": 1.0}},  # as explanations call them
        {"window": {"image": (2, 3), "table": 2}, "fill": {"image": 1.0}},  # as the model calls them
    ):
        e = tfxai.explain(listed, [IMAGE, TABLE], "occlusion", **options)
        np.testing.assert_allclose(e.values[0], wanted.values["image"], atol=1e-6)
        np.testing.assert_allclose(e.values[1], wanted.values["table"], atol=1e-6)


def test_of_one_input_a_list_is_a_number_per_axis():
    def total(z):
        return keras.ops.sum(z, axis=(1, 2, 3))

    e = tfxai.explain(total, IMAGE, "occlusion", window=[2, 3])
    np.testing.assert_allclose(e.values, tfxai.explain(total, IMAGE, "occlusion", window=(2, 3)).values, rtol=1e-6)


def squares(x):
    return keras.ops.sum(x["a"] ** 2, axis=1) + keras.ops.sum(x["b"] ** 2, axis=1)


WIDE = {"a": np.array([[0.0, 1.0, 4.0]]), "b": np.array([[0.0, 100.0]])}


@pytest.mark.long
@pytest.mark.parametrize(
    "options, sigma",
    [
        ({"noise_std": {"a": 0.5, "b": 20.0}}, (0.5, 20.0)),
        ({"noise_std": [0.5, 20.0]}, (0.5, 20.0)),
        ({"noise": {"a": 0.1, "b": 0.2}}, (0.4, 20.0)),
        ({"noise": [0.1, 0]}, (0.4, 0)),
        ({"noise": {"a": 0.1, "b": 7.0}, "noise_std": {"a": None, "b": 3.0}}, (0.4, 3.0)),
    ],
)
def test_noise_by_input(options, sigma):
    """The gradient of a square is 2 (x + e), whose variance is 4 sigma^2."""
    e = tfxai.explain(squares, WIDE, "vargrad", seed=0, samples=1000, **options)
    for name, s in zip("ab", sigma, strict=True):
        np.testing.assert_allclose(e.values[name], np.full_like(WIDE[name], 4 * s**2), rtol=0.2)
    assert e.options["noise"] == options.get("noise", 0.15)


def test_noise_by_input_is_that_of_each_input_alone(net):
    named, *_ = net
    values = {}
    for share in (0.1, 0.3):
        values[share] = tfxai.explain(named, NAMED, "smoothgrad", noise=share, samples=4, seed=0).values
    e = tfxai.explain(named, NAMED, "smoothgrad", noise={"image": 0.1, "table": 0.3}, samples=4, seed=0)
    np.testing.assert_allclose(e.values["image"], values[0.1]["image"], atol=1e-6)
    np.testing.assert_allclose(e.values["table"], values[0.3]["table"], atol=1e-6)
    inner = tfxai.Occlusion(window={"image": 3, "table": 1})
    none = tfxai.explain(named, NAMED, "smoothgrad", inner=inner, noise=[0, 0], samples=2, seed=0)
    plain = tfxai.explain(named, NAMED, inner)
    np.testing.assert_allclose(none.values["image"], plain.values["image"], atol=1e-5)


def test_what_is_without_noise_is_said_by_its_own_share():
    x = {"a": np.array([[2.0]]), "b": WIDE["b"]}
    with pytest.warns(UserWarning, match=r"noise=\{'a': 0.1, 'b': 0.2\} is a share.*of the input 'a'.*noise_std="):
        tfxai.explain(squares, x, "smoothgrad", noise={"a": 0.1, "b": 0.2}, seed=0)
    tfxai.explain(squares, x, "smoothgrad", noise={"a": 0.1, "b": 0.2}, noise_std={"a": 1.0, "b": None}, seed=0)


def test_they_are_saved_and_part_of_the_fingerprint(net, tmp_path):
    named, *_ = net
    e = tfxai.explain(named, NAMED, "occlusion", window={"image": (2, 3), "table": 2})
    again = tfxai.load(e.save(tmp_path / "e"))
    assert again.options["window"]["table"] == 2 and list(again.options["window"]["image"]) == [2, 3]
    other = tfxai.explain(named, NAMED, "occlusion", window={"image": (2, 3), "table": 1})
    assert e.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    "method, options, message",
    [
        ("occlusion", {"window": {"picture": 2}}, "window names inputs.*Known: image, table.*Received: 'picture'"),
        ("occlusion", {"window": [2]}, r"a value for each of the 2 inputs \(image, table\)"),
        ("occlusion", {"window": {"image": 7}}, "Of the input 'image': window 7 is larger"),
        ("occlusion", {"stride": {"table": 3}}, "Of the input 'table': With window=1 and stride=3"),
        ("occlusion", {"window": {"table": (2, 2)}}, "Of the input 'table': window has one number, or one for each"),
        ("occlusion", {"window": {"image": 0}}, "window is a whole number from 1"),
        ("occlusion", {"fill": {"image": "mean"}}, "fill is a number, or None"),
        ("occlusion", {"fill": {"image": [1, 2]}}, "fill has one number for each input"),
        ("smoothgrad", {"noise": {"image": 0.1}}, "every input that is explained. 'table' is left out"),
        ("smoothgrad", {"noise_std": {"tabel": 1, "image": 1}}, "noise_std names inputs. Did you mean 'table'"),
        ("smoothgrad", {"noise": [0.1, 0.2, 0.3]}, r"a value for each of the 2 inputs \(image, table\)"),
        ("smoothgrad", {"noise": {"image": -1, "table": 0}}, "noise is a number from 0"),
        ("smoothgrad", {"noise_std": {"image": "x", "table": 0}}, "noise_std is a number from 0, or None"),
    ],
)
def test_bad_options_by_input(net, method, options, message):
    with pytest.raises(OptionError, match=message):
        tfxai.explain(net[0], NAMED, method, **options)


def test_a_layer_has_no_options_by_input(net):
    with pytest.raises(OptionError, match="window by input is for what is explained at the inputs.*Pass one value"):
        tfxai.explain(net[0], NAMED, "occlusion", layer="hidden", window={"image": 2})
