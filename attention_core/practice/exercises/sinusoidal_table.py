"""The table of sinusoids."""

import torch
from torch import Tensor

from attention_core.positional_encoding import frequencies
from attention_core.positional_encoding import sinusoidal_table as our_table
from attention_core.practice.clocks import (
    ANGLES,
    EXPONENTS,
    LAYOUT,
    POSITIONS,
    changed,
    frequencies_by,
    halves,
    in_turn,
    turns,
    with_exponent,
)
from attention_core.practice.exercise import Bug, Case, Exercise


def _cases() -> list[Case]:
    return [
        Case("4 positions of 4 features", (4, 4)),
        Case("7 positions of 12 features", (7, 12)),
        Case(
            "5 positions of 6 features, and base 100", (5, 6, 100.0), 1, "It takes base as its last argument."
        ),
    ]


def _table(
    n: int,
    dim: int,
    base: float = 10000.0,
    *,
    exponent=None,
    dtype=torch.float64,
    first: int = 0,
    layout=None,
) -> Tensor:
    omega = frequencies(dim, base) if exponent is None else frequencies_by(dim, base, exponent, dtype)
    angles = turns(n, omega, first)
    return (layout or in_turn)(angles.sin(), angles.cos())


def _each_its_own(n: int, dim: int, base: float = 10000.0) -> Tensor:
    angles = turns(n, float(base) ** (-torch.arange(dim, dtype=torch.float64) / dim))
    return torch.where(torch.arange(dim) % 2 == 0, angles.sin(), angles.cos()).float()


sinusoidal_table = Exercise(
    "sinusoidal table",
    ("table",),
    our_table,
    _cases,
    (
        Bug(
            "concatenated",
            "all sines come first, then all cosines; they should take turns",
            "The same numbers in another order; weights made for one order read noise in the other.",
            LAYOUT,
            (changed(_table, layout=halves),),
        ),
        Bug(
            "cosine-first",
            "cosines stand in the even columns; sines should",
            "",
            LAYOUT,
            (changed(_table, layout=lambda sin, cos: in_turn(cos, sin)),),
        ),
        *(
            Bug(name, words, "", ANGLES, with_exponent(_table, exponent))
            for name, words, exponent in EXPONENTS
        ),
        Bug(
            "no-pairs",
            "every column has a frequency of its own; a sine and its cosine should share one",
            "Only with the same frequency are the two the hand of one clock, and a step one turn.",
            ANGLES,
            (_each_its_own,),
        ),
        Bug(
            "counted-from-1",
            "positions are counted from 1; the first one is 0",
            "",
            POSITIONS,
            (changed(_table, first=1),),
        ),
        Bug(
            "base-ignored",
            "base is taken as 10000 whatever is given",
            "",
            (r"10_?000|1e4", *ANGLES),
            (lambda n, dim, base=10000.0: our_table(n, dim),),
        ),
    ),
    "Checked: sines and cosines taking turns, the frequency of each pair, and another base.",
)
