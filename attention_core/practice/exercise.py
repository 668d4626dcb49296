"""How an answer is checked: compare, then name the mistake by computing the known wrong versions.

An exercise is data: a reference, cases, and a table of bugs, each with the functions that have it. One
more is one more file in `exercises/`, in which a variable of the file's name holds it.
"""

import contextlib
import functools
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from attention_core._asking import first_largest
from attention_core._calling import Failed, Part, call, copies, formed, takes
from attention_core._saying import a, in_words, number
from attention_core.agreement import SAME
from attention_core.practice.result import Example, Result, Status
from attention_core.practice.slopes import Slope, is_float, slopes
from attention_core.practice.source import CUT, cuts, line_to_look_at, placeholder, untouched
from attention_core.practice.traced import Heap, wrong_line
from attention_core.probes import Verdict

_MOST_ROWS = 8  # of an example that is shown whole
_STUB = "not started yet. Replace the ... above, run that cell, then this one."
_SENTENCES = {  # by `Failed.what`; "it" is the exercise's name, which stands before
    "raised": "it stopped with {kind}: {message}",
    "too long": "it was ended after {seconds:g} seconds: is there a loop that never ends?",
    "nothing": "it returns nothing: is the return missing?",
    "empty part": "{part} is still empty",
    "not parts": "it should return ({parts}); it returned {returned}",
    "not alone": "it should return {part} alone; it returned {returned}",
}
_FORMS = {"not a tensor": "not-a-tensor"}  # names of what is wrong with a form, by `Failed.what`
_CALLED_WITH = "It was called with {words}."
_PRINTED = "Lines that it printed, which are not shown here: {n}. Call it yourself to read them."
_WRITES = "One thing to know: it writes into its arguments, so the caller's numbers change too."
_DIFFERS = "not right yet: {part} differs"
_DIFFER = "not right yet: {part} differ"
_PROPERTY = "not right yet: a property fails"
_PROPERTIES = "not right yet: {n} properties fail"
_ASKED = "It was asked for {words}."
_OFF = "{part}[{place}] is off by {off}."
_NO_NUMBER = "{part}[{place}] is NaN or ∞."
_NO_SLOPE = "the numbers are right, but nothing can learn through them: the gradient of {name} is 0"
_SLOPE = "the numbers are right, the gradient is not: that of {name} is off by {off}"
_NO_SLOPE_AT_ALL = "the numbers are right, the gradient is not: that of {name} is NaN or ∞"
_NO_WAY_BACK = "One thing to know: it writes over numbers that torch needs for a gradient, so nothing learns."
_NOT_TO_LEARN = "One thing to know: where its inputs are to learn, it stops or takes too long."
_NARROWED = "the numbers are right as far as they go, but {got} holds fewer digits than what was given"
_NARROWS = (r"float32|\.float\(\)|dtype", r"zeros|empty|ones|full")
_NOTHING_LEARNS = "One thing to know: its numbers leave torch on the way, so nothing can learn through it."
_ALONE = "give the function alone: the check calls it with inputs of its own"
_CLASS = "give a function; this is the class {name}. Of a module, give one that is made"
_DICE = "the same inputs give another answer each time: is dropout, or another dice, on?"


@dataclass(frozen=True)
class Bug:
    """A known mistake: its short name, what the answer then is, and the functions that make it.

    words: completes the sentence of a result. why: what goes wrong because of it, or "". look_at: patterns
    for the learner's line, the best first. functions: variants, each taking what the reference takes. sure:
    patterns of lines that make this mistake and no other, as a loop that ends too early does; tried first.
    near: how far apart two who make it may be, where it makes rounding visible.
    """

    name: str
    words: str
    why: str
    look_at: tuple[str, ...]
    functions: tuple[Callable, ...]
    sure: tuple[str, ...] = ()
    near: float = SAME


@dataclass(frozen=True)
class Case:
    """Inputs to try, and what they are in words.

    stage: mistakes at an early stage are named before later ones are looked at, so that two mistakes at
    two stages are told one after the other. Within a stage the smallest case comes first. hint: said when
    the answer raises here. beside: what to show next to expected and got, as (name, tensor). near: how far
    apart two right answers in float32 may be. repeat: what the learner would call the answer with, where that
    is not `inputs`.
    """

    words: str
    inputs: tuple
    stage: int = 0
    hint: str = ""
    beside: tuple[tuple[str, Tensor], ...] = ()
    near: float = SAME
    repeat: Callable[[], tuple] | None = None


