"""A lesson, opened once in a real JupyterLab and run there, for all that tests want to see of it."""

import time
from pathlib import Path

import nbformat
import pytest
from lab import NOTEBOOKS, Lab, Notebook
from playwright.sync_api import BrowserContext

LESSONS = sorted(path.stem for path in NOTEBOOKS.glob("[0-9]*.ipynb"))
LIGHT, DARK = THEMES = ["JupyterLab Light", "JupyterLab Dark"]
OUTER = "document.querySelector('.jp-NotebookPanel .jp-WindowedPanel-outer')"
MODE = """windowingMode => {
    const book = panel().content;
    book.notebookConfig = { ...book.notebookConfig, windowingMode };
}"""
WIDTHS = "all => all.map(picture => picture.naturalWidth)"


MORE: dict[str, list[str]] = {}  # code of other notebooks that are opened as lessons are, by their names


def shared(names: list[str]) -> pytest.MarkDecorator:
    """For tests of the fixture `lesson`; the name goes into their ids, by which xdist keeps them together."""
    ids = [f"open {name}" for name in names]
    return pytest.mark.parametrize("lesson", names, indirect=True, ids=ids, scope="session")


def solved(lesson: str) -> nbformat.NotebookNode:
    """The lesson with each folded solution in its exercise: then every explorer has something to show."""
    book = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4)
    by_name = {cell.id: cell for cell in book.cells}
    for name, cell in by_name.items():
        exercise = by_name.get(name.replace("solution-", "exercise-", 1))
        if exercise not in (None, cell):
            exercise.source = cell.source.split("```python\n")[1].split("\n```")[0]
    return book


class Lesson:
    """A notebook that has run; `stored` pictures it had before, of these `widths` on the page."""

    def __init__(self, context: BrowserContext, lab: Lab, path: str):
        self.name, self.path = Path(path).stem.removeprefix("solved_"), lab.root / path
        self.notebook = Notebook(context, lab, path)
        self.page = self.notebook.page
        self.protocol = context.new_cdp_session(self.page)
        self.mode = self.page.evaluate("panel().content.notebookConfig.windowingMode")
        self.stored = sum("image/png" in output.get("data", {}) for output in self.notebook.outputs())
        self.widths = self._widths()
        self.notebook.hurry()
        self.notebook.run_all()
        assert self.notebook.cell_errors() == []
        self.laid_out = None

    def _widths(self) -> list[int]:
        """Of the stored pictures, once all are there; or, after a minute, of those that are."""
        pictures, end = self.page.locator(".jp-NotebookPanel .jp-OutputArea img"), time.monotonic() + 60
        while True:
            widths = pictures.evaluate_all(WIDTHS)
            if (len(widths) == self.stored and all(widths)) or time.monotonic() > end:
                return widths
            time.sleep(0.1)

    def lay_out(self) -> None:
        """All of its cells on the page, and every fold open."""
        if self.laid_out is None:
            self.page.evaluate(MODE, "none")  # else cells out of sight would have no layout
            # JupyterLab's own has a height of 0 and hides what overflows it: axe would take all for hidden
            self.laid_out = self.page.add_style_tag(content="body { height: 100vh }")
            self._fold(False)
            self.until(lambda: self.page.locator(".ah:not([data-frames])").count() == 0)

    def as_it_opened(self) -> None:
        """Back to what a learner has on the screen, or a class."""
        self.protocol.send("Emulation.clearDeviceMetricsOverride")
        self.notebook.wear(LIGHT)
        if self.laid_out is not None:
            self._fold(True)
            self.laid_out.evaluate("style => style.remove()")
            self.page.evaluate(MODE, self.mode)
            self.laid_out = None

    def _fold(self, shut: bool) -> None:
        folds = self.page.locator(".jp-NotebookPanel details")
        folds.evaluate_all("(all, shut) => all.forEach(fold => { fold.open = !shut })", shut)

    def until(self, wanted, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not wanted():
            assert time.monotonic() < end, f"{self.name}: not within {seconds} s"
            time.sleep(0.1)

    def resize(self, width: int, height: int, pixels: float = 1) -> None:
        """`pixels` of the screen for one of the page: what zooming in does, besides leaving less room."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": pixels, "mobile": False}
        self.protocol.send("Emulation.setDeviceMetricsOverride", metrics)
        self.until(lambda: self.page.evaluate("innerWidth") == width)

    def show_all(self) -> None:
        """A window as high as the lesson: axe does not judge the contrast of what is out of sight."""
        self.resize(1280, 1000)
        for _ in range(2):  # the height is known once everything has been laid out
            self.resize(1280, self.page.evaluate(f"{OUTER}.scrollHeight") + 200)
        self.page.evaluate(f"{OUTER}.scrollTo(0, 0)")

    def close(self) -> None:
        """Nothing was complained of, and nobody asked but this machine."""
        try:
            assert self.notebook.errors == []
            assert self.notebook.hosts == {"127.0.0.1"}, "a request left the machine"
        finally:
            self.notebook.wear(LIGHT)
            self.notebook.close()
