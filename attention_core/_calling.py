"""The one place that calls what a learner wrote: with copies, for a limited time; then its answer's form.

What went wrong is a `Failed`, which carries data; `_saying.py` has the sentences.
"""

import contextlib
import contextvars
import inspect
import io
import linecache
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn

from attention_core._aside import aside
from attention_core._time_limit import TooLong, in_time

LONGEST = 10.0  # seconds that a call may take
EMPTY: Mapping = MappingProxyType({})

# What is called is noted here, for frames made beforehand.
noted: contextvars.ContextVar[list | None] = contextvars.ContextVar("noted", default=None)

_OURS = f"{Path(__file__).parent}{os.sep}"
_PYTHON = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))


class Failed(Exception):
    """A call that gave nothing to go on with. what: a key of `_saying.SENTENCES`; data: what fills its slots.

    where: number and text of the learner's line that led to it, or None. error: what was raised, or None.
    """

    def __init__(self, what: str, *, where: tuple[int, str] | None = None, error=None, **data):
        super().__init__(what, data)
        self.what, self.data, self.where, self.error = what, data, where, error


@dataclass(frozen=True)
class Called:
    """An answer, whatever it is; whether the call wrote into its arguments; how many lines it printed."""

    answer: object
    changed: bool
    printed: int


@dataclass(frozen=True)
class Part:
    """What an answer, or a part of it, should be: its name, its sizes, and whether it is boolean.

    A size is a number, or a word for any number; `...` as the first stands for any leading dimensions.
    """

    name: str
    sizes: tuple
    boolean: bool = False


def call(function: Callable, *arguments, named: Mapping[str, object] = EMPTY, quiet: bool = True) -> Called:
    """`function(*arguments, **named)`, each tensor being a copy. quiet: what it prints is counted, not shown.

    Raises: Failed, if it raises, or takes longer than `LONGEST`. What it raises as `Failed` goes through.
    """
    given, by_name = copies(arguments), dict(zip(named, copies(named.values()), strict=True))
    printed = io.StringIO()
    try:
        with aside(printed, "stdout") if quiet else contextlib.nullcontext():
            answer = in_time(lambda: _staying(lambda: function(*given, **by_name)), LONGEST)
    except Failed:
        raise
    except TooLong as late:
        raise Failed("too long", where=learners_line(late), seconds=LONGEST) from None
    except (Exception, SystemExit) as error:  # exit() would end the kernel
        traceback.clear_frames(error.__traceback__)  # what it held may be all the memory that there is
        message = (str(error).strip() or "no message").split("\n")[0]
        what = {"kind": type(error).__name__, "message": message}
        raise Failed("raised", where=learners_line(error), error=error, **what) from error
    pairs = zip(arguments, given, strict=True)
    changed = any(isinstance(x, Tensor) and not _unchanged(x, y) for x, y in pairs)
    called = Called(answer, changed, len(printed.getvalue().splitlines()))
    if (calls := noted.get()) is not None:
        calls.append(called)
    return called


def formed(answer, *wanted: Part) -> tuple[Tensor, ...]:
    """The answer by its parts. Raises: Failed, unless each is there, a tensor of the form that is wanted."""
    names = tuple(part.name for part in wanted)
    if answer is None or answer is ...:
        raise Failed("nothing", part=names[0])
    if len(wanted) == 1:
        if isinstance(answer, tuple):
            raise Failed("not alone", part=names[0], returned=answer)
        answer = (answer,)
    elif not isinstance(answer, tuple | list) or len(answer) != len(wanted):
        raise Failed("not parts", parts=names, returned=answer)
    for part, x in zip(wanted, answer, strict=True):
        if x is None or x is ...:
            raise Failed("empty part", part=part.name)
        if not isinstance(x, Tensor):
            raise Failed("not a tensor", part=part.name, got=x)
        if x.layout != torch.strided:
            raise Failed("sparse", part=part.name)
        if not _fits(x.shape, part.sizes):
            sizes = {"part": part.name, "wanted": part.sizes, "got": x.shape}
            raise Failed(_why_not(x, part, answer, wanted), parts=names, **sizes)
        if (x.dtype == torch.bool) != part.boolean or x.is_complex():
            raise Failed("not boolean" if part.boolean else "not numbers", part=part.name, got=x.dtype)
    return tuple(answer)


