"""A whole model's maps in a real JupyterLab: opened by a click and by key, a token struck out, sorted."""

from pathlib import Path

import pytest
from lab import Notebook, until
from playwright.sync_api import expect

CELLS = [
    f"""import sys

sys.path.append({str(Path(__file__).parents[1])!r})
from attention_core.live import ModelExplorer, bank
from test_model_explorer import MAPS, NORMS, TOKENS, diagonal

bank.MOST_SECONDS = 10  # on a busy machine, too, there is time for all frames
asked = []

def again(allowed):
    asked.append(allowed.tolist())
    return MAPS * 0.5, NORMS

whole = ModelExplorer(MAPS, TOKENS, norms=NORMS, again=again, score=diagonal)
whole""",
    """from attention_core.live import NearestExplorer

near = NearestExplorer()
near""",
]


class Whole:
    """The explorer, under the learner's hand."""

    def __init__(self, notebook: Notebook):
        self.notebook, self.page = notebook, notebook.page
        self.box = notebook.widget(".attention-explorer:has(.pc)")
        self.maps, self.opened = self.box.locator(".pc-grid"), self.box.locator(".ah")
        self.title, self.said = self.opened.locator(".ah-title"), self.box.locator(".ws")

    def read(self, what: str) -> str:
        return self.notebook.execute(f"print({what})").strip()


@pytest.fixture
def whole(notebook):
    notebook.run_all()
    assert notebook.cell_errors() == []
    whole = Whole(notebook)
    expect(whole.title).to_have_text("Layer 0, head 0")
    whole.box.scroll_into_view_if_needed()
    return whole


def test_a_click_on_a_small_map_opens_it_and_its_controls_go_along(whole):
    field = whole.maps.bounding_box()
    whole.page.mouse.click(field["x"] + 0.75 * field["width"], field["y"] + 0.5 * field["height"])  # 3 × 2
    expect(whole.title).to_have_text("Layer 1, head 1")
    expect(whole.maps.get_by_role("gridcell", name="layer 1, head 1", selected=True)).to_have_count(1)
    for name in ("Layer", "Head"):
        expect(whole.box.get_by_role("slider", name=name)).to_have_attribute("aria-valuetext", "1")
    expect(whole.said).to_contain_text("On average this head looks most at")


def test_small_maps_and_sliders_are_reached_by_keyboard(whole):
    whole.maps.locator("[tabindex='0']").focus()
    whole.page.keyboard.press("ArrowDown")
    whole.page.keyboard.press("Enter")
    expect(whole.title).to_have_text("Layer 1, head 0")
    whole.box.get_by_role("slider", name="Layer").focus()
    whole.page.keyboard.press("End")
    expect(whole.title).to_have_text("Layer 2, head 0")
    until(lambda: whole.read("whole.layer"), lambda layer: layer == "2")


def test_the_small_maps_are_not_sent_again_when_another_one_is_opened(whole):
    whole.notebook.execute(
        "sent = []; whole.seen.observe(lambda c: sent.append(c.name), ['_pixels', '_frame'])"
    )
    whole.box.get_by_role("button", name="next by score").click()
    expect(whole.title).not_to_have_text("Layer 0, head 0")
    until(lambda: whole.read("set(sent)"), lambda sent: sent == "{'_frame'}")


def test_the_line_under_the_small_maps_names_the_one_that_is_open(whole):
    under = whole.box.locator(".pc-here")
    expect(under).to_contain_text("layer 0, head 0")
    whole.box.get_by_role("button", name="next by score").click()
    opened = until(lambda: whole.read("whole.layer, whole.head"), lambda at: at != "0 0")
    expect(under).to_contain_text("layer {}, head {}".format(*opened.split()))
    whole.notebook.execute("whole.layer, whole.head = 2, 0")
    expect(whole.title).to_have_text("Layer 2, head 0")
    expect(under).to_contain_text("layer 2, head 0")


def test_what_is_nearest_is_seen_in_the_strip_and_not_beside_the_map(whole):
    box = whole.notebook.widget(".attention-nearest")
    words = box.locator(".ws .ah-word")
    expect(words).to_have_count(2)  # with the others it shares nothing
    for word in words.all():
        expect(word).to_be_visible()
    expect(words.first).to_contain_text("A kitten naps on the couch.")
    expect(box.locator(".ah > .ah-words")).to_be_hidden()


def test_a_struck_token_is_hatched_and_the_model_is_asked(whole):
    before = whole.maps.locator("xpath=..").locator("canvas").evaluate("canvas => canvas.toDataURL()")
    whole.box.get_by_role("combobox").select_option("1 anna")
    expect(whole.opened.locator(".ah-legend")).to_contain_text("may not look")
    assert whole.read("[True, False, True, True, True] in asked") == "True"
    whole.box.get_by_role("combobox").select_option("nothing")
    expect(whole.opened.locator(".ah-masked")).to_be_hidden()
    assert whole.maps.locator("xpath=..").locator("canvas").evaluate("canvas => canvas.toDataURL()") == before


def test_what_is_sent_is_shown_in_its_own_words(whole):
    whole.box.get_by_role("button", name="what is sent").click()
    expect(whole.opened.locator(".ah-say")).to_contain_text("is sent comes from")
    expect(whole.opened.locator(".ah-caption")).to_contain_text("as a share of its row")
