"""Leave one out: by how much the answer becomes less likely when one word cannot be seen."""

import functools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attention_core._calling import Failed, call
from attention_core._checks import shape
from attention_core._saying import number
from attention_core.practice.exercise import Case, Exercise, Stop, Subject, Trial, random, same
from attention_core.practice.exercises.training_step import fits
from attention_core.practice.recipes import Raised, bugs, slip, telling
from attention_core.practice.source import line_to_look_at
from attention_core.probes import Verdict

HIDE = (r"\]\s*=|eye|!=|where|cat\(|ones|clone|fill", r"probabilities\(")
ANSWER = (r"max|gather|\[.*answer", r"\breturn\b")
RETURN = (r"\breturn\b",)
_INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)
_LONGEST = 12  # words, beyond those of any case


class Reader:
    """Each word counts, by what it is and where, and all together: `(..., n)` → `(..., classes)`."""

    def __init__(self, vocabulary: int, classes: int, seed: int):
        self.words = random(vocabulary, 6, seed=seed)
        self.places = random(_LONGEST, 6, seed=seed + 1)
        self.out = random(6, classes, seed=seed + 2)

    def __call__(self, tokens: Tensor, allowed: Tensor | None = None) -> Tensor:
        n = tokens.shape[-1]
        seen = self.words[tokens] * self.places[:n]  # (..., n, 6)
        if allowed is not None:
            if not isinstance(allowed, Tensor) or allowed.dtype != torch.bool:
                got = allowed.dtype if isinstance(allowed, Tensor) else type(allowed).__name__
                raise ValueError(f"allowed must be boolean (True means that a word may be seen), got {got}")
            if not allowed.ndim or allowed.shape[-1] != n:
                raise ValueError(f"allowed must have shape (..., {n}), as tokens, got {shape(allowed)}")
            seen = seen.masked_fill(~allowed[..., None], 0)
        return (seen.sum(-2).tanh() @ self.out).softmax(-1)


def sentence(n: int, vocabulary: int, seed: int) -> Tensor:
    """Tokens `(n,)`, the same each time."""
    return torch.randint(vocabulary, (n,), generator=torch.Generator().manual_seed(seed))


def of(answer: Tensor, probabilities: Tensor) -> Tensor:
    """The probability of an answer for each row: `(rows,)` of `(rows, classes)`."""
    return probabilities.gather(-1, answer[:, None])[:, 0]


def fall(before: Tensor, after: Tensor, answer: Tensor) -> Tensor:
    return of(answer, before) - of(answer, after)


def _each(tokens: Tensor) -> Tensor:
    """Which word each of n rows is about: boolean `(n, n)`, the diagonal."""
    return torch.eye(len(tokens), dtype=torch.bool)


def _leave_one_out(
    probabilities: Callable,
    tokens: Tensor,
    *,
    ask: Callable = lambda probabilities, tokens: probabilities(tokens, ~_each(tokens)),
    whole: Callable = lambda probabilities, tokens: probabilities(tokens),
    follow: Callable = lambda before, after: before.argmax(-1),
    compare: Callable = fall,
    finish: Callable = lambda made: made,
) -> Tensor:
    """The fall, each step of which can be exchanged for a wrong one.

    ask: the probabilities without each word, `(n, classes)`. whole: with all. follow: of both, `(n, classes)`
    each, the answer of each row. compare: of both and the answers, what is measured.
    """
    after = ask(probabilities, tokens)
    before = whole(probabilities, tokens).expand(len(tokens), -1)
    answers = follow(before, after)
    _rows = *after, *answers  # as a loop leaves them
    return finish(compare(before, after, answers))


def _right(probabilities: Callable, tokens: Tensor) -> Tensor:
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    n = len(tokens)
    seen, every = ~_each(tokens), torch.ones(n, dtype=torch.bool)
    _masks = every, *seen, ~seen, tokens.expand(n, n), torch.arange(n), torch.zeros(n), every[None], tokens
    before, after = probabilities(tokens), probabilities(tokens, seen)
    answer = before.argmax()
    _rows = before[None], *after, *after[:, None]
    _picked = answer, answer[None], answer.expand(n), before.max(), after[:, answer], before - after
    _first = [torch.where(torch.arange(n) <= i, before[answer] - after[:, answer], 0) for i in range(n)]
    _one_each = *(before[answer] - after[:, answer]), *after[:, answer]
    return before[answer] - after[:, answer]


