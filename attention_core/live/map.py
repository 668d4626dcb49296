"""What a heatmap shows, as one thing: checked once, and the same for the page, the repr and the picture."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any

import numpy as np
import torch

from attention_core.agreement import SAME
from attention_core.live import brought, still
from attention_core.live.reading import Reading, filled, reading_of

_STEP = '("÷ √d_k", 0.35)'


@dataclass(frozen=True, init=False, eq=False, repr=False, slots=True)
class AttentionMap:
    """Attention weights, and whatever belongs to them: what is shown never changes.

    Args:
        weights: `(n_q, n_k)` or `(heads, n_q, n_k)`: a tensor, an array, nested lists, a table (pandas)
            whose index and columns are then the labels. Further leading dimensions of 1 are dropped,
            and a list of one layer is that layer.
        queries, keys: labels, one a row and one a column: a sequence, a generator, a tensor of ids;
            numbers from 0 unless given. With square weights the keys are labelled as the queries are.
        heads: labels of the heads.
        scores: of the weights' shape, the numbers before softmax.
        allowed: boolean, broadcastable to the weights; True means "may look".
        blank: boolean as `allowed`; True means that no number has been computed there: an empty place.
        steps: `[("÷ √d_k", 0.35), …]`, the factors that made the scores out of query · key.
        terms: `(names, query, key)` with query `(n_q, d_k)` and key `(n_k, d_k)`, which spell out that
            dot product.
        reading: what a cell means where it is no attention weight, a `Reading` or a dict of its `cell`,
            `row` and `caption`. Such a map has no scores, steps or terms.

    To be read: `queries`, `keys`, `heads`, tuples of str; `steps`, a tuple of pairs; `weights`, `scores`
    and `by_head` `(heads, n_q, n_k)`, float32; `allowed` and `blank`, boolean and of the weights' shape;
    `terms`; `reading`. These tensors are the reader's: who writes into them changes nothing that is shown.

    Raises: ValueError for what cannot be shown or does not fit, with what to write instead.
    """

    queries: tuple[str, ...]
    keys: tuple[str, ...]
    heads: tuple[str, ...]
    steps: tuple[tuple[str, float], ...]
    weights: torch.Tensor
    scores: torch.Tensor | None
    allowed: torch.Tensor | None
    blank: torch.Tensor | None
    terms: tuple[tuple[str, ...], torch.Tensor, torch.Tensor] | None
    reading: Reading | None
    _weights: np.ndarray
    _scores: np.ndarray | None
    _allowed: np.ndarray | None
    _blank: np.ndarray | None
    _terms: tuple[tuple[str, ...], np.ndarray, np.ndarray] | None
    _named: frozenset[str]  # of the labels: those that were given

    def __init__(
        self,
        weights: Any,
        queries: Sequence[str] | None = None,
        keys: Sequence[str] | None = None,
        *,
        heads: Sequence[str] | None = None,
        scores: Any = None,
        allowed: Any = None,
        blank: Any = None,
        steps: Iterable[tuple[str, float]] | None = (),
        terms: tuple[Sequence[str], Any, Any] | None = None,
        reading: Reading | Mapping[str, str] | None = None,
    ):
        own = brought.labels_of(weights)
        queries = own.get("queries") if queries is None else queries
        keys = own.get("keys") if keys is None else keys
        shown = _weights(weights)
        n_heads, n_q, n_k = _by_head(shown).shape
        if scores is not None:
            scores = brought.maps("scores", scores)
            if scores.shape != shown.shape:
                raise ValueError(f"scores have shape {scores.shape} but weights {shown.shape}")
        if allowed is not None:
            allowed = brought.booleans("allowed", allowed, shown.shape)
        if blank is not None:
            blank = brought.booleans("blank", blank, shown.shape)
        rows = _labels("queries", queries, n_q, "rows")
        shared = n_q == n_k and (keys is None or keys is queries)  # a generator can be asked only once
        columns = rows if shared else _labels("keys", keys, n_k, "columns")
        terms, reading = _terms(terms, n_q, n_k), reading_of(reading)
        if reading and (scores is not None or steps or terms):
            raise ValueError("scores, steps and terms are of weights: a map with a reading has none")
        for array in (shown, scores, allowed, blank):
            if array is not None:
                array.flags.writeable = False
        named = {"queries": queries, "keys": keys, "heads": heads}
        for name, value in (
            ("queries", rows),
            ("keys", columns),
            ("heads", _labels("heads", heads, n_heads, "heads", "head {}")),
            ("steps", _steps(steps)),
            ("weights", _tensor(shown)),
            ("scores", _tensor(scores)),
            ("allowed", _tensor(allowed)),
            ("blank", _tensor(blank)),
            ("terms", terms and (terms[0], _tensor(terms[1]), _tensor(terms[2]))),
            ("reading", reading),
            ("_weights", shown),
            ("_scores", scores),
            ("_allowed", allowed),
            ("_blank", blank),
            ("_terms", terms),
            ("_named", frozenset(name for name, labels in named.items() if labels is not None)),
        ):
            object.__setattr__(self, name, value)

    @property
    def by_head(self) -> torch.Tensor:
        """The weights as `(heads, n_q, n_k)`: one head, if there is no dimension for them."""
        return self.weights if self.weights.ndim == 3 else self.weights[None]

    def picture(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Weights and mask as they are shown, `(heads, n_q, n_k)`: for the still picture, to be read only."""
        return _by_head(self._weights), None if self._allowed is None else _by_head(self._allowed)

    def places(self) -> np.ndarray | None:
        """A byte a cell, `(heads, n_q, n_k)`: 1 is a number, 0 is forbidden, 2 is blank. None: all are 1."""
        if self._blank is None:
            return None if self._allowed is None else _by_head(self._allowed).astype(np.uint8)
        allowed = 1 if self._allowed is None else self._allowed
        return _by_head(np.where(self._blank, 2, allowed).astype(np.uint8))

    def staying(self) -> dict[str, Any]:
        """Labels that were given, the reading and the mask: what other weights in the same place keep."""
        labels = {name: getattr(self, name) for name in ("queries", "keys", "heads") if name in self._named}
        if self.reading:
            labels["reading"] = self.reading
        return labels if self._allowed is None else {**labels, "allowed": self._allowed}

    def frame(self) -> dict:
        """What the browser needs, as JSON and float32 bytes, in one message so that it paints once."""
        terms = self._terms
        return {
            "shape": list(_by_head(self._weights).shape),
            "weights": self._weights.tobytes(),
            "scores": None if self._scores is None else self._scores.tobytes(),
            "allowed": None if (places := self.places()) is None else places.tobytes(),
            "queries": list(self.queries),
            "keys": list(self.keys),
            "heads": list(self.heads),
            "steps": [list(step) for step in self.steps],
            "reading": self.reading and self.reading.frame(),
            "terms": terms
            and {"names": list(terms[0]), "query": terms[1].tobytes(), "key": terms[2].tobytes()},
        }

    def facts(self, learned: bool = False) -> str:
        """What is shown, in one line that is the same on every machine.

        learned: the weights come out of a training, whose last digits are another processor's own; so no
        weight is told.
        """
        weights = _tensor(_by_head(self._weights))
        if weights.numel() == 0:
            return "nothing to show"
        n_heads, n_q, n_k = weights.shape
        size = f"{n_q} {'query' if n_q == 1 else 'queries'} × {n_k} {'key' if n_k == 1 else 'keys'}"
        size += f", {n_heads} heads" if n_heads > 1 else ""
        if learned:
            return f"{size}, learned"
        # a tie goes to the first cell, whatever the last bits of another processor say
        first = int((weights.flatten() >= weights.nan_to_num(-1).max() - SAME).int().argmax())
        head, row, column = first // (n_q * n_k), first // n_k % n_q, first % n_k
        if self.reading:
            return self._facts_read(head, row, column)
        return (
            f"{size}, row sums {_span(weights.sum(-1))}, largest {still.weight(weights[head, row, column])}: "
            + f"“{self.queries[row]}” → “{self.keys[column]}”"
            + (f" in {self.heads[head]}" if n_heads > 1 else "")
        )

    def _facts_read(self, head: int, row: int, column: int) -> str:
        """As `facts`, in the words of the reading; the cell is that of the largest number."""
        weights, reading = _tensor(_by_head(self._weights)), self.reading
        n_heads, n_q, n_k = weights.shape
        least, largest = still.two(weights.min()), still.weight(weights[head, row, column])
        words = {"query": f"“{self.queries[row]}”", "key": f"“{self.keys[column]}”", "number": largest}
        return (
            f"{reading.number}, {reading.rows} × {reading.columns}: {n_q} × {n_k}"
            + (f", {n_heads} maps" if n_heads > 1 else "")
            + f", from {least} to {still.two(weights[head, row, column])}; largest"
            + (f" in {self.heads[head]}" if n_heads > 1 else "")
            + f": {filled(reading.cell, **words)}"
        )

    def __repr__(self) -> str:
        return f"AttentionMap({self.facts()})"


