"""Worlds as pixels: squares of colour and three or four shapes, drawn with numpy alone."""

import functools

import numpy as np

CELL = 24  # pixels of a cell's side, unless told
FLOOR, LINE, INK, GOLD = "#f7f8f9", "#b8bdc3", "#1c1e21", "#f0e442"

SHAPES = {  # of x and y, from −1 to 1
    "disc": lambda x, y: x**2 + y**2 < 0.72**2,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) < 0.64,
    "diamond": lambda x, y: abs(x) + abs(y) < 0.88,
    "up": lambda x, y: (abs(x) < (y + 0.7) / 2) & (y < 0.6),
    "down": lambda x, y: (abs(x) < (0.7 - y) / 2) & (y > -0.6),
    "ring": lambda x, y: (x**2 + y**2 < 0.96**2) & (x**2 + y**2 > 0.72**2),
    "core": lambda x, y: x**2 + y**2 < 0.42**2,
}


class Canvas:
    """`pixels`, `(rows · cell, columns · cell, 3)` of uint8, in which cells are filled and shapes put."""

    def __init__(self, rows: int, columns: int, colour: str, cell: int = CELL):
        self.cell = cell
        self.pixels = np.empty((rows * cell, columns * cell, 3), np.uint8)
        self.pixels[:] = rgb(colour)

    def fill(self, row: int, column: int, colour: str | float) -> None:
        """A cell of that colour, or of a grey from 0, black, to 1, with a line around it."""
        cell = self._cell(row, column)
        cell[:] = rgb(LINE)
        cell[1:-1, 1:-1] = rgb(colour) if isinstance(colour, str) else round(255 * colour)

    def put(self, row: int, column: int, shape: str, colour: str) -> None:
        """One of SHAPES in a cell."""
        self._cell(row, column)[_covered(shape, self.cell)] = rgb(colour)

    def _cell(self, row: int, column: int) -> np.ndarray:
        side = self.cell
        return self.pixels[row * side : (row + 1) * side, column * side : (column + 1) * side]


@functools.cache
def _covered(shape: str, cell: int) -> np.ndarray:
    """Which pixels of a cell a shape covers, `(cell, cell)`, each judged by its middle."""
    y, x = (2 * np.mgrid[:cell, :cell] + 1) / cell - 1
    return SHAPES[shape](x, y)


def rgb(colour: str) -> tuple[int, int, int]:
    """ "#rrggbb" as three numbers from 0 to 255."""
    return tuple(bytes.fromhex(colour[1:]))
