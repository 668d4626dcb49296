"""What a learner's hands do, in a real JupyterLab. One module, so that xdist starts one lab for all."""

import itertools
import json

import pytest
from lab import Notebook, until
from playwright.sync_api import expect

from attention_core.live.linked import PAGE

SENTENCE = "the cat sat on the mat because it was tired"
IT, CAT = 7, 1
SCRATCH = [
    f"""
import torch
from attention_core.live import AttentionHeatmap, LookUpExplorer, SelfAttentionExplorer
explorer = SelfAttentionExplorer("{SENTENCE}")
explorer
""",
    "look_up = LookUpExplorer(); look_up",
    """
torch.manual_seed(0)
heads = AttentionHeatmap(torch.randn(4, 24, 24).softmax(-1), heads=["a", "b", "c", "d"])
heads
""",
]


class Live:
    """One widget of the scratch notebook, under the learner's hands."""

    def __init__(self, notebook: Notebook, n: int):
        self.notebook, self.page, self.execute = notebook, notebook.page, notebook.execute
        self.box = notebook.widget(".jp-OutputArea-output:has(.ah)", n)
        self.map = self.box.locator(".ah")
        self.say = self.box.locator(".ah-say")
        self.slider = self.box.get_by_role("slider", name="Temperature")
        expect(self.say).not_to_be_empty()

    def see(self) -> "Live":
        """Bring it into sight: a mouse reaches nothing else."""
        self.box.evaluate("box => box.scrollIntoView({ block: 'center' })")
        return self

    def pixels(self) -> list[str]:
        return self.map.evaluate("map => [...map.querySelectorAll('canvas')].map(c => c.toDataURL())")

    def repaints(self, before: list[str]) -> list[str]:
        return until(self.pixels, lambda now: now != before)

    def point(self, row: int, column: int, head: int = 0) -> tuple[float, float]:
        """The middle of a cell, in the page."""
        grid = self.map.get_by_role("grid").nth(head)
        box = grid.bounding_box()
        n_q, n_k = int(grid.get_attribute("aria-rowcount")), int(grid.get_attribute("aria-colcount"))
        return box["x"] + (column + 0.5) * box["width"] / n_k, box["y"] + (row + 0.5) * box["height"] / n_q

    def pinned(self) -> str:
        return self.execute("print(explorer.heatmap.pinned)").strip()

    def weight(self, row: int, column: int) -> str:
        return self.execute(f"print(f'{{explorer.weights[{row}, {column}]:.2f}}')").strip()


@pytest.fixture(scope="module")
def scratch(lab, open_notebook):
    """One kernel for the tests below; each runs its cells anew, so that none sees another's widgets."""
    notebook = open_notebook(lab.write("scratch.ipynb", SCRATCH))
    notebook.run_all()  # so that each cell has its output, and its place
    yield notebook
    notebook.close()


@pytest.fixture
def fresh(scratch):
    scratch.errors.clear()
    yield scratch
    assert scratch.errors == []
    assert scratch.hosts == {"127.0.0.1"}, "a request left the machine"


def anew(notebook: Notebook, n: int) -> Live:
    """The widget of that cell, which is run once more."""
    notebook.page.evaluate("i => { panel().content.activeCellIndex = i; }", n)
    notebook.command("notebook:run-cell")
    assert notebook.cell_errors() == []
    return Live(notebook, n).see()


@pytest.fixture
def explorer(fresh):
    return anew(fresh, 0)


@pytest.fixture
def look_up(fresh):
    return anew(fresh, 1)


@pytest.fixture
def four_heads(fresh):
    return anew(fresh, 2)


# ---------------------------------------------------------------- controls


def test_an_arrow_key_on_the_slider_moves_pixels(explorer):
    before = explorer.pixels()
    explorer.slider.focus()
    explorer.page.keyboard.press("ArrowLeft")
    explorer.repaints(before)
    assert explorer.execute("print(round(explorer.temperature, 2))") == "0.95\n"


