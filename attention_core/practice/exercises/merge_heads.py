"""Merge: (batch, heads, n, d_k) to (batch, n, heads · d_k)."""

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
    merge_across_words,
    numbered,
    telling,
)


def _merge(x: Tensor) -> Tensor:
    """In steps, so that no line is blamed for leaving what is right as far as it goes."""
    moved = x.transpose(1, 2)
    _ends = [_joined(emptied(x, -1)), _joined(emptied(x, 0)), _joined(x.flip(1)), _misnamed(x)]
    return moved.flatten(2)  # of those ends an earlier line went wrong: its words tell it, not its numbers


def _joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def _misnamed(x: Tensor) -> Tensor:
    return x.transpose(1, 2).reshape(len(x), x.shape[1], -1)


def _cases() -> list[Case]:
    few = numbered(1, 2, 4, 3)  # no two of its sizes are alike
    return [
        Case("2 heads of 4 words with 3 features, numbered", (few,), beside=(("heads", few),)),
        Case("2 × 4 heads of 6 words with 2 features", (random(2, 4, 6, 2, seed=44),)),
        Case("2 × 3 heads of 5 words with 4 features", (random(2, 3, 5, 4, seed=45),)),
        Case("2 × 1 head of 3 words with 4 features", (random(2, 1, 3, 4, seed=46),)),
        Case(
            "2 × 5 heads of 3 words with 2 features, in float64",
            (random(2, 5, 3, 2, seed=48, dtype=torch.float64),),
        ),
    ]


def _interleaved(x: Tensor) -> Tensor:
    moved = x.permute(0, 2, 3, 1)
    return moved.flatten(2)


def _moved(*axes: int) -> Callable:
    """The axes in this order, and then the last two joined."""

    def wrong(x: Tensor) -> Tensor:
        moved = x.permute(axes)
        return moved.flatten(2)

    return wrong


def _shaped(*axes: int) -> Callable:
    """The axes in this order, and then the shape that it should have."""

    def wrong(x: Tensor) -> Tensor:
        moved = x.permute(axes)
        return moved.reshape(len(x), x.shape[2], -1)

    return wrong


def _written(begins: Callable) -> Callable:
    """Each head written over what stands there, from a wrong place on."""

    def wrong(x: Tensor) -> Tensor:
        _, heads, _, d_k = x.shape
        from_where = {begins(i, heads) + j: (i, j) for i in range(heads) for j in range(d_k)}
        nothing = torch.zeros_like(x[:, 0, :, 0])
        columns = [from_where.get(at) for at in range(heads * (heads + d_k))]
        padded = torch.stack([x[:, at[0], :, at[1]] if at else nothing for at in columns], dim=-1)
        return padded[..., : heads * d_k]

    return wrong


def _of_sequence(which: int, batch: bool) -> Callable:
    """One sequence of the batch, with an axis for the batch or without."""

    def wrong(x: Tensor) -> Tensor:
        _alone = x[which]
        one = x[[which]]
        return _joined(one) if batch else _joined(one)[0]

    return wrong


