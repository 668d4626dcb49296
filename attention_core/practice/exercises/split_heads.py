"""Split: (batch, n, dim) to (batch, heads, n, dim / heads)."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from attention_core.practice.exercise import Case, Exercise, random
from attention_core.practice.reshapes import (
    BACKWARDS,
    EMPTY,
    ENDS,
    LOOPS,
    REVERSED,
    SQUEEZED,
    Error,
    about_moves,
    bug,
    emptied,
    numbered,
    split_across_words,
    telling,
)


def _split(x: Tensor, num_heads: int) -> Tensor:
    """In steps, so that no line is blamed for leaving what is right as far as it goes."""
    cut = x.unflatten(-1, (num_heads, -1))
    heads = cut.transpose(1, 2)
    _ends = [emptied(heads, -1), emptied(heads, 0), heads.flip(1), *(_alike(heads, i) for i in (0, -1))]
    return heads  # of those ends it was an earlier line that went wrong: its words tell it, not its numbers


def _alike(heads: Tensor, which: int) -> Tensor:
    return heads[:, [which] * heads.shape[1]]


_VIEW = "Sequences need not lie one after another in memory: where view refuses, reshape copies."


def _cases() -> list[Case]:
    few = numbered(1, 4, 6)  # no two of its sizes are alike, nor any of them the number of heads
    many = random(2, 3, 16, seed=47, dtype=torch.float64)
    turned = random(2, 3, 4, seed=49).transpose(0, 1)
    return [
        Case("1 sequence of 4 words with 6 features, numbered, and 2 heads", (few, 2), beside=(("x", few),)),
        Case("2 sequences of 3 words with 8 features, and 4 heads", (random(2, 3, 8, seed=41), 4)),
        Case("2 sequences of 5 words with 12 features, and 3 heads", (random(2, 5, 12, seed=42), 3)),
        Case("3 sequences of 5 words with 4 features, and 1 head", (random(3, 5, 4, seed=43), 1)),
        Case("2 sequences of 3 words with 16 features, in float64, and 2 heads", (many, 2)),
        Case("3 sequences of 2 words with 4 features, once transposed, and 2 heads", (turned, 2), 1, _VIEW),
    ]


def _interleaved(x: Tensor, num_heads: int) -> Tensor:
    _slices = [x[..., i::num_heads] for i in range(num_heads)]
    cut = x.unflatten(-1, (-1, num_heads))
    return cut.permute(0, 3, 1, 2)


def _of_that_width(x: Tensor, num_heads: int) -> Tensor:
    cut = x.unflatten(-1, (-1, num_heads))
    return cut.transpose(1, 2)


def _in_order(*axes: int) -> Callable:
    """What is cut as it should be, with the axes of (batch, heads, n, d_k) in another order."""
    return lambda x, num_heads: _split(x, num_heads).permute(axes)


def _sliced(begins: Callable) -> Callable:
    """Slices of the right width that begin elsewhere."""

    def wrong(x: Tensor, num_heads: int) -> Tensor:
        d_k = x.shape[-1] // num_heads
        return torch.stack([x[..., begins(i, num_heads) :][..., :d_k] for i in range(num_heads)], dim=1)

    return wrong


def _of_sequence(which: int, batch: bool) -> Callable:
    """One sequence of the batch, with an axis for the batch or without."""

    def wrong(x: Tensor, num_heads: int) -> Tensor:
        _alone = x[which]
        one = x[[which]]
        return _split(one, num_heads) if batch else _split(one, num_heads)[0]

    return wrong


_NOT_TRANSPOSED = (0, 2, 1, 3)
_OTHER_ORDERS = set(itertools.permutations(range(4))) - {(0, 1, 2, 3), _NOT_TRANSPOSED}
_BUGS = (
    bug(
        "split-without-transpose",
        "the reshape cuts across words: a head gets pieces of several words, not a slice of each",
        split_across_words,
        why="Cut the features first, (batch, n, heads, d_k), then transpose n and heads.",
    ),
    bug(
        "not-transposed",
        "the features are cut as they should be, but heads and words still have to change places",
        _in_order(*_NOT_TRANSPOSED),
        why="The shape should be (batch, heads, n, d_k).",
        look_at=ENDS,
    ),
    bug(
        "interleaved",
        "each head gets features that lie apart; it should get a slice of neighbours",
        _interleaved,
        why="(batch, n, heads, d_k), in this order: heads before d_k.",
    ),
    bug(
        "axes-in-another-order",
        "the axes are in another order; it should be (batch, heads, n, d_k)",
        *(_in_order(*axes) for axes in _OTHER_ORDERS),
        why="From (batch, n, heads, d_k), heads and words change places: transpose(1, 2).",
    ),
    bug(
        "rows-mix-words",
        "a head has the right numbers, but a row of it mixes those of several words",
        lambda x, heads: x.transpose(1, 2).reshape(len(x), heads, x.shape[1], -1),
        why="Cut first, (batch, n, heads, d_k), and transpose then.",
    ),
    bug(
        "heads-taken-for-width",
        "num_heads is taken for the width of a head; it is how many heads there are",
        _of_that_width,
    ),
    bug(
        "heads-built-in",
        "it makes the same number of heads each time; num_heads says how many",
        *(lambda x, _, n=n: _split(x, n) for n in (4, 2, 8, 1)),
    ),
    bug(
        "width-built-in",
        "a head has the same width each time; it should be dim / num_heads",
        *(lambda x, _, d_k=d_k: _split(x, x.shape[-1] // d_k) for d_k in (4, 2, 8)),
    ),
    bug(
        "whole-word",
        "every head gets the whole word; it should get a slice of dim / num_heads features",
        lambda x, heads: x.unsqueeze(1).expand(-1, heads, -1, -1),
        lambda x, heads: x.unsqueeze(2).expand(-1, -1, heads, -1),
    ),
    bug(
        "same-slice",
        "all heads get the same slice; each should get its own",
        lambda x, heads: _alike(_split(x, heads), 0),
        lambda x, heads: _alike(_split(x, heads), -1),
        look_at=(r"repeat|expand|tile", r"\[\.\.\.\s*,[^,\]]*:"),
    ),
    bug("heads-reversed", REVERSED, lambda x, heads: _split(x, heads).flip(1), look_at=BACKWARDS),
    bug(
        "head-left-empty",
        EMPTY,
        lambda x, heads: emptied(_split(x, heads), -1),
        lambda x, heads: emptied(_split(x, heads), 0),
        look_at=LOOPS,
    ),
    bug(
        "slices-begin-elsewhere",
        "the slices do not begin where they should: slice i begins at i · d_k",
        _sliced(lambda i, heads: i * heads),
        _sliced(lambda i, heads: i),
    ),
    bug(
        "words-shared-out",
        "the words are shared out among the heads; it should be the features of each word",
        lambda x, heads: torch.stack(x.chunk(heads, dim=1), dim=1),
        lambda x, heads: torch.stack(x.chunk(heads, dim=1)),
    ),
    bug(
        "folded-into-batch",
        "heads and batch share one axis; the heads should have their own: (batch, heads, n, d_k)",
        lambda x, heads: _split(x, heads).flatten(0, 1),
        lambda x, heads: _split(x, heads).transpose(0, 1).flatten(0, 1),
    ),
    bug(
        "axis-squeezed",
        SQUEEZED,
        lambda x, heads: _split(x, heads).squeeze(),
        lambda x, heads: _split(x, heads).squeeze(0),
        lambda x, heads: _split(x, heads).squeeze(1),
    ),
    bug(
        "one-sequence",
        "only one sequence of the batch comes out; all of them should",
        *(_of_sequence(which, batch) for which in (0, -1) for batch in (True, False)),
    ),
    bug(
        "one-slice",
        "only one head comes out; there should be num_heads of them",
        *(lambda x, heads, i=i: _split(x, heads)[:, i] for i in (0, -1)),
        *(lambda x, heads, i=i: _split(x, heads)[:, [i]] for i in (0, -1)),
    ),
    bug(
        "not-stacked",
        "several tensors come out; put them into one, with an axis of heads: torch.stack(…, dim=1)",
        *(lambda x, heads, kind=kind: kind(x.chunk(heads, dim=-1)) for kind in (list, tuple)),
        *(lambda x, heads, kind=kind: kind(x.split(heads, dim=-1)) for kind in (list, tuple)),
    ),
    bug(
        "heads-among-words",
        "heads and words share one axis; the heads should have their own: (batch, heads, n, d_k)",
        lambda x, heads: _split(x, heads).flatten(1, 2),
        lambda x, heads: x.reshape(len(x), x.shape[1] * heads, -1),
    ),
    bug(
        "unchanged",
        "what comes out is x as it was; cut its features, and give the heads an axis of their own",
        lambda x, heads: x,
    ),
)
_ERRORS = (
    Error(
        "size-no-whole-number",
        TypeError,
        r"float|slice indices must be integers",
        "a size or a place is no whole number, since / makes a float; // makes a whole number",
        "dim // num_heads features are a head's.",
        line=r"(?<!/)/(?!/)",
    ),
    Error(
        "view-after-transpose",
        RuntimeError,
        r"^view size is not compatible",
        "view cannot cut what lies in another order in memory, as after a transpose: cut first",
        "",
    ),
)

split_heads = Exercise(
    "split heads",
    ("heads",),
    _split,
    _cases,
    _BUGS,
    "Checked: each head has its slice of every word, for 1 to 4 heads.",
    explain=about_moves,
    prepare=lambda answer: [(telling(answer, *_ERRORS), ())],
    learns=0,
)
