# ruff: noqa
# fmt: off
import math
import numpy as np
import torch


# WRONG: turns the other way: the minus stands at the wrong sine
# SHOWS: x = (1, 0) at positions 0 and 1: row 1 is (0.54, −0.84)
def turned_the_other_way(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos + b * sin, b * cos - a * sin], dim=-1).flatten(-2)


# WRONG: pairs feature i with i + dim/2, as in other libraries, not 0 with 1
# SHOWS: dim=4, n=2; with dim=2 it is right
def halves_paired(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


# WRONG: a is overwritten before b needs it: a view of the copy, not the old values
# SHOWS: dim=2, n=2: feature 1 of row 1
def overwritten_while_reading(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    y = x.clone()
    a, b = y[..., 0::2], y[..., 1::2]
    y[..., 0::2] = a * cos - b * sin
    y[..., 1::2] = a * sin + b * cos
    return y


# WRONG: the result is right, but it is written into the caller's x
# SHOWS: compare x before and after the call
def writes_into_its_argument(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2].clone(), x[..., 1::2].clone()
    x[..., 0::2] = a * cos - b * sin
    x[..., 1::2] = a * sin + b * cos
    return x


# WRONG: integer division in the exponent: every pair turns by p
# SHOWS: dim=4, n=2: the second pair turns as fast as the first
def integer_division(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) // dim)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


# WRONG: the exponent is i/dim, its 2 is missing
# SHOWS: dim=4, n=2: the second pair turns too fast
def exponent_without_two(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(dim // 2) / dim)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


# WRONG: the argument base is ignored
# SHOWS: dim=4, n=2, base=100
def base_ignored(x, base=10000.0):
    n, dim = x.shape[-2:]
    theta = 1.0 / 10000 ** (torch.arange(0, dim, 2) / dim)
    angles = torch.outer(torch.arange(n).float(), theta)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


# WRONG: positions start with 1, so that the first word is turned, too (scores of queries and keys stay right)
# SHOWS: n=1: the word must stay as it is
def positions_from_one(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(1, n + 1)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


# WRONG: positions are counted along the first axis: right for (n, dim), the batch index for (batch, n, dim)
# SHOWS: x (2, 3, 4) with the same sentence twice
def positions_along_the_first_axis(x, base=10000.0):
    dim = x.shape[-1]
    pos = torch.arange(x.shape[0]).view(-1, *[1] * (x.dim() - 1))
    angles = pos / base ** (torch.arange(0, dim, 2) / dim)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


# WRONG: three axes are taken for granted; (n, dim) and (batch, heads, n, d_k) raise an error
# SHOWS: x (1, 2, 3, 4)
def exactly_three_axes(x, base=10000.0):
    batch, n, dim = x.shape
    out = torch.empty_like(x)
    for p in range(n):
        for i in range(dim // 2):
            angle = p / base ** (2 * i / dim)
            a, b = x[:, p, 2 * i], x[:, p, 2 * i + 1]
            out[:, p, 2 * i] = a * math.cos(angle) - b * math.sin(angle)
            out[:, p, 2 * i + 1] = a * math.sin(angle) + b * math.cos(angle)
    return out


# WRONG: pairs are turned rightly, but all first features are put before all second ones
# SHOWS: dim=4, n=1: the word 0 1 2 3 comes back as 0 2 1 3
def pairs_not_put_back(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


# WRONG: tables laid out for halves, the quarter turn for neighbours: the two tables that must not meet
# SHOWS: dim=4, n=2; with dim=2 it is right
def mixed_tables(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    angles = torch.cat([angles, angles], dim=-1).to(x.dtype)
    quarter = torch.stack([-x[..., 1::2], x[..., 0::2]], dim=-1).flatten(-2)
    return x * angles.cos() + quarter * angles.sin()


# WRONG: neighbours are swapped without the minus: no rotation, lengths change
# SHOWS: x = (1, 1) at position 1: its length grows
def swapped_without_minus(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    angles = angles.repeat_interleave(2, dim=-1).to(x.dtype)
    swapped = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
    return x * angles.cos() + swapped * angles.sin()


# WRONG: a reflection: (a cos + b sin, a sin − b cos); position 0 flips the second feature
# SHOWS: n=1, x = (0, 1) becomes (0, −1)
def reflected(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = (torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)).to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    first, second = a * angles.cos() + b * angles.sin(), a * angles.sin() - b * angles.cos()
    return torch.stack([first, second], dim=-1).reshape(x.shape)


# WRONG: adds the table of sines and cosines, does not turn
# SHOWS: x of zeros must stay zeros
def table_added(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    return x + torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).to(x.dtype)


# WRONG: multiplies by the table feature by feature, as if turning were weighting
# SHOWS: n=1, x = (1, 1): must stay as it is
def times_the_table(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    return x * torch.stack([angles.cos(), angles.sin()], dim=-1).flatten(1).to(x.dtype)


# WRONG: always gives back float32: a float64 x loses digits and its dtype
# SHOWS: x in float64
def always_float32(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    turned = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).flatten(-2)


# WRONG: one angle p for all pairs: the speeds are forgotten
# SHOWS: dim=4, n=2: the second pair
def one_speed_for_all(x, base=10000.0):
    p = torch.arange(x.shape[-2])[:, None].to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    turned = a * p.cos() - b * p.sin(), a * p.sin() + b * p.cos()
    return torch.stack(turned, dim=-1).flatten(-2)


# WRONG: the two features of a pair have different angles, base^(j/dim) for feature j: lengths change
# SHOWS: dim=2, n=2, base=100
def speed_for_each_feature(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = (torch.arange(n)[:, None] / base ** (torch.arange(dim) / dim)).to(x.dtype)
    quarter = torch.stack([-x[..., 1::2], x[..., 0::2]], dim=-1).flatten(-2)
    return x * angles.cos() + quarter * angles.sin()


# WRONG: complex numbers of halves, but written back as neighbours: read in one pairing, written in the other
# SHOWS: dim=4, n=1: 0 1 2 3 comes back as 0 2 1 3
def halves_in_neighbours_out(x, base=10000.0):
    n, dim = x.shape[-2:]
    a, b = x[..., : dim // 2], x[..., dim // 2 :]
    angles = (torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)).to(x.dtype)
    turned = torch.complex(a, b) * torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).flatten(-2)


# WRONG: the angles are made for 60 positions, as in the lesson; longer texts raise an error
# SHOWS: n=61
def made_for_sixty(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(60)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    cos, sin = angles.cos()[:n].to(x.dtype), angles.sin()[:n].to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


# WRONG: 48 features are written into the exponent
# SHOWS: dim=4, n=2; with dim=48 it is right
def forty_eight_in_the_exponent(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / 48)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


# WRONG: the values are right, but x is detached: no gradient comes back to W_Q and W_K
# SHOWS: x with requires_grad: the result has none
def detached(x, base=10000.0):
    values = x.detach().numpy()
    n, dim = values.shape[-2:]
    angles = np.arange(n)[:, None] / base ** (np.arange(0, dim, 2) / dim)
    a, b = values[..., 0::2], values[..., 1::2]
    out = np.empty_like(values)
    out[..., 0::2] = a * np.cos(angles) - b * np.sin(angles)
    out[..., 1::2] = a * np.sin(angles) + b * np.cos(angles)
    return torch.from_numpy(out)


# WRONG: the loop ends one pair too early; the last pair is never turned
# SHOWS: dim=2, n=2: nothing is turned
def last_pair_not_turned(x, base=10000.0):
    n, dim = x.shape[-2:]
    out, p = x.clone(), torch.arange(n).to(x.dtype)
    for i in range(dim // 2 - 1):
        angle = p / base ** (2 * i / dim)
        a, b = x[..., 2 * i], x[..., 2 * i + 1]
        out[..., 2 * i] = a * angle.cos() - b * angle.sin()
        out[..., 2 * i + 1] = a * angle.sin() + b * angle.cos()
    return out


# WRONG: pairs overlap: the loop goes 0, 1, 2 … in place of 0, 2, 4 …, and each feature is turned twice
# SHOWS: dim=4, n=2
def overlapping_pairs(x, base=10000.0):
    n, dim = x.shape[-2:]
    out, p = x.clone(), torch.arange(n).to(x.dtype)
    for i in range(dim - 1):
        angle = p / base ** (i / dim)
        a, b = out[..., i].clone(), out[..., i + 1].clone()
        out[..., i] = a * angle.cos() - b * angle.sin()
        out[..., i + 1] = a * angle.sin() + b * angle.cos()
    return out


# WRONG: positions are counted from the end: the last word is position 0
# SHOWS: n=2: row 0 is turned, row 1 is not
def counted_from_the_end(x, base=10000.0):
    n, dim = x.shape[-2:]
    pos = torch.arange(n - 1, -1, -1)[:, None]
    angles = (pos / base ** (torch.arange(0, dim, 2) / dim)).to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    turned = a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()
    return torch.stack(turned, dim=-1).flatten(-2)


# WRONG: pairs are counted from 1: already the first one turns by p / base^(2/dim)
# SHOWS: dim=4, n=2: the first pair
def pairs_from_one(x, base=10000.0):
    n, dim = x.shape[-2:]
    i = torch.arange(1, dim // 2 + 1)
    angles = (torch.arange(n)[:, None] / base ** (2 * i / dim)).to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    turned = a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()
    return torch.stack(turned, dim=-1).flatten(-2)


# WRONG: all words of all sentences are put into one list and counted through: the second sentence starts at n
# SHOWS: x (2, 3, 4) with the same sentence twice; (n, dim) is right
def counted_through_the_batch(x, base=10000.0):
    dim, flat = x.shape[-1], x.reshape(-1, x.shape[-1])
    pos = torch.arange(len(flat))[:, None]
    angles = (pos / base ** (torch.arange(0, dim, 2) / dim)).to(x.dtype)
    a, b = flat[:, 0::2], flat[:, 1::2]
    turned = a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()
    return torch.stack(turned, dim=-1).reshape(x.shape)


# WRONG: times base^(2i/dim), not divided by it
# SHOWS: dim=4, n=2: the second pair turns by 100 p
def multiplied_instead_of_divided(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = (torch.arange(n)[:, None] * base ** (torch.arange(0, dim, 2) / dim)).to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    turned = a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()
    return torch.stack(turned, dim=-1).flatten(-2)


# WRONG: stacked before the last axis: the turned features are mixed among pairs when flattened
# SHOWS: dim=4, n=2: row 0 holds first features of both words (shape is right)
def stacked_along_the_words(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = (torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)).to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    turned = a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()
    return torch.stack(turned, dim=0).reshape(x.shape)


# WRONG: the sine that is squared away: sin is taken from 1 − cos², and so never negative
# SHOWS: n=5: from position 4 on, where sin p < 0
def sine_never_negative(x, base=10000.0):
    n, dim = x.shape[-2:]
    cos = torch.cos(torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim))
    sin = (1 - cos**2).clamp(min=0).sqrt()
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


# RIGHT: complex numbers, in float64, with the dtype of x at the end
def complex_numbers(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2).double() / dim)
    pairs = torch.view_as_complex(x.double().reshape(*x.shape[:-1], dim // 2, 2))
    turned = pairs * torch.exp(1j * angles)
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)


# RIGHT: a 2 × 2 matrix for each position and pair, applied by einsum
def matrices_and_einsum(x, base=10000.0):
    n, dim = x.shape[-2:]
    omega = base ** (-torch.arange(0, dim, 2, dtype=x.dtype) / dim)
    angles = torch.einsum("p,i->pi", torch.arange(n, dtype=x.dtype), omega)
    c, s = angles.cos(), angles.sin()
    R = torch.stack([torch.stack([c, -s], dim=-1), torch.stack([s, c], dim=-1)], dim=-2)
    return torch.einsum("pirc,...pic->...pir", R, x.unflatten(-1, (-1, 2))).flatten(-2)


# RIGHT: loops over positions and pairs, written into an empty copy
def loops(x, base=10000.0):
    out = torch.empty_like(x)
    for p in range(x.shape[-2]):
        for i in range(x.shape[-1] // 2):
            angle = p / base ** (2 * i / x.shape[-1])
            c, s = math.cos(angle), math.sin(angle)
            a, b = x[..., p, 2 * i], x[..., p, 2 * i + 1]
            out[..., p, 2 * i] = a * c - b * s
            out[..., p, 2 * i + 1] = a * s + b * c
    return out


# RIGHT: x cos + quarter turn sin, with repeat_interleave
def quarter_turns(x, base=10000.0):
    def quarter(x):
        return torch.stack([-x[..., 1::2], x[..., 0::2]], dim=-1).reshape(x.shape)

    n, dim = x.shape[-2:]
    speeds = base ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.outer(torch.arange(n).double(), speeds).repeat_interleave(2, -1)
    return x * angles.cos().to(x.dtype) + quarter(x) * angles.sin().to(x.dtype)


# RIGHT: one dim × dim matrix for each position, the exponential of a skew matrix
def matrix_exponential(x, base=10000.0):
    n, dim = x.shape[-2:]
    G = torch.zeros(dim, dim, dtype=torch.float64)
    for i in range(0, dim, 2):
        G[i + 1, i], G[i, i + 1] = base ** (-i / dim), -(base ** (-i / dim))
    R = torch.linalg.matrix_exp(torch.arange(n).double()[:, None, None] * G)
    return (R @ x.double().unsqueeze(-1)).squeeze(-1).to(x.dtype)


# RIGHT: numpy makes the table, torch turns (gradients pass)
def numpy_table(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = np.arange(n)[:, None] / base ** (np.arange(0, dim, 2) / dim)
    cos = torch.from_numpy(np.cos(angles)).to(x)
    sin = torch.from_numpy(np.sin(angles)).to(x)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


# RIGHT: reordered to halves, turned there, and reordered back
def via_halves(x, base=10000.0):
    n, dim = x.shape[-2:]
    order = torch.cat([torch.arange(0, dim, 2), torch.arange(1, dim, 2)])
    angles = torch.arange(n, dtype=x.dtype)[:, None] / base ** (
        torch.arange(0, dim, 2, dtype=x.dtype) / dim
    )
    a, b = x[..., order].chunk(2, dim=-1)
    halves = torch.cat(
        [a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], dim=-1
    )
    return halves[..., order.argsort()]


# RIGHT: plain float32 angles whatever x is, as most tutorials do
def plain_float32_angles(x, base=10000.0):
    n, dim = x.shape[-2], x.shape[-1]
    theta = 1 / base ** (torch.arange(0, dim, 2) / dim)
    angles = torch.arange(n).unsqueeze(1) * theta
    even, odd = x[..., ::2], x[..., 1::2]
    out = torch.zeros_like(x)
    out[..., ::2] = even * torch.cos(angles) - odd * torch.sin(angles)
    out[..., 1::2] = even * torch.sin(angles) + odd * torch.cos(angles)
    return out


# RIGHT: step by step: everything from position p on is turned once more, by one position
def one_more_turn_for_the_rest(x, base=10000.0):
    n, dim = x.shape[-2:]
    w = base ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    a, b = x[..., 0::2].double(), x[..., 1::2].double()
    for p in range(1, n):
        here = (torch.arange(n) >= p)[:, None]
        a, b = (
            torch.where(here, a * w.cos() - b * w.sin(), a),
            torch.where(here, a * w.sin() + b * w.cos(), b),
        )
    return torch.stack([a, b], dim=-1).flatten(-2).to(x.dtype)


# RIGHT: polar coordinates: length and angle of each pair, the angle grows
def polar_coordinates(x, base=10000.0):
    n, dim = x.shape[-2:]
    a, b = x[..., 0::2].double(), x[..., 1::2].double()
    length, angle = torch.hypot(a, b), torch.atan2(b, a)
    angle = angle + torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2).double() / dim)
    return torch.stack([length * angle.cos(), length * angle.sin()], -1).flatten(-2).to(x.dtype)


# RIGHT: lambdas and a list of columns
def lambdas_and_columns(x, base=10000.0):
    n, dim = x.shape[-2:]
    angle = lambda i: torch.arange(n, dtype=x.dtype) / base ** (2 * i / dim)
    turn = lambda a, b, t: (a * t.cos() - b * t.sin(), a * t.sin() + b * t.cos())
    columns = [
        c for i in range(dim // 2) for c in turn(x[..., 2 * i], x[..., 2 * i + 1], angle(i))
    ]
    return torch.stack(columns, dim=-1)
