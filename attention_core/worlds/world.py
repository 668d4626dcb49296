"""What both worlds share: a state is a batch that never changes, and an environment holds a batch of one."""

from dataclasses import fields, replace
from typing import ClassVar, Self

import gymnasium
import numpy as np
import torch
from torch import Tensor

from attention_core._checks import check_whole, shape


class States:
    """A batch of worlds, each at one moment. A subclass is a frozen dataclass of tensors `(batch, …)`.

    What it must have besides: `observation`, `terminated`, `truncated`, `step` and `picture`.
    """

    num_actions: ClassVar[int]

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, which: int | slice) -> Self:
        """Some of the worlds, as a batch again; with a whole number a batch of one."""
        if not isinstance(which, slice):
            first = check_whole("the number of a world", which, 0, len(self) - 1)
            which = slice(first, first + 1)
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: x[which] for name, x in values.items() if isinstance(x, Tensor)})

    @property
    def over(self) -> Tensor:
        """Whether the episode has ended, in whichever way, `(batch,)`."""
        return self.terminated | self.truncated

    def _check_actions(self, actions: Tensor) -> None:
        check_numbers("actions", actions, (len(self),), self.num_actions - 1)


class World(gymnasium.Env):
    """An environment that steps a batch of one. A subclass says how that is drawn, and what fits."""

    metadata: ClassVar[dict] = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(self, low: float, observations: tuple[int, ...], actions: int, render_mode: str | None):
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise ValueError(f"render_mode must be None or one of {', '.join(modes)}, got {render_mode!r}")
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(low, 1, observations, np.float32)
        self.action_space = gymnasium.spaces.Discrete(actions)
        self._state: States | None = None

    @property
    def state(self) -> States:
        """The world as it is now, a batch of one; a changed one can be put in its place.

        Raises: gymnasium.error.ResetNeeded before the first reset. ValueError for another world's state.
        """
        if self._state is None:
            raise gymnasium.error.ResetNeeded("nothing is there yet: call reset() first")
        return self._state

    @state.setter
    def state(self, state: States) -> None:
        self._check(state)
        if len(state) != 1:
            raise ValueError(f"a world is a batch of one, got a batch of {len(state)}")
        self._state = state

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        """A new episode: its first observation, and an empty dictionary. No options are known."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**63))
        self._state = self._sample(torch.Generator().manual_seed(drawn))
        return self._observation(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Act once: observation, reward, terminated, truncated, and an empty dictionary.

        Raises: gymnasium.error.ResetNeeded before the first reset and after the end. ValueError for what is
        no action.
        """
        if bool(self.state.over):
            raise gymnasium.error.ResetNeeded("the episode has ended: call reset() to begin another")
        action = check_whole("action", action, 0, int(self.action_space.n) - 1)
        self._state, reward = self.state.step(torch.tensor([action]))
        terminated, truncated = bool(self._state.terminated), bool(self._state.truncated)
        return self._observation(), float(reward), terminated, truncated, {}

    def render(self) -> np.ndarray | None:
        """The picture, `(height, width, 3)` of whole numbers from 0 to 255; None without a render mode."""
        if self.render_mode is None:
            name = type(self).__name__
            gymnasium.logger.warn(f'nothing is drawn: make the world with {name}(render_mode="rgb_array")')
            return None
        return self.state.picture()

    def _observation(self) -> np.ndarray:
        return self.state.observation[0].numpy()

    def _sample(self, generator: torch.Generator) -> States:
        raise NotImplementedError

    def _check(self, state: States) -> None:
        raise NotImplementedError


def check_numbers(name: str, x: Tensor, wanted: tuple[int | str, ...], most: int, least: int = 0) -> None:
    """Raise ValueError unless it is a tensor of whole numbers of that span and shape; a word is any size."""
    if not isinstance(x, Tensor) or x.dtype != torch.int64:
        got = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"{name} must be a tensor of whole numbers (torch.int64), got {got}")
    check_shape(name, x, wanted)
    if x.numel() and not least <= int(x.min()) <= int(x.max()) <= most:
        raise ValueError(f"{name} must be from {least} to {most}, got {int(x.min())} to {int(x.max())}")


def check_shape(name: str, x: Tensor, wanted: tuple[int | str, ...]) -> None:
    """Raise ValueError unless the tensor has that shape; a word stands for any size."""
    fits = len(wanted) == x.ndim and all(
        isinstance(n, str) or n == size for n, size in zip(wanted, x.shape, strict=True)
    )
    if not fits:
        sizes = ", ".join(map(str, wanted)) + ("," if len(wanted) == 1 else "")
        raise ValueError(f"{name} must have shape ({sizes}), got {shape(x)}")
