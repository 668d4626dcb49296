"""The heatmap's still twin, drawn by matplotlib: for saved notebooks, exported pages and slides.

Matplotlib is imported when something is drawn: it takes a third of the time that torch does.
"""

import io
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from attention_core.live.reading import filled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from attention_core.live.map import AttentionMap

COLOURS = "viridis"  # perceptually uniform, and readable with every colour blindness
NOT_A_NUMBER = "#c08080"
PIN = "#c2410c"
QUIET = "#5b6168"
PALER = 0.5  # of what is not outlined, as in heatmap.css
NUMBER, BLANK = 1, 2  # what stands in a cell, as `AttentionMap.places` has it; 0 is forbidden
SLANT = 40  # degrees, of the labels above the columns
MANY = 10  # maps from which on they are drawn as one image: an axes takes 0.1 s
PIXELS = 1.5  # drawn larger than it is shown, for sharp text, but not so large that lessons grow heavy


def colours(name: str = COLOURS):
    """A colour map of matplotlib's, by its name."""
    from matplotlib import colormaps

    return colormaps[name]


def palette(name: str = COLOURS) -> bytes:
    """The colour map as 256 × (red, green, blue, ink) bytes: what the browser paints and writes with."""
    return np.column_stack([_levels(name), ink(name)]).astype(np.uint8).tobytes()


def ink(name: str = COLOURS) -> np.ndarray:
    """For each of the 256 colours, whether black text reads better on it than white, by WCAG 2's contrast."""
    share = _levels(name) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    bright = linear @ (0.2126, 0.7152, 0.0722) + 0.05
    return bright / 0.05 > 1.05 / bright


def shade(share: float) -> int:
    """Which of the 256 colours a share of the scale has, as colour.js has it."""
    return 255 if share >= 1 else int(share * 255.999) if share > 0 else 0


def _levels(name: str) -> np.ndarray:
    return (colours(name)(np.linspace(0, 1, 256))[:, :3] * 255).round().astype(np.uint8)


