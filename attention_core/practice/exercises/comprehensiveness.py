"""Comprehensiveness: by how much the answer becomes less likely without the words that matter most."""

import numbers
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attention_core._calling import Failed, call
from attention_core.practice.exercise import Case, Exercise, Subject, Trial, random, same
from attention_core.practice.exercises.leave_one_out import (
    BY_HAND,
    HIDE,
    MEASURES,
    RETURN,
    Noted,
    Reader,
    asking,
    by_hand,
    fall,
    finishes,
    not_by_hand,
    sentence,
)
from attention_core.practice.recipes import bugs, slip
from attention_core.probes import Verdict

_ORDER = (r"argsort|sort|topk|max", r"explanation")
_TAKE = (r"\[.*k.*\]|topk|<|>", *HIDE)


def _hidden(n: int, places: Tensor) -> Tensor:
    """Boolean `(n,)`, True at these places."""
    return torch.zeros(n, dtype=torch.bool).index_fill(0, places.long(), True)


def _first(order: Tensor, k: int, explanation: Tensor) -> Tensor:
    return _hidden(len(order), order[:k])


def _comprehensiveness(
    probabilities: Callable,
    tokens: Tensor,
    explanation: Tensor,
    k: int,
    *,
    rank: Callable = lambda explanation: explanation.argsort(descending=True),
    take: Callable = _first,
    ask: Callable = lambda probabilities, tokens, hidden: probabilities(tokens, ~hidden),
    follow: Callable = lambda before, after: before.argmax(-1),
    compare: Callable = fall,
    finish: Callable = lambda made, k: made[0],
) -> Tensor:
    """The fall, each step of which can be exchanged for a wrong one.

    rank: the places in their order. take: of the order, k and the explanation, what is hidden, `(n,)`, or
    `(rows, n)` where it is asked several times. finish: of each row's fall and k, what is returned.
    """
    hidden = take(rank(explanation), k, explanation)
    hidden = hidden if hidden.ndim > 1 else hidden[None]
    after = ask(probabilities, tokens, hidden)
    before = probabilities(tokens).expand(len(after), -1)
    answers = follow(before, after)
    _rows = *hidden, *~hidden, *after, *answers  # as a right answer has them, without an axis of rows
    return _one(finish(compare(before, after, answers), k))


def _one(made: Tensor) -> Tensor:
    """One number as `(1,)`, whatever axes of size 1 it has; all else as it is."""
    return made.reshape(1) if made.numel() == 1 else made


def _right(probabilities: Callable, tokens: Tensor, explanation: Tensor, k: int) -> Tensor:
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    n = len(tokens)
    order = explanation.argsort(descending=True)
    first, hidden = order[:k], _hidden(n, order[:k])
    _orders = order, order.flip(0), explanation.sort(descending=True).values, explanation.topk(k).values
    _ranks = order.argsort(), explanation.argsort(), order[k:], first.sort().values, torch.arange(n)
    _masks = hidden, ~hidden, torch.ones(n, dtype=torch.bool), hidden[None], ~hidden[None]
    _steps = *(~_hidden(n, order[:i]) for i in range(k)), tokens[None], tokens.expand(n, n)
    before, after = probabilities(tokens), probabilities(tokens, ~hidden)
    answer = before.argmax()
    _picked = answer, answer[None], before.max(), after[answer], before - after, before[None], after[None]
    return (before[answer] - after[answer]).reshape(1)


def _cases() -> list[Case]:
    hint = (
        "tokens and explanation are (n,), k is a number; probabilities(tokens, allowed) gives (classes,), "
        "and allowed is boolean, (n,), too."
    )
    made = []
    for i, (n, vocabulary, classes, k, seed) in enumerate(
        (  # of some the answer turns, of one it becomes likelier, and of some another class changes most
            (3, 4, 2, 1, 1700),
            (5, 3, 2, 2, 4710),
            (6, 4, 4, 2, 47720),
            (8, 5, 3, 3, 10730),
            (7, 5, 2, 5, 1740),
            (4, 4, 3, 4, 24750),
            (4, 4, 2, 0, 760),
        )
    ):
        words = f"a sentence of {n} words, {classes} answers, and k = {k}"
        tokens, explanation = sentence(n, vocabulary, 730 + i), random(n, seed=740 + i, decimals=2)
        inputs = Reader(vocabulary, classes, seed), tokens, explanation, k
        made.append(Case(words, inputs, int(not k), hint, (("tokens", tokens), ("explanation", explanation))))
    return made


# --- what goes wrong ----------------------------------------------------------------------------------------


def _ranks(*ways: Callable) -> tuple[dict, ...]:
    """ways: of the explanation, the places in their order."""
    return tuple({"rank": way} for way in ways)


