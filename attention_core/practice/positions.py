"""The exercises of lesson 03: the table of sinusoids, the rotation, the bias of ALiBi."""

import torch
from torch import Tensor

from attention_core.positional_encoding import (
    ALiBi,
    frequencies,
    quarter_turn,
    rotary_table,
    rotate_by_position,
)
from attention_core.positional_encoding import (
    sinusoidal_table as our_table,
)
from attention_core.practice.exercise import Bug, Case, Exercise, random

_ANGLES = (r"\*\*|pow|exp\(", r"arange\(\s*0\s*,", r"base")
_LAYOUT = (r"0::2|1::2|stack|cat\(", r"flatten|reshape|view", r"return")
_POSITIONS = (r"arange\((?!\s*0\s*,)", r"arange", r"shape")
_SLOPES = (r"slope", r"\*\*|pow", r"num_heads")


def _turns(n: int, omega: Tensor, first: int = 0) -> Tensor:
    return torch.arange(first, first + n, dtype=omega.dtype)[:, None] * omega  # (n, dim / 2)


def _in_turn(a: Tensor, b: Tensor) -> Tensor:
    return torch.stack((a, b), dim=-1).flatten(-2).float()


def _halves(a: Tensor, b: Tensor) -> Tensor:
    return torch.cat((a, b), dim=-1).float()


