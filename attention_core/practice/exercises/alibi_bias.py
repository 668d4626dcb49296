"""The bias of ALiBi."""

import torch
from torch import Tensor

from attention_core.positional_encoding import ALiBi
from attention_core.practice.exercise import Bug, Case, Exercise

_SLOPES = (r"slope", r"\*\*|pow", r"num_heads")


def _bias(num_heads: int, n: int) -> Tensor:
    return ALiBi(num_heads).bias(n, n)


def _cases() -> list[Case]:
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
    _cases,
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
