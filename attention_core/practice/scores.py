"""Checks of a score for heads: one number of a map `(n, n)` and its tokens, from 0 to 1."""

import functools
import numbers
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attention_core._calling import Failed, call
from attention_core._saying import a, number
from attention_core.practice.exercise import Case, Stop, Subject, Trial, random, same
from attention_core.practice.exercises.training_step import fits
from attention_core.probes import Verdict

RETURN = (r"\breturn\b",)
_HINT = "weights is (n, n), a row for each query, a column for each key; tokens is a list of n words."
_NO_NUMBER = "a score should be one number; it is {thing}"
_ITS_SCORE = "{words}: it should say {right}, it says {got}"
_OUTSIDE = "it says {got} of a map whose rows sum to 1"


@dataclass(frozen=True)
class ByHand:
    """A map whose score is known without a computation. words: what it is; it completes a sentence."""

    words: str
    weights: Tensor
    tokens: tuple[str, ...]
    score: float


def one(made):
    """A score as `(1,)`, be it a plain number or a tensor of one. Raises: Stop, for what is no number."""
    if isinstance(made, numbers.Real) and not isinstance(made, bool):
        made = torch.tensor(float(made))
    if isinstance(made, Tensor) and made.layout == torch.strided and made.numel() == 1:
        return made.reshape(1)
    if made is None or made is ... or isinstance(made, Tensor):
        return made
    raise Stop("wrong", _NO_NUMBER, bug="not-a-number", thing=a(made))


def asked(answer: Callable) -> list[Subject]:
    """The answer, which may give a plain number. Raises: Stop, if it cannot be called with two things."""
    score = fits(answer, "weights", "tokens")
    return [(lambda weights, tokens: one(score(weights, [*tokens])), ())]


def case(sentence: str, seed: int, stage: int = 0) -> Case:
    """A sentence, and a map drawn by lot."""
    tokens = tuple(sentence.split())
    weights = (2 * random(len(tokens), len(tokens), seed=seed)).softmax(-1)
    words = f"{len(tokens)} token{'s' * (len(tokens) > 1)}, “{sentence}”"
    repeat = functools.partial(lambda weights, tokens: (weights, [*tokens]), weights, tokens)
    return Case(words, (weights, tokens), stage, _HINT, (("weights", weights),), repeat=repeat)


def about(known: Sequence[ByHand]) -> Callable[[list[Trial], Callable], Iterable[Verdict]]:
    """What is said of a score that is no known mistake: is it from 0 to 1; the first map that tells."""

    def told(trials: list[Trial], answer: Callable) -> Iterator[Verdict]:
        if any(t.changed for t in trials):
            yield Verdict("given as it was", False, "it writes into the weights, which the caller gave")
        outside = [t.got for t in trials if not -1e-6 <= float(t.got) <= 1 + 1e-6]
        if outside:
            yield Verdict("from 0 to 1", False, _OUTSIDE.format(got=number(outside[0])))
        for hand in known:
            try:
                got = one(call(answer, hand.weights, [*hand.tokens]).answer)
            except Failed:
                return
            if isinstance(got, Tensor) and got.shape == (1,) and not same(got, torch.tensor([hand.score])):
                said = _ITS_SCORE.format(words=hand.words, right=number(hand.score), got=number(got))
                yield Verdict("by hand", False, said)
                return

    return told
