"""A table of sinusoids as a map, and each pair of its columns as a clock with two hands."""

from typing import TYPE_CHECKING

import torch
import traitlets
from torch import Tensor

from attention_core.live import still
from attention_core.live.linked import linked, styles
from attention_core.live.widget import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = "PRGn"  # pale at 0, and its two ends differ with every colour blindness
HERE, THERE = "#c2410c", "#1769c4"  # the position, and the other one that slides with it


class Clocks(View):
    """A table `(n, dim)` of numbers from −1 to 1, positions across and dimensions down, and its clocks.

    A clock is a pair of dimensions (2i, 2i + 1): a sine and a cosine are the tip of its hand. `position`,
    `distance` and `pair` are what the reader slides or picks; the other position is `position + distance`.
    `show(table)` draws another table, `message` is said above it.
    """

    _esm = linked("clocks.js")
    _css = styles("clocks.css")
    _frame = traitlets.Dict().tag(sync=True)
    _palette = traitlets.Bytes().tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)
    distance = traitlets.Int(0).tag(sync=True)
    pair = traitlets.Int(0).tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)

    def __init__(self):
        super().__init__(_palette=still.palette(COLOURS))
        self.show(None)

    def show(self, content: Tensor | None) -> None:
        self.table = (
            torch.zeros(2, 2, dtype=torch.float32) if content is None else content.detach().float().clone()
        )
        table = self.table.contiguous().numpy()
        self._frame = {"shape": list(table.shape), "table": table.tobytes()}

    def figure(self) -> "Figure":
        figure = still.blank(7.4, 4)
        self.draw(figure, *figure.subplots(1, 2, width_ratios=(5, 2)))
        return figure

    def draw(self, figure: "Figure", map_ax, hands_ax) -> None:
        """The map and the hands on two matplotlib axes."""
        n, dim = self.table.shape
        here, there = self.position, self.position + self.distance
        image = map_ax.imshow(
            self.table.numpy().T, cmap=COLOURS, vmin=-1, vmax=1, aspect="auto", interpolation="nearest",
            extent=(-0.5, n - 0.5, dim - 0.5, -0.5),
        )  # fmt: skip
        for at, colour in ((here, HERE), (there, THERE)):
            map_ax.axvspan(at - 0.5, at + 0.5, fill=False, edgecolor=colour, linewidth=2)
        map_ax.axhspan(2 * self.pair - 0.5, 2 * self.pair + 1.5, fill=False, edgecolor="k", linewidth=1)
        map_ax.set(xlabel="position →", ylabel="← dimension")
        figure.colorbar(image, ax=map_ax, location="top", shrink=0.4, aspect=30, ticks=(-1, 0, 1))
        _draw_hands(hands_ax, self.table[here], self.table[there], self.pair)

    def __repr__(self) -> str:
        n, dim = self.table.shape
        there = self.position + self.distance
        return f"Clocks({n} positions × {dim} dimensions, at {self.position} and {there})"


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