def _cases() -> list[Case]:
    hint = (
        "tokens are (n,); probabilities(tokens, allowed) gives (classes,), and allowed is boolean, (n,), too."
    )
    made = []
    for i, (n, vocabulary, classes) in enumerate(
        ((3, 4, 2), (4, 3, 2), (4, 5, 4), (6, 4, 3), (8, 5, 2), (1, 3, 2))
    ):
        words = f"a sentence of {n} word{'s' * (n > 1)}, and {classes} answers"
        tokens = sentence(n, vocabulary, 630 + i)
        inputs = Reader(vocabulary, classes, 600 + 10 * i), tokens
        made.append(Case(words, inputs, int(n == 1), hint, (("tokens", tokens),)))
    return made


# --- what goes wrong ----------------------------------------------------------------------------------------


def _hides(*masks: Callable) -> tuple[dict, ...]:
    """masks: of the tokens, which words each row sees, `(n, n)`."""

    def ask(probabilities: Callable, tokens: Tensor, mask: Callable) -> Tensor:
        allowed = mask(tokens)
        _rows = [*allowed]
        return probabilities(tokens, allowed)

    return tuple({"ask": lambda p, tokens, m=mask: ask(p, tokens, m)} for mask in masks)


def _replaces(*fills: Callable) -> tuple[dict, ...]:
    """fills: of the tokens, what stands in the place of each word."""

    def ask(probabilities: Callable, tokens: Tensor, fill: Callable) -> Tensor:
        changed = torch.where(_each(tokens), fill(tokens), tokens)
        _rows = [*changed]
        return probabilities(changed)

    return tuple({"ask": lambda p, tokens, f=fill: ask(p, tokens, f)} for fill in fills)


def _cut_out(probabilities: Callable, tokens: Tensor) -> Tensor:
    shorter = tokens.expand(len(tokens), -1)[~_each(tokens)].view(len(tokens), -1)
    _rows = [*shorter]
    return probabilities(shorter)


def _written_over(probabilities: Callable, tokens: Tensor, fill: int = 0) -> Tensor:
    """Tokens that stay replaced."""
    return probabilities(torch.where(_each(tokens).cumsum(0).bool(), fill, tokens))


def compares(*ways: Callable) -> tuple[dict, ...]:
    """ways: of both and the answers, what is measured."""
    return tuple({"compare": way} for way in ways)


def finishes(*ways: Callable) -> tuple[dict, ...]:
    return tuple({"finish": way} for way in ways)


def _no_words(tokens: Tensor) -> Tensor:
    return torch.zeros_like(tokens, dtype=torch.bool)


def _one_after_another(before: Tensor, after: Tensor, answer: Tensor) -> Tensor:
    """Each compared with the one before it."""
    each = torch.cat((of(answer, before)[:1], of(answer, after)))
    return each[:-1] - each[1:]


def _turns(before: Tensor, after: Tensor, answer: Tensor) -> Tensor:
    return after.argmax(-1) != answer


def one_answer(choose: Callable) -> dict:
    """choose: of `(rows, classes)`, one class."""
    return {"follow": lambda before, after: 0 * before.argmax(-1) + choose(before)}


