"""Split: (batch, n, dim) to (batch, heads, n, dim / heads)."""

from attention_core.attention import split_heads as our_split
from attention_core.practice.exercise import Bug, Case, Exercise, random
from attention_core.practice.reshapes import RESHAPES, numbered, split_across_words


def _cases() -> list[Case]:
    few = numbered(1, 2, 4)
    return [
        Case("1 sequence of 2 words with 4 features, numbered, and 2 heads", (few, 2), beside=(("x", few),)),
        Case("2 sequences of 3 words with 8 features, and 4 heads", (random(2, 3, 8, seed=41), 4)),
        Case("2 sequences of 4 words with 6 features, and 3 heads", (random(2, 4, 6, seed=42), 3)),
        Case("3 sequences of 5 words with 4 features, and 1 head", (random(3, 5, 4, seed=43), 1)),
    ]


_BUGS = (
    Bug(
        "split-without-transpose",
        "the reshape cuts across words: a head gets pieces of several words, not a slice of each",
        "Cut the features first, (batch, n, heads, d_k), then transpose n and heads.",
        RESHAPES,
        (
            split_across_words,
            lambda x, h: x.reshape(len(x), x.shape[1], h, -1).reshape(len(x), h, x.shape[1], -1),
        ),
    ),
    Bug(
        "not-transposed",
        "the features are cut as they should be, but heads and words still have to change places",
        "The shape should be (batch, heads, n, d_k).",
        RESHAPES,
        (lambda x, h: x.reshape(len(x), x.shape[1], h, -1),),
    ),
    Bug(
        "interleaved",
        "each head gets features that lie apart; it should get a slice of neighbours",
        "(batch, n, heads, d_k), in this order: heads before d_k.",
        RESHAPES,
        (lambda x, h: x.reshape(len(x), x.shape[1], -1, h).permute(0, 3, 1, 2),),
    ),
)

split_heads = Exercise(
    "split heads",
    ("heads",),
    our_split,
    _cases,
    _BUGS,
    "Checked: each head has its slice of every word, for 1 to 4 heads.",
)
