"""Attention: scores, weights, output, with a mask and without."""

from dataclasses import replace

import torch
from torch import Tensor

from attention_core._calling import takes
from attention_core.agreement import attention_rounding
from attention_core.attention import scaled_dot_product_attention
from attention_core.masks import causal_mask
from attention_core.practice import recipes
from attention_core.practice.evidence import about_attention
from attention_core.practice.exercise import Case, Exercise, Stop, Subject, by_place, random
from attention_core.practice.source import line_to_look_at


def _qkv(
    *lead: int, n_q: int, n_k: int, d_k: int, d_v: int, seed: int, **kind
) -> tuple[Tensor, Tensor, Tensor]:
    """Every size is another number, so that no two can be confused unnoticed."""
    sizes = ((n_q, d_k), (n_k, d_k), (n_k, d_v))
    return tuple(random(*lead, *size, seed=10 * seed + i, **kind) for i, size in enumerate(sizes))


def _cases() -> list[Case]:
    small = _qkv(n_q=2, n_k=3, d_k=4, d_v=5, seed=27, decimals=1)
    tall = _qkv(n_q=4, n_k=6, d_k=5, d_v=3, seed=3)
    wide = _qkv(n_q=5, n_k=2, d_k=3, d_v=6, seed=4, dtype=torch.float64)
    batch = _qkv(2, n_q=3, n_k=4, d_k=6, d_v=5, seed=5)
    deep = _qkv(2, 3, n_q=4, n_k=3, d_k=5, d_v=7, seed=6)
    words = _qkv(n_q=3, n_k=3, d_k=4, d_v=2, seed=2, decimals=1)
    causal = causal_mask(3)
    some = torch.tensor(
        [[1, 0, 1, 1, 0, 0], [0, 1, 0, 0, 0, 1], [1, 1, 1, 0, 0, 1], [0, 0, 0, 0, 1, 0]]
    ).bool()
    padding = torch.tensor([[[1, 1, 1, 0]], [[1, 1, 0, 0]]]).bool()  # (batch, 1, n_k)
    nowhere, all_padding = causal.clone(), padding.clone()
    nowhere[1] = all_padding[1] = False
    table = "A score is a query's dot product with a key: query @ key.transpose(-2, -1), one row a query."
    ends = "Only the last two dimensions take part: key.transpose(-2, -1), softmax over dim=-1."
    masked = "allowed is boolean and fits the scores: scores.masked_fill(~allowed, -math.inf)."
    cases = [
        Case("2 queries × 3 keys", small, 0, table),
        Case("4 queries × 6 keys", tall, 0, table),
        Case("5 queries × 2 keys, float64", wide, 0, table),
        Case("a batch of 2, each 3 queries × 4 keys", batch, 1, ends),
        Case("a batch of 2 × 3, each 4 queries × 3 keys", deep, 1, ends),
        Case("3 words and a causal mask", (*words, causal), 2, masked, (("allowed", causal),)),
        Case("4 queries × 6 keys and a mask", (*tall, some), 2, masked, (("allowed", some),)),
        Case(
            "a batch of 2, the last keys being padding", (*batch, padding), 2, masked, (("allowed", padding),)
        ),
        Case("2 queries × 3 keys, with scores of some hundreds", (small[0] * 400, *small[1:]), 3),
        Case("3 words, of which word 1 may look nowhere", (*words, nowhere), 4, "", (("allowed", nowhere),)),
        Case(
            "a batch of 2, the second all padding", (*batch, all_padding), 4, "", (("allowed", all_padding),)
        ),
    ]
    return [
        replace(case, near=max(attention_rounding(*case.inputs[:3], dtype=torch.float32))) for case in cases
    ]


def _with_or_without_mask(answer) -> list[Subject]:
    """The answer as it is, or one that asks for the fourth argument once a mask is given to it."""
    by_position, by_name = takes(answer)
    if by_position >= 4 or by_name:
        return [(by_place(answer), ())]

    def call(query, key, value, *allowed):
        if not allowed:
            return answer(query, key, value)
        raise Stop(
            "wrong",
            "right without a mask. Now give it a fourth argument, allowed=None",
            bug="no-mask-argument",
            details=("allowed is boolean, (n_q, n_k); True means “may look”.",),
            where=line_to_look_at(answer, r"\bdef\b|lambda"),
        )

    return [(call, ())]


attention = Exercise(
    "attention",
    ("output", "weights"),
    scaled_dot_product_attention,
    _cases,
    recipes.bugs(recipes.SLIPS),
    "Checked: any number of queries and keys, batches, float64, masks, large scores, an all-masked row.",
    prepare=_with_or_without_mask,
    explain=about_attention,
    show="weights",
    learns=2,
)
