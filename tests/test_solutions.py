"""The folded solutions, pasted into the stubs: every check passes, so that no solution can rot."""

import re
import symtable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
_CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def exercises(book: NotebookNode) -> list[str]:
    """The names of a lesson's exercises: each has the cells exercise-NAME, check-NAME and solution-NAME."""
    return [cell.id.removeprefix("exercise-") for cell in book.cells if is_exercise(cell)]


def is_exercise(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and cell.id.startswith("exercise-")


def read(name: str) -> NotebookNode:
    return nbformat.read(NOTEBOOKS / name, as_version=4)


def cell_named(book: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in book.cells if cell.id == name)


def run(book: NotebookNode) -> None:
    NotebookClient(
        book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOKS)}}
    ).execute()


LESSONS = sorted(path.name for path in NOTEBOOKS.glob("[0-9]*.ipynb") if exercises(read(path.name)))


def test_lesson_01_has_at_least_four_exercises():
    assert len(exercises(read("01_self_attention.ipynb"))) >= 4


@pytest.mark.parametrize("name", LESSONS)
def test_exercises_have_three_hints_stars_minutes_a_check_and_a_solution(name):
    book = read(name)
    ids = [cell.id for cell in book.cells]
    for exercise in exercises(book):
        at = ids.index(f"exercise-{exercise}")
        earlier = max(
            (i for i in range(at) if is_exercise(book.cells[i])), default=-1
        )  # what is told between the last exercise and this one
        told = "\n".join(cell.source for cell in book.cells[earlier + 1 : at] if cell.cell_type == "markdown")
        told = told[told.rindex("### Exercise") :]
        assert re.findall(r"<summary>(Hint \d)</summary>", told) == ["Hint 1", "Hint 2", "Hint 3"], exercise
        assert re.search(r"[★☆]{3} · \d+ minutes", told), exercise
        assert ids[at + 1] == f"check-{exercise}"
        solution = cell_named(book, f"solution-{exercise}").source
        assert solution.startswith("<details>") and len(_CODE.findall(solution)) == 1
        assert len(_CODE.sub("", solution).split()) > 15, f"{exercise}: the solution does not say why"


@pytest.mark.parametrize("name", LESSONS)
@pytest.mark.timeout(300)
def test_the_folded_solutions_pass_every_check(name):
    book = read(name)
    for exercise in exercises(book):
        stub = cell_named(book, f"exercise-{exercise}")
        assert "..." in stub.source, f"{exercise} is not a stub"
        (stub.source,) = _CODE.findall(cell_named(book, f"solution-{exercise}").source)
    book.cells = needed(book, [f"check-{exercise}" for exercise in exercises(book)])
    run(book)
    said = {}
    for exercise in exercises(book):
        (result,) = cell_named(book, f"check-{exercise}").outputs
        said[exercise] = result.data["text/plain"]
    assert said and all(text.startswith("✓") for text in said.values()), said


def needed(book: NotebookNode, names: list[str]) -> list[NotebookNode]:
    """These cells, and all before them that bind a name which they, or what they need, read.

    The whole lesson runs with its solutions in tests/browser/test_lessons.py.
    """
    kept, wanted = [], set()
    for cell in reversed([cell for cell in book.cells if cell.cell_type == "code"]):
        top = symtable.symtable(cell.source, cell.id, "exec")
        binds = {one.get_name() for one in top.get_symbols() if one.is_assigned() or one.is_imported()}
        if cell.id in names or binds & wanted:
            kept.insert(0, cell)
            wanted = (wanted - binds) | globals_of(top)
    return kept


def globals_of(table: symtable.SymbolTable) -> set[str]:
    """The names of the notebook that this code reads, functions and all."""
    top = table.get_type() == "module"
    own = {one.get_name() for one in table.get_symbols() if one.is_referenced() and (top or one.is_global())}
    return own.union(*map(globals_of, table.get_children()))


@pytest.mark.parametrize("name", LESSONS)
def test_untouched_stubs_are_not_started(name):
    book = read(name)
    for exercise in exercises(book):
        (result,) = cell_named(book, f"check-{exercise}").outputs
        assert "not started" in result.data["text/plain"]
