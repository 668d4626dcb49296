"""The live heatmap: a widget that shows attention weights and says in words what they mean."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import anywidget
import numpy as np
import torch
import traitlets

from attention_core.agreement import SAME
from attention_core.live import still
from attention_core.live.back_row import ForProjector
from attention_core.live.linked import linked, styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTENT = ("queries", "keys", "heads", "scores", "allowed", "steps", "terms")  # what belongs to weights
_MIME = {"png": "image/png", "svg": "image/svg+xml"}


class AttentionHeatmap(ForProjector, anywidget.AnyWidget):
    """Attention weights as a map: rows are queries, columns are keys.

    Args:
        weights: `(n_q, n_k)` or `(heads, n_q, n_k)`, a tensor or an array; None shows nothing yet.
        queries, keys: labels, one a row and one a column; numbers from 0 unless given. With square
            weights the keys are labelled as the queries are.
        heads: labels of the heads.
        scores: of the weights' shape, the numbers before softmax: the readout then shows the
            arithmetic of a cell. `steps`, as `[("÷ √d_k", 0.35), …]`, are the factors that made the
            scores out of query · key; `terms`, as `(names, query, key)` with query `(n_q, d_k)` and
            key `(n_k, d_k)`, spell out that dot product.
        allowed: boolean, broadcastable to the weights; forbidden cells are hatched.
        title: a line above the map. message: a remark above it, or in its place.
        per_row: colour each row from 0 to its largest weight. show_sums: of rows and columns.
        faded: numbers of heads whose maps are drawn pale, as their output is not used.
        projector: large enough to be read from the back of a class.

    Set `.weights` to repaint, or call `update` to change several things at once. `.pinned` holds the
    one or two query rows that the reader has pinned.

    Raises:
        ValueError: if shapes or labels do not fit; what was shown before stays.
    """

    _elsewhere: ClassVar = {
        name: f"update(weights, {name}=…) changes it together with the weights" for name in CONTENT
    }
    _esm = linked("heatmap.js")
    _css = styles("heatmap.css", "deck.css")
    _frame = traitlets.Dict().tag(sync=True)
    _palette = traitlets.Bytes().tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)
    per_row = traitlets.Bool(False).tag(sync=True)
    show_sums = traitlets.Bool(False).tag(sync=True)
    faded = traitlets.List(traitlets.Int(min=0)).tag(sync=True)
    pinned = traitlets.List(traitlets.Int(min=0), maxlen=2).tag(sync=True)

    def __init__(
        self,
        weights: torch.Tensor | None,
        queries: Sequence[str] | None = None,
        keys: Sequence[str] | None = None,
        *,
        heads: Sequence[str] | None = None,
        scores: torch.Tensor | None = None,
        allowed: torch.Tensor | None = None,
        title: str = "",
        steps: Sequence[tuple[str, float]] = (),
        terms: tuple[Sequence[str], torch.Tensor, torch.Tensor] | None = None,
        **traits,
    ):
        self._content: dict = {}
        super().__init__(title=title, **traits)
        self.update(
            weights,
            queries=queries,
            keys=keys,
            heads=heads,
            scores=scores,
            allowed=allowed,
            steps=steps,
            terms=terms,
        )
        self.on_msg(self._save_asked)

    def update(self, weights: torch.Tensor | None, **changes) -> None:
        """Show other weights, and at the same moment other labels, scores, steps, terms or mask.

        Labels and mask stay unless they are named; scores, steps and terms belong to one set of
        weights and go with it. `None` takes a thing away. Raises: ValueError; then nothing changes.
        """
        unknown = set(changes) - set(CONTENT)
        if unknown:
            takes = ", ".join(("weights", *CONTENT))
            raise TypeError(f"update() has no argument {', '.join(sorted(unknown))}; it takes {takes}")
        staying = {name: self._content.get(name) for name in ("queries", "keys", "heads", "allowed")}
        content = _checked({**staying, **changes, "weights": weights})
        self._frame = _frame(content)  # nothing has changed yet if the lines above raise
        self._content = content

    @traitlets.default("_palette")
    def _default_palette(self) -> bytes:
        return still.palette()

    @property
    def weights(self) -> torch.Tensor | None:
        """The weights shown, float32, of the shape they were given in."""
        return self._content.get("weights")

    @weights.setter
    def weights(self, weights: torch.Tensor | None) -> None:
        self.update(weights)

    # not `keys`: ipywidgets keeps the names of its synced traits there
    query_labels = property(lambda self: self._labels("queries"), doc="The rows' labels.")
    key_labels = property(lambda self: self._labels("keys"), doc="The columns' labels.")
    head_labels = property(lambda self: self._labels("heads"), doc="The heads' labels.")
    scores = property(lambda self: self._content.get("scores"), doc="The numbers before softmax.")
    allowed = property(lambda self: self._content.get("allowed"), doc="Who may look at whom.")

    def figure(self) -> "Figure":
        """The same picture for matplotlib, unknown to pyplot, with what is pinned."""
        weights, allowed = self.weights, self.allowed
        by_head = np.zeros((1, 0, 0)) if weights is None else _by_head(weights).numpy()
        return still.heatmap_figure(
            by_head,
            self.query_labels,
            self.key_labels,
            heads=self.head_labels,
            allowed=None if allowed is None else _by_head(allowed).numpy(),
            title=self.title,
            message=self.message,
            per_row=self.per_row,
            show_sums=self.show_sums,
            faded=self.faded,
            pinned=[row for row in self.pinned if row < by_head.shape[1]],
        )

    def save(self, path: str | Path) -> None:
        """Write the picture to a file that ends in .png or .svg; raises ValueError for another ending."""
        kind = Path(path).suffix.lstrip(".").lower()
        if kind not in _MIME:
            raise ValueError(f"a picture is saved as .png or .svg, not as {Path(path).name!r}")
        Path(path).write_bytes(self._export(kind))

    def __repr__(self) -> str:
        return f"AttentionHeatmap({facts(self)})"

    def _repr_mimebundle_(self, **_) -> tuple[dict, dict]:
        return mimebundle(self, self.figure())

    def _labels(self, name: str) -> list[str]:
        return self._frame[name] if self._frame else []

    def _export(self, kind: str) -> bytes:
        return still.svg(self.figure()) if kind == "svg" else still.png(self.figure())[0]

    def _save_asked(self, _widget, content: dict, _buffers) -> None:
        if (kind := content.get("save")) in _MIME:
            self.send({"save": kind, "type": _MIME[kind]}, [self._export(kind)])


def facts(heatmap: AttentionHeatmap) -> str:
    """What a heatmap shows, in one line that is the same on every machine."""
    weights = heatmap.weights
    if weights is None or weights.numel() == 0:
        return ": ".join(filter(None, ("nothing to show", " ".join(heatmap.message.split()))))
    by_head = _by_head(weights)
    n_heads, n_q, n_k = by_head.shape
    sums = by_head.sum(-1)
    # a tie goes to the first cell, whatever the last bits of another processor say
    first = int((by_head.flatten() >= by_head.nan_to_num(-1).max() - SAME).int().argmax())
    head, row, column = first // (n_q * n_k), first // n_k % n_q, first % n_k
    return (
        f"{n_q} {'query' if n_q == 1 else 'queries'} × {n_k} {'key' if n_k == 1 else 'keys'}"
        + (f", {n_heads} heads" if n_heads > 1 else "")
        + f", row sums {_span(sums)}, largest {float(by_head[head, row, column]):.2f}: "
        + f"“{heatmap.query_labels[row]}” → “{heatmap.key_labels[column]}”"
        + (f" in {heatmap.head_labels[head]}" if n_heads > 1 else "")
    )


def mimebundle(widget, figure: "Figure") -> tuple[dict, dict]:
    """The live view of `widget` for a page with a kernel, and text and a picture for one without."""
    image, size = still.png(figure)
    data = {
        "text/plain": repr(widget),
        "image/png": base64.b64encode(image).decode(),
        "application/vnd.jupyter.widget-view+json": {
            "version_major": 2,
            "version_minor": 0,
            "model_id": widget.model_id,
        },
    }
    return data, {"image/png": size}


def _span(sums: torch.Tensor) -> str:
    low, high = f"{float(sums.min()):.2f}", f"{float(sums.max()):.2f}"
    return low if low == high else f"{low} to {high}"


def _by_head(x: torch.Tensor) -> torch.Tensor:
    return x if x.ndim == 3 else x[None]


def _numbers(name: str, x) -> torch.Tensor:
    try:
        # a copy: what the reader sees must not change behind the widget's back
        return torch.as_tensor(x).detach().to("cpu", torch.float32, copy=True).contiguous()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be a tensor or an array of numbers, got {type(x).__name__}") from error


def _checked(content: dict) -> dict:
    """The content with tensors made uniform and labels filled in; raises ValueError where it does not fit."""
    checked = dict(content)
    if content["weights"] is None:
        return checked
    weights = checked["weights"] = _numbers("weights", content["weights"])
    if weights.ndim not in (2, 3):
        raise ValueError(
            f"weights must be (n_q, n_k) or (heads, n_q, n_k), got {tuple(weights.shape)}"
            + (": pick one sequence, weights[0]" if weights.ndim == 4 else "")
        )
    n_heads, n_q, n_k = _by_head(weights).shape
    if n_heads == 0:
        raise ValueError("weights have no head to show: the shape is " + str(tuple(weights.shape)))
    if content.get("scores") is not None:
        checked["scores"] = _numbers("scores", content["scores"])
        if checked["scores"].shape != weights.shape:
            raise ValueError(
                f"scores have shape {tuple(checked['scores'].shape)} but weights {tuple(weights.shape)}"
            )
    if content.get("allowed") is not None:
        allowed = torch.as_tensor(content["allowed"])
        if allowed.dtype != torch.bool:
            raise ValueError(f"allowed must be boolean (True means may look), got {allowed.dtype}")
        try:
            checked["allowed"] = allowed.detach().cpu().broadcast_to(weights.shape).clone()
        except RuntimeError:
            raise ValueError(
                f"allowed has shape {tuple(allowed.shape)}, which does not fit weights {tuple(weights.shape)}"
            ) from None
    for name, what, n in (("queries", "rows", n_q), ("keys", "columns", n_k), ("heads", "heads", n_heads)):
        labels = content.get(name)
        if labels is not None and len(labels) != n:
            raise ValueError(f"weights have {n} {what} but {name} has {len(labels)} labels")
    return checked


def _frame(content: dict) -> dict:
    """What the browser needs, as JSON and float32 bytes, in one message so that it paints once."""
    weights = content["weights"]
    if weights is None:
        return {}
    n_heads, n_q, n_k = _by_head(weights).shape
    queries = _texts(content.get("queries"), n_q)
    square_keys = queries if content.get("keys") is None and n_q == n_k else None
    return {
        "shape": [n_heads, n_q, n_k],
        "weights": weights.numpy().tobytes(),
        "scores": None if content.get("scores") is None else content["scores"].numpy().tobytes(),
        "allowed": None if content.get("allowed") is None else content["allowed"].numpy().tobytes(),
        "queries": queries,
        "keys": square_keys or _texts(content.get("keys"), n_k),
        "heads": _texts(content.get("heads"), n_heads, "head {}"),
        "steps": [[str(label), float(factor)] for label, factor in content.get("steps") or ()],
        "terms": _terms(content.get("terms"), n_q, n_k),
    }


def _texts(labels: Sequence[str] | None, n: int, default: str = "{}") -> list[str]:
    return [default.format(i) for i in range(n)] if labels is None else [str(label) for label in labels]


def _terms(terms, n_q: int, n_k: int) -> dict | None:
    if terms is None:
        return None
    names, query, key = terms
    query, key = _numbers("terms' query", query), _numbers("terms' key", key)
    if query.shape != (n_q, len(names)) or key.shape != (n_k, len(names)):
        raise ValueError(
            f"terms need query {(n_q, len(names))} and key {(n_k, len(names))}, "
            f"got {tuple(query.shape)} and {tuple(key.shape)}"
        )
    return {"names": [str(n) for n in names], "query": query.numpy().tobytes(), "key": key.numpy().tobytes()}
