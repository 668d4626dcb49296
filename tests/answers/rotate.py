"""Answers to `rotate(x, base)`: each pair of features turned by its position."""

import math

import torch

from answers import known, right, unlisted
from answers.sinusoidal_table import filled_by_columns, frequencies, taking_turns


def _turned(x, omega, sign=1, first=0):
    angles = torch.arange(first, first + x.shape[-2])[:, None] * omega
    a, b = x[..., 0::2], x[..., 1::2]
    return a * angles.cos() - sign * b * angles.sin(), sign * a * angles.sin() + b * angles.cos()


@right
def pairs_turned(x, base=10000.0):
    return taking_turns(*_turned(x, frequencies(x.shape[-1], base)))


@right
def with_complex_numbers(x, base=10000.0):
    angles = torch.arange(x.shape[-2])[:, None] * frequencies(x.shape[-1], base)
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)


@right
def with_matrices(x, base=10000.0):
    angles = torch.arange(x.shape[-2])[:, None] * frequencies(x.shape[-1], base)
    turn = torch.stack((angles.cos(), -angles.sin(), angles.sin(), angles.cos()), -1).unflatten(-1, (2, 2))
    return (turn.to(x) @ x.unflatten(-1, (-1, 2, 1))).flatten(-3)


@right
def in_place_on_a_copy(x, base=10000.0):
    y = torch.empty_like(x)
    y[..., 0::2], y[..., 1::2] = _turned(x, frequencies(x.shape[-1], base))
    return y


@known("mixed-tables")
def half_tables_with_neighbour_pairs(x, base=10000.0):
    angles = torch.arange(x.shape[-2])[:, None] * frequencies(x.shape[-1], base).repeat(2)
    quarter = torch.stack((-x[..., 1::2], x[..., 0::2]), -1).flatten(-2)
    return x * angles.cos() + quarter * angles.sin()


@known("half-pairing")
def pairs_half_apart(x, base=10000.0):
    angles = torch.arange(x.shape[-2])[:, None] * frequencies(x.shape[-1], base)
    a, b = x.chunk(2, -1)
    return torch.cat((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()), -1)


@known("not-taking-turns")
def firsts_then_seconds(x, base=10000.0):
    return torch.cat(_turned(x, frequencies(x.shape[-1], base)), -1)


@known("clockwise")
def the_other_way_round(x, base=10000.0):
    return taking_turns(*_turned(x, frequencies(x.shape[-1], base), sign=-1))


@known("one-sign")
def one_sign_wrong(x, base=10000.0):
    first, _ = _turned(x, frequencies(x.shape[-1], base))
    return taking_turns(first, _mirrored(x, base))


def _mirrored(x, base):
    angles = torch.arange(x.shape[-2])[:, None] * frequencies(x.shape[-1], base)
    return x[..., 0::2] * angles.sin() - x[..., 1::2] * angles.cos()


@known("added")
def the_table_added(x, base=10000.0):
    return x + filled_by_columns(*x.shape[-2:], base)


