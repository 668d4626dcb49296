"""A corridor: what is seen in its first step must be remembered until its last."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from attention_core._checks import check_whole
from attention_core.worlds.pixels import CELL, FLOOR, GOLD, INK, LINE, Canvas
from attention_core.worlds.world import States, World, check_numbers, check_shape

_CUE = "#0072b2"  # Okabe and Ito's blue, which the colour-blind tell from the rest


@dataclass(frozen=True, eq=False, repr=False)
class Corridors(States):
    """A batch of corridors, all at the same step. In step 0 a cue says which of two arms pays, left or right;
    then come `length` steps of noise, then the junction, where to act is to choose an arm. Before it, any
    action walks on. The arm that pays gives 1, the other 0.

    pays: `(batch,)`, 0 for the left arm and 1 for the right. noise: `(batch, length)`, from 0 to 1, what is
    seen in steps 1 to length. cues: the steps in which the cue is seen, instead of noise. position: the step
    now, from 0 to length + 1, the junction. chosen: `(batch,)`, the arm, or −1 before the choice.

    Raises: ValueError for other shapes or numbers.

    Source: Bakker 2001, "Reinforcement Learning with Long Short-Term Memory", section 5.1, the T-maze.
    """

    pays: Tensor
    noise: Tensor
    cues: tuple[int, ...] = (0,)
    position: int = 0
    chosen: Tensor | None = None

    num_actions: ClassVar[int] = 2  # left, right
    features: ClassVar[int] = 4  # the left arm pays, the right arm pays, here is the junction, noise

    def __post_init__(self):
        check_numbers("pays", self.pays, ("batch",), 1)
        if not isinstance(self.noise, Tensor) or self.noise.dtype != torch.float32:
            got = self.noise.dtype if isinstance(self.noise, Tensor) else type(self.noise).__name__
            raise ValueError(f"noise must be a tensor of torch.float32, got {got}")
        check_shape("noise", self.noise, (len(self.pays), "length"))
        check_whole("length", self.length)
        if not bool(((self.noise >= 0) & (self.noise <= 1)).all()):
            span = f"{float(self.noise.min()):g} to {float(self.noise.max()):g}"
            raise ValueError(f"noise must be from 0 to 1, got {span}")
        self._keep(cues=_cue_steps(self.cues, self.length))
        self._keep(position=check_whole("position", self.position, 0, self.length + 1))
        if self.chosen is None:
            self._keep(chosen=torch.full_like(self.pays, -1))
        check_numbers("chosen", self.chosen, (len(self.pays),), 1, least=-1)
        if self.position <= self.length and bool((self.chosen >= 0).any()):
            raise ValueError(
                f"an arm is chosen at the junction, which is step {self.length + 1}, but this is step "
                f"{self.position}"
            )

    def _keep(self, **value) -> None:
        for name, x in value.items():
            object.__setattr__(self, name, x)  # it is frozen

    def __repr__(self) -> str:
        said = f"{len(self)} of length={self.length}, cues={self.cues}, position={self.position}"
        if len(self) == 1:
            said += f", pays={int(self.pays)}, chosen={int(self.chosen)}"
        return f"Corridors({said})"

    def __len__(self) -> int:
        return len(self.pays)

    @classmethod
    def sample(
        cls,
        batch_size: int,
        length: int = 10,
        *,
        cues: Sequence[int] = (0,),
        noise: bool = True,
        generator: torch.Generator | None = None,
    ) -> Self:
        """Random corridors, at their first step. cues: the steps that show the cue. noise: False for zeros.

        The same seed gives the same arms, with noise or without. Raises: ValueError for a length below 1, or
        cues beyond the corridor.
        """
        batch_size, length = check_whole("batch_size", batch_size), check_whole("length", length)
        pays = torch.randint(2, (batch_size,), generator=generator)
        seen = torch.rand(batch_size, length, generator=generator, dtype=torch.float32)
        return cls(pays, seen if noise else torch.zeros_like(seen), tuple(cues))

    @property
    def length(self) -> int:
        """Steps between the cue and the junction."""
        return self.noise.shape[-1]

    @property
    def episode(self) -> Tensor:
        """All that will be seen, whatever is done: `(batch, length + 2, 4)`, from 0 to 1.

        The four features: the left arm pays, the right arm pays, here is the junction, noise.
        """
        seen = self.noise.new_zeros(len(self), self.length + 2, self.features)
        seen[:, 1:-1, 3] = self.noise
        for step in self.cues:
            seen[:, step, :2] = torch.eye(2)[self.pays]
            seen[:, step, 3] = 0
        seen[:, -1, 2] = 1
        return seen

    @property
    def past(self) -> Tensor:
        """What was seen until now, and now, `(batch, position + 1, 4)`."""
        return self.episode[:, : self.position + 1]

    @property
    def observation(self) -> Tensor:
        """What is seen now, `(batch, 4)`; after the choice, still the junction."""
        return self.past[:, -1]

    @property
    def terminated(self) -> Tensor:
        """Whether an arm has been chosen, `(batch,)`."""
        return self.chosen >= 0

    @property
    def truncated(self) -> Tensor:
        """Never: the corridor ends by itself. `(batch,)`."""
        return torch.zeros_like(self.terminated)

    def step(self, actions: Tensor) -> tuple[Self, Tensor]:
        """Act, `(batch,)` of 0 and 1: the corridors then, and the rewards `(batch,)`. What is over stays so.

        Raises: ValueError for other actions.
        """
        self._check_actions(actions)
        rewards = torch.zeros(len(self), dtype=torch.float32)
        if self.position <= self.length:
            return replace(self, position=self.position + 1), rewards
        right = (actions == self.pays) & ~self.over
        return replace(self, chosen=torch.where(self.over, self.chosen, actions)), rewards + right

    def picture(self, index: int = 0, cell: int = CELL) -> np.ndarray:
        """One of them, drawn: walked from left to right, so that the left arm is above and the right below.

        cell: pixels of a cell's side. A triangle is the cue and points to the arm that pays, a yellow disc is
        what it pays, a darker cell is more noise, and the ring is the agent.
        """
        one = self[index]
        pays, chosen, end = int(one.pays), int(one.chosen), self.length + 1
        canvas = Canvas(3, end + 1, LINE, cell)
        for step, seen in enumerate(one.episode[0]):
            canvas.fill(1, step, 1 - 0.5 * float(seen[3]))
        for row in (0, 2):
            canvas.fill(row, end, FLOOR)
        for step in self.cues:
            canvas.put(1, step, ("up", "down")[pays], _CUE)
        canvas.put(2 * pays, end, "disc", GOLD)
        row = 1 if chosen < 0 else 2 * chosen
        canvas.put(row, self.position, "ring", INK)
        return canvas.pixels


class Corridor(World):
    """One corridor, as Gymnasium's `Env`: see `Corridors` for its rules.

    Observations are `(4,)`, from 0 to 1: the left arm pays, the right arm pays, here is the junction, noise.
    Actions are 0, left, and 1, right; before the junction both walk on. An episode is `length` + 2 steps.

    Args:
        length: steps of noise, 1 or more.
        cues, noise: as in `Corridors.sample`.
        render_mode: "rgb_array" or None.

    Raises: ValueError for other arguments.
    """

    def __init__(
        self,
        length: int = 10,
        *,
        cues: Sequence[int] = (0,),
        noise: bool = True,
        render_mode: str | None = None,
    ):
        self.length, self.noise = check_whole("length", length), noise
        self.cues = _cue_steps(cues, self.length)
        super().__init__(0, (Corridors.features,), Corridors.num_actions, render_mode)

    def _sample(self, generator: torch.Generator) -> Corridors:
        return Corridors.sample(1, self.length, cues=self.cues, noise=self.noise, generator=generator)

    def _check(self, state: Corridors) -> None:
        if not isinstance(state, Corridors):
            raise ValueError(f"the state of a corridor must be a Corridors, got {type(state).__name__}")
        if state.length != self.length:
            raise ValueError(f"this corridor has length={self.length}, but the state has {state.length}")


def _cue_steps(cues: Sequence[int], length: int) -> tuple[int, ...]:
    """The steps with a cue; ValueError unless there is one at least, none twice, and none at the junction."""
    steps = tuple(check_whole("each of the cues", step, 0, length) for step in cues)
    if not steps or len(set(steps)) < len(steps):
        raise ValueError(f"cues must be one step or more, each once, got {steps}")
    return steps