def _takes(*ways: Callable) -> tuple[dict, ...]:
    """ways: of the order and k, the places that are hidden."""
    return tuple({"take": lambda order, k, e, w=way: _hidden(len(order), w(order, k))} for way in ways)


def _masks(*ways: Callable) -> tuple[dict, ...]:
    """ways: of the order, k and the explanation, what is hidden."""
    return tuple({"take": way} for way in ways)


def _each(order: Tensor, k: int, explanation: Tensor) -> Tensor:
    return torch.eye(len(order), dtype=torch.bool)[order[:k]]


def _kept_and_hidden(order: Tensor, k: int, explanation: Tensor) -> Tensor:
    return torch.stack((_hidden(len(order), order[k:]), _hidden(len(order), order[:k])))


def _up_to(first: int) -> Callable:
    def rows(order: Tensor, k: int, explanation: Tensor) -> Tensor:
        return torch.stack([_hidden(len(order), order[:i]) for i in range(first, max(k, first) + 1)])

    return rows


def _asks(*ways: Callable) -> tuple[dict, ...]:
    return tuple({"ask": way} for way in ways)


def _cut_out(probabilities: Callable, tokens: Tensor, hidden: Tensor) -> Tensor:
    shorter = [tokens[~row] for row in hidden]
    return torch.stack([probabilities(one) for one in shorter])


def _replaced(fill: int) -> Callable:
    def ask(probabilities: Callable, tokens: Tensor, hidden: Tensor) -> Tensor:
        changed = torch.where(hidden, fill, tokens)
        _rows = [*changed]
        return probabilities(changed)

    return ask