def test_dragging_the_slider_moves_pixels(explorer):
    before = explorer.pixels()
    handle = explorer.slider.bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    explorer.page.mouse.move(x, y)
    explorer.page.mouse.down()
    explorer.page.mouse.move(x - 25, y, steps=5)
    halfway = explorer.repaints(before)  # while the button is still down
    explorer.page.mouse.move(x - 40, y, steps=5)
    explorer.page.mouse.up()
    explorer.repaints(halfway)
    assert float(explorer.execute("print(explorer.temperature)")) < 0.8


def test_the_map_follows_each_typed_letter(explorer):
    box = explorer.box.get_by_role("textbox", name="Sentence")
    box.focus()
    explorer.page.keyboard.press("End")
    explorer.page.keyboard.type(" now")
    grid = explorer.map.get_by_role("grid")
    expect(grid).to_have_attribute("aria-rowcount", "11")
    expect(explorer.map.locator(".ah-query").nth(10)).to_have_text("now")
    expect(box).to_be_focused()


def test_controls_have_names(explorer, look_up):
    for live in (explorer, look_up):
        assert live.slider.count() == 1
        unnamed = live.box.get_by_role("slider").evaluate_all(
            "all => all.filter(s => !s.getAttribute('aria-label')).map(s => s.outerHTML)"
        )
        assert unnamed == []
    expect(explorer.box.get_by_role("textbox", name="Sentence")).to_be_visible()


def test_each_row_on_its_own_scale(explorer):
    before = explorer.pixels()
    explorer.box.get_by_label("each row on its own scale").check()
    explorer.repaints(before)
    expect(explorer.map.locator(".ah-legend")).to_contain_text("row’s largest")
    until(lambda: explorer.execute("print(explorer.heatmap.per_row)"), lambda said: said == "True\n")


@pytest.mark.parametrize(("kind", "starts"), [("PNG", b"\x89PNG"), ("SVG", b"<?xml")], ids=["PNG", "SVG"])
def test_the_picture_can_be_saved(explorer, kind, starts):
    with explorer.page.expect_download() as download:
        explorer.box.get_by_role("button", name=f"Save the picture as {kind}").click()
    assert download.value.suggested_filename == f"attention.{kind.lower()}"
    saved = download.value.path().read_bytes()
    assert saved.startswith(starts)
    assert len(saved) > 10_000


def test_a_picture_is_saved_once_wherever_else_its_map_is_shown(explorer):
    explorer.page.evaluate(
        """() => {
            const cells = panel().content.model.sharedModel;
            cells.insertCell(cells.cells.length, { cell_type: "code", source: "explorer" });
            window.saved = [];
            HTMLAnchorElement.prototype.click = function () { saved.push(this.download); };
        }"""
    )
    explorer.notebook.run_all()
    button = explorer.page.get_by_role("button", name="Save the picture as PNG")
    expect(button).to_have_count(len(SCRATCH) + 1)
    explorer.see().box.get_by_role("button", name="Save the picture as PNG").click()
    explorer.page.wait_for_function("() => saved.length")
    explorer.execute("explorer.temperature = 0.5")  # seen later than a second answer would be
    expect(explorer.box.locator(".widget-readout")).to_have_text("0.50")
    assert explorer.page.evaluate("saved") == ["attention.png"]
    explorer.page.evaluate("n => panel().content.model.sharedModel.deleteCell(n)", len(SCRATCH))
    expect(button).to_have_count(len(SCRATCH))


# ---------------------------------------------------------------- reading and pinning


def test_pointing_at_a_cell_says_it_in_words(explorer):
    for row, column, words in ((IT, CAT, ("it", "cat")), (0, 5, ("the", "mat"))):
        explorer.page.mouse.move(*explorer.point(row, column))
        weight = explorer.weight(row, column)
        expect(explorer.say).to_have_text(f"“{words[0]}” gives {weight} of its attention to “{words[1]}”.")
    expect(explorer.map.locator(".ah-steps")).to_contain_text("÷ √5")


