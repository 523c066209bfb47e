"""What a store holds is what `explain` says of the same examples, however they are asked for."""

import dataclasses
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfxai
from tfxai import scale, targets
from tfxai.errors import BaselineError, FileFormatError, InputError, NoMemoryError, OptionError, StoreError, TargetError
from tfxai.explainer.chunks import Run
from tfxai.scale.store import Store


@pytest.fixture(scope="module")
def model(seeded_module):
    layers = [keras.Input((4,)), keras.layers.Dense(5, "relu", name="hidden"), keras.layers.Dense(3, "softmax")]
    return keras.Sequential(layers)


@pytest.fixture(scope="module")
def x(seeded_module):
    return np.random.default_rng(1).normal(size=(10, 4)).astype("float32")


@pytest.fixture
def explained(tmp_path):
    """Explains into a new store, and opens it."""

    def run(model, x, *arguments, chunk=4, **options):
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.zarr"
        return scale.open(scale.explain_dataset(model, x, out, *arguments, chunk=chunk, verbose=0, **options), x)

    return run


def test_the_store_is_what_explain_says(model, x, explained):
    store, whole = explained(model, x), tfxai.explain(model, x)
    e = store[:]
    np.testing.assert_allclose(e.values, whole.values, atol=1e-6)
    np.testing.assert_array_equal(e.target, whole.target)
    for field in ("score", "baseline_score", "delta"):
        np.testing.assert_allclose(getattr(e, field), getattr(whole, field), atol=1e-6)
    assert (e.method, e.options, e.layer, e.baseline) == ("deeplift", whole.options, None, "zeros")
    np.testing.assert_array_equal(e.inputs, x)
    assert len(store) == 10 and store.done.tolist() == [True] * 3
    assert len(store[-1]) == 1 and store[-1].inputs.tolist() == x[9:].tolist()
    np.testing.assert_array_equal(store[7:2:-2].values, e.values[7:2:-2])
    np.testing.assert_array_equal(store[::-1].values, e.values[::-1])
    with pytest.raises(IndexError, match="example 10 of 10"):
        store[10]


def test_rows_read_the_records_of_their_own_chunks_alone(model, x, explained, monkeypatch):
    store, asked, is_done = explained(model, x), [], Store.is_done
    monkeypatch.setattr(Store, "is_done", lambda self, index: asked.append(index) or is_done(self, index))
    monkeypatch.setattr(Store, "record", None)  # of all chunks: there may be ten thousand
    assert store[5:9].values.shape == (4, 4) and asked == [1, 2]


def test_arrays_are_lazy_and_named_as_to_xarray_names_them(model, x, explained):
    xarray = pytest.importorskip("xarray")
    frame = pytest.importorskip("pandas").DataFrame(x, columns=list("abcd"))
    store = explained(model, frame, chunk=4)
    own, dataset = tfxai.explain(model, frame).to_xarray(), store.to_xarray()
    assert dataset["values"].dims == own["values"].dims == ("sample", "feature")
    assert dataset["feature"].values.tolist() == own["feature"].values.tolist() == list("abcd")
    assert dataset.attrs["method"] == own.attrs["method"] and json.loads(dataset.attrs["options"])["rule"] == "rescale"
    assert isinstance(store["values"], xarray.DataArray)
    assert store[2].meta["features"] == {"": list("abcd")}
    with pytest.raises(KeyError, match="'nothing': the store has values"):
        store["nothing"]


def test_without_xarray_arrays_are_those_of_zarr(model, x, explained, monkeypatch):
    store = explained(model, x)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert type(store["values"]).__module__.startswith("zarr")
    np.testing.assert_array_equal(store["values"][3:5], store[3:5].values)


