"""One sentence under several explanations in a real JupyterLab: typed, replaced, by hand and by key."""

from pathlib import Path

import pytest
from lab import Notebook, until
from playwright.sync_api import expect

CELLS = [
    f"""import sys

sys.path.append({str(Path(__file__).parents[1])!r})
from attention_core.live import bank
from test_explanation_explorer import BAD, GOOD, shown

bank.MOST_SECONDS = 10  # on a busy machine, too, there is time for all frames
said = shown(own=lambda model, x: (x[0] < 6).float())
said"""
]


class Said:
    """The explorer, under the learner's hand."""

    def __init__(self, notebook: Notebook):
        self.notebook, self.page = notebook, notebook.page
        self.box = notebook.widget(".attention-explanation")
        self.verdict, self.left, self.found = (self.box.locator(".ws").nth(i) for i in range(3))
        self.strips = self.box.locator(".ah")
        self.sentence = self.box.get_by_role("textbox", name="Sentence")
        self.place, self.word, self.by = (self.box.get_by_role("combobox").nth(i) for i in range(3))
        self.handle = self.box.get_by_role("slider")

    def strip(self, name: str, word: str):
        return self.strips.get_by_role("gridcell", name=f"“{name}”: “{word}” has")

    def pixels(self) -> str:
        return self.strips.locator("canvas").first.evaluate("canvas => canvas.toDataURL()")

    def curve(self) -> str:
        return self.box.locator(".cv-curve").get_attribute("d")

    def becomes(self, what: str, value: object) -> None:
        until(lambda: self.notebook.execute(f"print(said.{what})").strip(), lambda now: now == str(value))


@pytest.fixture
def said(notebook):
    notebook.run_all()
    assert notebook.cell_errors() == []
    said = Said(notebook)
    expect(said.verdict).to_contain_text("It says good")
    said.box.scroll_into_view_if_needed()
    return said


def test_a_strip_for_each_below_the_truth_and_the_learners_own_with_them(said):
    expect(said.strips.get_by_role("grid").get_by_role("row")).to_have_count(4)
    for name in ("the truth", "weights", "yours"):
        expect(said.strips.get_by_role("gridcell", name=f"“{name}”: “bad” has 1.00")).to_have_count(1)
    expect(said.strips.get_by_role("gridcell", name="“the truth”: “dull” has 0.00")).to_have_count(1)
    expect(said.found).to_contain_text("weights")


def test_a_word_replaced_by_keyboard_turns_answer_strips_and_curve(said):
    curve = said.curve()
    expect(said.place).to_have_value("12 bad")
    said.word.focus()
    said.page.keyboard.press("l")  # the only word with it is “lovely”
    expect(said.sentence).to_have_value("the music was dull but in the end the film was not lovely .")
    expect(said.verdict).to_contain_text("It says bad")
    expect(said.verdict).to_contain_text("The rule says bad")
    expect(said.strip("weights", "lovely")).to_have_count(1)
    expect(said.left).to_contain_text("“bad” has")  # what is followed is the answer, and it has turned
    said.word.select_option("bad")
    expect(said.verdict).to_contain_text("It says good")
    until(said.curve, lambda now: now == curve)


def test_another_word_is_chosen_and_taken_out_and_strips_are_painted_anew(said):
    strips = said.pixels()
    said.place.select_option("11 not")
    expect(said.word).to_have_value("not")
    said.word.select_option("the")
    expect(said.verdict).to_contain_text("The rule says bad")
    expect(said.strips.get_by_role("gridcell", name="“the truth”: “not” has")).to_have_count(0)
    until(said.pixels, lambda now: now != strips)


def test_a_sentence_is_typed_and_what_is_no_word_is_named(said):
    said.sentence.focus()
    said.page.keyboard.press("Control+a")
    said.page.keyboard.type("the film was awful but great .")
    expect(said.strips.get_by_role("row").first.get_by_role("gridcell")).to_have_count(7)
    expect(said.strip("the truth", "great")).to_have_count(1)
    expect(said.place.locator("option")).to_have_count(7)
    said.page.keyboard.type(" xx")
    expect(said.strips.locator(".ah-message")).to_contain_text("“xx”: is none of the words, and left out")
    said.sentence.fill("")
    expect(said.strips.locator(".ah-message")).not_to_be_empty()
    said.sentence.fill("dull but not good .")
    expect(said.verdict).to_contain_text("It says bad")


def test_words_are_taken_away_by_key_and_the_curve_has_its_mark_there(said):
    here = said.box.locator(".cv-here")
    said.handle.focus()
    said.page.keyboard.press("Home")
    expect(said.left).to_contain_text("Without nothing")
    at = float(here.get_attribute("x1"))
    said.page.keyboard.press("ArrowRight")
    expect(said.left).to_contain_text("Without “bad”")
    until(lambda: float(here.get_attribute("x1")), lambda now: now > at)
    said.page.keyboard.press("End")
    said.becomes("k", 13)


def test_another_explanation_takes_other_words_away(said):
    said.by.select_option("yours")
    expect(said.left).to_contain_text("Without “dull”, “bad”")
    said.box.get_by_role("button", name="Play", exact=True).click()
    until(lambda: int(said.notebook.execute("print(said.k)")), lambda k: k > 5)
    said.box.get_by_role("button", name="take away the truth").click()
    expect(said.box.get_by_role("button", name="Play", exact=True)).to_have_count(1)  # it plays no longer
    assert int(said.notebook.execute("print(said.k)")) < 13, "it had played to its end"
    said.box.get_by_role("button", name="take away the truth").click()  # a step may have been on its way
    said.becomes("k", 2)
    said.page.wait_for_timeout(1000)  # longer than a step
    assert said.notebook.execute("print(said.k)").strip() == "2"


def test_a_strip_is_read_by_keyboard_and_pinned(said):
    grid = said.strips.get_by_role("grid").first
    grid.locator("[tabindex='0']").first.focus()
    said.page.keyboard.press("Control+Home")
    said.page.keyboard.press("Enter")
    expect(said.strips.locator(".ah-pin:not([hidden])")).to_have_count(1)
    said.page.keyboard.press("Escape")
    expect(said.strips.locator(".ah-pin:not([hidden])")).to_have_count(0)