def test_the_keyboard_reaches_the_grid_and_walks_in_it(explorer):
    here = explorer.page.locator(":focus")
    explorer.slider.focus()
    for _ in range(8):
        explorer.page.keyboard.press("Tab")
        if here.get_attribute("role") == "gridcell":
            break
    said = {explorer.say.inner_text()}
    for key in ("Home", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp", "End", "ArrowLeft"):
        explorer.page.keyboard.press(key)
        text = explorer.say.inner_text()
        assert here.get_attribute("aria-label") == text
        assert text not in said
        said.add(text)


def test_the_keyboard_walks_in_a_map_too_large_to_name_every_cell(four_heads):
    grid = four_heads.map.get_by_role("grid").nth(2)
    assert grid.get_by_role("gridcell").count() == 1
    grid.get_by_role("gridcell").focus()
    before = four_heads.say.inner_text()
    assert before.startswith("c: ")
    for key in ("Home", "ArrowUp", "ArrowRight"):
        four_heads.page.keyboard.press(key)
        expect(four_heads.say).not_to_have_text(before)
        before = four_heads.say.inner_text()
        assert before.startswith("c: ")
        expect(grid.get_by_role("gridcell")).to_be_focused()


def test_the_grid_keeps_the_focus_when_it_is_made_anew(explorer):
    explorer.map.locator(".ah-target[tabindex='0']").focus()
    explorer.execute("explorer.sentence = 'the dog sat on the mat'")
    expect(explorer.map.get_by_role("grid")).to_have_attribute("aria-rowcount", "6")
    expect(explorer.page.locator(":focus")).to_have_role("gridcell")


def test_a_click_pins_a_second_one_compares_and_escape_frees(explorer):
    pins = explorer.map.locator(".ah-pin:visible")
    explorer.page.mouse.click(*explorer.point(IT, CAT))
    expect(pins).to_have_count(1)
    until(explorer.pinned, lambda rows: rows == "[7]")
    expect(explorer.map.locator(".ah-row-heading")).to_have_text("“it” shares out 1.00")
    explorer.page.mouse.click(*explorer.point(0, 3))
    expect(pins).to_have_count(2)
    until(explorer.pinned, lambda rows: rows == "[7, 0]")
    expect(explorer.map.locator(".ah-row-heading")).to_have_text(
        "“it” shares out 1.00 · “the” shares out 1.00"
    )
    assert explorer.map.locator(".ah-bars tr").first.locator(".ah-bar").count() == 2
    explorer.page.mouse.click(*explorer.point(9, 3))  # two can be compared: the third sends the first away
    until(explorer.pinned, lambda rows: rows == "[0, 9]")
    explorer.page.keyboard.press("Escape")
    expect(pins).to_have_count(0)
    until(explorer.pinned, lambda rows: rows == "[]")


def test_enter_pins_the_row_of_the_cursor(explorer):
    explorer.map.locator(".ah-target[tabindex='0']").focus()
    explorer.page.keyboard.press("Home")
    explorer.page.keyboard.press("ArrowUp")
    row = int(explorer.page.locator("[role=row]:has(:focus)").get_attribute("aria-rowindex")) - 1
    explorer.page.keyboard.press("Enter")
    until(explorer.pinned, lambda rows: rows == f"[{row}]")
    expect(explorer.page.locator(":focus")).to_have_attribute("aria-selected", "true")
    explorer.page.keyboard.press("Enter")
    until(explorer.pinned, lambda rows: rows == "[]")


def test_the_sentence_is_tinted_by_what_is_looked_at_and_a_word_can_be_pinned(explorer):
    words = explorer.map.locator(".ah-word")
    assert words.all_inner_texts() == SENTENCE.split()
    explorer.page.mouse.move(*explorer.point(IT, 0))
    printed = explorer.execute("print((100 * explorer.weights[7]).round().int().tolist())")
    tints = json.loads(printed)
    shown = "words => words.map(word => parseInt(word.style.getPropertyValue('--ah-weight')))"
    assert words.evaluate_all(shown) == pytest.approx(tints, abs=1)
    assert tints.index(max(tints)) == CAT
    words.nth(3).click()
    until(explorer.pinned, lambda rows: rows == "[3]")


def test_a_pin_that_is_no_longer_there_takes_no_place(explorer):
    explorer.execute("explorer.heatmap.pinned = [1, 8]; explorer.sentence = 'the cat sat'")
    expect(explorer.map.locator(".ah-pin:visible")).to_have_count(1)
    explorer.page.mouse.click(*explorer.point(2, 0))
    expect(explorer.map.locator(".ah-pin:visible")).to_have_count(2)
    until(explorer.pinned, lambda rows: rows == "[1, 2]")


def test_a_cells_name_follows_while_changes_keep_coming(explorer):
    """As in a training: they come faster than all names can be written."""
    cell = explorer.map.locator(".ah-target[tabindex='0']")
    names = set()
    for _ in range(300):
        explorer.execute("explorer.heatmap.weights = torch.rand(10, 10).softmax(-1)")
        names.add(cell.get_attribute("aria-label"))
        if len(names) > 2:
            break
    assert len(names) > 2
    cell.focus()
    explorer.execute("explorer.heatmap.weights = torch.eye(10)")
    explorer.page.keyboard.press("Home")  # at once, before the names were written
    assert explorer.page.locator(":focus").get_attribute("aria-label") == explorer.say.inner_text()


def test_the_same_words_are_not_read_out_again(explorer):
    explorer.execute("explorer.attention = lambda q, k, v: (v, 2 * (q @ k.mT).softmax(-1))")
    expect(explorer.map.locator(".ah-message")).to_contain_text("sums to 2.00")
    explorer.map.evaluate(
        """map => {
            window.said = 0;
            const watch = new MutationObserver((changes) => { said += changes.length; });
            for (const part of map.querySelectorAll(".ah-message, .ah-say"))
                watch.observe(part, { childList: true, characterData: true, subtree: true });
        }"""
    )
    before = explorer.pixels()
    explorer.execute("explorer.heatmap.per_row = True")
    explorer.repaints(before)
    assert explorer.page.evaluate("said") == 0
    explorer.page.mouse.move(*explorer.point(3, 3))
    explorer.page.wait_for_function("() => said > 0")


def test_a_mask_that_the_function_ignores_is_said_of_the_cell(explorer):
    explorer.execute("attend = explorer.attention; explorer.mask = 'causal'")
    explorer.execute("explorer.attention = lambda q, k, v, allowed=None: attend(q, k, v)")
    explorer.page.mouse.move(*explorer.point(IT - 1, IT))
    weight = explorer.weight(IT - 1, IT)
    assert weight != "0.00"
    expect(explorer.say).to_have_text(f"“because” may not look at “it”, and yet gives it {weight}.")
    expect(explorer.map.locator(".ah-steps")).to_contain_text("the mask was not used")
    expect(explorer.map.locator(".ah-message")).to_contain_text("which the mask forbids")


def test_a_word_as_long_as_an_address_stays_in_the_page(explorer):
    explorer.execute("explorer.sentence = 'the ' + 400 * 'x' + ' sat'")
    expect(explorer.map.get_by_role("grid")).to_have_attribute("aria-rowcount", "3")
    explorer.page.mouse.move(*explorer.point(1, 1))
    expect(explorer.say).to_contain_text("xxx")
    room = explorer.box.bounding_box()
    for part in (".ah-say", ".ah-word", ".ah-row-heading", ".ah-bars"):
        for box in explorer.map.locator(part).all():
            seen = box.evaluate("part => part.getBoundingClientRect().left + part.scrollWidth")
            assert seen <= room["x"] + room["width"] + 1, part


def test_a_pinned_row_from_python_shows(explorer):
    explorer.execute("explorer.heatmap.pinned = [2]")
    expect(explorer.map.locator(".ah-pin:visible")).to_have_count(1)
    expect(explorer.map.locator(".ah-row-heading")).to_contain_text("“sat”")


# ---------------------------------------------------------------- from Python


def test_weights_set_from_python_are_painted(explorer):
    before = explorer.pixels()
    explorer.execute("explorer.heatmap.weights = torch.eye(10)")
    explorer.repaints(before)
    explorer.page.mouse.move(*explorer.point(3, 3))
    expect(explorer.say).to_have_text("“on” gives 1.00 of its attention to “on”.")


def test_only_the_head_that_changed_is_painted_otherwise(four_heads):
    before = four_heads.pixels()
    four_heads.execute("w = heads.weights.clone(); w[2] = torch.eye(24); heads.weights = w")
    after = four_heads.repaints(before)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False, True]


