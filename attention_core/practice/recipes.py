"""Attention in five steps, each of which can go wrong: the known mistakes, as functions that make them.

A slip changes one step (or two that go together). Bugs are made of slips: each alone, and each two that
change different steps, so that two mistakes at once are still told apart.
"""

import functools
import itertools
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from attention_core._calling import Failed, learners_line, takes
from attention_core.practice.exercise import Bug, Stop
from attention_core.practice.source import line_to_look_at

SCORES = (r"(query|key|\bq\b|\bk\b).*@|matmul|einsum|bmm|\bmm\b", r"scores\s*=", r"@")
SCALE = (r"sqrt|\*\*\s*-?0?\.5|rsqrt", r"d_k|size\(-1\)|shape\[-1\]", *SCORES)
SOFTMAX = (r"softmax|exp\(|argmax", r"weights\s*=", r"\.sum\(")
MASK = (
    r"masked_fill|where|allowed\s*[*&|]|\*\s*allowed|~\s*allowed|\[.*allowed.*\]",
    r"allowed(?!\s*(:|=\s*None))",
)
OUTPUT = (r"output\s*=", r"return")


@dataclass(frozen=True)
class Slip:
    """A mistake in a step: as `Bug`, with the changes to `attention` that make it, in some variants.

    rare: not asked for together with another, as there are many of these. sure: as in `Bug`.
    """

    name: str
    words: str
    why: str
    look_at: tuple[str, ...]
    variants: tuple[dict, ...]
    rare: bool = False
    sure: tuple[str, ...] = ()


def slip(name: str, words: str, look_at: tuple, *variants: dict, why: str = "", **more) -> Slip:
    """A slip in the order in which a table of them reads best."""
    return Slip(name, words, why, look_at, variants, **more)


# Steps that are right must leave nothing that a right answer does not: what only these leave is taken for a
# wrong number, and its line for the one to look at. So they are one expression, or written in C.
_SOFTMAX = functools.partial(torch.softmax, dim=-1)


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Tensor | None = None,
    *,
    score: Callable | None = None,
    divide: Callable = lambda q, k, v: math.sqrt(q.shape[-1]),
    default: Callable | None = None,
    see: Callable = lambda allowed, n_q, n_k: allowed,
    hide: Callable | None = None,
    normalise: Callable = _SOFTMAX,
    finish: Callable = lambda weights, q, k: weights,
    average: Callable = lambda weights, q, k, v: weights @ v,
    show: Callable = lambda weights, q, k: weights,
    give: Callable = lambda output, weights: (output, weights),
):
    """Scaled dot-product attention, each step of which can be exchanged for a wrong one.

    default: makes the mask where none is given. finish: what is done to the weights before they average;
    show: to those that are returned.
    """
    root = divide(query, key, value)
    scores = (score(query, key) if score else query @ key.transpose(-2, -1)) / root
    if allowed is not None:
        allowed = see(allowed, *scores.shape[-2:])
    elif default is not None:
        allowed = default(*scores.shape[-2:])
    weights = normalise(scores) if allowed is None else (hide or _minus_infinity)(scores, allowed, normalise)
    weights = finish(weights, query, key)
    return give(average(weights, query, key, value), show(weights, query, key))


def bugs(slips: Iterable[Slip], recipe: Callable = attention) -> tuple[Bug, ...]:
    """A bug for each slip, then one for each two that change different steps and show at the same stage."""
    slips = tuple(slips)
    alone = [Bug(s.name, s.words, s.why, s.look_at, _made(recipe, s.variants), s.sure) for s in slips]
    both = []
    for one, two in itertools.combinations([slip for slip in slips if not slip.rare], 2):
        changes = [
            x | y
            for x, y in itertools.product(one.variants, two.variants)
            if not x.keys() & y.keys() and _needs_mask(x) == _needs_mask(y)
        ]
        if changes:
            words = f"two things at once. First, {one.words}. Second, {two.words}"
            both.append(Bug(f"{one.name} + {two.name}", words, "", one.look_at, _made(recipe, changes)))
    return (*alone, *both)


def _made(recipe: Callable, variants: Iterable[dict]) -> tuple[Callable, ...]:
    return tuple(functools.partial(recipe, **changes) for changes in variants)


def _needs_mask(changes: dict) -> bool:
    """Whether these changes show only under a mask, and so at a later stage than the others."""
    return bool(changes.keys() & {"see", "hide"}) and "default" not in changes


def _minus_infinity(scores, allowed, normalise):
    rows = ~allowed.broadcast_to(scores.shape).any(-1, keepdim=True)
    return _nan_row(scores, allowed, normalise).masked_fill(rows, 0)


def _nan_row(scores, allowed, normalise):
    masked = scores.masked_fill(~allowed, -math.inf)
    return normalise(masked)


# what is written for −∞, and does not serve as well
_LOW = (-1e4, -1e5, -1e6, -1e9, -1e10, -1e12, -1e20, -1e30, torch.finfo(torch.float32).min)
_NOT_LOW = (-1, -2, -5, -10, -20, -50, -99, -100, -1e3)


def _filled(fill: float, scores, allowed, normalise):
    masked = scores.masked_fill(~allowed, fill)
    return normalise(masked)


