"""An agent under the hand: dragged, disturbed, followed and played, by mouse and keyboard."""

from pathlib import Path

import pytest
from lab import Notebook, until
from playwright.sync_api import expect

CELLS = [
    f"""import sys

sys.path.append({str(Path(__file__).parents[1])!r})
from test_agent_explorer import goes, in_a_corridor, in_a_room
from attention_core.live import bank

bank.MOST_SECONDS = 10  # on a busy machine, too, there is time for all frames
room = in_a_room()
room""",
    "hall = in_a_corridor()\nhall",
]
ROOM, HALL = range(2)


class Hand:
    """One of the two explorers, under the learner's hand."""

    def __init__(self, notebook: Notebook, cell: int):
        self.notebook, self.page, self.name = notebook, notebook.page, ("room", "hall")[cell]
        self.shape = ((5, 5), (3, 6))[cell]
        self.box = notebook.page.locator(".jp-CodeCell").nth(cell).locator(".attention-explorer")
        self.grid, self.verdict = self.box.locator(".pc-grid"), self.box.locator(".ws-said")
        self.lines = self.box.locator(".pc-line-of-weight")

    def at(self, row: int, column: int) -> tuple[float, float]:
        field, (rows, columns) = self.grid.bounding_box(), self.shape
        return (
            field["x"] + (column + 0.5) * field["width"] / columns,
            field["y"] + (row + 0.5) * field["height"] / rows,
        )

    def drag(self, start, *places) -> None:
        mouse = self.page.mouse
        mouse.move(*self.at(*start))
        mouse.down()
        for place in places:
            mouse.move(*self.at(*place), steps=4)
        mouse.up()

    def click(self, row: int, column: int) -> None:
        self.page.mouse.click(*self.at(row, column))

    def tool(self, name: str) -> None:
        self.box.get_by_role("button", name=name, exact=True).click()

    def cell(self, name: str):
        return self.grid.get_by_role("gridcell", name=name)

    def becomes(self, what: str, value: str) -> None:
        until(
            lambda: self.notebook.execute(f"print({what.replace('X', self.name)})").strip(),
            lambda x: x == value,
        )

    def thickest(self) -> float:
        return max(float(line.get_attribute("stroke-width")) for line in self.lines.all())


@pytest.fixture
def hand(notebook, request):
    notebook.run_all()
    assert notebook.cell_errors() == []
    hand = Hand(notebook, request.param)
    expect(hand.verdict).to_contain_text("It would go")
    hand.box.scroll_into_view_if_needed()
    return hand


in_the_room = pytest.mark.parametrize("hand", [ROOM], indirect=True)
in_the_hall = pytest.mark.parametrize("hand", [HALL], indirect=True)


@in_the_room
def test_lines_lead_to_what_it_looks_at_and_a_drag_turns_them(hand):
    expect(hand.lines).to_have_count(2)
    widths = sorted(float(line.get_attribute("stroke-width")) for line in hand.lines.all())
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)
    expect(hand.cell("row 2, column 4: orange square: weight 0.80")).to_have_count(1)
    hand.drag((2, 4), (3, 4), (4, 2))
    expect(hand.cell("row 4, column 2: orange square: weight 0.80")).to_have_count(1)
    expect(hand.verdict).to_contain_text("go down")
    hand.becomes("X.now.places.tolist()", "[[[0, 2], [4, 2]]]")


@in_the_room
def test_an_object_is_dragged_over_the_agent_and_past_another(hand):
    hand.drag((0, 2), (1, 2), (3, 2))
    hand.becomes("X.now.places.tolist()", "[[[3, 2], [2, 4]]]")
    hand.drag((3, 2), (2, 3), (2, 4), (3, 4))
    hand.becomes("(X.now.places.tolist(), X.now.agents.tolist())", "([[[3, 4], [2, 4]]], [[2, 2]])")
    hand.cell("row 3, column 4: blue disc").focus()
    for key in ("Shift+ArrowUp", "Shift+ArrowUp"):
        hand.page.keyboard.press(key)
    hand.becomes("X.now.places.tolist()", "[[[1, 4], [2, 4]]]")


@in_the_room
def test_the_cursor_begins_at_the_agent(hand):
    expect(hand.box.locator(".pc-here")).to_have_text("row 2, column 2, the agent")


