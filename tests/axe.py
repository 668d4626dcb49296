"""axe-core on a page, of JupyterLab's or alone: what it finds, told in lines."""

from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
LOOK = """async ([include, exclude]) => {
    const preload = { assets: ["media"] }; // and not every style sheet, which no rule that runs looks at
    const found = await axe.run({ include, exclude }, { selectors: false, elementRef: true, preload });
    const path = (node) => { // from the output down, short enough to read
        const steps = [];
        const top = node.closest(".jp-OutputArea, .jp-RenderedMarkdown");
        for (let at = node; at && at !== top; at = at.parentElement) {
            const classes = [...at.classList].filter((one) => !/^(jp|lm)-/.test(one));
            steps.unshift([at.localName, ...classes].join("."));
        }
        const cell = window.panel?.().content.widgets.find((one) => one.node.contains(node));
        return `${cell?.model.id}: ${steps.slice(-4).join(" > ")}`;
    };
    const line = ({ id, impact }, { element, html, any, all, none }) => [
        id, impact, path(element), html.replace(/\\s+/g, " ").slice(0, 300),
        [...any, ...all, ...none][0]?.message ?? "",
    ];
    const lines = (rules) => rules.flatMap((rule) => rule.nodes.map((node) => line(rule, node)));
    const readable = found.passes.find(({ id }) => id === "color-contrast")?.nodes.length ?? 0;
    return { violations: lines(found.violations), incomplete: lines(found.incomplete), readable };
}"""
UNDECIDED = "color-contrast"  # by axe, over gradients and in drawings: see test_accessibility.py


def serious(page: Page, include: list, exclude: list) -> list[list]:
    """What axe calls critical or serious, a list a finding; it has read a hundred texts at least."""
    page.evaluate(AXE)
    found = page.evaluate(LOOK, [include, exclude])
    assert found["readable"] > 100, "axe saw next to nothing: is something in front of the page?"
    findings = found["violations"] + [entry for entry in found["incomplete"] if entry[0] != UNDECIDED]
    return [entry for entry in findings if entry[1] in ("critical", "serious")]
