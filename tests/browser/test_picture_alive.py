"""A picture under the hand: dragged, turned, painted, hidden, asked, by mouse and keyboard; seen by axe."""

import os
import signal

import pytest
from axe import AXE, LOOK
from deck import LOST, settled, start
from lab import Notebook, until
from opened import DARK, LIGHT
from playwright.sync_api import expect
from test_accessibility import OURS
from test_banks import ready, said

CELLS = [
    """import os

import torch
from torch import nn
from attention_core.live import PictureExplorer, bank
from attention_core.tasks import Arrows, MarkedDigits

bank.MOST_SECONDS = 10  # on a busy machine, too, there is time for all frames
class Looks(nn.Module):  # all words look at the brightest patch that they may look at: the framed one
    grid = (3, 3)
    def forward(self, images, allowed=None):
        bright = images[0, 0].unflatten(0, (3, 8)).unflatten(2, (3, 8)).mean((1, 3)).flatten()
        bright = bright if allowed is None else bright.masked_fill(~allowed, -1)
        at = int(bright.argmax())
        weights = 0.9 * nn.functional.one_hot(torch.tensor([at + 1] * 10), 10) + 0.01
        weights = weights[None, None] / weights.sum(-1)[0]
        return 4.0 * nn.functional.one_hot(torch.tensor([at]), 10), [weights, weights]""",
    "shown = PictureExplorer(Looks(), task=MarkedDigits(noise=0), digits=range(9))\nshown",
    "turned = PictureExplorer(task=Arrows(), digits=range(9))\nturned",
]


class Hand:
    """One of the two explorers, under the learner's hand."""

    def __init__(self, notebook: Notebook, cell: int, name: str):
        self.notebook, self.page, self.name = notebook, notebook.page, name
        self.box = notebook.page.locator(".jp-CodeCell").nth(cell).locator(".attention-explorer")
        self.grid = self.box.locator(".pc-grid")
        self.here, self.hint = self.box.locator(".pc-here"), self.box.locator(".pc-hint")
        self.said, self.verdict = self.box.locator(".pc-said"), self.box.locator(".ws-said")

    def at(self, row: float, column: float, of: int = 3) -> tuple[float, float]:
        field = self.grid.bounding_box()
        return (
            field["x"] + (column + 0.5) * field["width"] / of,
            field["y"] + (row + 0.5) * field["height"] / of,
        )

    def cell(self, name: str):
        return self.grid.get_by_role("gridcell", name=name)

    def drag(self, *places, of: int = 3) -> None:
        mouse = self.page.mouse
        mouse.move(*self.at(*places[0], of))
        mouse.down()
        for place in places[1:]:
            mouse.move(*self.at(*place, of), steps=4)
        mouse.up()

    def trait(self, name: str) -> str:
        return self.notebook.execute(f"print({self.name}.{name})").strip()

    def tool(self, name: str) -> None:
        self.box.get_by_role("button", name=name, exact=True).click()

    def focus(self, name: str) -> None:
        self.cell(name).focus()


def opened(notebook, cell: int, name: str) -> Hand:
    notebook.run_all()
    assert notebook.cell_errors() == []
    hand = Hand(notebook, cell, name)
    expect(hand.verdict).to_contain_text("with probability")
    hand.box.scroll_into_view_if_needed()
    return hand


@pytest.fixture
def digits(notebook):
    return opened(notebook, 1, "shown")


@pytest.fixture
def arrow(notebook):
    return opened(notebook, 2, "turned")


def test_the_picture_says_what_it_shows(digits):
    expect(digits.said).to_have_text("Where the class token looked")
    expect(digits.verdict).to_contain_text("It reads 4, with probability 0.86: right.")
    expect(digits.verdict).to_contain_text("0.91 is patch 4, which decides.")
    expect(digits.grid.get_by_role("gridcell")).to_have_count(9)
    expect(digits.cell("patch 4: weight 0.91, decides")).to_have_count(1)
    expect(digits.grid).to_have_accessible_name("Where the class token looked")
    tinted = digits.box.locator(".pc-tint").nth(4).evaluate("node => getComputedStyle(node).fillOpacity")
    assert float(tinted) == pytest.approx(0.45 * 0.91 / 1.0, abs=0.02)
    left, right = digits.grid.bounding_box(), digits.box.locator(".ah").bounding_box()
    assert left["x"] + left["width"] <= right["x"], "not side by side"
    assert digits.box.bounding_box()["height"] <= 600


