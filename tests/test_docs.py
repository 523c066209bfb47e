"""The README and the guide: every block runs, and every table is what the code says."""

import functools
import re
from pathlib import Path

import keras
import pytest
from PIL import Image

import tfxai
from docs import tables
from tfxai import cli

ROOT = Path(__file__).parents[1]
PAGES = {str(page.relative_to(ROOT)): page.read_text() for page in tables.PAGES}
CODE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def one_demo():
    """The pages begin with the same small network: what is compiled for it is used by all of them."""
    return functools.cache(tfxai.demo.digits)


@pytest.fixture
def desk(tmp_path, monkeypatch, one_demo):
    """A folder with the files that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tfxai.demo, "digits", one_demo)
    Image.new("L", (30, 30), 90).save("photo.png")
    Path("labels.txt").write_text("\n".join(map(str, range(10))))
    weights = one_demo().model.get_weights()
    yield tmp_path
    one_demo().model.set_weights(weights)  # some pages train it


def run(page):
    """From the first block to the last in one namespace; then what it types into a shell, where that is tfxai's own."""
    namespace: dict = {}
    for block in CODE.finditer(PAGES[page]):
        for package in re.findall(r"^import (shap)$", block[1], re.MULTILINE):
            pytest.importorskip(package)
        line = PAGES[page].count("\n", 0, block.start(1))  # so that an error names the page's own line
        exec(compile("\n" * line + block[1], page, "exec"), namespace)
    for line in (line for block in SHELL.findall(PAGES[page]) for line in block.splitlines()):
        if line.startswith("tfxai "):
            assert cli.main(line.split()[1:]) == 0, line


@pytest.mark.filterwarnings("ignore::tfxai.EmptyMapWarning")
def test_the_readme_runs(desk):
    for name in ("photo.png", "labels.txt"):  # it makes its own, so that it can be pasted from top to bottom
        (desk / name).unlink()
    run("README.md")
    assert {"explanation.npz", "report.html", "page.html"} <= {path.name for path in desk.iterdir()}
    assert (desk / "tfxai-snapshots" / "index.html").exists()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::tfxai.EmptyMapWarning")
@pytest.mark.filterwarnings("ignore:Your TensorFlow version is newer:UserWarning")  # shap's own
@pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning")  # shap hands Keras a list
@pytest.mark.parametrize("page", [name for name, text in PAGES.items() if CODE.search(text) and name != "README.md"])
def test_the_guide_runs(page, desk):
    run(page)


def test_readme_commands_are_those_of_ci():
    """What is not run here: setting up, testing and linting, each as CI does it in an environment of its own."""
    run = (ROOT / ".ci" / "run").read_text().replace('"${PYTHON:-python3}"', "python3")
    lines = [line.strip() for line in run.splitlines()]
    steps = [step for block in SHELL.findall(PAGES["README.md"]) for line in block.splitlines()
             for step in line.split(" && ") if not step.startswith("tfxai ")]  # fmt: skip
    steps = [step.replace(".venv", ".ci/venv") for step in steps]
    assert ".ci/venv/bin/pytest" in steps and [step for step in steps if step not in lines] == []


def test_the_readme_is_short():
    assert PAGES["README.md"].count("\n") < 300


every_layer = pytest.mark.skipif(
    not hasattr(keras.layers, "RMSNormalization"), reason="this Keras lacks layers that the tables name"
)


@every_layer
@pytest.mark.parametrize("page", [name for name, text in PAGES.items() if tables.MARKED.search(text)])
def test_tables_are_what_the_code_says(page):
    """`python -m docs.tables --write` renews them."""
    assert PAGES[page] == tables.renewed(PAGES[page])


@every_layer
def test_the_tables_leave_nothing_out():
    """Every method with its paper, every metric, layer, error and extra: none is lost on its way into a table."""
    rows = {name: [[cell.strip() for cell in line.strip("|").split(" | ")] for line in make().splitlines()[2:]]
            for name, make in tables.TABLES.items()}  # fmt: skip
    assert [row[0] for row in rows["methods"]] == [f"`{name}`" for name in tfxai.methods()]
    assert all(len(row) == 5 and re.search(r"(19|20)\d\d", row[4]) for row in rows["methods"])
    assert [row[0] for row in rows["metrics"]] == [f"`{name}`" for name in tfxai.metrics.available()]
    assert {"Conv2D", "Embedding"} < set(re.findall(r"`(\w+)`", tables.layers()))
    assert {row[0] for row in rows["refusals"]} == {
        f"`{name}`" for name in tfxai.errors.__all__ if name != "TfxaiError"
    }
    assert ["keras", ">=3.8"] in rows["versions"] and all(len(row) == 2 and all(row) for row in rows["extras"])


LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page):
    """In the repository, as a forge shows it; Sphinx asks the same of the pages."""
    folder = (ROOT / page).parent
    copies = {path.name for path in (ROOT / "tutorials").glob("*.ipynb")}  # which Sphinx puts beside that page
    for target in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        there = (folder / target).exists() or (page == "docs/tutorials/index.md" and target in copies)
        assert there, f"{page}: {target}"


def test_every_public_name_has_its_place_in_the_api():
    pages = "\n".join(text for name, text in PAGES.items() if name.startswith("docs/api/"))
    documented = re.findall(r"^\.\. auto(?:function|class|module):: tfxai\.([\w.]+)$", pages, re.MULTILINE)
    reexported = set(tfxai.errors.__all__)
    assert set(tfxai.__all__) - reexported - set(documented) == set()
    assert len(documented) == len(set(documented))
