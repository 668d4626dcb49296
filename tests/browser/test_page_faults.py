"""Faults that a page once had, each as its reader met it: colours, screens, sizes, words, slides, keys."""

import io
import json

import nbformat
import numpy as np
import pytest
from deck import LOST, OUT_OF_SIGHT, SCROLLS, settled, start
from lab import Notebook, until
from PIL import Image
from playwright.sync_api import Locator, expect

SENTENCE = "the cat sat on the mat because it was tired"
CELLS = {
    "explorer": f"""
import torch
from attention_core.live import LookUpExplorer, MultiHeadExplorer, PositionExplorer, SelfAttentionExplorer
from attention_core.live import SinusoidExplorer
explorer = SelfAttentionExplorer("{SENTENCE}")
explorer
""",
    "look_up": "look_up = LookUpExplorer(); look_up",
    "multi": "multi = MultiHeadExplorer(); multi",
    "clocks": "clocks = SinusoidExplorer(); clocks",
    "position": "position = PositionExplorer(shuffle=1); position",
}


class Book:
    """A notebook of one explorer a cell, which are slides, too."""

    def __init__(self, notebook: Notebook):
        self.notebook, self.page = notebook, notebook.page
        self.made: set[str] = set()  # in this test

    def make(self, *names: str) -> None:
        """Run these cells anew, the first of all before, which imports."""
        for name in sorted({next(iter(CELLS)), *names} - self.made, key=list(CELLS).index):
            self.page.evaluate("i => { panel().content.activeCellIndex = i; }", list(CELLS).index(name))
            self.notebook.command("notebook:run-cell")
            self.made.add(name)
            expect(self.box(name).locator("[data-frames]").first).to_be_visible()
        assert self.notebook.cell_errors() == []

    def box(self, name: str) -> Locator:
        """The output of that cell, in sight; each test has widgets of its own."""
        if name not in self.made:
            self.make(name)
        box = self.notebook.widget(".jp-OutputArea-output:has(.attention-explorer)", list(CELLS).index(name))
        box.scroll_into_view_if_needed()
        return box

    def say(self, expression: str):
        """What the kernel says to this, as JSON has it."""
        code = f"import json; print(json.dumps({expression}))"
        # on a busy machine the answer may overtake what was printed
        return json.loads(until(lambda: self.notebook.execute(code), bool))

    def heard(self, expression: str, wanted) -> None:
        until(lambda: self.say(expression), lambda now: now == wanted)


@pytest.fixture(scope="module")
def book(lab, open_notebook):
    path = lab.root / lab.write("faults.ipynb", list(CELLS.values()))
    cells = nbformat.read(path, 4)
    for cell in cells.cells:
        cell.metadata["slideshow"] = {"slide_type": "slide"}
    nbformat.write(cells, path)
    notebook = open_notebook(path.name)
    notebook.run_all()  # so that each cell has its output, and its place
    assert notebook.cell_errors() == []
    yield Book(notebook)
    notebook.close()


@pytest.fixture(autouse=True)
def anew(book):
    """No test sees what another has done."""
    book.notebook.errors.clear()
    yield
    book.made.clear()
    assert book.notebook.errors == []


def pixels(part: Locator) -> np.ndarray:
    """What a part of the page looks like: `(height, width, 3)`."""
    return np.asarray(Image.open(io.BytesIO(part.screenshot())).convert("RGB")).astype(int)


def colours(part: Locator) -> set[tuple[int, ...]]:
    """The colours that a part of the page has."""
    return set(map(tuple, pixels(part).reshape(-1, 3).tolist()))


def differ(one: np.ndarray, other: np.ndarray) -> int:
    """How many pixels are clearly others."""
    return int((np.abs(one - other).max(-1) > 60).sum())


# ---------------------------------------------------------------- where the system chooses the colours

