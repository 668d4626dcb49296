"""Every lesson walked as slides of jupyterlab-deck, widgets alive, as on a projector of 1280 × 720."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import lab as labs
import nbformat
import pytest
from deck import ACTIVE, LOST, OUT_OF_SIGHT, PROJECTOR, settled, start
from lab import until
from opened import LESSONS, shared
from playwright.sync_api import expect

STARTS, SHOWN = ("slide", "subslide"), ("slide", "subslide", "fragment", "")
DRIVEN = "01_self_attention"

# JupyterLab's own, for each press of a key: the cursor of every other cell goes back to the first letter.
LET_CURSORS_BE = "() => { panel().content._trimSelections = () => {}; }"
STRAY = """(quick) => {
    quick.disabled = true; // until this has been laid out: no frame of it is painted
    const name = (cell, node) => `${cell.model.sharedModel.id}: <${node.tagName} ${node.className}>`;
    const strays = panel().content.widgets
        .filter((cell) => !cell.hasClass("jp-deck-mod-onscreen"))
        .flatMap((cell) => [cell.node, ...cell.node.querySelectorAll("*")]
            .filter((node) => node === cell.node ? node.getBoundingClientRect().height
                : node.checkVisibility({ visibilityProperty: true }))
            .map((node) => `${name(cell, node)} strays onto it`));
    quick.disabled = false;
    return strays;
}"""
TABLE = """
from attention_core.live import Cells, Table
Table(Cells("Paid", ["attention", "GRU"], ["30 steps", "100"], [[1.0, 0.99], [0.5, 0.2]]))
"""
WATCH = """box => { // the map's pixels at each frame that is painted before training has ended
    const [map, canvas] = [box.querySelector(".ah"), box.querySelector(".ah canvas")];
    window.painted = [];
    new MutationObserver(() => {
        if (!box.textContent.includes("Finished")) painted.push(canvas.toDataURL());
    }).observe(map, { attributes: true, attributeFilter: ["data-frames"] });
}"""

GO_TO = """(id) => {
    const book = panel().content;
    book.activeCellIndex = book.widgets.findIndex((cell) => cell.model.sharedModel.id === id);
    book.activeCell.node.focus();
}"""


@dataclass
class Walk:
    """What a class saw: one entry a slide, from its first cell alone to all of it."""

    steps: list[str] = field(default_factory=list)
    slides: list[dict] = field(default_factory=list)
    complaints: list = field(default_factory=list)


def cells_of(lesson: str) -> list[nbformat.NotebookNode]:
    return nbformat.read(labs.NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells


def folded_in(lesson: str) -> set[str]:
    """The cells that the arrow keys pass over, as JupyterLab has it; Shift+Enter runs through them."""
    return {cell.id for cell in cells_of(lesson) if cell.metadata.get("jupyter", {}).get("source_hidden")}


def slides_of(lesson: str) -> list[list[str]]:
    """The ids of the cells of each slide, as their metadata has it."""
    slides: list[list[str]] = []
    for cell in cells_of(lesson):
        kind = cell.metadata["slideshow"]["slide_type"]
        if kind in STARTS:
            slides.append([])
        if kind in SHOWN:
            slides[-1].append(cell.id)
    return slides


@pytest.fixture(scope="session")
def walked(lesson) -> tuple[str, Walk]:
    """The lesson, walked from the first cell to the last with the down arrow key."""
    notebook, walk = lesson.notebook, Walk()
    lesson.as_it_opened()
    quick = notebook.page.add_style_tag(content=OUT_OF_SIGHT)
    start(notebook)
    strays = [quick.evaluate(STRAY)]
    notebook.page.evaluate(LET_CURSORS_BE)
    folded = folded_in(lesson.name)
    for slide in slides_of(lesson.name):
        for _ in [cell for cell in slide if cell not in folded]:
            if walk.steps:
                notebook.page.keyboard.press("ArrowDown")
            walk.steps.append(notebook.page.evaluate(ACTIVE))
        walk.slides.append(settled(notebook) | {"lost": notebook.page.evaluate(LOST)})
    strays.append(quick.evaluate(STRAY))
    for slide, stray in zip((walk.slides[0], walk.slides[-1]), strays, strict=True):
        slide["lost"] += stray
    notebook.page.evaluate("() => { delete panel().content._trimSelections; }")
    notebook.page.get_by_role("button", name="Exit Deck").click()
    expect(notebook.page.locator("body[data-jp-deck-mode]")).to_have_count(0)
    quick.evaluate("style => style.remove()")
    notebook.page.set_viewport_size({"width": 1280, "height": 1000})
    walk.complaints = notebook.errors + notebook.cell_errors() + sorted(notebook.hosts - {"127.0.0.1"})
    return lesson.name, walk


@shared(LESSONS)
def test_a_walk_shows_every_slide_that_the_metadata_has(lesson, walked):
    name, walk = walked
    slides, folded = slides_of(name), folded_in(name)
    assert walk.steps == [cell for slide in slides for cell in slide if cell not in folded]
    assert len(walk.slides) == len(slides) > 5
    assert [slide["onscreen"] for slide in walk.slides] == slides
    assert [slide["visible"] for slide in walk.slides] == slides, "a part of a slide stays hidden"


@shared(LESSONS)
def test_no_slide_needs_scrolling(lesson, walked):
    name, walk = walked
    lost = [f"{name}, slide {n} ({', '.join(slide['onscreen'])}), {slide['height']} px: {what}"
            for n, slide in enumerate(walk.slides) for what in slide["lost"]]  # fmt: skip
    assert not lost, "\n".join(lost)
    tallest = max(walk.slides, key=lambda slide: slide["height"])
    print(f"{name}: {len(walk.slides)} slides, the tallest {tallest['height']} px: {tallest['onscreen']}")
    assert 300 < tallest["height"] <= PROJECTOR["height"]


@shared(LESSONS)
def test_a_walk_makes_no_complaint_and_no_request_off_the_machine(lesson, walked):
    assert walked[1].complaints == []


@pytest.fixture(scope="module")
def driven(open_notebook) -> Iterator[labs.Notebook]:
    """Lesson 01 as a class begins it: no outputs that give a prediction away, and nothing run."""
    notebook = open_notebook(f"notebooks/{DRIVEN}.ipynb")
    notebook.command("notebook:clear-all-cell-outputs")
    start(notebook)
    yield notebook
    notebook.close()


def test_a_map_is_run_and_driven_on_its_slide_by_keyboard(driven):
    page = driven.page
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Control+Enter")  # runs the cell and stays with it
    page.locator(".jp-Deck .ah canvas").wait_for(timeout=60 * labs.SECONDS)
    box = page.locator(".jp-deck-mod-visible .jp-OutputArea-output:has(.ah)")
    said = box.locator(".ah-say")
    expect(said).to_have_text("“it” gives 0.72 of its attention to “cat”.")
    pixels = box.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    box.get_by_role("slider", name="Temperature").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    expect(box.locator(".widget-readout")).to_have_text("0.80")
    expect(said).not_to_contain_text("0.72")
    assert box.locator("canvas").evaluate("canvas => canvas.toDataURL()") != pixels
    assert driven.page.evaluate(LOST) == []


def test_the_remote_goes_on_back_and_out(driven):
    page = driven.page
    here = lambda: settled(driven)["onscreen"]  # noqa: E731
    slides = slides_of(DRIVEN)
    assert here() == slides[1]
    for name in ("Go to next fragment or subslide in Deck",) * 2:
        page.get_by_role("button", name=name).click()
    assert here() == slides[2]
    page.keyboard.press("Shift+Space")  # the remote has the focus: the space bar goes on, and with Shift back
    assert here() == slides[1]
    page.keyboard.press("Space")
    assert here() == slides[2]
    assert page.evaluate("() => innerWidth") == PROJECTOR["width"]
    page.get_by_role("button", name="Exit Deck").click()
    expect(page.locator("body[data-jp-deck-mode]")).to_have_count(0)
    expect(page.locator(".jp-NotebookPanel .jp-Cell").nth(3)).to_be_visible()
    controls, heatmap = (page.locator(part).first.bounding_box() for part in (".attention-controls", ".ah"))
    assert controls["y"] + controls["height"] <= heatmap["y"] + 1  # above the map again, not beside it
    assert driven.errors == []


def test_a_table_alone_is_read_from_afar(driven):
    page, out = driven.page, driven.page.get_by_role("button", name="Exit Deck")
    if out.is_visible():  # no test before has left it
        out.click()
    page.evaluate(
        """async (source) => { // the last cell
            const { content } = panel(), { sharedModel } = content.model;
            const metadata = { slideshow: { slide_type: "slide" } };
            sharedModel.insertCell(sharedModel.cells.length, { cell_type: "code", source, metadata });
            content.activeCellIndex = content.widgets.length - 1;
            await jupyterapp.commands.execute("notebook:run-cell");
        }""",
        TABLE,
    )
    number = page.locator("td.tb-cell").first
    expect(number).to_be_visible()
    height = number.bounding_box()["height"]
    start(driven)
    page.evaluate(GO_TO, page.evaluate("panel().content.widgets.at(-1).model.sharedModel.id"))
    until(lambda: settled(driven)["visible"], lambda visible: len(visible) == 1)
    assert number.bounding_box()["height"] > 1.3 * height
    assert page.evaluate(LOST) == driven.errors == []


def test_a_class_watches_the_map_while_the_loop_above_it_trains(open_notebook):
    """Both stand on one slide: the loop displays the map."""
    notebook = open_notebook("notebooks/04_learning_to_attend.ipynb")
    page = notebook.page
    notebook.command("notebook:clear-all-cell-outputs")
    start(notebook)

    def go_to(cell: str) -> None:
        page.evaluate(GO_TO, cell)
        until(lambda: settled(notebook)["visible"], lambda visible: cell in visible)
        assert page.evaluate(ACTIVE) == cell

    go_to("first-heatmap")
    page.keyboard.press("Control+Enter")
    page.locator(".jp-Deck .ah canvas").first.wait_for(timeout=60 * labs.SECONDS)
    go_to("train-reverse")
    page.keyboard.press("Control+Enter")
    box = page.locator(".jp-deck-mod-visible .jp-OutputArea-output:has(.ah canvas)")
    expect(box.get_by_role("button", name="Stop")).to_be_visible(timeout=30 * labs.SECONDS)
    box.evaluate(WATCH)
    expect(box).to_contain_text("Finished: 300 steps.", timeout=120 * labs.SECONDS)
    assert page.evaluate("() => new Set(painted).size") > 10, "too few pictures to see a map form"
    assert "train-reverse" in settled(notebook)["visible"]
    assert page.evaluate(LOST) == notebook.errors == []
    page.get_by_role("button", name="Exit Deck").click()
    expect(page.locator("body[data-jp-deck-mode]")).to_have_count(0)
    notebook.close()