_MEAN = {"finish": lambda made, k: made.mean()}
_SUM = {"finish": lambda made, k: made.sum()}
# fmt: off
_SLIPS = (
    slip("nothing-hidden", "nothing changes, as if all words were seen both times",
         HIDE, *_takes(lambda order, k: order[:0]),
         why="The mask must reach the model: probabilities(tokens, allowed)."),
    slip("least-important", "the words that matter least are hidden; hide those that matter most",
         _ORDER, *_ranks(lambda explanation: explanation.argsort()),
         why="argsort begins with the smallest: descending=True."),
    slip("sufficiency",
         "the k words are kept and all others hidden; that is sufficiency, here it is the reverse",
         _TAKE, *_takes(lambda order, k: order[k:]), sure=(r"allowed\[.*=\s*True",),
         why="True in allowed means that a word may be seen."),
    slip("absolute-values", "words are ordered by the size of their number, whatever its sign",
         (r"abs|\*\*|square", *_ORDER), *_ranks(lambda e: e.abs().argsort(descending=True)),
         why="A word below 0 speaks against the answer: it matters least to it."),
    slip("one-more-or-less", "a word too many or too few is hidden; it should be k",
         _TAKE, *_takes(lambda order, k: order[: k + 1], lambda order, k: order[: k - 1],
                        lambda order, k: order[: max(k - 1, 0)]),
         why="order[:k] is k words, from 0 to k − 1.", rare=True),
    slip("first-spared", "the word that matters most is not hidden; begin with it",
         _TAKE, *_takes(lambda order, k: order[1 : k + 1], lambda order, k: order[1:k]),
         why="order[:k] begins with it.", rare=True),
    slip("one-at-a-time", "the k words are hidden one at a time; hide them all at once",
         (r"\bfor\b|eye", *_TAKE), {"take": _each, **_MEAN}, {"take": _each, **_SUM},
         {"take": _each, "finish": lambda made, k: made.amax() if k else made.sum()},
         {"take": _each, "finish": lambda made, k: made},
         why="What one word says may be said by another, too: only without both it is missed.", rare=True),
    slip("averaged-over-k", "it is averaged, or summed, over 1, 2, … words; hide k, and ask once",
         (r"\bfor\b", *_TAKE), {"take": _up_to(1), **_MEAN}, {"take": _up_to(0), **_MEAN},
         {"take": _up_to(1), **_SUM}, {"take": _up_to(0), **_SUM},
         {"take": _up_to(0), "finish": lambda made, k: made.sum() / max(k, 1)},
         {"take": _up_to(1), "finish": lambda made, k: made},
         why="That is the area under the whole curve.", rare=True),
    slip("one-word-hidden", "only one word is hidden, whatever k is",
         _TAKE, *_takes(lambda order, k: order[k - 1 : k], lambda order, k: order[k : k + 1],
                        lambda order, k: order[:1]),
         why="order[k] is one word; order[:k] is k of them.", rare=True),
    slip("k-not-used", "the same number of words is hidden, whatever k is",
         _TAKE, *(_takes(lambda order, k, m=m: order[:m])[0] for m in (2, 3)),
         *_takes(lambda order, k: order[: len(order) // 2]),
         *_masks(lambda order, k, e: e > 0, lambda order, k, e: e > e.mean(), lambda order, k, e: e < 0),
         rare=True),
    slip("order-for-ranks", "argsort gives places, not ranks: order < k are not the k largest",
         (r"<", *_TAKE), *_masks(lambda order, k, e: order < k, lambda order, k, e: order >= k),
         *_masks(lambda order, k, e: order.flip(0) < k, lambda order, k, e: order.flip(0) >= len(order) - k),
         why="order[:k] are the places; allowed[order[:k]] = False."),
    slip("first-words", "the first or the last words of the sentence are hidden; go by the explanation",
         _TAKE, *_takes(lambda order, k: torch.arange(k), lambda order, k: len(order) - 1 - torch.arange(k)),
         why="allowed[:k] are places; allowed[order[:k]] are the words.", rare=True),
    slip("word-replaced", "another token stands in the words' place, and says something, too; use allowed",
         (r"tokens\[|where|clone", *HIDE), *_asks(*map(_replaced, (0, 1, 2, -1))),
         why="To a model 0 is a word as any other."),
    slip("word-cut-out", "the words are cut out, so that later ones move up; hide them, and they stay",
         (r"cat\(|tokens\[", *HIDE), *_asks(_cut_out),
         why="To a model that knows positions that is another sentence: use allowed."),
    slip("divided", "the fall is divided, by k or by the number of words; it is wanted as it is",
         (r"/|mean", *RETURN),
         *finishes(lambda made, k: made[0] / max(k, 1), lambda made, k: made[0] / (k + 1)), rare=True),
    slip("against-the-rest", "with and without the k words are compared; compare with the whole sentence",
         RETURN, {"take": _kept_and_hidden, "finish": lambda made, k: made[1] - made[0]},
         {"take": _kept_and_hidden, "finish": lambda made, k: made[0] - made[1]}, rare=True),
    *MEASURES,
)
_NONE = slip(  # at a later stage: only k = 0 shows it
    "all-at-zero", "with k = 0 all words are hidden; nothing should be, and nothing falls",
    (r"-\s*k", *_TAKE), *_takes(lambda order, k: order[-k:].flip(0) if not k else order[:k]),
    why="order[-0:] is all of it, and sorted[k - 1] is the last for k = 0; order[:k] is none.", rare=True)
_SOME = slip(
    "some-at-zero", "with k = 0 words are hidden; none should be, and nothing falls",
    _TAKE, *_takes(*(lambda order, k, m=m: order[: k or m] for m in (1, 2, 3))), rare=True)
# fmt: on


def _asked(answer) -> list[Subject]:
    """A plain number is as good as a tensor of one."""
    ((function, first),) = asking(answer, "probabilities", "tokens", "explanation", "k")

    def called(*inputs):
        made = function(*inputs)
        if isinstance(made, numbers.Real) and not isinstance(made, bool):
            made = torch.tensor(float(made))
        return _one(made) if isinstance(made, Tensor) and made.layout == torch.strided else made

    return [(called, first)]


def _about(trials: list[Trial], answer) -> Iterator[Verdict]:
    """Are the k words that matter most hidden together; a case worked out by hand."""
    wrong = next(t for t in trials if not t.right)
    if wrong.changed:
        yield Verdict("given as it was", False, "it writes into what the caller gave")
    reader, tokens, explanation, k = wrong.case.inputs
    noted, three = Noted(reader), torch.arange(3)
    try:
        call(answer, noted, tokens, explanation, k)
        made = [call(answer, by_hand, three, torch.eye(3)[i], 1).answer for i in range(3)]
    except Failed:
        return
    most = explanation.argsort(descending=True)[:k].tolist()
    if set(most) not in noted.hidden:
        places = ", ".join(map(str, most)) or "none"
        said = f"for k = {k} these should be hidden, and no others: {places}. That is never done"
        yield Verdict("the words that matter most", False, said)
    for i, one in enumerate(made):
        one = torch.as_tensor(one) if isinstance(one, Tensor | float) else None
        if one is not None and one.numel() == 1 and not same(one.flatten()[0], BY_HAND[i]):
            yield not_by_hand(i, one)
            return


comprehensiveness = Exercise(
    "comprehensiveness",
    ("fall",),
    _right,
    _cases,
    bugs((*_SLIPS, _NONE, _SOME), _comprehensiveness),
    "Checked: sentences of 3 to 8 words, k from none to all, numbers below 0, and 2 to 4 answers.",
    prepare=_asked,
    explain=_about,
)
