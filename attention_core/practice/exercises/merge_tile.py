"""Merge a tile: what is known of a softmax row, and of its average, and some more keys."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attention_core._saying import number
from attention_core.agreement import SAME
from attention_core.practice.exercise import Case, Exercise, Subject, Trial, random, same
from attention_core.practice.recipes import Raised, bugs, slip, telling
from attention_core.probes import Verdict

_LARGE = 60 * SAME  # how far apart right answers to scores of some hundreds may be
_NOTHING_SEEN = -1e6  # what is as good as −∞ where a row has seen nothing yet: no score is as low
_TOP = (r"max", r"largest")
_WEIGHTS = (r"scores.*exp|exp\(.*scores", r"exp", r"softmax")
_SHRUNK = (r"largest\s*-.*exp|exp\(.*largest", r"exp", r"total")
_TOTAL = (r"total\w*\s*[*+]?=|sum\(", r"return")
_OUTPUT = (r"output\w*\s*[*+]?=|@|matmul|einsum", r"return")
_RETURN = (r"return",)


def _top(largest: Tensor, scores: Tensor) -> Tensor:
    return torch.maximum(largest, scores.amax(-1, keepdim=True))


def _unless_nothing(larger: Tensor) -> Tensor:
    return larger.masked_fill(larger == -math.inf, 0)


def _powers(scores: Tensor, reference: Tensor) -> Tensor:
    return (scores - reference).exp()


def _merge(
    largest: Tensor,
    total: Tensor,
    output: Tensor,
    scores: Tensor,
    value: Tensor,
    *,
    hide: Callable = lambda scores: scores,
    top: Callable = _top,
    relative: Callable = _unless_nothing,
    weigh: Callable = _powers,
    shrink: Callable = lambda largest, reference, scores: (largest - reference).exp(),
    add: Callable = lambda total, shrunk, weights: total * shrunk + weights.sum(-1, keepdim=True),
    mix: Callable = lambda output, shrunk, weights, value: output * shrunk + weights @ value,
    finish: Callable = lambda output, total: output,
    give: Callable = lambda larger, total, output, largest: (larger, total, output),
):
    """The new largest, total and output; each step can be exchanged for a wrong one."""
    scores = hide(scores)
    larger = top(largest, scores)
    reference = relative(larger)
    weights = weigh(scores, reference)
    shrunk = shrink(largest, reference, scores)
    total = add(total, shrunk, weights)
    output = finish(mix(output, shrunk, weights, value), total)
    return give(larger, total, output, largest)


def _right(largest: Tensor, total: Tensor, output: Tensor, scores: Tensor, value: Tensor):
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    own = scores.amax(-1, keepdim=True)
    _made = own, (scores - _unless_nothing(own)).exp(), scores.exp(), largest.exp(), total, output
    return _merge(largest, total, output, scores, value)


_START = (-math.inf, 0.0, 0.0)


def _state(scores: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is known after these keys; of none of them, what one begins with."""
    rows = (*scores.shape[:-1], 1)
    start = [scores.new_full(rows, x) for x in _START[:2]]
    return _merge(*start, scores.new_zeros(*scores.shape[:-1], value.shape[-1]), scores, value)


def _begun(scores: Tensor, value: Tensor) -> tuple[Tensor, ...]:
    start = [
        scores.new_full((*scores.shape[:-1], n), x)
        for n, x in zip((1, 1, value.shape[-1]), _START, strict=True)
    ]
    return (*start, scores, value)


def _after(before: Tensor, scores: Tensor, seed: int) -> tuple[Tensor, ...]:
    """The inputs of a merge of `scores`, when those of `before` are merged."""
    d_v, lead = 2, scores.shape[:-2]
    known, new = (
        random(*lead, x.shape[-1], d_v, seed=seed + i, decimals=1, dtype=scores.dtype)
        for i, x in enumerate((before, scores))
    )
    return (*_state(before, known), scores, new)


