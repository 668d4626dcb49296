"""Attention: scores, weights, output, with a mask and without."""

from dataclasses import replace

import torch
from torch import Tensor

from attention_core.agreement import attention_rounding
from attention_core.attention import scaled_dot_product_attention
from attention_core.masks import causal_mask
from attention_core.practice import recipes
from attention_core.practice.evidence import about_attention
from attention_core.practice.exercise import Case, Exercise, Subject, by_place, random


def _qkv(
    *lead: int, n_q: int, n_k: int, d_k: int, d_v: int, seed: int, **kind
) -> tuple[Tensor, Tensor, Tensor]:
    """Every size is another number, so that no two can be confused unnoticed."""
    sizes = ((n_q, d_k), (n_k, d_k), (n_k, d_v))
    return tuple(random(*lead, *size, seed=10 * seed + i, **kind) for i, size in enumerate(sizes))


def _far_apart() -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Rows in which what may be seen is far below what is hidden; one key is the best, however one rounds."""
    query = 40.0 * torch.eye(3, 4)
    key = torch.tensor([[-100.0, 10, 1, 7], [-106, -90, 4, 2], [90, -98, -3, 5]])  # scores are 20 times these
    hidden = torch.tensor([[1, 1, 0], [0, 1, 1], [1, 1, 1]]).bool()
    return (query, key, random(3, 2, seed=12, decimals=1)), hidden


def _cases() -> list[Case]:
    small = _qkv(n_q=2, n_k=3, d_k=4, d_v=5, seed=27, decimals=1)
    square = _qkv(
        n_q=3, n_k=3, d_k=4, d_v=4, seed=8
    )  # here a wrong order of sizes can be computed, and named
    tall = _qkv(n_q=4, n_k=6, d_k=5, d_v=3, seed=3)
    wide = _qkv(n_q=5, n_k=2, d_k=3, d_v=6, seed=4, dtype=torch.float64)
    batch = _qkv(2, n_q=3, n_k=4, d_k=6, d_v=5, seed=5)
    deep = _qkv(2, 3, n_q=4, n_k=3, d_k=5, d_v=7, seed=6)
    words = _qkv(n_q=3, n_k=3, d_k=4, d_v=2, seed=2, decimals=1)
    as_many = _qkv(3, n_q=3, n_k=3, d_k=5, d_v=2, seed=9)
    causal = causal_mask(3)
    far, hidden = _far_apart()
    some = torch.tensor(
        [[1, 0, 1, 1, 0, 0], [0, 1, 0, 0, 0, 1], [1, 1, 1, 0, 0, 1], [0, 0, 0, 0, 1, 0]]
    ).bool()
    padding = torch.tensor([[[1, 1, 1, 0]], [[1, 1, 0, 0]]]).bool()  # (batch, 1, n_k)
    nowhere, all_padding = causal.clone(), padding.clone()
    nowhere[1] = all_padding[1] = False
    table = "A score is a query's dot product with a key: query @ key.transpose(-2, -1), one row a query."
    last = "Only the last two dimensions take part: key.transpose(-2, -1), softmax over dim=-1."
    masked = "allowed is boolean and fits the scores: scores.masked_fill(~allowed, -math.inf)."
    cases = [
        Case("2 queries × 3 keys", small, 0, table),
        Case("3 words, as wide as their values", square, 0, table),
        Case("4 queries × 6 keys", tall, 0, table),
        Case("5 queries × 2 keys, float64", wide, 0, table),
        Case("a batch of 2, each 3 queries × 4 keys", batch, 1, last),
        Case("a batch of 2 × 3, each 4 queries × 3 keys", deep, 1, last),
        Case("3 words and a causal mask", (*words, causal), 2, masked, (("allowed", causal),)),
        Case("4 queries × 6 keys and a mask", (*tall, some), 2, masked, (("allowed", some),)),
        Case(
            "a batch of 2, the last keys being padding", (*batch, padding), 2, masked, (("allowed", padding),)
        ),
        Case(
            "a batch of 3, each 3 words, and a causal mask",
            (*as_many, causal),
            2,
            masked,
            (("allowed", causal),),
        ),
        Case("3 words, of which word 1 may look nowhere", (*words, nowhere), 3, "", (("allowed", nowhere),)),
        Case(
            "a batch of 2, the second all padding", (*batch, all_padding), 3, "", (("allowed", all_padding),)
        ),
        Case("2 queries × 3 keys, with scores of some hundreds", (small[0] * 400, *small[1:]), 4),
        Case(
            "3 queries × 3 keys and a mask, with scores of up to 2000",
            (*far, hidden),
            5,
            masked,
            (("allowed", hidden),),
        ),
    ]
    return [
        replace(case, near=max(attention_rounding(*case.inputs[:3], dtype=torch.float32))) for case in cases
    ]


def _right(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None):
    """The reference; it also makes the masks that a right answer may, so that no line is wrong for one."""
    if allowed is not None:
        _made = allowed, ~allowed, allowed.expand(*query.shape[:-1], key.shape[-2])
    return scaled_dot_product_attention(query, key, value, allowed)


def _with_or_without_mask(answer) -> list[Subject]:
    """The answer as it is, or one that asks for the fourth argument once a mask is given to it."""
    function = recipes.asking_for_a_mask(answer, by_place(answer), 3)
    return [(recipes.telling(function), ())]


attention = Exercise(
    "attention",
    ("output", "weights"),
    _right,
    _cases,
    recipes.bugs(recipes.SLIPS),
    "Checked: any number of queries and keys, batches, float64, masks, large scores, an all-masked row.",
    prepare=_with_or_without_mask,
    explain=about_attention,
    show="weights",
    learns=3,
)