class Stop(Failed):
    """The answer cannot be compared yet: what its Result says. The headline has slots, which data fill."""

    def __init__(
        self,
        status: Status,
        headline: str,
        *,
        bug: str | None = None,
        details: tuple[str, ...] = (),
        where: tuple[int, str] | None = None,
        **data,
    ):
        super().__init__("stop", where=where, **data)
        self.status, self.headline, self.bug, self.details = status, headline, bug, details

    def result(self, exercise: str) -> Result:
        headline = self.headline.format(**self.data)
        return Result(exercise, self.status, headline, self.bug, self.details, where=self.where)


Subject = tuple[Callable, tuple]  # the function to call, and what cases, reference and bugs get first


@dataclass(frozen=True)
class Trial:
    """One case, what should come out, and what came out: an answer, or failed, where the call gave none.

    subject: what was called, and the arguments that reference and bugs get first. form: what is wrong with
    the answer's form. changed, printed: as in `Called`.
    """

    subject: Subject
    case: Case
    expected: tuple[Tensor, ...]
    got: object = None
    failed: Failed | None = None
    form: Failed | None = None
    changed: bool = False
    printed: int = 0

    @property
    def right(self) -> bool:
        unhurt = self.failed is None and self.form is None
        return unhurt and same(parts(self.got), self.expected, self.case.near)

    @property
    def narrowed(self) -> bool:
        """Whether what came out has fewer digits than what came in, or than float32."""
        wanted = max([1.0, *map(coarser, filter(is_float, self.case.inputs))])
        if any(isinstance(x, Tensor) and x.dtype == torch.float64 for x in self.case.inputs):
            wanted = coarser(torch.empty(0, dtype=torch.float64))
        return any(is_float(x) and coarser(x) > wanted for x in parts(self.got))


