"""Exported pages and slides, opened from the disk with no network: every picture, every formula, no error."""

import re
import shutil
import subprocess
import sys

import make_handouts
import nbformat
import pytest
from lab import NOTEBOOKS, need_chromium, running_chromium

LESSONS = sorted(path.stem for path in NOTEBOOKS.glob("[0-9]*.ipynb"))
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL)
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
IMAGES = (
    "() => [...document.images].map((i) => (i.complete && i.naturalWidth > 0 ? 'shown' : i.src.slice(0, 80)))"
)

TALL = """() => Reveal.getSlides().map((slide) => { // what is higher than the slide is cut off
    const { h, v } = Reveal.getIndices(slide);
    Reveal.slide(h, v);
    return [slide.scrollHeight, slide.innerText.trim().slice(0, 60)];
}).filter(([height]) => height > 720)"""

UNFOLDED = """async () => { // everything unfolded: where a slide ends, and whether it scrolls in vain
    Reveal.configure({ transition: "none" });
    const ends = [];
    for (const slide of Reveal.getSlides().filter((one) => one.querySelector("details"))) {
        const { h, v } = Reveal.getIndices(slide);
        Reveal.slide(h, v, 99);
        for (const fold of slide.querySelectorAll("details")) fold.open = true;
        await new Promise((later) => setTimeout(later, 50));
        slide.scrollTop = slide.scrollHeight;
        const { bottom } = slide.lastElementChild.getBoundingClientRect();
        ends.push([bottom, slide.scrollTop > 0 && slide.style.getPropertyValue("--fit") !== "1"]);
    }
    return ends;
}"""


def cells(lesson: str, *, skipped: bool = True) -> list:
    """The cells of a lesson; `skipped` keeps what slides leave out too."""
    every = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells
    return [c for c in every if skipped or c.metadata["slideshow"]["slide_type"] != "skip"]


def outputs(lesson: str, *, skipped: bool = True) -> list:
    return [output for cell in cells(lesson, skipped=skipped) for output in cell.get("outputs", [])]


def pictures(lesson: str, *, skipped: bool = True) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(lesson, skipped=skipped))


def starts(lesson: str, *kinds: str) -> int:
    return sum(cell.metadata["slideshow"]["slide_type"] in kinds for cell in cells(lesson))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the README's command writes."""
    folder = tmp_path_factory.mktemp("handouts")
    command = [sys.executable, make_handouts.__file__, folder]
    said = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    pages = [folder / f"{lesson}{ending}" for lesson in LESSONS for ending in (".html", ".slides.html")]
    assert said.splitlines() == [str(page) for page in pages]
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


def assert_formulas_are_drawn(page, lesson, *, skipped=True):
    markdown = [cell for cell in cells(lesson, skipped=skipped) if cell.cell_type == "markdown"]
    source = "\n".join(cell.source for cell in markdown)
    written = FORMULA.findall(CODE.sub("", source))
    drawn = page.evaluate("() => [...document.querySelectorAll('math')].map((math) => math.textContent)")
    assert len(drawn) == len(written)
    assert [formula for formula in drawn if re.search(r"[&\\$]", formula)] == []
    rows = sum(formula.count(r"\\") + 1 for formula in written if r"\begin{" in formula)
    assert page.locator("math mtr").count() == rows
    assert page.locator("math merror").count() == 0
    assert page.evaluate("() => document.body.innerText").count("$$") == 0


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_page_shows_everything(folder, read, lesson):
    page = read(folder / f"{lesson}.html")
    shown = page.evaluate(IMAGES)
    assert shown == ["shown"] * pictures(lesson)
    alts = page.evaluate("() => [...document.images].map((image) => image.alt)")
    said = [
        output["data"]["text/plain"] for output in outputs(lesson) if "image/png" in output.get("data", {})
    ]
    assert alts == said  # the picture's facts, in one line
    assert_formulas_are_drawn(page, lesson)
    shown = page.locator(".jp-OutputArea-output")
    assert shown.count() == len(outputs(lesson))
    heights = shown.evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().height)")
    assert min(heights, default=8) >= 8, "an output is empty"
    errors = page.locator("[data-mime-type='application/vnd.jupyter.error']").count()
    assert errors == sum(output.output_type == "error" for output in outputs(lesson))
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    text = page.locator("main").inner_text()
    assert "Error displaying" not in text
    assert ".reveal(" not in text, "a folded cell's source is read before its question"
    for width in (1280, 900):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("lesson", LESSONS)
