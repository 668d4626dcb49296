"""The sinusoids to slide: their map, their clock hands, and what two positions have in common."""

import math
from typing import TYPE_CHECKING

import anywidget
import ipywidgets as widgets
import torch
import traitlets
from torch import Tensor

from attention_core import rotate_by_position, sinusoidal_table
from attention_core.live import still
from attention_core.live.explorers import Explorer, linked_slider
from attention_core.live.known import Known
from attention_core.live.linked import linked, styles
from attention_core.live.still import two
from attention_core.positional_encoding import frequencies

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = "PRGn"  # pale at 0, and its two ends differ with every colour blindness
BASES = (*(step * 10**power for power in range(8) for step in (1, 1.5, 2, 3, 5, 7)), 10**8)
HERE, THERE = "#c2410c", "#1769c4"  # the position, and the other one that slides with it
COMPARISONS = ("sinusoids", "sinusoids through W", "RoPE through W")


class SinusoidMap(Known, anywidget.AnyWidget):
    """A table of sinusoids as a map, a clock hand for each pair of rows, and a curve over distances.

    `position`, `distance` and `pair` are what the reader slides or picks; the other position is
    `position + distance`. `show` sets what is drawn, and `said` is what it means, in words.
    """

    _esm = linked("clocks.js")
    # an explorer's controls are dressed by the heatmap's stylesheet, and here may be no heatmap
    _css = styles("heatmap.css", "clocks.css", "deck.css")
    _frame = traitlets.Dict().tag(sync=True)
    _palette = traitlets.Bytes().tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)
    distance = traitlets.Int(0).tag(sync=True)
    pair = traitlets.Int(0).tag(sync=True)
    said = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self):
        super().__init__(_palette=still.palette(COLOURS))

    def show(
        self, table: Tensor, line: Tensor, low: Tensor, high: Tensor, name: str, said: list[str]
    ) -> None:
        """Draw a table `(n, dim)` and, for distances 1 − n … n − 1, a line and the band it lies in."""
        self._drawn = table, line, low, high, name
        with self.hold_sync():
            self._frame = {
                "shape": list(table.shape), "table": _bytes(table), "line": _bytes(line),
                "low": _bytes(low), "high": _bytes(high), "name": name,
            }  # fmt: skip
            self.said = said

    def figure(self) -> "Figure":
        """The map, the hands and the curve, as matplotlib draws them."""
        table, line, low, high = (x.numpy() for x in self._drawn[:4])
        name = self._drawn[4]
        n, dim = table.shape
        here, there = self.position, self.position + self.distance
        figure = still.blank(7.4, 5.4)
        grid = figure.add_gridspec(2, 2, width_ratios=(5, 2), height_ratios=(5, 2.2))
        ax = figure.add_subplot(grid[0, 0])
        image = ax.imshow(
            table.T, cmap=COLOURS, vmin=-1, vmax=1, aspect="auto", interpolation="nearest",
            extent=(-0.5, n - 0.5, dim - 0.5, -0.5),
        )  # fmt: skip
        for at, colour in ((here, HERE), (there, THERE)):
            ax.axvspan(at - 0.5, at + 0.5, fill=False, edgecolor=colour, linewidth=2)
        ax.axhspan(2 * self.pair - 0.5, 2 * self.pair + 1.5, fill=False, edgecolor="k", linewidth=1)
        ax.set(xlabel="position →", ylabel="← dimension")
        figure.colorbar(image, ax=ax, location="top", shrink=0.4, aspect=30, ticks=(-1, 0, 1))
        _draw_hands(figure.add_subplot(grid[0, 1]), table[here], table[there], self.pair)
        ax = figure.add_subplot(grid[1, 0])
        distances = range(1 - n, n)
        ax.fill_between(distances, low, high, color="#8a9097", alpha=0.35, linewidth=1)
        ax.plot(distances, line, color=HERE)
        ax.plot([self.distance], [line[n - 1 + self.distance]], "o", color=THERE)
        ax.set(xlim=(1 - n, n - 1), ylim=(-1.1, 1.1), xlabel="distance →", ylabel="similarity")
        ax.set_title(name, fontsize=9, loc="left", parse_math=False)
        ax.grid(color="#d9dce0")
        ax = figure.add_subplot(grid[1, 1])
        ax.axis("off")
        ax.text(0, 1, "\n\n".join(self.said), va="top", wrap=True, fontsize=8, parse_math=False)
        return figure