@dataclass(repr=False)
class Exercise:
    """A check: call it with the learner's answer, and it says what it found.

    name: shown to the learner. parts: what the answer returns, by name. reference: the right function.
    cases: a function that makes them, of what `prepare` gives. bugs: the known mistakes. passed: what was
    checked, in a sentence. prepare: turns the answer into subjects, each of which is tried with cases of its
    own, as a module of several sizes is; may raise Stop. explain: `(trials, function or module)` to verdicts,
    asked when no known mistake fits; the trials are those up to the first wrong stage. show: the part to show
    first. of_module: whether the answer is a module, or its class. learns: the last stage in whose cases
    gradients are compared, too; -1 for none.

    inputs: what the last example was called with; they stay until the next, so that it can be repeated.
    known_as: the name by which `check` has it.
    """

    name: str
    parts: tuple[str, ...]
    reference: Callable
    cases: Callable[..., list[Case]]
    bugs: tuple[Bug, ...]
    passed: str
    prepare: Callable[..., list[Subject]] = lambda answer: [(answer, ())]
    explain: Callable[..., Iterable[Verdict]] = lambda trials, answer: ()
    show: str = ""
    learns: int = -1
    of_module: bool = False
    known_as: str = field(default="", init=False)
    inputs: tuple = field(default=(), init=False)
    _known: dict = field(default_factory=dict, init=False)  # what ours say to a case, by its words

    def __repr__(self) -> str:
        return f"the check of {self.name}: call it with your answer"

    def __call__(self, answer=..., *more, **named) -> Result:
        """What is right or wrong about the answer, which is given alone; never raises."""
        try:
            if more or named:
                raise Stop("wrong", _ALONE, bug="not-alone")
            with _quiet():
                return self._judged(answer)
        except Stop as stop:
            return stop.result(self.name)
        except Exception as error:  # a mistake of ours must not look like one of the learner's
            said = f"the check itself failed: {type(error).__name__}: {error}. Please report it."
            return Result(self.name, "error", said)

    def _judged(self, answer) -> Result:
        if untouched(answer):
            raise Stop("not started", _STUB)
        if not callable(answer):
            said = "give the function itself, without brackets; this is {thing}"
            raise Stop("wrong", said, bug="not-a-function", thing=a(answer))
        if isinstance(answer, type) and not self.of_module:
            raise Stop("wrong", _CLASS, bug="not-a-function", name=answer.__name__)
        trials = [trial for subject in self.prepare(answer) for trial in self._trials(subject)]
        result = self._found(trials, answer)
        printed = sum(t.printed for t in trials)
        said = (_PRINTED.format(n=printed),) if printed else ()
        return replace(result, details=(*result.details, *said))

    def _found(self, trials: list[Trial], answer) -> Result:
        failing = [t for t in trials if not t.right]
        if not failing:
            return self._beyond_the_numbers(trials, answer)
        stage = min(t.case.stage for t in failing)
        failing = [t for t in failing if t.case.stage == stage]
        _unless_unfinished(answer, failing[0])
        compared = [t for t in failing if t.failed is None]
        if not compared:
            raise _stop(failing[0])
        known = [t for t in trials if t.case.stage <= stage and t.failed is None]
        example = self._example(compared[0], answer)
        for bug in self.bugs:
            for wrong in bug.functions:
                if all(self._is(wrong, t, bug.near) for t in known):
                    why = (bug.why,) if bug.why else ()
                    where = self._where(compared[0], answer, bug, wrong)
                    return Result(self.name, "wrong", bug.words, bug.name, why, example=example, where=where)
        return replace(self._unknown(compared[0], known, answer), example=example)

    def _is(self, wrong: Callable, trial: Trial, near: float) -> bool:
        """Whether the learner's answer is what this wrong version computes."""
        first, case = trial.subject[1], trial.case
        made = self._known.get((wrong, case.words)) if not first else None  # the same for every answer
        if made is None:
            try:
                made = wrong(*first, *copies(case.inputs))
            except Exception:  # a wrong version need not work for every shape
                made = ...
            if not first:
                self._known[wrong, case.words] = made
        return made is not ... and same(trial.got, made, max(near, case.near))

    def _where(self, trial: Trial, answer, bug: Bug, wrong: Callable) -> tuple[int, str] | None:
        """The learner's line to look at; none where what is wrong is that a line is missing."""
        if not bug.look_at:
            return None
        if sure := line_to_look_at(answer, *bug.sure):
            return sure
        (function, first), case = trial.subject, trial.case
        alike = functools.partial(same_as_one, near=max(bug.near, case.near))
        made = wrong_line(answer, function, self.reference, wrong, first, case.inputs, alike)
        return made or line_to_look_at(answer, *bug.look_at)

    def _beyond_the_numbers(self, trials: list[Trial], answer) -> Result:
        """What is said of an answer whose numbers are right: can it be learnt through, and is it exact?"""
        known = [_WRITES] if any(t.changed for t in trials) else []
        for trial in trials:
            asked = _ASKED.format(words=trial.case.words)
            if trial.narrowed:
                where = line_to_look_at(answer, *_NARROWS)
                dtypes = (str(x.dtype).removeprefix("torch.") for x in parts(trial.got) if is_float(x))
                said = _NARROWED.format(got=min(dtypes))  # float16 before float32
                return Result(self.name, "wrong", said, "loses-digits", (asked,), where=where)
            try:
                wrong = None if trial.case.stage > self.learns else self._wrong_slope(trial)
            except Failed as failed:
                known.append(_NO_WAY_BACK if failed.what == "no way back" else _NOT_TO_LEARN)
                break
            if wrong and not wrong.nothing:
                told = _SLOPE if math.isfinite(wrong.off) else _NO_SLOPE_AT_ALL
                said = told.format(name=wrong.name, off=number(wrong.off))
                where = line_to_look_at(answer, CUT) if cuts(answer) else None
                return Result(self.name, "wrong", said, "wrong-gradient", (asked,), where=where)
            if wrong and cuts(answer):
                said, where = _NO_SLOPE.format(name=wrong.name), line_to_look_at(answer, CUT)
                return Result(self.name, "wrong", said, "no-gradient", (asked,), where=where)
            if wrong:  # a loop over plain numbers is a right answer, too
                known.append(_NOTHING_LEARNS)
                break
        return Result(self.name, "passed", "passed", details=(self.passed, *known))

    def _wrong_slope(self, trial: Trial) -> Slope | None:
        every = slopes(*trial.subject, self.reference, trial.case.inputs)
        return next((slope for slope in every if not slope.right), None)

    def _trials(self, subject: Subject) -> list[Trial]:
        trials = []
        for case in self.cases(*subject[1]):
            trials.append(self._tried(subject, case))
            if trials[-1].failed and trials[-1].failed.what == "too long":
                break  # the other cases would last as long
        return trials

    def _tried(self, subject: Subject, case: Case) -> Trial:
        function, first = subject
        expected = self._expected(first, case)
        try:
            called = call(function, *case.inputs)
        except Failed as failed:
            return Trial(subject, case, expected, failed=failed)
        shapes = zip(self.parts, expected, strict=True)
        answered = {"changed": called.changed, "printed": called.printed}
        trial = Trial(subject, case, expected, called.answer, **answered)
        try:
            formed(called.answer, *(Part(name, tuple(x.shape), x.dtype == torch.bool) for name, x in shapes))
        except Failed as form:
            return replace(trial, form=form)
        return trial

    def _expected(self, first: tuple, case: Case) -> tuple[Tensor, ...]:
        """What ours answers to a case, by its parts; made once, where it is the same for every answer.

        The dice lie as if it had been made now: where ours throws them, it begins with a seed of its own.
        """
        made = self._known.get((self.reference, case.words)) if not first else None
        if made is None:
            before = torch.get_rng_state()
            answer = tuple(x.detach() for x in parts(self.reference(*first, *copies(case.inputs))))
            after = torch.get_rng_state()
            made = answer, None if torch.equal(before, after) else after
            if not first:
                self._known[self.reference, case.words] = made
        answer, dice = made
        if dice is not None:
            torch.set_rng_state(dice)
        return copies(answer)

    def _each(self, got) -> tuple:
        """An answer by its parts; a list in place of a single one is that one, and a wrong one."""
        return (got,) if len(self.parts) == 1 else parts(got)

    def _unknown(self, trial: Trial, known: list[Trial], answer) -> Result:
        """No known mistake: what is wrong with the form, or which property fails, and how far off it is."""
        if trial.form:
            bug = "no-return" if trial.got is None else _FORMS.get(trial.form.what)
            where = line_to_look_at(answer, r"\breturn\b")
            return Result(self.name, "wrong", in_words(trial.form, _SENTENCES), bug, where=where)
        dice = [verdict for t in known if (verdict := _repeats(t)) is not None]
        comparable, first = [t for t in known if not t.form], trial.subject[1]
        verdicts = tuple(dice[:1] or self.explain(comparable, first[0] if first else answer))
        fails = sum(not verdict for verdict in verdicts)
        part, place, off = self._furthest(trial)
        differs = _DIFFER if part.endswith("s") else _DIFFERS
        headline = {0: differs, 1: _PROPERTY}.get(fails, _PROPERTIES).format(part=part, n=fails)
        where = ", ".join(map(str, place))
        far = (_OFF if off < math.inf else _NO_NUMBER).format(part=part, place=where, off=number(off))
        details = () if trial.expected[0].dtype == torch.bool else (far,)
        bug = "not-repeatable" if dice else None
        return Result(self.name, "wrong", headline, bug, details, verdicts)

    def _furthest(self, trial: Trial) -> tuple[str, tuple[int, ...], float]:
        """The part that differs, the place where it differs most, and by how much."""
        name, got, expected = self._differing(trial)
        off = (got.detach().double() - expected.double()).abs().nan_to_num(math.inf, math.inf)
        place = torch.unravel_index(torch.tensor(first_largest(off.flatten())), off.shape)
        return name, tuple(int(i) for i in place), float(off.max())

    def _differing(self, trial: Trial) -> tuple[str, object, Tensor]:
        """The first part that differs, with `show` before the others."""
        every = zip(self.parts, self._each(trial.got), trial.expected, strict=True)
        ordered = sorted(every, key=lambda part: part[0] != self.show)
        return next((part for part in ordered if not same(*part[1:], trial.case.near)), ordered[0])

    def _example(self, trial: Trial, answer) -> Example | None:
        """Expected and got, side by side; nothing when the answer does not even have the parts."""
        if len(self._each(trial.got)) != len(self.parts):
            return None
        name, got, expected = self._differing(trial)
        lead, beside = (), trial.case.beside
        if isinstance(got, Tensor) and got.shape == expected.shape and expected[..., 0].numel() > _MOST_ROWS:
            lead = self._furthest(trial)[1][:-2]  # of a batch the one that differs most
            got, expected = got[lead], expected[lead]
            beside = tuple((what, _within(x, lead)) for what, x in beside)
        words = f"{name}{list(lead) if lead else ''}, for {trial.case.words}"
        if isinstance(trial.subject[0], nn.Module) or isinstance(answer, type | nn.Module):
            return Example(words, expected, got, beside)  # its parameters were ours
        self.inputs = trial.case.repeat() if trial.case.repeat else trial.case.inputs
        callee = getattr(answer, "__name__", "")
        known = self.known_as and callee.isidentifier()
        again = f"{callee}(*check.{self.known_as}.inputs)" if known else ""
        return Example(words, expected, got, beside, self.inputs, again)