CONTRAST = """all => all.map(one => {
    const { rgba, behind, ratio } = COLOURS;
    const style = getComputedStyle(one);
    return ratio(rgba(one instanceof SVGElement ? style.fill : style.color), behind(one));
})"""
READ = (
    ".widget-toggle-button, .hs-alone, .ah-word, .plane-point text, .plane-point circle, .cv-tick, "
    ".sm text:not(.sm-flag text)"
)


@pytest.fixture(params=["light", "dark"])
def forced(book, request):
    """Windows' high contrast: black on white, or white on black."""
    book.page.emulate_media(forced_colors="active", color_scheme=request.param)
    yield request.param
    book.page.emulate_media(forced_colors="none", color_scheme="light")


def test_marks_and_tints_are_seen_where_the_system_chooses_the_colours(book, forced):
    box = book.box("explorer")
    book.notebook.execute("explorer.mask = 'causal'")
    expect(box.locator(".ah-masked")).to_be_visible()
    head = box.locator(".ah-field")
    for mark in (".ah-lit-row", ".ah-lit-column", ".ah-cell"):
        with_it = pixels(head)
        head.locator(mark).evaluate("mark => { mark.style.visibility = 'hidden' }")
        assert differ(with_it, pixels(head)) > 60, mark
    without = pixels(head)
    for n in (1, 2):  # beside the cursor's row, which is another
        book.notebook.execute(f"explorer.heatmap.pinned = {[4, 8][:n]}")
        expect(head.locator(".ah-pin:visible")).to_have_count(n)
        assert differ(without, without := pixels(head)) > 400, f"pin {n}"
    assert len(colours(box.locator(".ah-ramp"))) > 40
    ground = 255 if forced == "light" else 0
    for part in (".ah-bar-0", ".ah-bar-1", ".ah-hatch"):
        assert np.abs(pixels(box.locator(part).first) - ground).min(-1).max() > 165, part
    masked = pixels(head.locator(".ah-target").nth(9))  # the first row's last cell
    assert masked.max() - masked.min() > 165, "the hatching is not seen"
    tints = box.locator(".ah-word").evaluate_all(
        "words => words.map(word => getComputedStyle(word).backgroundColor)"
    )
    assert len(set(tints)) >= 3


def test_what_is_chosen_is_seen_where_the_system_chooses_the_colours(book, forced):
    def grounds(box, selector: str) -> list[str]:
        return box.locator(selector).evaluate_all("all => all.map(one => COLOURS.behind(one).join())")

    box = book.box("explorer").get_by_role("group", name="Mask")
    none, causal, window = grounds(box, ".widget-toggle-button")
    assert causal == window != none
    multi = book.box("multi")
    multi.get_by_role("button", name="only head 2").click()
    expect(multi.locator(".hs-alone[aria-pressed=true]")).to_have_count(1)
    first, _, third, last = grounds(multi, ".hs-alone")
    assert first == last != third
    fill = multi.locator(".hs-fill").first
    assert len(colours(multi.locator(".hs-whole").first)) > 1 and fill.bounding_box()["width"] > 20
    assert grounds(multi, ".hs-fill")[0] != grounds(multi, ".hs-whole")[0]
    for name in CELLS:
        found = book.box(name).locator(READ).evaluate_all(CONTRAST)
        assert found and min(found) >= 4.5, name
    hands = book.box("clocks").locator(".sm-clock").first
    here, there = (
        hands.locator(f".sm-hand.sm-{which}").evaluate("hand => getComputedStyle(hand).stroke")
        for which in ("here", "there")
    )
    assert here != there


# ---------------------------------------------------------------- another screen

SHARP = "canvas => canvas.width / canvas.getBoundingClientRect().width"


