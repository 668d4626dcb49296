"""A score for heads: how much of its weight a map gives, on average, to the token before."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from attention_core.practice.exercise import Exercise
from attention_core.practice.recipes import bugs, slip
from attention_core.practice.scores import RETURN, ByHand, about, asked, case

_PICK = (r"diagonal|diag\(|weights\[", r"range\(|arange", *RETURN)
_FINISH = (r"mean|sum|/|len\(", *RETURN)


def _before(weights: Tensor, tokens: Sequence[str]) -> Tensor:
    return weights.diagonal(-1)


def _previous(
    weights: Tensor,
    tokens: Sequence[str],
    *,
    pick: Callable = _before,
    finish: Callable = lambda picked, n: picked.mean() if picked.numel() else torch.zeros(()),
) -> Tensor:
    """The mean, each step of which can be exchanged for a wrong one.

    pick: of the map and the tokens, those weights that count. finish: of these and n, the
    score.
    """
    made = finish(pick(weights, tokens), len(tokens))
    return made.reshape(1) if made.numel() == 1 else made


def _right(weights: Tensor, tokens: Sequence[str]) -> Tensor:
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    picked = _before(weights, tokens)
    _steps = weights.T, weights[1:], weights[1:, :-1], picked.sum(), *picked, *picked.cumsum(0), *weights
    return _previous(weights, tokens)


def _wraps(weights: Tensor) -> Tensor:
    """weights[i, i - 1] of every row: of row 0 that is the last one."""
    return weights.roll(1, 1).diagonal()


def _picks(*ways: Callable) -> tuple[dict, ...]:
    return tuple({"pick": lambda weights, tokens, way=way: way(weights)} for way in ways)


def _of_words(weights: Tensor, tokens: Sequence[str], both: bool) -> Tensor:
    """Only the rows of words; both: and only where a word stands before."""
    word = torch.tensor([token not in ("[CLS]", "[SEP]") for token in tokens])
    return weights.diagonal(-1)[word[1:] & word[:-1] if both else word[1:]]


def _ends_as_0(weights: Tensor, first: bool) -> Tensor:
    picked = weights.diagonal(-1).clone()
    picked[0 if first else -1] = 0
    return picked


def _finishes(*ways: Callable) -> tuple[dict, ...]:
    return tuple({"finish": way} for way in ways)


# fmt: off
_SLIPS = (
    slip("next", "this is the weight on the next token; a row is a query, so the token before is on its left",
         (r"diagonal\(\s*(offset\s*=\s*)?1|\+\s*1|\.T\b|transpose", *_PICK),
         *_picks(lambda w: w.diagonal(1)), why="That is weights[i, i − 1], or diagonal(−1)."),
    slip("itself", "this is the weight of each token on itself; the one before is wanted",
         (r"diag", *_PICK), *_picks(lambda w: w.diagonal())),
    slip("first-row-wraps", "row 0 counts, too: weights[0, −1] is the last token; none is before the first",
         (r"range\(|roll", *_PICK), *_picks(_wraps), why="Begin with row 1."),
    slip("first-row-counted", "it is divided by n; the first token has none before it, so n − 1 rows count",
         (r"/|mean|shape\[0\]|len\(", *_FINISH), *_finishes(lambda p, n: p.sum() / n)),
    slip("sum", "the weights are summed; a mean of rows stays between 0 and 1, however long the sentence",
         (r"sum", *_FINISH), *_finishes(lambda p, n: p.sum())),
    slip("ends-left-out", "a row at one end is left out; only row 0, which has nothing before it, should be",
         (r"range\(|\[\d?\w*:", *_PICK), *_picks(lambda w: w.diagonal(-1)[1:], lambda w: w.diagonal(-1)[:-1],
                                  lambda w: w.diagonal(-1)[1:-1],
                                  lambda w: _ends_as_0(w, True), lambda w: _ends_as_0(w, False)), rare=True),
    slip("words-only", "rows of [CLS] and [SEP] are left out; all tokens with one before count",
         (r"CLS|SEP|startswith", *_PICK),
         *({"pick": lambda weights, tokens, both=both: _of_words(weights, tokens, both)} for both in (0, 1)),
         why="Other models have no such tokens: this score asks only the map.", rare=True),
    slip("two-before", "this is the weight on the token two places before; the one before is wanted",
         (r"-\s*2", *_PICK), *_picks(lambda w: w.diagonal(-2)), rare=True),
    slip("all-before", "all tokens before are counted; only the nearest should be",
         (r"tril|:i\b", *_PICK), *_picks(lambda w: w.tril(-1).sum(-1)[1:], lambda w: w.tril(-1).sum(-1)),
         rare=True),
    slip("first-token", "this is the weight on the first token; the one before each token is wanted",
         (r"\[:,\s*0\]|\[\.\.\.,\s*0\]", *_PICK), *_picks(lambda w: w[:, 0], lambda w: w[1:, 0]), rare=True),
    slip("whole-map", "the mean of the whole map is 1/n for every head: its rows sum to 1",
         _FINISH, *_picks(lambda w: w.mean(), lambda w: w.tril(-1).mean()), rare=True),
    slip("counted", "rows are counted in which that weight is the largest; its size is wanted",
         (r"argmax|max\(", *_FINISH), *_picks(
             lambda w: (w.argmax(-1)[1:] == torch.arange(len(w) - 1)).float()), rare=True),
    slip("one-row", "the score is that of one row; it should be the mean of all that have a token before",
         (r"\[-?\d|max|min|return", *_FINISH), *_finishes(lambda p, n: p[-1], lambda p, n: p[0],
         lambda p, n: p.max(), lambda p, n: p.min(), lambda p, n: p.median()), rare=True),
    slip("not-averaged", "a number for each token comes out; a head needs one, their mean",
         RETURN, *_finishes(lambda p, n: p), rare=True),
)
_ALONE = slip(  # at a later stage: only one token shows it
    "nan-of-none", "of one token it says NaN: there is none before it, and a mean of nothing; say 0",
    (r"mean|/", *RETURN), *_finishes(lambda p, n: p.mean()),
    why="A score that is no number cannot be sorted.", rare=True)
# fmt: on

_THREE = ("a", "b", "c")
_LEFT = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0]])  # the first has only itself
_BY_HAND = (
    ByHand("each token looks at the one before alone", _LEFT, _THREE, 1.0),
    ByHand("each token looks at itself alone", torch.eye(3), _THREE, 0.0),
    ByHand("each token looks at all three alike", torch.full((3, 3), 1 / 3), _THREE, 1 / 3),
)

previous = Exercise(
    "previous",
    ("score",),
    _right,
    lambda: [
        case("the cat sat down", 1000),
        case("[CLS] it rained . [SEP]", 1001),
        case("[CLS] the dog saw the cat [SEP]", 1003),
        case("no no", 1002, 1),
        case("hello", 1004, 1),
    ],
    bugs((*_SLIPS, _ALONE), _previous),
    "Checked: 1 to 7 tokens, with and without [CLS] and [SEP].",
    prepare=asked,
    explain=about(_BY_HAND),
)
