"""Exported pages and slides, opened from the disk with no network: every picture, every formula, no error."""

import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from lab import NOTEBOOKS, need_chromium, running_chromium
from make_handouts import handouts

LESSONS = sorted(path.stem for path in NOTEBOOKS.glob("0*.ipynb"))
IMAGES = (
    "() => [...document.images].map((i) => (i.complete && i.naturalWidth > 0 ? 'shown' : i.src.slice(0, 80)))"
)

TALL = """() => Reveal.getSlides().map((slide) => { // what is higher than the slide is cut off
    const { h, v } = Reveal.getIndices(slide);
    Reveal.slide(h, v);
    return [slide.scrollHeight, slide.innerText.trim().slice(0, 60)];
}).filter(([height]) => height > 720)"""


def pictures(lesson: str, *, skipped: bool = True) -> int:
    """How many pictures the outputs of a lesson hold; `skipped` counts what slides leave out too."""
    cells = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells
    kept = [c for c in cells if skipped or c.metadata["slideshow"]["slide_type"] != "skip"]
    outputs = [output for cell in kept for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def starts(lesson: str, *kinds: str) -> int:
    cells = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells
    return sum(cell.metadata["slideshow"]["slide_type"] in kinds for cell in cells)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handouts")
    handouts(sorted(NOTEBOOKS.glob("0*.ipynb")), folder)
    return folder


@pytest.fixture(scope="module")
def browser():
    need_chromium()
    with running_chromium() as running:
        yield running


@pytest.fixture
def read(browser):
    """Opens a file without a network, and afterwards looks for complaints and for what it asked for."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    asked, complaints = [], []

    def open_file(path):
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(path.as_uri())
        return page

    yield open_file
    context.close()
    assert [url for url in asked if not re.match(r"(file|data|blob):", url)] == []
    assert complaints == []


def assert_formulas_are_drawn(page, lesson):
    assert page.evaluate("() => document.body.innerText").count("$$") == 0
    source = "\n".join(
        cell.source
        for cell in nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells
        if cell.cell_type == "markdown"
    )
    drawn = page.locator("math").count()
    assert drawn >= source.count("$$") // 2
    assert page.locator("math merror").count() == 0
    assert not re.search(r"\\(frac|sqrt|text|cdot|omega)", page.locator("main").inner_text())


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_page_shows_everything(folder, read, lesson):
    page = read(folder / f"{lesson}.html")
    shown = page.evaluate(IMAGES)
    assert shown == ["shown"] * pictures(lesson)
    assert_formulas_are_drawn(page, lesson)
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    assert "Error displaying" not in page.locator("main").inner_text()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("lesson", LESSONS)
def test_slides_walk_from_first_to_last(folder, read, lesson):
    page = read(folder / f"{lesson}.slides.html")
    page.wait_for_function("() => window.Reveal?.isReady()")
    assert page.evaluate("() => Reveal.getTotalSlides()") == starts(lesson, "slide", "subslide")
    assert page.evaluate("() => Reveal.getHorizontalSlides().length") == starts(lesson, "slide")
    walked = 1
    while not page.evaluate("() => Reveal.isLastSlide()"):
        before = page.url
        page.keyboard.press("Space")
        walked += page.url != before
        assert walked <= 500
    assert page.evaluate("() => Reveal.getProgress()") == pytest.approx(1, abs=0.02)
    assert page.evaluate(IMAGES).count("shown") >= pictures(lesson, skipped=False)
    assert set(page.evaluate(IMAGES)) <= {"shown"}
    assert_formulas_are_drawn(page, lesson)
    assert page.evaluate(TALL) == []


def test_lessons_lead_to_each_other_within_the_folder(folder, read):
    page = read(folder / "01_self_attention.html")
    links = page.evaluate(
        "() => [...document.querySelectorAll('main a[href]')].map((a) => a.getAttribute('href'))"
    )
    local = [link for link in links if re.match(r"\w+\.", link)]
    assert local
    for link in local:
        assert (folder / link.split("#")[0]).is_file(), link


@pytest.mark.parametrize("lesson", LESSONS)
def test_plain_nbconvert_shows_every_picture_too(tmp_path, browser, lesson):
    shutil.copy(NOTEBOOKS / f"{lesson}.ipynb", tmp_path)
    command = [sys.executable, "-m", "nbconvert", "--to", "html", tmp_path / f"{lesson}.ipynb"]
    subprocess.run(command, check=True, capture_output=True)
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((tmp_path / f"{lesson}.html").as_uri(), wait_until="load")
    assert page.evaluate(IMAGES) == ["shown"] * pictures(lesson)
    assert "Error displaying" not in page.locator("main").inner_text()
    context.close()