def call_attention(
    attention: Callable, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`(output, weights)` of `attention(query, key, value[, allowed])`, in float32, its form checked.

    The mask is passed only when there is one, so that a function that takes none yet can be driven too.
    Shapes as in `scaled_dot_product_attention`. What it prints is printed. Raises: Failed.
    """
    masks = () if allowed is None else (allowed,)
    called = call(attention, query, key, value, *masks, quiet=False)
    *lead, n_q, _ = query.shape
    output = Part("output", (*lead, n_q, value.shape[-1]))
    weights = Part("weights", (*lead, n_q, key.shape[-2]))
    return tuple(x.detach().float() for x in formed(called.answer, output, weights))


def takes(function: Callable, argument: str = "allowed") -> tuple[float, bool]:
    """How many arguments a function or module takes by place; whether it takes `argument` by its name."""
    try:
        parameters = inspect.signature(
            function.forward if isinstance(function, nn.Module) else function
        ).parameters.values()
    except (TypeError, ValueError):  # built in C: nothing is known, so let the call tell
        return float("inf"), False
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return float("inf"), False
    by_place = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    return by_place, any(p.kind is not p.POSITIONAL_ONLY and p.name == argument for p in parameters)


def learners_line(error: BaseException) -> tuple[int, str] | None:
    """Number and source of the innermost line that the learner wrote; None if the call itself failed.

    A notebook cell counts lines from its own first one.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith((_OURS, *_PYTHON)):
            continue
        source = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
        if source:
            return frame.lineno, source
    return None


def _staying(function: Callable):
    """`function()`. In a notebook `exit()` ends the kernel after the cell; meanwhile it raises, as elsewhere.

    Raises: SystemExit.
    """
    python = sys.modules.get("IPython")
    shell = python and python.get_ipython()
    if shell is None or "ask_exit" in vars(shell):  # there is none, or a call around this one has seen to it
        return function()
    shell.ask_exit = _leave
    try:
        return function()
    finally:
        vars(shell).pop("ask_exit", None)


def _leave() -> None:
    raise SystemExit("exit() would end the kernel")


def copies(things: Iterable) -> tuple:
    """The same things, each tensor a copy: whatever is called with them may write into it."""
    return tuple(x.clone() if isinstance(x, Tensor) else x for x in things)


def _unchanged(before: Tensor, after: Tensor) -> bool:
    return before.shape == after.shape and bool(torch.allclose(before, after, rtol=0, atol=0, equal_nan=True))


def _fits(shape: torch.Size, sizes: tuple) -> bool:
    if sizes[:1] == (...,):
        sizes = sizes[1:]
        shape = shape[len(shape) - len(sizes) :] if len(shape) >= len(sizes) else shape
    alike = zip(shape, sizes, strict=False)
    return len(shape) == len(sizes) and all(isinstance(n, str) or m == n for m, n in alike)


def _why_not(x: Tensor, part: Part, answer, wanted: tuple[Part, ...]) -> str:
    """Which mistake with a shape it is: parts out of order, queries and keys exchanged, or another."""
    if len(wanted) == 2 and all(
        isinstance(y, Tensor) and _fits(y.shape, other.sizes)
        for y, other in zip(answer, reversed(wanted), strict=True)
    ):
        return "out of order"
    *lead, rows, columns = (*part.sizes,) if len(part.sizes) > 1 else (0, 0)
    exchanged = rows != columns and _fits(x.shape, (*lead, columns, rows))
    return "columns first" if exchanged and part.name == "weights" else "shape"
