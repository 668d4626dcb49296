"""Answers to `causal_mask(n)`: True where a word may look."""

import torch

from answers import known, right, unlisted


@right
def lower_triangle(n):
    return torch.ones(n, n).tril().bool()


@right
def by_comparison(n):
    position = torch.arange(n)
    return position[None, :] <= position[:, None]


@right
def with_two_loops(n):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        for j in range(i + 1):
            mask[i, j] = True
    return mask


@right
def not_the_future(n):
    return ~torch.triu(torch.ones(n, n, dtype=torch.bool), diagonal=1)


@right
def from_lists(n):
    return torch.tensor([[j <= i for j in range(n)] for i in range(n)])


@known("inverted")
def true_for_the_future(n):
    return torch.triu(torch.ones(n, n), diagonal=1) == 1


@known("not-itself")
def strictly_before(n):
    return torch.tril(torch.ones(n, n), diagonal=-1) == 1


@known("one-ahead")
def diagonal_1(n):
    return torch.tril(torch.ones(n, n), diagonal=1) == 1


@known("transposed")
def upper_triangle(n):
    i = torch.arange(n)
    return i[:, None] <= i[None, :]


@known("everything")
def all_true(n):
    return torch.full((n, n), True)


@known("only-itself")
def the_diagonal(n):
    return torch.eye(n).bool()


@known("not-boolean")
def ones_and_zeros(n):
    return torch.tril(torch.ones(n, n))


@known("not-boolean")
def whole_numbers(n):
    return torch.ones(n, n, dtype=torch.int).tril()


@known("added-mask")
def to_be_added(n):
    return torch.full((n, n), float("-inf")).triu(1)


@unlisted("all of the past", lambda f: not f(3)[2, 0])
def two_words_back(n):
    return torch.ones(n, n).tril().triu(-1).bool()


@unlisted("no future", lambda f: f(3)[0, 2])
def from_the_other_corner(n):
    return torch.ones(n, n).tril().bool().flip(1)


@unlisted("mask should have shape (3, 3); it has (1, 3, 3)", lambda f: f(3).ndim == 3)
def with_a_batch(n):
    return torch.ones(1, n, n).tril().bool()


@unlisted("mask should be a tensor; it is a list", lambda f: isinstance(f(2), list))
def lists(n):
    return [[j <= i for j in range(n)] for i in range(n)]
