"""Optional packages: one that is missing is told apart from one that is there and does not work."""

from types import SimpleNamespace

import pytest

from tfxai.errors import MissingExtraError
from tfxai.support.extras import extra, installed


def test_a_missing_package_is_named_with_what_installs_it(without_extras):
    with pytest.raises(MissingExtraError, match=r"needs the package 'pyarrow': pip install \"tfxai\[parquet\]\""):
        extra("parquet", "pyarrow.parquet")


def test_a_package_that_does_not_go_with_the_others_says_why(monkeypatch):
    """It is installed, so that installing it is no remedy: pyarrow refuses an older numpy when it is imported."""

    def refusing(name):
        raise ImportError("pyarrow requires NumPy 2.0 or newer, found 1.26.4")

    monkeypatch.setattr("tfxai.support.extras.importlib", SimpleNamespace(import_module=refusing))
    with pytest.raises(
        MissingExtraError, match="'pyarrow' is installed, and cannot be imported: pyarrow requires NumPy"
    ):
        extra("parquet", "pyarrow.parquet")
    assert not installed("pyarrow")
