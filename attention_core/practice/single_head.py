"""The exercises of lesson 01: softmax, the causal mask, attention and self-attention."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from attention_core import causal_mask as our_causal_mask
from attention_core import scaled_dot_product_attention
from attention_core._calling import takes
from attention_core.agreement import attention_rounding, rounding
from attention_core.practice import recipes
from attention_core.practice.evidence import about_attention, about_places, about_shares
from attention_core.practice.exercise import Bug, Case, Exercise, Stop, by_place, random
from attention_core.practice.modules import built
from attention_core.practice.source import line_to_look_at

# --- softmax: each row of scores becomes shares that sum to 1 -----------------------------------------


def _softmax_cases() -> list[Case]:
    small = random(2, 3, seed=1, decimals=1)
    large = torch.tensor([[1000.0, 1001.0, 999.0], [-1000.0, -1001.0, -999.0]])
    hidden = random(2, 3, seed=2, decimals=1)
    hidden[0, 2] = hidden[1, 0] = -math.inf
    one, batch = random(4, seed=5), random(2, 3, 4, seed=6)
    rows = "To divide each row by its own sum, keep the dimension that is summed: keepdim=True."
    last = "The last dimension is the one to sum over, however many there are: dim=-1."
    cases = [
        Case("2 rows of 3 scores", (small,), 0, rows, (("scores", small),)),
        Case("4 rows of 5 scores", (random(4, 5, seed=3),), 0, rows),
        Case("5 rows of 2 scores, float64", (random(5, 2, seed=4, dtype=torch.float64),), 0, rows),
        Case("4 scores alone, without rows", (one,), 1, last, (("scores", one),)),
        Case("a batch of 2, each 3 rows of 4 scores", (batch,), 1, last, (("scores", batch),)),
        Case("2 rows of large scores", (large,), 2, beside=(("scores", large),)),
        Case("2 rows, a score in each being −∞", (hidden,), 3, beside=(("scores", hidden),)),
    ]
    return [replace(case, near=_near_of_shares(case.inputs[0])) for case in cases]


def _near_of_shares(scores: Tensor) -> float:
    largest = float(scores[scores.isfinite()].abs().max())
    return rounding(torch.float32, scores.shape[-1], size=max(1.0, largest))


_SOFTMAX_WORDS = {
    "over-queries": "it runs down the columns; it should run along the rows, the last dimension",
    "fixed-dim": "it runs over dimension 1, which is the last one of a table only; dim=-1 is always the last",
    "argmax": "each row gives everything to its largest score: this is argmax, not softmax",
    "not-normalised": "these are e to the power of the scores, not yet divided by the sum of their row",
    "over-everything": "all numbers together sum to 1; each row should sum to 1 by itself",
    "no-exp": "the scores are divided by their sum; e to the power of each comes first",
    "log": "these are the logarithms of the answer: this is log_softmax",
    "overflow": "e to the power of a large score is too large for a number, and ∞ ÷ ∞ is NaN",
}


def _softmax_bugs() -> tuple[Bug, ...]:
    slips = {slip.name: slip for slip in recipes.NORMALISE}
    why = {"over-queries": "Each column sums to 1 now, and each row should.", "fixed-dim": ""}
    return tuple(
        Bug(
            name,
            words,
            why.get(name, slips[name].why),
            slips[name].look_at,
            tuple(v["normalise"] for v in slips[name].variants),
        )
        for name, words in _SOFTMAX_WORDS.items()
    )


softmax = Exercise(
    "softmax",
    ("weights",),
    lambda scores: scores.softmax(-1),
    _softmax_cases,
    _softmax_bugs(),
    "Checked: rows, batches, a single row, float64, scores of a thousand, and scores of −∞.",
    explain=about_shares,
)

# --- the causal mask: True where a word may look --------------------------------------------------------

_DRAWN = (r"tril|triu|arange|range\(|[<>]=?", r"return")


def _square(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool)


_MASK_BUGS = (
    Bug(
        "inverted",
        "it is the wrong way round: True should mean “may look”",
        "",
        (r"~|\bnot\b|triu|[<>]=?", *_DRAWN),
        (lambda n: ~our_causal_mask(n),),
    ),
    Bug(
        "not-itself",
        "off by one: a word may not look at itself",
        "The first word would have nowhere to look at all.",
        _DRAWN,
        (lambda n: _square(n).tril(-1),),
    ),
    Bug(
        "one-ahead",
        "off by one: each word sees the next one too",
        "",
        _DRAWN,
        (lambda n: _square(n).tril(1),),
    ),
    Bug(
        "transposed",
        "it is transposed: each word sees itself and its future",
        "A row is a query. The first row belongs to the first word, which may see only itself.",
        _DRAWN,
        (lambda n: _square(n).triu(),),
    ),
    Bug("everything", "every word may look at every word", "", _DRAWN, (_square,)),
    Bug("only-itself", "each word sees only itself", "", _DRAWN, (lambda n: torch.eye(n, dtype=torch.bool),)),
    Bug(
        "not-boolean",
        "the places are right, but they hold numbers; a mask is boolean",
        "torch.ones(n, n, dtype=torch.bool) makes it so, and so does .bool() at the end.",
        (r"ones|zeros|float|int", *_DRAWN),
        (lambda n: our_causal_mask(n).float(), lambda n: our_causal_mask(n).long()),
    ),
    Bug(
        "added-mask",
        "these are numbers to add to the scores; here a mask is boolean, and True means “may look”",
        "",
        (r"inf|1e", *_DRAWN),
        (
            lambda n: torch.zeros(n, n).masked_fill(~our_causal_mask(n), -math.inf),
            lambda n: torch.zeros(n, n).masked_fill(~our_causal_mask(n), -1e9),
        ),
    ),
)

causal_mask = Exercise(
    "causal mask",
    ("mask",),
    our_causal_mask,
    lambda: [Case(f"n = {n}", (n,)) for n in (3, 1, 2, 6)],
    _MASK_BUGS,
    "Checked: every place of the masks for 1, 2, 3 and 6 words.",
    explain=about_places,
)

# --- attention: scores, weights, output, with a mask and without ------------------------------------------


def _qkv(
    *lead: int, n_q: int, n_k: int, d_k: int, d_v: int, seed: int, **kind
) -> tuple[Tensor, Tensor, Tensor]:
    """Every size is another number, so that no two can be confused unnoticed."""
    sizes = ((n_q, d_k), (n_k, d_k), (n_k, d_v))
    return tuple(random(*lead, *size, seed=10 * seed + i, **kind) for i, size in enumerate(sizes))


def _attention_cases() -> list[Case]:
    small = _qkv(n_q=2, n_k=3, d_k=4, d_v=5, seed=27, decimals=1)
    tall = _qkv(n_q=4, n_k=6, d_k=5, d_v=3, seed=3)
    wide = _qkv(n_q=5, n_k=2, d_k=3, d_v=6, seed=4, dtype=torch.float64)
    batch = _qkv(2, n_q=3, n_k=4, d_k=6, d_v=5, seed=5)
    deep = _qkv(2, 3, n_q=4, n_k=3, d_k=5, d_v=7, seed=6)
    words = _qkv(n_q=3, n_k=3, d_k=4, d_v=2, seed=2, decimals=1)
    causal = our_causal_mask(3)
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


def _with_or_without_mask(answer) -> tuple[Callable, tuple]:
    """The answer as it is, or one that asks for the fourth argument once a mask is given to it."""
    by_position, by_name = takes(answer)
    if by_position >= 4 or by_name:
        return by_place(answer), ()

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

    return call, ()


attention = Exercise(
    "attention",
    ("output", "weights"),
    scaled_dot_product_attention,
    _attention_cases,
    recipes.bugs(recipes.SLIPS),
    "Checked: any number of queries and keys, batches, float64, masks, large scores, an all-masked row.",
    prepare=_with_or_without_mask,
    explain=about_attention,
    show="weights",
)

# --- self-attention: three projections of the words, then attention -----------------------------------------

PROJECTIONS = _Q, _K, _V = ("to_query", "to_key", "to_value")


def project(module: nn.Module, x: Tensor, allowed: Tensor | None = None, *, names=PROJECTIONS, **changes):
    """Self-attention with a module's own projections; `names` says which makes what, None for none."""
    q, k, v = (getattr(module, name)(x) if name else x for name in names)
    return recipes.attention(q, k, v, allowed, **changes)


