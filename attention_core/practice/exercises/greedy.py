"""Writing a sentence: the likeliest token, again and again, each read before the next."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from attention_core._calling import takes
from attention_core._checks import check_allowed, check_tokens
from attention_core.masks import padding_mask
from attention_core.practice import recipes
from attention_core.practice.exercise import Bug, Case, Exercise, Stop, Subject, Trial, is_float, random, same
from attention_core.practice.exercises.training_step import fits
from attention_core.practice.recipes import Raised
from attention_core.practice.result import Result
from attention_core.practice.source import line_to_look_at
from attention_core.probes import Verdict

_STATES = 997  # of a model: what it has read, as a number
_MOST = 60  # times that a model is asked for one batch, more than any case has steps
_NAMES = ("model", "source", "start", "end", "steps", "allowed")

# --- the models ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ask:
    """What a model was asked."""

    source: Tensor
    target: Tensor
    allowed: Tensor | None
    graph: bool


class _Endless(Exception):
    """The model is asked again and again."""


class _Table(nn.Module):
    """What it says next stands in a table, by the source, as far as it may be seen, and all that was read."""

    def __init__(self, seed: int, vocabulary: int = 8):
        super().__init__()
        self.table = nn.Parameter(random(_STATES, vocabulary, seed=seed))
        self.asked: list[_Ask] | None = None  # is kept while an answer is tried

    def forward(
        self, source: Tensor, target: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True
    ):
        self._note(source, target, allowed)
        n = source.shape[-1]
        may = torch.ones_like(source) if allowed is None else allowed.expand(len(source), 1, n)[:, 0]
        state = ((source + 1) * torch.arange(1, n + 1) ** 2 * may).sum(-1)
        states = []
        for token in target.T:
            state = (5 * state + token + 11) % _STATES
            states.append(state)
        weights = (source + 1.0).masked_fill(~may.bool(), -torch.inf).softmax(-1)
        return self.table[torch.stack(states, -1)], weights[:, None].expand(-1, target.shape[-1], -1)

    def _note(self, source: Tensor, target: Tensor, allowed: Tensor | None) -> None:
        for name, tokens in (("source", source), ("target", target)):
            check_tokens(name, tokens, 10**6)
        if len(source) != len(target):
            raise ValueError(f"source has {len(source)} sentences but target {len(target)}")
        if not target.numel():
            raise ValueError("target is empty: the first token that is read is start")
        if allowed is not None:
            check_allowed(allowed, 1, source.shape[-1], (len(source),))
        if self.asked is not None:
            if len(self.asked) == _MOST:
                raise _Endless
            self.asked.append(_Ask(source.clone(), target.clone(), allowed, torch.is_grad_enabled()))


class _Writes:
    """The answer, called with a model that keeps what it is asked. asked: by the model."""

    def __init__(self, answer: Callable):
        self.answer, self.asked = answer, {}
        self.by_name = takes(answer)[0] < len(_NAMES)  # allowed alone may be

    def __call__(self, model: _Table, *arguments):
        self.asked[model] = model.asked = []
        *given, allowed = arguments
        try:
            if self.by_name:
                return self.answer(model, *given, allowed=allowed)
            return self.answer(model, *arguments)
        except _Endless:
            said = "where a sentence does not end, it goes on for ever; it should stop after so many steps"
            raise Stop(
                "wrong",
                said,
                bug="steps-ignored",
                where=line_to_look_at(self.answer, r"\bwhile\b", r"\bfor\b"),
            ) from None
        finally:
            model.asked = None


def _prepared(answer) -> list[Subject]:
    by_name = takes(answer)[0] < len(_NAMES) and takes(answer)[1]
    writes = _Writes(fits(answer, *_NAMES[: -1 if by_name else None]))
    telling = recipes.telling(writes, _RAISED)
    telling.asked = writes.asked
    return [(telling, ())]


_LAST = "Logits are (batch, n, vocabulary): those of the last place, logits[:, -1], are for what follows."
_BATCH = "Each sentence has a token of its own: torch.cat adds (batch, 1) to what was read, (batch, n)."
_HIDDEN = "allowed goes to the model as it is: model(source, read, allowed)."
_CASES = (  # words, seed of the table, letters of each source, start, end, steps, stage, hint
    ("1 sentence, which ends after 3 tokens", 791, (4,), 1, 2, 6, 0, _LAST),
    ("1 sentence, which does not end within 4 steps", 288, (7,), 4, 3, 4, 0, _LAST),
    ("2 sentences, of 2 and of 5 tokens", 497, (4, 4), 5, 0, 7, 1, _BATCH),
    ("3 sentences, of which the first ends last", 8598, (4, 4, 4), 1, 2, 9, 1, _BATCH),
    ("2 sentences, of which one does not end within 5 steps", 196, (5, 5), 3, 6, 5, 1, _BATCH),
    ("2 sentences, one of which is filled up", 864, (3, 5), 1, 2, 8, 2, _HIDDEN),
    ("3 sentences, two of which are filled up", 1729, (2, 5, 4), 4, 7, 6, 2, _HIDDEN),
)


def _cases() -> list[Case]:
    cases = []
    for words, seed, lengths, start, end, steps, stage, hint in _CASES:
        n, letters = max(lengths), torch.Generator().manual_seed(sum(lengths))
        source = torch.randint(1, 8, (len(lengths), n), generator=letters)
        allowed = None if min(lengths) == n else padding_mask(list(lengths))
        source = source if allowed is None else source * allowed[:, 0]  # 0 is the padding
        cases.append(Case(words, (_Table(seed), source, start, end, steps, allowed), stage, hint))
    return cases


# --- writing, rightly and wrongly ---------------------------------------------------------------------------


def write(
    model: nn.Module,
    source: Tensor,
    start: int,
    end: int,
    steps: int,
    allowed: Tensor | None = None,
    *,
    first: Callable | None = None,
    reads: Callable = lambda read, *_: read,
    mask: Callable = lambda allowed: allowed,
    pick: Callable = lambda logits, weights: logits[:, -1].argmax(-1),
    fill: Callable = lambda following, ended, end: following.masked_fill(ended, end),
    over: Callable = lambda ended, following, end: ended | (following == end),
    stops: Callable = lambda ended, following, end: bool(ended.all()),
    add: Callable = lambda read, following: torch.cat((read, following[:, None]), -1),
    give: Callable = lambda read, written: written,
    times: Callable = lambda steps: steps,
    late: bool = True,
) -> Tensor:
    """(batch, n) of tokens, each the likeliest after what was read. Each step stands on a line of its own.

    first: what is read first, of source, start and end. reads: what the model is given, of all that was read.
    pick, fill: the next token, and what becomes of it in a sentence that has ended. over, stops: which have
    ended, and whether to stop. late: whether what makes it stop is written.
    """
    read = torch.full((len(source), 1), start) if first is None else first(source, start, end)
    begun = read.shape[-1]
    ended = torch.zeros(len(source), dtype=torch.bool)
    for _ in range(times(steps)):
        target = reads(read, source, steps, end)
        logits, weights = model(source, target, mask(allowed))
        likeliest = pick(logits, weights)
        following = fill(likeliest, ended, end)
        ended = over(ended, likeliest, end)
        stop = stops(ended, following, end)
        if stop and not late:
            break
        read = add(read, following)
        if stop:
            break
    return give(read, read[:, begun:])


def _shortened(written, end: int):
    """Without last columns that hold `end` only, but for the first: whether they come is left open."""
    if not isinstance(written, Tensor) or written.ndim != 2:
        return written
    while written.shape[-1] > 1 and bool((written[:, -2:] == end).all()):
        written = written[:, :-1]
    return written


def _changed(changes: dict) -> Callable:
    return lambda *given: _shortened(write(*given, **changes), given[3])


def _beyond(token: int | None) -> dict:
    """Room for all tokens is made first, of this one or of end; its last place is read."""

    def reads(read: Tensor, source: Tensor, steps: int, end: int) -> Tensor:
        room = torch.full((len(read), max(1, steps + 1 - read.shape[-1])), end if token is None else token)
        return torch.cat((read, room), -1)

    return {"reads": reads}


def _begins(first: Callable) -> dict:
    return {"first": lambda source, start, end: first(source, torch.full_like(source[:, :1], start), end)}


def _reads(what: Callable) -> dict:
    return {"reads": lambda read, source, *_: what(read, source)}


def _picks(one: Callable) -> dict:
    return {"pick": lambda logits, weights: one(logits, weights)}


def _fills(fill: Callable) -> dict:
    return {"fill": lambda following, ended, end: fill(following, ended)}


def _gives(give: Callable) -> dict:
    return {"give": lambda read, written: give(read)}


def _stops(when: Callable, late: bool = True) -> dict:
    return {"stops": lambda ended, following, end: bool(when(ended, following == end)), "late": late}


_NEVER, _AS_IT_IS = _stops(lambda ended, now: False), _fills(lambda following, ended: following)
_FORGETS = {"over": lambda ended, following, end: following == end}
_IN_FRONT = {"add": lambda read, following: torch.cat((following[:, None], read), -1)}
_WORDS = {
    "reads-only-start": "it reads nothing but start at each step; it should read what it has written, too",
    "reads-only-the-last": "it reads only the token that it wrote last; it should read start and all since",
    "start-dropped": "start is read at the first step only; it should stay in front of all that was written",
    "one-token-behind": "the token written last is not read yet when the next one is chosen",
    "all-at-once": "all tokens are written at once: none of them has been read when the others are chosen",
    "reads-the-source": "the decoder reads the source; it should read start and what it has written",
    "start-not-read": "what it reads first is not start",
    "new-in-front": "a new token is put in front of the others; it should come after them",
    "reads-what-is-empty": "it takes the logits of a place in which nothing is written yet",
    "over-places": "the largest is looked for among the places; it should be that of the vocabulary, dim=-1",
    "over-the-batch": "the largest is looked for in the whole batch; each sentence has its own, dim=-1",
    "least-likely": "it writes the token with the smallest logit; the largest is the likeliest",
    "weights-for-logits": "it takes the largest weight; the logits are the first of the two that come back",
    "first-sentence-for-all": "every sentence gets what the first one's logits say; each has its own",
    "end-not-written": "it stops before end is written; the end of a sentence belongs to the answer",
    "one-end-stops-all": "the end of one sentence stops the whole batch; it should stop when all have ended",
    "never-ends": "nothing is made of end: it writes on after it, up to the last step",
    "goes-on-after-its-end": "a sentence that has ended goes on; while others are written it gets only end",
    "end-forgotten": "it forgets that a sentence has ended: ended = ended | (following == end)",
    "filled-with-something-else": "after its end a sentence is filled with another token; it should be end",
    "start-kept": "start is in the answer; it is only read",
    "token-lost": "a token that is written is missing from the answer; all are in it, the last end, too",
    "all-places-added": "the likeliest at every place is added; only what follows the last place is new",
    "one-step-only": "it writes one token: does the return stand in the loop?",
    "one-step-more": "it writes one token more than steps where a sentence does not end",
    "one-step-fewer": "it writes one token fewer than steps where a sentence does not end",
    "steps-ignored": "where a sentence does not end, it goes on; it should stop after so many steps",
    "no-batch-axis": "the axis of the batch is gone; the answer is (batch, m), also for a batch of 1",
    "allowed-not-handed-on": "the model is not told what is padding: allowed is not handed on to it",
    "allowed-turned-round": "allowed is turned round; True means that a letter is no padding",
}
_CHANGES: dict[str, tuple[dict, ...]] = {
    "reads-only-start": (_reads(lambda read, source: read[:, :1]),),
    "reads-only-the-last": (_reads(lambda read, source: read[:, -1:]),),
    "start-dropped": (_reads(lambda read, source: read if read.shape[-1] == 1 else read[:, 1:]),),
    "one-token-behind": (_reads(lambda read, source: read if read.shape[-1] == 1 else read[:, :-1]),),
    "all-at-once": (
        _reads(lambda read, source: read[:, :1].expand(read.shape)),
        _reads(lambda read, source: torch.cat((read[:, :1], torch.zeros_like(read[:, 1:])), -1)),
    ),
    "reads-the-source": (
        _reads(lambda read, source: source),
        _begins(lambda source, start, end: source),
        _begins(lambda source, start, end: torch.cat((source, start), -1)),
    ),
    "start-not-read": (
        *(_begins(lambda source, start, end, token=token: start * 0 + token) for token in (0, 1)),
        _begins(lambda source, start, end: start * 0 + end),
        _begins(lambda source, start, end: source[:, :1]),
    ),
    "new-in-front": (
        _IN_FRONT | _gives(lambda read: read[:, :-1]),
        _IN_FRONT | _gives(lambda read: read[:, 1:]),
        _IN_FRONT | _gives(lambda read: read),
    ),
    "reads-what-is-empty": tuple(map(_beyond, (0, 1, None))),
    "over-places": (_picks(lambda logits, weights: logits.argmax(1)[:, -1]),),
    "over-the-batch": (
        _picks(lambda logits, weights: logits[:, -1].argmax().expand(len(logits))),
        _picks(lambda logits, weights: logits.argmax().expand(len(logits))),
    ),
    "least-likely": (_picks(lambda logits, weights: logits[:, -1].argmin(-1)),),
    "weights-for-logits": (_picks(lambda logits, weights: weights[:, -1].argmax(-1)),),
    "first-sentence-for-all": (_picks(lambda logits, weights: logits[0, -1].argmax().expand(len(logits))),),
    "end-not-written": ({"late": False},),
    "one-end-stops-all": (
        *(_stops(lambda ended, now: ended.any(), late) for late in (True, False)),
        *(_stops(lambda ended, now, i=i: ended[i], late) for late in (True, False) for i in (0, -1)),
    ),
    "never-ends": (_AS_IT_IS | _NEVER,),
    "goes-on-after-its-end": (_AS_IT_IS, _AS_IT_IS | _stops(lambda ended, now: now.all())),
    "end-forgotten": (_FORGETS, _FORGETS | _NEVER),
    "filled-with-something-else": tuple(
        _fills(lambda following, ended, token=token: following.masked_fill(ended, token)) | stops
        for token in (0, 1)
        for stops in ({}, _NEVER)
    ),
    "start-kept": (
        _gives(lambda read: read),
        _gives(lambda read: read[:, :-1]),
        _gives(lambda read: read) | {"times": lambda steps: steps - 1},
    ),
    "token-lost": tuple(
        _gives(lambda read, part=part: read[:, 1:][:, part])
        for part in (slice(-1), slice(1, None), slice(-1, None))
    ),
    "all-places-added": (
        _picks(lambda logits, weights: logits.argmax(-1))
        | _AS_IT_IS
        | _NEVER
        | {"over": lambda ended, following, end: ended}
        | {"add": lambda read, following: torch.cat((read, following), -1)},
    ),
    "one-step-only": ({"times": lambda steps: 1},),
    "one-step-more": ({"times": lambda steps: steps + 1},),
    "one-step-fewer": ({"times": lambda steps: steps - 1},),
    "steps-ignored": tuple({"times": lambda steps, n=n: n} for n in (_MOST, 7, 10, 11, 12, 20, 30, 50)),
    "no-batch-axis": (_gives(lambda read: read[:, 1:].squeeze()), _gives(lambda read: read[0, 1:])),
    "allowed-not-handed-on": ({"mask": lambda allowed: None},),
    "allowed-turned-round": ({"mask": lambda allowed: None if allowed is None else ~allowed},),
}
_LINES = {  # patterns of the learner's line, and the mistakes that are made in it
    r"model\(": "reads-only-start reads-only-the-last start-dropped one-token-behind all-at-once "
    "reads-the-source weights-for-logits allowed-not-handed-on allowed-turned-round",
    r"zeros|ones|full|tensor\(": "start-not-read",
    r"cat\(": "new-in-front all-places-added",
    r"\[:, *-1": "reads-what-is-empty",
    r"argmax|max\(|argmin|min\(": "over-places over-the-batch least-likely",
    r"\[0\b|\.item\(": "first-sentence-for-all",
    r"\b(if|while)\b.*(all\(|any\(|\[-?\d\]|\b(end|ended|done)\b)": "end-not-written one-end-stops-all",
    r"== *end": "end-forgotten",
    r"masked_fill|where|\*": "filled-with-something-else",
    r"\breturn\b": "start-kept token-lost no-batch-axis one-step-only",
    r"range\(|while": "one-step-more one-step-fewer steps-ignored",
}


def _bugs() -> tuple[Bug, ...]:
    lines = {name: (pattern,) for pattern, names in _LINES.items() for name in names.split()}
    return tuple(
        Bug(name, words, "", lines.get(name, ()), tuple(map(_changed, _CHANGES[name])), lines.get(name, ()))
        for name, words in _WORDS.items()
    )


_RAISED = tuple(
    Raised(name, words, "", message, line)
    for name, words, message, line in (
        (
            "not-unpacked",
            "the model returns a pair, (logits, weights), which is used as if it were the logits: unpack it",
            r"'tuple' object|tuple indices",
            r"model\(|logit|out|pred|scores",
        ),
        (
            "values-and-places",
            "max with a dim gives the values and their places; take .indices, or use argmax",
            r"'tuple' object|tuple indices|return_types",
            r"",
        ),
        (
            "no-axis-to-join",
            "what was read is (batch, n): a new token has to be (batch, 1), as of logits[:, -1:]",
            r"Tensors must have same number of dimensions",
            r"cat",
        ),
        (
            "one-start-for-all",
            "what is read first has one row; it needs one for each sentence of the batch",
            r"source has \d+ sentences but target 1$",
            r"",
        ),
        (
            "rows-added",
            "what is read has more rows than there are sentences: a new token is joined along dim=-1",
            r"source has \d+ sentences but target",
            r"",
        ),
        (
            "batch-of-one",
            "this is made for one sentence; in a batch each has a token, and an end, of its own",
            r"cannot be converted to Scalar|more than one value is ambiguous|only one element",
            r"",
        ),
        (
            "nothing-to-read",
            "the model is given nothing to read at first; start is what it reads",
            r"target is empty",
            r"",
        ),
        (
            "not-tokens",
            "what the model is given to read is not whole numbers, (batch, n)",
            r"target must (be whole|have shape)",
            r"",
        ),
    )
)

# --- what is said of an answer ------------------------------------------------------------------------------

_KEEPS = "One thing to know: torch kept what it needs for gradients, which nobody asks for: torch.no_grad()."
_FIRST = "it takes the logits of the first place; those of the last place are for what comes next"
_SAME_AGAIN = "Those of the first place stay the same, whatever has been written since."
_NOT_WHOLE = "the tokens are right, but they are {dtype}; tokens are whole numbers, torch.long"


def _about_writing(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Of what was written and read: is it read, from start on, and is each token the likeliest?"""
    trial = next(t for t in trials if not t.right)
    model, source, start, end, steps, allowed = trial.case.inputs
    asked, written = trial.subject[0].asked[model], trial.got
    if not asked:
        yield Verdict("asks the model", False, "it never calls model(source, read)")
        return
    begin = torch.full_like(source[:, :1], start)
    for i, token in enumerate(written.T):
        wanted = torch.cat((begin, written[:, :i]), -1)
        ended = (written[:, :i] == end).any(-1)
        if (row := _first(ended & (token != end))) is not None:
            yield Verdict("only end after end", False, f"sentence {row} has {token[row]} after its end")
            return
        if len(asked) <= i or len(asked[i].source) != len(source):
            return  # sentence by sentence, say: what belongs to which step is not known
        if allowed is not None and not (asked[i].allowed is not None and (asked[i].allowed == allowed).all()):
            said = f"for token {i} the model is told something else than allowed, or nothing"
            yield Verdict("padding hidden", False, said)
            return
        read = asked[i].target[:, : i + 1]
        if read.shape != wanted.shape or (row := _first((read != wanted).any(-1) & ~ended)) is not None:
            row = _first(~ended) if read.shape != wanted.shape else row
            name = "reads what it wrote" if i else "begins with start"
            said = f"before token {i} of sentence {row} it reads {_row(read[row])}, not {_row(wanted[row])}"
            yield Verdict(name, False, said)
            return
        likeliest = model(source, wanted, asked[i].allowed)[0][:, -1].argmax(-1)
        if (row := _first((likeliest != token) & ~ended)) is not None:
            said = f"token {i} of sentence {row} is {token[row]}; the likeliest is {likeliest[row]}"
            yield Verdict("likeliest token", False, said)
            return
    if written.shape[-1] < steps and (row := _first((written != end).all(-1))) is not None:
        said = f"sentence {row} has no end, yet it writes {written.shape[-1]} of {steps} tokens"
        yield Verdict("goes on to the end", False, said)


