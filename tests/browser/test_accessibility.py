"""Every lesson, run in a real JupyterLab: axe-core in both themes, figures in words, narrow and zoomed pages.

What is JupyterLab's own is left out by where it stands: axe looks at outputs and rendered Markdown only.
"""

import json
import re
import time

import pytest
from attention_core_pictures import views
from axe import serious
from found import found_explorers
from opened import LESSONS, MORE, THEMES, shared

# what a learner meets who has begun: the stored lessons hold exercises that nobody has touched
MORE["states"] = [
    """
import torch
from attention_core.live import SelfAttentionExplorer
from attention_core.practice import check, predict, predictions
explorer = SelfAttentionExplorer("the cat sat on the mat", mask="causal")
explorer.heatmap.pinned = [5, 2]
explorer.heatmap.message = "a remark"
explorer.heatmap.show_sums = True
explorer
""",
    "SelfAttentionExplorer('')",
    "SelfAttentionExplorer(attention=lambda query, key, value: 1 / 0)",
    "first = predict('Right?', ['yes', 'no'], 'yes', why='It is.'); first.choose('yes'); first",
    "second = predict('Wrong?', ['yes', 'no'], 'yes', why='It is.'); second.choose('no'); second",
    "third = predict('Chosen?', ['yes', 'no']); third.choose('no'); third",
    "predictions.summary()",
    "check.softmax(lambda scores: scores.softmax(-1))",
    "check.softmax(lambda scores: scores.softmax(-2))",
    "check.softmax(lambda scores: 1 / 0)",
    "check.softmax(lambda scores: ...)",
    """
from attention_core import SinusoidalEncoding
from attention_core.live import TrainingView
from attention_core.tasks import Reverse, accuracy
from attention_core.transformer import TinyTransformer
torch.manual_seed(0)
model = TinyTransformer(10, positions=SinusoidalEncoding(32))
view = TrainingView(model, torch.arange(8)[None], answer=torch.arange(8).flip(0))
for _, (x, y) in view.watch(Reverse(length=8).batches(20)):
    view.report(accuracy=accuracy(model(x)[0], y))
view
""",
    *found_explorers().values(),
]
OURS_BY_NAME = re.compile(rf"(?:{'|'.join(sorted({*views(), *found_explorers()}))})\(")  # an output's text
pytestmark = shared([*LESSONS, "states"])


@pytest.fixture(autouse=True)
def laid_out(lesson) -> None:
    lesson.lay_out()


def test_every_cell_and_every_widget_is_on_the_page(lesson):
    cells = json.loads(lesson.path.read_text("utf-8"))["cells"]
    assert lesson.page.locator(".jp-NotebookPanel .jp-Cell").count() == len(cells) > 0
    texts = [output.get("data", {}).get("text/plain", "") for output in lesson.notebook.outputs()]
    wanted = sum(bool(OURS_BY_NAME.match("".join(text))) for text in texts)
    alive = lesson.page.locator(".jp-NotebookPanel .jp-OutputArea-output:has([data-frames])")
    lesson.until(lambda: alive.count() == wanted)
    assert wanted > 0


# ---------------------------------------------------------------- axe

OURS = [[".jp-NotebookPanel .jp-OutputArea-output"], [".jp-NotebookPanel .jp-RenderedMarkdown"]]
NOT_OURS = [
    # JupyterLab 4.6 gives the picture of an output no alt, whatever the output says: see the figures below
    [".jp-RenderedImage img"],
    [".jp-RenderedMarkdown pre > code > span"],  # the colours of its syntax highlighting
]


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious(lesson, theme):
    lesson.show_all()
    lesson.notebook.wear(theme)
    found = serious(lesson.page, OURS, NOT_OURS)
    assert not found, "\n".join(["", *(" | ".join([lesson.name, theme, *entry]) for entry in found)])


