"""The causal mask: True where a word may look."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from attention_core.masks import causal_mask as our_causal_mask
from attention_core.practice.evidence import about_places
from attention_core.practice.exercise import Bug, Case, Exercise

_DRAWN = (r"tril|triu", r"[<>]=?", r"for .*range\((?!n\))")
_OF_A_LOOP = r"(i|r|row|q|query|p|pos|position|t|word)"
_LENGTHS = (8, 9, 10, 12, 16, 32, 60, 64, 100, 128)  # that somebody may have written


def _square(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool)


def _band(n: int, lowest: int, highest: int) -> Tensor:
    """True where a key is from so many places behind its query to so many before it."""
    return torch.ones(n, n, dtype=torch.bool).tril(highest).triu(lowest)


def _of_size(n: int) -> Tensor:
    """The mask of another size, with the steps that a learner's may take."""
    positions = torch.arange(n)
    column = positions[:, None]
    return positions <= column


def _but(n: int, *place, holds: bool = False) -> Tensor:
    """The right mask but for some of its places."""
    mask = our_causal_mask(n)
    mask[place] = holds
    return mask


def _of_the_right(change: Callable) -> Callable:
    return lambda n: change(our_causal_mask(n))


def _first_to_itself(n: int) -> Tensor:
    mask = _band(n, -n, -1)
    mask[0, 0] = True
    return mask


