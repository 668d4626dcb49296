"""The sinusoids to slide: their map, their clock hands, and what two positions have in common."""

import math
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, ClassVar

import ipywidgets as widgets
import torch
import traitlets
from torch import Tensor

from attention_core import rotate_by_position, sinusoidal_table
from attention_core._checks import check_whole
from attention_core.live import still
from attention_core.live.bank import Dial, Step
from attention_core.live.clocks import Clocks
from attention_core.live.controls import choice, slider, whole
from attention_core.live.curves import Curve, Curves
from attention_core.live.explorer import Explorer
from attention_core.live.still import two
from attention_core.live.strip import Strip, Words
from attention_core.positional_encoding import frequencies

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BASES = (*(step * 10**power for power in range(8) for step in (1, 1.5, 2, 3, 5, 7)), 10**8)
COMPARISONS = ("sinusoids", "sinusoids through W", "RoPE through W")


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

    position = traitlets.Int(12).tag(control=whole("Position", 0, lambda explorer: explorer.length - 1))
    distance = traitlets.Int(5).tag(control=whole("Distance", 0, lambda explorer: explorer.length - 1))
    pair = traitlets.Int(2)
    dim = traitlets.Int(32).tag(control=whole("Dimensions", 2, 64, step=2))
    base = traitlets.Float(10000.0).tag(control=slider("Base", BASES, digits=",.10g", width="270px"))
    comparison = traitlets.Enum(COMPARISONS, default_value=COMPARISONS[0]).tag(
        control=choice("Compare", COMPARISONS)
    )
    linked: ClassVar = {"heatmap": ("position", "distance", "pair")}
    table = traitlets.Any(None, allow_none=True).tag(computed=True)
    similarities = traitlets.Any(None, allow_none=True).tag(computed=True)
    spread = traitlets.Float(0.0).tag(computed=True)

    def __init__(self, length: int = 64, **traits):
        self.length = length = check_whole("length", length, 2, 256)
        traits.setdefault("distance", min(5, length - 1))
        traits.setdefault("position", min(12, max(0, length - 1 - traits["distance"])))
        super().__init__(**traits)

    def views(self) -> dict[str, widgets.Widget]:
        return {"heatmap": Clocks(), "curve": Curves(), "said": Strip()}

    def more_dials(self) -> list[Dial]:
        return [
            Dial((name,), self.heatmap, name, partial(self._steps, name)) for name in self.linked["heatmap"]
        ]

    def _steps(self, name: str) -> list[Step]:
        most = {"position": self.length - self.distance, "distance": self.length, "pair": self.dim // 2}[name]
        now = self.inputs()
        return [(x, {name: x, **self.following(name, {**now, name: x})}) for x in range(most)]

    def following(self, name: str, inputs: Mapping) -> dict[str, object]:
        """No position beyond the map, no clock that there is not."""
        most = {"position": self.length - 1 - inputs["distance"], "pair": inputs["dim"] // 2 - 1}
        return {of: last for of, last in most.items() if inputs[of] > last}

    def arranged(self) -> list[widgets.Widget]:
        below = widgets.HBox([self.curve, self.said])
        below.add_class("attention-beside")
        return [self.heatmap, below]

    @property
    def wavelengths(self) -> Tensor:
        """How many positions each hand needs for one turn: `(dim / 2,)`."""
        return _wavelengths(self.dim, self.base)

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

    def settle(self, name: str | None) -> None:
        """No slider pulls back what was set from Python."""
        for of, last in self.following(name or "", self.inputs()).items():
            setattr(self, of, last)
        self.controls["position"].max = self.length - 1 - self.distance
        self.controls["dim"].max = max(self.controls["dim"].max, self.dim)

    def compute(self, position, distance, pair, dim, base, comparison):
        n, there = self.length, position + distance
        table, similarities, low, high = _compared(n, dim, base, comparison)
        line = similarities.new_full((2 * n - 1,), math.nan)
        line[n - 1 - position : 2 * n - 1 - position] = similarities[position]
        at = n - 1 + distance
        hand = _say_hand(table[position], position, pair, base)
        both = _say_pair(
            position, there, float(similarities[position, there]), float(low[at]), float(high[at])
        )
        curve = Curve(
            f"Similarity by distance: {comparison}", range(1 - n, n), line, low, high, at=distance,
            xlabel="distance → · line: from this position; grey: from all of them", reach=(-1, 1),
        )  # fmt: skip
        return {
            "heatmap": table,
            "curve": [curve],
            "said": Words(f"{hand}\n{both}"),
            "weights": table.float(),  # what its map shows
            "table": table.float(),
            "similarities": similarities.float(),
            "spread": float((high - low).max()),
        }

    def figure(self) -> "Figure":
        """The map, the hands and the curve, as matplotlib draws them."""
        figure = still.blank(7.4, 5.4)
        grid = figure.add_gridspec(2, 2, width_ratios=(5, 2), height_ratios=(5, 2.2))
        at = {name: figure.add_subplot(grid[place]) for name, place in _PLACES.items()}
        self.heatmap.draw(figure, at["map"], at["hands"])
        for curve in self.curve.content:
            curve.draw(at["curve"])
        at["said"].axis("off")
        said = self.said.content.plain.replace("\n", "\n\n")
        at["said"].text(0, 1, said, va="top", wrap=True, fontsize=8, parse_math=False)
        return figure

    def facts(self) -> str:
        longest, there = _long(float(self.wavelengths[-1])), self.position + self.distance
        now = float(self.similarities[self.position, there])
        return (
            f"{self.length} positions × {self.dim} dimensions, base {self.base:g}: "
            f"wavelengths 6.3 to {longest}, growing by {self.base ** (2 / self.dim):.3f}; {self.comparison}: "
            f"similarity of {self.position} and {there} {two(now)}, spread {two(self.spread)}"
        )


_PLACES = {"map": (0, 0), "hands": (0, 1), "curve": (1, 0), "said": (1, 1)}


def _wavelengths(dim: int, base: float) -> Tensor:
    return 2 * math.pi / frequencies(dim, base)


@lru_cache(maxsize=4)  # the position and the distance move without it
def _compared(n: int, dim: int, base: float, comparison: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The table `(n, dim)`; the similarities of a query at p and a key at q, `(n, n)`; and for the distances
    1 − n … n − 1 the least and the greatest of them."""
    table = sinusoidal_table(n, dim, base, dtype=torch.float64)
    query, key = _query_and_key(table, dim, base, comparison)
    similarities = query @ key.T
    apart = torch.arange(n) - torch.arange(n)[:, None] + n - 1  # 0 … 2n − 2
    low, high = (
        torch.empty(2 * n - 1, dtype=similarities.dtype).scatter_reduce(
            0, apart.flatten(), similarities.flatten(), end, include_self=False
        )
        for end in ("amin", "amax")
    )
    return table, similarities, low, high


def _query_and_key(table: Tensor, dim: int, base: float, comparison: str) -> tuple[Tensor, Tensor]:
    """A query and a key of length 1 at each position: `(n, dim)` each."""
    seeded = torch.Generator().manual_seed(0)
    query = key = table
    if comparison != COMPARISONS[0]:
        w_query, w_key = torch.randn(2, dim, dim, generator=seeded, dtype=torch.float64)
        if comparison == COMPARISONS[2]:
            word = torch.randn(dim, generator=seeded, dtype=torch.float64)
            query = key = word.expand_as(table)  # the same word everywhere, with no position yet
        query, key = query @ w_query, key @ w_key
    if comparison == COMPARISONS[2]:
        query, key = (rotate_by_position(x, torch.arange(len(x)), base) for x in (query, key))
    return tuple(x / x.norm(dim=-1, keepdim=True) for x in (query, key))


def _say_hand(row: Tensor, position: int, pair: int, base: float) -> str:
    dim = len(row)
    sin, cos = row[2 * pair : 2 * pair + 2].tolist()
    growth = f", the next in {base ** (2 / dim):.3f} times as many" if dim > 2 else ""
    return (
        f"Position {position}, dimensions {2 * pair} and {2 * pair + 1}: "
        f"sin {two(sin)}, cos {two(cos)}. This hand turns once in "
        f"{_long(float(_wavelengths(dim, base)[pair]))} positions{growth}."
    )


def _say_pair(position: int, there: int, now: float, low: float, high: float) -> str:
    said = f"Positions {position} and {there}, {there - position} apart: similarity {two(now)}"
    if high - low < 5e-3:
        return f"{said}, and the same for all that are as far apart."
    return f"{said}; as far apart elsewhere: {two(low)} to {two(high)}."


def _long(wavelength: float) -> str:
    return f"{wavelength:.1f}" if wavelength < 100 else f"{wavelength:.0f}"
