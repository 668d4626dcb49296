"""How many parameters multi-head attention has."""

import numbers
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attention_core._saying import a
from attention_core.practice.exercise import Bug, Case, Exercise, Stop, Trial
from attention_core.practice.source import line_to_look_at
from attention_core.probes import Verdict

# the line of a formula of nothing but the arguments, so that no other line can have made the wrong number
_FORMULA = r"^return\b(?:\s|[\d()+*/^-]|\b(?:dim|num_heads)\b)+$"
_OF_HEADS = r"^return\b(?:\s|[\d()+*/^-]|\b(?:dim|num_heads|d_k)\b)+$"
_HUGE = "it returned a number of more than 300 digits"
_SEVERAL = "it returned {n} numbers; it should return one, of all parameters together"


def _counted(answer: Callable, of: Callable | None = None) -> Callable:
    """The answer as a function to a tensor, which is what exercises compare. of: what the learner wrote."""

    def count(dim: int, num_heads: int) -> Tensor:
        number = answer(dim, num_heads)
        if number is None or number is ...:
            return number
        if getattr(number, "shape", None) == () and hasattr(number, "item"):
            number = number.item()  # NumPy's, or a tensor without axes
        if isinstance(number, tuple | list) and len(number) > 1 and all(map(_is_number, number)):
            raise Stop(
                "wrong", _SEVERAL, bug="several-numbers", where=_line(of, r"^return\b.*,"), n=len(number)
            )
        if not _is_number(number):
            say = "it should return a number; it returned {thing}"
            raise Stop("wrong", say, where=_line(of, r"^return\s+f?[\"']"), thing=a(number))
        try:
            return torch.tensor([float(number)], dtype=torch.float64)
        except OverflowError:
            raise Stop("wrong", _HUGE) from None

    return count


def _line(of: Callable | None, pattern: str) -> tuple[int, str] | None:
    return line_to_look_at(of, pattern) if of else None


def _is_number(x) -> bool:
    return isinstance(x, numbers.Real) and not isinstance(x, bool)


