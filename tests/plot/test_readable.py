"""Names on a page, measured in a browser: inside, apart from each other, whole, at any width."""

import json
import re

import numpy as np
import pytest

import tfxai
from tests.browser import dom, needed

# Every line of text and where it stands; the page itself runs no script, so its copy is measured.
MEASURED = """<script>
const found = [], walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT)
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  if (!node.textContent.trim()) continue
  const range = document.createRange()
  range.selectNodeContents(node)
  const lines = [...range.getClientRects()].map(r => [r.left, r.top, r.right, r.bottom].map(v => v + 0))
  const cell = node.parentElement.closest("th,td,p,figcaption,caption,h2") || node.parentElement
  found.push([node.textContent, lines, cell.scrollWidth - cell.clientWidth, getComputedStyle(cell).textOverflow])
}
document.querySelector("title").textContent = JSON.stringify(found)
</script>"""
SIZES = ((10, 8), (40, 8), (60, 12), (100, 20), (180, 6))
CLASSES = ("cat", "flat-coated curly retriever", "spotted salamander, Ambystoma maculatum, of the east",
           "a_name_without_any_blank_that_is_as_long_as_this_one_here")  # fmt: skip


def questions(letters, count):
    begin = "Over the last twelve months, how often were you bothered by any of the following, please tell us: "
    return [f"{(begin * 2)[:letters]} item {k}" for k in range(count)]


def explained(values, x, **more):
    score = np.ones(len(values))
    return tfxai.Explanation(values, score, "deeplift", inputs=x, target=np.zeros(len(values), int), **more)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Tables of long and short names, and pictures of classes with long names."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("page")
    tables = [
        *(questions(*size) for size in SIZES),
        *([f"feature_{k}_of_{n}" for k in range(n)] for n in (8, 16, 20, 30)),
    ]
    found = []
    for names in tables:
        values = rng.normal(size=(1, len(names))).astype("float32")
        found.append(explained(values, values, meta={"features": {"": names}}))
    for name in CLASSES:
        x = rng.random((1, 24, 24, 3)).astype("float32")
        found.append(explained(x - 0.5, x, meta={"labels": {"0": name}}))
    text = tfxai.report(found, folder / "r.html").read_text(encoding="utf-8")
    copy = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text).replace(
        "</body>", MEASURED + "</body>"
    )
    (folder / "measured.html").write_text(copy, encoding="utf-8")
    return folder / "measured.html", tables


@needed
@pytest.mark.parametrize("width", [1200, 500])
def test_names_can_be_read(page, width, tmp_path):
    import html

    file, tables = page
    title = re.search(r"<title>(.*?)</title>", dom(file, tmp_path, width=width), re.DOTALL)[1]
    texts = json.loads(html.unescape(title))
    seen = [text for text, *_ in texts]
    for names in tables:  # whole, and each of its own; of many the largest twenty
        assert sum(name in seen for name in names) == min(len(names), 20)
    assert all(any(f"contribution to {name}" in text for text in seen) for name in CLASSES)
    boxes = np.array([line for _, lines, *_ in texts for line in lines])
    owner = [k for k, (_, lines, *_) in enumerate(texts) for _ in lines]
    assert boxes[:, 0].min() >= 0 and len(boxes) > 200
    wide = [texts[k][0] for k, box in zip(owner, boxes, strict=True) if box[2] > width and not _origin(texts[k][0])]
    assert wide == []
    low, high = np.maximum(boxes[:, None, :2], boxes[None, :, :2]), np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    over = ((high - low) > 1.5).all(-1) & (np.array(owner)[:, None] != np.array(owner)[None])
    assert [(texts[owner[i]][0], texts[owner[j]][0]) for i, j in np.argwhere(over)[:5]] == []
    assert [text for text, _, cut, how in texts if cut > 1 and how == "ellipsis"] == []


def _origin(text):
    """Of the tables at the end, which are moved sideways where the page is narrow."""
    return text in (
        "fingerprint of model and options",
        "largest delta",
        "examples",
        "versions",
        "baseline",
        "at",
        "seed",
    )
