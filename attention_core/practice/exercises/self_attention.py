"""Self-attention: three projections of the words, then attention."""

from torch import nn

from attention_core.attention import SelfAttention
from attention_core.masks import causal_mask
from attention_core.practice import recipes
from attention_core.practice.evidence import about_attention
from attention_core.practice.exercise import Case, Subject, random
from attention_core.practice.layers import (
    LARGE,
    PROJECTION_SLIPS,
    PROJECTIONS,
    OfALayer,
    attend,
    far_apart,
    naming_what_init_lacks,
    one_module,
    with_projections,
)
from attention_core.practice.modules import built

_DIMS = (4, 7)  # of two widths: else √4 and 2 were the same


def _cases(module: nn.Module, layer: SelfAttention) -> list[Case]:
    dim = module.to_query.in_features
    few, many, batch = random(3, dim, seed=21), random(5, dim, seed=22), random(2, 4, dim, seed=23)
    causal = causal_mask(3)
    nowhere = causal.clone()
    nowhere[1] = False
    steps = "Project x three times, then call scaled_dot_product_attention."
    second = "forward takes a second argument, allowed=None, and hands it on."
    as_many = random(3, 3, dim, seed=24)
    large = far_apart(layer, 4)
    return [
        Case("3 words", (few,), 0, steps),
        Case("5 words", (many,), 0, steps),
        Case("a batch of 2, each 4 words", (batch,), 1),
        Case("3 words and a causal mask", (few, causal), 2, second, (("allowed", causal),)),
        Case("a batch of 2 and a causal mask", (batch, causal_mask(4)), 2, second),
        Case("a batch of 3, each 3 words, and a causal mask", (as_many, causal), 2, second),
        Case("3 words, of which word 1 may look nowhere", (few, nowhere), 3, "", (("allowed", nowhere),)),
        Case("4 words, with large scores", (large,), 4, near=LARGE),
        Case("4 words and a causal mask, with large scores", (large, causal_mask(4)), 5, near=LARGE),
    ]


def _one_head(answer) -> list[Subject]:
    with naming_what_init_lacks():
        modules = [
            built(answer, PROJECTIONS, dim, bias=False)
            for dim in (_DIMS if isinstance(answer, type) else _DIMS[:1])
        ]
    return [(one_module(module), (module, with_projections(module))) for module in modules]


self_attention = OfALayer(
    "self-attention",
    ("output", "weights"),
    attend,
    _cases,
    recipes.bugs((*PROJECTION_SLIPS, *recipes.IN_A_MODULE), attend),
    "Checked: three projections and nothing else to learn, batches, masks, a word that may look nowhere.",
    prepare=_one_head,
    explain=about_attention,
    show="weights",
    learns=3,
    of_module=True,
)
