"""Worksheets: the questions, exercises and dares of every lesson, and nothing that answers them.

python tests/tools/make_worksheets.py worksheets      # writes NAME.worksheet.html and NAME.worksheet.ipynb

The page is to be printed, and filled in with a pen: each question with its choices and room for a reason,
each exercise with its stub, and the pictures that stand before the first of them. The notebook, to be
worked in, has all code as well, without outputs; it is put beside the lessons. What a cell is, its id says,
as in all lessons: predict-, run-, reveal-, exercise-, solution-, dare, …-read.
"""

import argparse
import ast
import re
from pathlib import Path

import nbformat
from make_handouts import NOTEBOOKS, Page
from nbformat import NotebookNode

FOLD = re.compile(r"\n*<details>.*?</details>", re.DOTALL)
HEADING = re.compile(r"#{1,3} ")
DARE = re.compile(r"dares?\b")
ANSWER = re.compile(r"reveal-|summary$")  # of code
TOLD = re.compile(r".*-(read|in-words)$|solution-|(recap|next|break)$")  # of text
ROOM = "**Because** …………………………………………………………………………………………\n\n**It was** ……………………………………………………………………………………………"
NOTE = (
    "*A worksheet: what this lesson asks, without its answers. The lesson itself, with maps that move, hints "
    "and checks, is {name}.ipynb.*"
)


def worksheet(lesson: NotebookNode, name: str, *, printed: bool) -> NotebookNode:
    """What a lesson asks. printed: as a page to write on; otherwise as a notebook to work in."""
    asked = False  # whether anything has been asked of the reader
    told = False  # whether a question has been put since the last heading of a part
    cells = []
    for cell in lesson.cells:
        if (ANSWER if cell.cell_type == "code" else TOLD).match(cell.id):
            continue
        if cell.cell_type == "code":
            asked = asked or cell.id.startswith(("predict-", "exercise-"))
            told = told or cell.id.startswith("predict-")
            made = _printed(cell, asked) if printed else nbformat.v4.new_code_cell(cell.source)
        else:
            source = FOLD.sub("", cell.source).strip()
            told = told and not source.startswith("## ")
            answers = told and not HEADING.match(source) and not DARE.match(cell.id)
            made = None if answers else nbformat.v4.new_markdown_cell(source)
        if made:
            cells.append(nbformat.from_dict({**made, "id": cell.id}))
    cells.insert(1, nbformat.v4.new_markdown_cell(NOTE.format(name=name), id="worksheet"))
    return nbformat.v4.new_notebook(cells=cells, metadata=lesson.metadata)


def _printed(cell: NotebookNode, asked: bool) -> NotebookNode | None:
    """A question, a stub, or pictures from before the first of them; nothing of any other cell."""
    if cell.id.startswith("predict-"):
        question, options = asked_by(cell.source)
        choices = "\n".join(f"- ☐ {option}" for option in options)
        return nbformat.v4.new_markdown_cell(f"**{question}**\n\n{choices}\n\n{ROOM}")
    if cell.id.startswith("exercise-"):
        return nbformat.v4.new_code_cell(cell.source)
    pictures = [output for output in cell.outputs if "image/png" in output.get("data", {})]
    if asked or not pictures:
        return None
    return nbformat.v4.new_code_cell("", outputs=pictures, metadata={"jupyter": {"source_hidden": True}})


def asked_by(source: str) -> tuple[str, list[str]]:
    """The question and the choices of a cell that predicts.

    Raises: ValueError where they are not spelt out in the cell.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "predict":
            return ast.literal_eval(node.args[0]), ast.literal_eval(node.args[1])
    raise ValueError(f"no predict(question, options) in: {source}")


def worksheets(notebooks: list[Path], folder: Path) -> list[Path]:
    """Write both worksheets of each lesson; returns what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for path in notebooks:
        lesson = nbformat.read(path, as_version=4)
        page, notebook = (folder / f"{path.stem}.worksheet{ending}" for ending in (".html", ".ipynb"))
        body, _ = Page().from_notebook_node(
            worksheet(lesson, path.stem, printed=True), {"metadata": {"name": path.stem}}
        )
        page.write_text(body.replace('.ipynb"', '.worksheet.html"'), "utf-8")  # they refer to each other
        nbformat.write(worksheet(lesson, path.stem, printed=False), notebook)
        written += [page, notebook]
    return written


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for path in worksheets(sorted(NOTEBOOKS.glob("[0-9]*.ipynb")), folder):
        print(path)


if __name__ == "__main__":
    main()