# fmt: off
MEASURES = (  # of what is asked with a word, or some, and without: shared with comprehensiveness
    slip("new-answer-followed",
         "it follows what is answered with words hidden; follow the answer to the whole sentence",
         ANSWER, {"follow": lambda before, after: after.argmax(-1)},
         why="The question is what becomes of that answer: take argmax once, of the whole."),
    slip("largest-of-each",
         "the largest of both are compared; with words hidden that may be another answer",
         (r"max", *ANSWER), *compares(lambda before, after, answer: before.amax(-1) - after.amax(-1)),
         why="Where the answer turns, that hides it: take the same class of both."),
    slip("wrong-way-round",
         "it is the wrong way round: it should be what it was, minus what it is now",
         RETURN, *compares(lambda *given: -fall(*given))),
    slip("sign-lost", "the sign is lost; below 0, the answer has become likelier",
         (r"abs|\*\*|square|clamp|relu", *RETURN),
         *compares(lambda *given: fall(*given).abs(), lambda *given: fall(*given).clamp(min=0),
                   lambda *given: fall(*given).square()),
         why="A word can speak against the answer, too."),
    slip("logarithms", "logarithms are compared; compare the probabilities as they are",
         (r"log", *RETURN), *compares(lambda before, after, answer: fall(before.log(), after.log(), answer)),
         rare=True),
    slip("softmax-again", "a softmax is taken of probabilities; they sum to 1 already",
         (r"softmax", *RETURN),
         *compares(lambda before, after, answer: fall(before.softmax(-1), after.softmax(-1), answer)),
         rare=True),
    slip("ratio", "it is a ratio; the fall is a difference",
         (r"/", *RETURN), *compares(
             lambda before, after, answer: of(answer, after) / of(answer, before),
             lambda before, after, answer: of(answer, before) / of(answer, after),
             lambda before, after, answer: fall(before, after, answer) / of(answer, before),
             lambda before, after, answer: fall(before, after, answer) / of(answer, after)), rare=True),
    slip("only-one-of-both", "this is one probability; the fall is the one before, minus the one after",
         RETURN, *compares(lambda before, after, answer: of(answer, after),
                           lambda before, after, answer: 1 - of(answer, after),
                           lambda before, after, answer: of(answer, before),
                           lambda before, after, answer: after.amax(-1)), rare=True),
    slip("turned-or-not", "this says whether the answer turns; say by how much its probability falls",
         (r"!=|==", *RETURN), *compares(
             _turns, lambda *given: _turns(*given) * 1.0,
             lambda *given: ~_turns(*given), lambda *given: 1.0 - _turns(*given) * 1.0),
         why="It may become half as likely, and not turn.", rare=True),
    slip("all-answers", "all answers come out, or all their changes in one; only one answer's should",
         ANSWER, *compares(lambda before, after, answer: before - after,
                           lambda before, after, answer: (before - after).abs().sum(-1),
                           lambda before, after, answer: (before - after).abs().sum(-1) / 2,
                           lambda before, after, answer: (before - after).abs().amax(-1),
                           lambda before, after, answer: (before - after).amax(-1),
                           lambda before, after, answer: (before - after).abs().mean(-1),
                           lambda before, after, answer: (before - after).norm(dim=-1)), rare=True),
    slip("another-answer", "it follows another answer than the one that was given",
         ANSWER, one_answer(lambda x: 0), one_answer(lambda x: x.shape[-1] - 1), one_answer(lambda x: 1),
         {"follow": lambda before, after: before.argmin(-1)},
         why="That is argmax over the classes, of the whole sentence.", rare=True),
)
_SLIPS = (
    slip("nothing-hidden", "nothing changes, as if all words were seen each time",
         HIDE, *_hides(lambda tokens: ~_no_words(tokens)[:, None].expand(-1, len(tokens))),
         why="The mask must reach the model: probabilities(tokens, allowed), allowed[i] = False."),
    slip("several-at-once",
         "words stay hidden once they were: each time begin with a mask in which all are seen",
         (r"ones|full|clone", *HIDE), *_hides(
             lambda tokens: ~_each(tokens).cumsum(0).bool(), lambda tokens: _each(tokens).cumsum(0).bool(),
             lambda tokens: ~_each(tokens).cumsum(1).bool(), lambda tokens: _each(tokens).cumsum(1).bool(),
             lambda tokens: ~_each(tokens).cumsum(0).bool() | _each(tokens),
             lambda tokens: ~_each(tokens).cumsum(1).bool() | _each(tokens)),
         why="Make allowed inside the loop, or set allowed[i] = True again."),
    slip("word-alone", "all words but the one are hidden; hide the one, and leave all others",
         HIDE, *_hides(_each), why="True means that a word may be seen: ~torch.eye(n).bool()."),
    slip("from-nothing", "this is what a word adds to nothing; take it away from the whole sentence",
         HIDE, {"ask": lambda p, tokens: p(tokens, _each(tokens)),
                "whole": lambda p, tokens: p(tokens, _no_words(tokens)),
                "compare": lambda *given: -fall(*given)},
         {"ask": lambda p, tokens: p(tokens, _each(tokens)),
          "whole": lambda p, tokens: p(tokens, _no_words(tokens))},
         {"ask": lambda p, tokens: p(tokens) - p(tokens, _each(tokens)) + p(tokens, _no_words(tokens))},
         rare=True),
    slip("word-replaced",
         "another token stands in the word's place, and says something, too; hide it by allowed",
         (r"tokens\[|where|clone", *HIDE), *_replaces(*(lambda tokens, t=t: t for t in (0, 1, 2, -1))),
         *_replaces(lambda tokens: tokens.flip(0), lambda tokens: tokens.roll(1),
                    lambda tokens: tokens.roll(-1), lambda tokens: tokens[0], lambda tokens: tokens[-1]),
         why="To a model 0 is a word as any other."),
    slip("tokens-written-over",
         "tokens itself is written into, and what was written stays; hide words by allowed",
         (r"tokens\[", *HIDE), {"ask": _written_over},
         *({"ask": lambda p, tokens, t=t: _written_over(p, tokens, t)} for t in (1, 2, -1)),
         sure=(r"=\s*tokens$", r"^tokens\[.*\]\s*="), rare=True),
    slip("word-cut-out", "the word is cut out, so that all later ones move up; hide it, and they stay",
         (r"cat\(|\+ ?1|tokens\[", *HIDE), {"ask": _cut_out},
         why="To a model that knows positions that is another sentence: use allowed."),
    slip("all-like-it", "a word that stands there twice is hidden twice; hide one place at a time",
         (r"tokens\s*(!=|==)|(!=|==)\s*tokens", *HIDE),
         *_hides(lambda tokens: tokens != tokens[:, None]),
         why="Ask for places: torch.arange(n) != i."),
    slip("token-for-place", "a word's token is taken for its place; places are 0, 1, 2, …",
         (r"\bin tokens\b", *HIDE), *_hides(lambda tokens: torch.arange(len(tokens)) != tokens[:, None]),
         why="That is: for i in range(len(tokens)).", sure=(r"\bin tokens\b",), rare=True),
    slip("other-word", "another word is hidden than the one whose number it is",
         HIDE, *_hides(lambda tokens: ~_each(tokens).roll(1, 0), lambda tokens: ~_each(tokens).roll(-1, 0),
                       lambda tokens: ~_each(tokens).flip(0)),
         why="Words are counted from 0: allowed[i] = False.", rare=True),
    slip("neighbours-hidden", "a word's neighbours are hidden, too; hide it alone",
         (r":", *HIDE), *_hides(lambda tokens: ~(_each(tokens) | _each(tokens).roll(1, 1).tril()
                                                 | _each(tokens).roll(1, 1).triu(1)),
                                lambda tokens: ~(_each(tokens) | _each(tokens).roll(1, 1).triu(1)),
                                lambda tokens: ~(_each(tokens) | _each(tokens).roll(-1, 1).tril(-1)),
                                lambda tokens: ~(_each(tokens) | _each(tokens).roll(-1, 1).tril(-1)
                                                 | _each(tokens).roll(1, 1).triu(1))),
         rare=True),
    slip("a-word-left-out", "a word is never hidden, the first or the last; the loop should reach all",
         (r"range\(", *HIDE), *finishes(lambda x: x * (torch.arange(len(x)) < len(x) - 1),
                                        lambda x: x * (torch.arange(len(x)) > 0), lambda x: x[:-1],
                                        lambda x: x[1:]),
         why="range(n) is from 0 to n − 1.", rare=True),
    slip("one-after-another", "each is compared with the one before it; compare with the whole sentence",
         RETURN, *compares(_one_after_another), why="What all words give is asked once, before the loop.",
         rare=True),
    slip("normalised", "the falls are brought to another size, or sum to 1; here they are wanted as they are",
         (r"/|softmax|norm", *RETURN), *finishes(
             lambda x: x / x.sum(), lambda x: x / x.abs().sum(), lambda x: x / x.max(),
             lambda x: x / x.norm(), lambda x: x / x.abs().max(), lambda x: x.softmax(0),
             lambda x: x / len(x), lambda x: x.abs() / x.abs().sum(),
             lambda x: x.clamp(min=0) / x.clamp(min=0).sum(),
             lambda x: (x - x.min()) / (x.max() - x.min()), lambda x: x - x.mean(),
             lambda x: (x - x.mean()) / ((x - x.mean()).square().sum() / (len(x) - 1)).sqrt()),
         why="0.3 should mean: less likely by 0.3.", rare=True),
    *MEASURES,
    slip("averaged", "one number comes out; each word has a fall of its own",
         (r"mean\(|sum\(", *RETURN), *finishes(
             lambda x: x.mean(), lambda x: x.sum(), lambda x: x.max(), lambda x: x.argmax(),
             lambda x: x[-1], lambda x: x[0]), rare=True),
    slip("axis-left", "an axis of size 1 is left; it should be (n,)",
         ANSWER, *finishes(lambda x: x[:, None], lambda x: x[None]), rare=True),
)
# fmt: on
_RAISED = (
    Raised(
        "mask-of-numbers",
        "allowed holds numbers; it should be boolean, True where a word may be seen",
        "That is: torch.ones(n, dtype=torch.bool), and allowed[i] = False.",
        r"allowed must be boolean",
        r"",
    ),
)