def blank(width: float, height: float, layout: str | None = "constrained") -> "Figure":
    """An empty figure of that size in inches, unknown to pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100 * PIXELS, layout=layout)


def heatmap_figure(
    map: "AttentionMap | None",
    *,
    title: str = "",
    message: str = "",
    per_row: bool = False,
    pinned: Sequence[int] = (),
    show_sums: bool = False,
    faded: Sequence[int] = (),
    outlined: Sequence[tuple[int, int]] = (),
) -> "Figure":
    """Draw what a heatmap shows; rows are queries, columns are keys, colours run from 0 to 1.

    `pinned` are rows, framed where they are there; `faded` are heads; around the part `outlined`
    there is a line. None, or a map without cells, gives
    the message. MANY maps are one image, with neither numbers nor sums.
    Returns a `matplotlib.figure.Figure` that pyplot does not know of.
    """
    from matplotlib.patches import Rectangle

    if map is None or map.weights.numel() == 0:
        figure = blank(6, 0.6)
        figure.text(0.01, 0.5, message or "nothing to show yet", va="center", parse_math=False)
        return figure
    weights, _ = map.picture()
    places = map.places()
    heading = "\n".join(part for part in (title, message) if part)
    if len(weights) >= MANY:
        from attention_core.live import mosaic

        return mosaic.figure(map, heading=heading, per_row=per_row, pinned=pinned, faded=faded)
    queries, keys = map.queries, map.keys
    n_heads, n_q, n_k = weights.shape
    across = min(n_heads, 4)
    down = -(-n_heads // across)
    width, height = side(n_k, least=1.2, alone=n_heads == 1), side(n_q, least=0.5, alone=n_heads == 1)
    margin = 0.085 * min(max(len(q) for q in queries), 14) + 0.5
    size = (across * (width + margin) + 0.7, down * (height + margin) + 0.5)
    figure = blank(*size)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for ax in axes[n_heads:]:
        ax.remove()
    shown = axes[:n_heads]
    for head, ax in enumerate(shown):
        place = None if places is None else places[head]
        _draw(ax, weights[head], place, per_row)
        _label(ax, queries, keys, width, height, small=n_heads > 1)
        if width / n_k >= 0.36 and height / n_q >= 0.2:
            _write_numbers(ax, weights[head], place, per_row)
        if show_sums:
            _write_sums(ax, weights[head], place)
        outline(ax, outlined, (n_q, n_k))
        for row in (row for row in pinned if row < n_q):
            ax.add_patch(
                Rectangle((-0.5, row - 0.5), n_k, 1, fill=False, edgecolor=PIN, linewidth=2, clip_on=False)
            )
        if head in faded:
            ax.add_patch(Rectangle((0, 0), 1, 1, transform=ax.transAxes, color="w", alpha=0.75, linewidth=0))
        if n_heads > 1:
            ax.set_title(map.heads[head], fontsize=9, parse_math=False)
    if heading:
        figure.suptitle(heading, fontsize=10, x=0.01, ha="left", parse_math=False)
    scale(figure, map, per_row, ax=list(shown), shrink=0.8, aspect=30)
    across, down = axes_in_words(map)
    if n_heads == 1:
        shown[0].set_title(f"{across} →", fontsize=8, color=QUIET, loc="left", parse_math=False)
    shown[0].set_ylabel(down, fontsize=8, color=QUIET, parse_math=False)
    figure.supxlabel(caption(map), fontsize=8, color=QUIET, parse_math=False)
    return figure


def draw_alone(
    ax, map: "AttentionMap", size: tuple[float, float], head: int = 0, *, show_sums: bool = False
) -> None:
    """One head's map, with labels, numbers, perhaps rows' sums, on an axis of about that size in inches."""
    (weights, _), places = map.picture(), map.places()
    place = None if places is None else places[head]
    _draw(ax, weights[head], place, False)
    _label(ax, map.queries, map.keys, *size, small=False)
    n_q, n_k = weights[head].shape
    if size[0] / n_k >= 0.36 and size[1] / n_q >= 0.2:
        _write_numbers(ax, weights[head], place, False)
    if show_sums:
        _write_sums(ax, weights[head], place, columns=False)


def outline(ax, part: Sequence[tuple[int, int]], shape: tuple[int, int]) -> None:
    """A line around this part of a map of that shape, whose other cells become paler; () is no part."""
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path

    if not part:
        return
    (top, bottom), (left, right) = (
        [min(x, n) - 0.5 for x in pair] for pair, n in zip(part, shape, strict=True)
    )
    if top == bottom or left == right:
        return
    inner = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
    n_q, n_k = shape[0] - 0.5, shape[1] - 0.5
    outer = [(-0.5, -0.5), (n_k, -0.5), (n_k, n_q), (-0.5, n_q), (-0.5, -0.5)]  # the other way round: a hole
    ring = Path(outer + inner, ([Path.MOVETO] + [Path.LINETO] * 3 + [Path.CLOSEPOLY]) * 2)
    ax.add_patch(PathPatch(ring, facecolor="w", alpha=PALER, linewidth=0, zorder=4))
    ax.add_patch(
        Rectangle(
            (left, top), right - left, bottom - top, fill=False, edgecolor="k", linewidth=2.5, clip_on=False
        )
    )


def side(cells: int, *, least: float, alone: bool = False) -> float:
    """A map's width or height in inches: cells of a readable size, if they are few."""
    return min(max(cells * (0.42 if alone else 0.2), least), 6.0 if alone else 2.2)


def scale(figure: "Figure", map: "AttentionMap", per_row: bool, **where) -> None:
    """The legend of the colours, at a place that `figure.colorbar` takes."""
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(cmap=COLOURS), **where)  # 0 to 1, as every map
    number = map.reading.number if map.reading else "weight"
    bar.set_label("share of the row’s largest" if per_row else number, fontsize=8, parse_math=False)
    bar.ax.tick_params(labelsize=8)


