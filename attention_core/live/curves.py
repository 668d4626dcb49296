"""Curves: a line each, perhaps the band in which others lie, and a point on it that is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import traitlets

from attention_core.live import still
from attention_core.live.linked import linked, styles
from attention_core.live.widget import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_POINTS = 300  # of a curve on the page
ABREAST = 3  # curves in a row of the still picture


@dataclass(frozen=True)
class Curve:
    """What one curve shows: a name above it, its points, and what is said of them.

    low, high: the edges of a band, as many as points. at: the x of the point that is looked at, or None.
    xlabel: below the axis. reach: the least and the greatest y that the axis holds at least. A y that is
    no finite number breaks the line.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    at: float | None = None
    xlabel: str = ""
    reach: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self):
        n = len(self.x)
        if len(self.y) != n or len(self.low) not in (0, n) or len(self.high) != len(self.low):
            raise ValueError(
                f"a curve of {n} points needs as many heights, and as many edges of its band or none; "
                f"got {len(self.y)}, {len(self.low)} and {len(self.high)}"
            )

    def frame(self) -> dict:
        """What the page needs: float32 bytes, of at most MOST_POINTS points, each the mean of neighbours."""
        return {
            "name": self.name, "xlabel": self.xlabel, "at": self.at, "reach": list(map(float, self.reach)),
            **{part: _bytes(getattr(self, part)) for part in ("x", "y", "low", "high")},
        }  # fmt: skip

    def draw(self, ax) -> None:
        """The same on a matplotlib axis."""
        x, y = (thinned(part) for part in (self.x, self.y))
        if len(self.low):
            ax.fill_between(
                x, thinned(self.low), thinned(self.high), color="#8a9097", alpha=0.35, linewidth=1
            )
        ax.plot(x, y, color="#1769c4", linewidth=1.2)
        if self.at is not None and len(x):
            nearest = int(np.abs(x - self.at).argmin())
            ax.plot([x[nearest]], [y[nearest]], "o", color="#c2410c")
        finite = y[np.isfinite(y)]
        low, high = self.reach
        low, high = min(low, finite.min(initial=low)), max(high, finite.max(initial=high))
        ax.set_ylim(low - 0.05 * (high - low) * (low < 0), high + 0.05 * (high - low))
        ax.set_title(self.name, fontsize=9, loc="left", parse_math=False)
        ax.set_xlabel(self.xlabel, fontsize=8, color=still.QUIET)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)


class Curves(View):
    """Curves side by side. Show other ones with `show([Curve("loss", steps, losses)])`."""

    _esm = linked("curves_view.js")
    _css = styles("curves.css")
    _frame = traitlets.List().tag(sync=True)

    def __init__(self, content: Sequence[Curve] = ()):
        super().__init__()
        self.show(content)

    def show(self, content: Sequence[Curve] | None) -> None:
        self.content = tuple(content or ())
        self._frame = [curve.frame() for curve in self.content]

    def figure(self) -> "Figure":
        n = max(1, len(self.content))
        across = min(n, ABREAST)
        down = -(-n // across)
        figure = still.blank(3.2 * across, 2 * down)
        axes = figure.subplots(down, across, squeeze=False).ravel()
        for curve, ax in zip(self.content, axes, strict=False):
            curve.draw(ax)
        for ax in axes[n:]:
            ax.remove()
        return figure

    def __repr__(self) -> str:
        names = (f"{curve.name}: {len(curve.x)} points" for curve in self.content)
        return f"Curves({', '.join(names)})"


def thinned(values: Sequence[float]) -> np.ndarray:
    """At most MOST_POINTS numbers, float32, each the mean of its neighbours."""
    values = np.asarray(values, dtype=np.float64)
    if len(values) <= MOST_POINTS:
        return values.astype(np.float32)
    starts = np.arange(0, len(values), -(-len(values) // MOST_POINTS))
    sizes = np.diff(np.append(starts, len(values)))
    return (np.add.reduceat(values, starts) / sizes).astype(np.float32)


def _bytes(values: Sequence[float]) -> bytes:
    return thinned(values).tobytes()
