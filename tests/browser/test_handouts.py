"""Exported pages and slides, opened from the disk with no network: every picture, every formula, no error;
and what lives on them, though there is no kernel."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import make_handouts
import nbformat
import pytest
from axe import serious
from lab import NOTEBOOKS, SECONDS, need_chromium, running_chromium
from offline import asks_of_hosts
from playwright.sync_api import Browser, Page, expect

# the first that asks for the pages waits till every lesson has run: that is none of its own time
pytestmark = pytest.mark.timeout(600, func_only=True)
LESSONS = sorted(path.stem for path in NOTEBOOKS.glob("[0-9]*.ipynb"))
# whose text names what moves; HANDOUTS=all takes all lessons, and ten minutes more
SOME = ("01", "02", "03")
LIVE = [name for name in LESSONS if os.environ.get("HANDOUTS") == "all" or name[:2] in SOME]
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL)
MOST_BYTES = 6_000_000  # of a page
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
    """What the README's command writes, of these lessons alive."""
    return written(tmp_path_factory.mktemp("handouts"), "--live", *(name[:2] for name in LIVE))


@pytest.fixture(scope="module")
def pictures_alone(tmp_path_factory):
    """What it writes when it is to run nothing."""
    return written(tmp_path_factory.mktemp("still"), "--still")


def written(folder, *options):
    command = [sys.executable, make_handouts.__file__, folder, *options]
    said = subprocess.run(command, check=True, capture_output=True, encoding="utf-8", timeout=1800).stdout
    pages = [folder / f"{lesson}{ending}" for lesson in LESSONS for ending in (".html", ".slides.html")]
    assert said.splitlines() == [str(page) for page in pages]
    return folder


@pytest.fixture(scope="module")
def browser():
    need_chromium()
    with running_chromium() as running:
        yield running