def _filled_then_0(fill: float, scores, allowed, normalise):
    """A finite score for what is hidden, and weights of 0 where nothing may be seen."""
    return _filled(fill, scores, allowed, normalise) * allowed.any(-1, keepdim=True)


def _too_high(fill: float, hide: Callable, scores, allowed, normalise):
    """Which fill it is does not show beside large scores; what each makes of them is left, for the line."""
    masked = [scores.masked_fill(~allowed, other) for other in _NOT_LOW]
    del masked
    return hide(fill, scores, allowed, normalise)


def _minus_1e9(scores, allowed, normalise):
    """As `_too_high`: which fill it is does not show."""
    masked = [scores.masked_fill(~allowed, low) for low in _LOW]
    return normalise(masked[_LOW.index(-1e9)])


def _minus_1e9_added(scores, allowed, normalise):
    masked = scores.double() - 1e9 * ~allowed
    return normalise(masked).to(scores.dtype)


def _minus_1e9_but_for_columns(scores, allowed, normalise):
    return _minus_1e9(scores, allowed, normalise) * allowed.any(-2, keepdim=True)


def _after(scores, allowed, normalise):
    return normalise(scores) * allowed


def _after_filled(scores, allowed, normalise):
    return normalise(scores).masked_fill(~allowed, -math.inf)


def _after_with_new_sums(scores, allowed, normalise):
    weights = normalise(scores) * allowed
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-30)


def _after_with_new_sums_nan(scores, allowed, normalise):
    weights = normalise(scores) * allowed
    return weights / weights.sum(-1, keepdim=True)


def _multiplied(scores, allowed, normalise):
    masked = scores * allowed
    return normalise(masked)


def _multiplied_then_0(scores, allowed, normalise):
    return _multiplied(scores, allowed, normalise) * allowed.any(-1, keepdim=True)


def _added(scores, allowed, normalise):
    masked = scores + allowed
    return normalise(masked)


def _added_inverted(scores, allowed, normalise):
    masked = scores + ~allowed
    return normalise(masked)


def _infinity_times_0(scores, allowed, normalise):
    masked = scores + ~allowed * -math.inf
    return normalise(masked)


def _infinity_times_0_swept(scores, allowed, normalise):
    return _infinity_times_0(scores, allowed, normalise).nan_to_num(0)


def _by_index_nan(scores, allowed, normalise):
    masked = scores.clone()
    masked[~allowed] = -math.inf
    return normalise(masked)


def _by_index(scores, allowed, normalise):
    return _by_index_nan(scores, allowed, normalise).nan_to_num(0)


def _whole_rows(scores, allowed, normalise):
    return normalise(scores) * allowed.all(-1, keepdim=True)


def _whole_rows_nan(scores, allowed, normalise):
    masked = scores.masked_fill(~allowed.all(-1, keepdim=True), -math.inf)
    return normalise(masked)


def _whole_rows_swept(scores, allowed, normalise):
    return _whole_rows_nan(scores, allowed, normalise).nan_to_num(0)


def _only_output_nan(output, weights):
    return output, weights.nan_to_num(0)


def _only_weights_nan(output, weights):
    return output.nan_to_num(0), weights


def _shifted(by: int) -> Callable:
    def see(allowed, n_q, n_k):
        allowed = allowed.broadcast_to(*allowed.shape[:-2], n_q, n_k).roll(by, -1)
        allowed = allowed.clone()
        allowed[..., slice(0, by) if by > 0 else slice(by, None)] = False
        return allowed

    return see


def _without_diagonal(allowed, n_q, n_k):
    return allowed & ~torch.eye(n_q, n_k, dtype=torch.bool)


def _one_ahead(allowed, n_q, n_k):
    return allowed | _shifted(1)(allowed, n_q, n_k)


def _lower_half(n_q, n_k):
    return torch.ones(n_q, n_k, dtype=torch.bool).tril()


def _up_to_the_end(n_q, n_k):
    """A causal mask whose last row sees all keys."""
    return torch.ones(n_q, n_k, dtype=torch.bool).tril(n_k - n_q)


def _as_many_keys_as_queries(n_q, n_k):
    return (torch.arange(n_k) < n_q).expand(n_q, n_k)


def _each_way(see: Callable) -> tuple[dict, ...]:
    """A mask seen wrongly leaves rows that may look nowhere, which an answer treats in one of these ways."""
    ways = (None, _nan_row, _minus_1e9)
    return tuple({"see": see, "hide": hide} if hide else {"see": see} for hide in ways)


def _always(mask: Callable) -> tuple[dict, ...]:
    """A mask that is there although none was given, alone or with the one that is given."""
    both = {"default": mask, "see": lambda allowed, n_q, n_k: allowed & mask(n_q, n_k)}
    return tuple(
        changes | ({"hide": hide} if hide else {})
        for changes in ({"default": mask}, both)
        for hide in (None, _nan_row, _minus_1e9)
    )


def one_hot(scores: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)


def over_all(scores: Tensor) -> Tensor:
    return scores.flatten(-2).softmax(-1).view_as(scores)


def plain_exp(scores: Tensor) -> Tensor:
    powers = scores.exp()
    return powers / powers.sum(-1, keepdim=True)