def _first(holds: Tensor) -> int | None:
    return int(holds.int().argmax()) if holds.any() else None


def _row(tokens: Tensor) -> str:
    return " ".join(map(str, tokens.tolist()))


class _Writing(Exercise):
    """A check that leaves open whether columns of `end` follow when all sentences have ended."""

    def _tried(self, subject: Subject, case: Case) -> Trial:
        trial = super()._tried(subject, case)
        short = _shortened(trial.got, case.inputs[3])
        if same(short, trial.expected[0]):
            return replace(trial, got=short, form=None)
        rows = isinstance(trial.got, Tensor) and trial.got.ndim == 2 and len(trial.got) == len(case.inputs[1])
        return replace(trial, form=None) if rows and trial.form and trial.form.what == "shape" else trial

    def _is(self, wrong: Callable, trial: Trial, near: float) -> bool:
        return super()._is(wrong, replace(trial, got=_shortened(trial.got, trial.case.inputs[3])), near)

    def _found(self, trials: list[Trial], answer) -> Result:
        result = super()._found(trials, answer)
        read = (ask.target for t in trials for ask in t.subject[0].asked.get(t.case.inputs[0], ()))
        if result.bug == "reads-only-start" and any(target.shape[-1] > 1 for target in read):
            where = line_to_look_at(answer, r"\[:, *0\b", r"argmax|max\(")
            return replace(result, headline=_FIRST, bug="first-logits", details=(_SAME_AGAIN,), where=where)
        return result

    def _unknown(self, trial: Trial, known: list[Trial], answer) -> Result:
        result = super()._unknown(trial, known, answer)
        return result if trial.form else replace(result, details=())  # how far a token is off says nothing

    def _furthest(self, trial: Trial) -> tuple[str, tuple[int, ...], float]:
        n = min(trial.got.shape[-1], trial.expected[0].shape[-1])  # one may be longer
        cut = replace(trial, got=trial.got[:, :n], expected=(trial.expected[0][:, :n],))
        return super()._furthest(cut) if n else ("written", (0, 0), 0.0)

    def _beyond_the_numbers(self, trials: list[Trial], answer) -> Result:
        result = super()._beyond_the_numbers(trials, answer)
        if found := [t.got.dtype for t in trials if is_float(t.got)]:
            said = _NOT_WHOLE.format(dtype=str(found[0]).removeprefix("torch."))
            where = line_to_look_at(answer, r"zeros|ones|empty|full|float|tensor\(", r"\breturn\b")
            return Result(self.name, "wrong", said, "not-whole", where=where)
        keeps = any(ask.graph for trial in trials for ask in trial.subject[0].asked[trial.case.inputs[0]])
        return replace(result, details=(*result.details, _KEEPS)) if result and keeps else result


greedy = _Writing(
    "greedy",
    ("written",),
    write,
    _cases,
    _bugs(),
    "Checked: one sentence and many, with ends at different places, none within the steps, and padding.",
    prepare=_prepared,
    explain=_about_writing,
)
