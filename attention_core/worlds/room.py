"""A room: of the objects that lie about, one has the colour that is wanted."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from attention_core._checks import check_whole
from attention_core.worlds.pixels import CELL, FLOOR, INK, LINE, Canvas
from attention_core.worlds.world import States, World, check_numbers

MOVES = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}  # (rows, columns), as actions count
COLOURS = {"blue": "#0072b2", "orange": "#e69f00", "green": "#009e73", "pink": "#cc79a7"}  # Okabe and Ito
KINDS = ("disc", "square", "diamond")

_MOVES = torch.tensor(list(MOVES.values()))  # (4, 2)


@dataclass(frozen=True, eq=False, repr=False)
class Rooms(States):
    """A batch of rooms of `size` × `size` cells. The agent walks, and walls stop it.

    Each step costs 0.02. One that ends at an object of the wanted colour gives 1 more, and the episode is
    over (terminated); one that ends at any other object costs 0.2 more, and the episode goes on. After
    2 · `size` steps it is cut off (truncated). What kind an object is makes no difference.

    agents: `(batch, 2)`, row and column. objects: `(batch, n, 4)`: row, column, colour (of COLOURS), kind (of
    KINDS); no two share a cell. wanted: `(batch,)`, a colour, of which there may be several objects, or none.
    steps: `(batch,)`, how many were taken, 0 at first.

    Raises: ValueError for other shapes or numbers, or objects that share a cell.
    """

    size: int
    agents: Tensor
    objects: Tensor
    wanted: Tensor
    steps: Tensor | None = None

    num_actions: ClassVar[int] = len(MOVES)
    features: ClassVar[int] = 3 + len(COLOURS) + len(KINDS)

    def __post_init__(self):
        last = check_whole("size", self.size, 2) - 1
        check_numbers("agents", self.agents, ("batch", 2), last)
        batch = len(self.agents)
        check_numbers("wanted", self.wanted, (batch,), len(COLOURS) - 1)
        if self.steps is None:
            object.__setattr__(self, "steps", torch.zeros_like(self.wanted))  # it is frozen
        check_numbers("steps", self.steps, (batch,), self.limit)
        check_numbers("objects", self.objects, (batch, "n", 4), max(last, len(COLOURS) - 1))
        check_whole("the number of objects", self.objects.shape[1])
        for name, x, most in (
            ("objects' places", self.places, last),
            ("objects' colours", self.colours, len(COLOURS) - 1),
            ("objects' kinds", self.kinds, len(KINDS) - 1),
        ):
            check_numbers(name, x, x.shape, most)
        self._check_apart()

    def _check_apart(self) -> None:
        cells = self.places[..., 0] * self.size + self.places[..., 1]
        shared = (cells[:, :, None] == cells[:, None]).triu(1).nonzero()  # (pairs, 3)
        if len(shared):
            room, first, second = shared[0].tolist()
            where = tuple(self.places[room, first].tolist())
            raise ValueError(f"in room {room} the objects {first} and {second} share the cell {where}")

    def __repr__(self) -> str:
        said = f"{len(self)} of size={self.size}, num_objects={self.objects.shape[1]}"
        if len(self) == 1:
            colours = [*COLOURS]
            said += f"; the agent at {tuple(self.agents[0].tolist())} wants {colours[int(self.wanted)]}"
            for row, column, colour, kind in self.objects[0].tolist():
                said += f"; {colours[colour]} {KINDS[kind]} at {row, column}"
        return f"Rooms({said})"

    def __len__(self) -> int:
        return len(self.agents)

    @classmethod
    def sample(
        cls,
        batch_size: int,
        size: int = 5,
        num_objects: int = 4,
        *,
        generator: torch.Generator | None = None,
    ) -> Self:
        """Random rooms. Agent and objects are in cells of their own, and one object has the wanted colour.

        Raises: ValueError for a size below 2, or for objects that do not fit.
        """
        batch_size = check_whole("batch_size", batch_size)
        size, num_objects = _fitting(size, num_objects)

        def drawn(below: int, *more: int, least: int = 0) -> Tensor:
            return torch.randint(least, below, (batch_size, *more), generator=generator)

        cells = torch.rand(batch_size, size**2, generator=generator).argsort(-1)[:, : num_objects + 1]
        places = torch.stack((cells // size, cells % size), dim=-1)  # (batch, num_objects + 1, 2)
        wanted, target = drawn(len(COLOURS)), drawn(num_objects, 1)
        others = (wanted[:, None] + drawn(len(COLOURS), num_objects, least=1)) % len(COLOURS)
        colours = others.scatter(-1, target, wanted[:, None])
        looks = torch.stack((colours, drawn(len(KINDS), num_objects)), dim=-1)
        return cls(size, places[:, 0], torch.cat((places[:, 1:], looks), dim=-1), wanted)

    @property
    def places(self) -> Tensor:
        """Row and column of each object, `(batch, n, 2)`."""
        return self.objects[..., :2]

    @property
    def colours(self) -> Tensor:
        """The colour of each object, `(batch, n)`: which of COLOURS."""
        return self.objects[..., 2]

    @property
    def kinds(self) -> Tensor:
        """The kind of each object, `(batch, n)`: which of KINDS."""
        return self.objects[..., 3]

    @property
    def is_wanted(self) -> Tensor:
        """Whether an object has the wanted colour, `(batch, n)`."""
        return self.colours == self.wanted[:, None]

    @property
    def limit(self) -> int:
        """Steps after which an episode is cut off: enough for the longest way, and two more."""
        return 2 * self.size

    @property
    def observation(self) -> Tensor:
        """Rows of features, `(batch, n + 1, 10)`, from −1 to 1: the agent's row, then one for each object.

        A row is: 1 for the agent; the object's colour, or for the agent the wanted one, as one of four; the
        kind, as one of three; and how many rows and columns from the agent it lies, ÷ size.
        """
        rows = torch.zeros(len(self), self.objects.shape[1] + 1, self.features, dtype=torch.float32)
        of_kind = 1 + len(COLOURS)
        rows[:, 0, 0] = 1
        rows[:, 0, 1:of_kind] = one_hot(self.wanted, len(COLOURS))
        rows[:, 1:, 1:of_kind] = one_hot(self.colours, len(COLOURS))
        rows[:, 1:, of_kind:-2] = one_hot(self.kinds, len(KINDS))
        rows[:, 1:, -2:] = (self.places - self.agents[:, None]) / self.size
        return rows

    @property
    def distance(self) -> Tensor:
        """Steps to the nearest object of the wanted colour, `(batch,)`; infinite where there is none.

        What it was before a step minus γ times what it is after, times any factor, can be added to the
        rewards while an agent learns. With γ the discount of its returns, the best way stays the best.

        Source: Ng, Harada and Russell 1999, "Policy Invariance Under Reward Transformations", section 3.
        """
        ways = (self.places - self.agents[:, None]).abs().sum(-1).float()
        return ways.masked_fill(~self.is_wanted, float("inf")).amin(-1)

    @property
    def terminated(self) -> Tensor:
        """Whether the agent is at an object of the wanted colour, `(batch,)`."""
        return (self._touched() & self.is_wanted).any(-1)

    @property
    def truncated(self) -> Tensor:
        """Whether time is up and the agent is not there, `(batch,)`."""
        return (self.steps >= self.limit) & ~self.terminated

    def step(self, actions: Tensor) -> tuple[Self, Tensor]:
        """Act, `(batch,)` of 0 to 3, as MOVES: the rooms then, and the rewards `(batch,)`.

        A room that is over stays as it is, and gives 0. Raises: ValueError for other actions.
        """
        self._check_actions(actions)
        going = ~self.over
        moved = (self.agents + _MOVES[actions] * going[:, None]).clamp(0, self.size - 1)
        after = replace(self, agents=moved, steps=self.steps + going)
        wrong = (after._touched() & ~after.is_wanted).any(-1)
        return after, (after.terminated.float() - 0.2 * wrong - 0.02) * going

    def picture(self, index: int = 0, cell: int = CELL) -> np.ndarray:
        """One of them, drawn: the agent is a ring around the colour that it wants. cell: pixels of a side."""
        one, colours = self[index], list(COLOURS.values())
        canvas = Canvas(self.size, self.size, LINE, cell)
        for place in range(self.size**2):
            canvas.fill(*divmod(place, self.size), FLOOR)
        for row, column, colour, kind in one.objects[0].tolist():
            canvas.put(row, column, KINDS[kind], colours[colour])
        row, column = one.agents[0].tolist()
        canvas.put(row, column, "ring", INK)
        canvas.put(row, column, "core", colours[int(one.wanted)])
        return canvas.pixels

    def _touched(self) -> Tensor:
        return (self.places == self.agents[:, None]).all(-1)


class Room(World):
    """One room, as Gymnasium's `Env`: see `Rooms` for its rules.

    Observations are `(num_objects + 1, 10)`, from −1 to 1, as `Rooms.observation` says. Actions are up, down,
    left and right, 0 to 3.

    Args:
        size: cells of a side, 2 or more.
        num_objects: 1 to size² − 1.
        render_mode: "rgb_array" or None.

    Raises: ValueError for other arguments.
    """

    def __init__(self, size: int = 5, num_objects: int = 4, *, render_mode: str | None = None):
        self.size, self.num_objects = _fitting(size, num_objects)
        super().__init__(-1, (self.num_objects + 1, Rooms.features), Rooms.num_actions, render_mode)

    def _sample(self, generator: torch.Generator) -> Rooms:
        return Rooms.sample(1, self.size, self.num_objects, generator=generator)

    def _check(self, state: Rooms) -> None:
        if not isinstance(state, Rooms):
            raise ValueError(f"the state of a room must be a Rooms, got {type(state).__name__}")
        got = (state.size, state.objects.shape[1])
        if got != (self.size, self.num_objects):
            raise ValueError(
                f"this room has size={self.size} and num_objects={self.num_objects}, but the state has "
                f"size={got[0]} and num_objects={got[1]}"
            )


def _fitting(size: int, num_objects: int) -> tuple[int, int]:
    """Both as `int`; ValueError unless the objects leave a cell for the agent."""
    size, num_objects = check_whole("size", size, 2), check_whole("num_objects", num_objects)
    if num_objects >= size**2:
        raise ValueError(
            f"{num_objects} objects and an agent do not fit into {size} × {size} = {size**2} cells"
        )
    return size, num_objects
