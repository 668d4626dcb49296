"""Query, key and value as points to drag: a look-up that finds a little of everything."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import ipywidgets as widgets
import torch
import traitlets

from attention_core import scaled_dot_product_attention
from attention_core._calling import Failed, call_attention
from attention_core.agreement import attention_rounding
from attention_core.live import still
from attention_core.live.bank import Dial
from attention_core.live.controls import slider
from attention_core.live.explorer import Explorer
from attention_core.live.explorers.self_attention import checked_temperature
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.map import AttentionMap
from attention_core.live.plane import Placed, Plane
from attention_core.live.remarks import instead, row_remark

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEYS = {"north": (0.0, 1.6), "east": (1.6, 0.0), "south": (0.0, -1.6), "west": (-1.6, 0.0)}
VALUES = {"fig": (-1.4, 1.2), "pear": (1.3, 1.5), "plum": (1.5, -1.2), "lime": (-1.1, -1.4)}
TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10)


class LookUpExplorer(Explorer):
    """Drag the query over fixed keys; its weights average the values, which can be dragged too.

    Args: attention: `(query, key, value) -> (output, weights)`; given one query and four keys of 2
    features, and four values of 2.

    Traits: `query`, a pair of numbers between −2 and 2; `values`, such a pair for each name of VALUES;
    `temperature`; `attention`; and, to be read, `weights` `(1, 4)` and `output` `(1, 2)`, both None when the
    function's answer cannot be shown.

    Raises: traitlets.TraitError for a query, values or a temperature that cannot be; the old ones stay.
    """

    query = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(0.9, 1.2))
    values = traitlets.Dict(default_value=VALUES)
    temperature = traitlets.Float(1.0).tag(control=slider("Temperature", TEMPERATURES))
    attention = traitlets.Callable(scaled_dot_product_attention)
    output = traitlets.Any(None, allow_none=True).tag(computed=True)

    def views(self) -> dict[str, widgets.Widget]:
        asking = Plane(
            {**KEYS, "query": self.query},
            movable=["query"],
            arrows=["query", *KEYS],
            title="Keys, and your query",
        )
        answer = Plane(
            {**VALUES, "output": (0, 0)},
            movable=list(VALUES),
            hull=list(VALUES),
            title="Values, and the output",
        )
        asking.on_move(lambda: self.set_trait("query", asking.points["query"]))
        answer.on_move(lambda: self.set_trait("values", {name: answer.points[name] for name in VALUES}))
        return {"asking": asking, "answer": answer, "heatmap": AttentionHeatmap(None)}

    def more_dials(self) -> list[Dial]:
        return [Dial(("query",), self.asking, "_movable"), Dial(("values",), self.answer, "_movable")]

    def arranged(self) -> list[widgets.Widget]:
        planes = widgets.HBox([self.asking, self.answer])
        planes.add_class("attention-planes")
        return [planes, self.heatmap]

    @traitlets.validate("temperature")
    def _check_temperature(self, proposal) -> float:
        return checked_temperature(proposal.value)

    @traitlets.validate("query")
    def _check_query(self, proposal) -> tuple[float, float]:
        if not all(abs(x) <= self.asking.reach for x in proposal.value):  # NaN is not either
            raise traitlets.TraitError(f"query must be two numbers between −2 and 2, got {proposal.value}")
        return proposal.value

    @traitlets.validate("values")
    def _check_values(self, proposal) -> dict[str, tuple[float, float]]:
        try:
            at = {name: tuple(map(float, proposal.value[name])) for name in VALUES}
        except (KeyError, TypeError, ValueError):
            at = {}
        rest = set(proposal.value) - set(VALUES)
        if rest or not at or not all(len(p) == 2 and all(abs(x) <= 2 for x in p) for p in at.values()):
            names = ", ".join(VALUES)
            raise traitlets.TraitError(
                f"values must be two numbers between −2 and 2 for each of {names}, got {proposal.value}"
            )
        return at

    def compute(self, query, values, temperature, attention):
        asked = torch.tensor([query], dtype=torch.float32)  # (1, 2)
        key = torch.tensor(list(KEYS.values()), dtype=torch.float32)  # (4, 2)
        value = torch.tensor(list(values.values()), dtype=torch.float32)  # (4, 2)
        try:
            output, weights = call_attention(attention, asked / temperature, key, value)
        except Failed as problem:
            return {"message": instead(problem), **_placed(query, values, [0.0] * len(KEYS), None)}
        factors = [("÷ √2", 1 / math.sqrt(2)), (f"÷ temperature {temperature:.2f}", 1 / temperature)]
        rim = self.answer.reach + attention_rounding(asked / temperature, key, value)[0]
        inside = bool((output.abs() <= rim).all())  # NaN is not; an average at the rim is
        shown = AttentionMap(
            weights,
            ["query"],
            [f"{key}: {value}" for key, value in zip(KEYS, VALUES, strict=True)],
            scores=asked @ key.T * math.prod(factor for _, factor in factors),
            steps=factors,
        )
        return {
            "heatmap": shown,
            "message": row_remark(weights, ["query"]) or ("" if inside else _outside(output[0])),
            "output": output,
            **_placed(query, values, weights[0].tolist(), output[0].tolist() if inside else None),
        }

    def figure(self) -> "Figure":
        """Both planes and the row of weights."""
        figure = still.blank(6.6, 3.9)
        for plane, ax in zip((self.asking, self.answer), figure.subplots(1, 2), strict=True):
            plane.draw(ax)
        row = [] if self.weights is None else self.weights[0].tolist()
        shares = ", ".join(f"{name} {w:.2f}" for name, w in zip(KEYS, row, strict=False))
        figure.supxlabel(f"weights: {shares}" if row else self.heatmap.message, fontsize=9, parse_math=False)
        return figure


def _placed(query, values: Mapping, shares: list[float], output: list[float] | None) -> dict[str, Placed]:
    """Keys and values as large as their weights, and the output where it is; None is nowhere."""
    sizes = dict(zip(VALUES, shares, strict=True))
    there = {} if output is None else {"output": output}
    return {
        "asking": Placed({"query": query}, dict(zip(KEYS, shares, strict=True))),
        "answer": Placed({**values, **there}, sizes if there else sizes | {"output": None}),
    }


def _outside(output: torch.Tensor) -> str:
    x, y = output.tolist()
    return f"The output, ({x:.2f}, {y:.2f}), is outside of the plane: is it the values' weighted average?"
