"""Answers to `alibi_bias(num_heads, n)`: each head's price of a distance."""

import torch

import attention_core
from answers import known, right, unlisted


def _apart(n):
    return (torch.arange(n)[:, None] - torch.arange(n)).abs()


@right
def slopes_times_distance(num_heads, n):
    slopes = 2.0 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    return -slopes[:, None, None] * _apart(n)


@right
def from_the_library(num_heads, n):
    return attention_core.ALiBi(num_heads).bias(n, n)


@right
def with_einsum_and_a_first_slope(num_heads, n):
    first = 2.0 ** (-8 / num_heads)
    slopes = first ** torch.arange(1, num_heads + 1)
    return torch.einsum("h,qk->hqk", -slopes, _apart(n).float())


@right
def with_three_loops(num_heads, n):
    return torch.tensor(
        [
            [[-abs(p - q) * 2 ** (-8 * h / num_heads) for q in range(n)] for p in range(n)]
            for h in range(1, num_heads + 1)
        ]
    )


@known("price-as-gift")
def with_a_plus(num_heads, n):
    return -slopes_times_distance(num_heads, n)


@known("slopes-reversed")
def steepest_last(num_heads, n):
    return slopes_times_distance(num_heads, n).flip(0)


@known("slopes-inverted")
def two_to_the_plus(num_heads, n):
    return -(2.0 ** (8 * torch.arange(1, num_heads + 1) / num_heads))[:, None, None] * _apart(n)


@known("heads-from-0")
def first_slope_of_1(num_heads, n):
    return -(2.0 ** (-8 * torch.arange(num_heads) / num_heads))[:, None, None] * _apart(n)


@known("eight-forgotten")
def two_to_the_minus_h(num_heads, n):
    return -(2.0 ** -torch.arange(1, num_heads + 1))[:, None, None] * _apart(n)


@known("one-slope")
def the_same_for_all_heads(num_heads, n):
    return -_apart(n).expand(num_heads, n, n).float()


@known("signed-distance")
def the_future_is_rewarded(num_heads, n):
    slopes = 2.0 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    return -slopes[:, None, None] * (torch.arange(n)[:, None] - torch.arange(n))


@known("squared-distance")
def distance_squared(num_heads, n):
    return slopes_times_distance(num_heads, n) * _apart(n)


@unlisted("not right yet: bias table differs", lambda f: f(2, 2)[:, 0, 1].tolist() == [-1, -0.5])
def slopes_in_a_line(num_heads, n):
    slopes = 1 - torch.arange(num_heads) / num_heads
    return -slopes[:, None, None] * _apart(n)


@unlisted("not right yet: bias table differs", lambda f: f(2, 2)[0, 0, 1] == -torch.inf)
def the_future_hidden_too(num_heads, n):
    return slopes_times_distance(num_heads, n).masked_fill(torch.ones(n, n).triu(1).bool(), -torch.inf)
