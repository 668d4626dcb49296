"""Merge: (batch, heads, n, d_k) to (batch, n, heads · d_k)."""

from torch import Tensor

from attention_core.attention import merge_heads as our_merge
from attention_core.practice.exercise import Bug, Case, Exercise, random
from attention_core.practice.reshapes import RESHAPES, merge_across_words, numbered


def _cases() -> list[Case]:
    few = numbered(1, 2, 2, 2)
    return [
        Case("2 heads of 2 words with 2 features, numbered", (few,), beside=(("heads", few),)),
        Case("2 × 4 heads of 3 words with 2 features", (random(2, 4, 3, 2, seed=44),)),
        Case("2 × 3 heads of 5 words with 4 features", (random(2, 3, 5, 4, seed=45),)),
    ]


def _interleaved_merge(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).reshape(len(x), x.shape[2], -1)


_BUGS = (
    Bug(
        "merge-without-transpose",
        "the reshape puts words of one head side by side; it should be the heads of one word",
        "Transpose heads and n first, (batch, n, heads, d_k), then join the last two.",
        RESHAPES,
        (merge_across_words,),
    ),
    Bug(
        "interleaved",
        "the heads' features are dealt out in turn; each head's should stay together",
        "(batch, n, heads, d_k), in this order, before the last two are joined.",
        RESHAPES,
        (_interleaved_merge,),
    ),
    Bug(
        "summed",
        "the heads are added up; they should be laid side by side",
        "",
        (r"sum\(|mean\(", *RESHAPES),
        (lambda x: x.sum(1), lambda x: x.mean(1)),
    ),
)

merge_heads = Exercise(
    "merge heads",
    ("merged",),
    our_merge,
    _cases,
    _BUGS,
    "Checked: the slices of each word side by side, head after head.",
)
