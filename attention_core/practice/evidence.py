"""What can be said of a wrong answer that is no known mistake: properties, with numbers, true of it."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from attention_core import probes
from attention_core._saying import number
from attention_core.agreement import SAME
from attention_core.practice.exercise import Trial, coarser, same
from attention_core.probes import Verdict

_AVERAGE = "output = weights @ value"
_NOT_AVERAGED = "the weights are right; the output is something else than weights @ value"
_ONLY_THE_OUTPUT = "the weights are right, and the output is not"


def about_shares(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Of a softmax: do the shares of a row sum to 1, is one below 0, are they too sharp?"""
    pairs = [(t.got, t.expected[0]) for t in trials if not t.right]
    found = _first(_shares(pairs[0][0]), _sharpness(*pairs[0]), _evenness(pairs))
    if found is not None:
        yield found


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
    """Of an attention function or module: the first two probes that fail, then what the numbers say."""
    asked = [probes.rows_sum_to_one, probes.permutation_equivariance]
    if not isinstance(answer, nn.Module):  # the values that a module averages are not known
        asked.append(probes.convex_hull)
    if any(len(t.case.inputs) in (2, 4) for t in trials):  # x, or query, key and value; then a mask
        asked += [probes.causality, probes.self_visibility, probes.fully_masked_row]
    yield from [verdict for verdict in (probe(answer) for probe in asked) if verdict.holds is False][:2]
    yield from _about_numbers(trials)


def _about_numbers(trials: list[Trial]) -> Iterator[Verdict]:
    """Of output and weights: which of the two is wrong, and whether the scores are off by a factor."""
    wrong = [t for t in trials if not t.right]
    (output, weights), (_, right) = wrong[0].got, wrong[0].expected
    values = wrong[0].case.inputs[2] if len(wrong[0].case.inputs) > 2 else None  # a module makes its own
    if same(weights, right):
        # which values a module averages, and what it does with the average, is its own: no more can be said
        said = _NOT_AVERAGED if values is not None else _ONLY_THE_OUTPUT
        yield Verdict(_AVERAGE if values is not None else "output", False, said)
        return
    if values is not None and same(output, weights.to(values.dtype) @ values):
        yield Verdict(_AVERAGE, True, "the output follows from the weights, so look before it")
    if (
        found := _first(_sharpness(weights, right), _evenness([(t.got[1], t.expected[1]) for t in wrong]))
    ) is not None:
        yield found


def _first(*verdicts: Verdict | None) -> Verdict | None:
    return next((verdict for verdict in verdicts if verdict is not None), None)


def _shares(weights: Tensor) -> Verdict | None:
    rows, near = weights.detach().reshape(-1, weights.shape[-1]).double(), SAME * max(1.0, coarser(weights))
    if not rows.isfinite().all():
        return Verdict("shares are numbers", False, f"one is {number(rows[~rows.isfinite()][0])}")
    if rows.min() < -near:
        return Verdict("no share below 0", False, f"the smallest is {number(rows.min())}")
    off = (rows.sum(-1) - 1).abs()
    if off.max() > near:
        row = int((off > near).int().argmax())
        return Verdict("rows sum to one", False, f"row {row} sums to {_not_1(rows[row].sum())}")
    return None


def _not_1(x: Tensor) -> str:
    """A number near 1, with as many digits as show that it is not 1."""
    shown = (f"{x:.{digits}f}" for digits in (4, 6, 8))
    return number(x) if number(x) != "1.00" else next((s for s in shown if float(s) != 1), f"{x}")


def _sharpness(got: Tensor, expected: Tensor) -> Verdict | None:
    """Whether the weights are those of the right scores times one factor, and which.

    log softmax(c·s) is c·log softmax(s) but for a constant in each row, which centring takes away.
    """
    x, y = expected.detach().double(), got.detach().double()
    seen = x > 1e-6
    if _shares(got) is not None:
        return None  # whatever the scores were, these are no shares of them
    if not y.isfinite().all() or (seen != (y > 1e-9)).any():
        return None
    x, y = (_centred(z.clamp(min=1e-12).log(), seen) for z in (x, y))
    if (x * x).sum() < 1e-6:
        return None
    factor = float((x * y).sum() / (x * x).sum())
    if (y - factor * x).abs().max() > 1e-2 or abs(factor - 1) < 1e-2:
        return None
    return Verdict("sharpness", False, f"here the weights are right for scores × {number(factor)}")


def _evenness(pairs: list[tuple[Tensor, Tensor]]) -> Verdict | None:
    """Whether each row has its keys in the right order, but too near to each other or too far apart."""
    for got, expected in pairs:
        alike = got.shape == expected.shape and (got.argsort(-1) == expected.argsort(-1)).all()
        if not alike or got.shape[-1] < 2 or _shares(got) is not None:
            return None
    largest, wanted = (
        torch.cat([x.detach().double().amax(-1).flatten() for x in of]) for of in zip(*pairs, strict=True)
    )
    for how, by in (("too even", wanted - largest), ("too uneven", largest - wanted)):
        if (by > 0).all():
            said = f"the largest weight of row 0 is {number(largest[0])}, not {number(wanted[0])}"
            return Verdict(
                "evenness", False, f"each row has its keys in the right order, but is {how}: {said}"
            )
    return None


def _centred(x: Tensor, seen: Tensor) -> Tensor:
    x = x.masked_fill(~seen, 0)
    return (x - x.sum(-1, keepdim=True) / seen.sum(-1, keepdim=True).clamp(min=1)).masked_fill(~seen, 0)
