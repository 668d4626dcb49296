"""Every explorer from start to end by keyboard alone, in a real JupyterLab."""

import io
import itertools
import json

import numpy as np
import pytest
from found import found_explorers
from lab import SECONDS, Notebook, until
from matplotlib import image
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.timeout(300)
CELLS = [
    """
import torch
from attention_core.live import (
    LookUpExplorer, MultiHeadExplorer, PositionExplorer, SelfAttentionExplorer, SinusoidExplorer, TrainingView
)
from attention_core.practice import predict
explorer = SelfAttentionExplorer("the cat sat on the mat")
explorer
""",
    "look_up = LookUpExplorer(); look_up",
    "heads = MultiHeadExplorer('the cat sat on the mat'); heads",
    "positions = PositionExplorer('the dog chased the cat'); positions",
    "clocks = SinusoidExplorer(); clocks",
    """
from torch.nn.functional import cross_entropy
from attention_core import SinusoidalEncoding
from attention_core.tasks import Reverse, accuracy
from attention_core.transformer import TinyTransformer
torch.manual_seed(0)
task = Reverse(length=8)
model = TinyTransformer(10, positions=SinusoidalEncoding(32))
view = TrainingView(model, torch.arange(8)[None], answer=torch.arange(8).flip(0))
view
""",
    "question = predict('Which is it?', ['this', 'that', 'neither'], 'that', why='It says so.'); question",
]
EXPLORER, LOOK_UP, HEADS, POSITIONS, CLOCKS, TRAINING, QUESTION = range(len(CELLS))
CELLS += [code for name, code in found_explorers().items() if not any(f"{name}(" in cell for cell in CELLS)]
LOOP = """
optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
for _, (x, y) in view.watch(task.batches(20_000)):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    view.report(loss=loss, accuracy=accuracy(logits, y))
"""
POINTED = """
window.pointed = [];
for (const type of ["pointerdown", "mousemove", "touchstart"]) {
    addEventListener(type, (event) => pointed.push(event.type), true);
}
"""


class Keys:
    """One cell of the notebook, under the learner's keys."""

    def __init__(self, notebook: Notebook, cell: int):
        self.page, self.execute = notebook.page, notebook.execute
        self.cell = self.page.locator(".jp-NotebookPanel .jp-Cell").nth(cell)
        self.box = self.cell.locator(".jp-OutputArea-output:has([data-frames])")
        self.focus = self.page.locator(":focus")
        notebook.command("notebook:enter-command-mode")  # Escape, from wherever the learner was
        self.page.evaluate("i => { panel().content.activeCellIndex = i; panel().content.activate(); }", cell)
        expect(self.cell).to_be_focused()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def tab_to(self, role: str, name: str, *, back: bool = False, nth: int = 0) -> Locator:
        """Tab until the focus is there: it is an error if it leaves the cell before."""
        wanted = self.box.get_by_role(role, name=name, exact=True).nth(nth)
        for _ in range(60):
            self.press("Shift+Tab" if back else "Tab")
            assert self.cell.locator(":focus").count(), f"no {role} “{name}” on the way through the cell"
            if wanted.and_(self.focus).count():
                return wanted
        raise AssertionError(f"no {role} “{name}” within 60 stops")

    def tab_to_grid(self, *, back: bool = False, nth: int = 0) -> Locator:
        grid = self.box.get_by_role("grid").nth(nth)
        for _ in range(60):
            self.press("Shift+Tab" if back else "Tab")
            assert self.cell.locator(":focus").count(), "no grid on the way through the cell"
            if grid.locator(":focus").count():
                return grid
        raise AssertionError("no grid within 60 stops")

    def heard(self, region: Locator, *keys: str) -> str:
        """What a region says after these keys. A screen reader reads it out if it was there before."""
        same, before = region.element_handle(), region.inner_text()
        assert same.evaluate("node => node.checkVisibility()")
        assert same.evaluate("node => node.ariaLive || { status: 'polite', alert: 'assertive' }[node.role]")
        self.press(*keys)
        until(same.inner_text, lambda now: now not in ("", before))
        assert same.evaluate("node => node.isConnected && node.checkVisibility()")
        return same.inner_text()


