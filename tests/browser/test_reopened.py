"""A lesson that was run, saved and closed shows its pictures when it is opened again, and lives when run."""

import shutil

import nbformat
import pytest
from lab import NOTEBOOKS, SECONDS, Notebook, until
from playwright.sync_api import expect

VIEW = "application/vnd.jupyter.widget-view+json"
LOOK = """() => {
    const outputs = [...panel().node.querySelectorAll(".jp-OutputArea-output")];
    const having = (what) => outputs.filter((output) => output.querySelector(what)).length;
    return {
        pictures: having("img"),
        alive: having("[data-frames]"),
        broken: outputs.filter((output) => /Error displaying widget|not found/.test(output.innerText)).length,
    };
}"""


def shows(notebook: Notebook, **wanted: int) -> None:
    """Wait until the outputs of all cells, those out of sight too, show so many of each."""
    notebook.page.add_style_tag(content=".jp-Cell { content-visibility: visible !important; }")
    until(lambda: notebook.page.evaluate(LOOK), lambda seen: seen == {"broken": 0, **wanted}, seconds=60)


def saved(notebook: Notebook) -> tuple[int, int]:
    """Save; returns how many outputs of the file hold a picture, and how many a view."""
    outputs = [output.get("data", {}) for cell in notebook.save().cells for output in cell.get("outputs", ())]
    return sum("image/png" in data for data in outputs), sum(VIEW in data for data in outputs)


@pytest.fixture
def lesson(lab, open_notebook):
    """Opens a lesson, again and again, of a copy that other tests do not see; the last one is closed."""
    shutil.copytree(NOTEBOOKS, lab.root / "reopened")
    opened: list[Notebook] = []

    def open_lesson(name: str) -> Notebook:
        while opened:
            opened.pop().close()
        opened.append(open_notebook(f"reopened/{name}.ipynb"))
        return opened[0]

    yield open_lesson
    while opened:
        opened.pop().close()
    shutil.rmtree(lab.root / "reopened")


def test_a_lesson_opened_tomorrow_shows_every_picture_and_lives_when_it_is_run(lesson):
    notebook = lesson("01_self_attention")
    notebook.run_all()
    pictures, views = saved(notebook)
    assert pictures >= views >= 16
    still = pictures - views  # drawn by matplotlib alone
    shows(notebook, pictures=still, alive=views)
    notebook = lesson("01_self_attention")
    shows(notebook, pictures=pictures, alive=0)
    assert notebook.errors == []
    notebook.run_all()
    shows(notebook, pictures=still, alive=views)
    assert saved(notebook) == (pictures, views)
    notebook.reload()
    shows(notebook, pictures=still, alive=views)


def test_a_lesson_that_was_run_in_part_lives_on_after_a_reload_and_is_pictures_tomorrow(lesson):
    notebook = lesson("04_learning_to_attend")
    notebook.hurry()
    notebook.run_to("after-reverse")
    pictures, views = saved(notebook)
    assert pictures > views == 3  # the same training three times; of what was not run there are pictures
    notebook.reload()
    shows(notebook, pictures=pictures - views, alive=views)
    expect(notebook.widget(".ah-title")).to_contain_text("after 300 steps")
    expect(notebook.widget(".at-note")).to_have_text("Finished: 300 steps.", timeout=10 * SECONDS)
    shows(lesson("04_learning_to_attend"), pictures=pictures, alive=0)


def test_a_reload_after_a_restart_shows_pictures(lesson):
    notebook = lesson("00_start_here")
    notebook.run_all()
    pictures, _ = saved(notebook)
    notebook.page.evaluate("() => kernel().restart()")
    notebook.page.wait_for_function("() => kernel().status === 'idle'")
    notebook.reload()
    shows(notebook, pictures=pictures, alive=0)


def test_a_reload_before_anything_was_saved_shows_pictures_of_what_was_run_yesterday(lab, lesson):
    path = lab.root / "reopened" / "03_positional_encoding.ipynb"
    book = nbformat.read(path, 4)
    drawn = [
        out for cell in book.cells for out in cell.get("outputs", ()) if "image/png" in out.get("data", {})
    ]
    for output in drawn:
        output.data[VIEW] = {"version_major": 2, "version_minor": 0, "model_id": "yesterdays"}
    nbformat.write(book, path)
    notebook = lesson("03_positional_encoding")
    shows(notebook, pictures=len(drawn), alive=0)
    notebook.run_to("first-heatmap")
    shows(notebook, pictures=len(drawn) - 1, alive=1)
    notebook.reload()
    shows(notebook, pictures=len(drawn), alive=0)