def _tensor(array: np.ndarray | None) -> torch.Tensor | None:
    return None if array is None else torch.from_numpy(array.copy())


def _by_head(x: np.ndarray) -> np.ndarray:
    return x if x.ndim == 3 else x[None]


def _weights(x: Any) -> np.ndarray:
    weights = brought.maps("weights", x)
    if weights.ndim not in (2, 3):
        raise ValueError(
            f"weights must be (n_q, n_k) or (heads, n_q, n_k), got {weights.shape}"
            + (_pick(x, weights) if weights.ndim > 3 else "")
        )
    if _by_head(weights).shape[0] == 0:
        raise ValueError(f"weights have no head to show: the shape is {weights.shape}")
    return weights


def _pick(x: Any, weights: np.ndarray) -> str:
    """What to write in place of a batch, or of the layers of a whole model."""
    one = "weights" + "[0]" * (weights.ndim - 3)
    array = "np.array(weights)" if isinstance(x, list | tuple) else "weights"
    whole = f"{array}.reshape(-1, {weights.shape[-2]}, {weights.shape[-1]})"
    return f": pick one sequence or layer, {one}, or show all at once, {whole}"


def _labels(name: str, labels: Any, n: int, what: str, default: str = "{}") -> tuple[str, ...]:
    return (
        tuple(default.format(i) for i in range(n)) if labels is None else brought.texts(name, labels, n, what)
    )


def _steps(steps: Any) -> tuple[tuple[str, float], ...]:
    try:
        return tuple((str(label), float(factor)) for label, factor in (() if steps is None else steps))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"steps must be pairs of a label and a number, [{_STEP}, …], got {shortened(steps)}"
        ) from error


def _terms(terms: Any, n_q: int, n_k: int) -> tuple[tuple[str, ...], np.ndarray, np.ndarray] | None:
    if terms is None:
        return None
    try:
        names, query, key = terms
        names = tuple(str(name) for name in names)
    except (TypeError, ValueError) as error:
        raise ValueError(f"terms must be (names, query, key), got {type(terms).__name__}") from error
    query, key = brought.numbers("terms' query", query), brought.numbers("terms' key", key)
    if query.shape != (n_q, len(names)) or key.shape != (n_k, len(names)):
        raise ValueError(
            f"terms need query {(n_q, len(names))} and key {(n_k, len(names))}, "
            f"got {query.shape} and {key.shape}"
        )
    return names, query, key


def _span(sums: torch.Tensor) -> str:
    low, high = f"{float(sums.min()):.2f}", f"{float(sums.max()):.2f}"
    return low if low == high else f"{low} to {high}"
