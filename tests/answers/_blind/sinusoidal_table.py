# ruff: noqa
# fmt: off
import math
import numpy as np
import torch


# WRONG: the exponent lacks its factor 2: pair i uses base^(i/dim)
# SHOWS: n=4, dim=8: columns 2 and 3 already turn too fast
def exponent_without_two(n, dim, base=10000.0):
    i = torch.arange(dim // 2)
    angles = torch.arange(n)[:, None] / base ** (i / dim)
    table = torch.zeros(n, dim)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()
    return table


# WRONG: j = 0, 2, 4 … is already 2i, and is doubled once more: base^(4i/dim)
# SHOWS: n=4, dim=8: column 2 turns too slowly
def exponent_doubled_twice(n, dim, base=10000.0):
    j = torch.arange(0, dim, 2)
    angles = torch.arange(n)[:, None] / base ** (2 * j / dim)
    table = torch.zeros(n, dim)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()
    return table


# WRONG: each column has a speed of its own, base^(j/dim) in column j: sine and cosine of a pair are no pair any more
# SHOWS: n=4, dim=4: column 1 is the cosine of another angle than column 0 is the sine of
def speed_for_each_column(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    for p in range(n):
        for j in range(dim):
            angle = p / base ** (j / dim)
            table[p, j] = math.sin(angle) if j % 2 == 0 else math.cos(angle)
    return table


# WRONG: like the loop "for i in range(0, dim, 2)" of tutorials: the cosine has the exponent 2(i+1)/dim of the next pair
# SHOWS: n=4, dim=4: odd columns are too slow, even columns are right
def cosine_of_the_next_pair(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    for p in range(n):
        for i in range(0, dim, 2):
            table[p, i] = math.sin(p / base ** (i / dim))
            table[p, i + 1] = math.cos(p / base ** ((i + 2) / dim))
    return table


# WRONG: sine and cosine swapped: cosine stands in the even columns
# SHOWS: n=1: row 0 is 1, 0, 1, 0 in place of 0, 1, 0, 1
def cosine_first(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    table = torch.empty(n, dim)
    table[:, 0::2], table[:, 1::2] = torch.cos(angles), torch.sin(angles)
    return table


# WRONG: all sines in the first half, all cosines in the second, instead of taking turns
# SHOWS: n=1, dim=4: row 0 is 0, 0, 1, 1
def sines_then_cosines(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


# WRONG: integer division in the exponent: 2i // dim is 0 for every pair, so all clocks run equally fast
# SHOWS: n=4, dim=8: all pairs of columns are the same
def integer_division(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    for p in range(n):
        for i in range(dim // 2):
            angle = p / base ** (2 * i // dim)
            table[p, 2 * i] = math.sin(angle)
            table[p, 2 * i + 1] = math.cos(angle)
    return table


# WRONG: the argument base is ignored, 10000 stands in the code
# SHOWS: n=4, dim=8, base=100
def base_ignored(n, dim, base=10000.0):
    div_term = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
    pos = torch.arange(n).unsqueeze(1)
    pe = torch.zeros(n, dim)
    pe[:, 0::2] = torch.sin(pos * div_term)
    pe[:, 1::2] = torch.cos(pos * div_term)
    return pe


# WRONG: positions are counted from 1
# SHOWS: n=1: row 0 is not 0, 1, 0, 1
def positions_from_one(n, dim, base=10000.0):
    pos = torch.arange(1, n + 1).unsqueeze(1)
    angles = pos / base ** (torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


# WRONG: times base^(2i/dim) in place of divided by it: the sign of the exponent
# SHOWS: n=4, dim=8: column 2 is sin(10 p), not sin(p / 10)
def multiplied_instead_of_divided(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] * base ** (torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


# WRONG: the table lies on its side as in the map: (dim, n)
# SHOWS: n=4, dim=8: the shape; n = dim: the values
def on_its_side(n, dim, base=10000.0):
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = omega[:, None] * torch.arange(n)
    return torch.stack([angles.sin(), angles.cos()], dim=1).reshape(dim, n)


# WRONG: the exponents run from 0 to 1 including the end, i / (dim/2 − 1), as in an old library
# SHOWS: n=4, dim=8: the last pair has 1/10000 exactly
def exponents_to_the_very_end(n, dim, base=10000.0):
    omega = base ** -torch.linspace(0, 1, dim // 2)
    angles = torch.outer(torch.arange(n).float(), omega)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


# WRONG: exp with the logarithm to base 10
# SHOWS: n=4, dim=8: all pairs but the first are too fast
def log_ten(n, dim, base=10000.0):
    omega = torch.exp(-torch.arange(0, dim, 2) / dim * math.log10(base))
    angles = torch.arange(n)[:, None] * omega
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


# WRONG: the angle is taken for degrees
# SHOWS: n=2: row 1 starts with sin(1°) = 0.017 in place of 0.84
def degrees(n, dim, base=10000.0):
    angles = torch.deg2rad(
        torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    )
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


# WRONG: a turn of 2π too many: base^(2i/dim) is taken for the wavelength
# SHOWS: n=2: row 1 starts with sin(2π) = 0
def power_taken_for_the_wavelength(n, dim, base=10000.0):
    wavelength = base ** (torch.arange(0, dim, 2) / dim)
    angles = 2 * torch.pi * torch.arange(n)[:, None] / wavelength
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


# WRONG: sines everywhere, the cosines are forgotten
# SHOWS: n=1: row 0 is all 0
def sines_only(n, dim, base=10000.0):
    i = torch.arange(dim) // 2
    return torch.sin(torch.arange(n)[:, None] / base ** (2 * i / dim))


# WRONG: 48 features are written into the exponent, as in the lesson's table
# SHOWS: n=4, dim=8; with dim=48 it is right
def forty_eight_in_the_exponent(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / 48)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


# WRONG: always 60 positions, as in the lesson: n is not used
# SHOWS: n=4: 60 rows
def sixty_rows(n, dim, base=10000.0):
    angles = torch.arange(60)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


# WRONG: a batch axis in front, from the nn.Module of a tutorial: (1, n, dim)
# SHOWS: n=4, dim=8: the shape
def batch_axis_in_front(n, dim, base=10000.0):
    pe = torch.zeros(n, dim)
    pos = torch.arange(0, n).unsqueeze(1)
    div = torch.exp(torch.arange(0, dim, 2) * -(math.log(base) / dim))
    pe[:, 0::2] = torch.sin(pos * div)
    pe[:, 1::2] = torch.cos(pos * div)
    return pe.unsqueeze(0)


# WRONG: the table is of whole numbers, so that every value is cut to −1, 0 or 1
# SHOWS: n=2, dim=4: row 1 is 0, 0, 0, 0
def whole_numbers(n, dim, base=10000.0):
    pos = torch.arange(n)
    table = torch.zeros((n, dim), dtype=pos.dtype)
    for i in range(dim // 2):
        table[:, 2 * i] = torch.sin(pos / base ** (2 * i / dim))
        table[:, 2 * i + 1] = torch.cos(pos / base ** (2 * i / dim))
    return table


# WRONG: the exponent is divided by n, the number of positions, not by dim
# SHOWS: n=4, dim=8; with n = dim it is right
def divided_by_n(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / n)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


# WRONG: positions are shares of the length, p / n
# SHOWS: n=4: row 1 starts with sin(1/4)
def positions_between_0_and_1(n, dim, base=10000.0):
    pos = torch.linspace(0, 1, n + 1)[:-1, None]
    angles = pos / base ** (torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


# WRONG: the cosine is read from columns that were overwritten by the sine: cos(sin(angle))
# SHOWS: n=2, dim=4: column 1 of row 1 is cos(0.84); row 0 is right
def cosine_of_the_sine(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    table[:, 0::2] = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    table[:, 0::2] = torch.sin(table[:, 0::2])
    table[:, 1::2] = torch.cos(table[:, 0::2])
    return table


# WRONG: the loop over positions ends one too early; the last row stays 0
# SHOWS: n=4: row 3 is all 0
def last_row_missed(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    for p in range(n - 1):
        table[p, 0::2] = torch.sin(p * omega)
        table[p, 1::2] = torch.cos(p * omega)
    return table


# WRONG: the loop over pairs ends one too early; the last pair stays 0
# SHOWS: n=4, dim=8: columns 6 and 7 are 0
def last_pair_missed(n, dim, base=10000.0):
    pos, table = torch.arange(n), torch.zeros(n, dim)
    for i in range(dim // 2 - 1):
        table[:, 2 * i] = torch.sin(pos / base ** (2 * i / dim))
        table[:, 2 * i + 1] = torch.cos(pos / base ** (2 * i / dim))
    return table


# WRONG: the values are right, but it is a list of lists, no tensor
# SHOWS: any input: no shape, cannot be added to words
def list_of_lists(n, dim, base=10000.0):
    rows = []
    for p in range(n):
        row = []
        for i in range(dim // 2):
            row += [math.sin(p / base ** (2 * i / dim)), math.cos(p / base ** (2 * i / dim))]
        rows.append(row)
    return rows


# WRONG: computed in half precision "to save memory": angles are off by hundredths
# SHOWS: n=60, dim=48: late rows are off in the second digit
def half_precision(n, dim, base=10000.0):
    pos = torch.arange(n, dtype=torch.float16)[:, None]
    omega = (base ** (-torch.arange(0, dim, 2) / dim)).half()
    angles = pos * omega
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).float()


_tables = {}


# WRONG: tables are kept for later, but under (n, dim) only: a second base gets the table of the first
# SHOWS: (4, 8), and then (4, 8, base=100)
def remembered_without_base(n, dim, base=10000.0):
    if (n, dim) not in _tables:
        angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
        table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        _tables[n, dim] = table
    return _tables[n, dim]


# WRONG: the clocks stand in the wrong order, from slow to fast
# SHOWS: n=4, dim=4: the fast pair is in columns 2 and 3
def slow_clocks_first(n, dim, base=10000.0):
    omega = (base ** (-torch.arange(0, dim, 2) / dim)).flip(0)
    angles = torch.outer(torch.arange(n).float(), omega)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


# WRONG: pairs are counted from 1: the first clock already has base^(−2/dim)
# SHOWS: n=2, dim=4: row 1 starts with sin(1/100)
def pairs_from_one(n, dim, base=10000.0):
    i = torch.arange(1, dim // 2 + 1)
    angles = torch.arange(n)[:, None] / base ** (2 * i / dim)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


# WRONG: sine and cosine are put together along the wrong axis before reshaping: row p holds values of several positions
# SHOWS: n=4, dim=4; the shape is right
def stacked_along_the_positions(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], dim=0).reshape(n, dim)


# RIGHT: two plain loops with the math module
def two_loops(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    for p in range(n):
        for i in range(dim // 2):
            angle = p / base ** (2 * i / dim)
            table[p, 2 * i] = math.sin(angle)
            table[p, 2 * i + 1] = math.cos(angle)
    return table


# RIGHT: exp and log, as in the well-known tutorial
def exp_and_log(n, dim, base=10000.0):
    pe = torch.zeros(n, dim)
    position = torch.arange(0, n, dtype=torch.float).unsqueeze(1)
    div_term = torch.exp(torch.arange(0, dim, 2).float() * (-math.log(base) / dim))
    pe[:, 0::2] = torch.sin(position * div_term)
    pe[:, 1::2] = torch.cos(position * div_term)
    return pe


# RIGHT: outer product, stack and flatten
def stack_and_flatten(n, dim, base=10000.0):
    angles = torch.outer(torch.arange(n).float(), base ** (-torch.arange(0, dim, 2) / dim))
    return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(start_dim=1)


# RIGHT: complex numbers: e^(i angle), real and imaginary part swapped
def complex_clock(n, dim, base=10000.0):
    angles = torch.arange(n)[:, None] / base ** (torch.arange(0, dim, 2) / dim)
    hands = torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(hands).flip(-1).reshape(n, dim)


# RIGHT: numpy inside, float64, a float32 tensor at the end
def numpy_inside(n, dim, base=10000.0):
    angles = np.arange(n)[:, None] / np.power(base, np.arange(0, dim, 2) / dim)
    table = np.empty((n, dim))
    table[:, ::2], table[:, 1::2] = np.sin(angles), np.cos(angles)
    return torch.from_numpy(table).float()


# RIGHT: a float64 table, as the library makes it on request
def double_all_the_way(n, dim, base=10000.0):
    pos = torch.arange(n, dtype=torch.float64)
    i = torch.arange(dim // 2, dtype=torch.float64)
    angles = pos[:, None] / base ** (2 * i / dim)
    table = torch.zeros(n, dim, dtype=torch.float64)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()
    return table


# RIGHT: one sine for all columns, the cosine is a sine a quarter of a turn ahead
def sine_with_phase(n, dim, base=10000.0):
    j = torch.arange(dim)
    pair, phase = j // 2, (j % 2) * (torch.pi / 2)
    return torch.sin(torch.arange(n)[:, None] / base ** (2 * pair / dim) + phase)


# RIGHT: a row is the row before, turned by one step (float64 inside)
def one_turn_after_the_other(n, dim, base=10000.0):
    omega = base ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    s, c = torch.zeros(dim // 2).double(), torch.ones(dim // 2).double()
    rows = []
    for _ in range(n):
        rows.append(torch.stack([s, c], dim=1).reshape(-1))
        s, c = s * omega.cos() + c * omega.sin(), c * omega.cos() - s * omega.sin()
    return torch.stack(rows).float()


# RIGHT: repeat_interleave, and torch.where chooses between sine and cosine
def where_even(n, dim, base=10000.0):
    omega = torch.pow(base, -torch.arange(0, dim, 2) / dim).repeat_interleave(2)
    angles = torch.einsum("p,j->pj", torch.arange(n, dtype=torch.float32), omega)
    return torch.where(torch.arange(dim) % 2 == 0, angles.sin(), angles.cos())


# RIGHT: a lambda for one number and nested lists, made a tensor at the end
def nested_lists_and_lambda(n, dim, base=10000.0):
    entry = lambda p, j: (math.cos if j % 2 else math.sin)(p / base ** ((j - j % 2) / dim))
    return torch.tensor([[entry(p, j) for j in range(dim)] for p in range(n)])


# RIGHT: halves first, then put in order by view and transpose
def halves_then_shuffled(n, dim, base=10000.0):
    angles = torch.arange(n).unsqueeze(-1) * torch.pow(base, -torch.arange(0, dim, 2) / dim)
    halves = torch.cat([angles.sin(), angles.cos()], dim=-1)
    return halves.view(n, 2, dim // 2).transpose(1, 2).contiguous().view(n, dim)


# RIGHT: the base is powered step by step, a column pair at a time
def running_frequency(n, dim, base=10000.0):
    pos, columns = torch.arange(n, dtype=torch.float64), []
    step, omega = base ** (-2 / dim), 1.0
    for _ in range(dim // 2):
        columns += [torch.sin(pos * omega), torch.cos(pos * omega)]
        omega *= step
    return torch.stack(columns, dim=1).to(torch.float32)
