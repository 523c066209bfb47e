"""Notebooks as they should be committed: stripped, small, with a badge that opens them. They are run by nbmake."""

import json
import re
from pathlib import Path

import pytest

URL = "https://github.com/tfxai/tfxai"
# What a notebook does that a machine with TensorFlow alone cannot, and what brings it.
NEEDS = {
    r"demo\.imagenet\(": ("extra", "demo"),
    r"plot\.logo\(": ("extra", "dna"),
    r"callbacks\.tensorboard\(": ("extra", "tensorboard"),
    r"explain_dataset\(": ("extra", "scale"),
    r"to_xarray\(|to_dataframe\(": ("extra", "data"),
    r"segments\.slic\(": ("extra", "demo"),  # scikit-image
    r"^(from|import) (sklearn|scipy)": ("package", "scikit-learn"),
    r"^import pandas": ("package", "pandas"),
}
NOTEBOOKS = sorted((Path(__file__).parents[1] / "tutorials").glob("*.ipynb"))


def test_all_are_there():
    assert [p.stem[:2] for p in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook(path):
    assert path.stat().st_size < 100_000
    book = json.loads(path.read_text())
    assert book["nbformat"] == 4 and book["metadata"]["kernelspec"]["name"] == "python3"
    code = [c for c in book["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in code)
    first = "".join(book["cells"][0]["source"])
    assert "colab-badge.svg" in first and f"/blob/main/tutorials/{path.name})" in first
    guard = "".join(code[0]["source"])
    assert "google.colab" in guard
    installed = re.search(r'%pip install -q "tfxai(?:\[([a-z,]+)\])? @ git\+(https:\S+)"(.*)', guard)
    assert installed and installed[2] == URL  # of the repository, as the badge opens the notebook of its main branch
    brought = {"extra": (installed[1] or "").split(","), "package": installed[3].split()}
    text = "\n".join("".join(c["source"]) for c in code)
    for needed, (kind, name) in NEEDS.items():
        if re.search(needed, text, re.MULTILINE):
            assert name in brought[kind], f"{needed} needs {name}"
    for text in ("".join(c["source"]) for c in code):
        assert "keras.datasets" not in text
        assert 'weights="imagenet"' not in text or "except" in text  # without a network there is another way
