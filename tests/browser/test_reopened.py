"""A lesson that was run, saved and closed shows its pictures when it is opened again, and lives when run."""

import pytest
from lab import SECONDS, Notebook, until
from playwright.sync_api import expect

VIEW = "application/vnd.jupyter.widget-view+json"
LOOK = """() => {
    const outputs = [...panel().node.querySelectorAll(".jp-OutputArea-output")];
    const having = (what) => outputs.filter((output) => output.querySelector(what)).length;
    return {
        pictures: having("img"),
        alive: having(".ah, .ap, .at, .plane, .sm"),
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
def lesson(open_notebook):
    """Opens a lesson, again and again; the last one is closed in the end."""
    opened: list[Notebook] = []

    def open_lesson(path: str) -> Notebook:
        while opened:
            opened.pop().close()
        opened.append(open_notebook(path))
        return opened[0]

    yield open_lesson
    while opened:
        opened.pop().close()


def test_a_lesson_opened_tomorrow_shows_every_picture_and_lives_when_it_is_run(lesson):
    notebook = lesson("notebooks/01_self_attention.ipynb")
    notebook.run_all()
    pictures, views = saved(notebook)
    assert pictures >= views >= 16
    still = pictures - views  # drawn by matplotlib alone
    shows(notebook, pictures=still, alive=views)
    notebook = lesson("notebooks/01_self_attention.ipynb")
    shows(notebook, pictures=pictures, alive=0)
    assert notebook.errors == []
    notebook.run_all()
    shows(notebook, pictures=still, alive=views)
    assert saved(notebook) == (pictures, views)
    notebook.reload()
    shows(notebook, pictures=still, alive=views)


def test_a_lesson_that_was_run_in_part_lives_on_after_a_reload_and_is_pictures_tomorrow(lesson):
    notebook = lesson("notebooks/04_learning_to_attend.ipynb")
    notebook.run_to("after-reverse")
    pictures, views = saved(notebook)
    assert pictures > views == 2  # the same training twice; of what was not run there are pictures
    notebook.reload()
    shows(notebook, pictures=pictures - views, alive=views)
    expect(notebook.widget(".ah-title")).to_contain_text("after 300 steps")
    expect(notebook.widget(".at-note")).to_have_text("Finished: 300 steps.", timeout=10 * SECONDS)
    shows(lesson("notebooks/04_learning_to_attend.ipynb"), pictures=pictures, alive=0)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_reload_shows_pictures_of_views_that_the_living_kernel_does_not_have(lesson, restarted):
    """What was not saved since, and what an earlier kernel made, is no error either."""
    notebook = lesson("notebooks/02_multi_head_attention.ipynb")
    notebook.run_all()
    pictures, views = saved(notebook)
    if restarted:
        notebook.page.evaluate("() => kernel().restart()")
        notebook.page.wait_for_function("() => kernel().status === 'idle'")
    else:
        notebook = lesson("notebooks/02_multi_head_attention.ipynb")
        notebook.run_to("first-heatmap")
        shows(notebook, pictures=pictures - 1, alive=1)
    notebook.reload()
    shows(notebook, pictures=pictures, alive=0)
    notebook.run_all()
    shows(notebook, pictures=pictures - views, alive=views)
