"""Optional packages, imported when something needs them."""

from __future__ import annotations

import importlib
from typing import Any

from tfxai.errors import MissingExtraError


def installed(module: str) -> bool:
    """Whether a package that changes what is done, but is not needed, can be imported.

    Example:
        >>> installed("json"), installed("no_such_module")
        (True, False)
    """
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def extra(name: str, module: str) -> Any:
    """The module, or an error with the line that installs the extra `name`.

    Example:
        >>> extra("dna", "json").dumps(1)
        '1'
        >>> extra("dna", "no_such_module")
        Traceback (most recent call last):
        tfxai.errors.MissingExtraError: This needs the package 'no_such_module': pip install "tfxai[dna]"
    """
    package = module.split(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if not isinstance(error, ModuleNotFoundError):  # it is there, and does not go with what is installed beside it
            raise MissingExtraError(f"The package {package!r} is installed, and cannot be imported: {error}") from error
        raise MissingExtraError(f'This needs the package {package!r}: pip install "tfxai[{name}]"') from error
