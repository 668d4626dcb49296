"""A small table of signed numbers with named rows and columns, tinted; a reader may change them by steps."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import traitlets

from attention_core.live import still
from attention_core.live.linked import linked, styles
from attention_core.live.widget import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 9.0  # neither above it nor below −MOST does a reader's step lead
ABOVE, BELOW = "#1769c4", "#c2410c"  # blue and orange: told apart with every colour blindness
FULLEST = 0.45  # of the colour in a tint: as in table.css, black text reads well on it


@dataclass(frozen=True)
class Cells:
    """What a table shows: a sentence about it (`**bold**` is bold), names of rows and columns, numbers.

    values: a row of numbers for each row; None leaves a cell empty. marked, marked_columns: the places
    of rows and of columns that stand out. reach: the size of a number that is tinted fully; unless given,
    the largest there is.

    Raises: ValueError for a number too many, a number missing, or a mark on no row or column.
    """

    said: str = ""
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    values: Sequence[Sequence[float | None]] = ()
    marked: Collection[int] = ()
    marked_columns: Collection[int] = ()
    reach: float | None = None

    def __post_init__(self):
        sizes = [len(row) for row in self.values]
        if sizes != [len(self.columns)] * len(self.rows):
            raise ValueError(
                f"{len(self.rows)} rows and {len(self.columns)} columns need as many numbers, "
                f"got rows of {', '.join(map(str, sizes)) or 'none'}"
            )
        for what, marks, names in (
            ("row", self.marked, self.rows),
            ("column", self.marked_columns, self.columns),
        ):
            if wrong := [mark for mark in marks if mark not in range(len(names))]:
                raise ValueError(f"there is no {what} {wrong[0]} among {len(names)}")

    def shares(self) -> list[list[float]]:
        """Each number as a share of the reach, from −1 to 1; 0 for what is none."""
        numbers = [abs(float(x)) for row in self.values for x in row if x is not None]
        reach = self.reach or max(filter(math.isfinite, numbers), default=0.0) or 1.0
        return [[_share(x, reach) for x in row] for row in self.values]


class Table(View):
    """Numbers in named rows and columns. Show other ones with `show(Cells("…", rows, columns, values))`.

    Args: content: what is shown. editable: whether the reader may change a number by whole steps; `on_edit`
    is told, and `.values` holds what stands there.
    """

    _esm = linked("table.js")
    _css = styles("table.css")
    _frame = traitlets.Dict().tag(sync=True)
    editable = traitlets.Bool(False).tag(sync=True)

    def __init__(self, content: Cells | None = None, *, editable: bool = False):
        super().__init__(editable=editable)
        self._told: list[Callable[[], object]] = []
        self.on_msg(self._stepped)
        self.show(content)

    @property
    def values(self) -> list[list[float | None]]:
        """The numbers, row by row."""
        return [list(row) for row in self._values]

    def show(self, content: Cells | None) -> None:
        self.content = content or Cells()
        self._values = [[None if x is None else float(x) for x in row] for row in self.content.values]
        self._frame = {
            "said": self.content.said,
            "rows": [str(name) for name in self.content.rows],
            "columns": [str(name) for name in self.content.columns],
            "texts": [[tidy(x) for x in row] for row in self._values],
            "shares": self.content.shares(),
            "marked": sorted(self.content.marked),
            "markedColumns": sorted(self.content.marked_columns),
        }

    def step(self, row: int, column: int, steps: int) -> None:
        """Change one number by so many whole steps, as a reader does, but not beyond MOST.

        Raises: ValueError where there is no such cell.
        """
        if not self._has(row, column):
            raise ValueError(f"there is no row {row} with a column {column} in {self!r}")
        before = self._values[row][column]
        if before is None:
            return
        values = self.values
        values[row][column] = min(MOST, max(-MOST, before + steps))
        shown = {name: getattr(self.content, name) for name in Cells.__dataclass_fields__}
        self.show(Cells(**shown | {"values": values}))
        for callback in self._told:
            callback()

    def on_edit(self, callback: Callable[[], object]) -> None:
        """Call `callback()` whenever a number has been changed by a step."""
        self._told.append(callback)

    def _stepped(self, _widget, content: dict, _buffers) -> None:
        row, column, steps = content.get("step", (-1, -1, 0))
        with self._one_at_a_time:
            if self.editable and self._has(row, column):  # the page may be a change behind
                self.step(row, column, int(steps))

    def _has(self, row: int, column: int) -> bool:
        return row in range(len(self._values)) and column in range(len(self._values[row]))

    def draw(self, ax, columns: int | None = None) -> None:
        """The same on a matplotlib axis with room for so many columns."""
        from matplotlib.patches import Rectangle

        content, n = self.content, len(self.content.rows)
        room = columns or max(1, len(content.columns))
        ax.set(xlim=(-0.5, room - 0.5), ylim=(max(0.5, n - 0.5), -0.5))
        ax.set_title(content.said.replace("**", ""), fontsize=8, loc="left", parse_math=False)
        ax.set_xticks(range(len(content.columns)), content.columns, fontsize=7, parse_math=False)
        names = [still.short(name, 20) for name in content.rows]
        ax.set_yticks(range(n), names, fontsize=7, parse_math=False)
        ax.xaxis.tick_top()
        ax.tick_params(length=0, pad=2)
        ax.spines[:].set_visible(False)
        for i, (texts, shares) in enumerate(zip(self._frame["texts"], content.shares(), strict=True)):
            weight = "bold" if i in content.marked else "normal"
            ax.get_yticklabels()[i].set_fontweight(weight)
            for j, (text, share) in enumerate(zip(texts, shares, strict=True)):
                colour, alpha = (BELOW if share < 0 else ABOVE), FULLEST * abs(share)
                ax.add_patch(Rectangle((j - 0.47, i - 0.45), 0.94, 0.9, facecolor=colour, alpha=alpha, lw=0))
                there = weight if j not in content.marked_columns else "bold"
                ax.text(j, i, text, ha="center", va="center", fontsize=7, fontweight=there, parse_math=False)

    def figure(self) -> "Figure":
        """The table as a matplotlib figure, unknown to pyplot."""
        content = self.content
        wide = max([0.5, *(0.1 + 0.06 * len(name) for name in content.columns)])  # inches, of a column
        columns = max(len(content.columns), math.ceil(0.07 * len(content.said) / wide))
        figure = still.blank(1.6 + wide * columns, 0.7 + 0.2 * len(content.rows))
        self.draw(figure.subplots(), columns)
        return figure

    def __repr__(self) -> str:
        content = self.content
        size = f"{len(content.rows)} rows × {len(content.columns)} columns" if content.rows else ""
        return f"Table({'; '.join(filter(None, (content.said.replace('**', ''), size)))})"


def _share(x: float | None, reach: float) -> float:
    return 0.0 if x is None or x != x else min(1.0, max(-1.0, float(x) / reach))


def tidy(x: float | None) -> str:
    """A number in as few digits as say it, two after the point at most: 5, 0.2, −3."""
    text = "" if x is None else still.two(x)
    return text.rstrip("0").rstrip(".") if "." in text else text