CONTRAST = """() => {
    const { rgba, over, behind, ratio } = COLOURS;
    const drawn = [...document.querySelectorAll(".jp-OutputArea-output svg text")];
    return drawn.filter((node) => node.textContent.trim()).map((node) => {
        const style = getComputedStyle(node);
        const flag = node.parentElement.querySelector(":scope > rect.sm-tab"); // which the text stands on
        let ground = flag ? over(rgba(getComputedStyle(flag).fill), [255, 255, 255]) : behind(node);
        if (style.paintOrder.startsWith("stroke")) ground = over(rgba(style.stroke), ground); // its own rim
        const text = over(rgba(style.fill), ground);
        return [ratio(text, ground), node.textContent];
    });
}"""


@pytest.mark.parametrize("theme", THEMES[::-1])  # it wears the last one still
def test_text_in_drawings_can_be_read(lesson, theme):
    lesson.notebook.wear(theme)
    found = lesson.page.evaluate(CONTRAST)
    drawn = lesson.page.locator(".jp-OutputArea-output svg text").filter(has_text=re.compile(r"\S"))
    assert bool(found) == bool(drawn.count())
    assert [entry for entry in found if entry[0] < 4.5] == []


# ---------------------------------------------------------------- in words

FIGURES = """() => panel().content.widgets.flatMap((cell, i, cells) => {
    const words = (node) => (node?.textContent.match(/[\\p{L}\\p{N}]+/gu) ?? []).length;
    const after = words(cells[i + 1]?.node.querySelector(".jp-RenderedMarkdown"));
    const all = (selector, of) => [...cell.node.querySelectorAll(selector)].map((node) => [
        cell.model.id, selector, of ? words(node.querySelector(of)) : after,
    ]);
    return [
        ...all(".jp-RenderedImage img"), ...all(".ah:not(:has(.ah-body[hidden]))", ".ah-say"),
        ...all(".ah:has(.ah-body[hidden])", ".ah-message"),
        ...all(".attention-explorer:has(.sm)", ".ws-said"),
    ];
})"""


def test_each_figure_is_put_into_words(lesson):
    """A map says what its cursor is on; a picture of an output can have no alt: the text after it says it."""
    figures = lesson.page.evaluate(FIGURES)
    shown = lesson.page.locator(".jp-NotebookPanel :is(.ah, .sm, .jp-RenderedImage)").count()
    assert len(figures) == shown > 0
    assert [figure for figure in figures if figure[2] < (15 if "img" in figure[1] else 4)] == []
    for drawing in lesson.page.locator(".jp-OutputArea-output svg[role]").all():
        assert len(drawing.get_attribute("aria-label").split()) >= 3


def test_right_and_wrong_are_told_by_signs_and_words(lesson):
    page = lesson.page
    results = page.locator(".jp-NotebookPanel .jp-RenderedHTML[data-mime-type='text/html']").all_inner_texts()
    checked, asked = r"[○✓✗] [\w' -]+: \w+", r"○ you made no prediction; it was “|✗ you said “"
    for result in results:
        assert re.match(rf"{checked}|{asked}|\d+ of \d+ (right|answered)\n[○●✓✗] \w+", result), result
    options = page.locator(".ap-option[data-state]:not([data-state=''])")
    marks = {"right": "✓ ", "wrong": "✗ ", "chosen": "● "}
    found = options.evaluate_all("all => all.map(option => [option.dataset.state, option.textContent])")
    assert all(text.startswith(marks[state]) for state, text in found)
    wrong = page.locator(".at-wrong")
    lines = wrong.evaluate_all("all => all.map(word => getComputedStyle(word).textDecorationLine)")
    assert set(lines) <= {"underline"}
    if lesson.name == "states":  # else there may be none of them
        assert {text[0] for text in results} >= {"○", "✓", "✗"}
        assert {state for state, _ in found} == set(marks) and lines


# ---------------------------------------------------------------- narrow, and zoomed in