def test_the_frame_follows_the_mouse(digits):
    digits.drag((1, 1), (0, 1), (0, 2))
    until(lambda: digits.trait("frame"), lambda now: now == "2")
    expect(digits.verdict).to_contain_text("It reads 2, with probability 0.86: right.")
    expect(digits.box.get_by_label("Frame")).to_have_value("patch 2")
    digits.drag((2, 0), (1, 0))  # nothing is framed there
    digits.page.wait_for_timeout(300)
    assert digits.trait("frame") == "2" and digits.trait("query") == "None"


def test_the_frame_follows_the_arrow_keys(digits):
    digits.focus("patch 4")
    digits.page.keyboard.press("Shift+ArrowDown")
    until(lambda: digits.trait("frame"), lambda now: now == "7")
    expect(digits.here).to_have_text("patch 7: weight 0.91, decides")
    digits.page.keyboard.press("Shift+ArrowRight")
    until(lambda: digits.trait("frame"), lambda now: now == "8")
    digits.page.keyboard.press("ArrowUp")
    expect(digits.cell("patch 5")).to_be_focused()
    assert digits.trait("frame") == "8"


@pytest.mark.parametrize("by_mouse", [True, False])
def test_the_frame_and_what_is_read_follow_the_hand_while_the_kernel_stands_still(digits, by_mouse):
    digits.focus("patch 4")
    ready(digits.notebook, "shown", 1, 1000)
    process = said(digits.notebook, "os.getpid()")
    os.kill(process, signal.SIGSTOP)
    try:
        if by_mouse:
            digits.drag((1, 1), (1, 2), (0, 2))
        else:
            digits.page.keyboard.press("Shift+ArrowRight")
            expect(digits.verdict).to_contain_text("It reads 5")
            digits.page.keyboard.press("Shift+ArrowUp")
        expect(digits.verdict).to_contain_text("It reads 2, with probability 0.86: right.")
        expect(digits.here).to_have_text("patch 2: weight 0.91, decides")
        expect(digits.box.get_by_label("Frame")).to_have_value("patch 2")
    finally:
        os.kill(process, signal.SIGCONT)
    until(lambda: digits.trait("frame"), lambda now: now == "2", seconds=60)
    expect(digits.here).to_have_text("patch 2: weight 0.91, decides")


def test_a_drag_that_no_answer_follows_yet_ends_where_the_hand_ended(digits):
    digits.notebook.execute(
        "bank.MOST_SECONDS = 0; drags = []; shown.seen.on_drag(lambda *drag: drags.append(drag))"
    )  # no frames are made ahead
    digits.focus("patch 4")
    process = said(digits.notebook, "os.getpid()")
    os.kill(process, signal.SIGSTOP)
    try:
        digits.drag((1, 1), (1, 2), (0, 2), (0, 1))
    finally:
        os.kill(process, signal.SIGCONT)
    until(lambda: digits.trait("frame"), lambda now: now == "1", seconds=60)
    expect(digits.verdict).to_contain_text("It reads 1")
    assert digits.notebook.execute("print(drags)").strip() == "[]", "one hand in two messages: which is last?"


def test_keys_take_the_frame_along_only_from_where_it_is(digits):
    digits.focus("patch 4")
    digits.page.keyboard.press("Shift+ArrowRight")
    until(lambda: digits.trait("frame"), lambda now: now == "5")
    frame = digits.box.get_by_label("Frame")
    frame.focus()
    frame.select_option("patch 0")
    until(lambda: digits.trait("frame"), lambda now: now == "0")
    expect(digits.cell("patch 0: weight 0.91, decides")).to_have_count(1)  # the page knows it, too
    digits.focus("patch 5")
    digits.page.keyboard.press("Shift+ArrowUp")
    expect(digits.cell("patch 2")).to_be_focused()
    digits.page.keyboard.press("ArrowDown")
    digits.page.keyboard.press("Shift+ArrowDown")
    digits.page.wait_for_timeout(300)
    assert digits.trait("frame") == "0"


def test_a_click_or_enter_asks_a_patch(digits):
    digits.page.mouse.click(*digits.at(2, 0))
    expect(digits.said).to_have_text("Where patch 6 looked")
    expect(digits.box.locator(".ah-row-heading")).to_have_text("“6” shares out 1.00")
    expect(digits.cell("patch 6")).to_have_attribute("aria-selected", "true")
    expect(digits.box.get_by_label("Query")).to_have_value("patch 6")
    digits.page.keyboard.press("ArrowRight")
    digits.page.keyboard.press("Enter")
    expect(digits.said).to_have_text("Where patch 7 looked")
    digits.page.keyboard.press("Enter")
    expect(digits.said).to_have_text("Where the class token looked")
    digits.box.get_by_label("Query").select_option("patch 1")
    expect(digits.cell("patch 1")).to_have_attribute("aria-selected", "true")
    map = digits.box.locator(".ah-grid").bounding_box()
    digits.page.mouse.click(map["x"] + 50, map["y"] + 0.45 * map["height"])
    expect(digits.said).to_have_text("Where patch 3 looked")


