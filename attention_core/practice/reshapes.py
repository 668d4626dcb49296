"""What the exercises share that only move numbers: entries one can follow, named errors, lines to look at."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from attention_core._calling import learners_line
from attention_core.practice.exercise import Bug, Stop, Trial
from attention_core.practice.source import line_to_look_at
from attention_core.probes import Verdict

RESHAPES = (
    r"view|reshape|unflatten|flatten|rearrange|chunk|split\(|stack|cat\(",
    r"transpose|permute|swapaxes",
    r"return",
)
ENDS = (r"^return\b|\blambda\b",)  # where a step is missing that should come last
LOOPS = (r"\brange\(\s*1\s*,|\brange\([^)]*-\s*1",)  # that leave one out
BACKWARDS = (r"flip|reverse|\[::-1\]|range\(.*-\s*1\)|-\s*\(?\w+\s*\+\s*1",)
SQUEEZED = "an axis of size 1 is gone; the shape keeps all its axes, whatever their sizes"
EMPTY = "one head is left at 0; each should get its numbers"
REVERSED = "the heads are in reverse order"


@dataclass(frozen=True)
class Error:
    """A mistake that stops an answer, told by the error's kind and a pattern for its message.

    bug, words, why: as of a `Bug`. line: a pattern for the learner's line; without such a line it is another
    mistake. "" is for the line that stopped.
    """

    bug: str
    kind: type[Exception] | tuple[type[Exception], ...]
    message: str
    words: str
    why: str
    line: str = ""


def telling(function: Callable, *errors: Error, of: Callable | None = None) -> Callable:
    """The function, whose error is told by its name where it is one of these. of: what the learner wrote.

    NumPy takes no tensor that learns: it is given one that does not, so that nothing learns through it.
    """

    def called(*arguments):
        try:
            return function(*arguments)
        except Exception as raised:
            if isinstance(raised, RuntimeError) and re.search(
                r"numpy\(\) on Tensor that requires grad", str(raised)
            ):
                return function(*(x.detach() if isinstance(x, Tensor) else x for x in arguments))
            where = learners_line(raised)
            for known in errors:
                if not isinstance(raised, known.kind) or not re.search(known.message, str(raised)):
                    continue
                at = where
                if known.line and not (where and re.search(known.line, where[1])):
                    at = line_to_look_at(of or function, known.line)
                if at is not None:
                    details = (known.why,) if known.why else ()
                    raise Stop("wrong", known.words, bug=known.bug, details=details, where=at) from raised
            raise

    return called


def bug(name: str, words: str, *functions: Callable, why: str = "", look_at: tuple[str, ...] = ()) -> Bug:
    """A known mistake whose line is the one that leaves its numbers, so that none need be looked for."""
    return Bug(name, words, why, look_at, functions)


def about_moves(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Of numbers that should only be moved: do all of them come out?"""
    wrong = next(t for t in trials if not t.right)
    x, out = (thing.detach().double().flatten() for thing in (wrong.case.inputs[0], wrong.got))
    lost = sum(not torch.isclose(out, number).any() for number in x)
    said = f"{lost} of the {len(x)} numbers of x do not come out" if lost else "what comes out is x, moved"
    if lost or torch.allclose(x.sort().values, out.sort().values):
        yield Verdict("moves numbers only", not lost, said)


def numbered(*shape: int) -> Tensor:
    """The entries 0, 1, 2 …: in a wrong reshape one sees where each has gone."""
    return torch.arange(math.prod(shape), dtype=torch.float32).reshape(shape)


def emptied(heads: Tensor, *which: int) -> Tensor:
    """A copy, in which some of the second axis are still 0."""
    heads = heads.clone()
    heads[:, list(which)] = 0
    return heads


def split_across_words(x: Tensor, heads: int) -> Tensor:
    """`(batch, n, dim)` → the shape of heads, without the transpose that keeps a word together."""
    return x.reshape(len(x), heads, x.shape[1], -1)


def merge_across_words(x: Tensor) -> Tensor:
    """`(batch, heads, n, d_k)` → the shape of words, without the transpose that keeps a word together."""
    return x.reshape(len(x), x.shape[2], -1)
