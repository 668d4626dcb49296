"""The causal mask: True where a word may look."""

import math

import torch
from torch import Tensor

from attention_core.masks import causal_mask as our_causal_mask
from attention_core.practice.evidence import about_places
from attention_core.practice.exercise import Bug, Case, Exercise

_DRAWN = (r"tril|triu|arange|range\(|[<>]=?", r"return")


def _square(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool)


_BUGS = (
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
    _BUGS,
    "Checked: every place of the masks for 1, 2, 3 and 6 words.",
    explain=about_places,
)
