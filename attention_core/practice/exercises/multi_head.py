"""Multi-head attention: split, attend, merge, project."""

import math

from torch import nn

from attention_core.attention import MultiHeadAttention
from attention_core.masks import causal_mask
from attention_core.practice import recipes
from attention_core.practice.evidence import about_attention
from attention_core.practice.exercise import Case, Exercise, Subject, by_place, random
from attention_core.practice.layers import PROJECTION_SLIPS, PROJECTIONS, attend, with_projections
from attention_core.practice.modules import built
from attention_core.practice.recipes import Slip
from attention_core.practice.reshapes import RESHAPES, merge_across_words, split_across_words

_ALL = (*PROJECTIONS, "to_output")


_SIZES = ((12, 2), (8, 4), (15, 3))  # dim and heads: no two have d_k, or heads, in common
_ONE = {"split": lambda layer, x: x.unsqueeze(1), "merge": lambda layer, x: x.squeeze(1)}
_SLIPS = (
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
        ({"split": lambda layer, x: split_across_words(x, layer.num_heads)},),
    ),
    Slip(
        "merge-without-transpose",
        "merging puts words of one head side by side; it should be the heads of one word",
        "Transpose heads and n first, then join the last two dimensions.",
        (r"merge|" + RESHAPES[0],),
        ({"merge": lambda layer, x: merge_across_words(x)},),
    ),
    Slip(
        "output-not-projected",
        "the output is the merged heads; W_O, to_output, is still to come",
        "Without it the heads never mix: what one found cannot meet what another found.",
        (r"merge|" + RESHAPES[0], r"return"),
        ({"output": lambda layer, x: x},),
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
            _ONE,
            _ONE | {"give": lambda output, weights: (output, weights.squeeze(1))},
        ),
    ),
)


def _cases(module: nn.Module, layer: MultiHeadAttention) -> list[Case]:
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


def _several_heads(answer) -> list[Subject]:
    sizes = _SIZES if isinstance(answer, type) else [(12, getattr(answer, "num_heads", 2))]
    modules = [(built(answer, _ALL, dim, heads), heads) for dim, heads in sizes]
    return [(by_place(module), (module, with_projections(module, heads))) for module, heads in modules]


multi_head = Exercise(
    "multi-head attention",
    ("output", "weights"),
    attend,
    _cases,
    recipes.bugs((*_SLIPS, *PROJECTION_SLIPS, *recipes.IN_A_MODULE), attend),
    "Checked: four projections and nothing else to learn, each head's own weights, masks, an all-masked row.",
    prepare=_several_heads,
    explain=about_attention,
    show="weights",
    learns=1,
    of_module=True,
)