def _cases() -> list[Case]:
    hint = "merge_tile takes (largest, total, output, scores, value), and returns the first three anew."
    nothing = "A row that has seen nothing stays as it began, −∞, 0 and 0: −∞ − (−∞) is NaN."
    few = torch.tensor([[0.5, -1.0, 1.5], [-2.0, -0.5, -1.0]])
    square = random(3, 3, seed=61, decimals=1)
    two = torch.tensor(
        [[1.0, -0.5], [2.0, 0.3], [-1.5, -0.7]]
    )  # the first and last rise, the second does not
    more = torch.tensor([[1.5, 0.2, -1.0, 2.2], [-0.4, 1.1, 0.6, 0.1], [-0.6, -2.0, -0.2, -1.0]])
    hidden = more.clone()
    hidden[0, 1:3], hidden[1] = -math.inf, -math.inf
    unseen = two.clone()
    unseen[1] = -math.inf
    apart = torch.tensor([[-200.0, -201.5], [199.0, 200.5], [-198.0, -199.0]])
    farther = torch.tensor([[-200.5, -199.0, -202.0], [198.5, 199.5, 201.0], [201.0, 200.2, 199.3]])
    made = [
        ("the first tile: 2 queries × 3 keys", _begun(few, random(3, 2, seed=60, decimals=1)), 0, SAME),
        ("the first tile: 3 queries × 3 keys", _begun(square, random(3, 3, seed=62)), 0, SAME),
        ("3 queries that have seen 2 keys, and a tile of 4", _after(two, more, 63), 0, SAME),
        ("3 queries that have seen 4 keys, and a tile of 1", _after(more, two[:, :1], 65), 0, SAME),
        (
            "2 × 2 heads, and a tile of 3",
            _after(random(2, 2, 4, 5, seed=67), random(2, 2, 4, 3, seed=68), 69),
            0,
            SAME,
        ),
        ("3 queries, and a tile of 4, in float64", _after(two.double(), more.double() / 3, 71), 0, SAME),
        ("a tile of which query 1 may see nothing", _after(two, hidden, 73), 1, SAME),
        ("the first tile, of which query 1 may see nothing", _begun(unseen, random(2, 2, seed=75)), 1, SAME),
        ("a second tile of which query 1 may see nothing", _after(unseen, hidden, 76), 1, SAME),
        ("a tile for query 1, which had seen nothing", _after(unseen, more, 78), 1, SAME),
        ("a first tile with scores of ±200", _begun(apart, random(2, 2, seed=80)), 2, _LARGE),
        ("a second tile with scores of ±200", _after(apart, farther, 81), 2, _LARGE),
    ]
    names = ("largest", "total", "output", "scores", "value")
    return [
        Case(
            words,
            inputs,
            stage,
            nothing if stage == 1 else hint,
            tuple(zip(names, inputs, strict=True)),
            near,
        )
        for words, inputs, stage, near in made
    ]


def _softmax(scores: Tensor, _reference: Tensor) -> Tensor:
    return scores.softmax(-1)


def _low(fill: float) -> dict:
    return {"hide": lambda scores: scores.masked_fill(scores == -math.inf, fill)}


def _unshifted(scores: Tensor, _reference: Tensor) -> Tensor:
    return scores.exp()


def _ones(largest: Tensor, _reference: Tensor, _scores: Tensor) -> Tensor:
    return torch.ones_like(largest)


def _own(scores: Tensor) -> Tensor:
    return scores.amax(-1, keepdim=True)


def _given_back(*order: int) -> dict:
    return {"give": lambda *three: tuple(three[i] for i in order)}


def _number_by_number(output: Tensor, shrunk: Tensor, weights: Tensor, value: Tensor) -> Tensor:
    """`weights * value` where both are of one shape, as a small square tile lets them be."""
    met = weights * value if weights.shape == value.shape else weights @ value
    return output * shrunk + met


