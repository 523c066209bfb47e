"""How Sphinx makes the pages: `sphinx-build -W docs docs/_build/html`. Nothing is fetched, by it or by the pages.

Docstrings are read from the imported package, since its face imports a name when it is first used, which no reader of
source files follows. Notebooks are shown as they are stored, without outputs: none is run.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

import tfxai

HERE = Path(__file__).parent
BADGE = re.compile(r"!\[Open in Colab\]\(https:[^)]*\)")

project, author = "tfxai", "The tfxai developers"
copyright = "The tfxai developers, Apache-2.0"
version = release = tfxai.__version__
root_doc = "index"
exclude_patterns = ["_build"]
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb"]

smartquotes_action = "D"  # ... and quotes stay as written
default_role = "py:obj"  # `name` in a docstring is a link where it names something, and code where it does not
autodoc_typehints = "none"  # the docstrings say more: shapes, units, meaning
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
nb_execution_mode = "off"
html_math_renderer = "mathml"  # of browsers: MathJax would be fetched

html_theme = "furo"
html_title = f"tfxai {version}"
html_static_path = ["_static"]
html_css_files = ["own.css"]
html_show_sourcelink = False


class NamedObjects(SphinxTransform):
    """`tfxai.explain` in a page becomes a link to what the docstring says of it."""

    default_priority = 9  # before references are resolved
    name_of = re.compile(r"(tfxai(?:\.\w+)+)(?:\(.*\))?")

    def apply(self, **kwargs: Any) -> None:
        for code in list(self.document.findall(nodes.literal)):
            found = self.name_of.fullmatch(code.astext())
            if found and not isinstance(code.parent, (pending_xref, nodes.reference)):
                link = pending_xref(
                    refdomain="py", reftype="obj", reftarget=found[1], refdoc=self.env.docname, refexplicit=True,
                    refwarn=False)  # fmt: skip
                code.replace_self(link)
                link += code


def notebooks(app: Sphinx) -> None:
    """The tutorials stand beside the package, where they are run and opened; here is a copy, its badge in words."""
    for path in (HERE.parent / "tutorials").glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        (HERE / "tutorials" / path.name).write_text(BADGE.sub("Open in Colab", text), encoding="utf-8")


def plain(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text but for backticks, examples and indentation: formulas with * _ | stay as written."""
    blocks = []
    for block in "\n".join(lines).split("\n\n"):
        if "──" in block:  # a drawn tree
            block = "::\n\n" + textwrap.indent(block, "   ")
        elif not block.lstrip().startswith(">>>"):
            block = "\n".join(map(escaped, block.split("\n")))
        blocks.append(block)
    lines[:] = "\n\n".join(blocks).split("\n")


def escaped(line: str) -> str:
    """A line of text in reStructuredText: a name in backticks as it is, other code as code, the rest as written."""
    if re.match(r"\s+\*\*?\w+:", line):  # arguments, which napoleon reads
        return line
    return "".join(map(kept, re.split(r"(`[^`]*`)", line)))


def kept(part: str) -> str:
    """A piece of such a line."""
    if part[:1] == "`":
        return part if re.fullmatch(r"`[A-Za-z_][\w.]*(\(\))?`", part) else f"`{part}`"
    return re.sub(r"([*|]|_(?!\w))", r"\\\1", part)


def formula(writer: Any, node: nodes.math | nodes.math_block) -> None:
    """LaTeX as MathML, which browsers draw themselves."""
    block = isinstance(node, nodes.math_block)
    writer.body.append(tex2mathml(node.astext(), as_block=block))
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """What is done beside what the extensions do."""
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
    app.connect("autodoc-process-docstring", plain, priority=400)  # before napoleon's own marks come in
    app.connect("builder-inited", notebooks)
    app.add_transform(NamedObjects)