class SinusoidExplorer(Explorer):
    """Two positions slide over the table of sinusoids, and the hands of their clocks turn together.

    Each pair of dimensions (2i, 2i + 1) is a clock: its sine and cosine are the tip of a hand, which
    turns by one fixed angle from a position to the next. The angle between the hands of two positions
    depends on their distance alone, and so does the similarity of two rows, until a general matrix
    comes between them: then the curve differs from place to place, which the band around it shows.

    Args: length: positions on the map, 2 to 256.

    Traits, each of which can be set and observed: `position` and `distance`, whole numbers from 0, with
    `position + distance` on the map; `dim`, even, 2 to 128; `base`, from 1 to 10⁸; `pair`, the clock that
    is looked at; `comparison`, one of "sinusoids", "sinusoids through W" (query and key are projected
    by two random matrices first) and "RoPE through W" (one word's query and key, by the same matrices,
    rotated). To be read: `table` `(length, dim)`; `similarities` `(length, length)`, the cosine of the
    query at p and the key at q; `spread`, the largest difference between pairs of equal distance.

    Raises: ValueError for another length; traitlets.TraitError for what cannot be; the old one stays.
    """

    position = traitlets.Int(0)
    distance = traitlets.Int(0)
    pair = traitlets.Int(2)
    dim = traitlets.Int(32)
    base = traitlets.Float(10000.0)
    comparison = traitlets.Enum(list(COMPARISONS), default_value=COMPARISONS[0])
    table = traitlets.Any(None, allow_none=True).tag(computed=True)
    similarities = traitlets.Any(None, allow_none=True).tag(computed=True)
    spread = traitlets.Float(0.0).tag(computed=True)

    def __init__(self, length: int = 64, **traits):
        if not isinstance(length, int) or not 2 <= length <= 256:
            raise ValueError(f"length must be a whole number from 2 to 256, got {length!r}")
        self.length = length
        wide = {"layout": {"width": "270px"}, "style": {"description_width": "auto"}}
        controls = {
            "position": widgets.IntSlider(description="Position", max=length - 1, **wide),
            "distance": widgets.IntSlider(description="Distance", max=length - 1, **wide),
            "dim": widgets.IntSlider(description="Dimensions", min=2, max=64, step=2, **wide),
            "base": linked_slider(
                self, "base", BASES, digits=",.10g", description="Base", layout={"width": "270px"}
            ),
            "comparison": widgets.ToggleButtons(
                options=COMPARISONS, description="Compare", style={"button_width": "auto"}
            ),
        }
        super().__init__(list(controls.values()), SinusoidMap())
        self._sliders = controls
        self.distance = traits.pop("distance", min(5, length - 1))
        self.position = traits.pop("position", min(12, length - 1 - self.distance))
        for name, value in traits.items():
            setattr(self, name, value)
        self._make_room()
        self.observe(self._make_room, ["distance", "dim"])
        for name, control in controls.items():
            if name != "base":
                traitlets.link((self, name), (control, "value"))
        for name in ("position", "distance", "pair"):
            traitlets.link((self, name), (self.heatmap, name))
        self.observe(self._show, ["position", "distance", "pair", "dim", "base", "comparison"])
        self._show()

    @property
    def wavelengths(self) -> Tensor:
        """How many positions each hand needs for one turn: `(dim / 2,)`."""
        return 2 * math.pi / frequencies(self.dim, self.base)

    @traitlets.validate("position", "distance", "pair", "dim")
    def _check_whole(self, proposal) -> int:
        name, value = proposal.trait.name, proposal.value
        largest = {
            "position": self.length - 1 - self.distance, "distance": self.length - 1,
            "pair": self.dim // 2 - 1, "dim": 128,
        }[name]  # fmt: skip
        smallest = 2 if name == "dim" else 0
        if not smallest <= value <= largest or (name == "dim" and value % 2):
            even = "an even number" if name == "dim" else "a number"
            raise traitlets.TraitError(f"{name} must be {even} from {smallest} to {largest}, got {value}")
        return value

    @traitlets.validate("base")
    def _check_base(self, proposal) -> float:
        if not 1 <= proposal.value <= 1e8:
            raise traitlets.TraitError(f"base must be a number from 1 to 1e8, got {proposal.value}")
        return proposal.value

    def _make_room(self, _change=None) -> None:
        """What no longer fits gives way, and no slider pulls back what was set from Python."""
        self.position = min(self.position, self.length - 1 - self.distance)
        self.pair = min(self.pair, self.dim // 2 - 1)
        self._sliders["position"].max = self.length - 1 - self.distance
        self._sliders["dim"].max = max(self._sliders["dim"].max, self.dim)

    def _show(self, _change=None) -> None:
        n, here, there = self.length, self.position, self.position + self.distance
        table = sinusoidal_table(n, self.dim, self.base, dtype=torch.float64)
        query, key = self._compared(table)
        similarities = query @ key.T  # (n, n)
        apart = torch.arange(n) - torch.arange(n)[:, None] + n - 1  # 0 … 2n − 2 for distances 1 − n … n − 1
        low, high = (
            torch.empty(2 * n - 1, dtype=similarities.dtype).scatter_reduce(
                0, apart.flatten(), similarities.flatten(), end, include_self=False
            )
            for end in ("amin", "amax")
        )
        line = torch.full((2 * n - 1,), math.nan)
        line[n - 1 - here : 2 * n - 1 - here] = similarities[here]
        self.table, self.similarities = table.float(), similarities.float()
        self.spread = float((high - low).max())
        said = [
            self._say_hand(table[here]),
            self._say_pair(there, low[n - 1 + self.distance], high[n - 1 + self.distance]),
        ]
        self.heatmap.show(table, line, low, high, self.comparison, said)

    def _compared(self, table: Tensor) -> tuple[Tensor, Tensor]:
        """A query and a key of length 1 at each position: `(n, dim)` each."""
        seeded = torch.Generator().manual_seed(0)
        query = key = table
        if self.comparison != COMPARISONS[0]:
            w_query, w_key = torch.randn(2, self.dim, self.dim, generator=seeded, dtype=torch.float64)
            if self.comparison == COMPARISONS[2]:
                word = torch.randn(self.dim, generator=seeded, dtype=torch.float64)
                query = key = word.expand_as(table)  # the same word everywhere, with no position yet
            query, key = query @ w_query, key @ w_key
        if self.comparison == COMPARISONS[2]:
            query, key = (rotate_by_position(x, torch.arange(len(x)), self.base) for x in (query, key))
        return tuple(x / x.norm(dim=-1, keepdim=True) for x in (query, key))

    def _say_hand(self, row: Tensor) -> str:
        sin, cos = row[2 * self.pair : 2 * self.pair + 2].tolist()
        growth = f", the next in {self.base ** (2 / self.dim):.3f} times as many" if self.dim > 2 else ""
        return (
            f"Position {self.position}, dimensions {2 * self.pair} and {2 * self.pair + 1}: "
            f"sin {two(sin)}, cos {two(cos)}. This hand turns once in "
            f"{_long(float(self.wavelengths[self.pair]))} positions{growth}."
        )

    def _say_pair(self, there: int, low: Tensor, high: Tensor) -> str:
        now = f"Positions {self.position} and {there}, {self.distance} apart: similarity {two(self._now())}"
        if high - low < 5e-3:
            return f"{now}, and the same for all that are as far apart."
        return f"{now}; as far apart elsewhere: {two(float(low))} to {two(float(high))}."

    def _now(self) -> float:
        return float(self.similarities[self.position, self.position + self.distance])

    def __repr__(self) -> str:
        longest, there = _long(float(self.wavelengths[-1])), self.position + self.distance
        return (
            f"SinusoidExplorer({self.length} positions × {self.dim} dimensions, base {self.base:g}: "
            f"wavelengths 6.3 to {longest}, growing by {self.base ** (2 / self.dim):.3f}; {self.comparison}: "
            f"similarity of {self.position} and {there} {two(self._now())}, spread {two(self.spread)})"
        )


def _draw_hands(ax, here: Tensor, there: Tensor, pair: int) -> None:
    """The clocks of one row of the table and of another, read down and then across."""
    from matplotlib.patches import Circle

    pairs = len(here) // 2
    down = min(pairs, 8)
    for i in range(pairs):
        x, y = i // down, -(i % down)
        ax.add_patch(Circle((x, y), 0.44, fill=False, edgecolor="k" if i == pair else "#b8bdc3"))
        for row, colour in ((there, THERE), (here, HERE)):
            sin, cos = row[2 * i : 2 * i + 2].tolist()
            ax.plot([x, x + 0.4 * sin], [y, y + 0.4 * cos], color=colour, linewidth=1.6)
    ax.set(xlim=(-0.5, (pairs - 1) // down + 0.5), ylim=(-down + 0.5, 0.5), aspect="equal")
    ax.axis("off")


def _bytes(x: Tensor) -> bytes:
    return x.float().contiguous().numpy().tobytes()


def _long(wavelength: float) -> str:
    return f"{wavelength:.1f}" if wavelength < 100 else f"{wavelength:.0f}"
