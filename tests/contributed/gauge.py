"""A view as a contributor writes one: this file, and its page in gauge.js."""

from pathlib import Path

import traitlets

from attention_core.live import still
from attention_core.live.linked import linked
from attention_core.live.widget import View


class Gauge(View):
    """One number from 0 to 1, as a bar: `show(0.3)`."""

    _esm = linked("gauge.js", Path(__file__).parent)
    _share = traitlets.Float(0.0).tag(sync=True)

    def show(self, content: float | None) -> None:
        self._share = 0.0 if content is None else float(content)

    def figure(self):
        figure = still.blank(4, 0.5)
        figure.subplots().barh([0], [self._share])
        return figure

    def __repr__(self) -> str:
        return f"Gauge({self._share:.2f})"
