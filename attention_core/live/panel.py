"""The panel above the map of a training: progress, Stop, curves, replay."""

from typing import TYPE_CHECKING

import traitlets

from attention_core.live import still
from attention_core.live.linked import linked, styles
from attention_core.live.widget import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TrainingPanel(View):
    """The part of a `TrainingView` above its map. Not made alone."""

    _esm = linked("training.js")
    _css = styles("training.css", "curves.css")
    _state = traitlets.Dict().tag(sync=True)  # only Python writes it, so that no click is in its way
    _fixed = traitlets.Dict().tag(sync=True)
    frame = traitlets.List([0, -1]).tag(sync=True)  # of which training, and which of its maps
    chosen = traitlets.List([0, None]).tag(sync=True)

    def show(self, content: dict | None) -> None:
        self._state = content or {}

    def figure(self) -> "Figure":
        figure = still.blank(6, 0.6)
        figure.text(0.01, 0.5, self._state.get("note", ""), va="center", parse_math=False)
        return figure

    def __repr__(self) -> str:
        return f"TrainingPanel({self._state.get('note', '')})"
