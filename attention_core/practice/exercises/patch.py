"""Activation patching of one stage: which word's vector brings the clean answer back."""

import functools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attention_core._calling import Failed, call
from attention_core._checks import shape
from attention_core._saying import number
from attention_core.practice.exercise import Bug, Case, Exercise, Subject, Trial, random, same
from attention_core.practice.exercises.training_step import fits
from attention_core.practice.recipes import bugs, slip
from attention_core.probes import Verdict

_PUT = (r"\]\s*=|where|clone|cat\(|fill|copy", r"rest\(")
_COMPARE = (r"/", r"-\s*\w+", r"\breturn\b")
_RETURN = (r"\breturn\b",)
_LONGEST = 8  # words, beyond those of any case


class _Rest:
    """What is left of a model: each word counts, by its place: `(..., n, dim)` → `(...)`."""

    def __init__(self, dim: int, seed: int):
        self.places = random(_LONGEST, 1, seed=seed)
        self.into, self.out = random(dim, 6, seed=seed + 1) / 2, random(6, seed=seed + 2)

    def __call__(self, vectors: Tensor) -> Tensor:
        dim = len(self.into)
        if vectors.ndim < 2 or vectors.shape[-1] != dim:
            raise ValueError(f"vectors must have shape (..., n, {dim}), got {shape(vectors)}")
        return ((vectors * self.places[: vectors.shape[-2]]).sum(-2) @ self.into).tanh() @ self.out


def _each(n: int) -> Tensor:
    """Which word each of n runs is about, `(n, n, 1)`."""
    return torch.eye(n, dtype=torch.bool)[..., None]


def _put(clean: Tensor, corrupted: Tensor) -> Tensor:
    return torch.where(_each(len(clean)), clean, corrupted)


def _back(each: Tensor, good: Tensor, bad: Tensor) -> Tensor:
    return (each - bad) / (good - bad)


def _patch(
    clean: Tensor,
    corrupted: Tensor,
    rest: Callable,
    *,
    put: Callable = _put,
    compare: Callable = _back,
    finish: Callable = lambda made: made,
) -> Tensor:
    """How much comes back, each step of which can be exchanged for a wrong one.

    put: of clean and corrupted, the vectors of each run, `(n, n, dim)`. compare: of what each run answers,
    the clean one and the corrupted one.
    """
    runs = put(clean, corrupted)
    _rows = (*runs,)  # as a loop leaves them
    return finish(compare(rest(runs), rest(clean), rest(corrupted)))


def _right(clean: Tensor, corrupted: Tensor, rest: Callable) -> Tensor:
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    n = len(clean)
    patched, good, bad = _put(clean, corrupted), rest(clean), rest(corrupted)
    _begun = clean.clone(), corrupted.clone(), clean[None].clone(), corrupted[None].clone()
    _vectors = *patched, *patched[:, None], *clean, *corrupted, clean - corrupted
    _masks = _each(n), torch.eye(n), torch.arange(n), torch.zeros(n), *torch.eye(n), ~_each(n)
    each = rest(patched)
    _runs = *each, each - bad, good - bad, *(each - bad), torch.stack((good, bad))
    effect = _back(each, good, bad)
    _first = *(torch.where(torch.arange(n) <= i, effect, 0) for i in range(n)), *effect
    return effect


def _cases() -> list[Case]:
    hint = "clean and corrupted are (n, dim); rest(vectors) takes (n, dim), or (batch, n, dim) for a batch."
    made = []
    for i, (n, dim) in enumerate(((2, 3), (3, 2), (4, 4), (5, 3), (3, 5), (1, 4))):
        words = f"{n} word{'s' * (n > 1)} of {dim} features"
        clean, corrupted = (random(n, dim, seed=900 + 10 * i + j, decimals=1) for j in range(2))
        beside = (("clean", clean), ("corrupted", corrupted))
        made.append(
            Case(
                words, (clean, corrupted, _Rest(dim, 902 + 10 * i + 6 * (n == 1))), int(n == 1), hint, beside
            )
        )
    return made


# --- what goes wrong ----------------------------------------------------------------------------------------


