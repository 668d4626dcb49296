"""What every task has: sequences drawn from a seed, exact answers, batches that are the same again."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from attention_core._checks import check_whole, shape

IGNORE = -100  # the answer where none is determined; `cross_entropy` leaves it out by itself


@dataclass(frozen=True)
class Task:
    """Sequences `(batch, length)` of tokens from 0 to vocabulary − 1, each with an exact answer.

    A subclass says how a sequence is drawn, `sample`, and what its answer is, `solve`.
    """

    length: int = 8
    vocabulary: int = 10

    def __post_init__(self):
        self._keep_whole("length", 1)
        self._keep_whole("vocabulary", 2)

    def sample(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Random sequences `(batch_size, length)`."""
        return torch.randint(self.vocabulary, (batch_size, self.length), generator=generator)

    def solve(self, x: Tensor) -> Tensor:
        """The answers to `(batch, n)`, of the same shape; IGNORE where none is determined."""
        raise NotImplementedError

    def batches(self, steps: int, batch_size: int = 64, seed: int = 0) -> "Batches":
        """`steps` batches `(x, y)`, both `(batch_size, length)`; iterating again gives the same ones.

        Raises: ValueError for a negative number of steps, a batch below 1, or a seed that is none.
        """
        return Batches(self, steps, batch_size, seed)

    def _keep_whole(self, name: str, least: int) -> None:
        object.__setattr__(self, name, check_whole(name, getattr(self, name), least))  # it is frozen

    def _checked(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor) or x.is_floating_point() or x.ndim != 2:
            got = f"{shape(x)} of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"x must be whole numbers of shape (batch, n), got {got}")
        return x


class Batches:
    """The batches of a task: `len()` of them, the same each time they are iterated."""

    def __init__(self, task: Task, steps: int, batch_size: int, seed: int):
        self.task, self.steps = task, check_whole("steps", steps, 0)
        self.batch_size, self.seed = check_whole("batch_size", batch_size), check_whole("seed", seed, 0)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(self.steps):
            x = self.task.sample(self.batch_size, generator)  # (batch_size, length)
            yield x, self.task.solve(x)


def accuracy(logits: Tensor, y: Tensor) -> float:
    """The share of determined answers that the largest logit gets right, from 0 to 1.

    Args: logits: `(batch, n, vocabulary)`. y: `(batch, n)`, IGNORE where nothing is determined.
    Raises: ValueError if the shapes differ, or no answer is determined.
    """
    if logits.shape[:-1] != y.shape:
        raise ValueError(f"logits answer for {shape(logits)[:-1]} but y is {shape(y)}")
    determined = y != IGNORE
    if not determined.any():
        raise ValueError(f"none of the {y.numel()} answers is determined")
    return float((logits.argmax(-1) == y)[determined].float().mean())