def caption(map: "AttentionMap") -> str:
    """The sentence below every picture of a map."""
    weights, _ = map.picture()
    if map.reading:
        return filled(map.reading.caption, least=two(weights.min()), largest=two(weights.max()))
    return f"Each row is one query; {sums_in_words(weights)}."


def axes_in_words(map: "AttentionMap") -> tuple[str, str]:
    """What stands side by side, and what from top to bottom."""
    return (map.reading.columns, map.reading.rows) if map.reading else ("keys: looked at", "queries")


def scaled(weights: np.ndarray, per_row: bool) -> np.ndarray:
    """What becomes a colour: the weight, or its share of its row's largest."""
    return weights / _largest(weights) if per_row else weights


def rgb(colour: str) -> np.ndarray:
    """A colour that has a name, as three bytes."""
    from matplotlib.colors import to_rgb

    return (np.array(to_rgb(colour)) * 255).round().astype(np.uint8)


def sums_in_words(weights: np.ndarray) -> str:
    """What rows sum to: a wrong softmax must not stand under a caption that calls it right."""
    sums = weights.sum(axis=-1)
    sums = sums[sums != 0]  # a row that may look nowhere shares out nothing
    if sums.size == 0 or np.abs(sums - 1).max() < 0.005:
        return "its weights sum to 1"
    return f"here rows sum to {two(sums.min())} … {two(sums.max())}"


def png(figure: "Figure") -> tuple[bytes, dict[str, int]]:
    """The figure as PNG bytes, and the size in CSS pixels at which a page should show it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    with _quiet():
        canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    if (known := getattr(figure, "colours", None)) is not None:  # nothing to search for in a large picture
        image.quantize(palette=_palette_image(known), dither=Image.Dither.NONE).save(buffer, format="png")
    else:  # 128 colours look the same here and make the stored notebook a third of the size
        image = image.quantize(128, dither=Image.Dither.NONE)
        image.save(buffer, format="png", optimize=True)
    width, height = figure.get_size_inches() * figure.dpi
    return buffer.getvalue(), {"width": round(width / PIXELS), "height": round(height / PIXELS)}


def _palette_image(colours: np.ndarray) -> Image.Image:
    image = Image.new("P", (1, 1))
    image.putpalette(colours.tobytes())
    return image


def svg(figure: "Figure") -> bytes:
    """The figure as SVG, its text drawn as outlines so that it looks the same everywhere."""
    buffer = io.BytesIO()
    with _quiet():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _draw(ax, weights: np.ndarray, places: np.ndarray | None, per_row: bool):
    shown = scaled(weights, per_row)
    if places is not None:
        shown = np.ma.masked_where(places != NUMBER, shown)
        ax.patch.set(hatch="////", edgecolor="#8a9097", linewidth=0)  # seen where no cell is drawn
    ax.set_facecolor(NOT_A_NUMBER if np.isnan(weights).any() else "white")
    if places is not None and (places == BLANK).any():  # no hatching shines through
        empty = np.ones((*places.shape, 4)) * (places == BLANK)[..., None]
        ax.imshow(empty, aspect="auto", interpolation="nearest", zorder=0.5)
        _frame(ax, places.shape)
    return ax.imshow(shown, cmap=COLOURS, vmin=0, vmax=1, aspect="auto", interpolation="nearest")


def _label(
    ax, queries: Sequence[str], keys: Sequence[str], width: float, height: float, *, small: bool
) -> None:
    size = 7 if small else 9
    line = size / 72  # in inches, as the room is; slanted labels need more of it side by side
    for axis, labels, pitch, room in (
        (ax.yaxis, queries, 1.1 * line, height),
        (ax.xaxis, keys, line / math.sin(math.radians(SLANT)), width),
    ):
        step = max(1, math.ceil(len(labels) * pitch / room))
        axis.set_ticks(range(0, len(labels), step))
        axis.set_ticklabels([short(label) for label in labels[::step]], fontsize=size, parse_math=False)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    for label in ax.get_xticklabels():
        label.set(rotation=SLANT, ha="left", rotation_mode="anchor")
    ax.spines[:].set_visible(False)


def _frame(ax, shape: tuple[int, int]) -> None:
    """Where the map ends, though nothing is drawn there."""
    from matplotlib.patches import Rectangle

    n_q, n_k = shape
    ax.add_patch(Rectangle((-0.5, -0.5), n_k, n_q, fill=False, edgecolor=QUIET, linewidth=0.6, clip_on=False))


def short(label: str, most: int = 14) -> str:
    """A label as it is drawn: no longer than `most`, and what cannot be printed as a dot."""
    printable = "".join(c if c.isprintable() else "·" for c in label)
    return printable if len(printable) <= most else printable[: most - 1] + "…"


def _write_numbers(ax, weights: np.ndarray, places: np.ndarray | None, per_row: bool) -> None:
    black = ink()
    for (row, column), weight in np.ndenumerate(weights):
        if places is not None and places[row, column] != NUMBER:
            continue
        share = float(weight) / float(_largest(weights[row])[0]) if per_row else weight
        dark = np.isnan(weight) or black[shade(share)]
        text = ax.text(column, row, number(weight), ha="center", va="center", color="k" if dark else "w")
        text.set(fontsize=7, in_layout=False)  # within its cell, so measuring it would only take time


def _largest(weights: np.ndarray) -> np.ndarray:
    """Each row's largest number, by which it can be divided whatever the row holds."""
    return np.maximum(np.nan_to_num(weights).max(axis=-1, keepdims=True), 1e-12)