def test_a_map_is_sharp_on_every_screen_that_the_window_is_moved_to(book):
    protocol = book.page.context.new_cdp_session(book.page)
    canvas = book.box("explorer").locator("canvas")
    for pixels, height in ((2, 990), (1.5, 980), (1, 1000)):  # without another height, Chromium tells nobody
        metrics = {"width": 1280, "height": height, "deviceScaleFactor": pixels, "mobile": False}
        protocol.send("Emulation.setDeviceMetricsOverride", metrics)
        until(lambda: canvas.evaluate(SHARP), lambda now, p=pixels: now == pytest.approx(p, rel=0.01))
    protocol.send("Emulation.clearDeviceMetricsOverride")
    protocol.detach()


# ---------------------------------------------------------------- many words


def test_among_many_words_small_weights_are_told_apart_and_seen(book):
    box = book.box("explorer")
    own = box.get_by_role("checkbox", name="each row on its own scale")
    expect(own).not_to_be_checked()
    book.notebook.execute("explorer.sentence = ' '.join(['the cat sat on the mat'] * 22)")
    grid = box.get_by_role("grid")
    expect(grid).to_have_attribute("aria-colcount", "132")
    expect(own).to_be_checked()
    expect(box.locator(".ah-legend")).to_contain_text("row’s largest")
    box.locator(".ah-target").focus()
    row = book.say("explorer.weights[0].tolist()")
    assert 0.001 < row[0] < 0.0095
    book.page.keyboard.press("Control+Home")
    expect(box.locator(".ah-say")).to_have_text(f"“the” gives {row[0]:.4f} of its attention to “the”.")
    assert box.locator(".ah-target").get_attribute("aria-label") == box.locator(".ah-say").inner_text()
    first = box.locator(".ah-bars tr:first-child")
    assert float(first.locator("td").nth(1).inner_text()) == pytest.approx(max(row), abs=0.005)
    assert first.locator(".ah-bar").evaluate("bar => bar.style.width") == "150px"  # of the row's largest
    own.uncheck()
    book.heard("explorer.heatmap.per_row", False)
    book.notebook.execute("explorer.sentence = ' '.join(['the cat sat on the mat'] * 23)")
    expect(grid).to_have_attribute("aria-colcount", "138")
    expect(own).not_to_be_checked()  # the reader has chosen


def test_what_a_row_shares_out_is_all_accounted_for(book):
    box = book.box("explorer")
    for pinned in ([7], [7, 0]):
        book.notebook.execute(f"explorer.heatmap.pinned = {pinned}")
        expect(box.locator(".ah-bars tr:first-child .ah-bar")).to_have_count(len(pinned))
        lines = box.locator(".ah-bars:not(.ah-in-heads) tr").evaluate_all(
            "lines => lines.map(line => [...line.cells].map(cell => cell.textContent))"
        )
        assert len(lines) == 7 and lines[-1][0] == "4 others"
        for at in range(len(pinned)):
            listed = [float(line[1 + 2 * at]) for line in lines]
            assert sum(listed) == pytest.approx(1, abs=0.03)  # as exact as seven numbers of two digits
            row = book.say(f"explorer.weights[{pinned[at]}].tolist()")
            keys = [SENTENCE.split().index(line[0]) for line in lines[:-1] if line[0] != "the"]
            assert listed[-1] <= 1 - sum(row[key] for key in keys) + 0.005


def test_two_rows_that_are_compared_have_the_look_of_their_bars_in_the_words_too(book):
    box = book.box("explorer")
    heading = box.locator(".ah-row-heading")
    expect(heading.locator(".ah-swatch")).to_have_count(0)
    book.notebook.execute("explorer.heatmap.pinned = [7, 0]")
    expect(heading).to_have_text("“it” shares out 1.00 · “the” shares out 1.00")
    looks = """all => all.map((one) => {
        const { backgroundColor, backgroundImage } = getComputedStyle(one);
        return backgroundColor + backgroundImage;
    })"""
    bars = box.locator(".ah-bars tr:first-child .ah-bar").evaluate_all(looks)
    assert heading.locator(".ah-swatch").evaluate_all(looks) == bars and len({*bars}) == 2
    assert all(swatch.bounding_box()["width"] >= 12 for swatch in heading.locator(".ah-swatch").all())
    inks = heading.locator("em").evaluate_all("all => all.map(one => getComputedStyle(one).color)")
    assert inks[0] in bars[0] and inks[1] in bars[1]


