"""A score for heads: how much of its weight a word gives to where the same word stands otherwise."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from attention_core.practice.exercise import Exercise
from attention_core.practice.recipes import bugs, slip
from attention_core.practice.scores import RETURN, ByHand, about, asked, case

_WHICH = (r"==|index\(|\bin\b.*tokens|count\(", r"weights\[", *RETURN)
_EACH = (r"weights\[", r"sum|mean|max", *RETURN)
_FINISH = (r"\bmean|/|sum\(|len\(", *RETURN)
Places = list[list[int]]


def _places(tokens: Sequence[str]) -> Places:
    """Of each token, where the same word stands otherwise."""
    return [[j for j, word in enumerate(tokens) if word == own and j != i] for i, own in enumerate(tokens)]


def _rows(weights: Tensor, places: Places, way: Callable[[Tensor], Tensor] = torch.sum) -> list[Tensor]:
    return [way(weights[i, of]) for i, of in enumerate(places) if of]


def _mean(each: list[Tensor], n: int) -> Tensor:
    return torch.stack(each).mean() if each else torch.zeros(())


def _same_word(
    weights: Tensor,
    tokens: Sequence[str],
    *,
    where: Callable = _places,
    read: Callable = _rows,
    finish: Callable = _mean,
) -> Tensor:
    """The mean, each step of which can be exchanged for a wrong one.

    where: of the tokens, for each row the columns that count. read: of the map and these, a number for each
    row that has any. finish: of these and the number of tokens, the score.
    """
    made = finish(read(weights, where(tokens)), len(tokens))
    return made.reshape(1) if made.numel() == 1 else made


def _right(weights: Tensor, tokens: Sequence[str]) -> Tensor:
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    n, places = len(tokens), _places(tokens)
    each = _rows(weights, places)
    mask = torch.tensor([[j in of for j in range(n)] for of in places])
    alike = mask | torch.eye(n).bool()
    _masks = mask, mask.float(), alike, alike.float(), mask.any(-1), mask.sum(-1), *mask, *mask.float()
    _steps = *(weights[i, j] for i in range(n) for j in places[i]), *weights, weights * mask
    _sums = (weights * mask).sum(-1), (weights * mask).sum(-1)[mask.any(-1)], (weights * mask).sum(), *each
    _totals = (*torch.stack(each).cumsum(0),) if each else ()
    return _same_word(weights, tokens)


def _wheres(*ways: Callable) -> tuple[dict, ...]:
    """ways: of i, j, and the tokens, whether column j counts in row i."""

    def make(way: Callable) -> dict:
        def where(tokens: Sequence[str]) -> Places:
            every = range(len(tokens))
            return [[j for j in every if way(i, j, tokens)] for i in every]

        return {"where": where}

    return tuple(map(make, ways))


def _reads(*ways: Callable) -> tuple[dict, ...]:
    return tuple({"read": way} for way in ways)


def _finishes(*ways: Callable) -> tuple[dict, ...]:
    return tuple({"finish": way} for way in ways)


def _other(i: int, j: int, t: Sequence[str]) -> bool:
    return t[i] == t[j] and i != j


def _pairs(weights: Tensor, places: Places) -> list[Tensor]:
    return [weights[i, j] for i, of in enumerate(places) for j in of]


def _by_word(tokens: Sequence[str]) -> Places:
    """Only the first of each word is asked."""
    return [of if tokens.index(tokens[i]) == i else [] for i, of in enumerate(_places(tokens))]


# fmt: off
_SLIPS = (
    slip("itself-counted", "each token counts as a copy of itself; only the other places are wanted",
         _WHICH, *_wheres(lambda i, j, t: t[i] == t[j] and t.count(t[i]) > 1, lambda i, j, t: t[i] == t[j]),
         why="A head that looks at itself alone would get 1: add j != i.",
         sure=(r"^(?!.*(!=|is not)).*==",)),
    slip("all-rows-counted", "words that stand there once count as 0; leave them out, they have no copy",
         (r"/|mean", *_FINISH), *_finishes(lambda each, n: torch.stack(each).sum() / n),
         why="A longer sentence would lower the score of the same head."),
    slip("sum", "the rows are summed; their mean stays between 0 and 1, however many there are",
         (r"sum", *_FINISH), *_finishes(lambda each, n: torch.stack(each).sum())),
    slip("copies-averaged", "in a row the weights on the copies are averaged; they should be summed",
         (r"mean", *_EACH), *_reads(lambda w, p: _rows(w, p, torch.mean), _pairs),
         why="A word that stands there three times has two copies: their weights add up."),
    slip("largest-copy", "in a row only the copy with the largest weight counts; all of them should",
         (r"max", *_EACH), *_reads(lambda w, p: _rows(w, p, torch.max)), rare=True),
    slip("one-copy", "in a row only one copy counts, the first or the last; all of them should",
         (r"break|index\(|\[-?\d\]", *_EACH),
         *_reads(lambda w, p: [w[i, of[0]] for i, of in enumerate(p) if of],
                 lambda w, p: [w[i, of[-1]] for i, of in enumerate(p) if of]), rare=True),
    slip("first-place", "tokens.index finds the first place of a word, which may be the token itself",
         (r"index\(", *_WHICH), *_wheres(lambda i, j, t: j == t.index(t[i]) and t.count(t[i]) > 1,
                                         lambda i, j, t: j == t.index(t[i]),
                                         lambda i, j, t: j == t.index(t[i]) != i), rare=True),
    slip("earlier-only", "only copies before the token count; those after it should, too",
         (r"range\(|<|:i\b", *_WHICH), *_wheres(lambda i, j, t: t[i] == t[j] and j < i),
         sure=(r"range\(i\)|\bj\s*<\s*i\b|\bi\s*>\s*j\b|tokens\[:i\]|tril",)),
    slip("later-only", "only copies after the token count; those before it should, too",
         (r"range\(|>|i\s*\+\s*1", *_WHICH), *_wheres(lambda i, j, t: t[i] == t[j] and j > i),
         sure=(r"range\(i\s*\+\s*1|\bj\s*>\s*i\b|\bi\s*<\s*j\b|tokens\[i\s*\+\s*1:|triu",)),
    slip("after-the-copy", "this is the weight on the token after a copy; the copy itself is wanted",
         (r"\+\s*1", *_EACH), *_wheres(lambda i, j, t: j > 0 and _other(i, j - 1, t),
                                       lambda i, j, t: 0 < j <= i and _other(i, j - 1, t)),
         why="That is what an induction head looks at: what followed the last time.",
         sure=(r"\+\s*1\b.*==|==.*\+\s*1\b|-\s*1\].*==",)),
    slip("other-words", "this is the weight on the other words; the same word is wanted",
         (r"!=", *_WHICH), *_wheres(lambda i, j, t: t[i] != t[j],
                                    lambda i, j, t: t[i] != t[j] and t.count(t[i]) > 1), rare=True),
    slip("part-of-a-word", "words that hold this one in their letters count, too; they should be equal",
         (r"\bin\b", *_WHICH), *_wheres(lambda i, j, t: i != j and t[i] in t[j],
                                        lambda i, j, t: i != j and t[j] in t[i]), rare=True),
    slip("one-row-a-word", "only the first of the places of each word is asked; each should be",
         (r"set\(|unique|seen", *_WHICH), {"where": _by_word}, rare=True),
    slip("counted", "rows are counted in which a copy has the largest weight; its size is wanted",
         (r"argmax|max\(", *_EACH), *_reads(lambda w, p: [torch.tensor(float(int(w[i].argmax()) in of))
                                                      for i, of in enumerate(p) if of]),
         rare=True),
    slip("not-averaged", "a number for each row comes out; a head needs one, their mean",
         RETURN, *_finishes(lambda each, n: torch.stack(each)), rare=True),
)
_NONE = slip(  # at a later stage: only a sentence without a repeated word shows it
    "nan-of-none", "where no word stands twice it says NaN, a mean of nothing; say 0",
    _FINISH, *_finishes(lambda each, n: torch.stack(each).mean() if each else torch.tensor(torch.nan)),
    why="A score that is no number cannot be sorted.", rare=True)
# fmt: on

_ABA = ("a", "b", "a")
_BY_HAND = (
    ByHand("“a b a”, and each a looks at the other alone", torch.eye(3).flip(0), _ABA, 1.0),
    ByHand("“a b a”, and each token looks at itself alone", torch.eye(3), _ABA, 0.0),
    ByHand("“a b a”, and each token looks at all three alike", torch.full((3, 3), 1 / 3), _ABA, 1 / 3),
    ByHand("“a a a”, and each token looks at all three alike", torch.full((3, 3), 1 / 3), ("a",) * 3, 2 / 3),
)

same_word = Exercise(
    "same word",
    ("score",),
    _right,
    lambda: [
        case("the cat saw the dog", 1100),
        case("[CLS] a man met a cat [SEP]", 1101),
        case("on and on and on", 1102),
        case("very very good", 1103),
        case("[CLS] the dog and the cat and the mat [SEP]", 1104),
        case("[CLS] it rained . [SEP]", 1105, 1),
        case("hello", 1106, 1),
    ],
    bugs((*_SLIPS, _NONE), _same_word),
    "Checked: words that stand there once to three times, [CLS] and [SEP], and no word twice.",
    prepare=asked,
    explain=about(_BY_HAND),
)
