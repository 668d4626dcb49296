"""Answers to every exercise, as learners write them, and what its check should say of each.

A file an exercise, named as `check` names it: found, and listed nowhere. One that begins with _ is none.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from found import found_exercises

from attention_core.practice.result import Result


@dataclass(frozen=True)
class Row:
    """An answer, the exercise it is given to, and what should come out.

    bug: the name to be told; None if the mistake is in no table. says: then, the property that is said to
    fail, or for another status a part of the headline. true: shows independently that what was said is so;
    of a right answer it must not be.
    """

    exercise: str
    answer: Callable
    status: str
    bug: str | None
    says: str
    true: Callable[[Callable], bool] | None

    @property
    def label(self) -> str:
        return f"{self.exercise}-{self.answer.__name__}"


ANSWERS: dict[str, list[Row]] = {
    found.name: [] for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_")
}


def right(answer: Callable) -> Callable:
    return _told("passed", says="passed")(answer)


def known(bug: str) -> Callable:
    return _told("wrong", bug)


def unlisted(says: str, true: Callable | None, status: str = "wrong") -> Callable:
    return _told(status, None, says, true)


def _told(status: str, bug: str | None = None, says: str = "", true: Callable | None = None) -> Callable:
    def add(answer: Callable) -> Callable:
        exercise = answer.__module__.rpartition(".")[2]  # the file's own name says whose answer it is
        ANSWERS[exercise].append(Row(exercise, answer, status, bug, says, true))
        return answer

    return add


def judge(row: Row) -> tuple[Result, str]:
    """The check's result, and what is wrong with it; "" when nothing is."""
    result = found_exercises()[row.exercise](row.answer)
    if result.status != row.status:
        return result, f"status {result.status}, not {row.status}"
    if result.bug != row.bug:
        return result, f"named {result.bug}, not {row.bug}"
    said = [verdict.name for verdict in result.evidence if not verdict]
    if row.status == "wrong" and not row.bug and row.says not in (*said, result.headline):
        return result, f"says {said or result.headline}, not {row.says}"
    if row.status in ("error", "passed") and row.says not in result.headline:
        return result, f"says {result.headline}"
    if row.true is not None and not row.true(row.answer):
        return result, "what it says is not so"
    return result, ""


for _exercise in ANSWERS:
    importlib.import_module(f"{__name__}.{_exercise}")

ROWS = [row for rows in ANSWERS.values() for row in rows]