@in_the_room
def test_objects_are_recoloured_added_and_removed_by_mouse(hand):
    hand.click(0, 2)
    expect(hand.cell("row 0, column 2: orange disc: weight 0.80")).to_have_count(1)
    expect(hand.verdict).to_contain_text("go up")
    hand.tool("adds")
    expect(hand.box.locator(".pc-hint")).to_contain_text("into a free cell")
    hand.click(4, 4)
    hand.becomes("X.now.objects.shape[1]", "3")
    expect(hand.lines).to_have_count(3)
    hand.tool("removes")
    expect(hand.box.locator(".pc-hint")).to_contain_text("one stays")
    hand.click(0, 2)
    expect(hand.verdict).to_contain_text("go right")
    hand.becomes("X.now.objects.shape[1]", "2")


@in_the_room
def test_by_keyboard_it_is_walked_disturbed_and_led_back(hand):
    hand.cell("row 0, column 2").focus()
    hand.page.keyboard.press("Enter")  # recoloured: there are two of the wanted colour
    expect(hand.verdict).to_contain_text("go up")
    hand.page.keyboard.press("Shift+ArrowRight")
    hand.becomes("X.now.places[0, 0].tolist()", "[0, 3]")
    slider = hand.box.get_by_role("slider").first
    slider.focus()
    hand.page.keyboard.press("ArrowRight")
    hand.becomes("(X.at, X.now.agents.tolist())", "(1, [[1, 2]])")
    hand.page.keyboard.press("ArrowLeft")
    hand.becomes("(X.at, X.now.agents.tolist())", "(0, [[2, 2]])")


@in_the_room
def test_it_plays_to_its_end(hand):
    hand.box.locator(".widget-play button").first.click()
    expect(hand.verdict).to_contain_text("It is there", timeout=10_000)
    assert hand.box.locator(".ah-heading, .ah-title").first.inner_text()
    hand.becomes("X.at", "2")


@in_the_room
def test_an_agent_that_breaks_is_told_of_and_the_room_lives_on(hand):
    hand.notebook.execute("room.agent = lambda rooms: rooms.nothing")
    expect(hand.box.locator(".ah-message")).to_contain_text("The agent stopped with AttributeError")
    hand.drag((0, 2), (0, 3))
    hand.becomes("X.now.places[0, 0].tolist()", "[0, 3]")
    hand.notebook.execute("room.agent = goes")
    expect(hand.verdict).to_contain_text("go right")


@in_the_hall
def test_a_covered_cue_is_hatched_and_turns_the_choice(hand):
    expect(hand.verdict).to_contain_text("go right")
    before = hand.thickest()
    hand.click(1, 0)
    expect(hand.verdict).to_contain_text("go left")
    expect(hand.cell("step 0, cue ↓, covered")).to_have_count(1)
    hand.click(1, 0)
    expect(hand.verdict).to_contain_text("go right")
    expect(hand.lines).to_have_count(1)
    assert hand.thickest() == before


@in_the_hall
def test_the_agent_is_dragged_along_the_corridor_by_mouse_and_keyboard(hand):
    hand.drag((1, 5), (1, 4), (1, 2))
    expect(hand.verdict).to_contain_text("Step 2 of 6")
    hand.becomes("X.at", "2")
    hand.page.keyboard.press("Shift+ArrowRight")
    expect(hand.verdict).to_contain_text("Step 3 of 6")
    hand.becomes("X.at", "3")


@in_the_hall
def test_the_cue_is_turned_and_another_put(hand):
    hand.tool("turns the cue")
    expect(hand.box.locator(".pc-hint")).to_contain_text("the other arm pays")
    hand.click(1, 0)
    expect(hand.box.locator(".pc-said")).to_have_text("The left arm pays")
    hand.becomes("X.state.pays.item()", "0")
    hand.tool("puts a cue")
    expect(hand.box.locator(".pc-hint")).to_contain_text("puts a cue")
    hand.cell("step 3").focus()
    hand.page.keyboard.press("Enter")
    hand.becomes("X.state.cues", "(0, 3)")
    expect(hand.cell("step 3, cue ↑")).to_have_count(1)
