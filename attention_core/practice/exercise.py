"""How an answer is checked: compare, then name the mistake by computing the known wrong versions.

An exercise is data: a reference, cases, and a table of bugs, each with the functions that have it. To add
one, write such a table in a file of its own and name it in `check.py`.
"""

import contextlib
import io
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from attention_core._calling import a, learners_line, number, takes
from attention_core._subject import first_largest
from attention_core.agreement import SAME
from attention_core.practice.result import Result
from attention_core.practice.source import line_to_look_at, placeholder, untouched
from attention_core.probes import Verdict

_MOST_ROWS = 8  # of an example that is shown whole
_STUB = "not started yet. Replace the ... above, run that cell, then this one."


@dataclass(frozen=True)
class Bug:
    """A known mistake: its short name, what the answer then is, and the functions that make it.

    words: completes the sentence of a result. why: what goes wrong because of it, or "". look_at: patterns
    for the learner's line, the best first. functions: variants, each taking what the reference takes.
    """

    name: str
    words: str
    why: str
    look_at: tuple[str, ...]
    functions: tuple[Callable, ...]


@dataclass(frozen=True)
class Case:
    """Inputs to try, and what they are in words.

    stage: mistakes at an early stage are named before later ones are looked at, so that two mistakes at
    two stages are told one after the other. Within a stage the smallest case comes first. hint: said when
    the answer raises here. beside: what to show next to expected and got, as (name, tensor). near: how far
    apart two right answers may be.
    """

    words: str
    inputs: tuple
    stage: int = 0
    hint: str = ""
    beside: tuple[tuple[str, Tensor], ...] = ()
    near: float = SAME


class Stop(Exception):
    """The answer cannot be compared yet; holds the fields of the Result that says so."""

    def __init__(self, status: str, headline: str, **fields):
        super().__init__(headline)
        self.fields = {"status": status, "headline": headline, **fields}


@dataclass(frozen=True)
class Trial:
    """One case, what should come out, and what came out or was raised. form: what is wrong with its form."""

    case: Case
    expected: tuple[Tensor, ...]
    got: object
    error: Exception | None = None
    form: str = ""
    changed: bool = False  # whether the answer wrote into its arguments

    @property
    def right(self) -> bool:
        return self.error is None and not self.form and same(parts(self.got), self.expected, self.case.near)


