"""A plane with named points, some of which the reader drags: queries among keys, outputs among values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import traitlets

from attention_core.live import still
from attention_core.live.linked import linked, styles
from attention_core.live.widget import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Placed:
    """Where some points are, and how large: from 0 to 1; one with None for a size is not drawn."""

    points: Mapping[str, Iterable[float]]
    sizes: Mapping[str, float | None]


class Plane(View):
    """Named points between −`reach` and `reach` on both axes.

    Args:
        points: `{name: (x, y)}`.
        movable: names of the points that the reader may drag, or move with the arrow keys.
        arrows: names of the points drawn as arrows from the origin.
        hull: names of the points whose convex hull is drawn.
        title: a line above the plane.

    `.points` holds every position, also while the reader drags; `move` sets some of them, and `size`
    says how large each is drawn, from 0 to 1.

    Raises: ValueError for a name that is no point, or a position that is not two finite numbers.
    """

    _esm = linked("plane.js")
    _css = styles("plane.css")
    _movable = traitlets.Dict().tag(sync=True)  # the browser writes these, as Python may
    _fixed = traitlets.Dict().tag(sync=True)  # only Python writes these, so that a drag is never pulled back
    _sizes = traitlets.Dict().tag(sync=True)
    _arrows = traitlets.List().tag(sync=True)
    _outline = traitlets.List().tag(sync=True)  # the corners of the hull, in order
    reach = traitlets.Float(2.0).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        points: Mapping[str, Iterable[float]],
        *,
        movable: Iterable[str] = (),
        arrows: Iterable[str] = (),
        hull: Iterable[str] = (),
        title: str = "",
        reach: float = 2.0,
    ):
        places = {name: _place(name, at) for name, at in points.items()}
        movable, arrows, hull = list(movable), list(arrows), list(hull)
        for name in (*movable, *arrows, *hull):
            if name not in places:
                raise ValueError(f"there is no point named {name!r} among {', '.join(places)}")
        super().__init__(title=title, reach=reach, _arrows=arrows)
        self._in_hull = hull
        self._movable = {name: places[name] for name in places if name in movable}
        self._fixed = {name: places[name] for name in places if name not in movable}
        self._draw_hull()
        self.on_move(self._draw_hull)

    @property
    def points(self) -> dict[str, tuple[float, float]]:
        """Where each point is now."""
        return {name: tuple(at) for name, at in {**self._fixed, **self._movable}.items()}

    def move(self, **positions: Iterable[float]) -> None:
        """Set the positions of some points: `plane.move(query=(1, 0))`."""
        places = {name: _place(name, at) for name, at in positions.items()}
        for name in places:
            if name not in self.points:
                raise ValueError(f"there is no point named {name!r} among {', '.join(self.points)}")
        self._movable = {name: places.get(name, at) for name, at in self._movable.items()}
        self._fixed = {name: places.get(name, at) for name, at in self._fixed.items()}
        self._draw_hull()

    def size(self, shares: Mapping[str, float | None]) -> None:
        """Draw these points larger the larger their share is, from 0 to 1; beyond these as the nearer one.

        A point with None for a share is not drawn.
        """
        self._sizes = {
            name: None if share is None else min(1.0, max(0.0, float(share)))  # 0 for NaN
            for name, share in shares.items()
        }

    def show(self, content: Placed | None) -> None:
        """Move and size some points; None draws all of them small, where they are."""
        content = content or Placed({}, dict.fromkeys(self.points, 0.0))
        self.move(**content.points)
        self.size(content.sizes)

    def on_move(self, callback) -> None:
        """Call `callback()` whenever a movable point has moved."""
        self.observe(lambda _: callback(), "_movable")

    def _draw_hull(self) -> None:
        points = self.points
        self._outline = [list(at) for at in hull_of(points[name] for name in self._in_hull)]

    def draw(self, ax) -> None:
        """The same plane on a matplotlib axis."""
        reach = self.reach
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=(0,), yticks=(0,))
        ax.tick_params(labelsize=7, length=0)
        ax.grid(color="#d9dce0")
        ax.set_title(self.title, fontsize=9, parse_math=False)
        if self._outline:
            ax.fill(
                *zip(*self._outline, strict=True), facecolor="#1769c422", edgecolor="#1769c4", linestyle="--"
            )
        drawn = {**self._movable, **self._fixed}
        drawn = {name: at for name, at in drawn.items() if self._sizes.get(name, 0.1) is not None}
        sides = dict(zip(drawn, name_sides(list(drawn.values()), reach), strict=True))
        for name, (x, y) in drawn.items():
            share = self._sizes.get(name, 0.1)
            colour = "#c2410c" if name in self._movable else "#1769c4"
            if name in self._arrows:
                ax.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "->", "color": colour})
            ax.scatter([x], [y], s=18 + 220 * share, color=colour, zorder=3)
            left, below = sides[name]
            ax.annotate(
                name, (x, y), (-8 if left else 8, -14 if below else 6), textcoords="offset points",
                fontsize=9, ha="right" if left else "left", parse_math=False, zorder=4,
            )  # fmt: skip

    def figure(self) -> "Figure":
        """The plane as a matplotlib figure, unknown to pyplot."""
        figure = still.blank(3.2, 3.5)
        self.draw(figure.subplots())
        return figure

    def __repr__(self) -> str:
        places = ", ".join(f"{name} at ({x:.2f}, {y:.2f})" for name, (x, y) in self.points.items())
        return f"Plane({places})"


def name_sides(points: Sequence[tuple[float, float]], reach: float) -> list[tuple[bool, bool]]:
    """Whether each name stands left of its point and below it, as plane.js has it.

    Left of one near the right edge; below one whose place above an earlier one has taken.
    """
    return [
        (
            x > 0.44 * reach,
            any(abs(x - a) < 0.4 * reach and abs(y - b) < 0.1 * reach for a, b in points[:i]),
        )
        for i, (x, y) in enumerate(points)
    ]


def hull_of(places: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners of the convex hull, anticlockwise (Andrew's monotone chain, 1979)."""
    ordered = sorted({tuple(at) for at in places})

    def chain(points):
        kept = []
        for x, y in points:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], (x, y)) <= 0:
                kept.pop()
            kept.append((x, y))
        return kept[:-1]

    return ordered if len(ordered) < 3 else chain(ordered) + chain(ordered[::-1])


def _turn(a, b, c) -> float:
    """Above 0 when a → b → c turns left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _place(name: str, at: Iterable[float]) -> list[float]:
    try:
        place = [float(x) for x in at]
    except (TypeError, ValueError):
        raise ValueError(f"{name} needs two finite numbers, x and y, got {at!r}") from None
    if len(place) != 2 or not np.isfinite(place).all():
        raise ValueError(f"{name} needs two finite numbers, x and y, got {place}")
    return place