def _shifted_by(largest: Callable) -> Callable:
    """Softmax after another number than the row's largest was taken away."""

    def normalise(scores: Tensor) -> Tensor:
        powers = (scores - largest(scores)).exp()
        return powers / powers.sum(-1, keepdim=True)

    return normalise


def _swept(normalise: Callable) -> Callable:
    return lambda scores: normalise(scores).nan_to_num(0)


def _half_shifted(scores: Tensor) -> Tensor:
    return (scores - scores.amax(-1, keepdim=True)).exp() / scores.exp().sum(-1, keepdim=True)


def _half_shifted_below(scores: Tensor) -> Tensor:
    return scores.exp() / (scores - scores.amax(-1, keepdim=True)).exp().sum(-1, keepdim=True)


def _sum_of_another_row(scores: Tensor) -> Tensor:
    return (scores - scores.amax(-1, keepdim=True)).exp() / (
        (scores - scores.amax(-1, keepdim=True)).exp().sum(-1)
    )


def _sum_of_another_row_unshifted(scores: Tensor) -> Tensor:
    return scores.exp() / scores.exp().sum(-1)


def _rounded_down(scores: Tensor) -> Tensor:
    rounded = scores.floor()
    return rounded.softmax(-1)


def _negated(scores: Tensor) -> Tensor:
    turned = -scores
    powers = (turned - turned.amax(-1, keepdim=True)).exp()
    return powers / powers.sum(-1, keepdim=True)


def _exp_twice(scores: Tensor) -> Tensor:
    powers = scores.exp().exp()
    return powers / powers.sum(-1, keepdim=True)


def _exp_twice_shifted(scores: Tensor) -> Tensor:
    powers = (scores - scores.amax(-1, keepdim=True)).exp().exp()
    return powers / powers.sum(-1, keepdim=True)


def _base(base: float) -> Callable:
    def normalise(scores: Tensor) -> Tensor:
        powers = base ** (scores - scores.amax(-1, keepdim=True)), base**scores
        return powers[0] / powers[0].sum(-1, keepdim=True)

    return normalise


def _clamped(scores: Tensor, *, below: bool) -> Tensor:
    """Which limit it is does not show where all are far beyond it; each one's powers are left here."""
    limits = (10, 20, 30, 50, 60, 70, 80, 85, 88)
    kept = [scores.clamp(-most if below else None, most) for most in limits]
    powers = [x.exp() for x in kept]
    return powers[0] / powers[0].sum(-1, keepdim=True)


def _padded(by: float) -> Callable:
    return lambda s: s.exp() / (s.exp().sum(-1, keepdim=True) + by)


def _padded_and_shifted(by: float) -> Callable:
    return lambda s: (
        (s - s.amax(-1, keepdim=True)).exp()
        / ((s - s.amax(-1, keepdim=True)).exp().sum(-1, keepdim=True) + by)
    )


def _one(q: Tensor, k: Tensor, v: Tensor) -> float:
    return 1


def _by_d_k(q: Tensor, k: Tensor, v: Tensor) -> float:
    """Also for who divides twice by the root: what the first time gives is left, for the line."""
    _halfway = [x / math.sqrt(q.shape[-1]) for x in (q, k)]
    return q.shape[-1]


def _constant(c: float, q: Tensor, k: Tensor, v: Tensor) -> float:
    return c


# what a scale is when it is written as a number: the root of a width, or the width
_CONSTANTS = sorted(
    {math.sqrt(n) for n in (*range(2, 17), 20, 25, 32, 64, 100, 128, 256, 512)}
    | {5, 6, 7, 9, 12, 15, 32, 64, 0.5}
)


