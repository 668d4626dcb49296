"""Calling functions that a learner wrote: what they take, and what went wrong, in words."""

import inspect
import linecache
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path

from torch import nn

_OURS = str(Path(__file__).parent)
_PYTHON = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))


def what_happened(error: Exception) -> str:
    """The error in words, and the learner's own line that led to it."""
    where = learners_line(error)
    line = f"\nin line {where[0]}: {where[1]}" if where else ""
    return f"The function stopped with {type(error).__name__}: {error}{line}"


def learners_line(error: Exception) -> tuple[int, str] | None:
    """Number and source of the innermost line that the learner wrote; None if the call itself failed.

    A notebook cell counts lines from its own first one.
    """
    called = traceback.extract_tb(error.__traceback__)[1:]  # the first frame is the one that called
    theirs = [frame for frame in called if not frame.filename.startswith(_PYTHON)]
    outside = [frame for frame in theirs if not frame.filename.startswith(_OURS)]
    for frame in reversed(outside or theirs):
        source = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
        if source:
            return frame.lineno, source
    return None


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


def a(thing) -> str:
    """The kind of a thing, with its article: "a list", "an int"."""
    kind = type(thing).__name__
    return f"{'an' if kind[0] in 'aeiouAEIOU' or kind.startswith('nd') else 'a'} {kind}"


def number(x: float) -> str:
    """Two digits after the point, or two that count where those would all be 0; `−` for minus."""
    x = float(x)
    plain = f"{x:.2f}" if x == 0 or abs(x) >= 0.01 else f"{x:.2g}"
    return plain.replace("nan", "NaN").replace("inf", "∞").replace("-", "−")