def test_a_hidden_patch_changes_the_answer_and_comes_back(digits):
    digits.tool("hides")
    expect(digits.hint).to_have_text("A click, or Enter, hides a patch or shows it again.")
    digits.page.mouse.click(*digits.at(1, 1))
    expect(digits.verdict).to_contain_text("wrong, it is 4")
    expect(digits.cell("patch 4, hidden, decides")).to_have_count(1)
    expect(digits.box.locator(".pc-hatched:visible")).to_have_count(1)
    named = digits.page.locator("pattern").evaluate_all("all => all.map(pattern => pattern.id)")
    assert len(named) == len(set(named)) > 1, "a picture would be hatched with the pattern of another"
    digits.page.keyboard.press("ArrowUp")
    digits.page.keyboard.press(" ")
    until(lambda: digits.trait("hidden"), lambda now: now == "(1, 4)")
    digits.page.mouse.click(*digits.at(1, 1))
    expect(digits.verdict).to_contain_text("right.")
    digits.box.get_by_role("button", name="as at first").click()
    until(lambda: digits.trait("hidden"), lambda now: now == "()")


def test_a_hand_paints_without_gaps_and_erases(digits):
    digits.tool("paints")
    expect(digits.grid.get_by_role("gridcell")).to_have_count(1)
    digits.drag((0, 0), (0, 23), (6, 23), of=24)
    until(lambda: digits.trait("paint.keys().__len__()"), lambda now: now == "30")
    expect(digits.here).to_have_text("pixel 6, 23: 1.0")
    digits.page.keyboard.press("ArrowDown")
    digits.page.keyboard.press("Enter")
    until(lambda: digits.trait("paint[7, 23]"), lambda now: now == "1.0")
    digits.page.keyboard.press("Shift+ArrowDown")
    until(lambda: digits.trait("paint[8, 23]"), lambda now: now == "1.0")
    digits.tool("erases")
    digits.page.mouse.click(*digits.at(7, 23, 24))
    until(lambda: digits.trait("paint[7, 23]"), lambda now: now == "0.0")
    digits.tool("asks")
    expect(digits.grid.get_by_role("gridcell")).to_have_count(9)


def test_the_arrow_turns_by_mouse_by_key_and_by_button(arrow):
    expect(arrow.verdict).to_contain_text("At patch 4 it reads")
    arrow.drag((1, 1), (0, 2), (1, 2))
    until(lambda: arrow.trait("direction"), lambda now: now == "2")
    arrow.focus("patch 4")
    arrow.page.keyboard.press("Shift+ArrowDown")
    until(lambda: arrow.trait("direction"), lambda now: now == "4")
    arrow.box.get_by_role("button", name="↖").click()
    until(lambda: arrow.trait("direction"), lambda now: now == "7")
    assert arrow.trait("seen.content.marked") == "(0,)"
    assert arrow.box.bounding_box()["height"] <= 600


def test_a_model_that_breaks_is_said_and_the_picture_stays(digits):
    digits.notebook.execute("shown.model = lambda images: 1 / 0")
    expect(digits.box.locator(".ah-message")).to_contain_text("The model stopped with ZeroDivisionError")
    digits.drag((1, 1), (1, 2))
    until(lambda: digits.trait("frame"), lambda now: now == "5")
    digits.notebook.execute("shown.model = Looks()")
    expect(digits.verdict).to_contain_text("It reads 5, with probability 0.86: right.")


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_axe_finds_nothing_serious(digits, theme):
    digits.notebook.execute("shown.hidden, shown.query = [0], 3")
    digits.notebook.wear(theme)
    # JupyterLab's own body has a height of 0: axe would take all for hidden
    laid_out = digits.page.add_style_tag(content="body { height: 100vh }")
    digits.page.evaluate(AXE)
    found = digits.page.evaluate(LOOK, [OURS[:1], []])
    laid_out.evaluate("style => style.remove()")
    digits.notebook.wear(LIGHT)
    findings = found["violations"] + [entry for entry in found["incomplete"] if entry[0] != "color-contrast"]
    assert [entry for entry in findings if entry[1] in ("critical", "serious")] == []
    assert found["readable"] > 20


def test_both_fit_a_slide(digits):
    start(digits.notebook)
    try:
        for _ in range(2):
            digits.page.keyboard.press("ArrowDown")
            settled(digits.notebook)
            assert digits.page.evaluate(LOST) == []
    finally:
        digits.page.get_by_role("button", name="Exit Deck").click()
        digits.page.set_viewport_size({"width": 1280, "height": 1000})
