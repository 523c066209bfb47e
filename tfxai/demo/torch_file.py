"""Reads tensors from an old-style PyTorch file without PyTorch, and without running anything in it."""

from __future__ import annotations

import collections
import hashlib
import math
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tfxai.errors import FileFormatError

MAGIC = 0x1950A86A20F9469CFC6C
DTYPES = {"FloatStorage": np.float32, "LongStorage": np.int64, "IntStorage": np.int32, "HalfStorage": np.float16}


class _Storage:
    def __init__(self, dtype: Any) -> None:
        self.dtype, self.array = dtype, np.empty(0, dtype)


class _Tensor:
    def __init__(self, storage: _Storage, offset: int, shape: tuple, strides: tuple, *_: Any) -> None:
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def numpy(self) -> np.ndarray:
        """A copy of the tensor; `as_strided` believes what it is told, so all is checked first."""
        numbers = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError(f"a tensor of shape {self.shape}, strides {self.strides}, offset {self.offset}")
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        size = self.storage.array.size
        if 0 in self.shape:
            return np.empty(self.shape, self.storage.dtype)
        if last >= size or math.prod(self.shape) > size:
            raise ValueError(f"a tensor of shape {self.shape} that ends at {last} in a storage of {size}")
        flat = self.storage.array[self.offset :]
        strides = [s * flat.itemsize for s in self.strides]
        return np.lib.stride_tricks.as_strided(flat, self.shape, strides).copy()


class _Tensors(pickle.Unpickler):
    """Knows ordered dicts, tensors and storages; any other name in the file is refused."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Called by pickle: the few names that a file of tensors needs, and no other."""
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise FileFormatError(f"The file asks for {module}.{name}; only tensors are read from it.")

    def persistent_load(self, pid: Any) -> _Storage:
        """Called by pickle: the storage of a tensor, whose numbers are read later."""
        kind, dtype, key = pid[0], pid[1], pid[2]
        if kind != "storage":
            raise FileFormatError(f"The file holds a {kind!r}; only tensors are read from it.")
        return self.storages.setdefault(key, _Storage(dtype))


def read_tensors(path: Path, sha256: str | None = None) -> dict[str, np.ndarray]:
    """Name -> array of every tensor in the file.

    Raises:
        FileFormatError: Another checksum than `sha256`, another format, or anything but tensors inside.
    """
    if sha256 is not None and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise FileFormatError(
            f"{path.name!r} is not the file it should be (its SHA-256 differs). Reinstall its package."
        )
    with path.open("rb") as file:
        try:
            if _Tensors(file).load() != MAGIC:
                raise FileFormatError(f"{path.name!r} is not an old-style PyTorch file.")
            for _ in ("protocol", "system"):
                _Tensors(file).load()
            reader = _Tensors(file)
            tensors = reader.load()
            for key in _Tensors(file).load():
                storage = reader.storages[key]
                count = int(np.frombuffer(file.read(8), "<i8")[0])
                data = file.read(max(count, 0) * np.dtype(storage.dtype).itemsize)
                storage.array = np.frombuffer(data, storage.dtype)
                if storage.array.size != count:
                    raise EOFError(f"{count} numbers announced, {storage.array.size} there")
            return {name: tensor.numpy() for name, tensor in tensors.items()}
        except FileFormatError:
            raise
        except Exception as error:  # a damaged pickle can fail in any way
            raise FileFormatError(f"{path.name!r} is damaged ({type(error).__name__}: {error}).") from error