CLIPPED = """() => {
    const faults = [];
    const say = (cell, what, node) => {
        const text = node.textContent.trim().replace(/\\s+/g, " ").slice(0, 40);
        const kind = `<${node.localName} class="${node.getAttribute("class")}">`;
        faults.push(`${cell.model.id}: ${kind} “${text}” ${what}`);
    };
    const scrolls = (cell, node) => {
        const [wanted, given] = [node.scrollWidth, node.clientWidth];
        if (wanted > given + 1) say(cell, `has to be scrolled: ${wanted} px in ${given}`, node);
    };
    const drawn = "canvas, svg, input, select, progress, .noUi-target";
    const seen = (node, box) => { // what is cut off lies on nothing
        if (!["hidden", "clip"].includes(getComputedStyle(node).overflowX)) return box;
        const { left, right } = node.getBoundingClientRect();
        const { top, bottom } = box;
        return { top, bottom, left: Math.max(box.left, left), right: Math.min(box.right, right) };
    };
    const boxes = (node) => { // of what can be read or used in it, itself
        if (node.matches(drawn)) return [node.getBoundingClientRect()];
        const range = document.createRange();
        const texts = [...node.childNodes].filter((part) => part.nodeType === 3 && part.data.trim());
        return texts.flatMap((text) => {
            range.selectNodeContents(text);
            return [...range.getClientRects()].map((box) => seen(node, box));
        });
    };
    // what stands in a map, or over a picture, has its place there: see test_live.py
    const fixed = ".ah-field, .pc-field, .noUi-target, [contenteditable]";
    const placed = (node) => node.parentElement.closest(fixed);
    const look = (cell, output) => {
        const room = output.getBoundingClientRect();
        const nodes = [...output.querySelectorAll("*")].filter((node) =>
            node.checkVisibility({ visibilityProperty: true }) && !node.matches("svg *, option"));
        for (const node of nodes) {
            const box = node.getBoundingClientRect();
            const out = Math.max(box.right - room.right, room.left - box.left);
            if (box.width && out > 1) say(cell, `leaves its output by ${Math.round(out)} px`, node);
            const style = getComputedStyle(node);
            const hides = ["hidden", "clip"].includes(style.overflowX) && !node.matches("input, select, svg");
            const kept = style.textOverflow === "ellipsis" && node.title === node.textContent; // at a touch
            if (hides && !kept && node.clientWidth) scrolls(cell, node);
        }
        const leaves = nodes.filter((node) => !placed(node) || node.localName === "canvas")
            .flatMap((node) => boxes(node).map((box) => [node, box]));
        leaves.forEach(([a, p], i) => leaves.slice(i + 1).forEach(([b, q]) => {
            const x = Math.min(p.right, q.right) - Math.max(p.left, q.left);
            const y = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
            if (x <= 2 || y <= 3 || a.contains(b) || b.contains(a)) return;
            say(cell, `and “${b.textContent.slice(0, 20)}” lie on each other`, a);
        }));
    };
    for (const cell of panel().content.widgets) {
        const all = (selector) => [...cell.node.querySelectorAll(selector)];
        all(".jp-OutputArea-output:has([data-frames])").forEach((output) => look(cell, output));
        const wide = ".jp-OutputArea-output:not(.jp-RenderedText), .jp-RenderedMarkdown";
        all(wide).forEach((output) => scrolls(cell, output));
    }
    return faults;
}"""


@pytest.mark.parametrize(
    ("width", "height", "pixels"),
    [(1280, 720, 1), (700, 1000, 1), (640, 360, 2)],  # the last is what 1280 × 720 leaves at a zoom of 200 %
    ids=["1280 px", "700 px", "200 %"],
)
def test_nothing_is_cut_or_covered(lesson, width, height, pixels):
    lesson.resize(width, height, pixels)
    end = time.monotonic() + 5
    while (faults := lesson.page.evaluate(CLIPPED)) and time.monotonic() < end:
        time.sleep(0.2)  # maps are drawn anew, a frame after their room has changed
    assert not faults, "\n".join(["", lesson.name, *faults])