def _mixed(name: str, words: str, why: str, look_at: str, *names: tuple) -> recipes.Slip:
    return recipes.Slip(
        name, words, why, (look_at, r"attention\(", r"return"), tuple({"names": n} for n in names)
    )


PROJECTION_SLIPS = (
    _mixed(
        "value-from-key",
        "to_key makes the values; they have a projection of their own, to_value",
        "What a word is found by and what it hands over are two things.",
        r"\bv\w*\s*=.*to_key|to_key.*to_key",
        (_Q, _K, _K),
    ),
    _mixed(
        "key-from-query",
        "to_query makes the keys; they have a projection of their own, to_key",
        "Scores are then symmetric: “it” would ask “cat” just as “cat” asks “it”.",
        r"\bk\w*\s*=.*to_query|to_query.*to_query",
        (_Q, _Q, _V),
    ),
    _mixed(
        "value-from-query",
        "to_query makes the values; they have a projection of their own, to_value",
        "",
        r"\bv\w*\s*=.*to_query|to_query.*to_query",
        (_Q, _K, _Q),
    ),
    _mixed(
        "query-from-key",
        "to_key makes the queries; they have a projection of their own, to_query",
        "",
        r"\bq\w*\s*=.*to_key|to_key.*to_key",
        (_K, _K, _V),
    ),
    _mixed(
        "query-key-swapped",
        "queries and keys have changed places",
        "What a word asks for comes from to_query; what it offers, from to_key.",
        r"\bq\w*\s*=.*to_key|to_key",
        (_K, _Q, _V),
    ),
    _mixed(
        "one-projection",
        "one projection makes queries, keys and values; each has its own",
        "",
        r"to_\w+\(",
        *((name,) * 3 for name in PROJECTIONS),
    ),
    _mixed(
        "no-projection",
        "the words are used as they are; to_query, to_key and to_value come first",
        "",
        r"attention\(",
        (None, None, None),
    ),
    _mixed("query-not-projected", "to_query is not used", "", r"\bq\w*\s*=", (None, _K, _V)),
    _mixed("key-not-projected", "to_key is not used", "", r"\bk\w*\s*=", (_Q, None, _V)),
    _mixed("value-not-projected", "to_value is not used", "", r"\bv\w*\s*=", (_Q, _K, None)),
)


