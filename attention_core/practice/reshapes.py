"""What the exercises share that only move numbers: lines to look at, entries one can follow."""

import math

import torch
from torch import Tensor

RESHAPES = (
    r"view|reshape|unflatten|flatten|rearrange|chunk|split\(|stack|cat\(",
    r"transpose|permute|swapaxes",
    r"return",
)


def numbered(*shape: int) -> Tensor:
    """The entries 0, 1, 2 …: in a wrong reshape one sees where each has gone."""
    return torch.arange(math.prod(shape), dtype=torch.float32).reshape(shape)


def split_across_words(x: Tensor, heads: int) -> Tensor:
    """`(batch, n, dim)` → the shape of heads, without the transpose that keeps a word together."""
    return x.reshape(len(x), heads, x.shape[1], -1)


def merge_across_words(x: Tensor) -> Tensor:
    """`(batch, heads, n, d_k)` → the shape of words, without the transpose that keeps a word together."""
    return x.reshape(len(x), x.shape[2], -1)