@contextmanager
def reading(browser: Browser) -> Iterator[Callable[[Path], Page]]:
    """Opens a file without a network, and afterwards looks for complaints and for what it asked for."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    asked, complaints = [], []

    def open_file(path):
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(path.as_uri())
        if path.name.endswith(".slides.html"):
            page.wait_for_function("() => window.Reveal?.isReady()")
        if page.locator("#attention-record").count():
            alive = "fitted" if path.name.endswith(".slides.html") else "all"
            page.locator(f"html[data-live={alive}]").wait_for(state="attached", timeout=60 * SECONDS)
            expect(page.locator(".ah:not([data-frames])")).to_have_count(0, timeout=60 * SECONDS)
        return page

    yield open_file
    context.close()
    assert [url for url in asked if not re.match(r"(file|data|blob):", url)] == []
    assert complaints == []


@pytest.fixture
def read(browser):
    """Opens a file for one test, which may do with it what it likes."""
    with reading(browser) as open_file:
        yield open_file


class Handout(NamedTuple):
    path: Path
    lesson: str
    page: Page

    @property
    def is_slides(self) -> bool:
        return self.path.name.endswith(".slides.html")


@pytest.fixture(scope="module")
def handout(request, folder, browser) -> Iterator[Handout]:
    """A file that is opened once, for all tests that read it: live slides take their time to fit."""
    with reading(browser) as open_file:
        path = folder / request.param
        yield Handout(path, path.name.split(".")[0], open_file(path))


def each(lessons: list[str], *endings: str) -> pytest.MarkDecorator:
    """For tests of the fixture `handout`, one after the other on each file, in their order here."""
    files = [lesson + ending for lesson in lessons for ending in endings]
    return pytest.mark.parametrize("handout", files, indirect=True, scope="module")


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


@each(LESSONS, ".html")
def test_a_page_shows_everything(handout):
    page, lesson = handout.page, handout.lesson
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


@each(LESSONS, ".slides.html")
def test_slides_walk_from_first_to_last(handout):
    page, lesson = handout.page, handout.lesson
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


@each(LESSONS, ".html", ".slides.html")
def test_lessons_lead_to_each_other_within_the_folder(folder, handout):
    links = handout.page.evaluate(
        "() => [...document.querySelectorAll('main a[href]')].map((a) => a.getAttribute('href'))"
    )
    local = [link.split("#")[0] for link in links if re.match(r"\w+\.", link)]
    assert [link for link in local if not (folder / link).is_file()] == []
    assert local, "it leads nowhere"


def test_nothing_in_the_folder_refers_to_a_host(folder):
    for file in [*folder.glob("*.html"), *folder.rglob("*.css")]:
        assert asks_of_hosts(file.read_text("utf-8")) == [], file.name


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


@each(["01_self_attention"], ".slides.html")
def test_slides_fill_the_screen(handout):
    page = handout.page
    page.evaluate("() => Reveal.slide(0, 0)")
    size = "() => parseFloat(getComputedStyle(Reveal.getCurrentSlide().querySelector('p')).fontSize)"
    assert page.evaluate(size) > 24  # of 720, for the back row


@each(LESSONS, ".slides.html")
def test_the_end_of_every_unfolded_solution_can_be_reached(handout):
    ends = handout.page.evaluate(UNFOLDED)
    assert [end for end in ends if end[0] > 721] == []
    assert [end for end in ends if end[1]] == [], "smaller letters would do"


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


# ---------------------------------------------------------------- without a kernel, and alive

EXPLORERS = re.compile(r"(?!Prediction)\w+\(")  # a prediction is the kernel's to answer
DRAWN = """(explorer) => [...explorer.querySelectorAll("canvas, svg, .ah-say, .ws-said, td, .ah-target")]
    .map((node) => (node.toDataURL ? node.toDataURL() : node.getAttribute("aria-label") ?? node.innerHTML))
    .join("\\n")"""


def first_map(page):
    """The first map of more than one row, in sight."""
    for grid in page.locator(".attention-live .ah [role=grid]").all():
        if int(grid.get_attribute("aria-rowcount")) > 1 and int(grid.get_attribute("aria-colcount")) > 1:
            grid.scroll_into_view_if_needed()
            return grid
    raise AssertionError("there is no map")


def words_of(grid) -> str:
    return grid.evaluate("(grid) => grid.closest('.ah').querySelector('.ah-say').innerText")


@each(LIVE, ".html", ".slides.html")
def test_every_explorer_and_every_map_lives(handout):
    page = handout.page
    assert handout.path.stat().st_size <= MOST_BYTES
    shown = [
        output["data"]["text/plain"]
        for output in outputs(handout.lesson, skipped=not handout.is_slides)
        if "image/png" in output.get("data", {})
    ]
    wanted = sum(bool(EXPLORERS.match(text)) for text in shown)
    assert page.locator(".attention-live").count() == wanted > 0
    assert page.locator(".attention-live:not(:has([data-frames]))").count() == 0
    hidden = page.locator(".attention-lives > img")
    assert hidden.count() == wanted
    assert hidden.evaluate_all("(all) => all.map((one) => one.checkVisibility())") == [False] * wanted


@pytest.mark.parametrize("ending", [".html", ".slides.html"])
@pytest.mark.parametrize("lesson", LIVE)
def test_a_map_answers_to_pointer_keys_and_pins(folder, read, lesson, ending):
    page = read(folder / f"{lesson}{ending}")
    if ending == ".slides.html":
        page.evaluate("""() => { // the slide of the first map
            Reveal.configure({ transition: "none" });
            const grids = [...document.querySelectorAll(".attention-live .ah [role=grid]")];
            const many = (one) => ["row", "col"].every((way) => one.getAttribute(`aria-${way}count`) > 1);
            const { h, v } = Reveal.getIndices(grids.find(many).closest("section"));
            Reveal.slide(h, v, 99);
        }""")
        slide = page.evaluate("() => JSON.stringify(Reveal.getIndices())")
    grid = first_map(page)
    width, height = (grid.bounding_box()[side] for side in ("width", "height"))
    grid.hover(position={"x": 2, "y": 2})
    corner = words_of(grid)
    grid.hover(position={"x": width - 2, "y": height - 2})
    assert words_of(grid) != corner
    grid.hover(position={"x": 2, "y": 2})
    assert words_of(grid) == corner
    grid.click(position={"x": 2, "y": 2})
    pinned = grid.locator("[role=gridcell][aria-selected=true]")
    expect(pinned.first).to_be_attached()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert words_of(grid) != corner
    page.keyboard.press("Escape")  # frees the row
    expect(pinned).to_have_count(0)
    if ending == ".slides.html":
        assert page.evaluate("() => JSON.stringify(Reveal.getIndices())") == slide
        page.keyboard.press("Escape")  # leaves the map: arrows are the deck's again
        page.keyboard.press("Space")
        assert page.evaluate("() => JSON.stringify(Reveal.getIndices())") != slide


NAMED = [  # in the text of the lesson
    ("01_self_attention", "Temperature", ["ArrowLeft"] * 5),
    ("03_positional_encoding", "Position", ["ArrowRight"] * 4),
    ("03_positional_encoding", "Distance", ["ArrowRight"] * 4),
]


@pytest.mark.parametrize(("lesson", "name", "keys"), NAMED)
def test_the_sliders_that_the_text_names_move_the_map_and_back(folder, read, lesson, name, keys):
    page = read(folder / f"{lesson}.html")
    slider = page.get_by_role("slider", name=name, exact=True).first
    explorer = slider.locator("xpath=ancestor::*[contains(@class, 'attention-explorer')]")
    stood, before = slider.input_value(), drawn(page, explorer)
    slider.focus()
    for key in keys:
        page.keyboard.press(key)
    expect(slider).not_to_have_value(stood)
    assert drawn(page, explorer) != before
    for key in keys:
        page.keyboard.press({"ArrowLeft": "ArrowRight", "ArrowRight": "ArrowLeft"}[key])
    expect(slider).to_have_value(stood)
    assert drawn(page, explorer) == before


def test_the_switches_that_lesson_2_names_change_the_output_and_back(folder, read):
    page = read(folder / "02_multi_head_attention.html")
    alone = page.get_by_role("button", name="only head 1").first
    explorer = alone.locator("xpath=ancestor::*[contains(@class, 'attention-explorer')]")
    before = drawn(page, explorer)
    alone.click()
    expect(explorer.locator(".ws-said")).to_contain_text("With head 1 alone the output changes")
    assert drawn(page, explorer) != before
    alone.click()
    assert drawn(page, explorer) == before


def drawn(page, explorer) -> str:
    """All that it shows, once names of cells have followed."""
    page.wait_for_timeout(1200)
    return explorer.evaluate(DRAWN)


def test_two_controls_move_together_and_a_word_says_where_one_goes_back(folder, read):
    page = read(folder / "01_self_attention.html")
    explorer = page.locator(".attention-explorer").first
    slider = explorer.get_by_role("slider", name="Temperature")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    moved = slider.input_value()
    explorer.get_by_role("button", name="causal").click()
    expect(explorer.get_by_role("button", name="causal")).to_have_attribute("aria-pressed", "true")
    expect(explorer.locator(".ah-masked").first).to_be_visible()
    expect(slider).to_have_value(moved)
    expect(explorer.locator(".attention-bank")).to_have_text("")


def test_what_only_a_kernel_can_do_is_not_offered_or_says_so(folder, read):
    page = read(folder / "01_self_attention.html")
    for box in page.locator(".attention-live input[type=text]").all():
        expect(box).to_be_disabled()
    assert page.locator(".attention-live .ah-button:visible").count() == 0
    plane = page.locator(".attention-explorer:has(.plane)").first
    query = plane.locator(".plane-movable").first
    place = query.get_attribute("aria-valuetext")
    query.focus()
    page.keyboard.press("ArrowRight")
    expect(plane.locator(".attention-bank")).to_contain_text("This page has no kernel")
    expect(query).to_have_attribute("aria-valuetext", place)


DEAD = """async (explorer) => { // controls of which nothing comes, no change, no word, no going back
    const hands = ":is(select, [type=range], [type=checkbox])";
    const state = () => JSON.stringify([
        explorer.innerText,
        [...explorer.querySelectorAll("canvas, svg")].map((node) => node.toDataURL?.() ?? node.innerHTML),
        [...explorer.querySelectorAll("input, select")].map((one) => [one.value, one.checked]),
    ]);
    const moves = (one) => one.type === "checkbox" ? [() => { one.checked = !one.checked; }]
        : one.options ? [...one.options].map((_, i) => () => { one.selectedIndex = i; })
        : [-1, 1].map((step) => () => { one.value = Number(one.value) + step; });
    const dead = [];
    for (const one of explorer.querySelectorAll(`.attention-controls ${hands}`)) {
        if (one.disabled || !one.checkVisibility()) continue;
        const all = moves(one);
        let lives = !all.length;
        for (const move of all) { // two places may look the same, not all of them
            if (lives) break;
            move();
            const asked = state();
            for (const kind of ["input", "change"]) one.dispatchEvent(new Event(kind, { bubbles: true }));
            await new Promise((done) => setTimeout(done, 300));
            lives = state() !== asked;
        }
        const name = one.getAttribute("aria-label") ?? one.closest(".jupyter-widgets").innerText;
        if (!lives) dead.push(name.slice(0, 40));
    }
    return dead;
}"""


@pytest.mark.parametrize("lesson", LIVE)
def test_something_comes_of_each_control_that_is_offered(folder, read, lesson):
    page = read(folder / f"{lesson}.html")
    page.wait_for_timeout(1200)  # names of cells follow
    dead = [name for one in page.locator(".attention-explorer").all() for name in one.evaluate(DEAD)]
    assert dead == []


@each(LIVE, ".html")
def test_axe_finds_nothing_serious_on_a_live_page(handout):
    page = handout.page
    page.locator("details").evaluate_all("(all) => all.forEach((fold) => { fold.open = true; })")
    page.set_viewport_size({"width": 1280, "height": page.evaluate("document.documentElement.scrollHeight")})
    ours = [[".jp-OutputArea-output"], [".jp-RenderedMarkdown"]]
    found = serious(page, ours, [[".jp-RenderedMarkdown pre span"]])  # the colours of syntax are nbconvert's
    assert not found, "\n".join(["", *(" | ".join(entry) for entry in found)])


def test_pictures_stand_where_no_script_runs_and_in_print(folder, browser):
    path = folder / "01_self_attention.html"
    scriptless = browser.new_context(offline=True, java_script_enabled=False)
    page = scriptless.new_page()
    page.goto(path.as_uri())
    visible = page.locator("main img:visible")
    assert visible.count() == pictures("01_self_attention")
    scriptless.close()
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    page.locator("html[data-live=all]").wait_for(state="attached")
    page.emulate_media(media="print")
    assert page.locator("main img:visible").count() == pictures("01_self_attention")
    assert page.locator(".attention-live:visible").count() == 0
    context.close()


def test_still_pages_hold_what_is_stored_and_nothing_else(pictures_alone):
    for lesson in LESSONS:
        text = (pictures_alone / f"{lesson}.html").read_text("utf-8")
        assert text.count('src="data:image/png;base64,') == pictures(lesson)
        assert "attention-record" not in text and "data-model" not in text


def test_keys_of_a_control_turn_no_slide(folder, read):
    page = read(folder / "01_self_attention.slides.html")
    page.evaluate("""() => {
        const { h, v } = Reveal.getIndices(document.querySelector(".attention-explorer").closest("section"));
        Reveal.slide(h, v, 99);
    }""")
    slide = page.evaluate("() => JSON.stringify(Reveal.getIndices())")
    causal = page.locator(".attention-explorer").first.get_by_role("button", name="causal")
    causal.focus()
    page.keyboard.press("Space")
    expect(causal).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("() => JSON.stringify(Reveal.getIndices())") == slide
