"""The explorers of lessons 02 to 04 under the learner's hands, in a real JupyterLab."""

import time

import pytest
from lab import SECONDS, until
from playwright.sync_api import expect

HEADS = """
from attention_core.live import MultiHeadExplorer
heads = MultiHeadExplorer("the cat sat on the mat because it was tired")
heads
"""
POSITIONS = """
from attention_core.live import PositionExplorer, SinusoidExplorer
clocks = SinusoidExplorer()
positions = PositionExplorer("the dog chased the cat because the cat ran")
clocks
"""
TRAINING = """
import torch
from torch.nn.functional import cross_entropy
from attention_core import SinusoidalEncoding
from attention_core.live import TrainingView
from attention_core.tasks import Reverse, accuracy
from attention_core.transformer import TinyTransformer
torch.manual_seed(0)
task = Reverse(length=8)
model = TinyTransformer(10, positions=SinusoidalEncoding(32))
view = TrainingView(model, torch.arange(8)[None])
view
"""
SHOWN_BELOW = """
display(view)
for _ in view.watch(range(300)):
    view.report(loss=1.0)
"""
IN_SIGHT = """() => { // in the part of the page that scrolls; the newest view is the last
    const { top, bottom } = document.querySelector(".jp-WindowedPanel-outer").getBoundingClientRect();
    return [".at-stop", ".cv-chart svg", ".ah canvas"].map((part) => {
        const box = [...document.querySelectorAll(part)].pop()?.getBoundingClientRect();
        return !!box && box.height > 0 && box.top >= top - 1 && box.bottom <= bottom + 1;
    });
}"""
LOOP = """
optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
for _, (x, y) in view.watch(task.batches(5000)):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    view.report(loss=loss, accuracy=accuracy(logits, y))
"""


CELLS = [HEADS, POSITIONS, "positions", TRAINING]
BELOW = ["view = TrainingView(model, torch.arange(8)[None])\nview", "1\n" * 30, SHOWN_BELOW, "2\n" * 30]
TO_THE_LOOP = f"() => {{ panel().content.activeCellIndex = {len(CELLS)}; }}"


def painted(box) -> list[str]:
    return box.locator("canvas").evaluate_all("all => all.map(c => c.toDataURL())")


@pytest.fixture(scope="module")
def opened(lab, open_notebook):
    """All of it in one notebook; the loops alone wait for their tests."""
    notebook = open_notebook(lab.write("later.ipynb", [*CELLS, LOOP, *BELOW]))
    notebook.page.evaluate(TO_THE_LOOP)
    notebook.command("notebook:run-all-above")
    yield notebook
    notebook.close()


@pytest.fixture
def notebook(opened):
    """Afterwards looks for complaints and for requests that left the machine."""
    yield opened
    assert opened.errors == [] and opened.cell_errors() == []
    assert opened.hosts == {"127.0.0.1"}, "a request left the machine"


def output(notebook, cell):
    """What that cell shows, in sight."""
    box = notebook.page.locator(".jp-NotebookPanel .jp-Cell").nth(CELLS.index(cell))
    box = box.locator(".jp-OutputArea-output:has([data-frames])")
    box.scroll_into_view_if_needed()
    return box


def test_the_heads_share_a_cursor_and_can_be_cut_and_silenced(notebook):
    box = output(notebook, HEADS)
    grids = box.get_by_role("grid")
    expect(grids).to_have_count(4)

    grid = grids.nth(2).bounding_box()
    notebook.page.mouse.move(grid["x"] + 1.5 * grid["width"] / 10, grid["y"] + 7.5 * grid["height"] / 10)
    expect(box.locator(".ah-say")).to_contain_text("“it” gives")
    expect(box.locator(".ah-in-heads tr")).to_have_count(4)  # the one cell, with a number from each head
    cells = box.locator(".ah-cell").evaluate_all("all => all.map(n => n.style.left + ' ' + n.style.top)")
    assert len(cells) == 4 and len(set(cells)) == 1

    box.get_by_label("head 0 on").click()
    until(lambda: notebook.execute("print(heads.off, heads.change > 0.1)").strip(), lambda s: s == "[0] True")
    expect(box.locator(".ah-head:has(.ah-faded)")).to_contain_text("(off)")  # one, and the right one
    box.get_by_role("button", name="only head 2").click()
    until(lambda: notebook.execute("print(heads.solo)").strip(), lambda said: said == "2")
    box.get_by_role("button", name="8", exact=True).click()
    expect(grids).to_have_count(8)
    assert notebook.execute("print(heads.num_heads, heads.off)").strip() == "8 []"
    before = painted(box)
    box.get_by_role("button", name="reseed").press("Enter")  # by keyboard
    until(lambda: painted(box), lambda now: now != before)


