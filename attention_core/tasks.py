"""Toy tasks with exact solutions: what a tiny transformer can learn while one watches.

    task = Reverse(length=8)
    for x, y in task.batches(300, batch_size=64, seed=0):  # (64, 8) and (64, 8), whole numbers
        ...

The same seed gives the same batches, today and tomorrow, whatever else draws random numbers.
"""

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


class Reverse(Task):
    """Say the sequence backwards: 3 1 4 → 4 1 3. Where to look is a matter of position alone."""

    def solve(self, x: Tensor) -> Tensor:
        """`(batch, n)` → `(batch, n)`, each row backwards."""
        return self._checked(x).flip(-1)


class Sort(Task):
    """Put the sequence in order: 3 1 4 → 1 3 4. Where to look is a matter of what is written there."""

    def solve(self, x: Tensor) -> Tensor:
        """`(batch, n)` → `(batch, n)`, each row from small to large."""
        return self._checked(x).sort(dim=-1).values


@dataclass(frozen=True)
class Repeat(Task):
    """A few random tokens, again and again: 7 2 9 7 2 9 7 → what comes next?

    How many they are, from `shortest` to `longest`, changes from row to row, so that no fixed distance
    helps: one has to look up what came after this token the last time. No token is in the few twice.
    The answer is determined from the first repeated token on, and IGNORE before.

    Source: Olsson et al. 2022, "In-context Learning and Induction Heads": the same token sequences,
    there of one length.
    """

    length: int = 20
    vocabulary: int = 16
    shortest: int = 4
    longest: int = 10

    def __post_init__(self):
        super().__post_init__()
        self._keep_whole("shortest", 2)
        self._keep_whole("longest", self.shortest)
        if self.longest > self.vocabulary:
            raise ValueError(f"longest={self.longest} different tokens, but vocabulary={self.vocabulary}")
        if self.longest >= self.length:
            raise ValueError(f"longest={self.longest} leaves nothing to repeat within length={self.length}")

    def sample(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Random sequences `(batch_size, length)`, each with a period of its own."""
        drawn = torch.rand(batch_size, self.vocabulary, generator=generator, dtype=torch.float32)
        order = drawn.argsort(-1)  # distinct tokens
        period = torch.randint(self.shortest, self.longest + 1, (batch_size, 1), generator=generator)
        return order.gather(-1, torch.arange(self.length) % period)  # (batch_size, length)

    def solve(self, x: Tensor) -> Tensor:
        """What followed the last earlier copy of each token: `(batch, n)` → `(batch, n)`, or IGNORE."""
        n = self._checked(x).shape[-1]
        earlier = torch.ones(n, n, dtype=torch.bool).tril(-1)  # (n, n): key before query
        same = (x[:, :, None] == x[:, None, :]) & earlier  # (batch, n, n)
        last = (same * torch.arange(n)).amax(-1)  # (batch, n): where the last copy stands
        return x.gather(-1, last + 1 if n > 1 else last).where(same.any(-1), IGNORE)


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
