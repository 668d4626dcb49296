"""Softmax: each row of scores becomes shares that sum to 1."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from attention_core.agreement import rounding
from attention_core.practice import recipes
from attention_core.practice.evidence import about_shares
from attention_core.practice.exercise import Bug, Case, Exercise, Stop, Subject, random
from attention_core.practice.source import line_to_look_at


def _cases() -> list[Case]:
    small = random(2, 3, seed=1, decimals=1)
    large = torch.tensor([[1000.0, 1001.0, 999.0], [-1000.0, -1001.0, -999.0]])
    hidden = random(2, 3, seed=2, decimals=1)
    hidden[0, 2] = hidden[1, 0] = -math.inf
    square, one_large = random(3, 3, seed=7), torch.tensor([[1000.0, 0.0, -4.0, 3.0]])
    below = torch.tensor([-1000.0, -1001.0, -999.0])
    one, batch = random(4, seed=5), random(2, 3, 4, seed=6)
    rows = "To divide each row by its own sum, keep the dimension that is summed: keepdim=True."
    last = "The last dimension is the one to sum over, however many there are: dim=-1."
    cases = [
        Case("2 rows of 3 scores", (small,), 0, rows, (("scores", small),)),
        Case("3 rows of 3 scores", (square,), 0, rows, (("scores", square),)),
        Case("4 rows of 5 scores", (random(4, 5, seed=3),), 0, rows),
        Case("5 rows of 2 scores, float64", (random(5, 2, seed=4, dtype=torch.float64),), 0, rows),
        Case("4 scores alone, without rows", (one,), 1, last, (("scores", one),)),
        Case("a batch of 2, each 3 rows of 4 scores", (batch,), 1, last, (("scores", batch),)),
        Case("2 rows of large scores", (large,), 2, beside=(("scores", large),)),
        Case("1 row with a large score", (one_large,), 2, beside=(("scores", one_large),)),
        Case("3 scores far below 0, without rows", (below,), 2, beside=(("scores", below),)),
        Case("2 rows, a score in each being −∞", (hidden,), 3, beside=(("scores", hidden),)),
    ]
    return [replace(case, near=_near_of_shares(case.inputs[0])) for case in cases]


def _near_of_shares(scores: Tensor) -> float:
    largest = float(scores[scores.isfinite()].abs().max())
    return rounding(torch.float32, scores.shape[-1], size=max(1.0, largest))


_WORDS = {
    "over-queries": "it runs down the columns; it should run along the rows, the last dimension",
    "fixed-dim": "it runs over dimension 1, which is the last one of a table only; dim=-1 is always the last",
    "argmax": "each row gives everything to its largest score: this is argmax, not softmax",
    "not-normalised": "these are e to the power of the scores, not yet divided by the sum of their row",
    "over-everything": "all numbers together sum to 1; each row should sum to 1 by itself",
    "no-exp": "the scores are divided by their sum; e to the power of each comes first",
    "log": "these are the logarithms of the answer: this is log_softmax",
    "overflow": "e to the power of a large score is too large for a number, and ∞ ÷ ∞ is NaN",
}


def _each_of_the_first(scores: Tensor) -> Tensor:
    return torch.stack([part.flatten().softmax(0).view_as(part) for part in scores])


def _shifted(scores: Tensor) -> Tensor:
    return scores - scores.amax(dim=-1, keepdim=True)


def _divided_by_column(scores: Tensor) -> Tensor:
    powers = _shifted(scores).exp()
    return powers / powers.sum(dim=-2, keepdim=True)


def _shifted_without_exp(scores: Tensor) -> Tensor:
    return _shifted(scores) / _shifted(scores).sum(dim=-1, keepdim=True)


_ONLY_HERE = (
    Bug(
        "sum-over-queries",
        "each number is divided by the sum of its column; it should be that of its row, dim=-1",
        "Each column sums to 1 now, and each row should.",
        (r"sum\(.*-2", r"\bsum\("),
        (_divided_by_column,),
    ),
    Bug(
        "no-exp-shifted",
        "the largest score is taken away, but e to the power of each is missing: the best key gets 0",
        "",
        (r"\bsum\(", r"amax|max"),
        (_shifted_without_exp,),
    ),
    Bug(
        "first-dimension",
        "each entry of the first dimension is taken for a row; a row is along the last dimension",
        "",
        (r"\bfor\b", *recipes.SOFTMAX),
        (_each_of_the_first,),
    ),
    Bug(
        "shape-lost",
        "the rows are right, but not in the shape in which the scores came",
        "",
        (r"return",),
        (lambda scores: scores.reshape(-1, scores.shape[-1]).softmax(-1),),
    ),
)


def _bugs() -> tuple[Bug, ...]:
    why = {"over-queries": "Each column sums to 1 now, and each row should.", "fixed-dim": ""}
    named = [
        Bug(
            slip.name,
            _WORDS.get(slip.name, slip.words),
            why.get(slip.name, slip.why),
            slip.look_at,
            tuple(v["normalise"] for v in slip.variants),
        )
        for slip in recipes.NORMALISE
        if slip.name != "no-softmax"
    ]
    return (*named, *_ONLY_HERE)


def _a_tensor(answer) -> list[Subject]:
    """The answer, that is told so if it gives numbers that have left torch."""

    def call(scores: Tensor):
        weights = answer(scores)
        if isinstance(weights, list) and weights and isinstance(weights[0], list | float):
            where = line_to_look_at(answer, r"tolist", r"return")
            raise Stop(
                "wrong", "it returns a list of numbers; it should return a tensor", bug="list", where=where
            )
        return weights

    return [(recipes.telling(call), ())]


softmax = Exercise(
    "softmax",
    ("weights",),
    lambda scores: scores.softmax(-1),
    _cases,
    _bugs(),
    "Checked: rows, batches, a single row, float64, scores of a thousand, and scores of −∞.",
    prepare=_a_tensor,
    explain=about_shares,
    learns=1,
)
