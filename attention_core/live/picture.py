"""A picture cut into cells, tinted by a weight each: a reader chooses a cell, drags from it, or paints."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np
import traitlets

from attention_core.live import brought, still
from attention_core.live.linked import linked, styles
from attention_core.live.widget import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SIDE, MOST_CELLS = 512, 1024  # pixels of a side, and cells: of more none can be seen
TINT, FULLEST = "#2f95ff", 0.45  # as in picture.css: the same on light and dark; what is below can be read
LINE, THICKEST = "#1769c4", 0.3  # of a weight of 1, in sides of a cell
LEAST = 0.005  # weights below have neither number nor line
CHOSEN, MARK = "#ff7a1a", "#ffd54a"
GESTURES = ("cell", "pixel")


@dataclass(frozen=True, eq=False)
class Handle:
    """What a drag moves: the page sets `trait` of `control` as if its own hand had; frames made ahead show.

    cells: those that a drag can begin at. values: for each cell what it is set to when the hand comes there,
    None for nothing.
    """

    cells: Collection[int]
    control: widgets.Widget
    trait: str
    values: Sequence


@dataclass(frozen=True, eq=False)
class Pixels:
    """What a picture view shows.

    Args:
        image: `(height, width)`, `(channels, height, width)` or `(1, channels, height, width)`, 1 or 3
            channels, from 0, dark, to 1; what is beyond is shown as the nearer end.
        grid: rows and columns of cells.
        weights: one a cell, row by row, from 0, clear, to 1, tinted; NaN is no number. None tints nothing.
        hidden: cells that are hatched. chosen: the one with a line around it. marked: those with a dot.
        names: of the cells, "patch 0", … unless given.
        looker: the cell of who looks. Weights are then lines from there, as thick as they are large, and no
            tints; NaN is the weight of a cell at which nobody can look.
        by: what the reader's hand takes: a "cell", which it chooses, or drags from; or a "pixel", which it
            paints.
        said: a sentence above it, in which `**bold**` is bold. hint: what a hand can do, below.
        hidden_means, marked_means: what a hatched cell and a dot are called.
        side: px that its longer side has on the page at most; unless given, what has room beside a map.
        handle: what a drag moves, where that is a control; any other drag `Picture.on_drag` is told.

    Raises: ValueError for an image that is none, cells that it cannot have, or what belongs to no cell.
    """

    image: Any
    grid: tuple[int, int] = (1, 1)
    weights: Sequence[float] | None = None
    hidden: Collection[int] = ()
    chosen: int | None = None
    marked: Collection[int] = ()
    names: Sequence[str] | None = None
    looker: int | None = None
    by: str = "cell"
    said: str = ""
    hint: str = ""
    hidden_means: str = "hidden"
    marked_means: str = "marked"
    handle: Handle | None = None
    side: int | None = None

    def __post_init__(self):
        image = image_of(self.image)
        (rows, columns), (height, width) = self.grid, image.shape[1:]
        n = rows * columns
        if not (1 <= rows <= height and 1 <= columns <= width and n <= MOST_CELLS):
            raise ValueError(
                f"a picture of {height} × {width} pixels cannot have {rows} × {columns} cells"
                + (f": the most is {MOST_CELLS}" if n > MOST_CELLS else "")
            )
        if self.weights is not None and len(self.weights) != n:
            raise ValueError(f"there are {n} cells but {len(self.weights)} weights")
        if self.names is not None and len(self.names) != n:
            raise ValueError(f"there are {n} cells but {len(self.names)} names")
        if self.by not in GESTURES:
            raise ValueError(f"by must be one of {', '.join(GESTURES)}, got {self.by!r}")
        one = {
            name: () if (cell := getattr(self, name)) is None else (cell,) for name in ("chosen", "looker")
        }
        for what, cells in {"hidden": self.hidden, "marked": self.marked, **one}.items():
            if wrong := [cell for cell in cells if cell not in range(n)]:
                raise ValueError(f"{what}: there is no cell {wrong[0]} among {n}")
        names = self.names or [f"patch {i}" for i in range(n)]
        for name, value in (
            ("image", image),
            ("weights", None if self.weights is None else tuple(map(float, self.weights))),
            ("hidden", tuple(sorted(self.hidden))),
            ("marked", tuple(sorted(self.marked))),
            ("names", tuple(map(str, names))),
        ):
            object.__setattr__(self, name, value)

    @property
    def rgb(self) -> np.ndarray:
        """As it is shown, `(height, width, 3)` bytes."""
        shown = (np.clip(self.image, 0, 1) * 255).round().astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(shown, (3, *shown.shape[1:])).transpose(1, 2, 0))

    def box(self, cell: int) -> tuple[float, float, float, float]:
        """Left, top, width and height of a cell, in pixels."""
        (rows, columns), (height, width) = self.grid, self.image.shape[1:]
        high, wide = height / rows, width / columns
        return cell % columns * wide, cell // columns * high, wide, high

    @property
    def lines(self) -> list[tuple[float, ...]]:
        """From the looker to each cell with a weight that counts: x and y, in pixels, of where a line begins,
        whither it bends and where it ends, and how thick it is.

        Within a row it is an arc above what lies between.
        """
        if self.looker is None or self.weights is None:
            return []
        x0, y0, wide, high = self.box(self.looker)
        found, side = [], min(wide, high)
        for cell, w in enumerate(self.weights):
            if cell == self.looker or not w >= LEAST:  # NaN is not
                continue
            x1, y1, *_ = self.box(cell)
            start = np.array((x0 + wide / 2, y0 + high / 2))
            end = np.array((x1 + wide / 2, y1 + high / 2))
            bend = (start + end) / 2
            if y0 == y1:
                bend[1] -= min(0.3 * abs(x1 - x0), 2.4 * high, 2 * y0 + 0.8 * high)  # the arc stays within
            start, end = (a + 0.4 * side * (bend - a) / np.hypot(*(bend - a)) for a in (start, end))
            found.append((*start, *bend, *end, THICKEST * side * min(1.0, w)))
        return [tuple(map(float, line)) for line in found]


class _Checked(np.ndarray):
    """An image that nobody can write into."""


def image_of(image: Any) -> np.ndarray:
    """`(channels, height, width)` with 1 or 3 channels, float32, a copy, read-only. Raises: ValueError.

    What this has returned once is returned as it is.
    """
    checked = (
        isinstance(image, _Checked) and not image.flags.writeable
    )  # what is reckoned from one is no such
    array = image if checked else brought.numbers("image", image)
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[0] not in (1, 3) or 0 in array.shape:
        raise ValueError(
            "a picture must be (height, width), or (channels, height, width) with 1 or 3 channels, "
            f"got {tuple(np.shape(image))}"
        )
    if max(array.shape[1:]) > MOST_SIDE:
        raise ValueError(
            f"{array.shape[1]} × {array.shape[2]} pixels are too many: the most is {MOST_SIDE} a side"
        )
    if checked:
        return array
    if not np.isfinite(array).all():
        raise ValueError("a picture must hold finite numbers, this one has NaN or ∞")
    array.flags.writeable = False
    return array.view(_Checked)


class Picture(View):
    """A picture under an overlay of weights. Show another with `show(Pixels(image, grid, weights))`.

    The reader chooses a cell by a click or Enter, drags from cell to cell, also with Shift and the arrow
    keys, or paints pixels: `on_choose`, `on_drag` and `on_paint` are told. What comes of it, Python says.
    """

    _esm = linked("picture.js")
    _css = styles("picture.css")
    _frame = traitlets.Dict().tag(sync=True)
    _pixels = traitlets.Bytes().tag(sync=True)  # not sent again while only what lies over them changes

    def __init__(self, content: Pixels | None = None):
        super().__init__()
        self._told: dict[str, list[Callable]] = {"chosen": [], "dragged": [], "painted": [], "grabbed": []}
        self.on_msg(self._heard)
        self.content = None
        self.show(content)

    def show(self, content: Pixels | None) -> None:
        before, self.content = self.content, content
        with self.hold_sync():  # one message, so that the page paints once
            if content is None or before is None or content.image is not before.image:
                self._pixels = b"" if content is None else content.rgb.tobytes()
            self._frame = {} if content is None else self._over(content)

    def _over(self, content: Pixels) -> dict:
        """What the browser needs besides the pixels."""
        weights = content.weights
        return {
            "size": [*content.image.shape[1:]],
            "grid": list(content.grid),
            "weights": None if weights is None else [None if w != w else w for w in weights],
            "hidden": list(content.hidden),
            "chosen": content.chosen,
            "marked": list(content.marked),
            "names": list(content.names),
            "by": content.by,
            "said": content.said,
            "hint": content.hint,
            "means": [content.hidden_means, content.marked_means],
            "looker": content.looker,
            "side": content.side,
            "lines": None
            if content.looker is None
            else [[round(x, 2) for x in line] for line in content.lines],
            "handle": (handle := content.handle)
            and {
                "cells": [*handle.cells],
                "control": handle.control.model_id,
                "trait": handle.trait,
                "values": [*handle.values],
            },
        }

    def on_choose(self, callback: Callable[[int], object]) -> None:
        """Call `callback(cell)` when the reader has chosen a cell."""
        self._told["chosen"].append(callback)

    def on_grab(self, callback: Callable[[int], object]) -> None:
        """Call `callback(cell)` when a hand begins to drag there; what follows until the next is one drag."""
        self._told["grabbed"].append(callback)

    def on_drag(self, callback: Callable[[int, int], object]) -> None:
        """Call `callback(from, to)` when a pressed hand has gone from a cell to another one."""
        self._told["dragged"].append(callback)

    def on_paint(self, callback: Callable[[list[tuple[int, int]]], object]) -> None:
        """Call `callback(pixels)`, each `(row, column)`, when a pressed hand has passed over them."""
        self._told["painted"].append(callback)

    def _heard(self, _widget, content: dict, _buffers) -> None:
        """The page may be a change behind: what there is no more is not told."""
        try:
            with self._one_at_a_time:
                for event, given in self._understood(content):
                    for callback in self._told[event]:
                        callback(*given)
        finally:
            self.send({"done": True})  # the page sends no more before

    def _understood(self, content: dict):
        shown = self.content
        if shown is None:
            return
        n, (height, width) = shown.grid[0] * shown.grid[1], shown.image.shape[1:]
        if (cell := content.get("chosen")) in range(n):
            yield "chosen", (cell,)
        if (pair := content.get("dragged")) and all(cell in range(n) for cell in pair):
            if content.get("begun"):
                yield "grabbed", (pair[0],)
            yield "dragged", tuple(pair)
        pixels = [(r, c) for r, c in content.get("painted", ()) if r in range(height) and c in range(width)]
        if pixels:
            yield "painted", (pixels,)

    def draw(self, ax) -> None:
        """The same on a matplotlib axis."""
        from matplotlib.patches import Rectangle

        shown = self.content
        height, width = shown.image.shape[1:]
        ax.imshow(shown.rgb, extent=(0, width, height, 0), interpolation="nearest")
        ax.set(xticks=(), yticks=(), xlim=(0, width), ylim=(height, 0))
        hatched = (0.35, 0.37, 0.4, 1 if shown.looker is None else 0.55)  # who looks may stand there
        for cell in range(len(shown.names)):
            x, y, wide, high = shown.box(cell)
            w = None if shown.weights is None else shown.weights[cell]
            share = 0.0 if w is None or w != w or shown.looker is not None else min(1.0, max(0.0, w))
            hidden = cell in shown.hidden
            ax.add_patch(
                Rectangle(
                    (x, y), wide, high, lw=0.5, edgecolor="#8a9097",
                    facecolor=hatched if hidden else (*_rgb(TINT), FULLEST * share),
                    hatch="////" if hidden else None,
                )
            )  # fmt: skip
            nobody = w is None or (w != w and shown.looker is not None)
            if hidden or nobody or len(shown.names) > 64:
                continue
            if text := still.number(w):
                here = ax.text(x + 0.95 * wide, y + 0.93 * high, text, ha="right", va="bottom", fontsize=7)
                here.set(color="w", in_layout=False, bbox={"facecolor": "k", "alpha": 0.6, "lw": 0, "pad": 1})
        size = ax.get_window_extent().height * 72 / ax.figure.dpi / height  # points of a pixel
        share = np.linspace(0, 1, 16)[:, None]
        for *points, thick in shown.lines:
            start, bend, end = np.reshape(points, (3, 2))
            x, y = ((1 - share) ** 2 * start + 2 * share * (1 - share) * bend + share**2 * end).T
            ax.plot(x, y, color=LINE, lw=max(0.6, size * thick), alpha=0.75, solid_capstyle="round")
        for cell in shown.marked:
            x, y, wide, high = shown.box(cell)
            ax.plot(x + 0.12 * wide, y + 0.12 * high, "o", ms=6, mfc=MARK, mec="k", mew=0.8)
        if shown.chosen is not None:
            x, y, wide, high = shown.box(shown.chosen)
            for colour, line in (("w", 4), (CHOSEN, 2.5)):
                ax.add_patch(
                    Rectangle((x, y), wide, high, fill=False, edgecolor=colour, lw=line, clip_on=False)
                )

    def figure(self) -> "Figure":
        """The picture as a matplotlib figure, unknown to pyplot."""
        figure = still.blank(3.2, 3.4)
        if self.content is None:
            figure.text(0.01, 0.5, "nothing to show yet", va="center", fontsize=9)
            return figure
        self.draw(figure.subplots())
        if self.content.said:
            figure.suptitle(self.content.said.replace("**", ""), fontsize=9, parse_math=False)
        return figure

    def facts(self) -> str:
        """What it shows, in one line that is the same on every machine: no weight is told."""
        shown = self.content
        if shown is None:
            return ""
        (height, width), (rows, columns) = shown.image.shape[1:], shown.grid
        parts = [f"{height} × {width} pixels", f"{rows} × {columns} cells"]
        for cells, means in ((shown.hidden, shown.hidden_means), (shown.marked, shown.marked_means)):
            parts += [f"{means}: {', '.join(shown.names[cell] for cell in cells)}"] if cells else []
        parts += [] if shown.chosen is None else [f"chosen: {shown.names[shown.chosen]}"]
        return "; ".join(parts)

    def __repr__(self) -> str:
        said = self.content.said.replace("**", "") if self.content else ""
        return f"Picture({'; '.join(filter(None, (said, self.facts())))})"


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
