"""Worksheets ask all that a lesson asks, and answer none of it."""

import ast
import re

import make_worksheets
import nbformat
import pytest
from lab import NOTEBOOKS
from make_worksheets import asked_by, worksheet
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from offline import asks_of_hosts

LESSONS = sorted(path.stem for path in NOTEBOOKS.glob("[0-9]*.ipynb"))
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def lesson(name: str):
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def text(book) -> str:
    return "\n".join(cell.source for cell in book.cells)


def named(book, *beginnings: str, kind: str = "code") -> list:
    return [cell for cell in book.cells if cell.id.startswith(beginnings) and cell.cell_type == kind]


def solved(book) -> list[str]:
    """Lines of solutions that stand nowhere else in the lesson's code."""
    stubs = "\n".join(cell.source for cell in named(book, ""))
    lines = [
        line.strip()
        for cell in named(book, "solution-", kind="markdown")
        for code in CODE.findall(cell.source)
        for line in code.splitlines()
    ]
    return [line for line in lines if len(line) > 15 and line not in stubs]


def reasons(book) -> list[str]:
    """Why the answers are what they are, as the cells that reveal them say."""
    calls = [
        node
        for cell in named(book, "reveal-")
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call)
    ]
    given = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "why"]
    return [value.value for value in given if isinstance(value, ast.Constant)]


@pytest.mark.parametrize("name", LESSONS)
def test_a_page_has_each_question_each_stub_and_no_answer(name):
    book = lesson(name)
    page = worksheet(book, name, printed=True)
    written = text(page)
    for cell in named(book, "predict-"):
        question, options = asked_by(cell.source)
        assert f"**{question}**" in written
        assert all(f"- ☐ {option}" in written for option in options)
    assert written.count("**Because**") == written.count("**It was**") == len(named(book, "predict-"))
    stubs = [cell.source for cell in named(book, "exercise-")]
    assert [cell.source for cell in page.cells if cell.cell_type == "code" and cell.source] == stubs
    assert "<details>" not in written and ".reveal(" not in written
    assert [line for line in solved(book) if line in written] == []
    assert [reason for reason in reasons(book) if reason in written] == []
    kinds = [cell.id for cell in page.cells if cell.get("outputs") or cell.id in {"title", "predict"}]
    asks = [i for i, cell in enumerate(page.cells) if cell.id.startswith(("predict-", "exercise-"))]
    first = min(asks, default=len(page.cells))
    assert [cell.id for cell in page.cells[first:] if cell.get("outputs")] == []
    assert kinds[0] == "title" and len(kinds) >= 2, "there is no picture"


@pytest.mark.parametrize("name", LESSONS)
def test_a_notebook_has_all_code_but_that_of_answers_and_no_output(name):
    book = lesson(name)
    made = worksheet(book, name, printed=False)
    nbformat.validate(made)
    assert [cell.id for cell in made.cells if cell.get("outputs") or cell.get("execution_count")] == []
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    left_out = [cell for cell in code if cell.id.startswith("reveal-") or cell.id == "summary"]
    kept = [cell for cell in made.cells if cell.cell_type == "code"]
    assert [cell.source for cell in kept] == [cell.source for cell in code if cell not in left_out]
    assert [line for line in solved(book) if line in text(made)] == []

    def names(cells, kind) -> set[str]:
        trees = [
            ast.walk(ast.parse(re.sub("^[%!].*", "", cell.source, flags=re.MULTILINE))) for cell in cells
        ]
        return {
            node.id
            for tree in trees
            for node in tree
            if isinstance(node, ast.Name) and isinstance(node.ctx, kind)
        }

    only_there = names(left_out, ast.Store) - names(kept, ast.Store)
    assert only_there & names(kept, ast.Load) == set(), "a cell needs what an answer has made"


def test_what_follows_a_question_is_left_out_till_the_next_heading():
    picture = [new_output("display_data", {"image/png": "aGk=", "text/plain": "Map()"})]
    book = new_notebook(
        cells=[
            new_markdown_cell("# Title", id="title"),
            new_code_cell("explorer", id="first", outputs=[*picture, new_output("stream", text="0.72")]),
            new_markdown_cell("It is so.", id="first-read"),
            new_markdown_cell("A tale.", id="tale"),
            new_code_cell('x = predict("Which?", ["a", "b"])\nx', id="predict-x"),
            new_code_cell("print(1)", id="run-x", outputs=picture),
            new_code_cell('x.reveal("a")', id="reveal-x", outputs=picture),
            new_markdown_cell("So it was a.", id="of-course"),
            new_markdown_cell("**Now break it.**\n\n<details>\n\nall\n\n</details>", id="dare"),
            new_markdown_cell("## Next part", id="part"),
            new_markdown_cell("Another tale.", id="other"),
            new_code_cell("explorer", id="last", outputs=picture),
        ]
    )  # fmt: skip
    page = worksheet(book, "00_lesson", printed=True)
    ids = ["title", "worksheet", "first", "tale", "predict-x", "dare", "part", "other"]
    assert [cell.id for cell in page.cells] == ids
    assert [output.output_type for output in page.cells[2].outputs] == ["display_data"]
    assert page.cells[5].source == "**Now break it.**" and "00_lesson.ipynb" in page.cells[1].source
    notebook = worksheet(book, "00_lesson", printed=False)
    code = ["explorer", 'x = predict("Which?", ["a", "b"])\nx', "print(1)", "explorer"]
    assert [cell.source for cell in notebook.cells if cell.cell_type == "code"] == code
    assert book.cells[4].outputs == [] and len(book.cells[1].outputs) == 2  # the lesson stays as it is


def test_a_question_that_is_not_spelt_out_is_refused():
    with pytest.raises(ValueError, match=r"no predict\(question, options\) in: x = 1"):
        asked_by("x = 1")


def test_the_command_writes_both_of_each_lesson_and_they_ask_no_host(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["make_worksheets.py", str(tmp_path / "sheets")])
    make_worksheets.main()
    endings = (".worksheet.html", ".worksheet.ipynb")
    wanted = [str(tmp_path / "sheets" / f"{name}{ending}") for name in LESSONS for ending in endings]
    assert capsys.readouterr().out.splitlines() == wanted
    for name in LESSONS:
        body = (tmp_path / "sheets" / f"{name}.worksheet.html").read_text("utf-8")
        choices = [len(asked_by(cell.source)[1]) for cell in named(lesson(name), "predict-")]
        assert asks_of_hosts(body) == [] and body.count("☐") == sum(choices), name
        links = [link.split("#")[0] for link in re.findall(r'href="(\w[^":]*)"', body)]
        assert [link for link in links if not (tmp_path / "sheets" / link).is_file()] == []