_BUGS = (
    Bug(
        "inverted",
        "it is the wrong way round: True should mean “may look”",
        "",
        (r"~|\bnot\b|triu|[<>]=?",),
        (lambda n: ~our_causal_mask(n),),
    ),
    Bug(
        "not-itself",
        "off by one: a word may not look at itself",
        "The first word would have nowhere to look at all.",
        _DRAWN,
        (lambda n: _band(n, -n, -1),),
        sure=(rf"in range\({_OF_A_LOOP}\)",),
    ),
    Bug(
        "only-the-first-sees-itself",
        "off by one: only the first word may look at itself; each may",
        "",
        _DRAWN,
        (_first_to_itself,),
    ),
    Bug(
        "one-ahead",
        "off by one: each word sees the next one too",
        "",
        _DRAWN,
        (lambda n: _band(n, -n, 1),),
        sure=(rf"in range\({_OF_A_LOOP} *\+ *2\)",),
    ),
    Bug(
        "transposed",
        "it is transposed: each word sees itself and its future",
        "A row is a query. The first row belongs to the first word, which may see only itself.",
        _DRAWN,
        (lambda n: _band(n, 0, n),),
        sure=(rf"in range\({_OF_A_LOOP}, *n\)",),
    ),
    Bug(
        "mirrored",
        "the triangle is mirrored; the first row should hold one True, in column 0, and the last n",
        "",
        (r"flip|rot90|\[::-1\]|-\s*1",),
        (_of_the_right(lambda mask: mask.flip(1)), _of_the_right(lambda mask: mask.flip(0))),
    ),
    Bug(
        "everything",
        "every word may look at every word",
        "",
        (),
        (_square,),
        sure=(r"\] *\* *n *\] *\* *n",),
    ),
    Bug(
        "nothing",
        "no word may look anywhere; each may look at itself and at its past",
        "",
        (r"[<>]=?",),
        (lambda n: torch.zeros(n, n) == 1,),
    ),
    Bug("only-itself", "each word sees only itself", "", (r"eye|==",), (lambda n: torch.eye(n) == 1,)),
    Bug(
        "only-the-one-before",
        "each word sees only the one before it; it should see itself and all of its past",
        "",
        _DRAWN,
        (lambda n: _band(n, -1, -1),),
    ),
    Bug(
        "window",
        "a word sees only the last few words; it should see all of its past",
        "",
        (r"triu|tril|-|[<>]=?",),
        tuple((lambda n, width=width: _band(n, -width, 0)) for width in (1, 2, 3, 4)),
    ),
    Bug(
        "neighbours",
        "each word sees its neighbours on both sides; it should see itself and all of its past",
        "",
        (r"abs|triu|tril",),
        tuple((lambda n, width=width: _band(n, -width, width)) for width in (1, 2)),
    ),
    Bug(
        "first-row-empty",
        "the first word may look nowhere; it may look at itself",
        "",
        (r"range\(\s*1\s*,",),
        (lambda n: _but(n, 0),),
        sure=(r"for .* in range\( *1 *, *n *\)",),
    ),
    Bug(
        "last-row-empty",
        "the last word may look nowhere; it may look at all words",
        "",
        (r"range\(.*-\s*1",),
        (lambda n: _but(n, -1),),
        sure=(r"in range\( *n *- *1 *\)",),
    ),
    Bug(
        "first-column-empty",
        "no word may look at the first one; all may",
        "",
        (r"range\(\s*1\s*,|\b1\s*:",),
        (lambda n: _but(n, slice(None), 0),),
        sure=(r"in range\( *1 *,",),
    ),
    Bug(
        "last-column-empty",
        "the last word may not look at itself; like every other, it may",
        "",
        (r"range\(.*-\s*1|:\s*-1",),
        (lambda n: _but(n, slice(None), -1),),
        sure=(r"in range\( *n *- *1 *\)",),
    ),
    Bug(
        "not-boolean",
        "the places are right, but they hold numbers; a mask is boolean",
        "torch.ones(n, n, dtype=torch.bool) makes it so, and so does .bool() at the end.",
        (r"ones|zeros|float|int",),
        (_of_the_right(Tensor.float), _of_the_right(Tensor.long)),
    ),
    Bug(
        "numbers-inverted",
        "these are numbers, 1 for the future; here a mask is boolean, and True means “may look”",
        "",
        (r"triu|ones|zeros",),
        (lambda n: (~our_causal_mask(n)).float(),),
    ),
    Bug(
        "added-mask",
        "these are numbers to add to the scores; here a mask is boolean, and True means “may look”",
        "",
        (r"inf|1e",),
        tuple(
            (lambda n, low=low: torch.zeros(n, n).masked_fill(~our_causal_mask(n), low))
            for low in (-math.inf, -1e9, -1e4, torch.finfo(torch.float32).min)
        ),
    ),
    Bug(
        "one-row",
        "it is one row of n; a mask has a row for each word that looks: (n, n)",
        "",
        (),
        (lambda n: torch.arange(n) >= 0, lambda n: torch.arange(n) < 0, lambda n: torch.arange(n) == 0),
    ),
    Bug(
        "an-axis-too-many",
        "it has more axes than two; (n, n) is enough, as it broadcasts over batches and heads",
        "",
        (),
        (
            _of_the_right(lambda mask: mask[None]),
            _of_the_right(lambda mask: mask[None, None]),
            _of_the_right(lambda mask: mask[..., None]),
        ),
    ),
    Bug(
        "squeezed",
        "axes of size 1 are squeezed away; for one word the mask is (1, 1), too",
        "",
        (r"squeeze",),
        (_of_the_right(torch.squeeze),),
    ),
    Bug(
        "one-too-few",
        "there is one row and one column too few; there are n words",
        "",
        (r"n\s*-\s*1",),
        (lambda n: _of_size(n - 1),),
    ),
    Bug(
        "one-too-many",
        "there is one row and one column too many; there are n words",
        "",
        (r"n\s*\+\s*1",),
        (lambda n: _of_size(n + 1),),
    ),
    Bug(
        "always-as-many",
        "it has always equally many rows, whatever n is; there should be n",
        "",
        (),
        tuple((lambda n, k=k: _of_size(k)) for k in _LENGTHS),
    ),
)

causal_mask = Exercise(
    "causal mask",
    ("mask",),
    our_causal_mask,
    lambda: [Case(f"n = {n}", (n,)) for n in (3, 1, 2, 6, 300)],
    _BUGS,
    "Checked: every place of the masks for 1, 2, 3, 6 and 300 words.",
    explain=about_places,
)
