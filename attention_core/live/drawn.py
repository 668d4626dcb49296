"""What a task drew for an explorer of pictures, and what is known of it: where to look, and what is right."""

from dataclasses import dataclass, replace

from torch import Tensor

from attention_core.live.remarks import Unusable
from attention_core.tasks import Arrows, MarkedDigits


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture, `image` `(channels, height, width)`, and what is known of it.

    grid: rows and columns of the task's cells; asks, decides: cells; right: the answer; holds: cells at
    which a hand can take something. None, or nothing, where no task has drawn it.
    """

    image: Tensor
    grid: tuple[int, int] | None = None
    asks: int | None = None
    decides: int | None = None
    right: int | None = None
    holds: tuple[int, ...] = ()


def drawn(task, picture: Tensor | None, digits, frame, arrow: int, direction: int, seed: int, paint) -> Drawn:
    """The picture given, or else what the task draws; then the pixels that were painted. Raises: Unusable."""
    if picture is not None:
        made = Drawn(picture)
    elif isinstance(task, MarkedDigits):
        cells = frames(frame)
        image = task.draw(digits, cells, seed=seed)[0]
        one = cells[0] if len(cells) == 1 else None
        made = Drawn(image, task.grid, one, one, None if one is None else digits[one], cells)
    elif isinstance(task, Arrows):
        to = pointed(arrow, direction)[1]
        image = task.draw(digits, to, arrow=arrow, seed=seed)[0]
        made = Drawn(image, task.grid, arrow, to, digits[to], (arrow, to))
    else:
        raise Unusable("There is no picture yet: give one, or a task that draws it.")
    if not paint:
        return made
    image = made.image.clone()
    for (row, column), value in paint.items():
        if row < image.shape[1] and column < image.shape[2]:
            image[:, row, column] = value
    return replace(made, image=image)


def frames(frame) -> tuple[int, ...]:
    """The framed cells: of none, one or several."""
    return () if frame is None else (frame,) if isinstance(frame, int) else tuple(frame)


def pointed(arrow: int, direction: int) -> tuple[int, int]:
    """The next direction, clockwise, in which there is a cell beside the arrow's; and that cell."""
    row, column = divmod(arrow, 3)
    for turned in range(direction, direction + 8):
        down, right = _STEPS[turned % 8]
        if 0 <= row + down < 3 and 0 <= column + right < 3:
            return turned % 8, 3 * (row + down) + column + right
    raise AssertionError("each cell has one beside it")


def turned(task, made: Drawn, start: int, end: int) -> dict[str, object]:
    """What a hand that drags from one of the task's cells to another changes: traits, by their names."""
    holds = made.holds
    if isinstance(task, MarkedDigits) and start in holds and (len(holds) == 1 or end not in holds):
        moved = tuple(end if cell == start else cell for cell in holds)
        return {"frame": moved[0] if len(moved) == 1 else moved}
    if isinstance(task, Arrows) and start in holds and (to := towards(made.asks, end)) is not None:
        return {"direction": to}
    return {}


def towards(arrow: int, cell: int) -> int | None:
    """The direction from the arrow's cell to one beside it; None for another cell."""
    step = cell // 3 - arrow // 3, cell % 3 - arrow % 3
    return _STEPS.index(step) if step in _STEPS else None


_STEPS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # (down, right), clockwise


def cell_of(made: Drawn, grid: tuple[int, int], patch: int) -> int:
    """The task's cell in which the middle of a patch lies."""
    (rows, columns), (row, column) = made.grid, divmod(patch, grid[1])
    down, right = (2 * row + 1) * rows // (2 * grid[0]), (2 * column + 1) * columns // (2 * grid[1])
    return down * columns + right


def patches_of(made: Drawn, grid: tuple[int, int], cell: int | None) -> list[int]:
    """The patches whose middle lies in a cell of the task's; of no cell none."""
    if cell is None or made.grid is None:
        return []
    return [patch for patch in range(grid[0] * grid[1]) if cell_of(made, grid, patch) == cell]