_SLIPS = (
    slip(
        "max-from-zero",
        "the largest score is never below 0 here; scores that all are below leave nothing",
        _TOP,
        {"top": lambda largest, scores: _top(largest, scores).clamp(min=0)},
        why="At scores of −200 each e^(score − 0) is 0. One begins with −∞, not with 0.",
    ),
    slip(
        "no-max",
        "the powers are of the scores themselves; they should be of score − largest",
        _WEIGHTS,
        {"weigh": _unshifted, "shrink": _ones},
        {
            "weigh": _unshifted,
            "shrink": _ones,
            "give": lambda larger, total, output, largest: (largest, total, output),
        },
        {"weigh": _unshifted},
        why="At scores of 200, e^score is infinite in float32.",
    ),
    slip(
        "number-by-number",
        "weights and values meet number by number; a row sums over its keys: weights @ value",
        _OUTPUT,
        {"mix": _number_by_number},
    ),
    slip(
        "max-of-the-tile",
        "the largest is that of this tile alone; it should be the larger of both",
        _TOP,
        {"top": lambda largest, scores: _own(scores)},
        {"top": lambda largest, scores: _own(scores), "relative": lambda larger: larger},
        why="That is: torch.maximum(largest, …).",
    ),
    slip(
        "old-max",
        "it goes on with the old largest; a larger score of the tile must replace it",
        _TOP,
        {"top": lambda largest, scores: largest},
        {"top": lambda largest, scores: largest, "relative": lambda larger: larger},
    ),
    slip(
        "largest-not-returned",
        "the largest that is returned is the old one; the next tile needs the new",
        _RETURN,
        {"give": lambda larger, total, output, largest: (largest, total, output)},
    ),
    slip(
        "one-max-for-all",
        "all queries get one largest; each row has its own: amax(dim=-1, keepdim=True)",
        _TOP,
        {"top": lambda largest, scores: torch.maximum(largest, scores.max())},
        {"top": lambda largest, scores: torch.maximum(largest, scores.max()).amax((-2, -1), keepdim=True)},
    ),
    slip(
        "max-over-queries",
        "the largest is taken over the queries; it should be over the keys, dim=-1",
        _TOP,
        {"top": lambda largest, scores: torch.maximum(largest, scores.amax(-2, keepdim=True))},
        {"top": lambda largest, scores: torch.maximum(largest, scores.amax(-2).unsqueeze(-1))},
    ),
    slip(
        "total-not-rescaled",
        "the old total is not rescaled; it is still relative to the old largest",
        _TOTAL,
        {"add": lambda total, shrunk, weights: total + weights.sum(-1, keepdim=True)},
        why="When the largest rises, all that was added up shrinks by e^(old − new).",
    ),
    slip(
        "output-not-rescaled",
        "the old output is not rescaled; it is still relative to the old largest",
        _OUTPUT,
        {"mix": lambda output, shrunk, weights, value: output + weights @ value},
        why="When the largest rises, all that was added up shrinks by e^(old − new).",
    ),
    slip(
        "not-rescaled",
        "what was known is not rescaled; when the largest rises, it shrinks by e^(old − new)",
        (*_TOTAL, *_OUTPUT),
        {"shrink": _ones},
        rare=True,
    ),
    slip(
        "upside-down",
        "what was known grows by e^(new − old); it should shrink by e^(old − new)",
        _SHRUNK,
        {"shrink": lambda largest, reference, scores: (reference - largest).exp()},
        rare=True,
    ),
    slip(
        "factor-without-exp",
        "the factor is old − new itself; it should be e to the power of that",
        _SHRUNK,
        {"shrink": lambda largest, reference, scores: largest - reference},
        {"shrink": lambda largest, reference, scores: largest / reference},
        {"shrink": lambda largest, reference, scores: reference - largest},
        rare=True,
    ),
    slip(
        "new-rescaled",
        "the factor is given to the new part; it is what was known that shrinks",
        (*_TOTAL, *_OUTPUT),
        {
            "add": lambda total, shrunk, weights: total + weights.sum(-1, keepdim=True) * shrunk,
            "mix": lambda output, shrunk, weights, value: output + weights @ value * shrunk,
        },
        rare=True,
    ),
    slip(
        "all-rescaled",
        "the factor is given to both parts; the new part is relative to the new largest already",
        (*_TOTAL, *_OUTPUT),
        {
            "add": lambda total, shrunk, weights: (total + weights.sum(-1, keepdim=True)) * shrunk,
            "mix": lambda output, shrunk, weights, value: (output + weights @ value) * shrunk,
        },
        rare=True,
    ),
    slip(
        "tile-not-rescaled",
        "the tile's powers are relative to its own largest, and stay so",
        _WEIGHTS,
        {"weigh": lambda scores, _: (scores - _unless_nothing(_own(scores))).exp()},
        {"weigh": lambda scores, _: (scores - _own(scores)).exp()},
        why="Take both relative to the new largest: e^(score − new).",
        rare=True,
    ),
    slip(
        "divided",
        "the output is divided by the total at each tile; that comes once, when all tiles are in",
        (r"/", *_OUTPUT),
        {"finish": lambda output, total: output / total},
        {"finish": lambda output, total: output / total.masked_fill(total == 0, 1)},
        {"finish": lambda output, total: (output / total).nan_to_num(0)},
        why="What is divided cannot be added to: it no longer knows how much it weighs.",
    ),
    slip(
        "softmax-in-the-tile",
        "the tile gets a softmax of its own; its weights should be e^(score − largest)",
        (r"softmax", *_WEIGHTS),
        {"weigh": _softmax},
        {"weigh": lambda scores, reference: _softmax(scores, reference).nan_to_num(0)},
        why="A softmax of a part sums to 1, however little that part counts.",
        rare=True,
    ),
    slip(
        "no-exp",
        "the weights are score − largest itself; they should be e to the power of that",
        _WEIGHTS,
        {"weigh": lambda scores, reference: scores - reference},
        rare=True,
    ),
    slip(
        "total-forgotten",
        "the total is that of this tile alone; the old one belongs to it",
        _TOTAL,
        {"add": lambda total, shrunk, weights: weights.sum(-1, keepdim=True)},
        rare=True,
    ),
    slip(
        "output-forgotten",
        "the output is that of this tile alone; the old one belongs to it",
        _OUTPUT,
        {"mix": lambda output, shrunk, weights, value: weights @ value},
        rare=True,
    ),
    slip(
        "old-forgotten",
        "what comes out knows this tile alone; what was known before belongs to it",
        (*_TOTAL, *_OUTPUT),
        {"shrink": lambda largest, reference, scores: torch.zeros_like(largest)},
        rare=True,
    ),
    slip(
        "tile-forgotten",
        "the tile's keys are not added; a tile brings e^(score − largest) of each",
        _TOTAL,
        {
            "add": lambda total, shrunk, weights: total * shrunk,
            "mix": lambda output, shrunk, weights, value: output * shrunk,
        },
        {"add": lambda total, shrunk, weights: total * shrunk},
        {"mix": lambda output, shrunk, weights, value: output * shrunk},
        rare=True,
    ),
    slip(
        "mean-for-sum",
        "the total gets the mean of the tile's weights; it should get their sum",
        (r"mean", *_TOTAL),
        {"add": lambda total, shrunk, weights: total * shrunk + weights.mean(-1, keepdim=True)},
        rare=True,
    ),
    slip(
        "sum-of-all-rows",
        "the total gets the weights of all queries; each row has its own sum",
        _TOTAL,
        {"add": lambda total, shrunk, weights: total * shrunk + weights.sum()},
        {"add": lambda total, shrunk, weights: total * shrunk + weights.sum((-2, -1), keepdim=True)},
        why="That is: weights.sum(dim=-1, keepdim=True).",
        rare=True,
    ),
    slip(
        "keepdim-forgotten",
        "a row's largest, or its sum, has lost its last axis, and meets other rows: keepdim=True",
        _TOTAL,
        {"add": lambda total, shrunk, weights: total * shrunk + weights.sum(-1)},
        {"top": lambda largest, scores: torch.maximum(largest, scores.amax(-1))},
        why="total is (n_q, 1), as largest is.",
        rare=True,
    ),
    slip(
        "values-unweighted",
        "the tile's values are added as they are; each counts e^(score − largest)",
        _OUTPUT,
        {"mix": lambda output, shrunk, weights, value: output * shrunk + value.sum(-2, keepdim=True)},
        {"mix": lambda output, shrunk, weights, value: output * shrunk + value.mean(-2, keepdim=True)},
        rare=True,
    ),
    slip(
        "scores-for-weights",
        "the values are weighed by the scores; they should be by e^(score − largest)",
        _OUTPUT,
        {
            "weigh": lambda scores, reference: (scores, (scores - reference).exp()),
            "add": lambda total, shrunk, both: total * shrunk + both[1].sum(-1, keepdim=True),
            "mix": lambda output, shrunk, both, value: output * shrunk + both[0] @ value,
        },
        rare=True,
    ),
    slip(
        "scaled-again",
        "the scores are divided by a root once more; they come scaled",
        (r"sqrt|\*\*", *_WEIGHTS),
        *({"hide": lambda scores, n=n: scores / math.sqrt(n)} for n in (2, 4, 8, 16, 64)),
        {"hide": lambda scores: scores / math.sqrt(scores.shape[-1])},
        rare=True,
    ),
    slip(
        "masked-as-low",
        "−∞ is made a low number, so a row that sees nothing counts each of its keys as 1",
        (r"clamp|nan_to_num|where|masked_fill|1e|finfo", *_TOP),
        *map(_low, (-1e4, -1e9, -1e30, torch.finfo(torch.float32).min)),
        why="e^(low − low) is 1. What may not be seen has weight 0, and its row a total of 0.",
    ),
    slip(
        "nan-row",
        "a row that has seen nothing gets NaN: −∞ − (−∞); it should stay −∞, 0 and 0",
        (r"exp", *_TOP),
        {"relative": lambda larger: larger},
        {
            "relative": lambda larger: larger,
            "weigh": lambda scores, reference: (scores - reference).exp().nan_to_num(0),
        },
        {
            "relative": lambda larger: larger,
            "shrink": lambda largest, reference, scores: (largest - reference).exp().nan_to_num(0),
        },
        why="Subtract 0 where the largest is still −∞: e^(−∞ − 0) is 0.",
    ),
    slip(
        "other-order",
        "the three come back in another order; it should be largest, total, output",
        _RETURN,
        *(_given_back(*order) for order in itertools.permutations(range(3)) if order != (0, 1, 2)),
        rare=True,
    ),
    slip(
        "output-alone",
        "one thing is returned; return all three: largest, total, output",
        _RETURN,
        {"give": lambda larger, total, output, largest: output},
        {"give": lambda larger, total, output, largest: output / total},
        {"give": lambda larger, total, output, largest: (total, output)},
        rare=True,
    ),
)
_RAISED = (
    Raised(
        "number-by-number",
        "weights and values meet number by number; a row sums over its keys: weights @ value",
        "",
        r"must match the size|size of tensor",
        r"weights?\w*\s*\*\s*value|value\s*\*\s*weight",
    ),
    Raised(
        "keepdim-forgotten",
        "the row's largest, or its sum, has lost its last axis: keepdim=True",
        "largest and total are (n_q, 1), so that they fit each key of a row.",
        r"must match the size|size of tensor|expected size",
        r"^(?!.*keepdim)",
    ),
    Raised(
        "max-of-two-tensors",
        "max compares two numbers; torch.maximum compares two tensors, place by place",
        "",
        r"Boolean value of Tensor",
        r"\bmax\(",
    ),
    Raised(
        "max-gives-two",
        "max(dim) gives two things, values and places; amax gives the values alone",
        "",
        r"torch\.return_types\.max|must be Tensor, not|unsupported operand",
        r"max",
    ),
)