def test_of_many_quick_changes_the_last_one_stays(four_heads):
    before = four_heads.pixels()
    four_heads.execute("heads.weights = torch.eye(24).expand(4, 24, 24)")
    wanted = four_heads.repaints(before)
    four_heads.execute("heads.weights = torch.zeros(4, 24, 24)")
    four_heads.repaints(wanted)
    four_heads.execute(
        "for step in range(30): heads.weights = torch.rand(4, 24, 24)\n"
        "heads.weights = torch.eye(24).expand(4, 24, 24)"
    )
    until(four_heads.pixels, lambda now: now == wanted)


def test_a_broken_function_is_told_in_words_and_the_map_comes_back(explorer):
    before = explorer.pixels()
    explorer.execute("def mine(query, key, value): return 1 / 0")
    explorer.execute("old = explorer.attention; explorer.attention = mine")
    expect(explorer.map.get_by_role("status")).to_contain_text("ZeroDivisionError")
    expect(explorer.map.get_by_role("grid")).to_be_hidden()
    explorer.execute("explorer.attention = old")
    expect(explorer.map.get_by_role("grid")).to_be_visible()
    until(explorer.pixels, lambda now: now == before)


def test_a_map_left_behind_by_its_kernel_says_so(explorer):
    save = explorer.box.get_by_role("button", name="Save the picture as PNG")
    explorer.page.evaluate("() => kernel().restart()")
    expect(explorer.map.get_by_role("status")).to_contain_text("Run its cell again.")
    expect(save).to_be_disabled()
    explorer.page.wait_for_function("() => kernel().status === 'idle'")
    explorer.notebook.run_all()
    expect(save).to_be_enabled()
    expect(explorer.map.get_by_role("status")).to_have_text("")