@dataclass(frozen=True, repr=False)
class Exercise:
    """A check: call it with the learner's answer, and it says what it found.

    name: shown to the learner. parts: what the answer returns, by name. reference: the right function.
    cases: a function that makes them, of what `prepare` gives. bugs: the known mistakes. passed: what was
    checked, in a sentence. prepare: turns the answer into `(function to call, arguments that cases,
    reference and bugs get first)`; may raise Stop. explain: `(trials, function or module)` to verdicts, asked
    when no known mistake fits; the trials are those up to the first wrong stage. show: the part to show
    first.
    """

    name: str
    parts: tuple[str, ...]
    reference: Callable
    cases: Callable[..., list[Case]]
    bugs: tuple[Bug, ...]
    passed: str
    prepare: Callable[..., tuple[Callable, tuple]] = lambda answer: (answer, ())
    explain: Callable[..., Iterable[Verdict]] = lambda trials, answer: ()
    show: str = ""

    def __repr__(self) -> str:
        return f"the check of {self.name}: call it with your answer"

    def __call__(self, answer=...) -> Result:
        """What is right or wrong about the answer; never raises."""
        try:
            with _quiet():
                return Result(self.name, **self._found(answer))
        except Stop as stop:
            return Result(self.name, **stop.fields)
        except Exception as error:  # a mistake of ours must not look like one of the learner's
            said = f"the check itself failed: {type(error).__name__}: {error}. Please report it."
            return Result(self.name, "error", said)

    def _found(self, answer) -> dict:
        if untouched(answer):
            raise Stop("not started", _STUB)
        if not callable(answer):
            said = f"give the function itself, without brackets; this is {a(answer)}"
            raise Stop("wrong", said, bug="not-a-function")
        function, first = self.prepare(answer)
        trials = [self._tried(function, first, case) for case in self.cases(*first)]
        failing = [t for t in trials if not t.right]
        if not failing:
            return self._praise(trials)
        stage = min(t.case.stage for t in failing)
        failing = [t for t in failing if t.case.stage == stage]
        _unless_unfinished(answer, failing[0])
        compared = [t for t in failing if t.error is None]
        if not compared:
            return _raised(failing[0])
        known = [t for t in trials if t.case.stage <= stage and t.error is None]
        shown = self._example(compared[0], answer, first)
        for bug in self.bugs:
            if any(all(_is(wrong, first, t) for t in known) for wrong in bug.functions):
                found = {"status": "wrong", "bug": bug.name, "headline": bug.words, **shown}
                found["details"] = (bug.why,) if bug.why else ()
                return {**found, "where": line_to_look_at(answer, *bug.look_at)}
        return {**self._unknown(compared[0], known, answer, function, first), **shown}

    def _tried(self, function: Callable, first: tuple, case: Case) -> Trial:
        expected = parts(self.reference(*first, *_copies(case.inputs)))
        expected = tuple(x.detach() for x in expected)
        given = _copies(case.inputs)
        try:
            got = function(*given)
        except Exception as error:
            return Trial(case, expected, None, error)
        pairs = [(x, y) for x, y in zip(given, case.inputs, strict=True) if isinstance(x, Tensor)]
        changed = not all(same(x, y) for x, y in pairs)
        return Trial(case, expected, got, form=self._form(got, expected), changed=changed)

    def _form(self, got, expected: tuple) -> str:
        """What is wrong with the form of an answer, before its numbers; empty when nothing is."""
        if got is None:
            return "it returns nothing: is the return missing?"
        if len(self.parts) > 1 and (not isinstance(got, tuple | list) or len(got) != len(self.parts)):
            kind = f"{len(got)} things" if isinstance(got, tuple | list) else a(got)
            return f"it should return ({', '.join(self.parts)}); it returned {kind}"
        if len(self.parts) == 1 and isinstance(got, tuple):
            return f"it should return {self.parts[0]} alone; it returned {len(got)} things"
        for name, part, right in zip(self.parts, self._each(got), expected, strict=True):
            if not isinstance(part, Tensor):
                return f"{name} should be a tensor; it is {'nothing' if part is None else a(part)}"
            if part.layout != torch.strided:
                return f"{name} should be a plain tensor; it is a sparse one"
            if part.shape != right.shape:
                return f"{name} should have shape {tuple(right.shape)}; it has {tuple(part.shape)}"
            if (part.dtype == torch.bool) != (right.dtype == torch.bool) or part.is_complex():
                kind = "boolean" if right.dtype == torch.bool else "real numbers"
                return f"{name} should be {kind}; it is {str(part.dtype).removeprefix('torch.')}"
        return ""

    def _each(self, got) -> tuple:
        """An answer by its parts; a list in place of a single one is that one, and a wrong one."""
        return (got,) if len(self.parts) == 1 else parts(got)

    def _praise(self, trials: list[Trial]) -> dict:
        details = [self.passed]
        if any(t.changed for t in trials):
            details.append(
                "One thing to know: it writes into its arguments, so the caller's numbers change too."
            )
        return {"status": "passed", "headline": "passed", "details": tuple(details)}

    def _unknown(self, trial: Trial, known: list[Trial], answer, function: Callable, first: tuple) -> dict:
        """No known mistake: what is wrong with the form, or which property fails, and how far off it is."""
        if trial.form:
            bug = "no-return" if trial.got is None else None
            where = line_to_look_at(answer, r"\breturn\b")
            return {"status": "wrong", "bug": bug, "headline": trial.form, "where": where}
        dice = [verdict for t in known if (verdict := _repeats(function, t)) is not None]
        comparable = [t for t in known if not t.form]
        verdicts = tuple(dice[:1] or self.explain(comparable, first[0] if first else answer))
        fails = sum(not verdict for verdict in verdicts)
        name, place, off = self._furthest(trial)
        what = {0: f"{name} differ" if name.endswith("s") else f"{name} differs", 1: "a property fails"}
        headline = f"not right yet: {what.get(fails, f'{fails} properties fail')}"
        far = f"{name}[{', '.join(map(str, place))}] is " + (
            f"off by {number(off)}." if off < math.inf else "NaN or ∞."
        )
        details = () if trial.expected[0].dtype == torch.bool else (far,)
        return {"status": "wrong", "headline": headline, "details": details, "evidence": verdicts}

    def _furthest(self, trial: Trial) -> tuple[str, tuple[int, ...], float]:
        """The part that differs, the place where it differs most, and by how much."""
        name, got, expected = self._differing(trial)
        off = (got.detach().double() - expected.double()).abs().nan_to_num(math.inf)
        place = torch.unravel_index(torch.tensor(first_largest(off.flatten())), off.shape)
        return name, tuple(int(i) for i in place), float(off.max())

    def _differing(self, trial: Trial) -> tuple[str, object, Tensor]:
        """The first part that differs, with `show` before the others."""
        every = zip(self.parts, self._each(trial.got), trial.expected, strict=True)
        ordered = sorted(every, key=lambda part: part[0] != self.show)
        return next((part for part in ordered if not same(*part[1:], trial.case.near)), ordered[0])

    def _example(self, trial: Trial, answer, first: tuple) -> dict:
        """Expected and got, side by side; nothing when the answer does not even have the parts."""
        if len(self._each(trial.got)) != len(self.parts):
            return {}
        name, got, expected = self._differing(trial)
        again = getattr(answer, "__name__", "")
        lead, beside = (), trial.case.beside
        if isinstance(got, Tensor) and got.shape == expected.shape and expected[..., 0].numel() > _MOST_ROWS:
            lead = self._furthest(trial)[1][:-2]  # of a batch the one that differs most
            got, expected = got[lead], expected[lead]
            beside = tuple((what, _within(x, lead)) for what, x in beside)
        return {
            "example": f"{name}{list(lead) if lead else ''}, for {trial.case.words}",
            "beside": beside,
            "expected": expected,
            "got": got,
            "inputs": () if first else trial.case.inputs,
            "again": f"{again}(*_.inputs)" if again.isidentifier() and not first else "",
        }


