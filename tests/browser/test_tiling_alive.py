"""Attention tile by tile, under the hand: tiles by key and by play, blocks, queries, masks; seen by axe."""

import pytest
from axe import AXE, LOOK
from deck import LOST, settled, start
from lab import Notebook, until
from opened import DARK, LIGHT
from playwright.sync_api import expect
from test_accessibility import OURS

CELLS = [
    """from attention_core.fast import merge_tile
from attention_core.live import TilingExplorer

def mine(largest, total, output, scores, value):
    larger, new, output = merge_tile(largest, total, output, scores, value)
    return larger, total + (scores - larger).exp().sum(-1, keepdim=True), output""",
    'shown = TilingExplorer(measured={4: 12.5, 8: 6, 16: 5}, measured_name="of 4096, ms")\nshown',
]


class Tiling:
    """The explorer, under the learner's hands."""

    def __init__(self, notebook: Notebook):
        self.notebook, self.page = notebook, notebook.page
        self.box = notebook.widget(".jp-OutputArea-output:has(.attention-tiling)")
        self.alive = self.box.locator(".ws-said")
        self.running = self.box.locator(".tb")
        self.outline = self.box.locator(".ah-outline")
        self.grid = self.box.get_by_role("grid")
        self.message = self.box.locator(".ah-message")

    def slider(self, name: str):
        return self.box.get_by_role("slider", name=name, exact=True)

    def pixels(self) -> str:
        return self.box.locator("canvas").first.evaluate("canvas => canvas.toDataURL()")

    def traits(self) -> str:
        code = "print(shown.tiles, shown.to_merge, shown.block, shown.row, shown.mask)"
        return self.notebook.execute(code).strip()

    def place(self) -> list[float]:
        """Of the outlined tile in the map, once it is there: left, top, right, bottom, as shares of it."""
        expect(self.outline).to_be_visible()
        tile, map = self.outline.bounding_box(), self.grid.bounding_box()
        left, top = ((tile[x] - map[x]) / map[side] for x, side in (("x", "width"), ("y", "height")))
        right, bottom = left + tile["width"] / map["width"], top + tile["height"] / map["height"]
        return [round(share, 2) for share in (left, top, right, bottom)]

    def point(self, row: int, column: int) -> tuple[float, float]:
        map = self.grid.bounding_box()
        return map["x"] + (column + 0.5) * map["width"] / 32, map["y"] + (row + 0.5) * map["height"] / 32


@pytest.fixture
def tiling(notebook):
    notebook.run_all()
    assert notebook.cell_errors() == []
    tiling = Tiling(notebook)
    expect(tiling.alive).to_contain_text("Tiles: 6 merged, 10 to come, 0 left out.")
    tiling.box.scroll_into_view_if_needed()
    return tiling


def test_the_alive_tile_is_outlined_and_the_rest_is_called_what_it_is(tiling):
    assert tiling.place() == [0.25, 0.25, 0.5, 0.5]
    expect(tiling.alive.locator("strong")).to_have_text(["one tile, 8 × 8 weights", "416 bytes"])
    expect(tiling.grid).to_have_accessible_name("weight so far: rows are queries, columns are keys")
    expect(tiling.grid.get_by_role("gridcell", name="“20” and “3”: not computed.")).to_have_count(1)
    expect(tiling.grid.get_by_role("gridcell", name="“8” so far gives")).to_have_count(16)
    expect(tiling.box.locator(".ah-row-heading")).to_have_text("“8” so far shares out 1.00")
    expect(tiling.box.locator(".ah-sum").nth(8)).to_have_text("1.00")
    expect(tiling.box.locator(".ah-sum").nth(20)).to_have_text("")
    expect(tiling.running.get_by_role("rowheader")).to_have_text(["keys 0–7", "keys 8–15", "output ÷ sum"])
    expect(tiling.running.locator(".tb-marked th")).to_have_text("keys 8–15")
    expect(tiling.box.locator(".cv-name")).to_contain_text("of 4096, ms 6.00")
    left, right = tiling.box.locator(".ah").bounding_box(), tiling.running.bounding_box()
    assert left["x"] + left["width"] <= right["x"] + 1, "not side by side"
    assert tiling.box.bounding_box()["height"] <= 600


def test_tiles_are_merged_and_taken_back_by_the_keyboard(tiling):
    before = tiling.pixels()
    handle = tiling.slider("Tiles merged")
    handle.focus()
    tiling.page.keyboard.press("ArrowRight")
    until(tiling.place, lambda place: place == [0.5, 0.25, 0.75, 0.5])
    expect(tiling.alive).to_contain_text("Tiles: 7 merged, 9 to come")
    expect(tiling.running.locator(".tb-marked th")).to_have_text("keys 16–23")
    tiling.page.keyboard.press("ArrowRight")
    expect(tiling.running.locator(".tb-said")).to_contain_text("Output ÷ sum is exactly the answer")
    for _ in range(2):
        tiling.page.keyboard.press("ArrowLeft")
    until(tiling.pixels, lambda now: now == before)
    tiling.page.keyboard.press("Home")
    expect(tiling.alive).to_contain_text("Alive: nothing yet")
    expect(tiling.outline).to_be_hidden()
    said = "Query 8 may look at 32 keys: nothing of it is merged yet."
    expect(tiling.running.locator(".tb-said")).to_have_text(said)
    tiling.page.keyboard.press("End")
    until(tiling.place, lambda place: place == [0.75, 0.75, 1, 1])
    until(tiling.traits, lambda now: now == "16 16 8 8 everything")


