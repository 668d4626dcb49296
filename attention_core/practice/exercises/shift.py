"""Shift: what a decoder reads while it learns, which is what it should write, one place later."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_core.practice.exercise import Case, Exercise, Stop, Subject, Trial, same
from attention_core.practice.reshapes import BACKWARDS, Error, bug, telling
from attention_core.practice.source import line_to_look_at
from attention_core.probes import Verdict

_JOINED = (r"cat\(|stack\(|pad\(|roll\(", r"\[[^\]]*:[^\]]*\]", r"return")
_FRONT = (r"full|pad\(|tensor\(|zeros|start", *_JOINED)
_COLUMN = "A column has a row for each sentence: torch.full((len(y), 1), start)."
_ROWS_CUT = "the last sentence is dropped; it should be the last token of each: y[:, :-1]"
_NO_COLUMN = "what is put in front has not one row for each sentence, as y has"
_CHANGED = "y itself is changed; it is still needed, to tell whether what the decoder writes is right"
_NO_TOKENS = "the tokens are right, but they are {dtype}; an embedding looks up int64 or int32"


def _front(y: Tensor, token: int) -> Tensor:
    return torch.full((len(y), 1), token)


def _behind(front: Callable, rest: Callable) -> Callable:
    """What is in front, and behind it what is left of y."""
    return lambda y, start: torch.cat((front(y, start), rest(y)), dim=1)


def _cut(y: Tensor) -> Tensor:
    return y[:, :-1]


def _moved(y: Tensor) -> Tensor:
    return F.pad(y[:, :-1], (1, 0))


def _round(y: Tensor) -> Tensor:
    return y.roll(1, 1)


_shift = _behind(_front, _cut)


def _right(y: Tensor, start: int) -> Tensor:
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    _copy, _begun = y.clone(), torch.full_like(y, start)
    _halfway = _round(y), _moved(y), _behind(_front, Tensor.clone)(y, start)
    return _shift(y, start)


def _cases() -> list[Case]:
    given = "shift takes the answers and the start token: shift(y, start)."
    few = torch.tensor([[5, 3, 8, 6], [7, 9, 4, 2]])
    padded = torch.tensor([[8, 5, 2, 0, 0, 0], [9, 2, 0, 0, 0, 0], [4, 6, 7, 3, 5, 2], [6, 8, 2, 0, 0, 0]])
    drawn = torch.randint(12, 90, (3, 6), generator=torch.Generator().manual_seed(1))
    every = {
        "2 sentences of 4 tokens": (few, 1),
        "3 sentences of 5 tokens": (drawn[:, :5], 11),
        "1 sentence of 6 tokens": (drawn[:1], 4),
        "2 sentences of 1 token": (drawn[1:, :1], 3),
        "4 sentences of 6 tokens, filled up with 0": (padded, 1),
    }
    return [Case(f"{what}, start = {s}", (y, s), 0, given, (("y", y),)) for what, (y, s) in every.items()]


def _placed(place: tuple, by: Callable = Tensor.clone) -> Callable:
    """Start written into a place of y, or of what has become of it."""

    def wrong(y: Tensor, start: int) -> Tensor:
        read = by(y).clone()
        read[place] = start
        return read

    return wrong


_ALL = slice(None)


def _smeared(y: Tensor, start: int) -> Tensor:
    first_everywhere = y[:, :1].expand_as(y)
    return _placed((_ALL, 0))(first_everywhere, start)


# fmt: off
_BUGS = (
    bug("not-shifted", "this is y as it is: each place reads the very token that should be written there",
        lambda y, start: y,
        why="The loss would fall at once: it would only learn to copy.", look_at=(r"return",)),
    bug("shifted-to-the-left", "it is shifted to the left: each place reads what should be written after it",
        lambda y, start: y[:, 1:], lambda y, start: y.roll(-1, 1), lambda y, start: F.pad(y[:, 1:], (0, 1)),
        lambda y, start: torch.cat((y[:, 1:], _front(y, start)), 1),
        lambda y, start: torch.cat((y[:, 1:], y[:, -1:]), 1),
        why="Each should read what comes before: the past, not the future.",
        look_at=(r"\[[^\]]*1\s*:", r"roll\(", *_JOINED)),
    bug("start-at-the-end", "start stands last; it should stand first, before anything has been written",
        _placed((_ALL, -1)), lambda y, start: torch.cat((y, _front(y, start)), 1), look_at=_JOINED),
    bug("start-for-the-first", "start replaces the first token, and the others stay where they were",
        _placed((_ALL, 0)),
        why="All move one place to the right, so that the last drops out, and not the first.",
        look_at=(r"\[[^\]]*1\s*:", r"\[[^\]]*0\s*\]", *_JOINED)),
    bug("start-missing", "the last token is dropped, and start is missing in front",
        lambda y, start: _cut(y), look_at=_JOINED),
    bug("first-token-repeated", "the first token stands in front, too; what stands first should be start",
        _behind(lambda y, start: y[:, :1], _cut),
        why="With it the decoder is told what it should write first.", look_at=_JOINED),
    bug("rolled", "the last token comes round to the front; it should drop out, and start stand first",
        lambda y, start: _round(y),
        why="roll loses nothing: what leaves on the right comes back on the left.",
        look_at=(r"roll\(", *_JOINED)),
    bug("flattened", "the batch is shifted as one long row: a sentence begins with the end of the one above",
        lambda y, start: y.roll(1), _placed((0, 0), lambda y: y.roll(1)),
        why="Shift along dimension 1: each sentence has a start of its own.",
        look_at=(r"flatten|view|reshape|roll\(", *_JOINED)),
    bug("other-sentences", "it is shifted along the batch, dimension 0: each reads the sentence above it",
        lambda y, start: y.roll(1, 0),
        *(_placed(place, lambda y: y.roll(1, 0)) for place in ((0,), (_ALL, 0))),
        look_at=(r"roll\(|cat\(", *_JOINED)),
    bug("last-sentence-dropped", _ROWS_CUT,
        lambda y, start: _behind(_front, Tensor.clone)(y, start)[:-1], lambda y, start: y[:-1],
        look_at=(r"\[\s*:\s*-\s*1\s*\]", *_JOINED)),
    bug("row-for-column", "start is not in the first place of each sentence, which is read[:, 0]",
        *(_placed(place, by) for place in ((0,), (0, 0)) for by in (_round, _moved, Tensor.clone)),
        look_at=(r"\[\s*0\s*(,\s*0\s*)?\]", *_JOINED)),
    bug("not-cut", "start is in front, but the last token is still there: one token too many is read",
        _behind(_front, Tensor.clone),
        why="The last is written, and never read: after it nothing more is to be written.", look_at=_JOINED),
    bug("cut-too-far", "more is cut off than the last token",
        _behind(_front, lambda y: y[:, :-2]), _behind(_front, lambda y: y[:, 1:-1]),
        look_at=(r":\s*-\s*2", *_JOINED)),
    bug("shifted-by-two", "it is shifted by two places; it should be by one",
        lambda y, start: _shift(_shift(y, start), start), lambda y, start: y.roll(2, 1),
        _placed((_ALL, 0), lambda y: y.roll(2, 1)), look_at=_JOINED),
    bug("zeros-in-front", "a 0 stands in front of each sentence; it should be start",
        _behind(lambda y, start: _front(y, 0), _cut),
        why="0 is padding here, and no sentence begins with padding.", look_at=_FRONT),
    bug("start-built-in", "what stands in front is the same whatever start is; it should be start",
        *(_behind(lambda y, start, token=token: _front(y, token), _cut) for token in (1, 2, 3, -1, -100)),
        look_at=_FRONT),
    bug("only-start", "nothing but start comes out; behind it should stand y without its last token",
        lambda y, start: torch.full_like(y, start), _front, look_at=(r"\bfor\b", *_FRONT)),
    bug("smeared", "one token runs through its whole sentence; each place should read the one before it",
        _smeared, lambda y, start: y[:, :1].expand_as(y),
        why="Is y written over while it is read? Write into a copy.",
        look_at=(r"\bfor\b", r"\[[^\]]*1\s*:\s*\]\s*=", *_JOINED)),
    bug("tokens-changed", "the tokens themselves become others; they should only move",
        lambda y, start: y + start, lambda y, start: y - start, lambda y, start: _cut(y) + start,
        lambda y, start: _moved(y) + start, lambda y, start: y + 1, lambda y, start: y - 1,
        why="A token is the number of a letter: one added to it is another letter.",
        look_at=(r"[+-]", *_JOINED)),
    bug("reversed", "the sentences run backwards; they keep their order",
        lambda y, start: y.flip(1), _behind(_front, lambda y: y.flip(1)[:, 1:]),
        _behind(_front, lambda y: y.flip(1)[:, :-1]), look_at=(*BACKWARDS, *_JOINED)),
    bug("one-sentence", "only one sentence of the batch comes out; all of them should",
        *(lambda y, start, i=i: _shift(y, start)[i] for i in (0, -1, [0], [-1])),
        look_at=(r"\[\s*-?[01]\s*[\],]", *_JOINED)),
)
_ERRORS = (
    Error("last-sentence-dropped", RuntimeError, r"match except in dimension", _ROWS_CUT, "",
          line=r"\[\s*:\s*-\s*1\s*\]"),
    Error("start-without-a-column", RuntimeError, r"same number of dimensions|match except in dimension",
          _NO_COLUMN, _COLUMN),
    Error("start-without-a-column", IndexError, r"Dimension out of range", _NO_COLUMN, _COLUMN,
          line=r"cat\("),
    Error("start-no-tensor", TypeError, r"expected Tensor as element|can only concatenate list",
          "start is a number, and only tensors can be put together", _COLUMN),
)
# fmt: on


def _tokens(answer) -> list[Subject]:
    """The answer, that is told so where its tokens are right but of no use, or y is spoilt."""

    def call(y: Tensor, start: int):
        right, kept = _shift(y, start), y.clone()
        read = answer(y, start)
        if same(read, right) and read.dtype not in (torch.int64, torch.int32):
            dtype, where = str(read.dtype).removeprefix("torch."), line_to_look_at(answer, *_FRONT)
            raise Stop("wrong", _NO_TOKENS, bug="no-tokens", where=where, dtype=dtype)
        if same(read, right) and not same(y, kept):
            where = line_to_look_at(answer, r"^y\b.*=|\by\.\w*_\(", r"return")
            raise Stop(
                "wrong", _CHANGED, bug="writes-into-y", details=("Begin with y.clone().",), where=where
            )
        return read

    return [(telling(call, *_ERRORS, of=answer), ())]


def _about_places(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """The first sentence that does not begin with start, and the first place that holds another token."""
    wrong = next(t for t in trials if not t.right)
    off = (wrong.got != wrong.expected[0]).nonzero().tolist()
    for name, said, places in (
        (
            "start stands first",
            "sentence {i} begins with {got}, not with start",
            [x for x in off if not x[1]],
        ),
        ("one place later", "place {j} of sentence {i} holds {got}, not {right}", [x for x in off if x[1]]),
    ):
        if places:
            i, j = places[0]
            got, right = (x[i, j].item() for x in (wrong.got, wrong.expected[0]))
            yield Verdict(name, False, said.format(i=i, j=j, got=got, right=right))


shift = Exercise(
    "shift",
    ("read",),
    _right,
    _cases,
    _BUGS,
    "Checked: start first, the last token dropped, y left as it was; 1 to 4 sentences of 1 to 6 tokens.",
    prepare=_tokens,
    explain=_about_places,
)