def _puts(*masks: Callable, turned: bool = False) -> tuple[dict, ...]:
    """masks: of n, where each run has the clean vectors; turned: has the corrupted ones."""

    def put(clean: Tensor, corrupted: Tensor, mask: Callable) -> Tensor:
        there, elsewhere = (corrupted, clean) if turned else (clean, corrupted)
        return torch.where(mask(len(clean)), there, elsewhere)

    return tuple({"put": lambda clean, corrupted, m=mask: put(clean, corrupted, m)} for mask in masks)


def _becomes(*ways: Callable) -> tuple[dict, ...]:
    """ways: of clean and corrupted, what each word's vector becomes."""

    def put(clean: Tensor, corrupted: Tensor, way: Callable) -> Tensor:
        return torch.where(_each(len(clean)), way(clean, corrupted), corrupted)

    return tuple({"put": lambda clean, corrupted, w=way: put(clean, corrupted, w)} for way in ways)


def _compares(*ways: Callable) -> tuple[dict, ...]:
    return tuple({"compare": way} for way in ways)


def _finishes(*ways: Callable) -> tuple[dict, ...]:
    return tuple({"finish": way} for way in ways)


def _up_to(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool).tril()[..., None]


def _from(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool).triu()[..., None]


def _features(clean: Tensor, corrupted: Tensor) -> Tensor:
    """One feature of all words, as many as there are words: there must be as many features."""
    if clean.shape[0] > clean.shape[1]:
        raise IndexError("there are fewer features than words")
    each = torch.eye(len(clean), clean.shape[1], dtype=torch.bool)[:, None]  # (n, 1, dim)
    return torch.where(each, clean, corrupted)


def _missing(each: Tensor, good: Tensor, bad: Tensor) -> Tensor:
    return (good - each) / (good - bad)


