"""Attention tile by tile by a learner's own merge: cut, merged once, and what was known after each tile."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from attention_core import scaled_dot_product_attention
from attention_core._calling import Part, call, copies, formed
from attention_core.agreement import attention_rounding, rounding
from attention_core.live import still
from attention_core.live.remarks import Unusable

MOST_TILES = 1024

_NAN = "The scores of “{query}” hold NaN: is there one in query or key?"
_INFINITE = "The scores of “{query}” hold ∞: is there one in query or key?"
_VALUE = "The values hold {number}: whether an output is right cannot be said."
_SUM = "The weights of “{query}” so far sum to {total}, not to 1; it is so in {wrong} of {seen} rows."
_NOTHING = "“{query}” has seen nothing yet, but {what} is {number}, not 0."
_LARGEST = "The largest of “{query}” is {largest}, but the largest score that it has seen is {right}."
_OUTPUT = "The output of “{query}” ÷ its sum is not the average of the values with these weights."


@dataclass(frozen=True)
class Cut:
    """Where the tiles lie, in the order of merging, and how many are left out, as nobody may look there."""

    block: int
    allowed: Tensor  # (n_q, n_k)
    tiles: tuple[tuple[slice, slice], ...]
    left_out: int

    def place(self, tile: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """First row and end, first column and end."""
        rows, columns = self.tiles[tile]
        return (rows.start, rows.stop), (columns.start, columns.stop)

    def of_row(self, row: int) -> list[int]:
        """The tiles that this query is part of."""
        return [i for i, (rows, _) in enumerate(self.tiles) if rows.start <= row < rows.stop]


def cut(allowed: Tensor, block: int) -> Cut:
    """Tiles of `block` queries and keys; the last ones may be smaller. Raises: Unusable for too many."""
    n_q, n_k = allowed.shape
    if (n := -(-n_q // block) * -(-n_k // block)) > MOST_TILES:
        raise Unusable("{n} tiles are too many to look at: the most is {most}.", n=f"{n:,}", most=MOST_TILES)
    every = [
        (slice(top, min(top + block, n_q)), slice(left, min(left + block, n_k)))
        for top in range(0, n_q, block)
        for left in range(0, n_k, block)
    ]
    tiles = tuple(tile for tile in every if allowed[tile].any())
    return Cut(block, allowed, tiles, n - len(tiles))


@dataclass(frozen=True)
class Known:
    """What is known after some tiles, by the learner's merge."""

    seen: Tensor  # (n_q, n_k): computed, and allowed
    blank: Tensor  # (n_q, n_k): not computed
    largest: Tensor  # (n_q, 1)
    total: Tensor  # (n_q, 1)
    output: Tensor  # (n_q, d_v), not yet divided
    weights: Tensor  # (n_q, n_k): e^(score − largest) / total where it is seen, elsewhere 0

    @property
    def divided(self) -> Tensor:
        """The output so far, `(n_q, d_v)`; 0 where nothing was seen."""
        return self.output / self.total.masked_fill(self.total == 0, 1)