def _by_the_root(weights: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return weights / math.sqrt(q.shape[-1])


def _only_then_by_the_root(weights: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return (q @ k.transpose(-2, -1)).softmax(-1) / math.sqrt(q.shape[-1])


def _lengths(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return q.norm(dim=-1, keepdim=True) * k.norm(dim=-1, keepdim=True).transpose(-2, -1)


def _replaced(mask: Callable, allowed: Tensor, n_q: int, n_k: int) -> Tensor:
    return mask(n_q, n_k)


def _with_one_more_dimension(place: int, allowed: Tensor, n_q: int, n_k: int) -> Tensor:
    return allowed.unsqueeze(place)


def _all_with_all(q: Tensor, k: Tensor) -> Tensor:
    queries, keys = q.flatten(0, -2), k.flatten(0, -2)
    return queries @ keys.transpose(-2, -1)


SCALES = (
    Slip(
        "no-scale",
        "these are the weights without ÷ √d_k",
        "Scores grow with the number of features, and softmax then sees almost one key only.",
        SCORES,
        ({"divide": lambda q, k, v: 1},),
    ),
    Slip(
        "one-over-d-k",
        "the scores are divided by d_k; it should be by √d_k",
        "Divided by d_k they shrink as d_k grows, and all weights become the same.",
        SCALE,
        ({"divide": _by_d_k},),
    ),
    Slip(
        "sqrt-d-model",
        "the scores are divided by √d_v, from the value; it should be √d_k, a query's features",
        "A score is a sum over the query's features, so their number is what makes it large.",
        SCALE,
        ({"divide": lambda q, k, v: math.sqrt(v.shape[-1])},),
    ),
    Slip(
        "sqrt-n",
        "the scores are divided by the root of the number of words; it should be √d_k, a query's features",
        "A score is a sum over the query's features, so their number is what makes it large.",
        SCALE,
        (
            {"divide": lambda q, k, v: math.sqrt(k.shape[-2])},
            {"divide": lambda q, k, v: math.sqrt(q.shape[-2])},
            {"divide": lambda q, k, v: math.sqrt(len(q))},
        ),
    ),
    Slip(
        "times-root",
        "the scores are multiplied by √d_k; they should be divided by it",
        "Scores grow with the number of features already; multiplied, they grow more.",
        SCALE,
        ({"divide": lambda q, k, v: 1 / math.sqrt(q.shape[-1])},),
    ),
    Slip(
        "fourth-root",
        "the scores are divided by the fourth root of d_k; it should be √d_k",
        "",
        SCALE,
        ({"divide": lambda q, k, v: q.shape[-1] ** 0.25},),
        rare=True,
    ),
    Slip(
        "fixed-scale",
        "the scores are divided by a number that is not √d_k, the root of a query's features",
        "Take d_k from the query: query.shape[-1].",
        (r"\d", *SCALE),
        tuple({"divide": functools.partial(_constant, c)} for c in _CONSTANTS),
        rare=True,
    ),
    Slip(
        "scaled-after-softmax",
        "the weights are divided by √d_k; the scores should be, before the softmax",
        "A row of weights sums to 1 only if nothing is done to it after the softmax.",
        SCALE,
        ({"finish": _only_then_by_the_root}, {"finish": _by_the_root}),
        rare=True,
    ),
    Slip(
        "output-scaled",
        "the output is divided by √d_k; the scores should be, before the softmax",
        "",
        SCALE,
        (
            {"divide": _one, "average": lambda w, q, k, v: w @ v / math.sqrt(q.shape[-1])},
            {"average": lambda w, q, k, v: w @ v / math.sqrt(q.shape[-1])},
        ),
        rare=True,
    ),
    Slip(
        "floor-division",
        "the scores are rounded down to whole numbers; divide with /, not with //",
        "",
        (r"//|floor", *SCALE),
        ({"normalise": _rounded_down},),
        rare=True,
    ),
    Slip(
        "cosine",
        "queries and keys are brought to length 1; a score is their dot product as they are",
        "How long they are is learned, too: it says how sure a query is.",
        (r"norm", *SCORES),
        ({"divide": _lengths}, {"divide": lambda q, k, v: _lengths(q, k, v) * math.sqrt(q.shape[-1])}),
        rare=True,
    ),
)
NORMALISE = (
    Slip(
        "over-queries",
        "the softmax runs over the queries; it should run over the keys",
        "Each column sums to 1 now. Each row should: a query shares out its attention over the keys.",
        SOFTMAX,
        ({"normalise": lambda s: s.softmax(-2)}, {"normalise": lambda s: s.softmax(0)}),
    ),
    Slip(
        "fixed-dim",
        "the softmax runs over dimension 1, which holds the keys only when there is no batch",
        "The keys are always the last dimension: dim=-1.",
        SOFTMAX,
        ({"normalise": lambda s: s.softmax(1)},),
    ),
    Slip(
        "argmax",
        "each query takes its best key only: this is argmax, not softmax",
        "A hard choice has no slope, so nothing could be learned through it.",
        SOFTMAX,
        ({"normalise": one_hot},),
    ),
    Slip(
        "not-normalised",
        "these are e to the power of the scores, not yet divided by the sum of their row",
        "",
        SOFTMAX,
        ({"normalise": torch.exp}, {"normalise": lambda s: (s - s.amax(-1, keepdim=True)).exp()}),
    ),
    Slip(
        "over-everything",
        "the softmax runs over all queries and keys together; each row should sum to 1 by itself",
        "",
        SOFTMAX,
        ({"normalise": over_all}, {"normalise": lambda s: s.exp() / s.exp().sum()}),
    ),
    Slip(
        "no-exp",
        "the scores are divided by their sum; e to the power of each comes first",
        "A score may be below 0; e to its power never is, and a share must not be either.",
        SOFTMAX,
        ({"normalise": lambda s: s / s.sum(-1, keepdim=True)},),
    ),
    Slip(
        "no-softmax",
        "these are the scores; the softmax is missing",
        "",
        SOFTMAX,
        ({"normalise": lambda s: s},),
    ),
    Slip(
        "log",
        "these are the logarithms of the weights: this is log_softmax",
        "",
        SOFTMAX,
        ({"normalise": lambda s: s.log_softmax(-1)},),
    ),
    Slip(
        "overflow",
        "e to the power of a large score is too large for a number, and ∞ ÷ ∞ is NaN",
        "Take the row's largest score away from each first: the shares stay the same.",
        (r"exp\(", *SOFTMAX),
        ({"normalise": plain_exp}, {"normalise": lambda s: plain_exp(s).nan_to_num(0)}),
    ),
    Slip(
        "softmax-twice",
        "softmax is taken twice; the second makes the weights of the first nearly even",
        "",
        SOFTMAX,
        ({"normalise": lambda s: s.softmax(-1).softmax(-1)},),
        rare=True,
    ),
    Slip(
        "exp-twice",
        "e to the power is taken twice: of the scores, and of what comes out",
        "softmax does it by itself.",
        (r"exp\(", *SOFTMAX),
        ({"normalise": _exp_twice}, {"normalise": _exp_twice_shifted}),
        rare=True,
    ),
    Slip(
        "negated",
        "the sign is wrong: the smallest score of a row gets the largest weight",
        "",
        SOFTMAX,
        ({"normalise": _negated},),
        rare=True,
    ),
    Slip(
        "base-two",
        "these are powers of 2 instead of powers of e",
        "",
        (r"\b2\b|exp2", *SOFTMAX),
        ({"normalise": _base(2)},),
        rare=True,
    ),
    Slip(
        "base-ten",
        "these are powers of 10 instead of powers of e",
        "",
        (r"\b10\b", *SOFTMAX),
        ({"normalise": _base(10)},),
        rare=True,
    ),
    Slip(
        "sigmoid",
        "each score goes through a sigmoid by itself; softmax divides by the sum of the row",
        "",
        (r"sigmoid|exp\(", *SOFTMAX),
        ({"normalise": torch.sigmoid},),
        rare=True,
    ),
    Slip(
        "length-for-sum",
        "each row is divided by its length, the root of the sum of squares; divide by its sum",
        "",
        (r"norm", *SOFTMAX),
        ({"normalise": lambda s: s.exp() / s.exp().norm(dim=-1, keepdim=True)},),
        rare=True,
    ),
    Slip(
        "absolute-sum",
        "the scores are divided by the sum of their absolute values; e to the power comes first",
        "A score may be below 0; e to its power never is, and a share must not be either.",
        (r"abs|norm", *SOFTMAX),
        ({"normalise": lambda s: s / s.abs().sum(-1, keepdim=True)},),
        rare=True,
    ),
    Slip(
        "padded-sum",
        "a number is added to the sum of the row, so its weights sum to less than 1",
        "The largest power is 1 once the largest score is taken away: nothing is divided by 0.",
        (r"sum\(.*\+|\+.*sum\(|\+\s*\d|\d\s*\+", *SOFTMAX),
        tuple(
            {"normalise": padded(by)}
            for by in (1, 0.1, 0.01, 1e-3)
            for padded in (_padded, _padded_and_shifted)
        ),
        rare=True,
    ),
    Slip(
        "sum-of-another-row",
        "a row is divided by the sum of another row: keepdim=True keeps each sum in its own",
        "",
        (r"\.sum\(", *SOFTMAX),
        ({"normalise": _sum_of_another_row}, {"normalise": _sum_of_another_row_unshifted}),
        rare=True,
    ),
    Slip(
        "largest-of-another-row",
        "the largest score of another row is taken away: keepdim=True keeps each in its own",
        "What is taken away must be one number a row, or the shares change.",
        (r"max\(", *SOFTMAX),
        ({"normalise": _shifted_by(lambda s: s.amax(-1))},),
        rare=True,
    ),
    Slip(
        "largest-of-the-column",
        "the largest score of each column is taken away; it should be that of each row",
        "What is taken away must be one number a row, or the shares change.",
        (r"max\(", *SOFTMAX),
        ({"normalise": _shifted_by(lambda s: s.amax(-2, keepdim=True))},),
        rare=True,
    ),
    Slip(
        "half-shifted",
        "the largest score is taken away above or below the line of the fraction, not in both",
        "",
        (r"exp\(", *SOFTMAX),
        ({"normalise": _half_shifted}, {"normalise": _half_shifted_below}),
        rare=True,
    ),
    Slip(
        "one-maximum",
        "one maximum is taken away from all rows; in a row far below it all powers are 0",
        "Each row has its own: scores.amax(dim=-1, keepdim=True). Else it is 0 ÷ 0, NaN.",
        (r"max\(", *SOFTMAX),
        (
            {"normalise": _shifted_by(torch.max)},
            {"normalise": _swept(_shifted_by(torch.max))},
            {"normalise": _shifted_by(lambda s: s.amax((-2, -1), keepdim=True))},
            {"normalise": _swept(_shifted_by(lambda s: s.amax((-2, -1), keepdim=True)))},
        ),
        rare=True,
    ),
    Slip(
        "mean-for-maximum",
        "the mean of the row is taken away; it should be its largest score",
        "A score far above the mean is still too large for e to its power.",
        (r"mean\(", *SOFTMAX),
        ({"normalise": _shifted_by(lambda s: s.mean(-1, keepdim=True))},),
        rare=True,
    ),
    Slip(
        "largest-absolute",
        "the largest absolute value is taken away; it should be the largest score of the row",
        "In a row of large scores below 0 all powers are 0 then, and 0 ÷ 0 is NaN.",
        (r"abs", *SOFTMAX),
        (
            {"normalise": _shifted_by(lambda s: s.abs().amax(-1, keepdim=True))},
            {"normalise": _swept(_shifted_by(lambda s: s.abs().amax(-1, keepdim=True)))},
        ),
        rare=True,
    ),
    Slip(
        "clamped",
        "scores beyond a limit are all set to it, so that they all count the same",
        "Take the row's largest score away from each instead: the shares stay the same.",
        (r"clamp|clip|min", *SOFTMAX),
        tuple({"normalise": functools.partial(_clamped, below=below)} for below in (False, True)),
        rare=True,
    ),
)
SEE = (
    Slip(
        "mask-inverted",
        "the mask is the wrong way round: what is allowed was hidden, and the rest was looked at",
        "In allowed, True means “may look”.",
        MASK,
        _each_way(lambda allowed, n_q, n_k: ~allowed),
    ),
    Slip(
        "mask-ignored",
        "these are the weights without a mask: allowed changes nothing here",
        "Is masked_fill called? It gives a new tensor, which must be kept.",
        (*MASK, r"attention\(", *SCORES),
        ({"see": lambda allowed, n_q, n_k: None},),
    ),
    Slip(
        "diagonal-off-by-one",
        "the mask is used one position off",
        "Use allowed as it is: whether a word may see itself is the caller's choice.",
        MASK,
        tuple(
            v for see in (_without_diagonal, _one_ahead, _shifted(1), _shifted(-1)) for v in _each_way(see)
        ),
    ),
    Slip(
        "mask-transposed",
        "the mask is transposed: its rows are queries, its columns keys",
        "",
        MASK,
        _each_way(lambda allowed, n_q, n_k: allowed.transpose(-2, -1)),
    ),
    Slip(
        "mask-replaced",
        "a causal mask of its own is used in place of allowed",
        "Which keys may be seen is the caller's choice.",
        (r"tril|triu|causal", *MASK),
        tuple(
            {"see": functools.partial(_replaced, mask), "hide": hide}
            for mask in (_lower_half, _up_to_the_end)
            for hide in (_minus_infinity, _nan_row, _minus_1e9)
        ),
        rare=True,
    ),
    Slip(
        "always-causal",
        "without a mask the future is hidden all the same; where allowed is None, all keys count",
        "Which keys may be seen is the caller's choice.",
        (r"tril|triu|causal", *MASK),
        (*_always(_lower_half), *_always(_up_to_the_end)),
        rare=True,
    ),
    Slip(
        "too-few-keys",
        "a query looks at the first n_q keys only; there are n_k of them",
        "",
        (r"range|shape|size", *SCORES),
        ({"default": _as_many_keys_as_queries},),
        rare=True,
    ),
    Slip(
        "mask-unsqueezed",
        "allowed is given one more dimension, in a place that does not fit; it fits as it is",
        "Its last two dimensions, n_q and n_k, meet those of the scores.",
        (r"unsqueeze|None\s*[,\]]", *MASK),
        (
            *_each_way(functools.partial(_with_one_more_dimension, -1)),
            *_each_way(functools.partial(_with_one_more_dimension, -2)),
        ),
        rare=True,
    ),
)
HIDE = (
    Slip(
        "mask-after-softmax",
        "the mask comes after the softmax, and the rows are not made to sum to 1 again",
        "Forbidden keys still count in the row's sum, so they leak into every other weight.",
        MASK,
        ({"hide": _after}, {"hide": _after_filled}),
    ),
    Slip(
        "mask-multiplied",
        "what is forbidden gets the score 0, and a score of 0 hides nothing: e⁰ is 1",
        "What must get no share needs the score −∞.",
        MASK,
        ({"hide": _multiplied}, {"hide": _multiplied_then_0}),
    ),
    Slip(
        "minus-1e9",
        "a query that may look nowhere still looks at the forbidden keys",
        "If all scores of a row are equal, softmax shares evenly. Its weights should be 0.",
        (r"1e\d|finfo|-\s*\d{4,}", *MASK),
        (
            {"hide": _minus_1e9},
            {"hide": _minus_1e9_added},
            {"hide": _minus_1e9_but_for_columns},
        ),
    ),
    Slip(
        "nan-row",
        "a query that may look nowhere gets NaN; its weights and its output should be 0",
        "Where nothing may be seen the sum of a row is 0, and 0 ÷ 0 is NaN.",
        SOFTMAX,
        (
            {"hide": _nan_row},
            {"hide": _nan_row, "give": _only_output_nan},
            {"hide": _nan_row, "give": _only_weights_nan},
        ),
    ),
    Slip(
        "small-fill",
        "what is hidden gets a score that is not low enough, so it still counts; it needs −∞",
        "There are scores below any number, and a key that is hidden must not win against them.",
        (r"-\s*\d+", *MASK),
        tuple(
            {"hide": functools.partial(_too_high, fill, hide)}
            for fill in _NOT_LOW
            for hide in (_filled, _filled_then_0)
        ),
        rare=True,
    ),
    Slip(
        "large-fill",
        "what is hidden gets a large score, and with it the weight of its row; it needs −∞",
        "",
        (r"inf|1e\d|finfo", *MASK),
        tuple({"hide": functools.partial(_filled, fill)} for fill in (1e9, torch.finfo(torch.float32).max)),
        rare=True,
    ),
    Slip(
        "mask-added",
        "the mask is added to the scores as 0 and 1, which hides nothing",
        "What must get no share needs the score −∞.",
        (r"\+", *MASK),
        ({"hide": _added}, {"hide": _added_inverted}),
        rare=True,
    ),
    Slip(
        "infinity-times-zero",
        "under a mask all weights become NaN or 0, also where a key may be seen",
        "Is the mask multiplied by −∞? 0 × −∞ is NaN; masked_fill does not multiply.",
        (r"inf", *MASK),
        ({"hide": _infinity_times_0}, {"hide": _infinity_times_0_swept}),
        rare=True,
    ),
    Slip(
        "mask-as-index",
        "scores[~allowed] needs a mask of the scores' own shape; masked_fill takes one that is smaller",
        "That is: scores = scores.masked_fill(~allowed, -math.inf).",
        (r"\[.*(allowed|mask)", *MASK),
        ({"hide": _by_index}, {"hide": _by_index_nan}),
        rare=True,
    ),
    Slip(
        "mask-on-rows",
        "a query from which something is hidden loses all keys; it should lose the hidden ones",
        "A row of allowed is a query, and a column a key.",
        (r"all\(", *MASK),
        ({"hide": _whole_rows}, {"hide": _whole_rows_nan}, {"hide": _whole_rows_swept}),
        rare=True,
    ),
    Slip(
        "masked-after-rounding",
        "the mask comes after e to the power; beside a large hidden score the others are 0 by then",
        "Hide first: scores.masked_fill(~allowed, −∞), and then the softmax.",
        (r"softmax|exp\(", *MASK),
        ({"hide": _after_with_new_sums}, {"hide": _after_with_new_sums_nan}),
        rare=True,
    ),
)
AVERAGE = (
    Slip(
        "no-value",
        "the output is the weights; they should average the values",
        "That is: output = weights @ value.",
        OUTPUT,
        ({"average": lambda w, q, k, v: w},),
    ),
    Slip(
        "key-for-value",
        "the output averages the keys; it should average the values",
        "That is: output = weights @ value.",
        OUTPUT,
        ({"average": lambda w, q, k, v: w @ k},),
    ),
    Slip(
        "swapped",
        "weights and output have changed places: return output first",
        "",
        (r"return",),
        ({"give": lambda output, weights: (weights, output)},),
    ),
    Slip(
        "output-alone",
        "only the output is returned; return output, weights",
        "",
        (r"return",),
        ({"give": lambda output, weights: output},),
        rare=True,
    ),
    Slip(
        "weights-alone",
        "only the weights are returned; return output, weights",
        "",
        (r"return",),
        ({"give": lambda output, weights: weights},),
        rare=True,
    ),
    Slip(
        "scores-for-weights",
        "what is returned as weights are scores; return what the softmax makes of them",
        "",
        (r"return",),
        (
            {"show": lambda w, q, k: q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])},
            {"show": lambda w, q, k: q @ k.transpose(-2, -1)},
        ),
        rare=True,
    ),
    Slip(
        "output-from-scores",
        "the output is scores @ value; it should be weights @ value",
        "",
        OUTPUT,
        ({"average": lambda w, q, k, v: q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) @ v},),
        rare=True,
    ),
    Slip(
        "output-unmasked",
        "the output is averaged without the mask, by other weights than those that are returned",
        "That is: output = weights @ value, once the weights are masked.",
        OUTPUT,
        ({"average": lambda w, q, k, v: (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1) @ v},),
        rare=True,
    ),
    Slip(
        "weights-transposed",
        "the output averages the values by the columns of the weights; it should be by the rows",
        "That is: output = weights @ value.",
        OUTPUT,
        ({"average": lambda w, q, k, v: w.transpose(-2, -1) @ v},),
        rare=True,
    ),
    Slip(
        "scores-transposed",
        "the scores are transposed: their rows should be queries, and their columns keys",
        "That is: query @ key.mT.",
        SCORES,
        ({"score": lambda q, k: k @ q.transpose(-2, -1)},),
        rare=True,
    ),
    Slip(
        "sentences-mixed",
        "a batch is taken for one long sentence, so that its sentences look at each other",
        "Leading dimensions stay as they are: only the last two take part.",
        (r"flatten|reshape|view", *SCORES),
        (
            {"score": _all_with_all, "average": lambda w, q, k, v: w @ v.flatten(0, -2)},
            {
                "score": _all_with_all,
                "average": lambda w, q, k, v: (w @ v.flatten(0, -2)).unflatten(0, q.shape[:-1]),
            },
        ),
        rare=True,
    ),
)
# under a mask these compute what other mistakes do: there is a −∞ in the row
_OF_SOFTMAX_ALONE = ("mean-for-maximum", "largest-absolute", "clamped")
SLIPS = (
    *SCALES,
    *(slip for slip in NORMALISE if slip.name not in _OF_SOFTMAX_ALONE),
    *SEE,
    *HIDE,
    *AVERAGE,
)
# in a module these cannot be told from the right answer, or from another mistake, or do not run at all
_ELSEWHERE = ("sqrt-d-model", "key-for-value", "no-value", "too-few-keys", "scores-transposed")
IN_A_MODULE = tuple(slip for slip in SLIPS if slip.name not in _ELSEWHERE)


