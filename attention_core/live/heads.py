"""A switch for each head, its solo button, and how far its map is from the others'."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import traitlets

from attention_core.live.linked import linked, styles
from attention_core.live.strip import words_figure
from attention_core.live.widget import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEGEND = (
    "Bars: the mean distance of a head’s map from the others’ (Jensen–Shannon), "
    "0 the same, 1 nothing in common."
)


@dataclass(frozen=True)
class Heads:
    """What the switches show: a line about the heads (`**bold**` is bold), how many, and a distance each.

    bars: whether the distances are drawn.
    """

    line: str
    count: int
    distances: Sequence[float] = ()
    bars: bool = True


class HeadSwitches(View):
    """Switches for heads: the reader sets `off`, a list of heads, and `solo`, one head or None."""

    _esm = linked("heads.js")
    _css = styles("heads.css")
    _frame = traitlets.Dict().tag(sync=True)
    off = traitlets.List(traitlets.Int()).tag(sync=True)
    solo = traitlets.Int(None, allow_none=True).tag(sync=True)

    def __init__(self, content: Heads | None = None):
        super().__init__()
        self.show(content)

    def show(self, content: Heads | None) -> None:
        self.content = content or Heads("", 0)
        distances = [None if d != d else float(d) for d in self.content.distances]
        self._frame = {
            "line": self.content.line,
            "count": self.content.count,
            "distances": distances,
            "legend": LEGEND if self.content.bars and self.content.count > 1 else "",
        }

    def figure(self) -> "Figure":
        names = [f"head {head}{' (off)' * (head in self.off)}" for head in range(self.content.count)]
        shares = list(self.content.distances) or [0.0] * len(names)
        return words_figure(self.content.line.replace("**", ""), names, shares)

    def __repr__(self) -> str:
        off = [head for head in range(self.content.count) if head in self.off]
        return f"HeadSwitches({self.content.count} heads, off: {off}, alone: {self.solo})"