# fmt: off
_SLIPS = (
    slip("stays-patched",
         "what was put in before is still there; each run begins with the corrupted vectors alone",
         (r"=\s*corrupted\b(?!\.clone)|corrupted\[.*=|clone", *_PUT), *_puts(_up_to, _from),
         {"put": lambda clean, corrupted: torch.where(_up_to(len(clean)), clean, corrupted),
          "compare": lambda each, good, bad: (each - torch.cat((bad[None], each[:-1]))) / (good - bad)},
         why="patched = corrupted is another name, not a copy: corrupted.clone(), inside the loop.",
         sure=(r"=\s*corrupted(\[\w+\])?$",)),
    slip("clean-written-into",
         "the clean vectors are written into, and stay so: put each of them into a copy of corrupted",
         (r"=\s*clean\b(?!\.clone)|clean\[.*=", *_PUT), *_puts(_up_to, _from, turned=True),
         why="patched = clean is another name, not a copy.", sure=(r"=\s*clean$",)),
    slip("wrong-direction",
         "a corrupted vector is put into the clean run; put the clean one into the corrupted run",
         (r"=\s*clean\.clone", *_PUT), *_puts(_each, turned=True),
         why="What brings the answer back is enough for it; what takes it away was needed.",
         sure=(r"=\s*clean\.clone",)),
    slip("no-effect",
         "nothing comes back, as if no clean vector were put in",
         _PUT, *_puts(lambda n: _each(n) & False),
         why="rest must be called with the patched copy, and the copy be written into."),
    slip("all-patched", "all comes back each time, as if all clean vectors were put in; put in one",
         _PUT, *_puts(lambda n: _each(n) | True), rare=True),
    slip("feature-for-word", "a feature of all words is patched; patch a word, with all its features",
         (r"\[:, ?\w+\]|\[\.\.\., ?\w+\]", *_PUT), {"put": _features},
         why="Vectors are (n, dim): patched[i] = clean[i]."),
    slip("one-feature-patched", "only one feature of the word is put in; all should be",
         _PUT, {"put": lambda clean, corrupted: torch.where(
             _each(len(clean)) & (torch.arange(clean.shape[1]) == 0), clean, corrupted)}, rare=True),
    slip("other-word", "another word is patched than the one whose number it is, or by another one's vector",
         _PUT, *_puts(lambda n: _each(n).roll(1, 0), lambda n: _each(n).roll(-1, 0),
                      lambda n: _each(n).flip(0)),
         *_becomes(lambda clean, corrupted: clean.roll(1, 0), lambda clean, corrupted: clean.roll(-1, 0),
                   lambda clean, corrupted: clean[:1], lambda clean, corrupted: clean[-1:]), rare=True),
    slip("zeroed", "the word's vector becomes 0; put the clean one there",
         (r"=\s*0", *_PUT), *_becomes(lambda clean, corrupted: 0 * clean),
         why="A vector of 0 is one that the model has never seen."),
    slip("added", "the clean vector is added to the corrupted one, or mixed with it; it should replace it",
         (r"\+=?|-=?|/ ?2|mean", *_PUT), *_becomes(
             lambda clean, corrupted: corrupted + clean, lambda clean, corrupted: (corrupted + clean) / 2,
             lambda clean, corrupted: clean - corrupted, lambda clean, corrupted: corrupted - clean,
             lambda clean, corrupted: clean * corrupted),
         why="That is: patched[i] = clean[i]."),
    slip("mean-put-in", "a mean is put in; each word gets its own clean vector",
         (r"mean", *_PUT), *_becomes(lambda clean, corrupted: clean.mean(0, keepdim=True),
                           lambda clean, corrupted: corrupted.mean(0, keepdim=True)), rare=True),
    slip("what-is-missing", "this is what is still missing; say what comes back: 1 where all of it does",
         _COMPARE, *_compares(_missing, lambda each, good, bad: (bad - each) / (bad - good) * -1 + 1),
         why="That is: (patched − corrupted) / (clean − corrupted)."),
    slip("sign-turned", "its sign is turned; where all comes back it should be 1, not −1",
         _COMPARE, *_compares(lambda each, good, bad: (each - bad) / (bad - good))),
    slip("not-normalised", "it is not divided by what there is to bring back, clean minus corrupted",
         _COMPARE, *_compares(lambda each, good, bad: each - bad, lambda each, good, bad: good - each,
                              lambda each, good, bad: bad - each, lambda each, good, bad: each - good)),
    slip("divided-by-another",
         "it is divided by another number; divide by what there is to bring back, clean minus corrupted",
         _COMPARE, *_compares(
             lambda each, good, bad: (each - bad) / good, lambda each, good, bad: (each - bad) / bad,
             lambda each, good, bad: (each - bad) / (good + bad), lambda each, good, bad: (each - bad) / each,
             lambda each, good, bad: (each - bad) / (good - each),
             lambda each, good, bad: (each - bad) / (good - bad).abs(),
             lambda each, good, bad: (each - bad) / good.abs(),
             lambda each, good, bad: (each - bad) / bad.abs())),
    slip("brackets-missing", "brackets are missing: division comes before minus",
         _COMPARE, *_compares(lambda each, good, bad: each - bad / good - bad,
                              lambda each, good, bad: (each - bad) / good - bad,
                              lambda each, good, bad: each - bad / (good - bad)),
         why="That is: (patched - bad) / (good - bad)."),
    slip("corrupted-not-subtracted", "what the corrupted run answers already does not come back: subtract it",
         _COMPARE, *_compares(lambda each, good, bad: each / good, lambda each, good, bad: each / bad,
                              lambda each, good, bad: each / (good - bad))),
    slip("answers-of-runs", "this is what each run answers; say how much of the clean answer comes back",
         _COMPARE, *_compares(lambda each, good, bad: each), rare=True),
    slip("nearness", "this says how near the answer is, whatever the side; it can be below 0, or above 1",
         (r"abs|\*\*|square", *_COMPARE), *_compares(
             lambda each, good, bad: 1 - ((each - good) / (bad - good)).abs(),
             lambda each, good, bad: (each - good).abs() / (bad - good).abs(),
             lambda each, good, bad: (each - good).abs(),
             lambda each, good, bad: (each - bad).abs()), rare=True),
    slip("sign-lost", "its sign is lost, or cut off; below 0, a vector makes the answer even worse",
         (r"abs|clamp|clip|relu|\*\*|square", *_COMPARE), *_finishes(
             lambda made: made.abs(), lambda made: made.clamp(min=0), lambda made: made.clamp(0, 1),
             lambda made: made.clamp(max=1), lambda made: made.square())),
    slip("shares", "effects are made to sum to 1, or brought to another size; they need not",
         (r"softmax|sum\(|max\(", *_COMPARE), *_finishes(
             lambda made: made / made.sum(), lambda made: made / made.abs().sum(),
             lambda made: made / made.max(), lambda made: made / made.abs().max(),
             lambda made: made.softmax(0), lambda made: made / len(made),
             lambda made: made.clamp(min=0) / made.clamp(min=0).sum(), lambda made: made / made.norm(),
             lambda made: (made - made.min()) / (made.max() - made.min()), lambda made: made - made.mean()),
         why="Two words may each bring all of it back, or only both together.", rare=True),
    slip("a-word-left-out", "a word is never patched, the first or the last; the loop should reach all",
         (r"range\(", *_PUT), *_finishes(
             lambda made: made * (torch.arange(len(made)) < len(made) - 1),
             lambda made: made * (torch.arange(len(made)) > 0), lambda made: made[:-1],
             lambda made: made[1:]), rare=True),
    slip("one-number", "one number comes out; each word has an effect of its own",
         (r"mean|sum|max", *_RETURN), *_finishes(
             lambda made: made.mean(), lambda made: made.sum(), lambda made: made.max(),
             lambda made: made.argmax(), lambda made: made[-1], lambda made: made[0]), rare=True),
    slip("axis-left", "an axis of size 1 is left; it should be (n,)",
         _RETURN, *_finishes(lambda made: made[:, None], lambda made: made[None]), rare=True),
)
# fmt: on


