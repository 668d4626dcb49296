"""The live heatmap: a widget that shows attention weights and says in words what they mean."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
import traitlets

from attention_core.live import still
from attention_core.live.brought import labels_of
from attention_core.live.linked import linked, styles
from attention_core.live.map import AttentionMap
from attention_core.live.reading import Reading
from attention_core.live.widget import ForProjector, View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# what belongs to weights
CONTENT = ("queries", "keys", "heads", "scores", "allowed", "blank", "steps", "terms", "reading")
OWN_SCALE_FROM = 128  # keys: weights of so many are all dark on a scale from 0 to 1
STAYING = ("queries", "keys", "heads", "allowed", "reading")  # what other weights in the same place keep
_MIME = {"png": "image/png", "svg": "image/svg+xml"}


class AttentionHeatmap(ForProjector, View):
    """Attention weights as a map: rows are queries, columns are keys.

    Args:
        weights: `(n_q, n_k)` or `(heads, n_q, n_k)`, a tensor, an array or a table; None shows nothing
            yet. Leading dimensions of 1 are dropped, and a list of one layer is that layer.
        queries, keys: labels, one a row and one a column, as a list, a generator or a tensor of ids;
            numbers from 0 unless given. With square weights the keys are labelled as the queries are.
        heads: labels of the heads.
        scores: of the weights' shape, the numbers before softmax: the readout then shows the
            arithmetic of a cell. `steps`, as `[("÷ √d_k", 0.35), …]`, are the factors that made the
            scores out of query · key; `terms`, as `(names, query, key)` with query `(n_q, d_k)` and
            key `(n_k, d_k)`, spell out that dot product.
        allowed: boolean, broadcastable to the weights; forbidden cells are hatched. blank: as it; True is a
            cell of which nothing has been computed, and so an empty one.
        reading: what a cell means where it is no attention weight: a dict of the sentences `cell`, with
            {query}, {key} and {number}, `row`, with {query}, and `caption`; see `Reading`.
        title: a line above the map. message: a remark above it, or in its place.
        per_row: colour each row from 0 to its largest weight, not to 1; unless it is given, or set
            since, that is so from OWN_SCALE_FROM keys on. show_sums: of rows and columns.
        faded: numbers of heads whose maps are drawn pale, as their output is not used.
        outlined: `((first row, end), (first column, end))`, a part of the map around which there is a
            line, while all the rest is paler; the ends do not belong to it. () is no part.
        projector: large enough to be read from the back of a class. learned: the repr tells no weight, as
            those of a trained model differ from one processor to the next.

    Set `.weights` to repaint, or call `update` to change several things at once. `.pinned` holds the
    one or two query rows that the reader has pinned.

    All that belongs to the weights is one `AttentionMap`: `.map` is it, and `show` shows another.

    Raises:
        ValueError: if shapes or labels do not fit, with what to write instead; what was shown stays.
    """

    _elsewhere: ClassVar = {
        name: f"update(weights, {name}=…) changes it together with the weights" for name in CONTENT
    } | {"map": "show(map) changes all of it"}
    _esm = linked("heatmap.js")
    _css = styles("heatmap.css", "strip.css")
    _frame = traitlets.Dict().tag(sync=True)
    _palette = traitlets.Bytes().tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)
    per_row = traitlets.Bool(False).tag(sync=True)
    show_sums = traitlets.Bool(False).tag(sync=True)
    faded = traitlets.List(traitlets.Int(min=0)).tag(sync=True)
    outlined = traitlets.Tuple().tag(sync=True)
    learned = traitlets.Bool(False)
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
        blank: torch.Tensor | None = None,
        title: str = "",
        steps: Sequence[tuple[str, float]] = (),
        terms: tuple[Sequence[str], torch.Tensor, torch.Tensor] | None = None,
        reading: Reading | Mapping[str, str] | None = None,
        **traits,
    ):
        self._map: AttentionMap | None = None
        self._staying: dict = {}  # labels that were given, reading and mask: `update` keeps them
        self._scale_chosen = False  # by Python or by the reader
        super().__init__(title=title, **traits)
        self._scale_chosen = "per_row" in traits
        self.update(
            weights,
            queries=queries,
            keys=keys,
            heads=heads,
            scores=scores,
            allowed=allowed,
            blank=blank,
            steps=steps,
            terms=terms,
            reading=reading,
        )
        self.on_msg(self._save_asked)

    def show(self, map: AttentionMap | None) -> None:
        """Show this, and only this: labels, mask and all that `map` does not name are forgotten.

        `None` shows nothing. Raises: ValueError for what is no `AttentionMap`; then nothing changes.
        """
        if not isinstance(map, AttentionMap | None):
            raise ValueError(
                f"show() takes an AttentionMap or None, got {type(map).__name__}: write AttentionMap(…), "
                "or set .weights"
            )
        self._put(map, {} if map is None else map.staying())

    def update(self, weights: torch.Tensor | None, **changes) -> None:
        """Show other weights, and at the same moment other labels, scores, steps, terms or mask.

        Labels, reading and mask stay unless they are named, or a table brings its own; scores, steps and
        terms belong to one set of weights and go with it. `None` takes a thing away. Raises: ValueError;
        then nothing changes.
        """
        unknown = set(changes) - set(CONTENT)
        if unknown:
            takes = ", ".join(("weights", *CONTENT))
            raise TypeError(f"update() has no argument {', '.join(sorted(unknown))}; it takes {takes}")
        content = {**self._staying, **labels_of(weights), **changes}
        if weights is None:
            self._put(None, {name: content.get(name) for name in STAYING})
        else:
            self.show(AttentionMap(weights, **content))

    def _put(self, map: AttentionMap | None, staying: dict) -> None:
        self._map, self._staying = map, staying
        with self.hold_sync():  # one message, so that the page paints once
            self._frame = {} if map is None else map.frame()
            if map is not None and not self._scale_chosen:
                self.per_row = len(map.keys) >= OWN_SCALE_FROM
                self._scale_chosen = False  # that was no choice

    @traitlets.validate("per_row")
    def _choose_scale(self, proposal) -> bool:
        self._scale_chosen = True  # also where nothing changes: a default is not an answer
        return proposal.value

    @traitlets.validate("outlined")
    def _check_outlined(self, proposal) -> tuple[tuple[int, int], ...]:
        try:
            pairs = tuple((int(first), int(end)) for first, end in proposal.value)
        except (TypeError, ValueError):
            pairs = ((),)
        if len(pairs) not in (0, 2) or any(len(p) != 2 or not 0 <= p[0] <= p[1] for p in pairs):
            wanted = "outlined must be ((first row, end), (first column, end)), or () for no part"
            raise traitlets.TraitError(f"{wanted}; got {proposal.value!r}")
        return pairs

    @traitlets.default("_palette")
    def _default_palette(self) -> bytes:
        return still.palette()

    @property
    def map(self) -> AttentionMap | None:
        """All that is shown; None while that is nothing."""
        return self._map

    @property
    def weights(self) -> torch.Tensor | None:
        """The weights shown, float32, of the shape they were given in; setting them repaints."""
        return self.map and self.map.weights

    @weights.setter
    def weights(self, weights: torch.Tensor | None) -> None:
        self.update(weights)

    # not `keys`: ipywidgets keeps the names of its synced traits there
    query_labels = property(lambda self: list(self.map.queries) if self.map else [], doc="The rows' labels.")
    key_labels = property(lambda self: list(self.map.keys) if self.map else [], doc="The columns' labels.")
    head_labels = property(lambda self: list(self.map.heads) if self.map else [], doc="The heads' labels.")
    scores = property(lambda self: self.map and self.map.scores, doc="The numbers before softmax.")
    allowed = property(lambda self: self.map and self.map.allowed, doc="Who may look at whom.")

    def figure(self) -> "Figure":
        """The same picture for matplotlib, unknown to pyplot, with what is pinned."""
        return still.heatmap_figure(
            self.map,
            title=self.title,
            message=self.message,
            per_row=self.per_row,
            show_sums=self.show_sums,
            faded=self.faded,
            outlined=self.outlined,
            pinned=self.pinned,
        )

    def save(self, path: str | Path) -> None:
        """Write the picture to a file that ends in .png or .svg; raises ValueError for another ending."""
        kind = Path(path).suffix.lstrip(".").lower()
        if kind not in _MIME:
            raise ValueError(f"a picture is saved as .png or .svg, not as {Path(path).name!r}")
        Path(path).write_bytes(self._export(kind))

    def facts(self) -> str:
        """What it shows, in one line that is the same on every machine."""
        if self.map is None or 0 in self.map.by_head.shape:
            return ": ".join(filter(None, ("nothing to show", " ".join(self.message.split()))))
        return self.map.facts(self.learned)

    def __repr__(self) -> str:
        return f"AttentionHeatmap({self.facts()})"

    def _export(self, kind: str) -> bytes:
        return still.svg(self.figure()) if kind == "svg" else still.png(self.figure())[0]

    def _save_asked(self, _widget, content: dict, _buffers) -> None:
        if (kind := content.get("save")) in _MIME:
            self.send({"save": kind, "type": _MIME[kind]}, [self._export(kind)])
