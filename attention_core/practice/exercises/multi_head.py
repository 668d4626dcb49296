"""Multi-head attention: split, attend, merge, project."""

import functools
import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_core.attention import AttentionLayer, MultiHeadAttention, merge_heads, split_heads
from attention_core.masks import causal_mask
from attention_core.practice import recipes
from attention_core.practice.evidence import about_attention
from attention_core.practice.exercise import Case, Stop, Subject, random
from attention_core.practice.layers import (
    LARGE,
    PROJECTION_SLIPS,
    PROJECTIONS,
    OfALayer,
    attend,
    far_apart,
    looking_at,
    naming_what_init_lacks,
    one_module,
    with_projections,
)
from attention_core.practice.modules import built
from attention_core.practice.recipes import Slip
from attention_core.practice.reshapes import RESHAPES, merge_across_words, split_across_words
from attention_core.practice.source import line_to_look_at

_ALL = (*PROJECTIONS, "to_output")


_NO_BIAS = "{layer} has no bias; here each projection also adds a learned row: nn.Linear(dim, dim)"
_SIZES = ((12, 2), (8, 4), (15, 3))  # dim and heads: no two have d_k, or heads, in common
_ONE = {"split": lambda layer, x: x.unsqueeze(1), "merge": lambda layer, x: x.squeeze(1)}


def _parts(query: Callable, key: Callable, value: Callable) -> dict:
    """Query, key and value of the heads, each made in its own way out of what is projected."""

    @functools.wraps(query)
    def project(layer: MultiHeadAttention, *words: Tensor) -> tuple[Tensor, ...]:
        projected = zip((query, key, value), AttentionLayer.project(layer, *words), strict=True)
        return tuple(split(x, layer.num_heads) for split, x in projected)

    return {"project": project, "split": lambda layer, x: x}


