"""The exercises of lesson 02: splitting into heads, merging them, multi-head attention."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from attention_core import causal_mask
from attention_core import merge_heads as our_merge
from attention_core import split_heads as our_split
from attention_core._calling import a
from attention_core.practice import recipes
from attention_core.practice.evidence import about_attention
from attention_core.practice.exercise import Bug, Case, Exercise, Stop, by_place, random
from attention_core.practice.modules import built
from attention_core.practice.recipes import Slip
from attention_core.practice.single_head import PROJECTION_SLIPS, PROJECTIONS

_SHAPE = (
    r"view|reshape|unflatten|flatten|rearrange|chunk|split\(|stack|cat\(",
    r"transpose|permute|swapaxes",
    r"return",
)


def _numbered(*shape: int) -> Tensor:
    """The entries 0, 1, 2 …: in a wrong reshape one sees where each has gone."""
    return torch.arange(math.prod(shape), dtype=torch.float32).reshape(shape)


# --- split: (batch, n, dim) to (batch, heads, n, dim / heads) ------------------------------------------


def _split_cases() -> list[Case]:
    few = _numbered(1, 2, 4)
    return [
        Case("1 sequence of 2 words with 4 features, numbered, and 2 heads", (few, 2), beside=(("x", few),)),
        Case("2 sequences of 3 words with 8 features, and 4 heads", (random(2, 3, 8, seed=41), 4)),
        Case("2 sequences of 4 words with 6 features, and 3 heads", (random(2, 4, 6, seed=42), 3)),
        Case("3 sequences of 5 words with 4 features, and 1 head", (random(3, 5, 4, seed=43), 1)),
    ]


_SPLIT_BUGS = (
    Bug(
        "split-without-transpose",
        "the reshape cuts across words: a head gets pieces of several words, not a slice of each",
        "Cut the features first, (batch, n, heads, d_k), then transpose n and heads.",
        _SHAPE,
        (
            lambda x, h: x.reshape(len(x), h, x.shape[1], -1),
            lambda x, h: x.reshape(len(x), x.shape[1], h, -1).reshape(len(x), h, x.shape[1], -1),
        ),
    ),
    Bug(
        "not-transposed",
        "the features are cut as they should be, but heads and words still have to change places",
        "The shape should be (batch, heads, n, d_k).",
        _SHAPE,
        (lambda x, h: x.reshape(len(x), x.shape[1], h, -1),),
    ),
    Bug(
        "interleaved",
        "each head gets features that lie apart; it should get a slice of neighbours",
        "(batch, n, heads, d_k), in this order: heads before d_k.",
        _SHAPE,
        (lambda x, h: x.reshape(len(x), x.shape[1], -1, h).permute(0, 3, 1, 2),),
    ),
)

split_heads = Exercise(
    "split heads",
    ("heads",),
    our_split,
    _split_cases,
    _SPLIT_BUGS,
    "Checked: each head has its slice of every word, for 1 to 4 heads.",
)

# --- merge: (batch, heads, n, d_k) to (batch, n, heads · d_k) -------------------------------------------


def _merge_cases() -> list[Case]:
    few = _numbered(1, 2, 2, 2)
    return [
        Case("2 heads of 2 words with 2 features, numbered", (few,), beside=(("heads", few),)),
        Case("2 × 4 heads of 3 words with 2 features", (random(2, 4, 3, 2, seed=44),)),
        Case("2 × 3 heads of 5 words with 4 features", (random(2, 3, 5, 4, seed=45),)),
    ]


def _interleaved_merge(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).reshape(len(x), x.shape[2], -1)


_MERGE_BUGS = (
    Bug(
        "merge-without-transpose",
        "the reshape puts words of one head side by side; it should be the heads of one word",
        "Transpose heads and n first, (batch, n, heads, d_k), then join the last two.",
        _SHAPE,
        (lambda x: x.reshape(len(x), x.shape[2], -1),),
    ),
    Bug(
        "interleaved",
        "the heads' features are dealt out in turn; each head's should stay together",
        "(batch, n, heads, d_k), in this order, before the last two are joined.",
        _SHAPE,
        (_interleaved_merge,),
    ),
    Bug(
        "summed",
        "the heads are added up; they should be laid side by side",
        "",
        (r"sum\(|mean\(", *_SHAPE),
        (lambda x: x.sum(1), lambda x: x.mean(1)),
    ),
)

merge_heads = Exercise(
    "merge heads",
    ("merged",),
    our_merge,
    _merge_cases,
    _MERGE_BUGS,
    "Checked: the slices of each word side by side, head after head.",
)

# --- multi-head attention: split, attend, merge, project --------------------------------------------------

_ALL = (*PROJECTIONS, "to_output")


def attend(
    module: nn.Module,
    heads: int,
    x: Tensor,
    allowed: Tensor | None = None,
    *,
    names=PROJECTIONS,
    split: Callable = our_split,
    merge: Callable = our_merge,
    finish: Callable = lambda module, merged: module.to_output(merged),
    **changes,
):
    """Multi-head attention with a module's own projections, each step of which can be a wrong one."""
    q, k, v = (split(getattr(module, name)(x) if name else x, heads) for name in names)
    by_head = allowed.unsqueeze(-3) if allowed is not None and allowed.ndim > 2 else allowed
    give = changes.pop("give", lambda output, weights: (output, weights))
    output, weights = recipes.attention(q, k, v, by_head, **changes)
    return give(finish(module, merge(output)), weights)