def test_random_draws_do_not_depend_on_who_explains_what(model, x, tmp_path):
    options = {"method": "smoothgrad", "samples": 3, "chunk": 4, "seed": 5}
    one, other = (scale.Job(model, x, tmp_path / f"{k}.zarr", **options) for k in (0, 1))
    for index in (0, 1, 2):
        scale.explain_chunk(one, index)
    for index in (2, 0, 1):
        scale.explain_chunk(other, index)
    first, second = (scale.open(tmp_path / f"{k}.zarr") for k in (0, 1))
    np.testing.assert_array_equal(first[:].values, second[:].values)
    assert not np.array_equal(first[:4].values - first[4:8].values, np.zeros((4, 4)))
    assert first[0].meta["seed"] == 5 and "standard_error" in first.keys()
    same = np.repeat(x[:1], 8, axis=0)  # two chunks of equal examples draw apart from each other
    store = scale.open(scale.explain_dataset(model, same, tmp_path / "same.zarr", **options, verbose=0))
    assert not np.array_equal(store[:4].values, store[4:].values)


def test_a_seed_that_was_drawn_is_kept(model, x, tmp_path):
    options = {"method": "smoothgrad", "samples": 2, "chunk": 5}
    job = scale.Job(model, x, tmp_path / "a.zarr", **options)
    job.explain_chunk(1)
    again = scale.Job(model, x, tmp_path / "a.zarr", **options)
    assert again.store.seed == job.store.seed and again.todo() == [0]


def test_targets_and_baselines_of_each_example(model, x, explained):
    own = np.arange(10) % 3
    baselines = x[::-1].copy()
    whole = tfxai.explain(model, x, target=own, baseline=baselines)
    np.testing.assert_allclose(explained(model, x, target=own, baseline=baselines)[:].values, whole.values, atol=1e-6)
    np.testing.assert_allclose(explained(model, x, target=own.tolist())[:].target, own)
    several = np.stack([x, -x], axis=1)  # two references of each
    np.testing.assert_allclose(
        explained(model, x, baseline=several)[:].values, tfxai.explain(model, x, baseline=several).values, atol=1e-6
    )
    with pytest.raises(TargetError, match="one for each of the 10 examples. Received: 3"):
        explained(model, x, target=[0, 1, 2])


DATA = np.random.default_rng(2).normal(size=(10, 3)).astype("float32")
OF_EACH = {
    "difference": targets.difference(list(range(3)) * 3 + [0], 1),
    "contrast": targets.contrast(2),
    "adjusted": targets.adjusted([0, 1] * 5),
    "mask": targets.mask(DATA),
    "function": targets.per_example(lambda y, rows: tf.reduce_sum(y * rows, axis=1), DATA),
    "output": targets.output(0, list(range(3)) * 3 + [0]),
    "neuron": targets.neuron("hidden", [(k,) for k in range(5)] * 2),
}


@pytest.mark.parametrize("target", OF_EACH.values(), ids=OF_EACH)
def test_targets_with_data_of_each_example(model, x, explained, target):
    whole = tfxai.explain(model, x, "gradient", target=target)
    np.testing.assert_allclose(explained(model, x, "gradient", target=target)[:].values, whole.values, atol=1e-6)


@pytest.mark.long
def test_regions_and_boxes_of_each_example(explained, rng):
    picture = keras.Input((6, 6, 1))
    maps = keras.Model(picture, keras.layers.Conv2D(2, 3, padding="same")(picture))
    x, masks = rng.normal(size=(5, 6, 6, 1)).astype("float32"), rng.uniform(size=(5, 6, 6)) > 0.5
    for target in (targets.region(masks, [0, 1, 0, 1, 0]), targets.region(masks[0], 1)):
        whole = tfxai.explain(maps, x, "gradient", target=target)
        found = explained(maps, x, "gradient", target=target, chunk=2)[:]
        np.testing.assert_allclose(found.values, whole.values, atol=1e-6)
    dense = keras.layers.Dense(10, "sigmoid")(keras.layers.Flatten()(picture))
    outputs = {
        "boxes": keras.layers.Reshape((2, 4))(dense[:, :8]),
        "scores": keras.layers.Reshape((2, 1))(dense[:, 8:]),
    }
    corners = np.sort(rng.uniform(0, 6, (5, 2, 2)), axis=1).reshape(5, 4)
    target = targets.box(corners, [0] * 5, format="xyxy")
    whole = tfxai.explain(keras.Model(picture, outputs), x, "gradient", target=target)
    found = explained(keras.Model(picture, outputs), x, "gradient", target=target, chunk=2)[:]
    np.testing.assert_allclose(found.values, whole.values, atol=1e-6)


