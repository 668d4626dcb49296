"""Each row of a timed plan has time for what a room does in it, and some to talk.

Counted is what cannot be told instead: ten seconds to run a cell, and as long as it computes on one core; a
minute for a picture; half of one for a prediction; and what an exercise says that it takes. A heading stands
for the cells below it, up to the next heading; where some of these are named beside it, for those, its
exercise and its predictions.
"""

import re
from itertools import pairwise

import pytest
from nbformat import NotebookNode
from test_minutes import EXERCISE
from test_teaching_guide import GUIDE, headings_of, lesson_of, plans, read, tables

SLACK = 0.1  # of a row: for what is said

_TEXT = GUIDE.read_text("utf-8")
_ROWS = [
    (lesson_of(plan.chapter), row[0], " ".join([row[1], *re.findall(r"`predict-[^`]+`", " ".join(row[2:]))]))
    for plan in plans(_TEXT)
    for row in plan.rows
]


def waits(text: str) -> dict[tuple[str, str], int]:
    """(lesson, cell) → seconds of one core, of the table of waits."""
    (table,) = (table for table in tables(text) if table.columns == ("Lesson", "Seconds of its long cells"))
    return {
        (lesson_of(row[0]), cell): int(seconds)
        for row in table.rows
        for cell, seconds in re.findall(r"`([^`]+)` (\d+)", row[1])
    }


def done(lesson: str, where: str) -> list[NotebookNode]:
    """The cells that a row is about, each once."""
    cells = read(lesson).cells
    ids = re.findall(r"`([^`]+)`", where)
    begins = [i for i, cell in enumerate(cells) if headings_of(cell)]
    found = {cell.id: cell for cell in cells if cell.id in ids}
    for first, end in pairwise([*begins, len(cells)]):
        if set(headings_of(cells[first])) & set(re.findall(r"\*([^*]+)\*", where)):
            part = cells[first:end]
            named = any(cell.id in ids and not cell.id.startswith("predict-") for cell in part)
            kept = [c for c in part if not named or c.cell_type == "markdown" or c.id.startswith("predict-")]
            found |= {cell.id: cell for cell in kept}
    return [*found.values()]


def minutes_of(cell: NotebookNode, seconds: int) -> float:
    if cell.cell_type == "markdown":
        exercise = EXERCISE.search(cell.source)
        return int(exercise[1]) if exercise else 0
    if cell.id.startswith("predict-"):
        return 0.5
    if cell.id.startswith(("exercise-", "check-")):
        return 0  # in the minutes that the exercise says
    picture = any("image/png" in output.get("data", {}) for output in cell.outputs)
    return (10 + seconds) / 60 + picture


@pytest.mark.parametrize("lesson, minutes, where", _ROWS, ids=lambda x: x[:12])
def test_a_row_has_time_for_what_is_done_in_it(lesson, minutes, where):
    begin, end = map(int, minutes.split("–"))
    seconds = waits(_TEXT)
    takes = sum(minutes_of(cell, seconds.get((lesson, cell.id), 0)) for cell in done(lesson, where))
    assert takes <= (1 - SLACK) * (end - begin), f"{takes:.1f} minutes in {end - begin}"


def test_cells_that_are_waited_for_exist():
    for lesson, cell in waits(_TEXT):
        assert cell in {one.id for one in read(lesson).cells}, (lesson, cell)
