"""A class as rows, and those as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from attention_core.practice.collect.judged import Verdict
from attention_core.practice.collect.lessons import Lesson

_RUN = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes what begins so for a formula
RIGHT = {True: "yes", False: "no"}


@dataclass(frozen=True)
class Row:
    """What became of one file. problem: why it could not be read, or "". chosen: (choice, whether it was
    right), by the question's name. verdicts: by the exercise's name."""

    learner: str
    problem: str = ""
    lesson: Lesson | None = None
    chosen: dict[str, tuple[str, bool]] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)


def present(rows: Sequence[Row]) -> list[Lesson]:
    """The lessons that there are notebooks of."""
    return sorted({row.lesson for row in rows if row.lesson}, key=lambda lesson: lesson.name)


def as_csv(rows: Sequence[Row]) -> str:
    """Columns: learner, lesson, problem; then for each lesson there is its predictions and exercises."""
    every = present(rows)
    heading = ["learner", "lesson", "problem"]
    for lesson in every:
        for question in lesson.questions:
            heading += [f"{lesson.number} {question.name}: chosen", f"{lesson.number} {question.name}: right"]
        heading += [f"{lesson.number} {task.name}" for task in lesson.tasks]
    lines = [heading, *([row.learner, row.lesson.name if row.lesson else "", row.problem] for row in rows)]
    for line, row in zip(lines[1:], rows, strict=True):
        for lesson in every:
            line += _cells(row, lesson)
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows([[_plain(cell) for cell in line] for line in lines])
    return file.getvalue()


def _cells(row: Row, lesson: Lesson) -> list[str]:
    """What a row has in the columns of a lesson; nothing, if it is of another."""
    cells, of = [], row if row.lesson == lesson else Row(row.learner)
    for question in lesson.questions:
        choice, right = of.chosen.get(question.name, ("", None))
        cells += [choice, RIGHT.get(right, "")]
    return cells + [of.verdicts[task.name].words if of.verdicts else "" for task in lesson.tasks]


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_RUN) else cell