def test_several_targets_have_an_axis_of_their_own(model, x, explained):
    target = targets.each([0, 2])
    store, whole = explained(model, x, target=target), tfxai.explain(model, x, target=target)
    assert store["values"].dims == ("sample", "explained", "feature") and store["score"].shape == (10, 2)
    for found, e in zip(store[2:7], whole, strict=True):
        np.testing.assert_allclose(found.values, e.values[2:7], atol=1e-6)
        np.testing.assert_array_equal(found.target, e.target[2:7])
    with pytest.raises(TargetError, match="of one kind, all classes or all functions"):
        explained(model, x, target=targets.each([0, lambda y: y[:, 1]]))


@pytest.mark.long
def test_several_inputs_layers_and_what_else_explanations_hold(model, x, explained, rng):
    a, b = keras.Input((3,), name="a"), keras.Input((4, 2), name="b")
    joined = keras.layers.Concatenate()([a, keras.layers.Flatten()(b)])
    two = keras.Model({"a": a, "b": b}, keras.layers.Dense(1)(joined))
    given = {"a": rng.normal(size=(7, 3)).astype("float32"), "b": rng.normal(size=(7, 4, 2)).astype("float32")}
    store, whole = explained(two, given, chunk=3), tfxai.explain(two, given)
    assert store.keys()[:2] == ["values.a", "values.b"] and store["values.b"].dims == ("sample", "step.b", "channel.b")
    for name in ("a", "b"):
        np.testing.assert_allclose(store[:].values[name], whole.values[name], atol=1e-6)
        np.testing.assert_array_equal(store[1:3].inputs[name], given[name][1:3])
    inside = explained(model, x, layer="hidden", multipliers=True)[:]
    assert inside.layer == "hidden" and inside.values.shape == inside.multipliers.shape == (10, 5)
    relevance, whole = explained(model, x, "lrp")[:], tfxai.explain(model, x, "lrp")
    assert relevance.layer_sums.keys() == whole.layer_sums.keys()
    np.testing.assert_allclose(
        relevance.layer_sums["hidden"]["arrived"], whole.layer_sums["hidden"]["arrived"], atol=1e-6
    )
    tolerant = {"method": "integrated_gradients", "tolerance": 1e-3}
    assert explained(model, x, **tolerant)[:].meta["steps"] == tfxai.explain(model, x, **tolerant).meta["steps"]


def test_tokens(explained, rng):
    layers = [
        keras.Input((6,), dtype="int32"),
        keras.layers.Embedding(9, 4),
        keras.layers.GRU(3),
        keras.layers.Dense(2),
    ]
    text, ids = keras.Sequential(layers), rng.integers(1, 9, (7, 6))
    found = explained(text, ids, chunk=3)[:]
    np.testing.assert_allclose(found.values, tfxai.explain(text, ids).values, atol=1e-6)
    assert found.values.shape == (7, 6) and found.baseline == "zeros"


@pytest.mark.parametrize(("dtype", "digits"), [("float16", 11), ("bfloat16", 8), ("float64", 24)])
def test_the_dtype_of_the_store_and_what_it_costs(model, x, explained, dtype, digits):
    store, whole = explained(model, x, dtype=dtype), explained(model, x)
    change = np.abs(store[:].values.astype("float64") - whole[:].values)
    assert store.rounding == change.max() <= np.abs(whole[:].values).max() * 2.0**-digits
    assert (store.rounding > 0) == (dtype != "float64") and whole.rounding == 0
    assert store[:].values.dtype == {"bfloat16": "float32"}.get(dtype, dtype)
    np.testing.assert_array_equal(store[:].score, whole[:].score)


def test_values_beyond_the_dtype_are_refused(x, tmp_path):
    steep = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(1, kernel_initializer=lambda *_, **__: tf.fill((4, 1), 1e6))]
    )
    with pytest.raises(OptionError, match="'float16' holds numbers up to 65504. Received: values up to 2"):
        scale.explain_dataset(steep, x, tmp_path / "a.zarr", dtype="float16", verbose=0)


def test_labels_of_a_data_set(model, x, tmp_path):
    y = np.arange(10) % 3
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(3)
    store = scale.open(scale.explain_dataset(model, data, tmp_path / "a.zarr", target="labels", chunk=4, verbose=0))
    np.testing.assert_array_equal(store[:].target, y)
    np.testing.assert_allclose(store[:].values, tfxai.explain(model, x, target=y).values, atol=1e-6)


