"""Every explorer there is, found and not listed: by keyboard, in the system's colours, on a slide."""

import nbformat
import pytest
from deck import LOST, SCROLLS, settled, start
from found import found_explorers
from lab import KERNELSPEC, Notebook, until
from playwright.sync_api import Locator
from test_page_faults import CONTRAST, READ

FOUND = found_explorers()
FRAMES = """box => [...box.querySelectorAll("[data-frames]")].map(view => Number(view.dataset.frames))"""


@pytest.fixture(scope="module")
def notebook(lab, open_notebook):
    book = nbformat.v4.new_notebook(metadata={"kernelspec": KERNELSPEC})
    for name, code in FOUND.items():
        *before, make = code.splitlines()
        cell = nbformat.v4.new_code_cell("\n".join([*before, f"shown = {make}", f"{name}_ = shown", "shown"]))
        cell.metadata["slideshow"] = {"slide_type": "slide"}
        book.cells.append(cell)
    nbformat.write(book, lab.root / "every_explorer.ipynb")
    notebook = open_notebook("every_explorer.ipynb")
    notebook.run_all()
    assert notebook.cell_errors() == []
    yield notebook
    assert notebook.errors == []
    assert notebook.hosts == {"127.0.0.1"}, "a request left the machine"
    notebook.close()


class Hands:
    """One explorer of the notebook, by keyboard."""

    def __init__(self, notebook: Notebook, name: str):
        self.notebook, self.name, self.page = notebook, name, notebook.page
        self.page.evaluate("i => { panel().content.activeCellIndex = i; }", list(FOUND).index(name))
        cell = self.page.locator(".jp-NotebookPanel .jp-Cell").nth(list(FOUND).index(name))
        self.box = cell.locator(".jp-OutputArea-output:has([data-frames])")
        self.box.wait_for()
        self.box.scroll_into_view_if_needed()

    def shown(self) -> str:
        """Whatever its traits are, in Python."""
        values = "{n: getattr(X, n) for n in [*X.inputs(), 'projector']}".replace("X", f"{self.name}_")
        return self.notebook.execute(f"print({values})")

    def controls(self) -> list[Locator]:
        bar = self.box.locator(".attention-controls").first
        found = bar.locator("[role=slider], input[type=text], input[type=checkbox], button").all()
        return [control for control in found if control.is_visible()]  # a player has a button that is hidden


@pytest.mark.parametrize("name", FOUND)
def test_each_control_moves_something_by_keyboard_and_has_a_name(notebook, name):
    hands = Hands(notebook, name)
    for control in hands.controls():
        before, drawn = hands.shown(), hands.box.evaluate(FRAMES)
        kind = control.evaluate("node => node.type || node.getAttribute('role')")
        pressed = control.get_attribute("aria-pressed")
        assert control.evaluate(
            "node => node.ariaLabel || node.labels?.[0]?.textContent.trim() || node.textContent.trim()"
        ), f"a {kind} of {name} has no name"
        control.focus()
        hands.page.keyboard.press({"slider": "ArrowRight", "text": "x"}.get(kind, " "))
        if pressed == "true":
            continue  # the button of the choice that is made already
        until(hands.shown, lambda now, before=before: now != before)
        until(lambda: hands.box.evaluate(FRAMES), lambda now, drawn=drawn: now != drawn)
    for view in hands.box.locator("[data-frames]").all():
        assert view.evaluate("view => view.textContent.trim() || view.querySelector('canvas, svg')")


@pytest.fixture(scope="module")
def anew(notebook):
    """Each made once more, whatever was done to it, where the system chooses white on black."""
    notebook.page.emulate_media(forced_colors="active", color_scheme="dark")
    notebook.run_all()
    return notebook


def test_what_is_written_is_read_where_the_system_chooses_the_colours(anew):
    boxes = {name: Hands(anew, name).box for name in FOUND}
    for scheme in ("dark", "light"):
        anew.page.emulate_media(forced_colors="active", color_scheme=scheme)
        for name, box in boxes.items():
            found = box.locator(READ).evaluate_all(CONTRAST)
            assert found and min(found) >= 4.5, (name, scheme)


def test_each_fits_a_slide_with_its_controls(anew):
    anew.page.emulate_media(forced_colors="none", color_scheme="light")
    start(anew)
    slide = anew.page.locator(".jp-deck-mod-visible .jp-OutputArea-output:has(.attention-explorer)")
    lost = {}
    try:
        for name in FOUND:
            seen = until(lambda: settled(anew), lambda seen: len(seen["visible"]) == 1)
            assert len(seen["onscreen"]) == 1
            until(lambda: anew.page.evaluate(SCROLLS), lambda found: found == [])
            lost[name] = anew.page.evaluate(LOST)
            assert slide.locator(".ah, .sm").bounding_box()["width"] > 300
            anew.page.keyboard.press("ArrowDown")
    finally:
        anew.page.get_by_role("button", name="Exit Deck").click()
    assert {name: what for name, what in lost.items() if what} == {}