def random(*shape: int, seed: int, decimals: int | None = None, dtype=torch.float32) -> Tensor:
    """Normal numbers, the same each time, that leave torch's own generator alone."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (x if decimals is None else x.round(decimals=decimals)).to(dtype)


def by_place(function: Callable) -> Callable:
    """The function, given `allowed` by its name where it has one: other arguments may stand before it."""
    if not takes(function)[1]:
        return function

    def call(*arguments):
        *inputs, allowed = arguments if len(arguments) in (2, 4) else (*arguments, None)
        return function(*inputs, allowed=allowed)

    return call


def parts(answer) -> tuple:
    """An answer as a tuple, of one part if it is a tensor."""
    return tuple(answer) if isinstance(answer, tuple | list) else (answer,)


def same(got, made, near: float = SAME) -> bool:
    """The same numbers in the same places, NaN included, whatever the precision."""
    if isinstance(made, tuple | list):
        alike = isinstance(got, tuple | list) and len(got) == len(made)
        return alike and all(same(x, y, near) for x, y in zip(got, made, strict=True))
    if not isinstance(got, Tensor) or not isinstance(made, Tensor) or got.shape != made.shape:
        return False
    if (got.dtype == torch.bool) != (made.dtype == torch.bool) or got.is_complex() or got.is_sparse:
        return False
    return torch.allclose(got.detach().double(), made.detach().double(), atol=near, rtol=near, equal_nan=True)


def stopped(error: Exception, *details: str) -> dict:
    """The fields of a Result for an answer that raised: what, on which of the learner's lines."""
    message = (str(error).strip() or "no message").split("\n")[0]
    headline = f"it stopped with {type(error).__name__}: {message}"
    return {"status": "error", "headline": headline, "details": details, "where": learners_line(error)}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No prints, which twenty calls would repeat; no warnings, which end in an error or a wrong number.

    The dice fall the same way each time, so that a result can be read twice, and torch's own are left alone.
    """
    silence = contextlib.redirect_stdout(io.StringIO())
    with silence, warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        yield


def _raised(trial: Trial) -> dict:
    if isinstance(trial.error, Stop):
        return trial.error.fields
    # a misspelt name needs no hint on shapes and masks
    about_input = isinstance(trial.error, RuntimeError | ValueError | IndexError | TypeError)
    hint = (trial.case.hint,) if trial.case.hint and about_input else ()
    return stopped(trial.error, f"It was called with {trial.case.words}.", *hint)


def _unless_unfinished(answer, trial: Trial) -> None:
    """Raise Stop if a line is still `name = ...`, which explains all that follows from it."""
    empty = [part is ... or part is None for part in parts(trial.got)]
    if (trial.error is not None or any(empty)) and (still := placeholder(answer)):
        raise Stop("not started", "not finished yet: a line is still to be written", where=still)
    if trial.got is not None and any(part is ... for part in parts(trial.got)):
        raise Stop("not started", _STUB)


def _is(wrong: Callable, first: tuple, trial: Trial) -> bool:
    """Whether the learner's answer is what this wrong version computes."""
    try:
        made = wrong(*first, *_copies(trial.case.inputs))
    except Exception:
        return False  # a wrong version need not work for every shape
    return same(trial.got, made, trial.case.near)


def _repeats(function: Callable, trial: Trial) -> Verdict | None:
    """A verdict if the function gives another answer each time, which no other evidence could explain."""
    try:
        again = function(*_copies(trial.case.inputs))
    except Exception:
        return None
    if same(parts(trial.got), parts(again), trial.case.near):
        return None
    return Verdict(
        "repeatable", False, "the same inputs give another answer each time: is dropout, or another dice, on?"
    )


def _within(x: Tensor, lead: tuple[int, ...]) -> Tensor:
    """The part of a thing shown beside an example that belongs to one of its leading places."""
    return x[tuple(0 if n == 1 else i for i, n in zip(lead, x.shape, strict=False))] if x.ndim > 2 else x


def _copies(inputs: tuple) -> tuple:
    return tuple(x.clone() if isinstance(x, Tensor) else x for x in inputs)