@dataclass
class Merged:
    """All that came of a cut: what `merge` answered at each tile, till it failed."""

    cut: Cut
    query: Tensor  # as key and value: float64
    key: Tensor
    value: Tensor
    states: list[tuple[Tensor, ...]] = field(default_factory=list)  # of the tile's queries, after it
    dtype: torch.dtype = torch.float64  # the coarsest in which it answered
    printed: int = 0
    problem: Exception | None = None

    @cached_property
    def scores(self) -> Tensor:
        """`(n_q, n_k)`, scaled; −∞ where a query may not look."""
        scores = self.query @ self.key.T / self.query.shape[-1] ** 0.5
        return scores.masked_fill(~self.cut.allowed, -torch.inf)

    @cached_property
    def exact(self) -> Tensor:
        """The answer, `(n_q, d_v)`."""
        return scaled_dot_product_attention(self.query, self.key, self.value, self.cut.allowed)[0]

    @cached_property
    def near(self) -> float:
        """How far from it a right merge may be.

        A score's distance from the largest is rounded, and those of each largest from the next, which come
        to no more in all: twice the usual. And each tile adds to sum and output what has been rescaled.
        """
        within = attention_rounding(self.query, self.key, self.value, dtype=self.dtype)[0]
        across = -(-self.key.shape[0] // self.cut.block)
        size = max(1.0, float(self.value.abs().max()))
        return 2 * within + rounding(self.dtype, across, across, size=size)

    def after(self, tiles: int) -> Known:
        """What is known after so many tiles. Raises: what went wrong at one of them."""
        if tiles > len(self.states):
            raise self.problem
        n_q = len(self.query)
        largest = self.scores.new_full((n_q, 1), -torch.inf)
        total, output = torch.zeros_like(largest), self.value.new_zeros(n_q, self.value.shape[-1])
        computed = torch.zeros_like(self.cut.allowed)
        newest = {}
        for tile, (rows, columns) in enumerate(self.cut.tiles[:tiles]):
            computed[rows, columns] = True
            newest[rows.start] = rows, self.states[tile]
        for rows, state in newest.values():
            largest[rows], total[rows], output[rows] = state
        seen = computed & self.cut.allowed
        weights = torch.where(seen, (self.scores - largest).exp() / total, 0)
        return Known(seen, ~computed, largest, total, output, weights)

    def finished(self, row: int, tiles: int) -> bool:
        """Whether so many tiles are all of this query's."""
        own = self.cut.of_row(row)
        return not own or own[-1] < tiles

    def exactly(self, row: int, known: Known) -> bool:
        """Whether the query's output so far is its answer."""
        return bool(((known.divided[row] - self.exact[row]).abs() <= self.near).all())  # NaN is not

    def remark(self, known: Known, queries: tuple[str, ...]) -> str:
        """What is wrong, in words: the first thing of the first query; empty where nothing is."""
        some = known.seen.any(-1)
        for said, holes in ((_NAN, self.scores.isnan()), (_INFINITE, self.scores.isinf())):
            if (rows := (holes & known.seen).any(-1)).any():
                return said.format(query=queries[int(rows.int().argmax())])
        kept = torch.cat((known.total, known.output), -1)  # (n_q, 1 + d_v)
        wrong = ~some & (kept != 0).any(-1)  # NaN is not 0 either
        if wrong.any():
            row = int(wrong.int().argmax())
            first = int((kept[row] != 0).int().argmax())
            what = "its output" if first else "its sum"
            return _NOTHING.format(query=queries[row], what=what, number=still.two(kept[row, first]))
        scores = self.scores.masked_fill(~known.seen, -torch.inf)
        top = scores.amax(-1, keepdim=True)
        size = max(1.0, float(self.scores.masked_fill(~self.cut.allowed, 0).abs().max()))
        wrong = some & ~((known.largest - top).abs() <= rounding(self.dtype, size=size))[:, 0]
        if wrong.any():
            row = int(wrong.int().argmax())
            said = {"largest": known.largest[row, 0], "right": top[row, 0]}
            return _LARGEST.format(query=queries[row], **{name: still.two(x) for name, x in said.items()})
        sums = known.weights.sum(-1)
        off = attention_rounding(self.query, self.key, self.value, dtype=self.dtype)[1]
        off = len(self.key) * (2 * off + rounding(self.dtype, len(self.key)))
        wrong = some & ~((sums - 1).abs() <= off)
        if wrong.any():
            row = int(wrong.int().argmax())
            counts = {"wrong": int(wrong.sum()), "seen": int(some.sum())}
            return _SUM.format(query=queries[row], total=_not_one(float(sums[row])), **counts)
        if (holes := ~self.value.isfinite()).any():
            return _VALUE.format(number=still.two(self.value[holes][0]))
        average = scores.softmax(-1).nan_to_num(0) @ self.value
        wrong = some & ~((known.divided - average).abs() <= self.near).all(-1)
        return _OUTPUT.format(query=queries[int(wrong.int().argmax())]) if wrong.any() else ""


def _not_one(total: float) -> str:
    """A sum in two digits, or in so many that it is not written as 1."""
    for digits in range(3, 17):
        if not math.isfinite(total) or still.two(total) != "1.00":
            break
        if float(text := f"{total:.{digits}f}") != 1:
            return text
    return still.two(total)


def merged(merge: Callable, tiles: Cut, query: Tensor, key: Tensor, value: Tensor) -> Merged:
    """All tiles merged, one call each, with copies; all together have the time of one call.

    Args: query `(n_q, d)`, key `(n_k, d)`, value `(n_k, d_v)`, float64.
    """
    done, d_v = Merged(tiles, query, key, value), value.shape[-1]
    scores = done.scores

    def walk() -> None:
        state, of = (), None
        for rows, columns in tiles.tiles:
            n = rows.stop - rows.start
            if rows != of:
                of = rows
                state = scores.new_full((n, 1), -torch.inf), scores.new_zeros(n, 1), scores.new_zeros(n, d_v)
            answer = merge(*copies((*state, scores[rows, columns], value[columns])))
            parts = formed(answer, Part("largest", (n, 1)), Part("total", (n, 1)), Part("output", (n, d_v)))
            real = [x.dtype for x in parts if x.dtype.is_floating_point]
            done.dtype = max((done.dtype, *real), key=lambda dtype: torch.finfo(dtype).eps)
            state = tuple(x.detach().double() for x in parts)
            done.states.append(state)

    try:
        done.printed = call(walk).printed
    except Exception as problem:
        done.problem = problem
    return done
