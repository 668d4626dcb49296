"""Digits to say again, backwards, or in order; and a few tokens that repeat."""

from dataclasses import dataclass

import torch
from torch import Tensor

from attention_core._checks import check_whole
from attention_core.tasks.task import IGNORE, Task


@dataclass(frozen=True)
class Copy(Task):
    """Say the sequence as it is: 3 1 4 → 3 1 4. Easy to look up, hard to remember.

    With `shortest` each batch has a length of its own, from `shortest` to `length`.
    """

    shortest: int | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.shortest is not None:
            object.__setattr__(self, "shortest", check_whole("shortest", self.shortest, 1, self.length))

    def sample(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Random sequences `(batch_size, n)`, all of one length."""
        n = self.length
        if self.shortest is not None:
            n = int(torch.randint(self.shortest, n + 1, (), generator=generator))
        return torch.randint(self.vocabulary, (batch_size, n), generator=generator)

    def solve(self, x: Tensor) -> Tensor:
        """`(batch, n)` → the same."""
        return self._checked(x).clone()


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