@known("exponent-halved")
def turned_by_exponent_of_i(x, base=10000.0):
    dim = x.shape[-1]
    return taking_turns(*_turned(x, base ** (-torch.arange(dim // 2) / dim)))


@known("exponent-late")
def turned_one_pair_late(x, base=10000.0):
    dim = x.shape[-1]
    return taking_turns(*_turned(x, base ** (-torch.arange(2, dim + 2, 2) / dim)))


@known("base-over")
def turned_by_the_base(x, base=10000.0):
    dim = x.shape[-1]
    return taking_turns(*_turned(x, base ** (torch.arange(0, dim, 2).double() / dim)))


@known("base-over")
def turned_by_the_base_in_single_precision(x, base=10000.0):
    dim = x.shape[-1]
    return taking_turns(*_turned(x, base ** (torch.arange(0, dim, 2) / dim)))


@known("one-clock")
def all_pairs_alike(x, base=10000.0):
    return taking_turns(*_turned(x, torch.ones(x.shape[-1] // 2)))


@known("wrong-axis")
def along_the_batch(x, base=10000.0):
    if x.ndim == 2:
        return pairs_turned(x, base)
    return pairs_turned(x.transpose(0, -2), base).transpose(0, -2)


@known("counted-from-1")
def turned_from_1(x, base=10000.0):
    return taking_turns(*_turned(x, frequencies(x.shape[-1], base), first=1))


@known("base-ignored")
def turned_with_10000(x, base=10000.0):
    return pairs_turned(x)


@unlisted("not right yet: turned differs", lambda f: (f(torch.ones(3, 6))[:, 2:4] == 1).all())
def every_second_pair(x, base=10000.0):
    y = pairs_turned(x, base)
    y[..., 2:4] = x[..., 2:4]
    return y


@unlisted("not right yet: turned differs", lambda f: f(torch.eye(2)[[0, 0]])[1, 0] < 0)  # cos 2, not cos 1
def turned_twice(x, base=10000.0):
    return pairs_turned(pairs_turned(x, base), base)


def _angles(x, base):
    return torch.arange(x.shape[-2])[:, None] * frequencies(x.shape[-1], base)


@right
def polar(x, base=10000.0):
    a, b = x[..., 0::2], x[..., 1::2]
    length, angle = torch.hypot(a, b), torch.atan2(b, a) + _angles(x, base)
    return taking_turns(length * angle.cos(), length * angle.sin())


@right
def quarter_turns(x, base=10000.0):
    angles = _angles(x, base).repeat_interleave(2, -1)
    quarter = torch.stack((-x[..., 1::2], x[..., 0::2]), -1).flatten(-2)
    return x * angles.cos() + quarter * angles.sin()


@right
def number_by_number(x, base=10000.0):
    turned = torch.empty_like(x)
    for p in range(x.shape[-2]):
        for i in range(x.shape[-1] // 2):
            angle = p / base ** (2 * i / x.shape[-1])
            cos, sin = math.cos(angle), math.sin(angle)
            a, b = x[..., p, 2 * i], x[..., p, 2 * i + 1]
            turned[..., p, 2 * i], turned[..., p, 2 * i + 1] = a * cos - b * sin, a * sin + b * cos
    return turned


@known("mixed-tables")
def cosines_by_repeat_alone(x, base=10000.0):
    angles = _angles(x, base)
    cos, sin = angles.cos().repeat(1, 2), angles.sin().repeat_interleave(2, -1)
    quarter = torch.stack((-x[..., 1::2], x[..., 0::2]), -1).flatten(-2)
    return x * cos + quarter * sin


@known("mixed-tables")
def neighbour_tables_with_half_pairs(x, base=10000.0):
    angles = _angles(x, base).repeat_interleave(2, -1)
    a, b = x.chunk(2, -1)
    return x * angles.cos() + torch.cat((-b, a), -1) * angles.sin()


@known("mixed-tables")
def every_second_of_half_tables(x, base=10000.0):
    angles = _angles(x, base).repeat(1, 2)
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return taking_turns(a * cos[:, 0::2] - b * sin[:, 0::2], a * sin[:, 0::2] + b * cos[:, 0::2])


@known("read-as-halves")
def halves_written_as_neighbours(x, base=10000.0):
    angles = _angles(x, base)
    a, b = x.chunk(2, -1)
    return taking_turns(a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos())


@known("joined-along-the-words")
def stacked_before_all(x, base=10000.0):
    return torch.stack(_turned(x, frequencies(x.shape[-1], base))).reshape(x.shape)


@known("joined-along-the-words")
def stacked_before_the_words(x, base=10000.0):
    return torch.stack(_turned(x, frequencies(x.shape[-1], base)), -3).reshape(x.shape)


@known("reflected")
def mirrored(x, base=10000.0):
    angles = _angles(x, base)
    a, b = x[..., 0::2], x[..., 1::2]
    return taking_turns(a * angles.cos() + b * angles.sin(), a * angles.sin() - b * angles.cos())


@known("one-sign")
def neighbours_exchanged_without_a_minus(x, base=10000.0):
    angles = _angles(x, base).repeat_interleave(2, -1)
    return x * angles.cos() + x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2) * angles.sin()


@known("sine-and-cosine-exchanged")
def exchanged(x, base=10000.0):
    angles = _angles(x, base)
    a, b = x[..., 0::2], x[..., 1::2]
    return taking_turns(a * angles.sin() - b * angles.cos(), a * angles.cos() + b * angles.sin())


@known("overwritten")
def a_slice_overwritten_while_it_is_read(x, base=10000.0):
    angles, y = _angles(x, base), x.clone()
    a, b = y[..., 0::2], y[..., 1::2]
    y[..., 0::2] = a * angles.cos() - b * angles.sin()
    y[..., 1::2] = a * angles.sin() + b * angles.cos()
    return y


@known("overwritten")
def x_itself_overwritten(x, base=10000.0):
    angles = _angles(x, base)
    a, b = x[..., 0::2], x[..., 1::2]
    x[..., 1::2] = a * angles.sin() + b * angles.cos()
    x[..., 0::2] = a * angles.cos() - b * angles.sin()
    return x


@known("overwritten")
def a_name_given_again(x, base=10000.0):
    angles = _angles(x, base)
    a, b = x[..., 0::2], x[..., 1::2]
    a = a * angles.cos() - b * angles.sin()
    b = a * angles.sin() + b * angles.cos()
    return taking_turns(a, b)


@known("multiplied")
def times_the_table(x, base=10000.0):
    angles = _angles(x, base)
    return x * taking_turns(angles.cos(), angles.sin())


@known("exponent-doubled")
def turned_by_two_times_even(x, base=10000.0):
    dim = x.shape[-1]
    return taking_turns(*_turned(x, base ** (-2 * torch.arange(0, dim, 2) / dim)))


@known("exponent-by-n")
def turned_by_n(x, base=10000.0):
    n, dim = x.shape[-2:]
    return taking_turns(*_turned(x, base ** (-torch.arange(0, dim, 2) / n)))


@known("exponent-by-a-number")
def turned_by_64(x, base=10000.0):
    return taking_turns(*_turned(x, base ** (-torch.arange(0, x.shape[-1], 2) / 64)))


@known("slow-first")
def turned_slowest_first(x, base=10000.0):
    return taking_turns(*_turned(x, frequencies(x.shape[-1], base).flip(0)))


@known("degrees")
def turned_by_degrees(x, base=10000.0):
    return taking_turns(*_turned(x, torch.deg2rad(frequencies(x.shape[-1], base))))


@known("two-pi")
def turned_by_whole_turns(x, base=10000.0):
    return taking_turns(*_turned(x, 2 * math.pi * frequencies(x.shape[-1], base)))


@known("counted-from-the-end")
def turned_from_the_end(x, base=10000.0):
    angles = torch.arange(x.shape[-2] - 1, -1, -1)[:, None] * frequencies(x.shape[-1], base)
    a, b = x[..., 0::2], x[..., 1::2]
    return taking_turns(a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos())


@known("no-pairs")
def a_frequency_for_each_feature(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(dim) / dim)
    quarter = torch.stack((-x[..., 1::2], x[..., 0::2]), -1).flatten(-2)
    return x * angles.cos() + quarter * angles.sin()


@known("wrong-axis")
def positions_of_the_batch(x, base=10000.0):
    places = torch.arange(x.shape[0]).view(-1, *[1] * (x.ndim - 1))
    angles = places * frequencies(x.shape[-1], base)
    a, b = x[..., 0::2], x[..., 1::2]
    return taking_turns(a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos())


@known("counted-on")
def counted_through_all_sequences(x, base=10000.0):
    return pairs_turned(x.reshape(-1, x.shape[-1]), base).reshape(x.shape)


@known("counted-on")
def counted_through_the_heads(x, base=10000.0):
    return pairs_turned(x.flatten(-3, -2), base).reshape(x.shape) if x.ndim > 2 else pairs_turned(x, base)


@known("last-pair-left-out")
def a_loop_over_too_few_pairs(x, base=10000.0):
    turned, angles = x.clone(), _angles(x, base)
    for i in range(x.shape[-1] // 2 - 1):
        cos, sin = angles[:, i].cos(), angles[:, i].sin()
        turned[..., 2 * i] = x[..., 2 * i] * cos - x[..., 2 * i + 1] * sin
        turned[..., 2 * i + 1] = x[..., 2 * i] * sin + x[..., 2 * i + 1] * cos
    return turned


@known("first-pair-left-out")
def a_loop_from_1(x, base=10000.0):
    turned = x.clone()
    for i in range(1, x.shape[-1] // 2):
        turned[..., 2 * i : 2 * i + 2] = pairs_turned(x, base)[..., 2 * i : 2 * i + 2]
    return turned


@known("last-word-left-out")
def a_loop_over_too_few_words(x, base=10000.0):
    turned = torch.zeros_like(x)
    for p in range(x.shape[-2] - 1):
        turned[..., p, :] = pairs_turned(x, base)[..., p, :]
    return turned


_remembered = {}


@known("base-remembered")
def angles_kept_without_their_base(x, base=10000.0):
    if x.shape[-2:] not in _remembered:
        _remembered[x.shape[-2:]] = _angles(x, base)
    angles = _remembered[x.shape[-2:]]
    a, b = x[..., 0::2], x[..., 1::2]
    return taking_turns(a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos())


@known("loses-digits")
def always_float32(x, base=10000.0):
    return pairs_turned(x.float(), base)


@known("no-gradient")
def cut_off(x, base=10000.0):
    return pairs_turned(x.detach(), base)


@unlisted("stopped with", None, status="error")
def no_more_than_60_words(x, base=10000.0):
    angles = (torch.arange(60)[:, None] * frequencies(x.shape[-1], base))[: x.shape[-2]]
    a, b = x[..., 0::2], x[..., 1::2]
    return taking_turns(a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos())


@unlisted("stopped with", None, status="error")
def three_axes_alone(x, base=10000.0):
    _batch, _n, _dim = x.shape
    return pairs_turned(x, base)


@unlisted("each pair keeps its length", lambda f: f(torch.tensor([[1.0, 0.0]]))[0, 0] == 2)
def twice_as_long(x, base=10000.0):
    return 2 * pairs_turned(x, base)


@unlisted("position 0 is not turned", lambda f: f(torch.tensor([[1.0, 0.0]]))[0, 0] < 0.9)
def half_a_position_too_far(x, base=10000.0):
    return taking_turns(*_turned(x, frequencies(x.shape[-1], base), first=0.5))


@known("only-the-first-pair")
def one_pair_alone(x, base=10000.0):
    turned, p = x.clone(), torch.arange(x.shape[-2])
    turned[..., 0] = x[..., 0] * p.cos() - x[..., 1] * p.sin()
    turned[..., 1] = x[..., 0] * p.sin() + x[..., 1] * p.cos()
    return turned


@known("x-kept")
def x_and_turned(x, base=10000.0):
    return x + pairs_turned(x, base)
