"""Attention in five steps, each of which can go wrong: the known mistakes, as functions that make them.

A slip changes one step (or two that go together). Bugs are made of slips: each alone, and each two that
change different steps, so that two mistakes at once are still told apart.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from attention_core.practice.exercise import Bug

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
    """A mistake in a step: as `Bug`, with the changes to `attention` that make it, in some variants."""

    name: str
    words: str
    why: str
    look_at: tuple[str, ...]
    variants: tuple[dict, ...]


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Tensor | None = None,
    *,
    divide: Callable = lambda q, k, v: math.sqrt(q.shape[-1]),
    see: Callable = lambda allowed, n_q, n_k: allowed,
    hide: Callable | None = None,
    normalise: Callable = lambda scores: scores.softmax(-1),
    average: Callable = lambda weights, q, k, v: weights @ v,
    give: Callable = lambda output, weights: (output, weights),
):
    """Scaled dot-product attention, each step of which can be exchanged for a wrong one."""
    scores = query @ key.transpose(-2, -1) / divide(query, key, value)
    if allowed is not None:
        allowed = see(allowed, *scores.shape[-2:])
    weights = normalise(scores) if allowed is None else (hide or _minus_infinity)(scores, allowed, normalise)
    return give(average(weights, query, key, value), weights)


def bugs(slips: Iterable[Slip], recipe: Callable = attention) -> tuple[Bug, ...]:
    """A bug for each slip, then one for each two that change different steps and show at the same stage."""
    slips = tuple(slips)
    alone = [Bug(s.name, s.words, s.why, s.look_at, _made(recipe, s.variants)) for s in slips]
    both = []
    for one, two in itertools.combinations(slips, 2):
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
    return bool(changes.keys() & {"see", "hide"})


def _minus_infinity(scores, allowed, normalise):
    allowed = allowed.broadcast_to(scores.shape)
    return _nan_row(scores, allowed, normalise).masked_fill(~allowed.any(-1, keepdim=True), 0)


def _nan_row(scores, allowed, normalise):
    return normalise(scores.masked_fill(~allowed, -math.inf))


def _minus_1e9(scores, allowed, normalise):
    return normalise(scores.masked_fill(~allowed, -1e9))


def _minus_1e9_added(scores, allowed, normalise):
    return normalise(scores.double() - 1e9 * ~allowed).to(scores.dtype)


def _after(scores, allowed, normalise):
    return normalise(scores) * allowed


def _multiplied(scores, allowed, normalise):
    return normalise(scores * allowed)


def _only_output_nan(output, weights):
    return output, weights.nan_to_num(0)


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


def _each_way(see: Callable) -> tuple[dict, ...]:
    """A mask seen wrongly leaves rows that may look nowhere, which an answer treats in one of these ways."""
    return tuple(
        {"see": see, "hide": hide} if hide else {"see": see} for hide in (None, _nan_row, _minus_1e9)
    )


def one_hot(scores: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)


def over_all(scores: Tensor) -> Tensor:
    return scores.flatten(-2).softmax(-1).view_as(scores)


def plain_exp(scores: Tensor) -> Tensor:
    return scores.exp() / scores.exp().sum(-1, keepdim=True)


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
        ({"divide": lambda q, k, v: q.shape[-1]},),
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
        ({"normalise": over_all},),
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
        "these are the weights without a mask: allowed is not used",
        "",
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
)
HIDE = (
    Slip(
        "mask-after-softmax",
        "the mask comes after the softmax, and the rows are not made to sum to 1 again",
        "Forbidden keys still count in the row's sum, so they leak into every other weight.",
        MASK,
        ({"hide": _after},),
    ),
    Slip(
        "mask-multiplied",
        "what is forbidden gets the score 0, and a score of 0 hides nothing: e⁰ is 1",
        "What must get no share needs the score −∞.",
        MASK,
        ({"hide": _multiplied},),
    ),
    Slip(
        "minus-1e9",
        "a query that may look nowhere still looks at the forbidden keys",
        "If every score is filled with −1e9, softmax sees equal scores. Its weights should be 0.",
        (r"1e\d|finfo|-\s*\d{4,}", *MASK),
        ({"hide": _minus_1e9}, {"hide": _minus_1e9_added}),
    ),
    Slip(
        "nan-row",
        "a query that may look nowhere gets NaN; its weights and its output should be 0",
        "If every score of a row is −∞, softmax divides 0 by 0.",
        SOFTMAX,
        ({"hide": _nan_row}, {"hide": _nan_row, "give": _only_output_nan}),
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
)
SLIPS = SCALES + NORMALISE + SEE + HIDE + AVERAGE
# in a module these cannot be told from the right answer, or from another mistake, or do not run at all
_ELSEWHERE = ("sqrt-d-model", "overflow", "key-for-value", "no-value")
IN_A_MODULE = tuple(slip for slip in SLIPS if slip.name not in _ELSEWHERE)