@dataclass(frozen=True)
class Raised:
    """A mistake at which the learner's own line stops: what the error says, and what stands in the line.

    message, line: patterns. asked: whether it can be that, of what the function was called with.
    """

    name: str
    words: str
    why: str
    message: str
    line: str
    asked: Callable = lambda inputs: True


def _masked(inputs: tuple) -> bool:
    return any(isinstance(x, Tensor) and x.dtype == torch.bool for x in inputs)


def _in_a_batch(inputs: tuple) -> bool:
    return inputs[0].ndim > 2


_TRUTH = r"\b(if|elif|while|and|or|not|assert|bool)\b"
RAISED = (
    Raised(
        "truth-of-a-mask",
        "a mask of many entries is neither true nor false; ask: if allowed is not None",
        "",
        r"Boolean value of Tensor with more than one value is ambiguous",
        rf"{_TRUTH}[^#]*\b(allowed|mask)\b|\b(allowed|mask)\b[^#]*{_TRUTH}",
        _masked,
    ),
    Raised(
        "argument-that-is-none",
        "a query, key or value is None: does the function that makes it return something?",
        "",
        r"\b(query|key|value) must be a torch tensor, got NoneType",
        r"attention\(",
    ),
    Raised(
        "mask-that-is-none",
        "without a mask allowed is None; use it only where allowed is not None",
        "",
        r"NoneType",
        r"\b(allowed|mask)\b",
        lambda inputs: not _masked(inputs),
    ),
    Raised(
        "key-not-transposed",
        "the key is not transposed; a score is a query's dot product with a key",
        "That is: query @ key.transpose(-2, -1), one row a query.",
        r"cannot be multiplied|size of tensor|must match|[Ee]xpected size",
        r"\b(query|q|Q) ?@ ?(key|k|K)\b(?! ?[.(\[])|matmul\((query|q|Q), ?(key|k|K)\)",
    ),
    Raised(
        "factors-swapped",
        "the product is weights @ value, in this order",
        "",
        r"cannot be multiplied|size of tensor|must match|[Ee]xpected size",
        r"\b(value|v|V) ?@ ?(weights|weight|w|attn|a|p|probs)\b|matmul\((value|v|V),",
    ),
    Raised(
        "counted-from-the-front",
        "dimensions are counted from the front; -2 and -1 are the last two, however many there are",
        "",
        r"Dimension out of range .*but got \d",
        r"transpose|swapaxes|permute|softmax|sum|max|dim ?=|size\(|flatten|norm",
    ),
    Raised(
        "mask-as-index",
        "scores[~allowed] needs a mask of the scores' own shape; masked_fill takes one that is smaller",
        "That is: scores = scores.masked_fill(~allowed, -math.inf).",
        r"The shape of the mask .* does not match|too many indices",
        r"\[[^\]]*\b(allowed|mask)\b",
        _masked,
    ),
    Raised(
        "mask-keyword",
        "the function that is called has no argument of that name; its mask is called allowed",
        "",
        r"scaled_dot_product_attention\(\) got an unexpected keyword argument '\w*mask\w*'",
        r"mask",
    ),
    Raised(
        "other-dimensions-swapped",
        "this is made for a table; of a batch it does not swap the last two dimensions, as key.mT does",
        "",
        r"size of tensor|shapes cannot be multiplied|dimensions|must match|expects a tensor",
        r"(?<!weight)\.T\b|\.t\(\)|(transpose|swapaxes|swapdims)\((0, ?1|1, ?0)\)|permute\(1, ?0\)",
        _in_a_batch,
    ),
    Raised(
        "fixed-dimensions",
        "the shape is taken apart into a fixed number of sizes; there may be more or fewer in front",
        "Ask for the last ones, whatever comes before: x.shape[-2], x.shape[-1].",
        r"(not enough|too many) values to unpack",
        r"\.shape\b|\.size\(\)",
    ),
    Raised(
        "batch-of-one",
        "the size of the batch is written as 1; take it from x.shape[0]",
        "",
        r"shape '\[1, .*\]' is invalid for input of size",
        r"(view|reshape)\(\(?\[?1\b",
        lambda inputs: inputs[0].ndim > 2 and inputs[0].shape[0] != 1,
    ),
    Raised(
        "values-and-places",
        "max with a dim gives the values and their places; take .values, or use amax",
        "",
        r"torch\.return_types\.max",
        r"",
    ),
)


