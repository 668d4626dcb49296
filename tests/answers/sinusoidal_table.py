"""Answers to `sinusoidal_table(n, dim, base)`: sines and cosines that take turns."""

import math

import torch

from answers import known, right, unlisted


def frequencies(dim, base):
    return base ** (-torch.arange(0, dim, 2) / dim)


def taking_turns(a, b):
    return torch.stack((a, b), dim=-1).flatten(-2)


@right
def filled_by_columns(n, dim, base=10000.0):
    table = torch.empty(n, dim)
    angles = torch.arange(n)[:, None] * frequencies(dim, base)
    table[:, 0::2], table[:, 1::2] = angles.sin(), angles.cos()
    return table


@right
def number_by_number(n, dim, base=10000.0):
    rows = [
        [(math.sin, math.cos)[j % 2](p / base ** (2 * (j // 2) / dim)) for j in range(dim)] for p in range(n)
    ]
    return torch.tensor(rows)


@right
def by_exp_and_log(n, dim, base=10000.0):
    omega = torch.exp(torch.arange(0, dim, 2).double() * -(math.log(base) / dim))
    angles = torch.outer(torch.arange(n).double(), omega)
    return taking_turns(angles.sin(), angles.cos())


@right
def sines_moved_by_a_quarter(n, dim, base=10000.0):
    angles = (torch.arange(n)[:, None] * frequencies(dim, base)).repeat_interleave(2, -1)
    return (angles + torch.tensor([0, math.pi / 2]).repeat(dim // 2)).sin()


@known("concatenated")
def sines_then_cosines(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] * frequencies(dim, base)
    return torch.cat((angles.sin(), angles.cos()), dim=-1)


@known("cosine-first")
def cosines_in_even_columns(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] * frequencies(dim, base)
    return taking_turns(angles.cos(), angles.sin())


@known("exponent-halved")
def exponent_of_i(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(dim // 2) / dim)
    return taking_turns(angles.sin(), angles.cos())


@known("exponent-late")
def exponent_off_by_one(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(2, dim + 2, 2) / dim)
    return taking_turns(angles.sin(), angles.cos())


@known("base-over")
def base_under_instead_of_over(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None].double() * base ** (torch.arange(0, dim, 2).double() / dim)
    return taking_turns(angles.sin(), angles.cos())


@known("base-over")
def base_under_instead_of_over_in_single_precision(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] * base ** (torch.arange(0, dim, 2) / dim)
    return taking_turns(angles.sin(), angles.cos())


@known("one-clock")
def one_frequency_for_all(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] * torch.ones(dim // 2)
    return taking_turns(angles.sin(), angles.cos())


@known("no-pairs")
def a_frequency_for_each_column(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(dim) / dim)
    angles[:, 0::2], angles[:, 1::2] = angles[:, 0::2].sin(), angles[:, 1::2].cos()
    return angles


@known("counted-from-1")
def positions_from_1(n, dim, base=10000.0):
    angles = torch.arange(1, n + 1)[:, None] * frequencies(dim, base)
    return taking_turns(angles.sin(), angles.cos())


@known("base-ignored")
def always_10000(n, dim, base=10000.0):
    return filled_by_columns(n, dim)


@unlisted("not right yet: table differs", lambda f: f(2, 2)[1, 0] < 0.1)  # sin 1 is 0.84
def in_degrees(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] * frequencies(dim, base) * math.pi / 180
    return taking_turns(angles.sin(), angles.cos())


@unlisted("table should have shape (4, 4); it has (4, 2)", lambda f: f(4, 4).shape == (4, 2))
def only_the_sines(n, dim, base=10000.0):
    return (torch.arange(n)[:, None] * frequencies(dim, base)).sin()
