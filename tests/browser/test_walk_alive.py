"""The walk from one word to another, in a real JupyterLab: an entry of W_Q is edited, and the map moves."""

import pytest
from lab import Notebook, until
from playwright.sync_api import Locator, expect

CELL = "from attention_core.live import WalkExplorer\nwalk = WalkExplorer()\nwalk"


class Walk:
    """The explorer, under the learner's hands."""

    def __init__(self, notebook: Notebook):
        self.notebook, self.page = notebook, notebook.page
        self.box = notebook.widget(".jp-OutputArea-output:has(.tb-cell)")
        self.grid = self.box.locator(".tb").first.get_by_role("grid")
        self.here = self.box.locator(".tb-here").first
        self.walk = self.box.locator(".tb-said").nth(1)
        self.say = self.box.locator(".ah-say")

    def cell(self, name: str) -> Locator:
        return self.grid.get_by_role("gridcell", name=name, exact=True)

    def pixels(self) -> str:
        return self.box.locator("canvas").first.evaluate("canvas => canvas.toDataURL()")

    def entry(self) -> str:
        return self.notebook.execute("print(walk.to_query[4, 1].item())").strip()


@pytest.fixture(scope="module")
def notebook(lab, open_notebook):
    notebook = open_notebook(lab.write("walk.ipynb", [CELL]))
    yield notebook
    assert notebook.errors == []
    notebook.close()


@pytest.fixture
def walk(notebook):
    notebook.run_all()
    assert notebook.cell_errors() == []
    walk = Walk(notebook)
    expect(walk.walk).to_have_text("“it” · “cat” = 8 → weight 0.72")
    walk.box.scroll_into_view_if_needed()
    return walk


def test_the_keyboard_edits_an_entry_and_the_map_moves(walk):
    before = walk.pixels()
    start = walk.cell("1 × pronoun, living: 5")
    expect(start).to_have_attribute("tabindex", "0")  # Tab finds the largest of the rows that count
    expect(walk.grid.locator('[tabindex="0"]')).to_have_count(1)
    start.focus()
    for key in ("Shift+ArrowDown", "-", "PageDown", "ArrowUp", "ArrowDown"):
        walk.page.keyboard.press(key)
    expect(walk.here).to_have_text("1 × pronoun, living: 2")
    expect(walk.walk).to_have_text("“it” · “cat” = 5 → weight 0.42")
    expect(walk.say).to_contain_text("“it” gives 0.42 of its attention to “cat”")
    expect(walk.page.locator(":focus")).to_have_accessible_name("1 × pronoun, living: 2")
    assert walk.entry() == "2.0"
    moved = until(walk.pixels, lambda now: now != before)
    for key in ("Shift+ArrowUp", "+", "PageUp"):
        walk.page.keyboard.press(key)
    expect(walk.walk).to_have_text("“it” · “cat” = 8 → weight 0.72")
    until(walk.pixels, lambda now: now == before != moved)
    assert walk.here.evaluate("node => node.ariaLive") == "polite"
    walk.page.keyboard.press("Escape")  # to the cell, as from every control
    expect(walk.page.locator(".jp-Cell:focus")).to_have_count(1)


def test_the_mouse_edits_an_entry_and_all_starts_again(walk):
    before = walk.pixels()
    walk.cell("0.2 × animate, thing: 0").click()
    expect(walk.here).to_have_text("0.2 × animate, thing: 0")
    more, less = (walk.box.get_by_role("button", name=name, exact=True) for name in ("one more", "one less"))
    for _ in range(3):
        more.click()
    expect(walk.walk).to_have_text("“it” · “cat” = 8.6 → weight 0.76")  # 0.2 × 3 more of thing
    less.click()
    expect(walk.here).to_have_text("0.2 × animate, thing: 2")
    walk.cell("1 × pronoun, living: 5").click()
    for _ in range(5):
        less.click()
    expect(walk.walk).to_contain_text("“it” · “cat” = 3.4")
    until(walk.pixels, lambda now: now != before)
    assert walk.entry() == "0.0"
    walk.box.get_by_role("button", name="start again").click()
    expect(walk.walk).to_have_text("“it” · “cat” = 8 → weight 0.72")
    until(walk.pixels, lambda now: now == before)


def test_the_choices_follow_the_sentence(walk):
    asks, offers = (walk.box.get_by_role("combobox", name=name) for name in ("Asks", "Offers"))
    offers.select_option("mat")
    expect(walk.walk).to_contain_text("“it” · “mat” = 3")
    expect(walk.box.locator(".tb").nth(2).locator(".tb-marked th")).to_have_text(["1 × noun"])
    walk.box.get_by_role("textbox", name="Sentence").fill("the dog saw it")
    expect(asks.locator("option")).to_have_text(["the", "dog", "saw", "it"])
    expect(asks).to_have_value("it")
    asks.select_option("saw")
    offers.select_option("dog")
    expect(walk.walk).to_contain_text("“saw” · “dog” = 6")
    expect(walk.cell("1 × action, living: 4")).to_have_count(1)