def test_clocks_turn_by_hand_and_by_keyboard(notebook):
    box = output(notebook, POSITIONS)
    said = box.locator(".ws-said")
    here = box.locator("[data-part=position]")
    start = int(notebook.execute("print(clocks.position)"))
    here.focus()
    notebook.page.keyboard.press("ArrowRight")
    until(lambda: notebook.execute("print(clocks.position)").strip(), lambda p: p == str(start + 1))
    text = said.inner_text()
    flag = here.bounding_box()
    x, y = flag["x"] + flag["width"] / 2, flag["y"] + 9
    notebook.page.mouse.move(x, y)
    notebook.page.mouse.down()
    notebook.page.mouse.move(x + 120, y, steps=6)
    notebook.page.mouse.up()
    until(lambda: int(notebook.execute("print(clocks.position)")), lambda p: p > start + 5)
    until(said.inner_text, lambda now: now != text)
    for name in ("Position", "Distance", "Dimensions", "Base"):
        expect(box.get_by_role("slider", name=name).first).to_be_attached()
    notebook.execute("clocks.base = 2.1e7")  # between two steps of the slider, which must not send one back
    expect(box.locator(".widget-hslider").filter(has_text="Base")).to_contain_text("20,000,000")
    box.get_by_role("slider", name="Base").focus()
    notebook.page.keyboard.press("Tab")
    assert float(notebook.execute("print(clocks.base)")) == 2.1e7
    box.get_by_role("slider", name="Base").focus()
    notebook.page.keyboard.press("ArrowRight")
    until(lambda: float(notebook.execute("print(clocks.base)")), lambda base: base == 3e7)


def test_a_scheme_is_switched_and_words_are_shuffled(notebook):
    box = output(notebook, "positions")
    before = painted(box)
    box.get_by_role("button", name="rotary").click()
    now = until(lambda: painted(box), lambda now: now != before)
    box.get_by_role("button", name="Shuffle the words").click()
    until(lambda: painted(box), lambda later: later != now)
    until(lambda: float(notebook.execute("print(positions.difference)")), lambda d: d > 0.01)
    box.get_by_role("button", name="none", exact=True).first.click()
    until(lambda: float(notebook.execute("print(positions.difference)")), lambda d: d < 1e-5)


def test_a_training_is_watched_stopped_and_replayed(notebook):
    notebook.page.evaluate(TO_THE_LOOP)
    notebook.page.evaluate("() => { jupyterapp.commands.execute('notebook:run-cell') }")  # not waited for
    box = output(notebook, TRAINING)
    count = box.locator(".at-count")
    step = lambda: int("".join(c for c in count.inner_text().split(" of ")[0] if c.isdigit()) or 0)  # noqa: E731
    until(step, lambda n: n > 20, 90)
    early = painted(box)
    until(step, lambda n: n > 100, 90)
    until(lambda: painted(box), lambda now: now != early)  # the map moves while the cell is running
    box.locator(".at-stop").click()
    expect(box.locator(".at-note")).to_contain_text("Stopped after step", timeout=20_000)
    assert notebook.execute(
        "print(view.ending, view.step < 5000, torch.isfinite(model(x)[0]).all().item())"
    ) == ("stopped True True\n")
    last = painted(box)
    box.locator(".at-slider").focus()
    notebook.page.keyboard.press("Home")  # back to before the first step
    until(lambda: painted(box), lambda now: now != last)
    until(lambda: notebook.execute("print(view.frame)").strip(), lambda frame: frame == "0")


def test_a_training_comes_into_sight_below_its_loop_and_lasts_long_enough_to_be_seen(notebook):
    page, anew = notebook.page, len(CELLS) + 1
    page.set_viewport_size({"width": 1366, "height": 768})
    page.evaluate("at => { panel().content.activeCellIndex = at; }", anew)
    notebook.command("notebook:run-cell")
    page.evaluate("at => { panel().content.activeCellIndex = at; }", anew + 2)
    page.evaluate("() => { panel().content.mode = 'command'; }")
    began = time.monotonic()
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-cell-and-select-next') }")
    box = page.locator(".jp-NotebookPanel .jp-Cell").nth(anew + 2)
    expect(box.locator(".at-stop")).to_be_visible(timeout=20 * SECONDS)
    until(lambda: page.evaluate(IN_SIGHT), lambda seen: all(seen))  # with the button of what still runs
    expect(box.locator(".at-note")).to_have_text("Finished: 300 steps.", timeout=30 * SECONDS)
    assert (
        time.monotonic() - began > 6
    )  # it is slowed to eight seconds, less the time that it was not yet seen
