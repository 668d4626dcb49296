"""What can be said of a wrong answer that is no known mistake: properties, with numbers, true of it."""

from collections.abc import Iterator

from torch import Tensor

from attention_core import probes
from attention_core._calling import number
from attention_core.practice.exercise import SAME, Trial, same
from attention_core.probes import Verdict

_AVERAGE = "output = weights @ value"


def about_shares(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Of a softmax: do the shares of a row sum to 1, is one below 0, are they too sharp?"""
    got, expected = next((t.got, t.expected[0]) for t in trials if not t.right)
    found = (_shares(got), _sharpness(got, expected))
    yield from (verdict for verdict in found if verdict is not None)


def about_places(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Of a causal mask: the first place that is wrongly allowed, or wrongly hidden."""
    got, expected = next((t.got, t.expected[0]) for t in trials if not t.right)
    n = len(expected)
    for name, may, wrong in (
        ("no future", "may", got & ~expected),
        ("all of the past", "may not", ~got & expected),
    ):
        if wrong.any():
            i, j = wrong.nonzero()[0].tolist()
            which = "in its future" if j > i else "in its past" if j < i else "itself"
            yield Verdict(name, False, f"for n = {n}, word {i} {may} look at word {j}, {which}")


def about_attention(trials: list[Trial], answer) -> Iterator[Verdict]:
    """Of an attention function: the first two probes that fail, then what the numbers say."""
    asked = [probes.rows_sum_to_one, probes.permutation_equivariance, probes.convex_hull]
    if any(len(t.case.inputs) == 4 for t in trials):
        asked += [probes.causality, probes.self_visibility, probes.fully_masked_row]
    yield from [verdict for verdict in (probe(answer) for probe in asked) if verdict.holds is False][:2]
    yield from about_numbers(trials, answer)


def about_numbers(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Of output and weights: which of the two is wrong, and whether the scores are off by a factor."""
    trial = next(t for t in trials if not t.right)
    (output, weights), (_, right) = trial.got, trial.expected
    if same(weights, right):
        yield Verdict(
            _AVERAGE, False, "the weights are right; the output does not average the values by them"
        )
        return
    values = trial.case.inputs[2] if len(trial.case.inputs) > 2 else None  # a module makes its own
    if values is not None and same(output, weights.to(values.dtype) @ values):
        yield Verdict(_AVERAGE, True, "the output follows from the weights, so look before it")
    if (sharper := _sharpness(weights, right)) is not None:
        yield sharper


def _shares(weights: Tensor) -> Verdict | None:
    rows = weights.detach().reshape(-1, weights.shape[-1]).double()
    if not rows.isfinite().all():
        return Verdict("shares are numbers", False, f"one is {number(rows[~rows.isfinite()][0])}")
    if rows.min() < -SAME:
        return Verdict("no share below 0", False, f"the smallest is {number(rows.min())}")
    off = (rows.sum(-1) - 1).abs()
    if off.max() > SAME:
        row = int((off > SAME).int().argmax())
        return Verdict("rows sum to one", False, f"row {row} sums to {number(rows[row].sum())}")
    return None


def _sharpness(got: Tensor, expected: Tensor) -> Verdict | None:
    """Whether the weights are those of the right scores times one factor, and which.

    log softmax(c·s) is c·log softmax(s) but for a constant in each row, which centring takes away.
    """
    x, y = expected.detach().double(), got.detach().double()
    seen = x > 1e-6
    if not y.isfinite().all() or (seen != (y > 1e-9)).any():
        return None
    x, y = (_centred(z.clamp(min=1e-12).log(), seen) for z in (x, y))
    if (x * x).sum() < 1e-6:
        return None
    factor = float((x * y).sum() / (x * x).sum())
    if (y - factor * x).abs().max() > 1e-2 or abs(factor - 1) < 1e-2:
        return None
    return Verdict("sharpness", False, f"these are the right weights for scores × {number(factor)}")


def _centred(x: Tensor, seen: Tensor) -> Tensor:
    x = x.masked_fill(~seen, 0)
    return (x - x.sum(-1, keepdim=True) / seen.sum(-1, keepdim=True).clamp(min=1)).masked_fill(~seen, 0)
