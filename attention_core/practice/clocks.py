"""Angles that turn with the position: what the table of sinusoids and the rotation get wrong alike."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from attention_core.practice.exercise import SAME, Bug

_POWER = (r"\*\*|pow\(|exp\(",)
_RATE = r"(omega\w*|freq\w*|inv_freq|rates?|w)\b"  # what learners call base^(−2i/dim)
_SURE = {
    "one-clock": (r"// *dim",),
    "base-over": (rf"/ *\(? *{_RATE}", r"\* *\(?base *\*\* *\(?[^-( ]", rf"\b{_RATE} *=.*(\*\*|pow\(|exp\()"),
}
_NEAR = {"base-over": 0.02}  # turns of thousands are off by as much in float32, each way of writing otherwise
_FIXED = (8, 10, 12, 16, 32, 48, 60, 64, 100, 128, 256, 512)  # widths that somebody may have written


def angles_of(
    n: int,
    dim: int,
    base: float,
    *,
    pair: Callable | None = None,
    exponent: Callable | None = None,
    position: Callable | None = None,
    spin: Callable | None = None,
    frequency: Callable | None = None,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """(n, dim / 2): p / base^(2i/dim). Each step stands on a line, so that a learner's can be found by it.

    pair: of the number of a pair, another. exponent: of it, dim and n, another than 2i/dim. frequency: of 2i,
    dim and base, another. position: of all positions, others. spin: of the angles, others.
    """
    number = torch.arange(dim // 2, dtype=dtype)
    number = number if pair is None else pair(number)
    even = 2 * number
    share = even / dim if exponent is None else exponent(number, dim, n)
    against = -share
    power = float(base) ** share
    omega = float(base) ** against if frequency is None else frequency(even, dim, float(base))
    across = omega[None]
    places = torch.arange(n, dtype=dtype)
    places = places if position is None else position(places)
    column = places[:, None]
    angles = column * omega
    angles = angles if spin is None else spin(angles)
    del power, across  # learners have them
    return angles


def in_turn(a: Tensor, b: Tensor) -> Tensor:
    return torch.stack((a, b), dim=-1).flatten(-2).float()


def halves(a: Tensor, b: Tensor) -> Tensor:
    return torch.cat((a, b), dim=-1).float()


def stacked_first(a: Tensor, b: Tensor) -> Tensor:
    """All of a, then all of b, read off in rows: a row holds numbers of others, but the shape is right."""
    return torch.stack((a, b)).reshape(*a.shape[:-1], -1).float()


def stacked_before_rows(a: Tensor, b: Tensor) -> Tensor:
    return torch.stack((a, b), dim=-3).reshape(*a.shape[:-1], -1).float()


def changed(function: Callable, **changes) -> Callable:
    return lambda *arguments: function(*arguments, **changes)


def bugs_of_angles(function: Callable) -> tuple[Bug, ...]:
    """The mistakes with angles, made by a function that hands its named arguments on to `angles_of`."""
    return tuple(
        Bug(
            name,
            words,
            why,
            look_at,
            tuple(changed(function, **change) for change in changes),
            _SURE.get(name, ()),
            _NEAR.get(name, SAME),
        )
        for name, words, why, look_at, *changes in _ANGLES
    )


def _one_clock(i: Tensor, dim: int, n: int) -> Tensor:
    return 0 * i


def _by(width: int) -> dict:
    return {"exponent": lambda i, dim, n: 2 * i / width}


_ANGLES = (
    (
        "exponent-halved",
        "the exponent of pair i is i/dim; it should be 2i/dim",
        "",
        _POWER,
        {"exponent": lambda i, dim, n: i / dim},
    ),
    (
        "exponent-doubled",
        "the exponent of pair i is 4i/dim; it should be 2i/dim",
        "torch.arange(0, dim, 2) is 2i already, and needs no other 2.",
        _POWER,
        {"exponent": lambda i, dim, n: 4 * i / dim},
    ),
    (
        "exponent-odd",
        "the exponent of pair i is (2i + 1)/dim; it should be 2i/dim",
        "",
        _POWER,
        {"exponent": lambda i, dim, n: (2 * i + 1) / dim},
    ),
    (
        "exponent-not-divided",
        "the exponent of pair i is 2i; it should be 2i/dim",
        "",
        _POWER,
        {"exponent": lambda i, dim, n: 2 * i},
    ),
    (
        "power-first",
        "dim divides the power, not the exponent: ** comes before /, so 2i/dim needs its own brackets",
        "",
        _POWER,
        {"frequency": lambda even, dim, base: base**-even / dim},
        {"frequency": lambda even, dim, base: dim / base**even},
    ),
    (
        "exponent-late",
        "the exponents start a pair late: pair 0 should have 0, and turn by 1 a position",
        "",
        _POWER,
        {"pair": lambda i: i + 1},
    ),
    (
        "exponent-to-one",
        "the last exponent is 1; that of pair i should be 2i/dim, which stays below 1",
        "",
        (r"linspace|logspace", *_POWER),
        {"exponent": lambda i, dim, n: i / max(1, dim // 2 - 1)},
    ),
    (
        "exponent-by-n",
        "the exponent is divided by n, the number of positions; it should be divided by dim",
        "",
        _POWER,
        {"exponent": lambda i, dim, n: 2 * i / n},
    ),
    (
        "exponent-by-a-number",
        "the exponent is divided by the same number whatever dim is; it should be divided by dim",
        "",
        (),
        *map(_by, _FIXED),
    ),
    (
        "not-the-natural-logarithm",
        "a logarithm to base 10 or 2 stands in the exponent of e; it should be the natural one, math.log",
        "",
        (r"log10|log2",),
        {"exponent": lambda i, dim, n: 2 * i / dim / math.log(10)},
        {"exponent": lambda i, dim, n: 2 * i / dim / math.log(2)},
    ),
    (
        "base-over",
        "angles are multiplied by base^(2i/dim); they should be divided by it",
        "",
        _POWER,
        {"exponent": lambda i, dim, n: -2 * i / dim},
    ),
    (
        "one-clock",
        "all pairs turn equally fast; pair i should turn by base^(−2i/dim) a position",
        "",
        (r"//\s*dim", *_POWER),
        {"exponent": _one_clock},
    ),
    (
        "slow-first",
        "the slowest pair comes first; pair 0 should be the fastest",
        "",
        _POWER,
        {"pair": lambda i: i.flip(0)},
    ),
    (
        "degrees",
        "angles are turned into degrees, or taken for them; they are radians, as sin and cos need them",
        "",
        (r"deg|180",),
        {"spin": torch.deg2rad},
        {"spin": torch.rad2deg},
        {"spin": torch.rad2deg, "dtype": torch.float32},
    ),
    (
        "two-pi",
        "angles are 2π times too large: the angle itself is p / base^(2i/dim), in radians",
        "The wavelength is 2π · base^(2i/dim).",
        (r"\bpi\b|π|tau",),
        {"spin": lambda angles: 2 * math.pi * angles},
    ),
    (
        "counted-from-1",
        "positions are counted from 1; the first one is 0",
        "",
        (r"arange\(\s*1\s*,\s*n|range\(\s*1\s*,\s*n|\bp\w*\s*\+\s*1",),
        {"position": lambda p: p + 1},
    ),
    (
        "counted-from-the-end",
        "positions are counted from the end; the first row is position 0",
        "",
        (r"flip|-\s*1\s*,\s*-\s*1",),
        {"position": lambda p: p.flip(0)},
    ),
    (
        "shares-of-the-length",
        "positions are shares of the length; row p should have position p, however many there are",
        "",
        (r"linspace|/\s*n\b",),
        {"position": lambda p: p / len(p)},
        {"position": lambda p: p / max(1, len(p) - 1)},
    ),
)