def test_a_function_of_x_that_mixes_examples_is_no_baseline_of_a_job(model, x, explained):
    with pytest.raises(BaselineError, match="depends on those beside it"):
        explained(model, x, baseline=lambda x: x.mean(axis=0))
    halved = explained(model, x, baseline=lambda x: x / 2)[:]
    np.testing.assert_allclose(halved.values, tfxai.explain(model, x, baseline=x / 2).values, atol=1e-6)


def test_memory_that_does_not_suffice_halves_the_passes_once(model, x, tmp_path, monkeypatch):
    whole, mean, sizes = tfxai.explain(model, x), Run._mean, []

    def hungry(self, rows):
        sizes.append(self.size)
        if self.size > 2:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return mean(self, rows)

    monkeypatch.setattr(Run, "_mean", hungry)
    with pytest.warns(ResourceWarning, match="from here on 2 examples at once") as said:
        scale.explain_dataset(model, x, tmp_path / "a.zarr", chunk=5, batch_size=8, verbose=0)
    assert len(said) == 1 and sizes[:3] == [8, 4, 2] and set(sizes[3:]) == {2}
    np.testing.assert_allclose(scale.open(tmp_path / "a.zarr")[:].values, whole.values, atol=1e-6)
    monkeypatch.setattr(Run, "_mean", lambda self, rows: hungry(dataclasses.replace(self, size=3), rows))
    with pytest.raises(NoMemoryError, match="Not enough memory for 1 examples at once. Pass a smaller batch_size="):
        scale.explain_dataset(model, x, tmp_path / "b.zarr", batch_size=4, verbose=0)


@pytest.mark.slow  # TensorFlow waits ten seconds for memory before it gives up
def test_an_allocation_that_fails_in_truth(x, tmp_path):
    def hungry(t):
        n = tf.shape(t, out_type=tf.int64)[0]
        nothing = tf.fill([tf.where(n > 3, tf.constant(2**46, tf.int64), 1)], 0.0)  # more than any machine has, or one
        return tf.reduce_sum(t * t, axis=1, keepdims=True) + 0 * nothing[0]

    with pytest.warns(ResourceWarning, match="from here on 2 examples at once"):
        scale.explain_dataset(hungry, x, tmp_path / "b.zarr", "occlusion", chunk=5, batch_size=4, verbose=0)
    np.testing.assert_allclose(scale.open(tmp_path / "b.zarr")[:].values, x * x, atol=1e-5)


# --- A store that is there


def test_a_job_goes_on_where_it_was_left(model, x, tmp_path):
    out = tmp_path / "a.zarr"
    job = scale.Job(model, x, out, chunk=3)
    job.explain_chunk(2)
    with pytest.raises(InputError, match="Example 0 is not explained yet: 1 of 4 chunks are done"):
        scale.open(out)[:]
    assert np.isnan(np.asarray(scale.open(out)["values"][:6])).all()
    before = job.store.record("times")[2].tolist()
    scale.explain_dataset(model, x, out, chunk=3, verbose=0)
    assert scale.open(out).done.all() and job.store.record("times")[2].tolist() == before
    with pytest.raises(StoreError, match="There is a store at .* already"):
        scale.explain_dataset(model, x, out, chunk=3, resume=False)


def test_a_store_at_an_address(model, x):
    pytest.importorskip("fsspec")
    out = "memory://bucket/a.zarr"
    job = scale.Job(model, x, out, chunk=3)
    scale.explain_chunk(job, 2)
    assert scale.explain_dataset(model, x, out, chunk=3, verbose=0) == out  # not a path, which would lose a slash
    np.testing.assert_allclose(scale.open(out)[:].values, tfxai.explain(model, x).values, atol=1e-6)
    with pytest.raises(StoreError, match="holds another job"):
        scale.Job(model, x, out, chunk=4)


