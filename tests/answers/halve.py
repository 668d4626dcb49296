"""Answers to the contributed exercise `halve(x)`."""

import torch

from answers import known, right, unlisted


@right
def divided(x):
    return x / 2


@right
def the_mean_with_nothing(x):
    return torch.stack((x, torch.zeros_like(x))).mean(0)


@right
def number_by_number(x):
    return torch.tensor([0.5 * number for number in x.flatten().tolist()]).reshape(x.shape)


@known("doubled")
def times_two(x):
    return x * 2


@known("floor")
def without_the_rest(x):
    return x // 2


@unlisted("not right yet: half differs", lambda f: f(torch.tensor([3.0])) == 3)
def left_as_it_is(x):
    return x


@known("not-a-tensor")
def half_of_the_sum(x):
    return x.sum().item() / 2


@unlisted("not right yet: half differs", lambda f: bool((f(torch.ones(1)) < 0).all()))
def the_other_way(x):
    return -x / 2
