"""Many maps as one image: a model has a hundred heads, and an axes for each would take half a minute."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from attention_core.live import still

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from attention_core.live.map import AttentionMap

PAGE = 11.0  # inches: as wide as four maps of the ordinary picture
DPI = round(100 * still.PIXELS)
MOST_CAPTIONS = 160  # to draw text takes longer than to draw all the maps
LINE = 7 / 72  # inches, of the small text
LETTER = 0.6 * LINE
_SLANT = math.radians(still.SLANT)
HATCH = (138, 144, 151)  # the grey of the ordinary picture's hatching
GAP, CAPTION = 0.08, 0.16  # inches, between tiles and for the name above each


@dataclass(frozen=True)
class Tiles:
    """Where each map lies, in pixels of the picture: `width × height`, `across` in a row."""

    heads: int
    across: int
    width: int
    height: int
    pitch: tuple[int, int]  # from one tile to the next, to the right and down
    left: int
    top: int

    @property
    def down(self) -> int:
        """Rows of tiles."""
        return -(-self.heads // self.across)

    def corner(self, head: int) -> tuple[int, int]:
        """The upper left pixel of a map, `(x, y)` from the upper left of the picture."""
        row, column = divmod(head, self.across)
        return self.left + column * self.pitch[0], self.top + row * self.pitch[1]

    def end(self) -> tuple[int, int]:
        """The lower right of all maps, `(x, y)`."""
        return self.corner(self.across - 1)[0] + self.width, self.corner(self.heads - 1)[1] + self.height


def tiles(map: "AttentionMap", lines: int) -> Tiles:
    """Room for the maps below `lines` of heading, never wider than the page."""
    n_heads, n_q, n_k = map.picture()[0].shape
    left = _length(map.queries) + 0.35
    top = 0.2 * lines + 0.15 + CAPTION + _rise(map.keys)
    across = _across(n_heads)
    usual = still.side(n_k, least=1.2)
    width = min(usual, (PAGE - left - 0.8) / across - GAP)
    height = max(still.side(n_q, least=0.5) * width / usual, 0.15)
    w, h, x, y = (round(inches * DPI) for inches in (width, height, left, top))
    pitch = w + round(GAP * DPI), h + round((GAP + CAPTION) * DPI)
    return Tiles(n_heads, across, w, h, pitch, x, y)


def _across(n: int) -> int:
    """Tiles in a row: a divisor if there is one near, so that each layer of a model begins a row."""
    root = math.ceil(math.sqrt(n))
    near = [a for a in range(root, min(12, math.floor(1.5 * math.sqrt(n))) + 1) if n % a == 0]
    return max(near, default=min(root, 36))


def compose(
    map: "AttentionMap", where: Tiles, *, per_row: bool = False, faded: Sequence[int] = ()
) -> np.ndarray:
    """All maps as RGB bytes, from the first one's corner to the last one's end.

    A cell has the colour that the page gives it; forbidden ones are hatched, NaN is red, `faded` is pale.
    """
    weights, places = map.picture()[0], map.places()
    _, n_q, n_k = weights.shape
    palette = np.frombuffer(still.palette(), np.uint8).reshape(256, 4)[:, :3]
    level = np.nan_to_num(still.scaled(weights, per_row), nan=0, posinf=1, neginf=0).clip(0, 1)
    shades = (level * 255.999).astype(np.uint8)  # as the page shades it
    # which cell lies under the middle of each pixel of a tile
    rows = (2 * np.arange(where.height) + 1) * n_q // (2 * where.height)
    columns = (2 * np.arange(where.width) + 1) * n_k // (2 * where.width)
    cell = np.ix_(rows, columns)
    stripes = (np.add.outer(np.arange(where.height), np.arange(where.width)) % 6 < 2)[..., None]
    hatched = np.where(stripes, np.uint8(HATCH), np.uint8(255))
    (x0, y0), (x1, y1) = (where.left, where.top), where.end()
    image = np.full((y1 - y0, x1 - x0, 3), 255, np.uint8)
    for head in range(len(weights)):
        tile = palette[shades[head][cell]]
        missing = np.isnan(weights[head])
        if missing.any():
            tile[missing[cell]] = still.rgb(still.NOT_A_NUMBER)
        if places is not None:
            tile = np.where((places[head] == 0)[cell][..., None], hatched, tile)
            tile[(places[head] == still.BLANK)[cell]] = 255
        if head in faded:
            tile = _pale(tile)
        x, y = where.corner(head)
        image[y - y0 : y - y0 + where.height, x - x0 : x - x0 + where.width] = tile
    return image


def colours() -> np.ndarray:
    """All colours of such a picture, at most 256 × RGB bytes, so that none must be searched for."""
    palette = np.frombuffer(still.palette(), np.uint8).reshape(256, 4)[:, :3]
    named = np.array([still.rgb(still.NOT_A_NUMBER), HATCH, still.rgb(still.PIN)], np.uint8)
    greys = np.arange(0, 256, 17, np.uint8)[:, None].repeat(3, axis=1)  # of letters
    full, pale = np.concatenate([palette[::2], palette[-1:], named]), np.concatenate([palette[::8], named])
    return np.concatenate([full, _pale(pale), greys])


def _pale(colours: np.ndarray) -> np.ndarray:
    return (0.25 * colours + 0.75 * 255).astype(np.uint8)


def figure(
    map: "AttentionMap",
    *,
    heading: str = "",
    per_row: bool = False,
    pinned: Sequence[int] = (),
    faded: Sequence[int] = (),
) -> "Figure":
    """One axes with one image of all maps, words at its left and top edge, a name above each map.

    Distances are in pixels from the upper left. Neither numbers nor sums are written: there is no room.
    """
    where = tiles(map, heading.count("\n") + 1 if heading else 0)
    right, bottom = where.end()
    width, height = right + round(0.75 * DPI), bottom + round(0.4 * DPI)
    picture = still.blank((width + 0.01) / DPI, (height + 0.01) / DPI, layout=None)  # not a pixel less
    ax = picture.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    ax.axis("off")
    ax.imshow(
        compose(map, where, per_row=per_row, faded=faded),
        extent=(where.left, right, bottom, where.top),
        interpolation="nearest",
        aspect="auto",
    )
    ax.set(xlim=(0, width), ylim=(height, 0))
    _frame(ax, where, pinned, len(map.queries))
    _name(ax, where, map.heads, where.top - round(_rise(map.keys) * DPI))
    _label(ax, where, map)
    if heading:
        picture.suptitle(heading, fontsize=10, x=0.01, y=1 - 10 / height, ha="left", parse_math=False)
    long = min(bottom - where.top, 3 * DPI)
    low = height - (where.top + bottom + long) / 2
    bar = picture.add_axes(((right + 0.15 * DPI) / width, low / height, 0.1 * DPI / width, long / height))
    still.scale(picture, map, per_row, cax=bar)
    picture.colours = colours()
    picture.supxlabel(still.caption(map), fontsize=8, color=still.QUIET, parse_math=False)
    return picture


def _frame(ax, where: Tiles, pinned: Sequence[int], n_q: int) -> None:
    from matplotlib.collections import PolyCollection

    boxes = []
    for row in pinned:
        if row < n_q:
            for x, y in map(where.corner, range(where.heads)):
                top, bottom = y + row * where.height / n_q, y + (row + 1) * where.height / n_q
                right = x + where.width
                boxes.append([(x, top), (right, top), (right, bottom), (x, bottom)])
    if boxes:
        ax.add_collection(PolyCollection(boxes, facecolor="none", edgecolor=still.PIN, linewidth=1))


def _name(ax, where: Tiles, names: Sequence[str], first: int) -> None:
    """A name above each map, or above every second, third, … if they are long or very many.

    In the first row that is at `first`, above the words of the columns.
    """
    most = 20
    longest = min(max(map(_letters, names)), most) * LETTER * DPI
    step = max(math.ceil(longest / where.pitch[0]), math.ceil(where.heads / MOST_CAPTIONS))
    for head, name in enumerate(names):
        if head % where.across % step == 0:
            x, y = where.corner(head)
            _write(ax, x, (first if head < where.across else y) - 4, still.short(name, most), va="bottom")


def _label(ax, where: Tiles, shown: "AttentionMap") -> None:
    """Words at the left of each row of maps and above the first row, thinned until none overlaps."""
    queries, keys = shown.queries, shown.keys
    beside = {"ha": "right", "va": "center"}
    slanted = {"rotation": still.SLANT, "rotation_mode": "anchor"}
    apart = 1 if where.across <= 6 else 2  # small maps are read as a pattern, not word by word
    step = _thinned(len(queries), where.height, 1.1 * LINE * apart)
    for x, y in map(where.corner, range(0, where.heads, where.across)):
        for i in range(0, len(queries), step):
            middle = y + (i + 0.5) * where.height / len(queries)
            _write(ax, x - 5, middle, still.short(queries[i]), **beside)
    pitch = LINE * apart / math.sin(_SLANT)
    step = _thinned(len(keys), where.width, pitch)
    # the last word must leave room for the next map's first
    end = max(1, len(keys) * (where.pitch[0] - pitch * DPI) / where.width + 1)
    for x, y in map(where.corner, range(where.across)):
        for i in range(0, min(len(keys), math.floor(end)), step):
            middle = x + (i + 0.5) * where.width / len(keys)
            _write(ax, middle, y - 4, still.short(keys[i]), **slanted)
    middle = (where.top + where.end()[1]) / 2
    _write(
        ax, 8, middle, still.axes_in_words(shown)[1], color=still.QUIET, rotation=90, va="center", fontsize=8
    )


def _thinned(labels: int, room: int, pitch: float) -> int:
    return max(1, math.ceil(labels * pitch * DPI / room))


def _write(ax, x: float, y: float, text: str, **style) -> None:
    ax.text(x, y, text, **{"fontsize": 7, "parse_math": False, "in_layout": False, **style})


def _length(labels: Sequence[str]) -> float:
    """Inches that the longest of the labels takes, shortened as it will be."""
    return LETTER * max(_letters(still.short(label)) for label in labels) + 0.08


def _rise(labels: Sequence[str]) -> float:
    """Inches that the slanted labels stand high."""
    return _length(labels) * math.sin(_SLANT) + LINE * math.cos(_SLANT)


def _letters(label: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in label)
