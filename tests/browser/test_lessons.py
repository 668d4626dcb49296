"""Every lesson in a real JupyterLab: its stored pictures show, and it runs from top to bottom."""

from opened import LESSONS, shared

pytestmark = shared(LESSONS)


def test_a_saved_lesson_shows_its_pictures_before_anything_has_run(lesson):
    assert len(lesson.widths) == lesson.stored > 0
    assert min(lesson.widths) > 100


def test_a_lesson_runs_from_top_to_bottom_with_the_solutions_in_its_exercises(lesson):
    lesson.notebook.widget()
    lesson.until(lambda: lesson.page.locator(".ah:not([data-frames])").count() == 0)
    assert lesson.notebook.cell_errors() == []
    assert "Error displaying widget" not in lesson.page.inner_text("body")
    assert lesson.notebook.errors == []
    assert lesson.notebook.hosts == {"127.0.0.1"}, "a request left the machine"
