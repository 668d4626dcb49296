"""Lesson 01 in Notebook 7, the other page that Jupyter has: it runs, and its heatmap lives."""

import re
from urllib.parse import urlsplit

import pytest
from lab import SECONDS, running_lab, until
from playwright.sync_api import expect

LESSON = "01_self_attention"
RUN = """async () => {
    await jupyterapp.commands.execute("notebook:run-all-cells");
    return jupyterapp.shell.currentWidget.content.widgets.flatMap((c) => c.model.outputs?.toJSON() ?? [])
        .filter((o) => o.output_type === "error" || o.name === "stderr");
}"""
EXECUTE = """async (code) => {
    const request = jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({ code });
    const said = [];
    request.onIOPub = ({ content }) => said.push(content.text ?? content.evalue ?? "");
    await request.done;
    return said.join("");
}"""
IDLE = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"


@pytest.fixture(scope="module")
def page(tmp_path_factory, chromium):
    scratch = tmp_path_factory.mktemp("notebook7")
    with running_lab(scratch, "--JupyterNotebookApp.expose_app_in_browser=True") as lab:
        context = chromium.new_context(viewport={"width": 1280, "height": 1000})
        page = context.new_page()
        hosts, errors = set(), []
        page.on("pageerror", lambda error: errors.append(f"{error.message}\n{error.stack}"))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        page.goto(f"{lab.url}/notebooks/notebooks/{LESSON}.ipynb")
        page.wait_for_function(IDLE, timeout=120 * SECONDS)
        assert page.evaluate(RUN) == []
        yield page
        # Notebook 7 trips over the shortcuts of plugins that it does not have
        assert [e for e in errors if not ("'schema'" in e and "/static/notebook/notebook_core" in e)] == []
        assert hosts <= {"127.0.0.1", None}, "a request left the machine"  # None: data and blobs
        context.close()


def pinned(page) -> str:
    """Ask until it is as wanted: ipywidgets holds a change back while the kernel answers the one before."""
    return page.evaluate(EXECUTE, "print(explorer.heatmap.pinned)").strip()


def test_the_slider_moves_the_heatmap(page):
    box = page.locator(".attention-explorer:has(.ah-grid)").first
    box.scroll_into_view_if_needed()
    slider = box.get_by_role("slider", name="Temperature")
    before = box.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    handle = slider.bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 20, y, steps=4)
    page.mouse.up()
    expect(slider).not_to_have_attribute("aria-valuetext", "1.00")
    page.wait_for_function(
        "([box, before]) => box.querySelector('canvas').toDataURL() !== before",
        arg=[box.element_handle(), before],
    )


def test_pointing_reads_a_cell_and_a_click_arrives_in_python(page):
    box = page.locator(".attention-explorer:has(.ah-grid)").first
    grid = box.get_by_role("grid").bounding_box()
    rows = int(box.get_by_role("grid").get_attribute("aria-rowcount"))
    said = box.locator(".ah-say")
    words = said.inner_text()
    page.mouse.move(grid["x"] + 0.55 * grid["width"], grid["y"] + 2.5 / rows * grid["height"])
    expect(said).not_to_have_text(words)
    expect(said).to_have_text(re.compile("gives .* of its attention"))
    page.mouse.down()
    page.mouse.up()
    assert until(lambda: pinned(page), lambda rows: rows != "[]") == "[2]"


def test_the_keys_of_slider_and_map_stay_with_them(page):
    # Notebook 7 hears a key before the page does: without data-lm-suppress-shortcuts on what has the focus
    # it selects another cell, or folds the heading, and the heatmap with it
    box = page.locator(".attention-explorer:has(.ah-grid)").first
    slider = box.get_by_role("slider", name="Temperature")
    slider.focus()
    before = slider.get_attribute("aria-valuetext")
    pixels = box.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    page.keyboard.press("ArrowLeft")
    expect(slider).not_to_have_attribute("aria-valuetext", before)
    expect(slider).to_be_focused()
    page.wait_for_function(
        "([box, before]) => box.querySelector('canvas').toDataURL() !== before",
        arg=[box.element_handle(), pixels],
    )
    cell = box.locator(".ah-target[tabindex='0']")
    cell.focus()
    words = box.locator(".ah-say").inner_text()
    page.keyboard.press("ArrowUp")
    expect(box.locator(".ah-say")).not_to_have_text(words)
    before = pinned(page)
    page.keyboard.press("Enter")
    until(lambda: pinned(page), lambda rows: rows != before)
