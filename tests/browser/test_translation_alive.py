"""A translation by letters in a real JupyterLab: typed, slid, played, pinned; seen by axe; on slides."""

import pytest
from axe import AXE, LOOK
from deck import LOST, settled, start
from lab import Notebook, until
from opened import DARK, LIGHT
from playwright.sync_api import Locator, expect
from test_accessibility import OURS

MODEL = """import torch
from attention_core.live import TranslationExplorer
from attention_core.tasks import Dates

class Copies(torch.nn.Module):
    def forward(self, source, target):
        (batch, n_s), n_t = source.shape, target.shape[1]
        digits = torch.tensor([2] * 5 + [*range(4, 14)] + [3] * 26)[source]
        ends = torch.full((batch, n_t), 2)
        written = torch.cat((digits, ends), 1)[:, :n_t]
        weights = torch.full((batch, 2, n_t, n_s), 1 / n_s)
        weights[:, 1] = torch.eye(n_t + n_s)[:n_t, :n_s] * 0.5 + 0.5 / n_s
        return torch.nn.functional.one_hot(written, 14).float(), weights"""
CELLS = [MODEL, 'dates = TranslationExplorer(Copies(), "19980303")\ndates']


class Dates:
    """The explorer, under the learner's hands."""

    def __init__(self, notebook: Notebook):
        self.notebook, self.page = notebook, notebook.page
        self.box = notebook.widget(".jp-OutputArea-output:has(.attention-translation)")
        self.looks, self.edits = (self.box.locator(".attention-translation .ah").nth(i) for i in (0, 1))
        self.verdict, self.apart = (self.box.locator(".ws-said").nth(i) for i in (0, 1))
        self.handle = self.box.get_by_role("slider", name="Letters written")

    def pixels(self) -> str:
        return self.edits.locator("canvas").first.evaluate("canvas => canvas.toDataURL()")

    def written(self) -> str:
        return self.notebook.execute("print(dates.written)").strip()

    def rows(self, of: Locator) -> Locator:
        return of.get_by_role("grid").first.get_by_role("row")


@pytest.fixture
def dates(notebook):
    notebook.run_all()
    assert notebook.cell_errors() == []
    dates = Dates(notebook)
    expect(dates.verdict).to_contain_text("19980303 was written")
    dates.box.scroll_into_view_if_needed()
    return dates


def test_both_maps_say_what_they_are(dates):
    expect(dates.looks.locator(".ah-say")).to_contain_text("of its attention to")
    expect(dates.edits.locator(".ah-say")).to_have_text("Replacing “1” changes “1” in 1.00 of the cases.")
    expect(dates.edits.locator(".ah-row-heading")).to_have_text("What changes “1”")
    expect(dates.edits.locator(".ah-others")).to_contain_text("others, at most")
    expect(dates.edits.locator(".ah-caption")).to_contain_text("gives way to others of its kind")
    expect(dates.edits.get_by_role("grid")).to_have_accessible_name(
        "share changed: rows are written, columns are typed"
    )
    expect(
        dates.edits.get_by_role("gridcell", name="Replacing “8” changes “8” in 1.00 of the")
    ).to_have_count(1)
    expect(dates.edits.locator(".ah-axis")).to_have_text(["typed →", "written ↓"])
    expect(dates.looks.locator(".ah-head-name")).to_have_text(["head 0", "head 1"])
    left, right = dates.looks.bounding_box(), dates.edits.bounding_box()
    assert left["x"] + left["width"] <= right["x"] and abs(left["y"] - right["y"]) < 2, "not side by side"


def test_a_typed_letter_is_translated_and_both_maps_follow(dates):
    before = dates.pixels()
    box = dates.box.get_by_role("textbox", name="Date")
    box.focus()
    dates.page.keyboard.press("End")
    dates.page.keyboard.type("7")
    expect(dates.verdict).to_contain_text("199803037 was written")
    expect(dates.rows(dates.edits)).to_have_count(9)
    expect(dates.rows(dates.looks)).to_have_count(9)
    until(dates.pixels, lambda now: now != before)
    expect(dates.handle).to_have_attribute("aria-valuetext", "9")
    dates.page.keyboard.type("é")
    expect(dates.looks.locator(".ah-message")).to_contain_text("“é” is no letter of these dates")
    expect(dates.edits.locator(".ah-message")).to_have_text("There is nothing yet that an edit could change.")
    dates.page.keyboard.press("Backspace")
    expect(dates.rows(dates.edits)).to_have_count(9)
    box.fill("")
    expect(dates.looks.locator(".ah-message")).to_contain_text("Type a date")


def test_the_slider_shows_fewer_letters_by_keyboard(dates):
    dates.handle.focus()
    for _ in range(3):
        dates.page.keyboard.press("ArrowLeft")
    expect(dates.rows(dates.edits)).to_have_count(5)
    expect(dates.rows(dates.looks)).to_have_count(5)
    until(dates.written, lambda now: now == "5")
    dates.page.keyboard.press("Home")
    expect(dates.looks.locator(".ah-message")).to_contain_text("Nothing is written yet")
    dates.page.keyboard.press("End")
    expect(dates.rows(dates.edits)).to_have_count(8)


def test_it_plays_from_the_start_to_the_last_letter_and_goes_back(dates):
    play = dates.box.get_by_role("button", name="Play", exact=True)
    back = dates.box.get_by_role("button", name="Back to the start", exact=True)
    back.click()
    until(dates.written, lambda now: now == "0")
    play.focus()
    dates.page.keyboard.press("Enter")
    expect(dates.box.get_by_role("button", name="Pause", exact=True)).to_have_count(1)
    until(dates.rows(dates.edits).count, lambda n: 2 <= n <= 7)  # on its way
    until(dates.written, lambda now: now == "8")
    expect(dates.rows(dates.edits)).to_have_count(8)
    expect(play).to_have_count(1)  # by itself it has come to rest
    play.click()  # once more, from the start
    until(dates.written, lambda now: now in "01")
    dates.box.get_by_role("button", name="Pause", exact=True).click()


def test_a_pinned_letter_is_pinned_in_both(dates):
    dates.edits.get_by_role("gridcell", name="Replacing “8” changes “8” in 1.00 of the").click()
    expect(dates.looks.locator(".ah-pin:not([hidden])")).to_have_count(2)  # one a head
    expect(dates.looks.locator(".ah-row-heading")).to_have_text("“8” shares out 1.00")
    dates.page.keyboard.press("Escape")
    expect(dates.looks.locator(".ah-pin:not([hidden])")).to_have_count(0)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_axe_finds_nothing_serious(dates, theme):
    dates.notebook.wear(theme)
    # JupyterLab's own body has a height of 0: axe would take all for hidden
    laid_out = dates.page.add_style_tag(content="body { height: 100vh }")
    dates.page.evaluate(AXE)
    found = dates.page.evaluate(LOOK, [OURS[:1], []])
    laid_out.evaluate("style => style.remove()")
    dates.notebook.wear(LIGHT)
    findings = found["violations"] + [entry for entry in found["incomplete"] if entry[0] != "color-contrast"]
    assert [entry for entry in findings if entry[1] in ("critical", "serious")] == []
    assert found["readable"] > 20


def test_it_fits_a_slide(dates):
    dates.notebook.execute("dates.text = 'wednesday, 27 september 2023'")
    start(dates.notebook)
    try:
        dates.page.keyboard.press("ArrowDown")
        settled(dates.notebook)
        assert dates.page.evaluate(LOST) == []
    finally:
        dates.page.get_by_role("button", name="Exit Deck").click()
        dates.page.set_viewport_size({"width": 1280, "height": 1000})
