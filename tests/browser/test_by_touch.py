"""A map read by touch, in a real JupyterLab.

Not beside a page that must be driven by keyboard alone: when the page with touch closes, Chromium tells the
other one of a mouse.
"""

import pytest
from lab import Notebook, until
from playwright.sync_api import expect

pytestmark = pytest.mark.timeout(300)
CELL = """
from attention_core.live import SelfAttentionExplorer
explorer = SelfAttentionExplorer("the cat sat on the mat")
explorer
"""


def test_a_tap_reads_a_cell_a_second_one_pins_and_a_third_frees(lab, chromium):
    context = chromium.new_context(viewport={"width": 820, "height": 1000}, has_touch=True)
    notebook = Notebook(context, lab, lab.write("touch.ipynb", [CELL]))
    try:
        notebook.run_all()
        box = notebook.widget(".jp-OutputArea-output:has(.ah)")
        grid = box.get_by_role("grid")
        expect(grid).to_have_attribute("aria-rowcount", "6")
        grid.scroll_into_view_if_needed()
        pinned = lambda: notebook.execute("print(explorer.heatmap.pinned)")  # noqa: E731

        def tap(row: int, column: int) -> None:
            at = grid.bounding_box()
            x, y = at["x"] + (column + 0.5) * at["width"] / 6, at["y"] + (row + 0.5) * at["height"] / 6
            notebook.page.touchscreen.tap(x, y)

        tap(5, 1)
        expect(box.locator(".ah-say")).to_contain_text("“mat” gives")
        expect(box.locator(".ah-say")).to_contain_text("to “cat”")
        assert pinned() == "[]\n"
        tap(5, 1)
        until(pinned, lambda rows: rows == "[5]\n")
        tap(5, 1)
        until(pinned, lambda rows: rows == "[]\n")
        assert notebook.errors == []
    finally:
        notebook.close()
        context.close()
