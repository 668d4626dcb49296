"""Refreshing a lesson keeps what a reader sees and drops what changes by itself."""

import copy

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from refresh_notebooks import KERNELSPEC, WIDGET, main, normalise, refresh

VIEW = {"version_major": 2, "version_minor": 0, "model_id": "0a1b"}


def untidy():
    """A notebook as JupyterLab leaves it."""
    return new_notebook(
        metadata={
            "kernelspec": {"display_name": "my venv", "name": "my-venv", "language": "python"},
            "language_info": {"name": "python", "version": "3.11.9", "file_extension": ".py"},
            "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}}},
        },
        cells=[
            new_markdown_cell("# Title", id="title", metadata={"slideshow": {"slide_type": "slide"}, "x": 1}),
            new_code_cell(
                "explorer",
                id="map",
                execution_count=7,
                metadata={"execution": {"iopub.status.busy": "2026"}, "tags": ["hidden"], "scrolled": True},
                outputs=[
                    new_output(
                        "execute_result",
                        {"text/plain": "Explorer()", "image/png": "aGk=", WIDGET: VIEW},
                        metadata={"image/png": {"width": 10}},
                    ),
                    new_output("display_data", {"text/plain": "IntSlider()", WIDGET: VIEW}),
                    new_output("stream", name="stdout", text="1\n"),
                ],
            ),
        ],
    )


def test_only_what_a_reader_sees_is_kept():
    book = untidy()
    normalise(book)
    assert book.metadata == {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    title, code = book.cells
    assert title.metadata == {"slideshow": {"slide_type": "slide"}}
    assert code.metadata == {"tags": ["hidden"]}
    assert (title.id, title.source, code.id, code.source) == ("title", "# Title", "map", "explorer")
    picture, slider, printed = code.outputs
    assert picture.data == {"text/plain": "Explorer()", "image/png": "aGk="}
    assert picture.metadata == {"image/png": {"width": 10}}
    assert slider.data[WIDGET] == VIEW  # without a picture beside it the view is all there is
    assert printed.text == "1\n"


def test_doing_it_twice_changes_nothing_more():
    book = untidy()
    normalise(book)
    once = copy.deepcopy(book)
    normalise(book)
    assert book == once
    nbformat.validate(book)


def lesson(path, *sources):
    book = new_notebook(cells=[new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)])
    book.cells[0].execution_count = 9
    nbformat.write(book, path)
    return path


def test_refreshing_runs_from_the_lessons_own_folder_and_counts_from_1(tmp_path):
    path = lesson(tmp_path / "lesson.ipynb", "import os\nos.path.exists('lesson.ipynb')", "2 + 3")
    refresh(path)
    stored = path.read_text("utf-8")
    assert stored.endswith("}\n") and '\n "cells"' in stored  # one space of indentation, a last line end
    book = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in book.cells] == [1, 2]
    assert [cell.outputs[0].data["text/plain"] for cell in book.cells] == ["True", "5"]
    assert [cell.id for cell in book.cells] == ["cell-0", "cell-1"]
    assert book.metadata.kernelspec == KERNELSPEC


def test_what_was_printed_in_several_messages_is_stored_as_one_text(tmp_path):
    pause = "import sys, time\nfor line in 'ab':\n    print(line)\n    sys.stdout.flush(); time.sleep(0.3)"
    path = lesson(tmp_path / "lesson.ipynb", pause)
    refresh(path)
    (printed,) = nbformat.read(path, as_version=4).cells[0].outputs
    assert printed.text == "a\nb\n"


def test_a_lesson_that_fails_is_left_as_it_was_and_the_exit_code_says_so(tmp_path, monkeypatch, capsys):
    path = lesson(tmp_path / "broken.ipynb", "1", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(CellExecutionError, match="division by zero"):
        refresh(path)
    assert path.read_bytes() == before
    monkeypatch.setattr("sys.argv", ["refresh_notebooks.py", str(path)])
    assert main() == 1
    assert "broken.ipynb: not stored, a cell failed" in capsys.readouterr().err
    assert path.read_bytes() == before