@pytest.fixture(scope="module")
def notebook(lab, chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    context.add_init_script(POINTED)
    notebook = Notebook(context, lab, lab.write("keyboard.ipynb", [*CELLS, ""]))
    notebook.run_all()
    assert notebook.cell_errors() == []
    yield notebook
    assert notebook.errors == []
    assert notebook.page.evaluate("pointed") == [], "that was not the keyboard"
    notebook.close()
    context.close()


@pytest.fixture
def keys(notebook):
    """Runs one cell anew, so that no test sees what another has done, and goes to it."""

    def go(cell: int) -> Keys:
        notebook.page.evaluate(
            """async (cell) => {
                for (const at of cell ? [0, cell] : [0]) {
                    panel().content.activeCellIndex = at;
                    await jupyterapp.commands.execute("notebook:run-cell");
                }
            }""",
            cell,
        )
        found = Keys(notebook, cell)
        found.box.wait_for()
        until(lambda: found.box.locator(".ah:not([data-frames])").count(), lambda n: n == 0)
        return found

    return go


# ---------------------------------------------------------------- on the way with Tab

STOP = """() => { // where the focus is, as a learner would see it
    const node = document.activeElement;
    const cell = node.closest(".jp-Notebook-cell");
    const own = node.closest(".jp-OutputArea-output") !== null; // and not JupyterLab's
    const box = (node.closest(".ah-field") ?? node).getBoundingClientRect();
    const from = cell?.getBoundingClientRect().top ?? 0; // the page scrolls on the way
    const looks = (one) => [one, ...one.querySelectorAll("*")].map((part) => {
        const { outlineStyle, outlineWidth, outlineColor, ...s } = Object.fromEntries(LOOKS.map(
            (name) => [name, getComputedStyle(part)[name]]));
        return [outlineStyle === "none" ? "" : outlineWidth + outlineColor, ...Object.values(s)].join();
    }).join(";");
    const was = window.lastStop;
    window.lastStop = own && { node, focused: looks(node) };
    return {
        cell: cell ? panel().content.widgets.findIndex((one) => one.node === cell) : -1,
        own,
        name: `${node.localName} “${node.ariaLabel ?? node.textContent}”`,
        box: [box.left, box.top - from, box.right, box.bottom - from],
        unseen: was && was.node.isConnected && looks(was.node) === was.focused ? was.node.outerHTML : null,
    };
}"""
LOOKS = [
    "outlineStyle", "outlineWidth", "outlineColor", "boxShadow", "borderColor", "borderWidth",
    "backgroundColor", "stroke", "strokeWidth",
]  # fmt: skip


def test_tab_passes_through_everything_shows_where_it_is_and_comes_out_again(notebook, keys):
    hands = keys(EXPLORER)
    stop = lambda: notebook.page.evaluate(STOP.replace("LOOKS", json.dumps(LOOKS)))  # noqa: E731
    there = []
    while not there or there[-1]["cell"] >= 0:  # out at the end: no control keeps the focus
        hands.press("Tab")
        there.append(stop())
        assert len(there) < 200
    assert [one["unseen"] for one in there if one["unseen"]] == []
    there = [one for one in there if one["own"]]
    assert {one["cell"] for one in there} == set(range(len(CELLS)))
    for a, b in itertools.pairwise(there):
        assert a["cell"] <= b["cell"]
        if a["cell"] == b["cell"]:  # downwards, or to the right: never back up
            assert b["box"][3] > a["box"][1] or b["box"][0] >= a["box"][2] - 60, (a, b)
    back = []
    for _ in range(300):  # JupyterLab has stops of its own on the way
        hands.press("Shift+Tab")
        back.append(stop())
        if sum(one["own"] for one in back) == len(there):
            break
    names = [one["name"] for one in back if one["own"]]
    assert names == [one["name"] for one in reversed(there)]


def test_every_control_has_a_name_and_a_choice_says_what_is_chosen(notebook, keys):
    hands = keys(EXPLORER)
    tree = notebook.page.locator(".jp-NotebookPanel .jp-OutputArea-output")
    for role in (
        "slider",
        "textbox",
        "button",
        "checkbox",
        "grid",
        "combobox",
        "listbox",
        "option",
        "progressbar",
    ):
        for control in tree.get_by_role(role).all():
            expect(control).not_to_have_accessible_name("")
    chosen = hands.box.get_by_role("group", name="Mask").get_by_role("button", pressed=True)
    expect(chosen).to_have_text("none")
    hands.tab_to("button", "causal")
    hands.press("Enter")
    expect(chosen).to_have_text("causal")


def test_sliders_keep_their_names_and_say_their_values(keys):
    hands = keys(EXPLORER)
    slider = hands.tab_to("slider", "Temperature")
    expect(slider).to_have_attribute("aria-valuetext", "1.00")
    hands.press("ArrowLeft", "ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "0.90")
    hands.execute("explorer.sentence = ''")
    expect(hands.box.locator(".ah-message")).to_have_text("Type a word or two.")
    expect(slider).to_have_accessible_name("Temperature")
    hands.execute("explorer.sentence = 'a dog ran'; explorer.temperature = 2.0")
    expect(hands.box.get_by_role("grid")).to_have_attribute("aria-rowcount", "3")
    expect(slider).to_have_accessible_name("Temperature")
    expect(slider).to_have_attribute("aria-valuetext", "2.00")


# ---------------------------------------------------------------- explorers from start to end


def test_attention_is_explored(keys):
    hands = keys(EXPLORER)
    grid, say = hands.box.get_by_role("grid"), hands.box.locator(".ah-say")
    hands.tab_to("textbox", "Sentence")
    hands.press("End")
    hands.page.keyboard.type(" now")
    expect(grid).to_have_attribute("aria-rowcount", "7")
    hands.tab_to("slider", "Temperature")
    assert hands.heard(say, *["ArrowLeft"] * 8)
    until(lambda: hands.execute("print(round(explorer.temperature, 2))"), lambda t: t == "0.6\n")
    hands.tab_to("button", "off")
    hands.press("Enter")
    until(lambda: hands.execute("print(explorer.scaled)"), lambda scaled: scaled == "False\n")
    hands.tab_to("button", "causal")
    hands.press(" ")
    expect(hands.box.locator(".ah-masked")).to_be_visible()
    hands.tab_to_grid()
    assert hands.heard(say, "Control+Home").startswith("“the” gives")
    assert hands.heard(say, "ArrowRight") == "“the” may not look at “cat”."
    assert hands.heard(say, "ArrowDown").startswith("“cat” gives")
    pinned = lambda: json.loads(hands.execute("print(explorer.heatmap.pinned)"))  # noqa: E731
    hands.press("Enter")
    until(pinned, lambda rows: rows == [1])
    hands.press("ArrowDown", "Enter")
    until(pinned, lambda rows: rows == [1, 2])
    hands.press("Escape")
    until(pinned, lambda rows: rows == [])
    hands.tab_to("checkbox", "each row on its own scale")
    hands.press(" ")
    expect(hands.box.locator(".ah-legend")).to_contain_text("row’s largest")
    with hands.page.expect_download(timeout=30 * SECONDS) as download:
        hands.tab_to("button", "Save the picture as PNG")
        hands.press("Enter")
    assert download.value.suggested_filename == "attention.png"
    hands.tab_to("textbox", "Sentence", back=True)


def test_what_cannot_be_shown_is_said(keys):
    hands = keys(EXPLORER)
    hands.tab_to("textbox", "Sentence")
    hands.press("Control+a")
    assert hands.heard(hands.box.locator(".ah-message"), "Delete") == "Type a word or two."
    expect(hands.focus).to_have_accessible_name("Sentence")  # it stays where the learner types


def test_a_query_and_values_are_moved(keys):
    hands = keys(LOOK_UP)
    say = hands.box.locator(".ah-say")
    hands.tab_to("slider", "Temperature")
    hands.press("ArrowRight")
    until(lambda: hands.execute("print(look_up.temperature)"), lambda t: t == "1.5\n")
    query = hands.tab_to("slider", "query: arrow keys move it")
    was = query.get_attribute("aria-valuetext")
    assert hands.heard(say, *["ArrowLeft"] * 5, *["ArrowDown"] * 2)
    until(lambda: hands.execute("print(*look_up.query)"), lambda at: at == "0.4 1.0\n")
    until(lambda: query.get_attribute("aria-valuetext"), lambda now: now != was)
    output = hands.execute("print(look_up.output)")
    hands.tab_to("slider", "pear: arrow keys move it")
    hands.press("ArrowDown", "ArrowDown")
    until(lambda: hands.execute("print(look_up.output)"), lambda now: now != output)
    hands.tab_to_grid()
    assert hands.heard(say, "End").startswith("“query” gives")


def test_heads_are_cut_silenced_and_read(keys):
    hands = keys(HEADS)
    grids, say = hands.box.get_by_role("grid"), hands.box.locator(".ah-say")
    hands.tab_to("textbox", "Sentence")
    hands.press("End")
    hands.page.keyboard.type(" now")
    expect(grids.first).to_have_attribute("aria-rowcount", "7")
    hands.tab_to("button", "2")
    hands.press("Enter")
    expect(grids).to_have_count(2)
    said = hands.box.get_by_role("status").filter(has_text="All heads are on")
    hands.tab_to("checkbox", "head 0 on")
    assert "With head 1 alone" in hands.heard(said, " ")
    hands.tab_to("button", "only head 0")
    hands.press(" ")
    until(lambda: hands.execute("print(heads.solo)"), lambda solo: solo == "0\n")
    hands.tab_to_grid(nth=1)
    assert hands.heard(say, "ArrowUp", "ArrowRight").startswith("head 1")
    hands.press("Enter")
    until(lambda: len(json.loads(hands.execute("print(heads.heatmap.pinned)"))), lambda n: n == 1)
    before = hands.execute("print(heads)")
    hands.tab_to("button", "reseed", back=True)
    hands.press("Enter")
    until(lambda: hands.execute("print(heads)"), lambda now: now != before)


def test_positions_are_put_in_and_words_are_shuffled(keys):
    hands = keys(POSITIONS)
    said = hands.box.get_by_role("status").filter(has_text="Shuffle the words")
    hands.tab_to("textbox", "Sentence")
    hands.press("End")
    hands.page.keyboard.type(" now")
    expect(hands.box.get_by_role("grid").first).to_have_attribute("aria-rowcount", "6")
    hands.tab_to("button", "Shuffle the words")
    assert "The outputs shuffled with the words" in hands.heard(said, "Enter")
    hands.tab_to("button", "rotary", back=True)
    hands.press("Enter")
    until(lambda: hands.execute("print(positions.difference > 0.01)"), lambda d: d == "True\n")
    hands.tab_to("button", "causal")
    hands.press("Enter")
    until(lambda: hands.execute("print(positions.mask)"), lambda mask: mask == "causal\n")
    hands.tab_to("button", "As typed")
    hands.press("Enter")
    until(lambda: hands.execute("print(positions.shuffle)"), lambda n: n == "0\n")
    hands.tab_to_grid()
    assert hands.heard(hands.box.locator(".ah-say"), "Control+End").endswith("“now”.")


def test_clocks_are_turned_and_picked(keys):
    hands = keys(CLOCKS)
    said = hands.box.locator(".ws-said")
    numbers = lambda: hands.execute("print(clocks.position, clocks.distance, clocks.pair)")  # noqa: E731
    hands.tab_to("slider", "Position")
    assert hands.heard(said, "ArrowRight").startswith("Position 13")
    hands.tab_to("slider", "Dimensions")
    hands.press("ArrowLeft")
    until(lambda: hands.execute("print(clocks.dim)"), lambda d: d == "30\n")
    hands.tab_to("button", "RoPE through W")
    hands.press("Enter")
    until(lambda: hands.execute("print(clocks.comparison)"), lambda c: c == "RoPE through W\n")
    hands.tab_to("slider", "Position", nth=1)  # the flag above the map
    assert hands.heard(said, "PageUp").startswith("Position 23")
    hands.tab_to("slider", "Other position")
    assert hands.heard(said, "ArrowRight", "ArrowRight")
    until(numbers, lambda n: n == "23 7 2\n")
    hands.press("Tab")
    expect(hands.focus).to_have_role("option")
    assert hands.heard(said, "ArrowDown").startswith("Position 23, dimensions 6 and 7")
    until(numbers, lambda n: n == "23 7 3\n")


def test_a_training_is_stopped_and_replayed(notebook, keys):
    hands = keys(TRAINING)
    hands.page.evaluate(
        """([at, code]) => {
            panel().content.widgets[at].model.sharedModel.setSource(code);
            panel().content.activeCellIndex = at;
            jupyterapp.commands.execute("notebook:run-cell"); // not waited for
        }""",
        [len(CELLS), LOOP],
    )
    count = hands.box.locator(".at-count")
    hands.box.scroll_into_view_if_needed()  # what is out of sight has no text, and the loop is far below
    until(count.inner_text, lambda said: any(f"Step {n}" in said for n in "123456789"), 60)
    hands = Keys(notebook, TRAINING)
    note = hands.box.locator(".at-note")
    hands.tab_to("button", "Stop")
    assert note.element_handle().evaluate("node => node.role || node.getAttribute('role')") == "status"
    hands.press("Enter")
    expect(note).to_contain_text("Stopped after step")
    hands.tab_to("combobox", "Map")  # on from where Stop was
    hands.press("ArrowDown")
    until(lambda: hands.execute("print(view.head)"), lambda head: head == "0\n")
    hands.tab_to("button", "▶ Replay")
    slider = hands.tab_to("slider", "Replay: how the map formed")
    last = slider.get_attribute("aria-valuetext")
    hands.press("Home")
    until(lambda: hands.execute("print(view.frame)"), lambda frame: frame == "0\n")
    expect(slider).to_have_attribute("aria-valuetext", "after 0 steps")
    hands.press("Shift+Tab", "Enter")
    expect(slider).to_have_attribute("aria-valuetext", last)
    hands.tab_to_grid()
    assert hands.heard(hands.box.locator(".ah-say"), "ArrowUp", "ArrowLeft")


def test_a_prediction_is_made_and_locked(keys):
    hands = keys(QUESTION)
    expect(hands.box.get_by_role("group", name="Which is it?").get_by_role("button")).to_have_count(3)
    said = hands.box.get_by_role("status")
    hands.tab_to("button", "this")
    assert "✗ you said “this”; it was “that”. It says so." in hands.heard(said, "Enter")
    expect(hands.focus).to_have_text("✗ this")
    expect(hands.focus).to_have_attribute("aria-pressed", "true")
    hands.press("Tab")
    assert "The answer is out already" in hands.heard(said, " ")
    until(lambda: hands.execute("print(question.chosen)"), lambda chosen: chosen == "this\n")
    hands.press("Tab", "Tab")
    assert hands.box.locator(":focus").count() == 0


# ---------------------------------------------------------------- never by colour alone


def luminance(locator: Locator) -> np.ndarray:
    """What is on the screen there, from 0 to 1 and without colour."""
    pixels = image.imread(io.BytesIO(locator.screenshot()), format="png")[..., :3]
    linear = np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_a_forbidden_cell_is_hatched_not_only_coloured(notebook, keys, theme):
    hands = keys(EXPLORER)
    notebook.command("apputils:change-theme", theme=theme)
    hands.execute("w = torch.eye(6); explorer.heatmap.update(w, allowed=torch.ones(6, 6).tril().bool())")
    cells = hands.box.get_by_role("gridcell")
    expect(cells.nth(5)).to_have_accessible_name("“the” may not look at “mat”.")
    forbidden, zero = (luminance(cells.nth(i))[6:-6, 6:-6] for i in (5, 6 * 4 + 1))
    low, high = np.quantile(forbidden, (0.05, 0.95))
    assert (high + 0.05) / (low + 0.05) > 3  # lines and ground: WCAG 2.2, 1.4.11
    assert np.ptp(zero) < 0.02  # one that may look, and gives nothing, is plain