# ---------------------------------------------------------------- heads

CROWDED = """box => { // titles and captions with less than 12 px to a neighbour, or lying on slanted labels
    const text = (node) => {
        const range = document.createRange();
        range.selectNodeContents(node);
        return range.getBoundingClientRect();
    };
    const whole = (node) => node.getBoundingClientRect();
    const all = (selector, outline) => [...box.querySelectorAll(selector)]
        .map((node) => [node.textContent || node.className, outline(node)]).filter(([, { width }]) => width);
    const titles = [
        ...all(".ah-head-name, .plane-title, .ah-axis", text),
        ...all(".ah-in-heads td:not(:has(.ah-bar))", text), ...all(".ah-in-heads .ah-bar", whole),
    ];
    const others = [
        ...all(".ah-key", whole), ...all(".ah-row-heading, .ah-steps td", text),
        ...all(".ah-bars:not(.ah-in-heads) td", text),
    ];
    return titles.flatMap(([a, p], i) => [...titles.slice(i + 1), ...others].filter(([, q]) => {
        const across = Math.max(p.left, q.left) - Math.min(p.right, q.right);
        const down = Math.max(p.top, q.top) - Math.min(p.bottom, q.bottom);
        return across < 11.5 && down < 1;
    }).map(([b]) => [a, b]));
}"""


@pytest.mark.parametrize("width", [1280, 1000, 850, 700])
def test_titles_keep_clear_of_each_other_and_of_labels(book, width):
    book.make("explorer", "look_up", "multi")
    long = "incomprehensibilities counterrevolutionaries the acknowledgements sat"
    book.notebook.execute(
        f"explorer.sentence = multi.sentence = '{long}'; multi.num_heads = 8; multi.off = [1, 3]"
    )
    book.page.set_viewport_size({"width": width, "height": 1000})
    for name in ("explorer", "look_up", "multi"):
        box = book.box(name)
        expect(box.locator(".ah-head")).to_have_count(8 if name == "multi" else 1)
        until(lambda box=box: box.evaluate(CROWDED), lambda crowded: crowded == [])
    multi = book.box("multi")
    bottoms = {}  # of the maps, by where they begin: all at one moment, as the page may still be laid out
    for y in multi.locator("canvas").evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().y)"):
        bottoms.setdefault(round(y / 60), set()).add(round(y))
    assert all(len(line) == 1 for line in bottoms.values()), "maps of one line do not stand in line"
    book.page.set_viewport_size({"width": 1280, "height": 1000})


def test_in_a_solo_the_other_boxes_are_unticked_and_a_tick_ends_it(book):
    multi = book.box("multi")
    boxes = [multi.get_by_role("checkbox", name=f"head {head} on") for head in range(4)]
    alone = multi.get_by_role("button", name="only head 2")
    alone.click()
    for head, box in enumerate(boxes):
        expect(box).to_be_checked(checked=head == 2)
    expect(alone).to_have_attribute("aria-pressed", "true")
    book.heard("[multi.solo, multi.off, multi.on]", [2, [], [2]])
    boxes[0].check()
    book.heard("[multi.solo, multi.off, multi.on]", [None, [1, 3], [0, 2]])
    for head, box in enumerate(boxes):
        expect(box).to_be_checked(checked=head in (0, 2))
    expect(alone).to_have_attribute("aria-pressed", "false")
    alone.click()
    alone.click()  # a second press ends it, too, and what was off before is off again
    book.heard("[multi.solo, multi.on]", [None, [0, 2]])


# ---------------------------------------------------------------- sentences