def random(*shape: int, seed: int, decimals: int | None = None, dtype=torch.float32) -> Tensor:
    """Normal numbers, the same each time, that leave torch's own generator alone."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (x if decimals is None else x.round(decimals=decimals)).to(dtype)


def by_place(function: Callable, with_mask: tuple[int, ...] = (2, 4)) -> Callable:
    """The function, given `allowed` by its name where it has one: other arguments may stand before it.

    with_mask: of how many arguments the last is a mask.
    """
    if not takes(function)[1]:
        return function

    def call(*arguments):
        *inputs, allowed = arguments if len(arguments) in with_mask else (*arguments, None)
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
    if not isinstance(got, Tensor) or not isinstance(made, Tensor) or not _comparable(got, made):
        return False
    near *= max(1.0, coarser(got), coarser(made))
    return torch.allclose(got.detach().double(), made.detach().double(), atol=near, rtol=near, equal_nan=True)


def same_as_one(got: Tensor, made: Heap, near: float = SAME) -> bool:
    """Whether it is the `same` as one of many."""
    for one, every in made.of(got.shape):
        if _comparable(got, one):
            off = near * max(1.0, coarser(got), coarser(one))
            alike = torch.isclose(got.detach().double(), every, atol=off, rtol=off, equal_nan=True)
            if alike.reshape(len(every), -1).all(-1).any():
                return True
    return False


def _comparable(got: Tensor, made: Tensor) -> bool:
    of_a_kind = (got.dtype == torch.bool) == (made.dtype == torch.bool)
    return got.shape == made.shape and of_a_kind and not got.is_complex() and not got.is_sparse


def coarser(x: Tensor) -> float:
    """How many times as far apart as in float32 two right answers of this dtype may be."""
    return torch.finfo(x.dtype).eps / torch.finfo(torch.float32).eps if is_float(x) else 0.0


def unmade(failed: Failed, *details: str) -> Stop:
    """What is said of an answer that raised, or lasted too long: on which of the learner's lines."""
    if isinstance(failed, Stop):
        return failed
    said = in_words(failed, _SENTENCES)
    return Stop("error", "{said}", details=details, where=failed.where, said=said)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No warnings, which end in an error or a wrong number; float32 unless a dtype is given, as in the cases.

    The dice fall the same way each time, so that a result can be read twice, and torch's own are left alone.
    """
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


def _stop(trial: Trial) -> Stop:
    """What is said of a call that gave no answer."""
    # a misspelt name needs no hint on shapes and masks
    about_input = isinstance(trial.failed.error, RuntimeError | ValueError | IndexError | TypeError)
    hint = (trial.case.hint,) if trial.case.hint and about_input else ()
    return unmade(trial.failed, _CALLED_WITH.format(words=trial.case.words), *hint)


def _unless_unfinished(answer, trial: Trial) -> None:
    """Raise Stop if a line is still `name = ...`, which explains all that follows from it."""
    empty = [part is ... or part is None for part in parts(trial.got)]
    if (trial.failed is not None or any(empty)) and (still := placeholder(answer)):
        raise Stop("not started", "not finished yet: a line is still to be written", where=still)
    if trial.got is not None and any(part is ... for part in parts(trial.got)):
        raise Stop("not started", _STUB)


def _repeats(trial: Trial) -> Verdict | None:
    """A verdict if the function gives another answer each time, which no other evidence could explain."""
    try:
        again = call(trial.subject[0], *trial.case.inputs).answer
    except Failed:
        return None
    alike = same(parts(trial.got), parts(again), trial.case.near)
    return None if alike else Verdict("repeatable", False, _DICE)


def _within(x: Tensor, lead: tuple[int, ...]) -> Tensor:
    """The part of a thing shown beside an example that belongs to one of its leading places."""
    return x[tuple(0 if n == 1 else i for i, n in zip(lead, x.shape, strict=False))] if x.ndim > 2 else x