def test_it_plays_to_the_last_tile_and_goes_back(tiling):
    tiling.notebook.execute("shown.block, shown.tiles = 16, 2")
    expect(tiling.slider("Tiles merged")).to_have_attribute("aria-valuetext", "2")
    play = tiling.box.get_by_role("button", name="Play", exact=True)
    play.focus()
    tiling.page.keyboard.press("Enter")
    expect(tiling.alive).to_contain_text("Tiles: 3 merged")
    until(tiling.traits, lambda now: now.startswith("4 4 16"))
    expect(play).to_have_count(1)
    tiling.box.get_by_role("button", name="Back to the start", exact=True).click()
    until(tiling.traits, lambda now: now.startswith("0 4 16"))


def test_another_block_keeps_what_is_done_and_moves_the_point_on_the_curve(tiling):
    handle = tiling.slider("Block")
    handle.focus()
    tiling.page.keyboard.press("ArrowRight")
    expect(tiling.alive).to_contain_text("16 × 16 weights, and 3 + 2 numbers a query: 1,344 bytes")
    expect(tiling.box.locator(".cv-name")).to_contain_text("5.00")
    until(tiling.traits, lambda now: now.startswith("2 4 16"))
    for _ in range(2):
        tiling.page.keyboard.press("ArrowLeft")
    expect(tiling.alive).to_contain_text("4 × 4 weights, and 3 + 2 numbers a query: 144 bytes")
    until(tiling.traits, lambda now: now.startswith("24 64 4"))
    tiling.page.keyboard.press("ArrowRight")
    until(tiling.traits, lambda now: now.startswith("6 16 8"))


def test_a_row_of_the_map_chooses_the_query_and_so_does_the_slider(tiling):
    tiling.page.mouse.click(*tiling.point(2, 5))
    expect(tiling.running.locator(".tb-said")).to_contain_text(
        "Query 2 after all 4 of its tiles. Output ÷ sum is exactly"
    )
    expect(tiling.slider("Query")).to_have_attribute("aria-valuetext", "2")
    tiling.slider("Query").focus()
    tiling.page.keyboard.press("ArrowRight")
    expect(tiling.running.locator(".tb-said")).to_contain_text("Query 3")
    expect(tiling.box.locator(".ah-row-heading")).to_have_text("“3” so far shares out 1.00")
    until(tiling.traits, lambda now: now == "6 16 8 3 everything")


def test_a_mask_leaves_tiles_out(tiling):
    tiling.box.get_by_role("button", name="only before").click()
    expect(tiling.alive).to_contain_text("6 left out")
    expect(tiling.grid.get_by_role("gridcell", name="“0” and “8”: not computed.")).to_have_count(1)
    expect(tiling.grid.get_by_role("gridcell", name="“0” and “7”: may not look.")).to_have_count(1)
    expect(tiling.box.locator(".ah-masked")).to_contain_text("may not look")


def test_a_wrong_merge_is_seen_on_the_page(tiling):
    tiling.notebook.execute("shown.merge = mine")
    expect(tiling.message).to_contain_text("not to 1; it is so in")
    until(tiling.box.locator(".ah-sum").first.text_content, lambda total: total not in ("", "1.00"))
    tiling.notebook.execute("shown.tiles, shown.row = 16, 8")
    expect(tiling.running.locator(".tb-said")).to_contain_text("Output ÷ sum is not the answer")
    tiling.notebook.execute("shown.merge = lambda *given: None")
    expect(tiling.message).to_have_text("Not finished yet: the function returns nothing.")
    tiling.notebook.execute("shown.merge = merge_tile")
    expect(tiling.message).to_have_text("")


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_axe_finds_nothing_serious(tiling, theme):
    tiling.notebook.wear(theme)
    # JupyterLab's own body has a height of 0: axe would take all for hidden
    laid_out = tiling.page.add_style_tag(content="body { height: 100vh }")
    tiling.page.evaluate(AXE)
    found = tiling.page.evaluate(LOOK, [OURS[:1], []])
    laid_out.evaluate("style => style.remove()")
    tiling.notebook.wear(LIGHT)
    findings = found["violations"] + [entry for entry in found["incomplete"] if entry[0] != "color-contrast"]
    assert [entry for entry in findings if entry[1] in ("critical", "serious")] == []
    assert found["readable"] > 20


def test_it_fits_a_slide_and_its_sliders_have_room(tiling):
    tiling.notebook.execute("shown.block, shown.mask = 4, 'only before'; shown.tiles, shown.row = 99, 31")
    start(tiling.notebook)
    try:
        tiling.page.keyboard.press("ArrowDown")
        settled(tiling.notebook)
        assert tiling.page.evaluate(LOST) == []
        for track in tiling.box.locator(".noUi-target").all():
            assert track.bounding_box()["width"] > 50
    finally:
        tiling.page.get_by_role("button", name="Exit Deck").click()
        tiling.page.set_viewport_size({"width": 1280, "height": 1000})