_ACROSS, _RIGHT, _INTERLEAVED, _BATCH = (0, 1, 2, 3), (0, 2, 1, 3), (0, 2, 3, 1), (1, 2, 0, 3)
_OTHER_ORDERS = set(itertools.permutations(range(4))) - {_ACROSS, _RIGHT, _INTERLEAVED}
_BUGS = (
    bug(
        "merge-without-transpose",
        "words of one head are put side by side; it should be the heads of one word",
        merge_across_words,
        lambda x: x.flatten(2),
        why="Transpose heads and n first, (batch, n, heads, d_k), then join the last two.",
    ),
    bug(
        "interleaved",
        "the heads' features are dealt out in turn; each head's should stay together",
        _interleaved,
        why="(batch, n, heads, d_k), in this order, before the last two are joined.",
    ),
    bug(
        "axes-misnamed",
        "words and heads are taken for each other: the shape of x is (batch, heads, n, d_k)",
        _misnamed,
        look_at=(
            r"^\w+\s*,\s*(n|n_\w+|words?|length|len\w*|seq\w*|[tl])\s*,.*=.*\.(shape|size)\b",
            r"reshape|view|flatten",
        ),
    ),
    bug(
        "summed",
        "the heads are added up; they should be laid side by side",
        lambda x: x.sum(1),
        lambda x: x.sum(1).repeat(1, 1, x.shape[1]),
    ),
    bug(
        "averaged",
        "the heads are averaged; they should be laid side by side",
        lambda x: x.mean(1),
        lambda x: x.mean(1).repeat(1, 1, x.shape[1]),
    ),
    bug(
        "one-below-the-other",
        "the heads lie one below the other; they should lie side by side, along the last axis",
        lambda x: x.flatten(1, 2),
        lambda x: x.transpose(1, 2).flatten(1, 2),
    ),
    bug(
        "words-joined",
        "the words are joined, too; each word should keep a row of its own: (batch, n, heads · d_k)",
        lambda x: x.transpose(1, 2).flatten(1),
        lambda x: x.flatten(1),
        lambda x: x.transpose(1, 2).flatten(),
        lambda x: x.flatten(),
    ),
    bug(
        "one-head",
        "only one head comes out; all of them should, side by side",
        lambda x: x[:, 0],
        lambda x: x[:, -1],
        lambda x: x[:, 0].repeat(1, 1, x.shape[1]),
        lambda x: x[:, -1].repeat(1, 1, x.shape[1]),
    ),
    bug(
        "heads-built-in",
        "it joins the same number of heads each time; x.shape[1] says how many there are",
        *(lambda x, n=n: _joined(x[:, :n]) for n in (4, 2, 3)),
    ),
    bug("heads-reversed", REVERSED, lambda x: _joined(x.flip(1)), look_at=BACKWARDS),
    bug(
        "head-left-empty",
        EMPTY,
        lambda x: _joined(emptied(x, -1)),
        lambda x: _joined(emptied(x, 0)),
        look_at=LOOPS,
    ),
    bug(
        "four-axes",
        "there are still four axes; the heads should be joined into the last one, side by side",
        lambda x: x.transpose(1, 2),
        lambda x: x.permute(0, 2, 3, 1),
        lambda x: x,
        look_at=ENDS,
    ),
    bug(
        "axes-in-another-order",
        "the axes are in another order; it is (batch, n, heads, d_k) of which the last two are joined",
        *(_moved(*axes) for axes in _OTHER_ORDERS - {_BATCH}),
        *(_shaped(*axes) for axes in _OTHER_ORDERS),
        lambda x: _joined(x).transpose(1, 2),
    ),
    bug(
        "axis-squeezed",
        SQUEEZED,
        lambda x: _joined(x).squeeze(),
        lambda x: _joined(x).squeeze(0),
        lambda x: _joined(x.squeeze()) if x.squeeze().ndim == 4 else x.squeeze().transpose(0, 1).flatten(1),
    ),
    bug(
        "sequences-joined",
        "the sequences of the batch are laid side by side; it should be the heads, which are axis 1",
        lambda x: torch.cat(list(x), dim=-1),
    ),
    bug(
        "batch-run-together",
        "batch and words share one axis; each should have its own: (batch, n, heads · d_k)",
        lambda x: _joined(x).flatten(0, 1),
        lambda x: _joined(x).transpose(0, 1).flatten(0, 1),
    ),
    bug(
        "heads-in-the-batch",
        "heads and batch share one axis; the heads should be joined into the last one, side by side",
        lambda x: x.flatten(0, 1),
        lambda x: x.transpose(0, 1).flatten(0, 1),
    ),
    bug(
        "one-sequence",
        "only one sequence of the batch comes out; all of them should",
        *(_of_sequence(which, batch) for which in (0, -1) for batch in (True, False)),
    ),
    bug(
        "width-built-in",
        "the width of a word is the same each time; it should be heads · d_k of x",
        *(lambda x, width=width: x.transpose(1, 2).reshape(len(x), -1, width) for width in (16, 8, 12)),
    ),
    bug(
        "not-joined",
        "several tensors come out; they should be joined into one",
        *(lambda x, kind=kind: kind(_joined(x)) for kind in (list, tuple)),
        *(lambda x, kind=kind: kind(x.unbind(1)) for kind in (list, tuple)),
    ),
    bug(
        "written-elsewhere",
        "the heads are not written where they should be: head i begins at i · d_k",
        _written(lambda i, heads: i * heads),
        _written(lambda i, heads: i),
    ),
)
_ERRORS = (
    Error(
        "view-after-transpose",
        RuntimeError,
        r"^view size is not compatible",
        "view cannot join what lies apart in memory, as after a transpose; reshape or flatten can",
        "",
    ),
)

merge_heads = Exercise(
    "merge heads",
    ("merged",),
    _merge,
    _cases,
    _BUGS,
    "Checked: the slices of each word side by side, head after head.",
    explain=about_moves,
    prepare=lambda answer: [(telling(answer, *_ERRORS), ())],
    learns=0,
)