def test_a_word_is_only_ever_text(explorer):
    image = "<img/src=x/onerror=window.ran=1>"
    script = "<script>window.ran=1</script>"
    explorer.box.get_by_role("textbox", name="Sentence").fill(f"{image} {script} cat")
    expect(explorer.map.locator(".ah-query").nth(2)).to_have_text("cat")
    assert explorer.map.locator(".ah-key").all_inner_texts()[:2] == [image, script]
    explorer.page.mouse.move(*explorer.point(0, 1))
    expect(explorer.say).to_contain_text(f"“{image}” gives")
    explorer.page.mouse.click(*explorer.point(1, 0))
    expect(explorer.map.locator(".ah-row-heading")).to_contain_text(script)
    label = "<img src=x onerror=window.ran=1>"
    explorer.execute(f"w = explorer.weights; label = '{label}'; shown = explorer.heatmap")
    explorer.execute("shown.update(w, queries=[label] * 3, keys=[label] * 3, steps=[(label, 2.0)], scores=w)")
    explorer.execute("shown.title = shown.message = label")
    expect(explorer.map.locator(".ah-title")).to_have_text(label)
    expect(explorer.map.get_by_role("status")).to_have_text(label)
    expect(explorer.map.locator(".ah-steps")).to_contain_text(label)
    assert explorer.map.locator("img, script").count() == 0
    assert explorer.page.evaluate("window.ran") is None