@pytest.mark.parametrize("sentence", ["החתול ישב על השטיח", "القطة جلست على السجادة"])
def test_words_that_run_from_right_to_left_do_so(book, sentence):
    box, words = book.box("explorer"), sentence.split()
    typed = box.get_by_role("textbox", name="Sentence")
    typed.fill(sentence)
    expect(box.get_by_role("grid")).to_have_attribute("aria-rowcount", str(len(words)))
    shown = box.locator(".ah-word")
    assert shown.all_inner_texts() == words
    places = [word.bounding_box()["x"] for word in shown.all()]
    assert places == sorted(places, reverse=True), "the sentence runs from left to right"
    keys = box.locator(".ah-key:not(.ah-here)")
    assert keys.evaluate_all("all => all.map(key => key.title)") == words
    lefts = keys.evaluate_all("all => all.map(key => parseFloat(key.style.left))")
    assert lefts == sorted(lefts), "the map's columns are no sentence"
    direction = "all => all.map(one => [getComputedStyle(one).direction, getComputedStyle(one).unicodeBidi])"
    for part in (".ah-word", ".ah-label:not(:empty)", ".ah-say em:first-child", ".ah-bars td:first-child"):
        found = box.locator(part).evaluate_all(direction)
        assert found and all(look == ["rtl", "isolate"] for look in found), part
    x = "all => all.map(one => one.getBoundingClientRect().left)"
    said = box.locator(".ah-say em").evaluate_all(x)
    assert said == sorted(said), "“…” gives … to “…” is an English sentence, and runs as one"
    assert typed.evaluate("box => getComputedStyle(box).direction") == "rtl"
    typed.fill("the cat")
    expect(shown).to_have_text(["the", "cat"])
    assert shown.nth(0).bounding_box()["x"] < shown.nth(1).bounding_box()["x"]


def test_the_page_does_not_jump_when_a_sentence_is_emptied(book):
    for name in ("explorer", "multi", "position"):
        box = book.box(name)
        high = box.bounding_box()["height"]
        typed = box.get_by_role("textbox", name="Sentence")
        for sentence, said in (("", "Type a word or two."), (300 * "a ", "words are too many")):
            typed.fill(sentence)
            expect(box.locator(".ah-message")).to_contain_text(said)
            expect(box.get_by_role("grid").first).to_be_hidden()
            until(lambda box=box: box.bounding_box()["height"], lambda now, h=high: abs(now - h) < 1)
        typed.fill(SENTENCE)
        expect(box.get_by_role("grid").first).to_be_visible()
        until(lambda box=box: box.bounding_box()["height"], lambda now, h=high: abs(now - h) < 1)
        typed.fill("cat")  # a smaller map leaves room
        until(lambda box=box: box.bounding_box()["height"], lambda now, h=high: now < h - 50)


# ---------------------------------------------------------------- slides

ACTIVE = "() => panel().content.activeCellIndex"


@pytest.fixture(scope="module")
def slides(book):
    """Started once, for the tests that are the last of this file."""
    start(book.notebook)
    yield book
    book.page.get_by_role("button", name="Exit Deck").click()
    expect(book.page.locator("body[data-jp-deck-mode]")).to_have_count(0)


@pytest.fixture
def deck(slides):
    slides.make("explorer", "look_up", "clocks")
    return slides


@pytest.fixture
def quick(deck):
    """Where keys and hands are looked at, and not what a slide shows."""
    style = deck.page.add_style_tag(content=OUT_OF_SIGHT)
    yield deck
    style.evaluate("style => style.remove()")


AT_REST = """async () => { // a busy deck gives a slide the focus late: before anybody acts
    for (let n = 0, before = null; n < 10; n = document.activeElement === before ? n + 1 : 0) {
        before = document.activeElement;
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)));
    }
}"""


def turn_to(deck: Book, name: str) -> Locator:
    """The output on that slide, once it is there."""
    at = list(CELLS).index(name)
    deck.page.evaluate(
        "at => { const book = panel().content; book.activeCellIndex = at; book.activeCell.node.focus(); }", at
    )
    until(lambda: len(settled(deck.notebook)["visible"]), lambda shown: shown == 1)
    deck.page.evaluate(AT_REST)
    return deck.page.locator(".jp-deck-mod-visible .jp-OutputArea-output:has(.attention-explorer)")


