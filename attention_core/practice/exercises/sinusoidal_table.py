"""The table of sinusoids."""

from collections.abc import Iterator

import torch
from torch import Tensor

from attention_core._saying import number
from attention_core.agreement import rounding
from attention_core.positional_encoding import sinusoidal_table as our_table
from attention_core.practice.clocks import (
    angles_of,
    bugs_of_angles,
    changed,
    halves,
    in_turn,
    stacked_first,
)
from attention_core.practice.exercise import Bug, Case, Exercise, Trial, same
from attention_core.probes import Verdict

_LAYOUT = (r"0::2|1::2|stack|cat\(", r"flatten|reshape|view")
_FAR = rounding(torch.float32, size=5001)  # an angle in float32 is off by as many units as it has turns
_LENGTHS = (10, 12, 16, 50, 60, 64, 100, 128, 512, 1000, 1024, 2048, 5000)  # that somebody may have written


def _cases() -> list[Case]:
    last = "It takes base as its last argument."
    return [
        Case("4 positions of 4 features", (4, 4)),
        Case("7 positions of 12 features", (7, 12)),
        Case("1 position of 8 features", (1, 8)),
        Case("5 positions of 6 features, and base 100", (5, 6, 100.0), 1, last),
        Case("5 positions of 6 features, after a call with base 100", (5, 6), 2),
        Case(
            "5001 positions of 2 features", (5001, 2), 3, "There may be any number of positions.", near=_FAR
        ),
    ]


def _table(n: int, dim: int, base: float = 10000.0, *, layout=in_turn, **changes) -> Tensor:
    angles = angles_of(n, dim, base, **changes)
    sin, cos = angles.sin(), angles.cos()
    return layout(sin, cos)


def _each_its_own(n: int, dim: int, base: float = 10000.0, *, exponent=None, alike=None) -> Tensor:
    """Each column with an exponent of its own. alike: the function of all columns, if they have one."""
    j = torch.arange(dim, dtype=torch.float64)
    share = (j if exponent is None else exponent(j)) / dim
    omega = float(base) ** -share
    angles = torch.arange(n, dtype=torch.float64)[:, None] * omega
    if alike is not None:
        return alike(angles).float()
    return torch.where(torch.arange(dim) % 2 == 0, angles.sin(), angles.cos()).float()


def _pair(j: Tensor) -> Tensor:
    return j - j % 2  # 2i


def _cosine_of_the_sine(n: int, dim: int, base: float = 10000.0) -> Tensor:
    sin = angles_of(n, dim, base).sin()
    cos = sin.cos()
    return in_turn(sin, cos)


def _sine_divided(n: int, dim: int, base: float = 10000.0) -> Tensor:
    places = torch.arange(n, dtype=torch.float64)[:, None]
    power = float(base) ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    sin, cos = places.sin() / power, places.cos() / power
    return in_turn(sin, cos)


def _but(n: int, dim: int, base: float = 10000.0, *, rows=slice(None), columns=slice(None)) -> Tensor:
    table = our_table(n, dim, base)
    table[rows, columns] = 0
    return table