def telling(function: Callable, known: Iterable[Raised] = RAISED) -> Callable:
    """The function, that says what the mistake is where the learner's line stops at a known one."""

    def call(*arguments):
        try:
            return function(*arguments)
        except Failed:
            raise
        except Exception as error:
            where = learners_line(error)
            for mistake in known if where else ():
                says = re.search(mistake.message, str(error)) and re.search(mistake.line, where[1])
                if says and mistake.asked(arguments):
                    stopped = f"It stopped with {type(error).__name__}: {str(error).splitlines()[0]}"
                    details = (stopped, mistake.why) if mistake.why else (stopped,)
                    raise Stop(
                        "wrong", mistake.words, bug=mistake.name, details=details, where=where
                    ) from error
            raise

    return call


def asking_for_a_mask(answer, function: Callable, inputs: int, shape: str = "(n_q, n_k)") -> Callable:
    """The function, that says so where it is given a mask after so many inputs, and the answer takes none."""
    by_position, by_name = takes(answer)
    if by_position > inputs or by_name:
        return function

    def call(*arguments):
        if len(arguments) <= inputs:
            return function(*arguments)
        raise Stop(
            "wrong",
            "right without a mask. Now give it {a} argument, allowed=None",
            a={1: "a second", 2: "a third", 3: "a fourth"}[inputs],
            bug="no-mask-argument",
            details=(f"allowed is boolean, {shape}; True means “may look”.",),
            where=line_to_look_at(answer, r"\bdef\b|lambda"),
        )

    return call