def test_slides_walk_from_first_to_last(folder, read, lesson):
    page = read(folder / f"{lesson}.slides.html")
    page.wait_for_function("() => window.Reveal?.isReady()")
    assert page.evaluate("() => Reveal.getTotalSlides()") == starts(lesson, "slide", "subslide")
    assert page.evaluate("() => Reveal.getHorizontalSlides().length") == starts(lesson, "slide")
    for _ in range(500):
        if page.evaluate("() => Reveal.isLastSlide()"):
            break
        page.keyboard.press("Space")
    assert page.evaluate("() => Reveal.isLastSlide()")
    assert page.evaluate("() => Reveal.getProgress()") == pytest.approx(1, abs=0.02)
    assert page.evaluate(IMAGES).count("shown") >= pictures(lesson, skipped=False)
    assert set(page.evaluate(IMAGES)) <= {"shown"}
    assert_formulas_are_drawn(page, lesson, skipped=False)
    assert page.evaluate(TALL) == []


@pytest.mark.parametrize("ending", [".html", ".slides.html"])
def test_lessons_lead_to_each_other_within_the_folder(folder, read, ending):
    for lesson in LESSONS:
        page = read(folder / f"{lesson}{ending}")
        links = page.evaluate(
            "() => [...document.querySelectorAll('main a[href]')].map((a) => a.getAttribute('href'))"
        )
        local = [link.split("#")[0] for link in links if re.match(r"\w+\.", link)]
        assert [link for link in local if not (folder / link).is_file()] == []
        assert local, f"{lesson} leads nowhere"


def test_nothing_in_the_folder_refers_to_a_host(folder):
    asking = re.compile(r"""(?:\bsrc=|<link[^>]* href=|@import |\burl\()(?:url\()?["']?(?:https?:)?//""")
    for file in [*folder.glob("*.html"), *folder.rglob("*.css")]:
        assert asking.findall(file.read_text("utf-8")) == [], file.name


def test_a_page_stays_readable_where_the_system_is_dark(folder, browser):
    """Dark letters on white paper: neither follows the system, alone or together."""
    context = browser.new_context(offline=True, color_scheme="dark")
    page = context.new_page()
    page.goto((folder / "01_self_attention.html").as_uri())
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    pale = """() => [...document.querySelectorAll("main :is(p, li, pre, h1, h2, summary)")].map((n) =>
        [Math.max(...getComputedStyle(n).color.match(/[\\d.]+/g).slice(0, 3)), n.innerText.slice(0, 40)])
        .filter(([brightest]) => brightest > 160)"""
    assert page.evaluate(pale) == []
    context.close()


def test_slides_fill_the_screen(folder, read):
    page = read(folder / "01_self_attention.slides.html")
    page.wait_for_function("() => window.Reveal?.isReady()")
    size = "() => parseFloat(getComputedStyle(Reveal.getCurrentSlide().querySelector('p')).fontSize)"
    assert page.evaluate(size) > 24  # of 720, for the back row


def test_the_end_of_every_unfolded_solution_can_be_reached(folder, read):
    for lesson in LESSONS:
        page = read(folder / f"{lesson}.slides.html")
        page.wait_for_function("() => window.Reveal?.isReady()")
        ends = page.evaluate(UNFOLDED)
        assert [end for end in ends if end[0] > 721] == [], lesson
        assert [end for end in ends if end[1]] == [], f"{lesson}: smaller letters would do"


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """What nbconvert makes of every lesson, by itself."""
    folder = tmp_path_factory.mktemp("nbconvert")
    written = [shutil.copy(NOTEBOOKS / f"{lesson}.ipynb", folder) for lesson in LESSONS]
    command = [sys.executable, "-m", "nbconvert", "--to", "html", *written]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("lesson", LESSONS)
def test_plain_nbconvert_shows_every_picture_too(converted, browser, lesson):
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((converted / f"{lesson}.html").as_uri(), wait_until="load")
    assert page.evaluate(IMAGES) == ["shown"] * pictures(lesson)
    assert "Error displaying" not in page.locator("main").inner_text()
    context.close()
