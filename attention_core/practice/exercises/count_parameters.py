"""How many parameters multi-head attention has."""

from collections.abc import Callable

import torch
from torch import Tensor

from attention_core._saying import a
from attention_core.practice.exercise import Bug, Case, Exercise, Stop


def _counted(answer: Callable) -> Callable:
    """The answer as a function to a tensor, which is what exercises compare."""

    def count(dim: int, num_heads: int) -> Tensor:
        number = answer(dim, num_heads)
        if number is None or number is ...:
            return number
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise Stop("wrong", "it should return a number; it returned {thing}", thing=a(number))
        return torch.tensor([float(number)])

    return count


count_parameters = Exercise(
    "counting parameters",
    ("parameters",),
    _counted(lambda dim, heads: 4 * dim**2 + 4 * dim),
    lambda: [
        Case("dim 4 and 2 heads", (4, 2)),
        Case("dim 64 and 8 heads", (64, 8)),
        Case("dim 12 and 1 head", (12, 1)),
    ],
    (
        Bug(
            "no-biases",
            "the biases are missing: each of the four projections adds dim numbers",
            "",
            (r"return",),
            (_counted(lambda dim, heads: 4 * dim**2),),
        ),
        Bug(
            "no-output-projection",
            "one projection is missing: there are query, key, value, and output",
            "",
            (r"return",),
            (_counted(lambda dim, heads: 3 * dim**2 + 3 * dim), _counted(lambda dim, heads: 3 * dim**2)),
        ),
        Bug(
            "times-heads",
            "it grows with the number of heads; the heads share the same four matrices",
            "Each head has dim / num_heads columns of them.",
            (r"num_heads|heads", r"return"),
            (
                _counted(lambda dim, heads: heads * (4 * dim**2 + 4 * dim)),
                _counted(lambda dim, heads: heads * 3 * (dim**2 + dim) + dim**2 + dim),
            ),
        ),
        Bug(
            "per-head",
            "it is the share of one head; all heads together fill the whole matrices",
            "",
            (r"num_heads|heads", r"return"),
            (_counted(lambda dim, heads: (4 * dim**2 + 4 * dim) // heads),),
        ),
    ),
    "Checked: three widths, with 1, 2 and 8 heads.",
    prepare=lambda answer: [(_counted(answer), ())],
)
