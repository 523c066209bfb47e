"""Pieces of a page's pictures: layers that lie on each other, scales, and numbers where the pointer rests."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tfxai.plot.render import Painted

FEW = 100  # pixels of a side below which each is seen


class Look(NamedTuple):
    """How much of a picture a page holds.

    Attributes:
        side: Pixels of the longer side of a photograph and its maps, at most.
        dpi: Of drawings.
        cells: Along a side of a map, in which the pointer finds a number, at most.
    """

    side: int = 448
    dpi: int = 100
    cells: int = 16


SMALL = Look(192, 60, 8)


class Photograph(NamedTuple):
    """What is under a map.

    Attributes:
        address: The picture itself, as an address that loads nothing.
        width: In its own pixels.
        height: In its own pixels.
    """

    address: str
    width: int
    height: int


def framed(key: Any, photo: Photograph, alt: str) -> str:
    """The photograph of a section by itself."""
    return stack(photo.width, photo.height, photograph(key, alt=alt))


def photograph(key: Any, kind: str = "", alt: str = "") -> str:
    """A photograph of the section, by its name there."""
    said = f'role="img" aria-label="{escape(alt)}"' if alt else 'aria-hidden="true"'
    return f'<div class="photo {kind}" {said} style="background-image:var({name(key)})"></div>'


def name(key: Any) -> str:
    """Of the property that holds a photograph; inputs may be called anything."""
    return "--photo" + ("" if key is None else "-" + str(key).encode().hex())


def stack(width: int, height: int, *layers: str) -> str:
    """Layers of a picture, the first at the bottom; few pixels are shown as they are."""
    kind = "stack pixels" if max(height, width) < FEW else "stack"
    return f'<div class="{kind}" style="aspect-ratio:{width}/{height}">{"".join(layers)}</div>'


def scale_bar(sign: str, top: float, what: str) -> str:
    """The colours from left to right, with their ends, and what they are of."""
    ends = (f"−{top:.2g}", f"+{top:.2g}") if sign == "all" else ("0", f"{top:.2g}")
    middle = f'<i class="{"signed" if sign == "all" else "unsigned"}"></i>'
    bar = f'<div class="scale" aria-hidden="true"><span>{ends[0]}</span>{middle}<span>{ends[1]}</span></div>'
    return f'{bar}<p class="quiet">{escape(what)}</p>'


def cells(values: np.ndarray, most: int, mean: bool = False, place: str = "") -> str:
    """A net of places that tell their number where the pointer rests: the sum of each, or the mean."""
    rows, columns = (np.array_split(np.arange(n), min(n, most)) for n in values.shape)
    numbers = [[values[np.ix_(r, c)].mean() if mean else values[np.ix_(r, c)].sum() for c in columns] for r in rows]
    found = "".join(f'<i title="{0 if v == 0 else format(v, "+.2g")}"></i>' for line in numbers for v in line)
    net = f"grid-template:repeat({len(rows)},1fr)/repeat({len(columns)},1fr)"
    return f'<div class="cells" aria-hidden="true" style="{net};{place}">{found}</div>'


def most(values: np.ndarray) -> str:
    """Where a map is strongest, in words."""
    thirds = [[values[np.ix_(r, c)] for c in np.array_split(np.arange(values.shape[1]), 3)]
              for r in np.array_split(np.arange(values.shape[0]), 3)]  # fmt: skip
    sums = np.array([[block.sum() for block in line] for line in thirds])
    row, column = np.unravel_index(np.abs(sums).argmax(), sums.shape)
    where = f"{('upper', 'middle', 'lower')[row]} {('left', 'middle', 'right')[column]}"
    where = where.replace("middle middle", "middle")
    return f"from {values.min():.2g} to {values.max():.2g}, most in the {where} third"


def map_address(drawn: Painted, side: int) -> str:
    """A map as an image whose colours are the palette's."""
    palette = np.round(255 * drawn.palette).astype(np.uint8)
    picture = _within(Image.fromarray(drawn.levels), side)
    indexed = Image.frombytes("P", picture.size, picture.tobytes())
    indexed.putpalette(palette[:, :3].tobytes())
    return _address(indexed, "png", transparency=palette[:, 3].tobytes(), optimize=True)


def photograph_address(picture: np.ndarray, side: int) -> str:
    """A photograph; one of few pixels as it is."""
    image = _within(Image.fromarray(np.round(255 * picture).astype(np.uint8)), side)
    if max(image.size) < FEW:
        return _address(image, "png", optimize=True)
    return _address(image, "jpeg", quality=88, optimize=True)


def _within(image: Image.Image, side: int) -> Image.Image:
    """Of so many pixels at most, each the mean of those it stands for."""
    factor = side / max(image.size)
    size = [max(1, round(n * factor)) for n in image.size]
    return image.resize((size[0], size[1]), Image.Resampling.BOX) if factor < 1 else image


def _address(image: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
