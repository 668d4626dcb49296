"""One query among keys in a plane: the soft dictionary look-up, with its output inside the values' hull."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets as widgets
import torch
import traitlets

from attention_core import scaled_dot_product_attention
from attention_core.agreement import attention_rounding
from attention_core.live import still
from attention_core.live.call import Unusable, call_attention, row_remark
from attention_core.live.explorers import Explorer, checked_temperature, linked_slider
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.plane import Plane

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEYS = {"north": (0.0, 1.6), "east": (1.6, 0.0), "south": (0.0, -1.6), "west": (-1.6, 0.0)}
VALUES = {"red": (-1.4, 1.2), "green": (1.3, 1.5), "blue": (1.5, -1.2), "black": (-1.1, -1.4)}
TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10)


class LookUpExplorer(Explorer):
    """Drag the query over fixed keys; its weights average the values, which can be dragged too.

    Args: attention: `(query, key, value) -> (output, weights)`; given one query and four keys of 2
    features, and four values of 2.

    Traits: `query`, a pair of numbers between −2 and 2; `temperature`; `attention`; and, to be read,
    `weights` `(1, 4)` and `output` `(1, 2)`, both None when the function's answer cannot be shown.

    Raises: traitlets.TraitError for a query or a temperature that cannot be; the old one stays.
    """

    query = traitlets.Tuple(traitlets.Float(), traitlets.Float())
    temperature = traitlets.Float(1.0)
    attention = traitlets.Callable(scaled_dot_product_attention)
    output = traitlets.Any(None, allow_none=True).tag(computed=True)

    def __init__(self, *, attention: Callable = scaled_dot_product_attention):
        self.asking = Plane(
            {**KEYS, "query": (0.9, 1.2)},
            movable=["query"],
            arrows=["query", *KEYS],
            title="Keys, and your query",
        )
        self.answer = Plane(
            {**VALUES, "output": (0, 0)},
            movable=list(VALUES),
            hull=list(VALUES),
            title="Values, and the output",
        )
        slider = linked_slider(self, "temperature", TEMPERATURES, description="Temperature")
        super().__init__([slider], AttentionHeatmap(None))
        self.set_trait("attention", attention)
        planes = widgets.HBox([self.asking, self.answer])
        planes.add_class("attention-planes")
        self.children = [self.children[0], planes, self.heatmap]
        self.query = self.asking.points["query"]
        self.asking.on_move(lambda: self.set_trait("query", self.asking.points["query"]))
        self.answer.on_move(self._show)
        self.observe(self._show, ["query", "temperature", "attention"])
        self._show()

    @traitlets.validate("temperature")
    def _check_temperature(self, proposal) -> float:
        return checked_temperature(proposal.value)

    @traitlets.validate("query")
    def _check_query(self, proposal) -> tuple[float, float]:
        if not all(abs(x) <= self.asking.reach for x in proposal.value):  # NaN is not either
            raise traitlets.TraitError(f"query must be two numbers between −2 and 2, got {proposal.value}")
        return proposal.value

    def figure(self) -> "Figure":
        """Both planes and the row of weights."""
        figure = still.blank(6.6, 3.9)
        for plane, ax in zip((self.asking, self.answer), figure.subplots(1, 2), strict=True):
            plane.draw(ax)
        row = [] if self.weights is None else self.weights[0].tolist()
        shares = ", ".join(f"{name} {w:.2f}" for name, w in zip(KEYS, row, strict=False))
        figure.supxlabel(f"weights: {shares}" if row else self.heatmap.message, fontsize=9, parse_math=False)
        return figure

    def _show(self, _change=None) -> None:
        if self.query != self.asking.points["query"]:
            self.asking.move(query=self.query)
        key = torch.tensor(list(KEYS.values()))  # (4, 2)
        at = [self.answer.points[name] for name in VALUES]
        value = torch.tensor(at, dtype=torch.float32)  # (4, 2); the page sends 2 for 2.0
        query = torch.tensor([self.query])  # (1, 2)
        try:
            output, weights = call_attention(self.attention, query / self.temperature, key, value)
        except Unusable as problem:
            self.output = None
            self._put(None, str(problem))
            self._place(None, dict.fromkeys(KEYS, 0.0))
            return
        factors = [
            ("÷ √2", 1 / math.sqrt(2)),
            (f"÷ temperature {self.temperature:.2f}", 1 / self.temperature),
        ]
        self.output = output
        rim = self.answer.reach + attention_rounding(query / self.temperature, key, value)[0]
        inside = bool((output.abs() <= rim).all())  # NaN is not; an average at the rim is
        scores = query @ key.T * math.prod(factor for _, factor in factors)
        self._put(
            weights,
            row_remark(weights, ["query"]) or ("" if inside else _outside(output[0])),
            queries=["query"],
            keys=[f"{key}: {value}" for key, value in zip(KEYS, VALUES, strict=True)],
            scores=scores,
            steps=factors,
        )
        self._place(output[0] if inside else None, dict(zip(KEYS, weights[0].tolist(), strict=True)))

    def _place(self, output: torch.Tensor | None, shares: dict[str, float]) -> None:
        """Keys and values as large as their weights, and the output where it is; None is nowhere."""
        self.asking.size(shares)
        sizes = dict(zip(VALUES, shares.values(), strict=True))
        self.answer.size(sizes if output is not None else sizes | {"output": None})
        if output is not None:
            self.answer.move(output=output.tolist())


def _outside(output: torch.Tensor) -> str:
    x, y = output.tolist()
    return f"The output, ({x:.2f}, {y:.2f}), is outside of the plane: is it the values' weighted average?"
