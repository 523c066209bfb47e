"""The reader of old-style PyTorch files: every tensor as it was stored, and nothing run that the file asks for."""

import os
import pickle

import numpy as np
import pytest

from tfxai.demo import torch_file
from tfxai.errors import FileFormatError

# --- the pickle of an old-style PyTorch file, written by hand: an oracle that shares no code with the reader


def _name(module, name):
    return f"c{module}\n{name}\n".encode()


def _ints(*values):
    return b"(" + b"".join(b"I%d\n" % v for v in values) + b"t"


def _text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def _tensor(storage, offset, shape, strides, kind="FloatStorage"):
    pid = b"(" + _text("storage") + _name("torch", kind) + _text(storage) + _text("cpu") + b"I6\nNtQ"
    hooks = _name("collections", "OrderedDict") + b")R"
    arguments = b"(" + pid + b"I%d\n" % offset + _ints(*shape) + _ints(*strides) + b"\x89" + hooks + b"t"
    return _name("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def _torch_bytes(tensors, storages):
    items = b"".join(_text(name) + tensor + b"s" for name, tensor in tensors.items())
    head = b"".join(pickle.dumps(v, 2) for v in (torch_file.MAGIC, 1001, {"little_endian": True}))
    body = b"\x80\x02" + _name("collections", "OrderedDict") + b")R" + items + b"."
    data = b"".join(np.int64(len(array)).tobytes() + array.tobytes() for array in storages.values())
    return head + body + pickle.dumps(list(storages), 2) + data


def test_tensors_of_shared_storage_with_offsets_strides_and_dtypes(tmp_path):
    tensors = {
        "whole": _tensor("0", 0, (2, 3), (3, 1)),
        "transposed": _tensor("0", 0, (3, 2), (1, 3)),
        "tail": _tensor("0", 4, (2,), (1,)),
        "scalar": _tensor("1", 2, (), (), "LongStorage"),
        "half": _tensor("2", 0, (2,), (1,), "HalfStorage"),
    }
    storages = {
        "0": np.arange(6, dtype="float32"),
        "1": np.array([7, 8, 9], "int64"),
        "2": np.array([0.5, -2], "float16"),
    }
    path = tmp_path / "weights.pth"
    path.write_bytes(_torch_bytes(tensors, storages))
    got = torch_file.read_tensors(path)
    np.testing.assert_array_equal(got["whole"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(got["transposed"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(got["tail"], [4, 5])
    assert got["scalar"].shape == () and got["scalar"].dtype == np.int64 and got["scalar"] == 9
    assert got["half"].dtype == np.float16 and got["half"].tolist() == [0.5, -2]
    assert got["whole"].dtype == np.float32 and got["whole"].flags.owndata


class _Attack:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("place", ["first object", "state"])
@pytest.mark.parametrize("function", [os.system, eval, getattr])
def test_a_file_that_would_run_something_is_refused_and_runs_nothing(tmp_path, place, function):
    mark = tmp_path / "ran"
    argument = {os.system: f"echo > {mark}", eval: f"open({str(mark)!r}, 'w')", getattr: "a"}[function]
    attack = pickle.dumps({"a": _Attack(function, argument)}, 2)
    before = () if place == "first object" else (torch_file.MAGIC, 1001, {})
    head = b"".join(pickle.dumps(value, 2) for value in before)
    path = tmp_path / "weights.pth"
    path.write_bytes(head + attack)
    with pytest.raises(FileFormatError, match=rf"asks for \w+\.{function.__name__}; only tensors"):
        torch_file.read_tensors(path)
    assert not mark.exists()


NEIGHBOURS = ["torch.nn.Module", "numpy.load", "collections.Counter", "numpy.FloatStorage"]


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_neighbours_of_the_allowed_names_are_refused(tmp_path, name):
    module, _, attribute = name.rpartition(".")
    path = tmp_path / "weights.pth"
    path.write_bytes(b"\x80\x02" + _name(module, attribute) + b".")
    with pytest.raises(FileFormatError, match=f"asks for {name}; only tensors"):
        torch_file.read_tensors(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged"),
        (b"PK\x03\x04 a zip", "damaged"),
        (pickle.dumps(42, 2), "not an old-style PyTorch file"),
        (pickle.dumps(torch_file.MAGIC, 2), "damaged"),
    ],
)
def test_another_format_is_refused(tmp_path, content, message):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=f"'weights.pth' is .*{message}"):
        torch_file.read_tensors(path)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (_tensor("0", 0, (7,), (1,)), "ends at 6 in a storage of 6"),
        (_tensor("0", 5, (2,), (1,)), "ends at 6 in a storage of 6"),
        (_tensor("0", 0, (2, 2), (10**12, 1)), "in a storage of 6"),
        (_tensor("0", 0, (10**9, 10**9), (0, 0)), "in a storage of 6"),
        (_tensor("0", 0, (4,), (-1,)), r"strides \(-1,\)"),
        (_tensor("0", -3, (2,), (1,)), "offset -3"),
        (_tensor("0", 0, (2, 3), (1,)), r"shape \(2, 3\), strides \(1,\)"),
        (b"I5\n", "AttributeError"),
        (b"I5\nQ", "TypeError"),
    ],
)
def test_no_tensor_reaches_outside_its_storage(tmp_path, tensor, message):
    path = tmp_path / "weights.pth"
    path.write_bytes(_torch_bytes({"a": tensor}, {"0": np.zeros(6, "float32")} if b"torch" in tensor else {}))
    with pytest.raises(FileFormatError, match=f"'weights.pth' is damaged .*{message}"):
        torch_file.read_tensors(path)


@pytest.mark.parametrize("lost", [1, 4, 8, 24, 30])
def test_a_file_cut_short_is_refused(tmp_path, lost):
    path = tmp_path / "weights.pth"
    content = _torch_bytes({"a": _tensor("0", 0, (2, 3), (3, 1))}, {"0": np.zeros(16, "float32")})
    path.write_bytes(content[:-lost])
    with pytest.raises(FileFormatError, match="'weights.pth' is damaged"):
        torch_file.read_tensors(path)


def test_an_empty_tensor(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(_torch_bytes({"a": _tensor("0", 0, (0, 3), (3, 1))}, {"0": np.zeros(0, "float32")}))
    assert torch_file.read_tensors(path)["a"].shape == (0, 3)


def test_another_checksum_is_refused_before_anything_is_unpickled(tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    path.write_bytes(_torch_bytes({"a": _tensor("0", 0, (2,), (1,))}, {"0": np.zeros(2, "float32")}))
    monkeypatch.setattr(torch_file, "_Tensors", None)
    with pytest.raises(FileFormatError, match=r"weights\.pth.*SHA-256 differs.*Reinstall"):
        torch_file.read_tensors(path, "0" * 64)
