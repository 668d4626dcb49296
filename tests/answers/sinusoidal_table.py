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


@known("degrees")
def in_degrees(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] * frequencies(dim, base) * math.pi / 180
    return taking_turns(angles.sin(), angles.cos())


@known("half-the-columns")
def only_the_sines(n, dim, base=10000.0):
    return (torch.arange(n)[:, None] * frequencies(dim, base)).sin()


def _angles(n, dim, base):
    return torch.arange(n)[:, None] * frequencies(dim, base)


@right
def in_double_precision(n, dim, base=10000.0):
    angles = torch.arange(n).double()[:, None] / base ** (torch.arange(0, dim, 2).double() / dim)
    return taking_turns(angles.sin(), angles.cos())


_kept = {}


@right
def kept_by_all_that_is_given(n, dim, base=10000.0):
    if (n, dim, base) not in _kept:
        _kept[n, dim, base] = filled_by_columns(n, dim, base)
    return _kept[n, dim, base]


@known("concatenated")
def cosines_then_sines(n, dim, base=10000.0):
    angles = _angles(n, dim, base)
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


@known("joined-along-the-rows")
def stacked_before_all(n, dim, base=10000.0):
    angles = _angles(n, dim, base)
    return torch.stack((angles.sin(), angles.cos())).reshape(n, dim)


@known("on-its-side")
def a_column_for_each_position(n, dim, base=10000.0):
    return filled_by_columns(n, dim, base).T