def _merging(answer) -> list[Subject]:
    """The answer; where a row has seen nothing, any largest that is lower than all scores is −∞."""

    @functools.wraps(answer)
    def call(*arguments):
        made = answer(*arguments)
        if not (
            isinstance(made, tuple | list) and len(made) == 3 and all(isinstance(x, Tensor) for x in made)
        ):
            return made
        largest, total, output = made
        if largest.shape == total.shape and largest.is_floating_point():
            largest = torch.where((total == 0) & (largest < _NOTHING_SEEN), -math.inf, largest)
        return largest, total, output

    return [(telling(call, _RAISED), ())]


def _about(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Of largest, total and output: which is wrong, and what it is relative to."""
    wrong = next(t for t in trials if not t.right)
    (largest, total, output), near = wrong.got, wrong.case.near
    right_largest, right_total, right_output = wrong.expected
    if not same(largest, right_largest, near):
        row = (largest != right_largest).flatten().int().argmax()
        got, right = (_said(x.flatten()[row]) for x in (largest, right_largest))
        yield Verdict("the largest score so far", False, f"row {row} has {got}; it should have {right}")
    if same(total, right_total, near) == same(output, right_output, near):
        shares = output / total.masked_fill(total == 0, 1)
        alike = same(shares, right_output / right_total.masked_fill(right_total == 0, 1), near)
        said = (
            "output / total is right, but both are off by a factor"
            if alike
            else "neither total nor output is right"
        )
        if not same(total, right_total, near):
            yield Verdict("relative to the largest", False, said)
    else:
        part = "output" if same(total, right_total, near) else "total"
        yield Verdict(f"the {part} of the new largest", False, f"the other one is right, {part} is not")


def _said(x: Tensor) -> str:
    return "−∞" if x == -math.inf else number(x)


merge_tile = Exercise(
    "merge a tile",
    ("largest", "total", "output"),
    _right,
    _cases,
    bugs(_SLIPS, _merge),
    "Checked: first and later tiles, of 1 to 4 keys, heads, float64, rows that see nothing, scores of ±200.",
    prepare=_merging,
    explain=_about,
    show="total",
)
