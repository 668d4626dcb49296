"""Which of the learner's lines made the wrong number: what each line leaves, beside what ours leave.

A known mistake is a function of ours, as the right answer is. What only the mistaken one computes on its way
is wrong; the first line of the learner's that leaves such a number is the one to look at.
"""

import contextlib
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType

import torch
from torch import Tensor

from attention_core._calling import Failed, call, copies
from attention_core.practice.source import functions, lines

_LONGEST = 16  # of a list that is looked into
_OURS = f"{Path(__file__).parents[1]}{os.sep}"
_SAME = 1e-6  # two roundings of float32
_MOST = 500  # tensors that are kept of one call: a loop may leave many

Left = list[tuple[int, Tensor]]  # the number of a line, and what it left; in the order in which they came


def wrong_line(
    answer, function: Callable, right: Callable, wrong: Callable, first: tuple, inputs: tuple, alike: Callable
) -> tuple[int, str] | None:
    """Number and text of the learner's line that first left what `wrong` computes and `right` does not.

    Args: answer: what the learner wrote; function: what is called, with `inputs`. right, wrong: ours, called
    with `first` and `inputs`. alike: whether a tensor is like one of a `Heap`. None if no line left any such
    number.
    """
    written = dict(lines(answer))
    coded = [f.__code__ for f in functions(answer) if hasattr(f, "__code__")]  # a partial has none
    codes = {inner for code in coded for inner in _within(code)}
    theirs = _left_by(function, inputs, codes.__contains__)
    good, bad = ([x for _, x in _left_by(f, (*first, *inputs), _is_ours)] for f in (right, wrong))
    right_ones = Heap(good)
    bad = [x for x in bad if not alike(x, right_ones)]
    wrong_ones = Heap(bad)
    for line, x in theirs:
        if line not in written:
            continue
        alone = x.ndim == 0 and x.is_floating_point()  # a loop over plain numbers leaves them one by one
        if alike(x, wrong_ones) or (alone and _only_among(x, bad, good)):
            return line, written[line]
    return None


class Heap:
    """Tensors, to be compared at once, as a loop of ours leaves hundreds: one stack a shape and dtype."""

    def __init__(self, tensors: list[Tensor]):
        found: dict[tuple, list[Tensor]] = defaultdict(list)
        for x in tensors:
            found[x.shape, x.dtype].append(x)
        self._stacks = [(some[0], torch.stack(some).double()) for some in found.values()]

    def of(self, shape: torch.Size) -> Iterator[tuple[Tensor, Tensor]]:
        """For each dtype one of them, and all of them in float64, `(how many, *shape)`."""
        return ((one, every) for one, every in self._stacks if one.shape == shape)


def _only_among(x: Tensor, bad: list[Tensor], good: list[Tensor]) -> bool:
    return _among(float(x), bad) and not _among(float(x), good)


def _among(number: float, tensors: list[Tensor]) -> bool:
    """Whether a number of a loop's is one of those that are computed together here."""
    return any(
        bool(((x.double() - number).abs() <= _SAME * max(1.0, abs(number))).any())
        for x in tensors
        if x.dtype != torch.bool and not x.is_complex()
    )


def _left_by(function: Callable, inputs: tuple, watched: Callable[[CodeType], bool]) -> Left:
    """What the lines of the watched code left, while the function was called."""
    left: Left = []

    def run(*arguments):
        with _watching(left, watched):
            answer = function(*arguments)
        left.extend((0, x) for x in _tensors(answer))  # also where no line of its own was watched
        return answer

    with contextlib.suppress(Failed):  # a wrong version of ours need not work for every shape
        call(run, *copies(inputs))
    return left


@contextlib.contextmanager
def _watching(left: Left, watched: Callable[[CodeType], bool]) -> Iterator[None]:
    """Keeps what each line leaves in a variable, or returns. A debugger sees nothing of the call."""

    def entered(frame: FrameType, event: str, _argument):
        if not watched(frame.f_code):
            return None
        seen, line = dict(frame.f_locals), frame.f_lineno
        versions = {name: _version(thing) for name, thing in seen.items()}

        def at(frame: FrameType, event: str, argument):
            nonlocal line
            if event in ("line", "return"):
                for name, thing in frame.f_locals.items():
                    if name not in seen or seen[name] is not thing or versions[name] != _version(thing):
                        seen[name], versions[name] = thing, _version(thing)
                        keep(line, thing)
                if event == "return":
                    keep(line, argument)
            line = frame.f_lineno
            return at

        return at

    def keep(line: int, thing) -> None:
        if len(left) < _MOST:
            left.extend((line, x.detach().clone()) for x in _tensors(thing))

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        yield
    finally:
        sys.settrace(before)


def _version(thing):
    """How often it was written into; of a list, what it holds."""
    if isinstance(thing, list) and len(thing) <= _LONGEST:
        return tuple(map(_held, thing))
    return thing._version if isinstance(thing, Tensor) else 0


def _held(thing):
    """A number as it is, those of a row, and of anything else which it is."""
    if isinstance(thing, list):
        return tuple(x if isinstance(x, float | bool) else id(x) for x in thing[:_LONGEST])
    return thing if isinstance(thing, float | bool) else id(thing)


def _tensors(thing) -> list[Tensor]:
    """The tensors in a thing; a float is one without dimensions, and a list of rows one of two."""
    things = thing if isinstance(thing, tuple | list) else (thing,)
    found = [x for x in things if isinstance(x, Tensor)]
    found += [torch.tensor(x, dtype=torch.float64) for x in things if isinstance(x, float)]
    if isinstance(thing, list) and len(thing) <= _LONGEST and things and isinstance(thing[0], list):
        with contextlib.suppress(ValueError, TypeError, RuntimeError):  # rows of different lengths
            found.append(torch.tensor(thing))
    return found


def _is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(_OURS)


def _within(code: CodeType) -> Iterator[CodeType]:
    """The code of a function, and of what is defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _within(constant)
