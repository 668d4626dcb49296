"""Multi-head attention: split, attend, merge, project."""

import math
from collections.abc import Callable

from torch import Tensor, nn

from attention_core.attention import merge_heads as our_merge
from attention_core.attention import split_heads as our_split
from attention_core.masks import causal_mask
from attention_core.practice import recipes
from attention_core.practice.evidence import about_attention
from attention_core.practice.exercise import Case, Exercise, by_place, random
from attention_core.practice.modules import built
from attention_core.practice.projections import PROJECTION_SLIPS, PROJECTIONS
from attention_core.practice.recipes import Slip
from attention_core.practice.reshapes import RESHAPES, merge_across_words, split_across_words

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
        (r"split|" + RESHAPES[0],),
        ({"split": split_across_words},),
    ),
    Slip(
        "merge-without-transpose",
        "merging puts words of one head side by side; it should be the heads of one word",
        "Transpose heads and n first, then join the last two dimensions.",
        (r"merge|" + RESHAPES[0],),
        ({"merge": merge_across_words},),
    ),
    Slip(
        "output-not-projected",
        "the output is the merged heads; W_O, to_output, is still to come",
        "Without it the heads never mix: what one found cannot meet what another found.",
        (r"merge|" + RESHAPES[0], r"return"),
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
