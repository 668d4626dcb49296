"""Angles that turn with the position: what the table of sinusoids and the rotation get wrong alike."""

import torch
from torch import Tensor

ANGLES = (r"\*\*|pow|exp\(", r"arange\(\s*0\s*,", r"base")
LAYOUT = (r"0::2|1::2|stack|cat\(", r"flatten|reshape|view", r"return")
POSITIONS = (r"arange\((?!\s*0\s*,)", r"arange", r"shape")


def turns(n: int, omega: Tensor, first: int = 0) -> Tensor:
    return torch.arange(first, first + n, dtype=omega.dtype)[:, None] * omega  # (n, dim / 2)


def in_turn(a: Tensor, b: Tensor) -> Tensor:
    return torch.stack((a, b), dim=-1).flatten(-2).float()


def halves(a: Tensor, b: Tensor) -> Tensor:
    return torch.cat((a, b), dim=-1).float()


def frequencies_by(dim: int, base: float, exponent, dtype: torch.dtype) -> Tensor:
    """Frequencies with another exponent for pair i than −2i/dim."""
    return float(base) ** torch.tensor([exponent(i, dim) for i in range(dim // 2)], dtype=dtype)


EXPONENTS = (
    ("exponent-halved", "the exponent of pair i is i/dim; it should be 2i/dim", lambda i, d: -i / d),
    ("exponent-late", "the exponents start a pair late; pair 0 turns by 1", lambda i, d: -2 * (i + 1) / d),
    ("base-over", "angles are multiplied by base^(2i/dim); they should be divided", lambda i, d: 2 * i / d),
    ("one-clock", "all pairs turn equally fast; pair i should by base^(−2i/dim)", lambda i, d: 0.0),
)


def with_exponent(function, exponent) -> tuple:
    """In both precisions: turns of thousands differ visibly between them."""
    return tuple(
        changed(function, exponent=exponent, dtype=dtype) for dtype in (torch.float64, torch.float32)
    )


def changed(function, **changes):
    return lambda *arguments: function(*arguments, **changes)