# ---------------------------------------------------------------- where labels stand


def boxes(live: Live, selector: str) -> list[dict]:
    """The outlines of what is visible in the first head, from top to bottom."""
    found = live.map.locator(".ah-head").first.locator(selector).filter(visible=True)
    return sorted((node.bounding_box() for node in found.all()), key=lambda box: box["y"])


def test_captions_and_labels_keep_clear_of_each_other(explorer):
    explorer.execute("explorer.heatmap.update(torch.rand(4, 40), queries=list('abcd'), keys=range(40))")
    expect(explorer.map.get_by_role("grid")).to_have_attribute("aria-colcount", "40")
    keys, queries = boxes(explorer, ".ah-axis")
    assert queries["x"] + queries["width"] <= explorer.map.locator("canvas").bounding_box()["x"]
    assert keys["y"] + keys["height"] <= boxes(explorer, ".ah-key")[0]["y"] + 2


def test_labels_make_way_for_the_cursors_own(four_heads):
    for row in range(8, 14):
        four_heads.page.mouse.move(*four_heads.point(row, row))
        expect(four_heads.say).to_contain_text(f"“{row}” gives")
        for kind in ("query", "key"):
            expect(four_heads.map.locator(f".ah-{kind}.ah-here").first).to_have_text(str(row))
        labels = boxes(four_heads, ".ah-query")
        assert len(labels) > 8
        assert all(b["y"] - a["y"] > 11 for a, b in itertools.pairwise(labels))  # the letters are 11 px


def test_a_row_of_words_too_long_to_show_takes_no_room(explorer):
    for tired in (1, 2):  # drawn first with other labels, then again with the same
        explorer.execute(f"explorer.heatmap.update(torch.rand(64, 64) / {tired}, queries=None, keys=None)")
        expect(explorer.map.get_by_role("grid")).to_have_attribute("aria-colcount", "64")
        until(explorer.map.locator(".ah-words").bounding_box, lambda box: box is None)


# ---------------------------------------------------------------- the plane


def test_the_query_is_dragged_and_the_weights_follow(look_up):
    before, said = look_up.pixels(), look_up.execute("print(look_up)")
    query = look_up.box.get_by_role("slider", name="query")
    dot = query.locator("circle").bounding_box()
    x, y = dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2
    look_up.page.mouse.move(x, y)
    look_up.page.mouse.down()
    look_up.page.mouse.move(x - 150, y + 80, steps=6)
    look_up.repaints(before)
    look_up.page.mouse.up()
    assert look_up.execute("print(look_up)") != said
    moved = until(lambda: query.locator("circle").bounding_box(), lambda now: abs(now["x"] - dot["x"]) > 100)
    assert moved["y"] > dot["y"] + 50
    x, y = map(float, look_up.execute("print(*look_up.query)").split())
    assert x < 0 < y


def test_arrow_keys_move_the_query(look_up):
    before = look_up.pixels()
    query = look_up.box.get_by_role("slider", name="query")
    query.focus()
    for _ in range(3):
        look_up.page.keyboard.press("ArrowLeft")
    look_up.repaints(before)
    expect(query).to_be_focused()
    until(lambda: look_up.execute("print(*look_up.query)"), lambda at: at == "0.6 1.2\n")
    values = [query.get_attribute(f"aria-value{which}") for which in ("min", "now", "max")]
    assert list(map(float, values)) == [-2, 0.6, 2]