OTHER = {
    "method": ({"method": "gradient"}, "method: 'deeplift', now 'gradient'"),
    "rule": ({"rule": "reveal_cancel"}, "options \\(rule\\): 'rescale', now 'reveal_cancel'"),
    "target": ({"target": 1}, "target: None, now 1"),
    "baseline": ({"baseline": np.ones(4)}, "baseline: None, now {'array'"),
    "chunk": ({"chunk": 5}, "chunk: 4, now 5"),
    "dtype": ({"dtype": "float16"}, "dtype: 'float32', now 'float16'"),
    "on": ({"on": "probability"}, "on: 'logit', now 'probability'"),
    "source": ({"source": np.ones((10, 4), "float32")}, "source \\("),
}


@pytest.fixture(scope="module")
def there(model, x, tmp_path_factory):
    out = tmp_path_factory.mktemp("store") / "a.zarr"
    scale.Job(model, x, out, chunk=4)
    return out


@pytest.mark.parametrize(("changed", "words"), OTHER.values(), ids=OTHER)
def test_another_job_is_refused_with_what_differs(model, x, there, changed, words):
    given = {"source": x, "method": "deeplift", "chunk": 4} | changed
    with pytest.raises(StoreError, match=f"holds another job: {words}"):
        scale.Job(model, out=there, **given)


def test_other_numbers_of_the_same_form_are_told_by_their_digest_alone(model, x, there):
    with pytest.raises(StoreError, match=r"another job: source \(x, digest\): '\w{8,}', now '\w{8,}'\. Resume"):
        scale.Job(model, x + 1, there, chunk=4)


def test_other_weights_are_another_job_and_a_copy_of_the_model_is_not(model, x, there, tmp_path):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    assert scale.Job(copy, x.copy(), there, chunk=4).todo() == [0, 1, 2]
    model.save(tmp_path / "model.keras")
    assert scale.Job(tmp_path / "model.keras", x, there, chunk=4).todo() == [0, 1, 2]
    copy.layers[-1].bias.assign([0.0, 0.0, 1e-3])
    with pytest.raises(StoreError, match="holds another job: model: '"):
        scale.Job(copy, x, there, chunk=4)


def test_functions_are_told_by_what_they_do_and_hold(model, x, tmp_path):
    def scaled(by):
        return lambda y: by * y[:, 0]

    out = tmp_path / "a.zarr"
    scale.Job(model, x, out, target=scaled(2.0))
    scale.Job(model, x, out, target=scaled(2.0))
    with pytest.raises(StoreError, match="target \\(holds\\)"):
        scale.Job(model, x, out, target=scaled(3.0))


@pytest.mark.long
def test_functions_are_told_alike_in_every_process():
    code = """
import json
from tfxai.scale.identity import told
def chosen(y, name="a"):
    return y if name in {"a", "b", "c", "d", "e"} else -y
print(json.dumps(told(chosen)))
"""
    runs = [
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True)
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout != b"", runs[0].stderr


def test_what_is_no_store_is_left_alone(model, x, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    for name in ("file", "folder"):
        with pytest.raises(FileFormatError, match="is no store of explanations"):
            scale.explain_dataset(model, x, tmp_path / name, verbose=0)
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "mine.txt").read_text() == "mine"
    with pytest.raises(FileNotFoundError, match="No store of explanations at"):
        scale.open(tmp_path / "nothing.zarr")
    (tmp_path / "empty").mkdir()
    assert scale.Job(model, x, tmp_path / "empty").todo() == [0]


def test_options_that_mean_nothing(model, x, tmp_path):
    out = tmp_path / "a.zarr"
    for options, words in (
        ({"engine": "spark"}, "engine"),
        ({"shard": (2, 2)}, "shard=\\(k, n\\) is the k-th of n processes"),
        ({"dtype": "int8"}, "dtype"),
        ({"chunk": 0}, "chunk"),
        ({"workers": 3}, "engine='local' is one process"),
        ({"rule": "none"}, "rule"),
    ):
        with pytest.raises(OptionError, match=words):
            scale.explain_dataset(model, x, out, **{"verbose": 0, **options})
    with pytest.raises(InputError, match="source of 3"):
        scale.explain_dataset(model, x, out, verbose=0)
        scale.open(out, x[:3])
    job = scale.Job(model, x, out)
    with pytest.raises(IndexError, match="chunk 1 of 1"):
        scale.explain_chunk(job, 1)