class Noted:
    """A reader that keeps which words were hidden, each time it was asked."""

    def __init__(self, reader: Callable):
        self.reader, self.hidden = reader, []

    def __call__(self, tokens: Tensor, allowed: Tensor | None = None) -> Tensor:
        made = self.reader(tokens, allowed)
        rows = torch.ones_like(tokens[None], dtype=torch.bool) if allowed is None else allowed
        self.hidden += [set((~row).nonzero()[:, 0].tolist()) for row in rows.reshape(-1, rows.shape[-1])]
        return made


_SUMMED = "what all answers lose is summed, and together they lose nothing; take one answer's fall"


_WHOLE = "whole numbers come out, so that 0.3 has become 0; begin with torch.zeros(n), which is float"


def asking(answer, *names: str) -> list[Subject]:
    """The answer, that is told so where its numbers are lost: in whole numbers, or in a sum that is 0."""

    def called(probabilities: Callable, *inputs):
        noted = Noted(probabilities)
        made = answer(noted, *inputs)
        if isinstance(made, Tensor) and made.dtype in _INTEGERS:
            where = line_to_look_at(answer, r"_like\(|dtype|long|int")
            raise Stop("wrong", _WHOLE, bug="whole-numbers", where=where)
        where = line_to_look_at(answer, r"\b(sum|mean)\(")
        if where and any(noted.hidden) and isinstance(made, Tensor) and same(made, torch.zeros_like(made)):
            raise Stop("wrong", _SUMMED, bug="sum-of-all", where=where)
        return made

    return [(telling(functools.wraps(fits(answer, *names))(called), _RAISED), ())]