def test_nothing_on_a_slide_scrolls_sideways(deck):
    """Of every other explorer there is: test_every_explorer.py."""
    deck.make(*CELLS)
    for name in CELLS:
        box = turn_to(deck, name)
        until(lambda: deck.page.evaluate(SCROLLS), lambda found: found == [])
        assert deck.page.evaluate(LOST) == [], name
        assert box.locator(".ah, .sm").bounding_box()["width"] > 300


def goes_on(deck: Book, name: str) -> None:
    """The down arrow key leads from that slide to the next."""
    at = list(CELLS).index(name)
    assert deck.page.evaluate(ACTIVE) == at
    deck.page.keyboard.press("ArrowDown")
    until(lambda: deck.page.evaluate(ACTIVE), lambda now: now == at + 1)


def drag(deck: Book, part: Locator, across: float, down: float = 0) -> None:
    box = part.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    deck.page.mouse.move(x, y)
    deck.page.mouse.down()
    deck.page.mouse.move(x + across, y + down, steps=6)
    deck.page.mouse.up()


def test_after_a_drag_the_arrow_keys_are_the_controls_and_after_escape_the_slides(quick):
    box = turn_to(quick, "explorer")
    handle = box.get_by_role("slider", name="Temperature")
    for use in (
        lambda: drag(quick, handle, -20),
        lambda: box.locator(".noUi-target").first.click(position={"x": 60, "y": 2}),  # its track
    ):
        turn_to(quick, "explorer")
        use()
        expect(handle).to_be_focused()
        read = box.locator(".widget-readout")
        quick.heard("f'{explorer.temperature:.2f}'", read.inner_text())
        before = float(read.inner_text())
        quick.page.keyboard.press("ArrowRight")
        expect(read).to_have_text(f"{before + 0.05:.2f}")
        quick.page.keyboard.press("Escape")
        goes_on(quick, "explorer")
    for name, part, way, text in (
        ("look_up", ".plane-movable circle", (-40, 30), ".ah-caption"),
        ("clocks", ".sm-flag", (60, 0), ".sm-caption"),
    ):
        for leave in (lambda: quick.page.keyboard.press("Escape"), lambda: box.locator(text).click()):  # noqa: B023
            box = turn_to(quick, name)
            drag(quick, box.locator(part).first, *way)
            expect(box.locator(":focus")).to_have_attribute("role", "slider")
            quick.page.keyboard.press("ArrowDown")  # is the point's or the flag's
            assert quick.page.evaluate(ACTIVE) == list(CELLS).index(name)
            leave()
            goes_on(quick, name)


def test_a_button_has_no_use_for_arrow_keys_so_that_they_turn_the_slide(quick):
    box = turn_to(quick, "explorer")
    box.get_by_role("button", name="causal").click()
    goes_on(quick, "explorer")
    quick.page.keyboard.press("ArrowUp")
    until(lambda: quick.page.evaluate(ACTIVE), lambda at: at == 0)
    box.get_by_role("checkbox", name="each row on its own scale").click()
    goes_on(quick, "explorer")
    box = turn_to(quick, "explorer")
    box.get_by_role("grid").click()
    quick.heard("len(explorer.heatmap.pinned)", 1)
    quick.page.keyboard.press("Escape")  # frees the row
    quick.heard("len(explorer.heatmap.pinned)", 0)
    expect(box.locator(":focus")).to_have_role("gridcell")
    quick.page.keyboard.press("Escape")  # and leaves the map
    goes_on(quick, "explorer")
    turn_to(quick, "explorer").get_by_role("textbox", name="Sentence").click()
    quick.page.keyboard.press("Escape")
    goes_on(quick, "explorer")
