"""Attention over n × n cells, tile by tile: what is alive, what is thrown away, and the three things kept."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import ipywidgets as widgets
import torch
import traitlets
from torch import Tensor

from attention_core._checks import check_allowed, check_qkv, check_whole, shape
from attention_core.fast import merge_tile
from attention_core.live import brought, still
from attention_core.live.controls import choice, declared, player, slider
from attention_core.live.controls import whole as of_whole_steps
from attention_core.live.curves import Curve, Curves
from attention_core.live.explorer import Explorer
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.map import AttentionMap
from attention_core.live.reading import Reading
from attention_core.live.remarks import instead
from attention_core.live.strip import Strip, Words
from attention_core.live.table import Cells, Table
from attention_core.live.tiled import MOST_TILES, Cut, Known, Merged, cut, merged
from attention_core.masks import causal_mask, window_mask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 256  # queries, or keys: of more no cell can be seen
LINES, OUTPUTS = 6, 6  # in the table, at most: tiles, and numbers of an output
BEGINS = 3 / 8  # of the tiles: some are done, and some to come
EVERYTHING, BEFORE, WINDOW, GIVEN = "everything", "only before", "a window", "as given"
SO_FAR = Reading(
    cell="{query} so far gives {number} of its attention to {key}.",
    row="{query} so far shares out {sum}",
    caption="Weight so far: e^(score − largest) ÷ sum. Outlined: alive. Pale: dropped. Empty: not computed.",
    number="weight so far",
    rows="queries",
    columns="keys",
    hidden="may not look",
)


class TilingExplorer(Explorer):
    """Attention drawn as `tiled_attention` computes it: one tile of queries and keys after another.

    One tile of weights is alive at a time. Of those before it none is kept, only three things a query: the
    largest score so far, the sum so far, and the output so far, which is divided by the sum at the end.

    Args:
        query, key, value: `(n_q, d)`, `(n_k, d)`, `(n_k, d_v)`; an example of 32 positions unless given.
        allowed: boolean, broadcastable to `(n_q, n_k)`; True means "may look".
        queries, keys: labels; numbers from 0 unless given.
        measured: milliseconds by size of block, of some larger attention that was cut the same way;
            measured_name: what was measured.

    Traits, each of which can be set and observed: `merge`, as `attention_core.fast.merge_tile`; `block`,
    queries and keys of a tile; `tiles`, how many are merged; `row`, the query whose numbers are told; `mask`:
    "everything", "only before", "a window" (of a quarter of the keys, up to its own place) or, where
    `allowed` is none of them, "as given". To be read, None while nothing can be shown: `weights`
    `(n_q, n_k)`, what each cell has so far; `output` `(n_q, d_v)`, divided; `alive` and `whole`, bytes of
    what is held and of the whole map; and `to_merge`, how many tiles are not left out. A merge is called
    once a tile, in float64; its answers are kept.

    Raises: ValueError for tensors that do not fit or are too long; traitlets.TraitError for a row or a mask
    that there is not: the old one stays.
    """

    tiles = traitlets.Int(None, allow_none=True, min=0).tag(
        control=player("Tiles merged", lambda explorer: explorer.most, follows="to_merge", width="240px")
    )
    block = traitlets.Int(8, min=1).tag(
        control=lambda explorer, name: slider("Block", explorer.blocks, digits="d", width="160px")(
            explorer, name
        )
    )
    row = traitlets.Int(None, allow_none=True, min=0).tag(
        control=of_whole_steps("Query", 0, lambda explorer: len(explorer._query) - 1, width="170px")
    )
    mask = traitlets.Unicode(None, allow_none=True).tag(
        control=choice("Looks at", lambda explorer: list(explorer._masks))
    )
    merge = traitlets.Callable(merge_tile)
    output = traitlets.Any(None, allow_none=True).tag(computed=True)
    alive = traitlets.Int(None, allow_none=True).tag(computed=True)
    whole = traitlets.Int(None, allow_none=True).tag(computed=True)
    to_merge = traitlets.Int(0).tag(computed=True)

    def __init__(
        self,
        query: Tensor | None = None,
        key: Tensor | None = None,
        value: Tensor | None = None,
        allowed: Tensor | None = None,
        *,
        queries: Sequence[str] | None = None,
        keys: Sequence[str] | None = None,
        measured: Mapping[int, float] | None = None,
        measured_name: str = "Measured",
        **traits,
    ):
        if (query is None) and (key is None) and (value is None):
            query, key, value = _example()
        check_qkv(query, key, value)
        for name, x in (("query", query), ("key", key), ("value", value)):
            if x.ndim != 2 or not 1 <= len(x) <= MOST or not x.shape[-1]:
                raise ValueError(f"{name} must be (n, features), n from 1 to {MOST}; got {shape(x)}")
        n_q, n_k = len(query), len(key)
        self._masks, self._begins = _masks(n_q, n_k, allowed)
        self._bytes = torch.promote_types(query.dtype, torch.float32).itemsize  # as tiled_attention computes
        self._query, self._key, self._value = (
            x.detach().to(torch.float64, copy=True) for x in (query, key, value)
        )
        self._queries = _labels("queries", queries, n_q)
        self._keys = self._queries if keys is None and n_q == n_k else _labels("keys", keys, n_k)
        self._named = keys is not None or (queries is not None and n_q == n_k)
        self._measured, self._measured_name = _measured(measured), measured_name
        self._aim = BEGINS  # the share of the tiles that the reader last chose
        self._cuts: dict[tuple, Cut] = {}
        self._done: dict[tuple, Merged] = {}
        super().__init__(**traits)

    def views(self) -> dict[str, widgets.Widget]:
        heatmap = AttentionHeatmap(None, show_sums=True)
        heatmap.observe(self._pinned, "pinned")
        views = {"strip": Strip(), "heatmap": heatmap, "running": Table()}
        return views | ({"curve": Curves()} if self._measured else {})

    def arranged(self) -> list[widgets.Widget]:
        beside = widgets.VBox([self.running, *([self.curve] if self._measured else [])])
        both = widgets.HBox([self.heatmap, beside])
        both.add_class("attention-tiling")
        return [self.strip, both]

    def make_controls(self) -> dict[str, widgets.Widget]:
        self.settle(None)  # they show where it begins
        return {name: make(self, name) for name, make in declared(type(self)).items()}

    @traitlets.validate("row")
    def _check_row(self, proposal) -> int | None:
        if proposal.value is not None and proposal.value >= len(self._query):
            raise traitlets.TraitError(
                f"row must be a query, 0 to {len(self._query) - 1}, got {proposal.value}"
            )
        return proposal.value

    @traitlets.validate("mask")
    def _check_mask(self, proposal) -> str | None:
        if proposal.value not in (None, *self._masks):
            raise traitlets.TraitError(
                f"mask must be one of {', '.join(self._masks)}; got {proposal.value!r}"
            )
        return proposal.value

    @property
    def blocks(self) -> list[int]:
        """Sizes of a block on the slider: powers of two, and all of it; none with too many tiles to see."""
        n_q, n_k = len(self._query), len(self._key)
        n = max(n_q, n_k)
        powers = [2**i for i in range(n.bit_length()) if 2**i < n]
        return [b for b in powers if -(-n_q // b) * -(-n_k // b) <= MOST_TILES // 4] + [n]

    @property
    def most(self) -> int:
        """How many tiles there are to merge."""
        return self._most(self.block, self.mask)

    def settle(self, name: str | None) -> None:
        if self.mask is None:
            self.mask = self._begins
        most = self.most
        if name in ("tiles", None) and self.tiles not in (None, _share(self._aim, most)):
            self._aim = min(1.0, self.tiles / max(1, most))
        self.tiles = _share(self._aim, most)
        if self.row is None:
            tiles = self._cut(self.block, self.mask).tiles if most else ()
            self.row = tiles[self.tiles - 1][0].start if self.tiles else 0
        if self.row not in self.heatmap.pinned and name in (None, "row"):
            self.heatmap.pinned = [self.row]

    def following(self, name: str, inputs: Mapping) -> dict[str, object]:
        if name not in ("block", "mask"):
            return {}
        return {"tiles": _share(self._aim, self._most(inputs["block"], inputs["mask"]))}

    def compute(self, merge, block, mask, tiles, row):
        done = self._merged(merge, block, mask)
        cut, n_q, n_k = done.cut, len(self._query), len(self._key)
        whole = n_q * n_k * self._bytes
        said = {"to_merge": len(cut.tiles), **self._curve(block)}
        try:
            known = done.after(tiles)
        except Exception as problem:
            at = f"At tile {len(done.states) + 1} of {len(cut.tiles)}: " if done.states else ""
            return said | {"message": at + instead(problem)}
        place = cut.place(tiles - 1) if tiles else ()
        d_v = self._value.shape[-1]
        rows, columns = (end - first for first, end in place) if tiles else (0, 0)
        alive = self._bytes * rows * (columns + d_v + 2)
        remarks = [done.remark(known, self._queries)]
        if done.printed:
            lines = "a line, which is" if done.printed == 1 else f"{done.printed} lines, which are"
            remarks.append(f"The function printed {lines} not shown.")
        return said | {
            "heatmap": AttentionMap(
                known.weights,
                self._queries,
                self._keys,
                allowed=cut.allowed,
                blank=known.blank,
                reading=SO_FAR,
            ),
            "outlined": place,
            "message": "\n".join(filter(None, remarks)),
            "strip": Words(_bytes_in_words(cut, tiles, (rows, columns), d_v, alive, whole)),
            "running": self._running(done, known, tiles, row),
            "weights": known.weights.float(),
            "output": known.divided.float(),
            "alive": alive,
            "whole": whole,
        }

    def facts(self) -> str:
        if self.weights is None:
            return super().facts()
        cut, sums = self._cut(self.block, self.mask), self.weights.sum(-1)
        sums = sums[sums != 0]
        span = [still.two(x) for x in (sums.min(), sums.max())] if len(sums) else ["0.00"]
        return (
            f"{self.tiles} of {len(cut.tiles)} tiles of {cut.block} × {cut.block} merged, "
            f"{cut.left_out} left out; {self.alive:,} of {self.whole:,} bytes alive; "
            f"row sums {' to '.join(dict.fromkeys(span))}"
            + (f"; {' '.join(self.heatmap.message.split())}" if self.heatmap.message else "")
        )

    def figure(self) -> "Figure":
        """The map, and beside it the table, and the curve if there is one; what is said stands below."""
        if self.weights is None:
            return super().figure()
        figure = still.blank(9.6, 4.9)
        left, right = figure.subfigures(1, 2, width_ratios=(0.55, 0.45))
        ax, shape = left.subplots(), (len(self._query), len(self._key))
        still.draw_alone(ax, self.heatmap.map, (4.2, 4.0), show_sums=max(shape) <= 40)
        still.outline(ax, self.heatmap.outlined, shape)
        parts = right.subplots(3, 1, height_ratios=(1, 0.9, 0.1) if self._measured else (1, 0.1, 0.9))
        self.running.draw(parts[0])
        for part in parts[1 if not self._measured else 2 :]:
            part.remove()
        if self._measured:
            self.curve.content[0].draw(parts[1])
        lines = [self.heatmap.message, self.strip.content.plain, SO_FAR.caption]
        figure.supxlabel("\n".join(filter(None, lines)), fontsize=8, color=still.QUIET, parse_math=False)
        return figure

    # ---- what is cut and merged, once

    def _pinned(self, change) -> None:
        if change.new and change.new[-1] < len(self._query):
            self.row = change.new[-1]

    def _cut(self, block: int, mask: str) -> Cut:
        if (block, mask) not in self._cuts:
            self._cuts[block, mask] = cut(self._masks[mask], block)
        return self._cuts[block, mask]

    def _most(self, block: int, mask: str) -> int:
        try:
            return len(self._cut(block, mask).tiles)
        except Exception:  # `compute` says what
            return 0

    def _merged(self, merge, block: int, mask: str) -> Merged:
        if any(of[0] is not merge for of in self._done):
            self._done.clear()
        if (merge, block, mask) not in self._done:
            tiles = self._cut(block, mask)
            self._done[merge, block, mask] = merged(merge, tiles, self._query, self._key, self._value)
        return self._done[merge, block, mask]

    # ---- what is told beside the map

    def _curve(self, block: int) -> dict[str, list[Curve]]:
        if not self._measured:
            return {}
        x = [math.log2(size) for size in self._measured]
        at = math.log2(block) if block in self._measured else None
        y = list(self._measured.values())
        return {
            "curve": [Curve(self._measured_name, x, y, at=at, xlabel="log₂ of the block", reach=(0, max(y)))]
        }

    def _running(self, done: Merged, known: Known, tiles: int, row: int) -> Cells:
        """What was known of one query after each tile of its own, and at last its answer."""
        name, d_v = f"**Query {self._queries[row]}**", min(OUTPUTS, self._value.shape[-1])
        own = done.cut.of_row(row)
        if not own:
            return Cells(f"{name} may look nowhere: no tile is its own, and its answer is 0.")
        past = [i for i in own if i < tiles]
        if not past:
            may = int(done.cut.allowed[row].sum())
            keys = "one key" if may == 1 else f"{may} keys"
            return Cells(f"{name} may look at {keys}: nothing of it is merged yet.")
        lines, names = [], []
        for i in past[-LINES:]:
            rows, columns = done.cut.tiles[i]
            lines.append([float(x[row - rows.start, j]) for x, j in _entries(done.states[i], d_v)])
            names.append(self._of_keys(columns))
        n, every = len(past), len(own)
        said = f"{name} after {n} of its {every} tiles" if n < every else f"{name} after all {n} of its tiles"
        said = f"{name} after its one tile" if every == 1 else said
        said += f", the last {LINES} shown" if n > LINES else ""
        lines.append([None, None, *known.divided[row, :d_v].tolist()])
        names.append("output ÷ sum")
        if done.finished(row, tiles):
            lines.append([None, None, *done.exact[row, :d_v].tolist()])
            names.append("exact answer")
            exactly = done.exactly(row, known)
            said += f". Output ÷ sum is {'**exactly**' if exactly else '**not**'} the answer"
        more = self._value.shape[-1] - d_v
        return Cells(
            f"{said}." + (f" {more} more numbers of the output are not shown." if more else ""),
            names,
            ["largest", "sum", *(f"out {i + 1}" for i in range(d_v))],
            lines,
            marked=[len(past[-LINES:]) - 1] if past[-1] == tiles - 1 else [],
        )

    def _of_keys(self, columns: slice) -> str:
        first, last = self._keys[columns.start], self._keys[columns.stop - 1]
        if self._named:
            return first if first == last else f"{first} … {last}"
        return f"key {first}" if first == last else f"keys {first}–{last}"


def _entries(state: tuple[Tensor, ...], d_v: int) -> list[tuple[Tensor, int]]:
    largest, total, output = state
    return [(largest, 0), (total, 0), *((output, j) for j in range(d_v))]


def _share(aim: float, most: int) -> int:
    """So many of `most` tiles; all and none only where that is the aim, if there are several."""
    return round(aim * most) if aim in (0, 1) else min(most, max(1, min(most - 1, round(aim * most))))


def _example() -> tuple[Tensor, Tensor, Tensor]:
    """Of 32 positions; their scores differ so much that along a row the largest changes more than once.

    The last feature of all keys is alike, and each fourth query is against it: all of its scores are below 0.
    """
    dice = torch.Generator().manual_seed(27)
    query, key, value = (torch.randn(32, d, generator=dice) for d in (4, 4, 3))
    query, key = 2 * query, 2 * key
    key[:, 3], query[1::4, 3] = 1.5, -16
    return tuple(x.round(decimals=1) for x in (query, key, value))


def _masks(n_q: int, n_k: int, allowed: Tensor | None) -> tuple[dict[str, Tensor], str]:
    """Each choice, and the one that fits what was given."""
    before = causal_mask(n_q, n_k)
    masks = {
        EVERYTHING: torch.ones(n_q, n_k, dtype=torch.bool),
        BEFORE: before,
        WINDOW: before & window_mask(n_q, n_k, width=max(1, n_k // 4) - 1),
    }
    if allowed is None:
        return masks, EVERYTHING
    check_allowed(allowed, n_q, n_k, ())
    given = allowed.expand(n_q, n_k).clone()
    for name, mask in masks.items():
        if torch.equal(mask, given):
            return masks, name
    return {**masks, GIVEN: given}, GIVEN


def _labels(name: str, labels: Sequence[str] | None, n: int) -> tuple[str, ...]:
    return tuple(map(str, range(n))) if labels is None else brought.texts(name, labels, n, name)


def _measured(measured: Mapping[int, float] | None) -> dict[int, float]:
    if not isinstance(measured, Mapping | None):
        raise ValueError(f"measured must be milliseconds by size of block, got {type(measured).__name__}")
    found = {check_whole("a block that was measured", block): ms for block, ms in (measured or {}).items()}
    for block, ms in found.items():
        if isinstance(ms, bool) or not isinstance(ms, int | float) or not 0 <= ms < math.inf:
            raise ValueError(f"measured must be milliseconds, 0 or more; of block {block} it has {ms!r}")
    return dict(sorted(found.items()))


def _bytes_in_words(cut: Cut, tiles: int, size: tuple[int, int], d_v: int, alive: int, whole: int) -> str:
    to_come = len(cut.tiles) - tiles
    counts = f"Tiles: {tiles} merged, {to_come} to come, {cut.left_out} left out."
    if not tiles:
        return f"Alive: **nothing yet**; the whole map has {whole:,} bytes. {counts}"
    rows, columns = size
    held = f"**one tile, {rows} × {columns} weights**, and {d_v} + 2 numbers a query"
    return f"Alive: {held}: **{alive:,} bytes**; the whole map has {whole:,}. {counts}"
