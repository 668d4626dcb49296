"""An exercise as a contributor writes one: what is right, what to try, and the mistakes that have a name."""

import torch

from attention_core.practice.exercise import Bug, Case, Exercise

halve = Exercise(
    "halve",
    ("half",),
    lambda x: x / 2,
    lambda: [Case("3 numbers", (torch.tensor([1.0, -2.0, 5.0]),)), Case("a table", (torch.eye(2),))],
    (
        Bug("doubled", "these are twice the numbers", "", (r"\*",), (lambda x: x * 2,)),
        Bug("floor", "each was rounded down", "`//` drops what is left over.", (r"//",), (lambda x: x // 2,)),
    ),
    "Checked: positive and negative numbers, and a table.",
)