def _asked_again(
    clean: Tensor, corrupted: Tensor, rest: Callable, *, into: int = 1, before: bool = False
) -> Tensor:
    """Patched in place, into clean (0) or corrupted (1); both are asked for each word, before or after."""
    both = clean.clone(), corrupted.clone()
    made = torch.zeros(len(clean))
    for i in range(len(clean)):
        asked = [rest(x) for x in both]
        both[into][i] = both[1 - into][i]
        good, bad = asked if before else (rest(x) for x in both)
        made[i] = (rest(both[into]) - bad) / (good - bad)
    return made


_ASKED_AGAIN = Bug(
    "asked-again",
    "it writes into clean or corrupted, and then asks for their answers, which are others by then",
    "Ask rest(clean) and rest(corrupted) once, before the loop, and patch a copy: corrupted.clone().",
    (r"=\s*(clean|corrupted)$|(clean|corrupted)\[.*=", *_PUT),
    tuple(
        functools.partial(_asked_again, into=into, before=before)
        for into in (0, 1)
        for before in (False, True)
    ),
    (r"=\s*(clean|corrupted)$|(clean|corrupted)\[.*=",),
)


def _patching(answer) -> list[Subject]:
    return [(fits(answer, "clean", "corrupted", "rest"), ())]


def _about(trials: list[Trial], answer) -> Iterator[Verdict]:
    """Is each word's clean vector put in alone; does all come back where all that differs is put in."""
    wrong = next(t for t in trials if not t.right)
    if wrong.changed:
        yield Verdict("given as it was", False, "it writes into clean or corrupted, which the caller gave")
    clean, corrupted, rest = wrong.case.inputs
    seen: list[Tensor] = []

    def noted(vectors: Tensor) -> Tensor:
        seen.extend(vectors.detach().clone().reshape(-1, *vectors.shape[-2:]))
        return rest(vectors)

    nearly = torch.cat((clean[:1], corrupted[1:]))  # word 0 is all that differs from corrupted
    try:
        call(answer, clean, corrupted, noted)
        made = call(answer, nearly, corrupted, rest).answer
    except Failed:
        return
    runs = _put(clean, corrupted)
    never = [i for i in range(len(clean)) if not any(same(x, runs[i]) for x in seen)]
    if never:
        said = "the corrupted vectors with the clean one of word {i} alone never go through rest"
        yield Verdict("each word alone", False, said.format(i=never[0]))
    if isinstance(made, Tensor) and made.shape == (len(clean),):
        wanted = (torch.arange(len(clean)) == 0).float()
        if not same(made, wanted):
            i = int((made - wanted).abs().nan_to_num(torch.inf).argmax())
            said = "where word 0 alone differs, word {i} brings {right} of the answer back; this says {got}"
            numbers = {"right": number(wanted[i]), "got": number(made[i])}
            yield Verdict("all that differs", False, said.format(i=i, **numbers))


patch = Exercise(
    "activation patching",
    ("effect",),
    _right,
    _cases,
    (*bugs(_SLIPS, _patch), _ASKED_AGAIN),
    "Checked: 1 to 5 words of 2 to 5 features, effects below 0 and above 1.",
    prepare=_patching,
    explain=_about,
)
