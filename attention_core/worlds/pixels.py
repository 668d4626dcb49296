"""Worlds as pixels: squares of colour and three or four shapes, drawn with numpy alone."""

import numpy as np

CELL = 24  # pixels of a cell's side
FLOOR, LINE, INK, GOLD = "#f7f8f9", "#b8bdc3", "#1c1e21", "#f0e442"

_Y, _X = (2 * np.mgrid[:CELL, :CELL] + 1) / CELL - 1  # the middle of each pixel, from −1 to 1
SHAPES = {
    "disc": _X**2 + _Y**2 < 0.72**2,
    "square": np.maximum(abs(_X), abs(_Y)) < 0.64,
    "diamond": abs(_X) + abs(_Y) < 0.88,
    "up": (abs(_X) < (_Y + 0.7) / 2) & (_Y < 0.6),
    "down": (abs(_X) < (0.7 - _Y) / 2) & (_Y > -0.6),
    "ring": (_X**2 + _Y**2 < 0.96**2) & (_X**2 + _Y**2 > 0.72**2),
    "core": _X**2 + _Y**2 < 0.42**2,
}


class Canvas:
    """`pixels`, `(rows · CELL, columns · CELL, 3)` of uint8, in which cells are filled and shapes put."""

    def __init__(self, rows: int, columns: int, colour: str):
        self.pixels = np.empty((rows * CELL, columns * CELL, 3), np.uint8)
        self.pixels[:] = rgb(colour)

    def fill(self, row: int, column: int, colour: str | float) -> None:
        """A cell of that colour, or of a grey from 0, black, to 1, with a line around it."""
        cell = self._cell(row, column)
        cell[:] = rgb(LINE)
        cell[1:-1, 1:-1] = rgb(colour) if isinstance(colour, str) else round(255 * colour)

    def put(self, row: int, column: int, shape: str, colour: str) -> None:
        """One of SHAPES in a cell."""
        self._cell(row, column)[SHAPES[shape]] = rgb(colour)

    def _cell(self, row: int, column: int) -> np.ndarray:
        return self.pixels[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]


def rgb(colour: str) -> tuple[int, int, int]:
    """ "#rrggbb" as three numbers from 0 to 255."""
    return tuple(bytes.fromhex(colour[1:]))