def _self_attention_cases(module: nn.Module) -> list[Case]:
    dim = getattr(module, _Q).in_features
    few, many, batch = random(3, dim, seed=21), random(5, dim, seed=22), random(2, 4, dim, seed=23)
    causal = our_causal_mask(3)
    nowhere = causal.clone()
    nowhere[1] = False
    steps = "Project x three times, then call scaled_dot_product_attention."
    second = "forward takes a second argument, allowed=None, and hands it on."
    return [
        Case("3 words", (few,), 0, steps),
        Case("5 words", (many,), 0, steps),
        Case("a batch of 2, each 4 words", (batch,), 1),
        Case("3 words and a causal mask", (few, causal), 2, second, (("allowed", causal),)),
        Case("a batch of 2 and a causal mask", (batch, our_causal_mask(4)), 2, second),
        Case("3 words, of which word 1 may look nowhere", (few, nowhere), 3, "", (("allowed", nowhere),)),
    ]


def _one_head(answer) -> tuple[Callable, tuple]:
    module = built(answer, PROJECTIONS, 4, bias=False)
    return by_place(module), (module,)


self_attention = Exercise(
    "self-attention",
    ("output", "weights"),
    project,
    _self_attention_cases,
    recipes.bugs((*PROJECTION_SLIPS, *recipes.IN_A_MODULE), project),
    "Checked: three projections and nothing else to learn, batches, masks, a word that may look nowhere.",
    prepare=_one_head,
    explain=about_attention,
    show="weights",
)
