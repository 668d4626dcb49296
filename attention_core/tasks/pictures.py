"""Pictures drawn by code, of nine cells, in which it is known which cell decides the answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attention_core._checks import check_whole, shape
from attention_core.tasks.task import IGNORE, Batches
from attention_core.vision import from_patches

_DIGITS = (  # 7 rows of 5 pixels each
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00010 00100 01000 11111",
    "11111 00010 00100 00010 00001 10001 01110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)
_UP = "0001000 0011100 0101010 1001001 0001000 0001000 0001000"
_UP_LEFT = "1111100 1100000 1010000 1001000 1000100 0000010 0000001"
_AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # (down, right), clockwise


def _pixels(rows: str) -> Tensor:
    return torch.tensor([[int(pixel) for pixel in row] for row in rows.split()], dtype=torch.float32)


def _in_cell(glyph: Tensor, down: int, right: int) -> Tensor:
    """A glyph in an empty cell of 8 × 8, so many pixels from its upper left corner."""
    cell = torch.zeros(8, 8, dtype=torch.float32)
    cell[down : down + glyph.shape[0], right : right + glyph.shape[1]] = glyph
    return cell


_WRITTEN = torch.stack(  # (10, 2, 4, 8, 8): each digit at each of the places where it fits
    [
        torch.stack([torch.stack([_in_cell(_pixels(rows), y, x) for x in range(4)]) for y in range(2)])
        for rows in _DIGITS
    ]
)
_TURNED = torch.stack(  # (8, 8, 8): the arrow in each direction of _AROUND
    [
        # up, right, down, left from the first, and the corners between from the second
        _in_cell(_pixels(_UP).rot90(-(i // 2)), 0, 0)
        if i % 2 == 0
        else _in_cell(_pixels(_UP_LEFT).rot90(-(i // 2) - 1), 0, 0)
        for i in range(8)
    ]
)
_FRAME = torch.ones(8, 8, dtype=torch.bool)
_FRAME[1:-1, 1:-1] = False


@dataclass(frozen=True)
class Pictures:
    """A batch of pictures, and what is in them.

    images: `(batch, 1, 24, 24)`, from 0, dark, to 1. answers: of a task, as `batches` gives them. digits:
    `(batch, 9)`, cell by cell, as one reads. decides: `(batch,)`, the cell of which the answer is the digit.
    asks: `(batch,)`, the cell in which the question stands: the frame's own, or the arrow's.
    """

    images: Tensor
    answers: Tensor
    digits: Tensor
    decides: Tensor
    asks: Tensor

    def __len__(self) -> int:
        return len(self.images)


class _PictureBatches(Batches):
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(self.steps):
            made = self.task.sample(self.batch_size, generator)
            yield made.images, made.answers


@dataclass(frozen=True)
class _NineCells:
    """Nine digits, each somewhere in its cell, brighter or darker, and noise of that standard deviation."""

    noise: float = 0.15

    cell: ClassVar[int] = 8  # pixels of a cell's side
    grid: ClassVar[tuple[int, int]] = (3, 3)  # rows and columns of cells
    picture: ClassVar[int] = 24  # pixels of the picture's side
    classes: ClassVar[int] = 10

    def __post_init__(self):
        if isinstance(self.noise, bool) or not 0 <= self.noise < float("inf"):
            raise ValueError(f"noise must be a number, 0 or more, got {self.noise!r}")

    def batches(self, steps: int, batch_size: int = 64, seed: int = 0) -> Batches:
        """`steps` batches `(images, answers)`, as those of any task; iterating again gives the same ones."""
        return _PictureBatches(self, steps, batch_size, seed)

    def _cells(self, digits: Tensor, generator: torch.Generator, arrows: Tensor | None = None) -> Tensor:
        """Digits `(batch, 9)` as `(batch, 9, 8, 8)`. arrows: `(batch, 9)`, the direction of one, or −1.

        As many dice are cast whatever the digits are, and wherever an arrow stands, so that of the same seed
        all else in the picture stays as it is.
        """
        down, right = (torch.randint(n, shape(digits), generator=generator) for n in (2, 4))
        bright = 0.6 + 0.4 * torch.rand(*digits.shape, 1, 1, generator=generator, dtype=torch.float32)
        noise = torch.randn(*digits.shape, 8, 8, generator=generator, dtype=torch.float32)
        cells = bright * _WRITTEN[digits, down, right]
        if arrows is not None:
            cells = torch.where(arrows[..., None, None] < 0, cells, _TURNED[arrows])
        return (cells + self.noise * noise).clamp(0, 1)

    def _joined(self, cells: Tensor) -> Tensor:
        return from_patches(cells.flatten(-2), self.cell, self.picture, self.picture)


class MarkedDigits(_NineCells):
    """Nine digits, and a frame around one of them: which is it?

    The answers are `(batch,)`, digits.
    """

    def sample(self, batch_size: int, generator: torch.Generator) -> Pictures:
        """Random pictures, and which cell of each is framed."""
        digits = torch.randint(10, (batch_size, 9), generator=generator)
        framed = torch.randint(9, (batch_size,), generator=generator)
        images = self._drawn(digits, torch.eye(9, dtype=torch.bool)[framed], generator)
        answers = digits.gather(-1, framed[:, None])[:, 0]
        return Pictures(images, answers, digits, decides=framed, asks=framed)

    def draw(self, digits: Sequence[int], framed: int | Sequence[int] | None = 4, *, seed: int = 0) -> Tensor:
        """One picture of your own, `(1, 1, 24, 24)`. The same seed casts the same dice, whatever is framed.

        Args:
            digits: nine, as one reads.
            framed: the cell with the frame, 0 to 8 as one reads; several, or None, have no right answer.

        Raises: ValueError for what are not nine digits, or for no such cell.
        """
        cells = () if framed is None else (framed,) if not isinstance(framed, Sequence) else framed
        frames = torch.zeros(1, 9, dtype=torch.bool)
        for cell in cells:
            frames[0, check_whole("framed", cell, 0, 8)] = True
        return self._drawn(_nine(digits), frames, _dice(seed))

    def _drawn(self, digits: Tensor, frames: Tensor, generator: torch.Generator) -> Tensor:
        cells = self._cells(digits, generator)
        return self._joined(cells.masked_fill(frames[..., None, None] & _FRAME, 1))


@dataclass(frozen=True)
class Arrows(_NineCells):
    """Eight digits and an arrow: which digit does it point to?

    The arrow stands in the middle, or with `anywhere` in any cell, and points to one of those beside its own.
    The answers are `(batch, 9)`: the digit at the arrow's own cell, where the answer is read, and IGNORE at
    all others.
    """

    anywhere: bool = False

    def sample(self, batch_size: int, generator: torch.Generator) -> Pictures:
        """Random pictures; where the arrow of each stands, and which cell it points to."""
        digits = torch.randint(10, (batch_size, 9), generator=generator)
        asks = torch.randint(9, (batch_size,), generator=generator)
        asks = asks if self.anywhere else torch.full_like(asks, 4)
        # of the cells around, the one that is drawn: the largest of as many random numbers
        drawn = torch.rand(batch_size, 8, generator=generator, dtype=torch.float32)
        direction = drawn.masked_fill(_BESIDE[asks] < 0, -1).argmax(-1)
        decides = _BESIDE[asks, direction]
        images = self._drawn(digits, asks, direction, generator)
        answers = torch.full_like(digits, IGNORE)
        answers.scatter_(-1, asks[:, None], digits.gather(-1, decides[:, None]))
        return Pictures(images, answers, digits, decides, asks)

    def draw(
        self, digits: Sequence[int], points_to: int | None = 1, *, arrow: int = 4, seed: int = 0
    ) -> Tensor:
        """One picture of your own, `(1, 1, 24, 24)`. The same seed casts the same dice, wherever it points.

        Args:
            digits: nine, as one reads; that of the arrow's cell is covered by it.
            points_to: the cell to which the arrow points, beside its own; None: there is no arrow.
            arrow: the cell in which it stands, 0 to 8 as one reads.

        Raises: ValueError for what are not nine digits, or a cell that is not beside the arrow's.
        """
        digits, around = _nine(digits), self.around(arrow)
        if points_to is None:
            return self._joined(self._cells(digits, _dice(seed)))
        if points_to not in around:
            raise ValueError(f"from cell {arrow} an arrow can point to {around}, but not to {points_to!r}")
        direction = _BESIDE[arrow].tolist().index(points_to)
        return self._drawn(digits, torch.tensor([arrow]), torch.tensor([direction]), _dice(seed))

    @staticmethod
    def around(arrow: int = 4) -> list[int]:
        """The cells to which an arrow in this cell can point, clockwise, beginning above it."""
        beside = _BESIDE[check_whole("arrow", arrow, 0, 8)].tolist()
        return [cell for cell in beside if cell >= 0]

    def _drawn(self, digits: Tensor, asks: Tensor, direction: Tensor, generator: torch.Generator) -> Tensor:
        arrows = torch.full_like(digits, -1).scatter(-1, asks[:, None], direction[:, None])
        return self._joined(self._cells(digits, generator, arrows))


def _cell_beside(cell: int, down: int, right: int) -> int:
    """The number of the cell there, or −1 where the picture ends."""
    row, column = cell // 3 + down, cell % 3 + right
    return 3 * row + column if 0 <= row < 3 and 0 <= column < 3 else -1


_BESIDE = torch.tensor([[_cell_beside(cell, *step) for step in _AROUND] for cell in range(9)])  # (9, 8)


def _nine(digits: Sequence[int]) -> Tensor:
    """Nine digits as `(1, 9)`."""
    if len(digits) != 9:
        raise ValueError(f"there must be 9 digits, one a cell, got {len(digits)}")
    return torch.tensor([[check_whole("each of the digits", digit, 0, 9) for digit in digits]])


def _dice(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(check_whole("seed", seed, 0))
