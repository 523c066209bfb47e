"""Links: files and headings that they lead to are there, and those to the project are what setup.cfg says it is."""

import configparser
import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
LINK = re.compile(
    r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s*(\S+)|(?:href|src)=\"([^\"]+)\"", re.MULTILINE
)
FENCED = re.compile(r"^```.*?^```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
MADE = ROOT / "docs" / "tutorials"  # copies of the notebooks lie there while the pages are built
KINDS = ("*.md", "docs/**/*.md", "tutorials/*.ipynb", ".github/**/*.md")
PAGES = [page for kind in KINDS for page in sorted(ROOT.glob(kind)) if "_build" not in page.parts]


def text_of(page):
    """What is written, without code; of a notebook its markdown."""
    if page.suffix != ".ipynb":
        return FENCED.sub("", page.read_text(encoding="utf-8"))
    cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(FENCED.sub("", "".join(c["source"])) for c in cells if c["cell_type"] == "markdown")


def anchors(page):
    """The names of a page's headings, as GitHub and the pages of docs/ make them."""
    written = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+\s+(.+?)\s*$", written, re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles]
    made = [re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain]
    return set(made) | set(re.findall(r"^\((\S+)\)=$", written, re.MULTILINE))


def links():
    for page in PAGES:
        for found in LINK.finditer(text_of(page)):
            yield page, next(filter(None, found.groups()))


def of_project():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser["metadata"]["url"]


def inside(page, link):
    """(file, anchor) that a link into the project leads to; None of another one."""
    url = of_project()
    colab = url.replace("https://github.com", "https://colab.research.google.com/github")
    for start in (f"{url}/blob/main/", f"{url}/tree/main/", f"{colab}/blob/main/"):
        if link.startswith(start):
            path, _, anchor = link.removeprefix(start).partition("#")
            return ROOT / path, anchor
    if link.partition("#")[0] == url:
        return ROOT / "README.md", link.partition("#")[2].replace("readme", "")
    if re.match(r"[a-z]+:", link):
        return None
    path, _, anchor = unquote(link).partition("#")
    return (page.parent / path if path else page).resolve(), anchor


ALL = [(page, link) for page, link in links()]


def test_links_are_found():
    assert len(ALL) > 150 and len({page for page, _ in ALL}) > 20


@pytest.mark.parametrize("page", sorted({page for page, _ in ALL}), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_links_lead_to_is_there(page):
    missing = []
    for link in (link for one, link in ALL if one == page):
        if (found := inside(page, link)) is None:
            continue
        target, anchor = found
        target = (
            ROOT / "tutorials" / f"{target.stem}.ipynb" if target.parent == MADE and not target.exists() else target
        )
        if not target.exists():
            missing.append(link)
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            missing.append(link)
    assert missing == []


def test_links_to_the_project_are_those_of_its_metadata():
    url = of_project()
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    told = re.findall(r"https://\S+", parser["metadata"]["project_urls"])
    assert len(told) >= 4 and all(one.startswith(url) for one in told)
    assert all(inside(ROOT, one)[0].exists() for one in told if "/main/" in one)
    assert f"repository-code: {url}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    name = url.rpartition("/")[2]
    own = [link for _, link in ALL if re.search(rf"github(usercontent)?\.com/(github/)?[^/]+/{name}\b", link)]
    colab = url.replace("https://github.com", "https://colab.research.google.com/github")
    assert own and all(link.startswith((url, colab)) for link in own)


def test_every_notebook_opens_itself_in_colab():
    for page in (page for page in PAGES if page.suffix == ".ipynb"):
        opened = [link for one, link in ALL if one == page and "colab.research.google.com/github" in link]
        assert opened and all(inside(page, link)[0] == page for link in opened), page.name


def test_addresses_are_well_formed():
    """No network is asked: arXiv's and DOI's numbers look like some, and nothing is left half written."""
    for page, link in ALL:
        if re.match(r"https?:", link):
            assert link.startswith("https://") and not re.search(r"[<>{}\\^`\s]|\.\.|//.*//", link), (page.name, link)
        if "arxiv.org" in link:
            assert re.fullmatch(r"https://arxiv\.org/abs/\d{2}(0[1-9]|1[0-2])\.\d{4,5}", link), (page.name, link)
        if "doi.org" in link:
            assert re.fullmatch(r"https://doi\.org/10\.\d{4,9}/\S+", link), (page.name, link)
