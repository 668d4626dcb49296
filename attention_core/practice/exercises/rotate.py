"""The rotation of rotary encoding."""

import torch
from torch import Tensor

from attention_core.positional_encoding import (
    frequencies,
    quarter_turn,
    rotary_table,
    rotate_by_position,
    sinusoidal_table,
)
from attention_core.practice.clocks import (
    ANGLES,
    EXPONENTS,
    LAYOUT,
    POSITIONS,
    changed,
    frequencies_by,
    in_turn,
    turns,
    with_exponent,
)
from attention_core.practice.exercise import Bug, Case, Exercise, random


def _rotate_reference(x: Tensor, base: float = 10000.0) -> Tensor:
    return rotate_by_position(x, torch.arange(x.shape[-2]), base)


def _cases() -> list[Case]:
    few = torch.tensor([[1.0, 0.0, 1.0, 0.0]]).repeat(3, 1)
    return [
        Case("3 equal words of 2 pairs, each pair (1, 0)", (few,), beside=(("x", few),)),
        Case("5 random words of 8 features", (random(5, 8, seed=61),)),
        Case("2 × 3 sequences of 4 words with 6 features", (random(2, 3, 4, 6, seed=62),)),
        Case(
            "4 words of 6 features, and base 100",
            (random(4, 6, seed=63), 100.0),
            1,
            "base is its last argument.",
        ),
    ]


def _turned(
    x: Tensor, base: float = 10000.0, *, exponent=None, dtype=torch.float64, first: int = 0, combine=None
) -> Tensor:
    n, dim = x.shape[-2:]
    omega = frequencies(dim, base) if exponent is None else frequencies_by(dim, base, exponent, dtype)
    angles = turns(n, omega, first)
    a, b = x[..., 0::2].double(), x[..., 1::2].double()
    return (combine or _turn)(a, b, angles.cos(), angles.sin())


def _turn(a: Tensor, b: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    return in_turn(a * cos - b * sin, a * sin + b * cos)


def _mixed(x: Tensor, base: float = 10000.0, *, table: str = "half", turn: str = "interleaved") -> Tensor:
    cos, sin = rotary_table(torch.arange(x.shape[-2]), x.shape[-1], base, table)
    return (x * cos + quarter_turn(x, turn) * sin).float()


def _along_the_first(x: Tensor, base: float = 10000.0) -> Tensor:
    if x.ndim < 3:
        return _rotate_reference(x, base)
    return _rotate_reference(x.transpose(0, -2), base).transpose(0, -2)


def _along_the_heads(x: Tensor, base: float = 10000.0) -> Tensor:
    return (
        _rotate_reference(x.transpose(-3, -2), base).transpose(-3, -2)
        if x.ndim > 2
        else _rotate_reference(x, base)
    )


rotate = Exercise(
    "rotation",
    ("turned",),
    _rotate_reference,
    _cases,
    (
        Bug(
            "mixed-tables",
            "cosines and sines are laid out for one pairing, and the pairs are turned in the other",
            "It runs, and the score no longer depends on the distance alone.",
            LAYOUT,
            (_mixed, changed(_mixed, table="interleaved", turn="half")),
        ),
        Bug(
            "half-pairing",
            "feature i is paired with feature i + dim/2; here pairs are neighbours, (0, 1), (2, 3), …",
            "Either is a rotation, but weights made for one are wrong with the other.",
            LAYOUT,
            (changed(_mixed, turn="half"),),
        ),
        Bug(
            "not-taking-turns",
            "the numbers are right, but first halves stand before second ones; pairs should stay neighbours",
            "",
            LAYOUT,
            (
                changed(
                    _turned,
                    combine=lambda a, b, cos, sin: torch.cat(
                        (a * cos - b * sin, a * sin + b * cos), -1
                    ).float(),
                ),
            ),
        ),
        Bug(
            "clockwise",
            "it turns the other way round: a cos + b sin, b cos − a sin",
            "Scores would still be relative, but not those of a model trained with the other sense.",
            (r"sin\(\)|sin", r"return"),
            (changed(_turned, combine=lambda a, b, cos, sin: _turn(a, b, cos, -sin)),),
        ),
        Bug(
            "reflected",
            "one sign is wrong, which mirrors the pair instead of turning it",
            "Two mirrored arrows differ by the sum of their angles, not by the difference.",
            (r"sin\(\)|sin", r"return"),
            (
                changed(
                    _turned, combine=lambda a, b, cos, sin: in_turn(a * cos - b * sin, a * sin - b * cos)
                ),
                changed(
                    _turned, combine=lambda a, b, cos, sin: in_turn(a * cos + b * sin, a * sin + b * cos)
                ),
                changed(
                    _turned, combine=lambda a, b, cos, sin: in_turn(a * cos + b * sin, a * sin - b * cos)
                ),
            ),
        ),
        Bug(
            "added",
            "the sinusoids are added to x; each pair of x should be turned",
            "What is added to a query mixes with everything in W; a turn is undone by the key's own turn.",
            (r"\+", r"return"),
            (lambda x, base=10000.0: x + sinusoidal_table(x.shape[-2], x.shape[-1], base),),
        ),
        *(
            Bug(name, words, "", ANGLES, with_exponent(_turned, exponent))
            for name, words, exponent in EXPONENTS
        ),
        Bug(
            "wrong-axis",
            "positions run along another axis than the words': the sequences are counted, not the words",
            "Words of one sequence all turn alike, so their order stays invisible.",
            POSITIONS,
            (_along_the_first, _along_the_heads),
        ),
        Bug(
            "counted-from-1",
            "positions are counted from 1; the first one is 0",
            "",
            POSITIONS,
            (changed(_turned, first=1),),
        ),
        Bug(
            "base-ignored",
            "base is taken as 10000 whatever is given",
            "",
            (r"10_?000|1e4", *ANGLES),
            (lambda x, base=10000.0: _rotate_reference(x),),
        ),
    ),
    "Checked: each pair turned by its own angle, batches and heads, and another base.",
)
