"""The public surface, and everything that is shown to a reader: it runs."""

import ast
import dataclasses
import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tfxai
from tfxai.method.base import Method
from tfxai.method.lookup import class_of
from tfxai.method.table import METHODS

ROOT = Path(__file__).parents[1]
MODULES = [m.name for m in pkgutil.walk_packages(tfxai.__path__, "tfxai.") if not m.name.endswith("__main__")]


def test_names():
    assert len(set(tfxai.__all__)) == len(tfxai.__all__)
    for name in tfxai.__all__:
        assert getattr(tfxai, name) is not None
    assert callable(tfxai.explain) and callable(tfxai.methods) and set(tfxai.__all__) <= set(dir(tfxai))
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        tfxai.explian  # noqa: B018


# What Python itself puts into a package: its imports, and the folders and files below it that were imported.
OTHERS = {"annotations", "importlib", "Any", "TYPE_CHECKING"} | {
    path.stem for path in (ROOT / "tfxai").iterdir() if path.suffix == ".py" or path.is_dir()
}


def test_there_are_no_other_names():
    """A name that can be used will be: whoever adds one decides whether it is public, and then it is documented."""
    named = {name for name in [*vars(tfxai), *dir(tfxai)] if not name.startswith("_")}
    assert named - OTHERS <= set(tfxai.__all__)


EXAMPLES_NEED = {"tfxai.plot.kinds.logo": ["logomaker"], "tfxai.callbacks.sinks": ["tensorboard"]}


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    for package in EXAMPLES_NEED.get(name, ()):
        pytest.importorskip(package)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def _public():
    modules = [tfxai, tfxai.metrics.axioms, *(getattr(tfxai, name) for name in tfxai._MODULES)]
    named = [(f"{m.__name__}.{name}", getattr(m, name)) for m in modules for name in m.__all__]
    return {name: thing for name, thing in named if not inspect.ismodule(thing)}


def test_every_public_name_is_documented():
    for name, thing in _public().items():
        text = inspect.getdoc(thing)
        plain_error = inspect.isclass(thing) and issubclass(thing, Exception) and thing.__name__ not in tfxai.__all__
        assert text and (">>>" in text or plain_error), f"{name} has no example"
        if inspect.isfunction(thing) or (dataclasses.is_dataclass(thing) and issubclass(thing, Method)):
            listed = re.findall(r"^    (?:\*\*)?([a-z_*, ]+): ", text, re.MULTILINE)
            known = {word.strip("* ") for names in listed for word in names.split(",")}
            assert set(inspect.signature(thing).parameters) <= known, f"{name} does not describe its arguments"
            assert "Raises:" in text or name in NEVER_RAISE, f"{name} does not say what it raises"


NEVER_RAISE = {"tfxai.forget", "tfxai.methods", "tfxai.supported_ops", "tfxai.Gradient", "tfxai.baselines.zeros",
               "tfxai.demo.digits", "tfxai.demo.dna", "tfxai.demo.table", "tfxai.demo.text",
               "tfxai.metrics.axioms.equal_pair", "tfxai.metrics.axioms.saturated",
               "tfxai.metrics.axioms.lecture_table", "tfxai.metrics.available"}  # fmt: skip


def test_import_is_cheap():
    code = "import sys, tfxai; sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras', 'matplotlib', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_every_method_of_the_table_is_there_under_its_own_name():
    for name, path in METHODS.items():
        kind = class_of(name)
        assert kind.name == name and path.endswith(f".{kind.__name__}") and getattr(tfxai, kind.__name__) is kind
        assert kind(**kind.quick).options().keys() >= kind.quick.keys() and kind(**kind.fine)


def test_type_checkers_see_every_public_name():
    """What CI type-checks uses all of them, and the face declares them for checkers."""
    used = {n.attr for n in ast.walk(ast.parse((ROOT / "tests" / "consumer.py").read_text()))
            if isinstance(n, ast.Attribute) and getattr(n.value, "id", None) == "tfxai"}  # fmt: skip
    assert used == set(tfxai.__all__)
    face = ast.parse((ROOT / "tfxai" / "__init__.py").read_text())
    (declared,) = [n for n in face.body if isinstance(n, ast.If) and getattr(n.test, "id", None) == "TYPE_CHECKING"]
    assert {alias.asname for n in declared.body for alias in n.names} == set(tfxai.__all__)


def test_there_is_one_version():
    assert f"version: {tfxai.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert "version = attr: tfxai.__version__" in (ROOT / "setup.cfg").read_text()
    assert f"## {tfxai.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert f"*tfxai {tfxai.__version__}, " in (ROOT / "README.md").read_text()