@known("one-kind")
def sines_alone(n, dim, base=10000.0):
    return torch.sin(torch.arange(n)[:, None] / base ** (2 * (torch.arange(dim) // 2) / dim))


@known("one-kind")
def cosines_alone(n, dim, base=10000.0):
    return torch.cos(torch.arange(n)[:, None] / base ** (torch.arange(dim) / dim))


@known("cosine-of-the-sine")
def overwritten_by_the_sine(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    table[:, 0::2] = _angles(n, dim, base)
    table[:, 0::2] = table[:, 0::2].sin()
    table[:, 1::2] = table[:, 0::2].cos()
    return table


@known("exponent-doubled")
def two_times_even(n, dim, base=10000.0):
    j = torch.arange(0, dim, 2)
    angles = torch.arange(n)[:, None] / base ** (2 * j / dim)
    return taking_turns(angles.sin(), angles.cos())


@known("exponent-to-one")
def to_the_very_end(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] * base ** -torch.linspace(0, 1, dim // 2)
    return taking_turns(angles.sin(), angles.cos())


@known("exponent-by-n")
def exponent_over_n(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / n)
    return taking_turns(angles.sin(), angles.cos())


@known("exponent-by-a-number")
def exponent_over_48(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / 48)
    return taking_turns(angles.sin(), angles.cos())


@known("exponent-by-a-number")
def exponent_over_512(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / 512)
    return taking_turns(angles.sin(), angles.cos())


@known("not-the-natural-logarithm")
def by_the_logarithm_to_base_10(n, dim, base=10000.0):
    omega = torch.exp(-torch.arange(0, dim, 2) / dim * math.log10(base))
    angles = torch.arange(n)[:, None] * omega
    return taking_turns(angles.sin(), angles.cos())


@known("slow-first")
def slowest_first(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] * frequencies(dim, base).flip(0)
    return taking_turns(angles.sin(), angles.cos())


@known("one-clock")
def two_slashes(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) // dim)
    return taking_turns(angles.sin(), angles.cos())


@known("degrees")
def into_degrees(n, dim, base=10000.0):
    angles = torch.rad2deg(_angles(n, dim, base))
    return taking_turns(angles.sin(), angles.cos())


@known("two-pi")
def a_whole_turn(n, dim, base=10000.0):
    angles = 2 * math.pi * torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    return taking_turns(angles.sin(), angles.cos())


@known("counted-from-the-end")
def positions_from_the_end(n, dim, base=10000.0):
    return filled_by_columns(n, dim, base).flip(0)


@known("shares-of-the-length")
def positions_up_to_1(n, dim, base=10000.0):
    angles = torch.linspace(0, 1, n)[:, None] * frequencies(dim, base)
    return taking_turns(angles.sin(), angles.cos())


@known("cosine-apart")
def cosine_of_the_next_pair(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    for p in range(n):
        for i in range(0, dim, 2):
            table[p, i] = math.sin(p / base ** (i / dim))
            table[p, i + 1] = math.cos(p / base ** ((i + 2) / dim))
    return table


@known("no-pairs")
def as_in_a_well_known_tutorial(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    for p in range(n):
        for i in range(0, dim, 2):
            table[p, i] = math.sin(p / base ** (2 * i / dim))
            table[p, i + 1] = math.cos(p / base ** (2 * (i + 1) / dim))
    return table


@known("whole-numbers")
def into_whole_numbers(n, dim, base=10000.0):
    table = torch.zeros((n, dim), dtype=torch.long)
    table[:, 0::2] = _angles(n, dim, base).sin()
    table[:, 1::2] = _angles(n, dim, base).cos()
    return table


@known("last-row-left-out")
def a_loop_over_too_few_rows(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    for p in range(n - 1):
        table[p] = filled_by_columns(n, dim, base)[p]
    return table


@known("last-pair-left-out")
def a_loop_over_too_few_pairs(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    for j in range(dim - 2):
        table[:, j] = filled_by_columns(n, dim, base)[:, j]
    return table


@known("odd-columns-left-out")
def no_cosines(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    table[:, 0::2] = _angles(n, dim, base).sin()
    return table


@known("an-axis-too-many")
def with_a_batch(n, dim, base=10000.0):
    return filled_by_columns(n, dim, base).unsqueeze(0)


@known("squeezed")
def without_axes_of_size_1(n, dim, base=10000.0):
    return filled_by_columns(n, dim, base).squeeze()


@known("always-as-many")
def sixty_rows(n, dim, base=10000.0):
    return filled_by_columns(60, dim, base)


_remembered = {}


@known("base-remembered")
def kept_without_its_base(n, dim, base=10000.0):
    if (n, dim) not in _remembered:
        _remembered[n, dim] = filled_by_columns(n, dim, base)
    return _remembered[n, dim]


@unlisted("sin² + cos² is 1", lambda f: f(2, 2)[0, 1] == 2)
def twice_as_long(n, dim, base=10000.0):
    return 2 * filled_by_columns(n, dim, base)


@unlisted("the odd columns", lambda f: f(2, 2)[0, 1] == -1)
def cosines_below_0(n, dim, base=10000.0):
    table = filled_by_columns(n, dim, base)
    table[:, 1::2] *= -1
    return table


@unlisted("not right yet: table differs", lambda f: 0.94 < f(2, 2)[1, 0] < 0.96)  # sin 1.25, not sin 1
def a_little_too_fast(n, dim, base=10000.0):
    angles = 1.25 * _angles(n, dim, base)
    return taking_turns(angles.sin(), angles.cos())


@known("exponent-not-divided")
def exponent_2i(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] / base ** torch.arange(0, dim, 2)
    return taking_turns(angles.sin(), angles.cos())


@known("power-first")
def without_brackets(n, dim, base=10000.0):
    omega = base ** -torch.arange(0, dim, 2) / dim
    angles = torch.arange(n)[:, None] * omega
    return taking_turns(angles.sin(), angles.cos())


@known("power-first")
def without_brackets_below_the_line(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] / (base ** torch.arange(0, dim, 2) / dim)
    return taking_turns(angles.sin(), angles.cos())


@known("sine-divided")
def divided_outside(n, dim, base=10000.0):
    p, power = torch.arange(n)[:, None], base ** (torch.arange(0, dim, 2) / dim)
    return taking_turns(p.sin() / power, p.cos() / power)


@known("one-row-too-few")
def positions_before_the_last(n, dim, base=10000.0):
    return filled_by_columns(n - 1, dim, base)


@known("one-row-too-many")
def positions_up_to_n(n, dim, base=10000.0):
    angles = torch.arange(0, n + 1)[:, None] * frequencies(dim, base)
    return taking_turns(angles.sin(), angles.cos())


@unlisted("table should have shape (4, 4); it has (4, 8)", lambda f: f(4, 4).shape == (4, 8))
def twice_as_wide(n, dim, base=10000.0):
    return filled_by_columns(n, dim, base).repeat(1, 2)


@known("exponent-odd")
def from_1_in_steps_of_2(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] / base ** (torch.arange(1, dim + 1, 2) / dim)
    return taking_turns(angles.sin(), angles.cos())


@unlisted("table should have shape (5001, 2); it has (512, 2)", lambda f: len(f(5001, 2)) == 512)
def no_longer_than_512(n, dim, base=10000.0):
    return filled_by_columns(512, dim, base)[:n]