def _first_slice(layer: MultiHeadAttention, x: Tensor) -> Tensor:
    return x[..., : layer.dim // layer.num_heads].unsqueeze(1).repeat(1, layer.num_heads, 1, 1)


def _heads_for_features(layer: MultiHeadAttention, x: Tensor) -> Tensor:
    return split_heads(x, layer.dim // layer.num_heads)


def _of_slices(layer: MultiHeadAttention, *words: Tensor) -> tuple[Tensor, ...]:
    """Each head's projections of its own features of the words only."""
    size = layer.dim // layer.num_heads
    own = torch.block_diag(*torch.ones(layer.num_heads, size, size))
    layers = (layer.to_query, layer.to_key, layer.to_value)
    return tuple(F.linear(x, one.weight * own, one.bias) for one, x in zip(layers, words, strict=True))


def _value_by_output(layer: MultiHeadAttention, *words: Tensor) -> tuple[Tensor, ...]:
    return layer.to_query(words[0]), layer.to_key(words[1]), layer.to_output(words[2])


def _in_one_head(head: int, scores: Tensor, allowed: Tensor, normalise: Callable) -> Tensor:
    others = torch.arange(scores.shape[1])[:, None, None] != head % scores.shape[1]
    seen = (allowed | others).broadcast_to(scores.shape)
    masked = scores.masked_fill(~seen, -math.inf)
    return normalise(masked)


def _only_of(head: int, output: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    return output, weights[:, head]


def _without_the_last(weights: Tensor, q: Tensor, k: Tensor) -> Tensor:
    kept = weights.clone()
    kept[:, -1] = 0
    return kept


def _all_features_for_each(x: Tensor, num_heads: int) -> Tensor:
    return x.unsqueeze(1).expand(-1, num_heads, -1, -1)


looking_at(_all_features_for_each, r"unsqueeze|\[:, None")


def _root_of_a_heads_width(q: Tensor, k: Tensor, v: Tensor) -> float:
    return math.sqrt(v.shape[-1])


def _in_several_heads() -> tuple[Slip, ...]:
    """The mistakes of attention whose words hold here: len(query), say, is no number of words."""
    return tuple(
        replace(slip, variants=slip.variants[:2]) if slip.name == "sqrt-n" else slip
        for slip in recipes.IN_A_MODULE
        if slip.name not in ("over-queries", "fixed-dim", "sentences-mixed", "mask-as-index")
    )


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
        (r"merge|view|reshape|flatten|cat\(", r"return"),
        ({"merge": lambda layer, x: merge_across_words(x)},),
    ),
    Slip(
        "output-not-projected",
        "the output is the merged heads; W_O, to_output, is still to come",
        "Without it the heads never mix: what one found cannot meet what another found.",
        (r"return",),
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
    Slip(
        "over-queries",
        "the softmax runs over the queries; it should run over the keys",
        "Each column sums to 1 now. Each row should: a query shares out its attention over the keys.",
        recipes.SOFTMAX,
        ({"normalise": lambda s: s.softmax(-2)},),
    ),
    Slip(
        "fixed-dim",
        "the softmax runs over the batch or over the heads; the keys are the last dimension",
        "Each head has a budget of its own for each word: dim=-1.",
        recipes.SOFTMAX,
        ({"normalise": lambda s: s.softmax(1)}, {"normalise": lambda s: s.softmax(0)}),
    ),
    Slip(
        "part-split-without-transpose",
        "queries, keys or values are cut across words: a head gets pieces of several words",
        "Cut each of the three into (batch, n, heads, d_k), then transpose n and heads.",
        (r"view|reshape", r"split"),
        (
            _parts(split_heads, split_heads, split_across_words),
            _parts(split_across_words, split_heads, split_heads),
            _parts(split_heads, split_across_words, split_heads),
            _parts(split_across_words, split_across_words, split_heads),
        ),
        rare=True,
    ),
    Slip(
        "first-slice-for-all",
        "every head gets the first slice of the features; each should get a slice of its own",
        "",
        (r"\[.*:.*\]", r"split|" + RESHAPES[0]),
        ({"split": _first_slice},),
        rare=True,
    ),
    Slip(
        "fixed-heads",
        "the number of heads is not num_heads, which __init__ is given",
        "",
        (r"split.*\d|" + RESHAPES[0],),
        tuple({"split": lambda layer, x, n=n: split_heads(x, n)} for n in (2, 3, 4, 8)),
        rare=True,
    ),
    Slip(
        "features-for-heads",
        "num_heads and d_k have changed places: there are num_heads heads, of d_k features each",
        "That is: d_k = dim // num_heads.",
        (r"num_heads\s*=.*//", r"split|" + RESHAPES[0]),
        ({"split": looking_at(_heads_for_features, r"num_heads\s*=.*//")},),
        rare=True,
    ),
    Slip(
        "one-map-for-all",
        "one map, made of all features, serves every head; each has its own queries and keys",
        "",
        (r"unsqueeze|None", r"split|" + RESHAPES[0]),
        tuple(
            _parts(_all_features_for_each, _all_features_for_each, split_heads) | root
            for root in ({}, {"divide": _root_of_a_heads_width})
        ),
        rare=True,
    ),
    Slip(
        "heads-look-at-heads",
        "heads look at the heads of the same word; they should look at words",
        "Transpose n and heads after the split: attention works in the last two dimensions.",
        (r"unflatten|view|reshape", r"split"),
        (
            {
                "split": lambda layer, x: x.unflatten(-1, (layer.num_heads, -1)),
                "merge": lambda layer, x: x.flatten(2),
            },
        ),
        rare=True,
    ),
    Slip(
        "across-the-batch",
        "words look at the sentences of the batch; they should look at the words of their own",
        "",
        (r"transpose\(0|permute|swapaxes", r"transpose"),
        (
            {
                "split": lambda layer, x: split_heads(x.transpose(0, 1), layer.num_heads),
                "merge": lambda layer, x: merge_heads(x).transpose(0, 1),
            },
        ),
        rare=True,
    ),
    Slip(
        "slices-before-projecting",
        "a head sees only its own slice of x; it should see what is projected from all of x",
        "Project first, then split.",
        (r"\[.*:.*\]|chunk|split", r"to_query"),
        ({"project": looking_at(_of_slices, r"\bx\[")},),
        rare=True,
    ),
    Slip(
        "mask-in-one-head",
        "the mask is used in one head only; it holds for every head",
        "",
        recipes.MASK,
        tuple({"hide": functools.partial(_in_one_head, head)} for head in (0, -1)),
        rare=True,
    ),
    Slip(
        "last-head-missing",
        "the last head answers nothing; a loop over the heads is range(num_heads)",
        "",
        (r"range",),
        ({"finish": looking_at(_without_the_last, r"range\(.*-\s*1")},),
        rare=True,
    ),
    Slip(
        "one-heads-weights",
        "the weights of one head are returned; give each head's own, (batch, heads, n, n)",
        "",
        (r"return",),
        tuple({"give": looking_at(functools.partial(_only_of, head), r"return")} for head in (-1, 0)),
        rare=True,
    ),
    Slip(
        "weights-listed",
        "the weights are a list, one of each head; make them one tensor, (batch, heads, n, n)",
        "That is: torch.stack(weights, dim=1).",
        (r"return",),
        ({"give": lambda output, weights: (output, list(weights.unbind(1)))},),
        rare=True,
    ),
    Slip(
        "weights-summed",
        "the weights are added up over the heads; give each head's own, (batch, heads, n, n)",
        "",
        (r"sum", r"return"),
        ({"give": lambda output, weights: (output, weights.sum(1))},),
        rare=True,
    ),
    Slip(
        "heads-before-batch",
        "the weights have the heads before the batch; it should be (batch, heads, n, n)",
        "",
        (r"return",),
        (
            {"give": lambda output, weights: (output, weights.transpose(0, 1))},
            {"give": lambda output, weights: (output, weights.movedim(1, -1))},
        ),
        rare=True,
    ),
    Slip(
        "output-twice",
        "to_output is used twice; once is all",
        "",
        (r"to_output\(", r"return"),
        ({"output": lambda layer, x: layer.to_output(layer.to_output(x))},),
        rare=True,
    ),
    Slip(
        "value-and-output-swapped",
        "to_value and to_output have changed places",
        "What a word passes on comes from to_value; to_output mixes the heads at the end.",
        (r"to_output(?!\s*=)", r"return"),
        ({"project": _value_by_output, "output": lambda layer, x: layer.to_value(x)},),
        rare=True,
    ),
    Slip(
        "value-from-output",
        "to_output makes the values; they have a projection of their own, to_value",
        "",
        (r"to_output(?!\s*=)", r"return"),
        ({"project": _value_by_output},),
        rare=True,
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
    large = far_apart(layer, 1, 4)
    return [
        Case("1 sequence of 3 words", (few,), 0, steps),
        Case("2 sequences of 5 words", (many,), 0, steps),
        Case("3 words and a causal mask", (few, causal), 1, second, (("allowed", causal),)),
        Case("2 sequences of 5 words and a causal mask", (many, causal_mask(5)), 1, second),
        Case("3 words, of which word 1 may look nowhere", (few, nowhere), 2, "", (("allowed", nowhere),)),
        Case("1 sequence of 4 words, with large scores", (large,), 3, near=LARGE),
        Case("4 words and a causal mask, with large scores", (large, causal_mask(4)), 4, near=LARGE),
    ]


def _several_heads(answer) -> list[Subject]:
    sizes = _SIZES if isinstance(answer, type) else [(12, getattr(answer, "num_heads", 2))]
    with naming_what_init_lacks():
        modules = [(built(answer, _ALL, dim, heads), heads) for dim, heads in sizes]
    for name in _ALL:
        if getattr(modules[0][0], name).bias is None:
            where = line_to_look_at(answer, rf"self\.{name}\s*=", r"bias\s*=\s*False|Linear\(.*False")
            raise Stop("wrong", _NO_BIAS, bug="wrong-parameters", where=where, layer=name)
    return [(one_module(module), (module, with_projections(module, heads))) for module, heads in modules]


multi_head = OfALayer(
    "multi-head attention",
    ("output", "weights"),
    attend,
    _cases,
    recipes.bugs((*_SLIPS, *PROJECTION_SLIPS, *_in_several_heads()), attend),
    "Checked: four projections and nothing else to learn, each head's own weights, masks, an all-masked row.",
    prepare=_several_heads,
    explain=about_attention,
    show="weights",
    learns=2,
    of_module=True,
)