def _omega(dim: int, base: float, exponent, dtype: torch.dtype) -> Tensor:
    """Frequencies with another exponent for pair i than −2i/dim."""
    return float(base) ** torch.tensor([exponent(i, dim) for i in range(dim // 2)], dtype=dtype)


EXPONENTS = (
    ("exponent-halved", "the exponent of pair i is i/dim; it should be 2i/dim", lambda i, d: -i / d),
    ("exponent-late", "the exponents start a pair late; pair 0 turns by 1", lambda i, d: -2 * (i + 1) / d),
    ("base-over", "angles are multiplied by base^(2i/dim); they should be divided", lambda i, d: 2 * i / d),
    ("one-clock", "all pairs turn equally fast; pair i should by base^(−2i/dim)", lambda i, d: 0.0),
)

# --- the table of sinusoids ----------------------------------------------------------------------------


def _table_cases() -> list[Case]:
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
    omega = frequencies(dim, base) if exponent is None else _omega(dim, base, exponent, dtype)
    angles = _turns(n, omega, first)
    return (layout or _in_turn)(angles.sin(), angles.cos())


def _with_exponent(function, exponent) -> tuple:
    """In both precisions: turns of thousands differ visibly between them."""
    return tuple(
        _changed(function, exponent=exponent, dtype=dtype) for dtype in (torch.float64, torch.float32)
    )


def _changed(function, **changes):
    return lambda *arguments: function(*arguments, **changes)


def _each_its_own(n: int, dim: int, base: float = 10000.0) -> Tensor:
    angles = _turns(n, float(base) ** (-torch.arange(dim, dtype=torch.float64) / dim))
    return torch.where(torch.arange(dim) % 2 == 0, angles.sin(), angles.cos()).float()


sinusoidal_table = Exercise(
    "sinusoidal table",
    ("table",),
    our_table,
    _table_cases,
    (
        Bug(
            "concatenated",
            "all sines come first, then all cosines; they should take turns",
            "The same numbers in another order; weights made for one order read noise in the other.",
            _LAYOUT,
            (_changed(_table, layout=_halves),),
        ),
        Bug(
            "cosine-first",
            "cosines stand in the even columns; sines should",
            "",
            _LAYOUT,
            (_changed(_table, layout=lambda sin, cos: _in_turn(cos, sin)),),
        ),
        *(
            Bug(name, words, "", _ANGLES, _with_exponent(_table, exponent))
            for name, words, exponent in EXPONENTS
        ),
        Bug(
            "no-pairs",
            "every column has a frequency of its own; a sine and its cosine should share one",
            "Only with the same frequency are the two the hand of one clock, and a step one turn.",
            _ANGLES,
            (_each_its_own,),
        ),
        Bug(
            "counted-from-1",
            "positions are counted from 1; the first one is 0",
            "",
            _POSITIONS,
            (_changed(_table, first=1),),
        ),
        Bug(
            "base-ignored",
            "base is taken as 10000 whatever is given",
            "",
            (r"10_?000|1e4", *_ANGLES),
            (lambda n, dim, base=10000.0: our_table(n, dim),),
        ),
    ),
    "Checked: sines and cosines taking turns, the frequency of each pair, and another base.",
)

# --- the rotation --------------------------------------------------------------------------------------


def _rotate_reference(x: Tensor, base: float = 10000.0) -> Tensor:
    return rotate_by_position(x, torch.arange(x.shape[-2]), base)


def _rotation_cases() -> list[Case]:
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
    omega = frequencies(dim, base) if exponent is None else _omega(dim, base, exponent, dtype)
    angles = _turns(n, omega, first)
    a, b = x[..., 0::2].double(), x[..., 1::2].double()
    return (combine or _turn)(a, b, angles.cos(), angles.sin())


def _turn(a: Tensor, b: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    return _in_turn(a * cos - b * sin, a * sin + b * cos)


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
    _rotation_cases,
    (
        Bug(
            "mixed-tables",
            "cosines and sines are laid out for one pairing, and the pairs are turned in the other",
            "It runs, and the score no longer depends on the distance alone.",
            _LAYOUT,
            (_mixed, _changed(_mixed, table="interleaved", turn="half")),
        ),
        Bug(
            "half-pairing",
            "feature i is paired with feature i + dim/2; here pairs are neighbours, (0, 1), (2, 3), …",
            "Either is a rotation, but weights made for one are wrong with the other.",
            _LAYOUT,
            (_changed(_mixed, turn="half"),),
        ),
        Bug(
            "not-taking-turns",
            "the numbers are right, but first halves stand before second ones; pairs should stay neighbours",
            "",
            _LAYOUT,
            (
                _changed(
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
            (_changed(_turned, combine=lambda a, b, cos, sin: _turn(a, b, cos, -sin)),),
        ),
        Bug(
            "reflected",
            "one sign is wrong, which mirrors the pair instead of turning it",
            "Two mirrored arrows differ by the sum of their angles, not by the difference.",
            (r"sin\(\)|sin", r"return"),
            (
                _changed(
                    _turned, combine=lambda a, b, cos, sin: _in_turn(a * cos - b * sin, a * sin - b * cos)
                ),
                _changed(
                    _turned, combine=lambda a, b, cos, sin: _in_turn(a * cos + b * sin, a * sin + b * cos)
                ),
                _changed(
                    _turned, combine=lambda a, b, cos, sin: _in_turn(a * cos + b * sin, a * sin - b * cos)
                ),
            ),
        ),
        Bug(
            "added",
            "the sinusoids are added to x; each pair of x should be turned",
            "What is added to a query mixes with everything in W; a turn is undone by the key's own turn.",
            (r"\+", r"return"),
            (lambda x, base=10000.0: x + our_table(x.shape[-2], x.shape[-1], base),),
        ),
        *(
            Bug(name, words, "", _ANGLES, _with_exponent(_turned, exponent))
            for name, words, exponent in EXPONENTS
        ),
        Bug(
            "wrong-axis",
            "positions run along another axis than the words': the sequences are counted, not the words",
            "Words of one sequence all turn alike, so their order stays invisible.",
            _POSITIONS,
            (_along_the_first, _along_the_heads),
        ),
        Bug(
            "counted-from-1",
            "positions are counted from 1; the first one is 0",
            "",
            _POSITIONS,
            (_changed(_turned, first=1),),
        ),
        Bug(
            "base-ignored",
            "base is taken as 10000 whatever is given",
            "",
            (r"10_?000|1e4", *_ANGLES),
            (lambda x, base=10000.0: _rotate_reference(x),),
        ),
    ),
    "Checked: each pair turned by its own angle, batches and heads, and another base.",
)

# --- ALiBi ---------------------------------------------------------------------------------------------


def _bias(num_heads: int, n: int) -> Tensor:
    return ALiBi(num_heads).bias(n, n)


def _bias_cases() -> list[Case]:
    return [
        Case("2 heads and 3 words", (2, 3)),
        Case("8 heads and 5 words", (8, 5)),
        Case("4 heads and 6 words", (4, 6)),
    ]


def _with_slopes(slope):
    def bias(num_heads: int, n: int) -> Tensor:
        slopes = torch.tensor([slope(h, num_heads) for h in range(1, num_heads + 1)])
        return -slopes[:, None, None] * _distances(n).abs()

    return bias


def _distances(n: int) -> Tensor:
    positions = torch.arange(n)
    return positions[:, None] - positions[None, :]


def _steep(num_heads: int) -> Tensor:
    return (2.0 ** (-8 * torch.arange(1, num_heads + 1) / num_heads))[:, None, None]


alibi_bias = Exercise(
    "ALiBi's bias",
    ("bias table",),
    _bias,
    _bias_cases,
    (
        Bug(
            "price-as-gift",
            "the bias is positive: distance is rewarded; it should be a price, so mind the sign",
            "Far words would win, the further the better.",
            (r"return", r"-"),
            (lambda h, n: -_bias(h, n),),
        ),
        Bug(
            "slopes-reversed",
            "the steepest slope belongs to the last head; it should be the first",
            "",
            _SLOPES,
            (lambda h, n: _bias(h, n).flip(0),),
        ),
        Bug(
            "slopes-inverted",
            "slopes are 2^(+8h/n); a price of 2, 4, … a word leaves nothing but the word itself",
            "",
            _SLOPES,
            (_with_slopes(lambda h, n: 2.0 ** (8 * h / n)),),
        ),
        Bug(
            "heads-from-0",
            "heads are counted from 0, so the first slope is 1; it should be 2^(−8/n)",
            "",
            _SLOPES,
            (_with_slopes(lambda h, n: 2.0 ** (-8 * (h - 1) / n)),),
        ),
        Bug(
            "eight-forgotten",
            "slopes are 2^(−h), whatever the number of heads; it should be 2^(−8h/n)",
            "They agree for 8 heads only.",
            _SLOPES,
            (_with_slopes(lambda h, n: 2.0**-h), _with_slopes(lambda h, n: 2.0 ** (-h / n))),
        ),
        Bug(
            "one-slope",
            "all heads pay the same; each should have a slope of its own",
            "",
            _SLOPES,
            (_with_slopes(lambda h, n: 1.0), lambda h, n: _bias(h, n)[:1].expand(h, n, n)),
        ),
        Bug(
            "signed-distance",
            "the distance keeps its sign, so words on one side are rewarded; take it without the sign",
            "",
            (r"abs", r"positions|arange", r"return"),
            (lambda h, n: -_steep(h) * _distances(n), lambda h, n: _steep(h) * _distances(n)),
        ),
        Bug(
            "squared-distance",
            "the price grows with the square of the distance; it should grow with the distance itself",
            "",
            (r"\*\* *2|square|pow", r"return"),
            (lambda h, n: -_steep(h) * _distances(n) ** 2,),
        ),
    ),
    "Checked: the price of each distance, and the slope of each of 2, 4 and 8 heads.",
)