def number(weight: float) -> str:
    """A weight as short as it can be without lying: .07, 1.0, and nothing for less than ½ percent."""
    weight = float(weight)  # a float32 would be compared as one
    size = abs(weight)
    if not math.isfinite(weight):
        return two(weight)
    if size < 0.005:
        return ""
    if size >= 999.5:
        return "<−999" if weight < 0 else ">999"  # no weight at all
    if size < (0.05 if weight < 0 else 0.995):
        return _fixed(weight, 2).replace("0.", ".")
    return _fixed(weight, 1 if size < 99.95 else 0)


def two(x: float) -> str:
    """A number with two digits, as the page writes it."""
    if math.isnan(x):
        return "NaN"
    return _fixed(x, 2) if math.isfinite(x) else "∞" if x > 0 else "−∞"


def weight(w: float) -> str:
    """A weight in words: two digits, and where it is small two that count, as the page writes it."""
    w = float(w)
    if 0 < w < 1e-4:
        return "<0.0001"
    return _fixed(w, 5 if abs(w) < 0.000995 else 4) if 1e-4 <= abs(w) < 0.00995 else two(w)


def _fixed(x: float, digits: int) -> str:
    size = abs(float(x))
    text = f"{size:.{digits}f}" if size < 1e21 else repr(size)  # as JavaScript has them
    return f"−{text}" if x < 0 and float(text) else text  # nothing is −0.00


def _write_sums(ax, weights: np.ndarray, places: np.ndarray | None, *, columns: bool = True) -> None:
    n_q, n_k = weights.shape
    style = {"fontsize": 7, "color": QUIET, "fontfamily": "monospace"}
    blank = np.zeros(weights.shape, bool) if places is None else places == BLANK
    for row in np.flatnonzero(~blank.all(axis=1)):
        ax.text(n_k - 0.4, row, two(weights[row].sum()), va="center", **style)
    for column in np.flatnonzero(~blank.all(axis=0)) if columns else ():
        ax.text(column, n_q - 0.4, two(weights[:, column].sum()), ha="center", va="top", **style)


class _quiet(warnings.catch_warnings):
    """A glyph that no installed font has is drawn as a box; that is no news for a learner."""

    def __enter__(self):
        super().__enter__()
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
