"""The projector setting in a real JupyterLab: larger, sharp, and nothing on top of anything else."""

from itertools import pairwise

import pytest
from lab import until
from playwright.sync_api import expect

EXPLORER = """
import torch
from attention_core.live import AttentionHeatmap, SelfAttentionExplorer, projector
explorer = SelfAttentionExplorer("the cat sat on the mat because it was tired")
explorer
"""
MANY = """
torch.manual_seed(0)
heads = AttentionHeatmap((3 * torch.randn(8, 64, 64)).softmax(-1))
heads
"""
# px on the screen, as zoomed: of the text, and how thick the cursor's frame is
SEEN = """box => {
    const zoom = (node) => node.currentCSSZoom;
    const size = (selector) => {
        const node = box.querySelector(selector);
        return parseFloat(getComputedStyle(node).fontSize) * zoom(node);
    };
    const canvas = box.querySelector("canvas");
    const lit = box.querySelector(".ah-lit");
    return {
        label: size(".ah-query"), readout: size(".ah-say"), arithmetic: size(".ah-steps"),
        caption: size(".ah-foot"), control: size(".widget-label"),
        line: Math.max(...getComputedStyle(lit).boxShadow.match(/[\\d.]+px/g).map(parseFloat)) * zoom(lit),
        sharp: canvas.width / canvas.getBoundingClientRect().width,
    };
}"""
ROWS = """box => [...box.querySelectorAll(".ah-query:not([hidden])")].map((node) => {
    const { top, bottom } = node.getBoundingClientRect();
    return [top, bottom];
})"""


@pytest.fixture(scope="module")
def opened(lab, open_notebook):
    notebook = open_notebook(lab.write("projector.ipynb", [EXPLORER, MANY]))
    notebook.run_all()
    yield notebook
    try:
        assert notebook.errors == [] and notebook.cell_errors() == []
    finally:
        notebook.close()


@pytest.fixture
def notebook(opened):
    """As it was at first: nothing is enlarged."""
    yield opened
    opened.execute("projector(False)")
    opened.page.wait_for_function("() => !document.querySelector('.attention-projector, .ah-projector')")


def test_the_box_under_the_map_makes_everything_larger(notebook):
    box = notebook.widget(".attention-explorer")
    small = box.evaluate(SEEN)
    toggle = box.get_by_role("checkbox", name="projector")
    toggle.focus()
    notebook.page.keyboard.press("Space")
    notebook.page.wait_for_function("() => document.querySelector('.attention-projector .ah-projector')")
    until(lambda: notebook.execute("print(explorer.projector)").strip(), lambda on: on == "True")
    large = box.evaluate(SEEN)
    assert large["label"] >= 20 and large["readout"] >= 24 and large["caption"] >= 18
    assert large["line"] >= 1.9 * small["line"]
    for part in ("label", "readout", "arithmetic", "caption", "control"):
        assert large[part] >= 1.5 * small[part], part
    assert large["sharp"] == pytest.approx(small["sharp"], rel=0.02)
    toggle.click()
    notebook.page.wait_for_function("() => !document.querySelector('.attention-projector')")
    assert box.evaluate(SEEN) == small
    until(lambda: notebook.execute("print(explorer.projector)").strip(), lambda on: on == "False")


@pytest.mark.parametrize("width", [1280, 700])
def test_nothing_is_cut_or_on_top_of_anything_else(notebook, width):
    notebook.page.set_viewport_size({"width": width, "height": 1000})
    notebook.execute("projector()")
    for selector, n in ((".attention-explorer", 0), (".ah", 1)):
        box = notebook.widget(selector, n)
        box.scroll_into_view_if_needed()
        notebook.page.wait_for_timeout(400)
        room = box.evaluate("box => box.closest('.jp-OutputArea-output').getBoundingClientRect().right")
        right = box.evaluate(
            "box => Math.max(...[...box.querySelectorAll('*')].map((n) => n.getBoundingClientRect().right))"
        )
        assert right <= room + 1
        labels = sorted(box.locator(".ah-field").first.evaluate(ROWS))
        assert len(labels) > 5
        for (_, bottom), (top, _) in pairwise(labels):
            assert bottom <= top + 6  # a line is higher than its letters
    notebook.page.set_viewport_size({"width": 1280, "height": 1000})


def test_pointing_still_finds_the_cell(notebook):
    notebook.execute("projector()")
    box = notebook.widget(".attention-explorer")
    notebook.page.wait_for_function("() => document.querySelector('.attention-projector .ah-projector')")
    notebook.page.wait_for_timeout(400)
    box.get_by_role("grid").scroll_into_view_if_needed()
    grid = box.get_by_role("grid").bounding_box()
    notebook.page.mouse.move(grid["x"] + 0.95 * grid["width"], grid["y"] + 0.15 * grid["height"])
    expect(box.locator(".ah-say")).to_contain_text("“cat” gives")
    expect(box.locator(".ah-say")).to_contain_text("“tired”")
