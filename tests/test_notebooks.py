"""The stored lessons obey every rule of notebook_rules.py, and no rule is dead."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_rules import BYTES, COLUMNS, KERNELSPEC, LINES, RULES, VIEW, dead_links, faults

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb") if not path.name.startswith(("try", "zz")))
SLIDE = {"slideshow": {"slide_type": "slide"}}


def test_there_are_lessons():
    assert "00_start_here.ipynb" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_has_no_faults(name):
    assert faults(nbformat.read(NOTEBOOKS / name, as_version=4), NAMES) == []


# ---------------------------------------------------------------- the rules themselves


def prose(name, source):
    return new_markdown_cell(source, id=name, metadata=SLIDE)


def code(name, source, count, outputs=()):
    return new_code_cell(source, id=name, metadata=SLIDE, execution_count=count, outputs=list(outputs))


def folded(name, source, count):
    metadata = {"slideshow": {"slide_type": ""}, "jupyter": {"source_hidden": True}}
    return new_code_cell(source, id=name, metadata=metadata, execution_count=count)


def result(**data):
    mimes = {"text": "text/plain", "png": "image/png", "html": "text/html", "view": VIEW}
    return new_output("execute_result", {mimes[name]: content for name, content in data.items()})


def good():
    """The smallest notebook that uses all that a lesson may."""
    return new_notebook(
        metadata={"kernelspec": dict(KERNELSPEC), "language_info": {"name": "python"}},
        cells=[
            prose("title", "# Title\n\nOne sentence, and a link: [next](01_next.ipynb#there)."),
            code("make", "x = 1", 1),
            code("map", "explorer", 2, [result(text="SelfAttentionExplorer(2 queries)", png="aGk=")]),
            prose("first-part", "## Part\n\n### Detail\n\n```python\n# no heading\n```\n\na | b\n--- | ---"),
            prose("solution", "## Other\n\n<details>\n\n```python\nlong = 1\n```\n\n</details>"),
            code("say", "print(x)", 3, [new_output("stream", name="stdout", text="1\n")]),
            code("quiet", "nothing = list.sort([])", 4),
            code("ask", "guess = predict('One?', [1, 2])", 5),
            folded("answer", "# what it was\nguess.reveal(1, why='So.')\ndone = 1", 6),
            prose("far", "See [their notebook](https://example.org/work/more.ipynb) at 0x7f12345678."),
        ],
    )


def change(cell, **what):
    def breaks(book):
        book.cells[cell].update(what)

    return breaks


def outputs(*some):
    return change(5, outputs=[new_output("stream", name="stdout", text="1\n"), *some])


def insert(cell):
    return lambda book: book.cells.append(cell)


def swap_first(book):
    book.cells[0], book.cells[1] = book.cells[1], book.cells[0]


def kind(slide):
    return {"slideshow": {"slide_type": slide}}


def metadata(name, value):
    return lambda book: book.metadata.update({name: value})


BREAKAGES = {
    "a count is missing": (change(1, execution_count=None), "counts are [None, 2, 3, 4, 5, 6]"),
    "counts start late": (change(1, execution_count=2), "counts are [2, 2, 3, 4, 5, 6]"),
    "a cell was run twice": (change(6, execution_count=9), "counts are [1, 2, 3, 9, 5, 6]"),
    "an output is missing": (change(5, outputs=[]), "say: ends in an expression but has no output"),
    "a picture is missing": (change(2, outputs=[]), "map: ends in an expression but has no output"),
    "a semicolon": (change(6, source="list.sort([]);"), "quiet: ends in a ; which hides nothing"),
    "not Python": (change(1, source="x = = 1"), "make: is not Python"),
    "empty": (change(1, source="# later"), "make: is an empty code cell"),
    "widget states": (metadata("widgets", {}), "metadata.widgets"),
    "another kernel": (metadata("kernelspec", {**KERNELSPEC, "name": "venv"}), "kernelspec is"),
    "no kernel": (lambda book: book.metadata.pop("kernelspec"), "kernelspec is None"),
    "a version": (metadata("language_info", {"version": "3.11.9"}), "names a version"),
    "timings": (lambda book: book.cells[1].metadata.update(execution={}), "make: metadata holds execution"),
    "no slide": (change(1, metadata={}), "make: slide_type is None"),
    "an unknown slide": (change(1, metadata={"slideshow": {"slide_type": "page"}}), "slide_type is 'page'"),
    "a slide that a deck cannot show": (change(1, metadata=kind("-")), "make: slide_type is '-'"),
    "notes that a deck would stop at": (change(1, metadata=kind("notes")), "make: slide_type is 'notes'"),
    "a first slide that is none": (change(0, metadata=kind("subslide")), "title: is the first cell, and no"),
    "a solution on a slide": (
        change(4, source="## Other\n\n<details><summary>Solution</summary>\n\n1\n\n</details>"),
        "solution: shows a class the solution",
    ),
    "two titles": (insert(prose("again", "# Again")), "2 H1 headings: ['title', 'again']"),
    "two titles, underlined": (insert(prose("again", "Again\n===")), "2 H1 headings"),
    "two titles, in HTML": (insert(prose("again", "<h1>Again</h1>")), "2 H1 headings"),
    "text above the title": (change(0, source="Hello\n\n# Title"), "the first line is not the H1"),
    "code above the title": (swap_first, "the first line is not the H1"),
    "a skipped level": (change(4, source="##### Deep"), "solution: H5 comes right after H3"),
    "a skipped level by underline": (change(3, source="### Deep"), "first-part: H3 comes right after H1"),
    "a doubled id": (change(1, id="map"), "2 cells have the id 'map'"),
    "nbformat's id": (change(1, id="0a1b2c3d"), "the id '0a1b2c3d' says nothing"),
    "JupyterLab's id": (change(1, id="abcdef12-3456-4789-abcd-ef1234567890"), "says nothing"),
    "an id that is no name": (change(1, id="Cell_1"), "the id 'Cell_1' says nothing"),
    "no id": (lambda book: book.cells[1].pop("id"), "the id '' says nothing"),
    "an explorer without its picture": (
        outputs(result(text="LookUpExplorer(1)")),
        "say: a widget has no",
    ),
    "a heatmap without its picture": (outputs(result(text="AttentionHeatmap(2)")), "say: a widget has no"),
    "a plane without its picture": (outputs(result(text="Plane(a at 0)")), "say: a widget has no"),
    "an experiment without its picture": (outputs(result(text="Experiment(2)")), "say: a widget has no"),
    "a slider without its picture": (outputs(result(text="IntSlider()", view={})), "say: a widget has no"),
    "a view beside the picture": (outputs(result(text="x", png="aGk=", view={})), "say: a widget's view"),
    "a fold that begins a slide": (
        change(8, metadata={**SLIDE, "jupyter": {"source_hidden": True}}),
        "answer: is folded and begins a part of a slide",
    ),
    "a fold of another kind": (
        change(1, metadata={**SLIDE, "jupyter": {"outputs_hidden": True}}),
        "make: metadata.jupyter is {'outputs_hidden': True}",
    ),
    "a reveal in sight": (change(8, metadata=SLIDE), "answer: reveals a prediction, or its reason, and is"),
    "a reason beside the question": (
        change(7, source="guess = predict('One?', [1, 2], why='So.')"),
        "ask: reveals a prediction, or its reason, and is not folded",
    ),
    "a reveal that shows itself": (
        change(8, source="guess.reveal(1)\ndone = 1"),
        "answer: the line that stays in sight is no comment",
    ),
    "a reveal before its question": (
        change(7, source="x = 2"),
        "answer: reveals what was not asked before: guess",
    ),
    "an experiment in the fold": (
        change(8, source="# what it was\nprint(1)\nguess.reveal(1)\ndone = 1"),
        "answer: what the experiment shows stands in the cell before",
    ),
    "a reveal of what a later cell makes anew": (
        lambda book: [
            change(6, source="x = 2")(book),
            change(8, source="# what it was\nguess.reveal(x, why='So.')\ndone = 1")(book),
        ],
        "answer: reads x, which several cells make: make, quiet",
    ),
    "a reveal of what the reader moves": (
        lambda book: [
            change(6, source="mine = LookUpExplorer()")(book),
            change(8, source="# what it was\nguess.reveal(mine.weights)\ndone = 1")(book),
        ],
        "answer: reads mine, which the reader moves",
    ),
    "a long cell": (change(1, source="x = 1\n" * (LINES + 1)), "make: has 26 lines, more than 25"),
    "a wide cell": (change(1, source="x = 1 #" + "-" * COLUMNS), "make: is 107 columns wide, more than 100"),
    "a large file": (outputs(result(png="A" * BYTES)), "KB, more than 600"),
    "a large file of wide letters": (insert(prose("many", "…" * (BYTES // 3))), "KB, more than 600"),
    "an error": (outputs(new_output("error", ename="KeyError", evalue="")), "say: stopped with KeyError"),
    "a warning": (outputs(new_output("stream", name="stderr", text="Warning\n")), "say: wrote to stderr"),
    "a home in the text": (change(9, source="Open /home/me/x"), "far: holds a local path: …'/home/me/x'"),
    "a path in the code": (change(1, source="x = '/tmp/x'"), "make: holds a local path"),
    "Windows in the code": (change(1, source=r"x = 'C:\\Users'"), "make: holds a local path"),
    "a path printed": (outputs(new_output("stream", text="saved: /work/x")), "say: holds a local path"),
    "a path in HTML": (outputs(result(html="<a href='/root/x'>")), "say: holds a local path"),
    "an address": (outputs(result(text="<Cat at 0x7f3b2c1d9e80>")), "say: shows an object's address"),
    "a build": (outputs(new_output("stream", text="torch 2.13.0+cpu")), "say: shows which build of torch"),
    "interact": (change(1, source="w = interact(f)"), "make: uses interact("),
    "interact as a decorator": (change(1, source="@interact\ndef f(): ..."), "make: uses @interact"),
    "interactive": (change(1, source="w = widgets.interactive(f)"), "make: uses interactive("),
    "Output": (change(1, source="out = widgets.Output()"), "make: uses Output("),
    "clear_output": (change(1, source="f = clear_output"), "make: uses clear_output"),
    "display_id": (change(1, source="h = display(1, display_id=True)"), "make: uses display_id"),
    "a link to nowhere": (change(4, source="[x](02_gone.ipynb)"), "solution: links to 02_gone.ipynb"),
    "HTML to nowhere": (change(4, source='<a href="02_gone.ipynb">'), "solution: links to 02_gone.ipynb"),
}


def test_a_good_notebook_has_no_faults():
    assert faults(good(), ["01_next.ipynb"]) == []


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_notebook_is_told_what_is_wrong(name):
    breaks, expected = BREAKAGES[name]
    book = good()
    breaks(book)
    found = faults(book, ["01_next.ipynb"])
    assert any(expected in fault for fault in found), found
    assert len(found) == 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_rule_is_dead(rule):
    assert any(list(rule(broken)) for broken in _all_broken())


def test_links_are_dead_only_when_nothing_is_there():
    assert list(dead_links(good(), [])) == ["title: links to 01_next.ipynb, which is not there"]
    assert list(dead_links(good(), ["01_next.ipynb"])) == []


def _all_broken():
    for breaks, _ in BREAKAGES.values():
        book = good()
        breaks(book)
        yield book