def by_hand(tokens: Tensor, allowed: Tensor | None = None) -> Tensor:
    """Three words, two answers: with all words 0.9 for answer 1, 0.2 without word 0, 0.95 without word 1."""
    seen = torch.ones(3, dtype=torch.bool) if allowed is None else allowed
    likely = torch.where(seen[..., 0], torch.where(seen[..., 1], 0.9, 0.95), 0.2)
    return torch.stack((1 - likely, likely), -1)


BY_HAND = torch.tensor([0.7, -0.05, 0.0])  # what each of its words is worth


def not_by_hand(word: int, got: Tensor) -> Verdict:
    right = BY_HAND[word]
    numbers = {"now": number(0.9 - right), "right": number(right), "got": number(got)}
    said = "if without word {word} the answer goes from 0.90 to {now}, it falls by {right}; this says {got}"
    return Verdict("by hand", False, said.format(word=word, **numbers))


def _about(trials: list[Trial], answer) -> Iterator[Verdict]:
    """Is the sentence left as it was, and each word hidden alone; a case worked out by hand."""
    wrong = next(t for t in trials if not t.right)
    if wrong.changed:
        yield Verdict("tokens as they were", False, "it writes into tokens, which is the caller's sentence")
    reader, tokens = wrong.case.inputs
    noted = Noted(reader)
    try:
        call(answer, noted, tokens)
        made = call(answer, by_hand, torch.arange(3)).answer
    except Failed:
        return
    never = [i for i in range(len(tokens)) if {i} not in noted.hidden]
    if never:
        yield Verdict(
            "each word alone", False, f"of {len(tokens)} words, word {never[0]} is never hidden alone"
        )
    if isinstance(made, Tensor) and made.shape == BY_HAND.shape and not same(made, BY_HAND):
        i = int((made - BY_HAND).abs().argmax())
        yield not_by_hand(i, made[i])


leave_one_out = Exercise(
    "leave one out",
    ("fall",),
    _right,
    _cases,
    bugs(_SLIPS, _leave_one_out),
    "Checked: sentences of 1 to 8 words, some of them twice, and 2 to 4 answers.",
    prepare=lambda answer: asking(answer, "probabilities", "tokens"),
    explain=_about,
)