def _about_columns(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Whether each pair is a sine and a cosine of one angle; whether one kind of column is right alone."""
    trial = next(t for t in trials if not t.right)
    got, wanted = trial.got.detach().double(), trial.expected[0].double()
    if not got.isfinite().all() or got.shape[-1] % 2:
        return
    lengths = (got[:, 0::2] ** 2 + got[:, 1::2] ** 2).sqrt()
    off = (lengths - 1).abs() > 1e-2
    if off.any():
        p, i = off.nonzero()[0].tolist()
        said = f"here row {p}, columns {2 * i} and {2 * i + 1}: the root is {number(lengths[p, i])}"
        yield Verdict("sin² + cos² is 1", False, said)
    alike = [same(got[:, k::2], wanted[:, k::2], trial.case.near) for k in (0, 1)]
    if any(alike):
        good, bad = ("even", "odd") if alike[0] else ("odd", "even")
        said = f"here all {good} columns are right, and not all of the others"
        yield Verdict(f"the {bad} columns", False, said)


sinusoidal_table = Exercise(
    "sinusoidal table",
    ("table",),
    _table,
    _cases,
    (
        Bug(
            "concatenated",
            "all sines stand together, and all cosines; they should take turns",
            "The same numbers in another order; weights made for one order read noise in the other.",
            _LAYOUT,
            (changed(_table, layout=halves), changed(_table, layout=lambda sin, cos: halves(cos, sin))),
            sure=(r"\[.*, *: *\w.*\] *=",),
        ),
        Bug(
            "cosine-first",
            "cosines stand in the even columns; sines should",
            "",
            _LAYOUT,
            (changed(_table, layout=lambda sin, cos: in_turn(cos, sin)),),
            sure=(r"\b0?::2\] *=.*cos",),
        ),
        Bug(
            "joined-along-the-rows",
            "sines and cosines are joined along the wrong axis, so a row holds those of other positions",
            "torch.stack((sin, cos), dim=-1).flatten(-2) lets them take turns in each row.",
            (r"stack|cat\(", r"reshape|view"),
            (changed(_table, layout=stacked_first),),
        ),
        Bug(
            "on-its-side",
            "the table lies on its side: each position should have a row, and each feature a column",
            "",
            (),
            (lambda n, dim, base=10000.0: our_table(n, dim, base).T,),
        ),
        Bug(
            "one-kind",
            "sines and cosines should take turns; here all columns are sines, or all are cosines",
            "",
            (),
            tuple(
                changed(_each_its_own, exponent=exponent, alike=alike)
                for exponent in (_pair, None)
                for alike in (torch.sin, torch.cos)
            ),
        ),
        Bug(
            "cosine-of-the-sine",
            "odd columns are cosines of the sines beside them; they should be cosines of the angles",
            "",
            (r"cos",),
            (_cosine_of_the_sine,),
        ),
        Bug(
            "sine-divided",
            "sine and cosine are divided by base^(2i/dim); the position should be, inside of them",
            "",
            (),
            (_sine_divided,),
        ),
        *bugs_of_angles(_table),
        Bug(
            "no-pairs",
            "every column has a frequency of its own; a sine and its cosine should share one",
            "Only with the same frequency are the two the hand of one clock, and a step one turn.",
            (r"range\( *dim *\)", r"\*\*|pow\(|exp\("),
            (_each_its_own, changed(_each_its_own, exponent=lambda j: 2 * j)),
        ),
        Bug(
            "cosine-apart",
            "a cosine has another exponent than the sine before it; as a pair the two should share one",
            "",
            (r"cos",),
            (
                changed(_each_its_own, exponent=lambda j: j + j % 2),  # that of the next pair
                changed(_each_its_own, exponent=lambda j: 2 * _pair(j) + 4 * (j % 2)),
            ),
        ),
        Bug(
            "whole-numbers",
            "the table holds whole numbers, so what stands after the point is lost",
            "torch.zeros(n, dim) makes a table that can hold sines.",
            (r"int|long|dtype", r"zeros|empty|full"),
            (
                lambda n, dim, base=10000.0: our_table(n, dim, base).trunc(),
                lambda n, dim, base=10000.0: _table(n, dim, base, layout=in_turn).double().trunc(),
            ),
            sure=(r"(zeros|empty|full)\(.*dtype|(zeros|empty|full)_like|\.(int|long)\(\)",),
        ),
        Bug(
            "last-row-left-out",
            "the last row is not filled; there are n",
            "",
            (r"range\(.*-\s*1",),
            (changed(_but, rows=slice(-1, None)),),
            sure=(r"in range\( *n *- *1 *\)",),
        ),
        Bug(
            "last-pair-left-out",
            "the last two columns are not filled; there are dim/2 pairs",
            "",
            (r"range\(.*-\s*1",),
            (changed(_but, columns=slice(-2, None)),),
            sure=(r"in range\(.*- *[12](, *2)? *\)",),
        ),
        Bug(
            "odd-columns-left-out",
            "the odd columns are not filled; they should hold the cosines",
            "",
            (),
            (changed(_but, columns=slice(1, None, 2)),),
        ),
        Bug(
            "an-axis-too-many",
            "an axis too many stands in front; the table is (n, dim)",
            "",
            (r"unsqueeze|None|\[\s*None|view|reshape", r"return"),
            (
                lambda n, dim, base=10000.0: our_table(n, dim, base)[None],
                lambda n, dim, base=10000.0: our_table(n, dim, base)[None, None],
            ),
        ),
        Bug(
            "half-the-columns",
            "half of the columns are missing: each pair i has two, a sine and its cosine",
            "",
            (),
            (
                changed(_table, layout=lambda sin, cos: sin.float()),
                changed(_table, layout=lambda sin, cos: cos.float()),
            ),
        ),
        Bug(
            "one-row-too-few",
            "there is one row too few; there are n positions, from 0 to n − 1",
            "",
            (r"n\s*-\s*1",),
            (lambda n, dim, base=10000.0: _table(n - 1, dim, base),),
        ),
        Bug(
            "one-row-too-many",
            "there is one row too many; there are n positions, from 0 to n − 1",
            "",
            (r"n\s*\+\s*1",),
            (lambda n, dim, base=10000.0: _table(n + 1, dim, base),),
        ),
        Bug(
            "squeezed",
            "axes of size 1 are squeezed away; for one position the table is (1, dim), too",
            "",
            (r"squeeze",),
            (lambda n, dim, base=10000.0: our_table(n, dim, base).squeeze(),),
        ),
        Bug(
            "always-as-many",
            "there are always equally many rows, whatever n is; there should be n",
            "",
            (),
            tuple((lambda n, dim, base=10000.0, k=k: _table(k, dim, base)) for k in _LENGTHS),
        ),
        Bug(
            "base-ignored",
            "base is taken as 10000 whatever is given",
            "",
            (r"10_?000|1e4",),
            (lambda n, dim, base=10000.0: our_table(n, dim),),
        ),
        Bug(
            "base-remembered",
            "the base of an earlier call is used again; what is kept must be kept by its base, too",
            "",
            (),
            (lambda n, dim, base=10000.0: our_table(n, dim, 100.0 if (n, dim) == (5, 6) else base),),
        ),
    ),
    "Checked: sines and cosines taking turns, the frequency of each pair, another base, and 5001 positions.",
    explain=_about_columns,
)
