"""The lessons as they are handed out: their questions, their exercises, and which of them a notebook is."""

import ast
import functools
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from attention_core.practice.collect.cells import bound, globals_of, symbols

SHIPPED = Path(__file__).resolve().parents[3] / "notebooks"  # beside the package


@dataclass(frozen=True)
class Question:
    """A prediction: its short name, the question, and the options as they are written."""

    name: str
    asked: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """An exercise: its short name, the stub's source, the names it binds for the check, and that cell."""

    name: str
    stub: str
    answers: tuple[str, ...]
    check: str


@dataclass(frozen=True)
class Lesson:
    """A lesson: its file's stem, the ids of its cells, and what is collected from it."""

    name: str
    ids: frozenset[str]
    questions: tuple[Question, ...]
    tasks: tuple[Task, ...]

    @property
    def number(self) -> str:
        return self.name.partition("_")[0]


def lessons(folder: Path) -> list[Lesson]:
    """Those in a folder, whose names begin with a digit. Raises: ValueError if there is none."""
    found = [_lesson(path) for path in sorted(folder.glob("[0-9]*.ipynb"))]
    if not found:
        raise ValueError(f"there are no lessons in {folder}: name their folder with --lessons")
    return found


def which(every: Sequence[Lesson], ids: Collection[str]) -> Lesson | None:
    """The lesson with the most cells of these ids, of those that no other lesson has."""
    shared = Counter(one for lesson in every for one in lesson.ids)
    own = {id for id in ids if shared[id] == 1}
    best = max(every, key=lambda lesson: len(own & lesson.ids))
    return best if own & best.ids else None


def _lesson(path: Path) -> Lesson:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = {cell["id"]: "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"}
    questions = [q for id, source in code.items() for q in _questions(id, source)]
    names = [id.removeprefix("exercise-") for id in code if id.startswith("exercise-")]
    tasks = [_task(name, code[f"exercise-{name}"], code[f"check-{name}"]) for name in names]
    return Lesson(path.stem, frozenset(cell["id"] for cell in cells), (*questions,), (*tasks,))


def _questions(id: str, source: str) -> Iterator[Question]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "predict":
            asked, options = map(ast.literal_eval, node.args[:2])
            yield Question(id.removeprefix("predict-"), asked, (*map(str, options),))


def _task(name: str, stub: str, check: str) -> Task:
    reads = globals_of(symbols(check))
    return Task(name, stub, (*sorted(bound(symbols(stub)) & reads),), check)


@functools.cache
def question(lesson: Lesson, asked: str) -> Question | None:
    return next((one for one in lesson.questions if one.asked == asked), None)