def _about_count(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Of a number: does it follow the width, and only that?"""
    found = {t.case.inputs: f"{float(t.got):.12g}" for t in trials if t.got.isfinite()}
    if len(set(found.values())) == 1 and len(found) > 1:
        yield Verdict(
            "grows with dim", False, f"it is {next(iter(found.values()))} for each dim that was tried"
        )
    few, many = found.get((64, 2)), found.get((64, 8))
    if few and many and few != many:
        said = f"for dim 64 it is {few} with 2 heads and {many} with 8"
        yield Verdict("the same for any number of heads", False, said)


def _bug(name: str, words: str, *formulas: Callable, why: str = "", look_at: str = _FORMULA) -> Bug:
    """A mistake by its formulas, of dim and the number of heads."""
    return Bug(name, words, why, (look_at,), tuple(map(_counted, formulas)))


_BUGS = (
    _bug(
        "no-biases",
        "the biases are missing: each of the four projections adds dim numbers",
        lambda d, h: 4 * d**2,
    ),
    _bug(
        "some-biases-missing",
        "biases are missing: each of the four projections adds dim numbers",
        *(lambda d, h, n=n: 4 * d**2 + n * d for n in (1, 2, 3)),
    ),
    _bug(
        "no-output-projection",
        "one projection is missing: there are query, key, value, and output",
        *(lambda d, h, n=n: 3 * d**2 + n * d for n in (3, 0, 1, 4)),
    ),
    _bug(
        "too-few-projections",
        "projections are missing: there are four, for query, key, value, and output",
        *(lambda d, h, n=n: n * (d**2 + d) for n in (1, 2)),
        *(lambda d, h, n=n: n * d**2 for n in (1, 2)),
    ),
    _bug(
        "too-many-projections",
        "too many projections are counted: there are four, for query, key, value, and output",
        *(lambda d, h, n=n: n * (d**2 + d) for n in (5, 6)),
        *(lambda d, h, n=n: n * d**2 for n in (5, 6)),
    ),
    _bug(
        "times-heads",
        "it grows with the number of heads; the heads share the same four matrices",
        lambda d, h: h * (4 * d**2 + 4 * d),
        lambda d, h: h * 4 * d**2,
        lambda d, h: h * 4 * d**2 + 4 * d,
        lambda d, h: h * 3 * (d**2 + d) + d**2 + d,
        lambda d, h: h * 3 * d**2 + d**2,
        lambda d, h: h * 3 * (d**2 + d),
        lambda d, h: h * 3 * d**2,
        lambda d, h: 3 * (d**2 + d) + h * d**2 + d,
        lambda d, h: 3 * d**2 + h * d**2,
        lambda d, h: h * 3 * (d**2 + d) + h * d**2 + d,
        why="Each head has dim / num_heads columns of them.",
        look_at=_OF_HEADS,
    ),
    _bug(
        "biases-for-each-head",
        "the biases are counted once for each head; the heads share them",
        *(lambda d, h, n=n: 4 * d**2 + n * d * h + (4 - n) * d for n in (4, 3)),
        lambda d, h: 4 * d**2 + d * h,
        look_at=_OF_HEADS,
    ),
    _bug(
        "per-head",
        "matrices are counted too small; all heads together fill four of dim × dim",
        *(
            lambda d, h, n=n: (4 * d**2 + n * d) // h for n in (4, 0)
        ),  # 4 · dim · d_k, or 4 · num_heads · d_k²
        *(lambda d, h, n=n: (3 * d**2 + n * d) // h for n in (3, 0)),
        *(lambda d, h, n=n: 4 * d**2 // h + n * d for n in (4, 3, 1)),
        *(lambda d, h, n=n: 3 * d**2 // h + n * d for n in (3, 1)),
        *(lambda d, h, n=n: 3 * d**2 // h + d**2 + n * d for n in (4, 0, 1, 3)),
        lambda d, h: 3 * (d**2 + d) // h + d**2 + d,
        *(lambda d, h, n=n: n * ((d // h) ** 2 + d // h) for n in (4, 3)),
        *(lambda d, h, n=n: n * (d // h) ** 2 for n in (4, 3)),
        lambda d, h: 4 * (d // h) ** 2 + 4 * d,
        lambda d, h: 3 * ((d // h) ** 2 + d // h) + d**2 + d,
        why="A head reads whole words into d_k features: dim · d_k numbers, num_heads times.",
        look_at=_OF_HEADS,
    ),
    _bug(
        "bias-of-one-number",
        "a bias is counted as one number; it has one for each of the dim features",
        lambda d, h: 4 * (d**2 + 1),
        lambda d, h: 4 * d**2 + 1,
    ),
    _bug(
        "bias-of-one-head",
        "a bias is counted with dim / num_heads numbers; it has dim, for all heads together",
        *(lambda d, h, n=n: 4 * d**2 + n * (d // h) + (4 - n) * d for n in (4, 3)),
        lambda d, h: 4 * d**2 + d // h,
        look_at=_OF_HEADS,
    ),
    _bug(
        "bias-on-both-sides",
        "a row and a column are added; a bias is one row: a projection has dim · (dim + 1) numbers",
        lambda d, h: 4 * (d + 1) ** 2,
        lambda d, h: 3 * (d + 1) ** 2,
    ),
    _bug(
        "plus-for-times",
        "4 and dim are added up; four biases of dim numbers each are 4 · dim",
        lambda d, h: 4 * d**2 + 4 + d,
    ),
    _bug(
        "exclusive-or",
        "^ is no power in Python, but “exclusive or”; the square of dim is dim**2",
        lambda d, h: 4 * (d ^ 2) + 4 * d,
        lambda d, h: 4 * d ^ 2 + 4 * d,
        lambda d, h: (4 * d ^ 2) + 4 * d,
        lambda d, h: 4 * ((d ^ 2) + d),
        lambda d, h: 4 * (d ^ 2 + d),
        lambda d, h: 4 * (d ^ 2),
        lambda d, h: 4 * d ^ 2,
    ),
    _bug(
        "doubled",
        "dim is doubled where it should be squared: a matrix has dim**2 numbers, dim times dim",
        lambda d, h: 4 * 2 * d + 4 * d,
        lambda d, h: 4 * 2 * d,
    ),
    _bug(
        "4-squared",
        "4 is squared, too: the four matrices have 4 · dim² numbers, not (4 · dim)²",
        lambda d, h: (4 * d) ** 2 + 4 * d,
        lambda d, h: (4 * d) ** 2,
    ),
    _bug(
        "biases-only",
        "only the biases are counted; a matrix of dim × dim belongs to each",
        lambda d, h: 4 * d,
    ),
    _bug(
        "width-built-in",
        "it is the number for dim 64 each time; it should follow the dim that is given",
        lambda d, h: 4 * (64**2 + 64),
        lambda d, h: 4 * 64**2,
        look_at=r"\b64\b",
    ),
    _bug(
        "tensors-counted",
        "it is how many matrices and biases there are; it should be how many numbers they hold",
        lambda d, h: 8,
        lambda d, h: 4,
        look_at=r"^return [48]$",
    ),
)

count_parameters = Exercise(
    "counting parameters",
    ("parameters",),
    _counted(lambda dim, heads: 4 * dim**2 + 4 * dim),
    lambda: [
        Case("dim 4 and 2 heads", (4, 2)),
        Case("dim 64 and 8 heads", (64, 8)),
        Case("dim 12 and 1 head", (12, 1)),
        Case("dim 6 and 3 heads", (6, 3)),
        Case("dim 64 and 2 heads", (64, 2)),
    ],
    _BUGS,
    "Checked: four widths, with 1, 2, 3 and 8 heads.",
    prepare=lambda answer: [(_counted(answer, of=answer), ())],
    explain=_about_count,
)
