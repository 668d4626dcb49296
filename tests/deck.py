"""Slides of jupyterlab-deck in a real browser: starting them, and what does not fit on one."""

import time

from lab import Notebook
from playwright.sync_api import expect

PROJECTOR = {"width": 1280, "height": 720}

# Else all cells are laid out for each press of a key: all but those that stand on no slide then. That nothing
# of these is seen is looked at without it, in test_slides.py.
OUT_OF_SIGHT = ".jp-Notebook-cell:not(.jp-deck-mod-onscreen) > * { content-visibility: hidden; }"
ACTIVE = "() => panel().content.activeCell.model.sharedModel.id"
SEEN = """() => { // what stands on the slide
    const book = panel().content;
    const cells = book.widgets.filter((cell) => cell.hasClass("jp-deck-mod-onscreen"));
    const name = (cell) => cell.model.sharedModel.id;
    const boxes = cells.map((cell) => cell.node.getBoundingClientRect());
    const [top, bottom] = [Math.min(...boxes.map((b) => b.top)), Math.max(...boxes.map((b) => b.bottom))];
    const shown = (cell) => cell.node.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    return {
        onscreen: cells.map(name),
        visible: cells.filter(shown).map(name), // a cell that fades in is not yet
        height: Math.round(bottom - top),
        drawn: boxes.every((box) => box.height),
    };
}"""
FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))"
LOST = """() => { // what does not fit on it, in words
    const lost = [];
    const book = panel().content;
    const tooWide = (node) => node.scrollWidth > node.clientWidth + 1;
    const tooHigh = (node) => node.scrollHeight > node.clientHeight + 1;
    const scrolls = /auto|scroll/;
    const outside = (node) => {
        const { left, top, right, bottom } = node.getBoundingClientRect();
        return Math.min(left, top) < -1 || right > innerWidth + 1 || bottom > innerHeight + 1;
    };
    for (const node of [book.node, book.node.querySelector(".jp-WindowedPanel-outer")])
        if (tooWide(node) || tooHigh(node) || node.scrollTop)
            lost.push(`scrolls: ${node.scrollWidth} × ${node.scrollHeight} px`);
    for (const cell of book.widgets.filter((cell) => cell.hasClass("jp-deck-mod-onscreen")))
        for (const node of [cell.node, ...cell.node.querySelectorAll("*")]) {
            const box = node.getBoundingClientRect();
            if (box.width < 2 || box.height < 2) continue; // for screen readers only
            const name = `${cell.model.sharedModel.id}: <${node.tagName} ${node.className}>`;
            const blame = node === cell.node || !outside(node.parentElement); // and not all that is in it
            if (blame && outside(node) && node.checkVisibility({ visibilityProperty: true }))
                lost.push(`${name} ends at ${Math.round(box.right)}, ${Math.round(box.bottom)}`);
            if (!tooWide(node) && !tooHigh(node)) continue;
            const { overflowX, overflowY } = getComputedStyle(node);
            if ((tooWide(node) && scrolls.test(overflowX)) || (tooHigh(node) && scrolls.test(overflowY)))
                lost.push(`${name} scrolls: ${node.scrollWidth} × ${node.scrollHeight} px`);
        }
    const hand = ".jp-deck-mod-onscreen .jp-OutputArea :is(button, input, select, summary, [role=slider])";
    for (const node of book.node.querySelectorAll(hand)) {
        const { left, top, width, height } = (node.querySelector("circle") ?? node).getBoundingClientRect();
        if (width < 2 || height < 2 || !node.checkVisibility({ visibilityProperty: true })) continue;
        const hit = document.elementFromPoint(left + width / 2, top + height / 2);
        if (!node.contains(hit) && !node.closest("label")?.contains(hit))
            lost.push(`<${node.tagName} ${node.className}> lies under <${hit?.tagName} ${hit?.className}>`);
    }
    return lost;
}"""
SCROLLS = """() => [...document.querySelectorAll("*")].filter((node) =>
    node.scrollWidth > node.clientWidth && /auto|scroll/.test(getComputedStyle(node).overflowX)
    && node.checkVisibility({ visibilityProperty: true })
).map((node) => `${node.localName} .${node.className}: ${node.scrollWidth} px in ${node.clientWidth}`)"""


def start(notebook: Notebook) -> None:
    """The deck, from the first cell, by its button in the notebook's toolbar."""
    notebook.page.set_viewport_size(PROJECTOR)
    notebook.page.evaluate("() => { panel().content.activeCellIndex = 0; }")
    notebook.page.get_by_role("button", name="Toggle Deck").click()
    expect(notebook.page.get_by_role("button", name="Exit Deck")).to_be_visible()
    notebook.page.wait_for_timeout(1200)  # the deck folds the side bars away once more a second later


def settled(notebook: Notebook) -> dict:
    """What is seen, once it is drawn and two looks at it agree; or, after ten seconds, what is seen then."""
    before, end = None, time.monotonic() + 10
    while True:
        seen = notebook.page.evaluate(SEEN)
        if (seen == before and seen["drawn"]) or time.monotonic() > end:
            return seen
        before = seen
        notebook.page.evaluate(FRAME)