def test_an_output_that_there_is_not_is_not_drawn(look_up):
    output = look_up.box.locator(".plane-point", has_text="output")
    expect(output).to_be_visible()
    look_up.execute("attend = look_up.attention; look_up.attention = lambda q, k, v: None")
    expect(output).to_be_hidden()
    look_up.execute("look_up.attention = attend")
    expect(output).to_be_visible()


# ---------------------------------------------------------------- themes

CONTRAST = """nodes => {
    const { rgba, over, behind, ratio } = COLOURS;
    return nodes.filter((node) => node.innerText?.trim()).map((node) => {
        const ground = behind(node);
        const style = getComputedStyle(node);
        const text = over(rgba(node instanceof SVGElement ? style.fill : style.color), ground);
        return [ratio(text, ground), node.className, node.innerText.slice(0, 30)];
    });
}"""
READ = (
    ".ah-say, .ah-message, em, td, .ah-label, .ah-axis, .ah-heading, .ah-word, .ah-foot span, .ah-button, "
    ".ah-toggle"
)
CONTROLS = ".attention-controls .widget-label, .attention-controls .widget-toggle-button"


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_every_text_is_readable_in_both_themes(explorer, look_up, theme):
    explorer.execute("explorer.mask = 'causal'; explorer.heatmap.pinned = [7, 9]")
    explorer.execute(
        "explorer.heatmap.weights = torch.linspace(0, 1, 10).repeat(10, 1)"
    )  # a word of each tint
    explorer.execute("explorer.heatmap.message = 'words'")
    try:
        explorer.notebook.command("apputils:change-theme", theme=theme)
        light = str(theme == "JupyterLab Light").lower()
        explorer.page.locator(f"body[data-jp-theme-light={light}]").wait_for(state="attached")
        expect(explorer.map.get_by_role("status")).to_have_text("words")
        found = explorer.map.locator(READ).evaluate_all(CONTRAST)
        found += look_up.box.locator(".plane-title").evaluate_all(CONTRAST)
        found += explorer.box.locator(CONTROLS).evaluate_all(CONTRAST)
        assert len(found) > 50
        assert [entry for entry in found if entry[0] < 4.5] == []
    finally:
        explorer.notebook.command("apputils:change-theme", theme="JupyterLab Light")


REFILL = """async ([source, kinds]) => {
    const { refill } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    const filled = (html) => { // a table's rows would not be parsed in a div
        const parent = document.createElement("table");
        parent.innerHTML = html;
        return parent;
    };
    return kinds.flatMap((before) => kinds.flatMap((after) => {
        const [parent, wanted] = [filled(before), filled(after)];
        const first = (table) => table.querySelector("tr")?.firstElementChild;
        const [old, html] = [first(parent), wanted.innerHTML];
        const alike = old?.nodeName === first(wanted)?.nodeName;
        refill(parent, [...wanted.childNodes]);
        const stays = !alike || old === first(parent);
        return parent.innerHTML === html && stays ? [] : [[before, after, parent.innerHTML, stays]];
    }));
}"""


def test_a_table_that_is_filled_anew_is_the_same_as_a_new_one_and_keeps_its_cells(scratch):
    rows = (
        '<tr><td dir="auto" title="it">it</td><td>0.72</td></tr>',
        '<tr><td dir="auto" title="cat">cat</td><td><span style="width: 3px"></span></td></tr>',
        '<tr class="ah-others"><td>7 others</td><td>0.28</td><td></td></tr>',
        "<tr><td>≈ <em>sat</em></td></tr>",
        "<tr><th>a</th></tr>",
    )
    inside = ["", *rows, *map("".join, itertools.permutations(rows, 2))]
    kinds = [f"<tbody>{html}</tbody>" if html else "" for html in inside]
    source = (PAGE / "dom.js").read_text("utf-8")
    assert scratch.page.evaluate(REFILL, [source, kinds]) == []
