"""Softmax: each row of scores becomes shares that sum to 1."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from attention_core.agreement import rounding
from attention_core.practice import recipes
from attention_core.practice.evidence import about_shares
from attention_core.practice.exercise import Bug, Case, Exercise, random


def _cases() -> list[Case]:
    small = random(2, 3, seed=1, decimals=1)
    large = torch.tensor([[1000.0, 1001.0, 999.0], [-1000.0, -1001.0, -999.0]])
    hidden = random(2, 3, seed=2, decimals=1)
    hidden[0, 2] = hidden[1, 0] = -math.inf
    one, batch = random(4, seed=5), random(2, 3, 4, seed=6)
    rows = "To divide each row by its own sum, keep the dimension that is summed: keepdim=True."
    last = "The last dimension is the one to sum over, however many there are: dim=-1."
    cases = [
        Case("2 rows of 3 scores", (small,), 0, rows, (("scores", small),)),
        Case("4 rows of 5 scores", (random(4, 5, seed=3),), 0, rows),
        Case("5 rows of 2 scores, float64", (random(5, 2, seed=4, dtype=torch.float64),), 0, rows),
        Case("4 scores alone, without rows", (one,), 1, last, (("scores", one),)),
        Case("a batch of 2, each 3 rows of 4 scores", (batch,), 1, last, (("scores", batch),)),
        Case("2 rows of large scores", (large,), 2, beside=(("scores", large),)),
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


def _bugs() -> tuple[Bug, ...]:
    slips = {slip.name: slip for slip in recipes.NORMALISE}
    why = {"over-queries": "Each column sums to 1 now, and each row should.", "fixed-dim": ""}
    return tuple(
        Bug(
            name,
            words,
            why.get(name, slips[name].why),
            slips[name].look_at,
            tuple(v["normalise"] for v in slips[name].variants),
        )
        for name, words in _WORDS.items()
    )


softmax = Exercise(
    "softmax",
    ("weights",),
    lambda scores: scores.softmax(-1),
    _cases,
    _bugs(),
    "Checked: rows, batches, a single row, float64, scores of a thousand, and scores of −∞.",
    explain=about_shares,
    learns=1,
)