MULTI_HEAD_SLIPS = (
    Slip(
        "sqrt-num-heads",
        "the scores are divided by the root of the number of heads; it should be √d_k, a head's features",
        "A head's score is a sum over d_k = dim / num_heads products, so their number is what counts.",
        recipes.SCALE,
        ({"divide": lambda q, k, v: math.sqrt(q.shape[-3])},),
    ),
    Slip(
        "sqrt-d-model",
        "the scores are divided by √dim; it should be √d_k, where d_k = dim / num_heads",
        "A head's score is a sum over d_k products, not over dim.",
        recipes.SCALE,
        ({"divide": lambda q, k, v: math.sqrt(q.shape[-1] * q.shape[-3])},),
    ),
    Slip(
        "split-without-transpose",
        "splitting cuts across words: a head gets pieces of several words, not a slice of each",
        "Cut the features first, (batch, n, heads, d_k), then transpose n and heads.",
        (r"split|" + _SHAPE[0],),
        ({"split": _SPLIT_BUGS[0].functions[0]},),
    ),
    Slip(
        "merge-without-transpose",
        "merging puts words of one head side by side; it should be the heads of one word",
        "Transpose heads and n first, then join the last two dimensions.",
        (r"merge|" + _SHAPE[0],),
        ({"merge": _MERGE_BUGS[0].functions[0]},),
    ),
    Slip(
        "output-not-projected",
        "the output is the merged heads; W_O, to_output, is still to come",
        "Without it the heads never mix: what one found cannot meet what another found.",
        (r"merge|" + _SHAPE[0], r"return"),
        ({"finish": lambda module, merged: merged},),
    ),
    Slip(
        "averaged-weights",
        "the weights are averaged over the heads; give each head's own, (batch, heads, n, n)",
        "An average can show a pattern that no head has.",
        (r"mean|sum", r"return"),
        ({"give": lambda output, weights: (output, weights.mean(1))},),
    ),
    Slip(
        "one-head",
        "there is one head of all features; split queries, keys and values into heads first",
        "",
        (r"attention\(", r"return"),
        (
            {"split": lambda x, heads: x.unsqueeze(1), "merge": lambda x: x.squeeze(1)},
            {
                "split": lambda x, heads: x.unsqueeze(1),
                "merge": lambda x: x.squeeze(1),
                "give": lambda output, weights: (output, weights.squeeze(1)),
            },
        ),
    ),
)


def _multi_head_cases(module: nn.Module, heads: int) -> list[Case]:
    dim = module.to_query.in_features
    few, many = random(1, 3, dim, seed=51), random(2, 5, dim, seed=52)
    causal = causal_mask(3)
    nowhere = causal.clone()
    nowhere[1] = False
    steps = "Project x three times, split, attend, merge, and project with to_output."
    second = "forward takes a second argument, allowed=None, and hands it on."
    return [
        Case("1 sequence of 3 words", (few,), 0, steps),
        Case("2 sequences of 5 words", (many,), 0, steps),
        Case("3 words and a causal mask", (few, causal), 1, second, (("allowed", causal),)),
        Case("2 sequences of 5 words and a causal mask", (many, causal_mask(5)), 1, second),
        Case("3 words, of which word 1 may look nowhere", (few, nowhere), 2, "", (("allowed", nowhere),)),
    ]


def _several_heads(answer) -> tuple[Callable, tuple]:
    heads = 2 if isinstance(answer, type) else getattr(answer, "num_heads", 2)
    module = built(answer, _ALL, 12, heads)
    return by_place(module), (module, heads)


multi_head = Exercise(
    "multi-head attention",
    ("output", "weights"),
    attend,
    _multi_head_cases,
    recipes.bugs((*MULTI_HEAD_SLIPS, *PROJECTION_SLIPS, *recipes.IN_A_MODULE), attend),
    "Checked: four projections and nothing else to learn, each head's own weights, masks, an all-masked row.",
    prepare=_several_heads,
    explain=about_attention,
    show="weights",
)

# --- counting parameters ----------------------------------------------------------------------------------


def _counted(answer: Callable) -> Callable:
    """The answer as a function to a tensor, which is what exercises compare."""

    def count(dim: int, num_heads: int) -> Tensor:
        number = answer(dim, num_heads)
        if number is None or number is ...:
            return number
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise Stop("wrong", f"it should return a number; it returned {a(number)}")
        return torch.tensor([float(number)])

    return count


count_parameters = Exercise(
    "counting parameters",
    ("parameters",),
    _counted(lambda dim, heads: 4 * dim**2 + 4 * dim),
    lambda: [
        Case("dim 4 and 2 heads", (4, 2)),
        Case("dim 64 and 8 heads", (64, 8)),
        Case("dim 12 and 1 head", (12, 1)),
    ],
    (
        Bug(
            "no-biases",
            "the biases are missing: each of the four projections adds dim numbers",
            "",
            (r"return",),
            (_counted(lambda dim, heads: 4 * dim**2),),
        ),
        Bug(
            "no-output-projection",
            "one projection is missing: there are query, key, value, and output",
            "",
            (r"return",),
            (_counted(lambda dim, heads: 3 * dim**2 + 3 * dim), _counted(lambda dim, heads: 3 * dim**2)),
        ),
        Bug(
            "times-heads",
            "it grows with the number of heads; the heads share the same four matrices",
            "Each head has dim / num_heads columns of them.",
            (r"num_heads|heads", r"return"),
            (
                _counted(lambda dim, heads: heads * (4 * dim**2 + 4 * dim)),
                _counted(lambda dim, heads: heads * 3 * (dim**2 + dim) + dim**2 + dim),
            ),
        ),
        Bug(
            "per-head",
            "it is the share of one head; all heads together fill the whole matrices",
            "",
            (r"num_heads|heads", r"return"),
            (_counted(lambda dim, heads: (4 * dim**2 + 4 * dim) // heads),),
        ),
    ),
    "Checked: three widths, with 1, 2 and 8 heads.",
    prepare=lambda answer: (_counted(answer), ()),
)
