"""A class's notebooks as one table: every row is right, whatever the others hand in."""

import ast
import csv
import io
import json
import os
import subprocess
import sys
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import a_class
import pytest
from a_class import FIRST, WRONG, Learner, chose, hands_in, known, started, text

from attention_core._calling import LONGEST
from attention_core.practice.collect import __main__ as command
from attention_core.practice.collect import drawn, judge
from attention_core.practice.collect.cells import Cell, imports_apart, needed
from attention_core.practice.collect.handed_in import OUTPUTS, Book, files, read
from attention_core.practice.collect.judged import Judges, Limits
from attention_core.practice.collect.lessons import SHIPPED, which
from attention_core.practice.collect.table import Row

LIMITS = Limits(seconds=28, megabytes=700)
FAILED = "Please report it"


def collect(folder: Path, *options: str) -> subprocess.CompletedProcess:
    run = [sys.executable, "-m", "attention_core.practice.collect", str(folder), *options]
    return subprocess.run(run, capture_output=True, encoding="utf-8", timeout=540)


def table(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of the CSV, by the learner."""
    with (folder / "collected.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert max(Counter(row["learner"] for row in rows).values()) == 1
    return {row["learner"]: row for row in rows}


def in_table(learner: Learner) -> str:
    return f"'{learner.name}" if learner.name.startswith("=") else learner.name


def fits(learner: Learner, row: dict[str, str]) -> bool:
    """Whether it is the row that the learner should get; no cell may tell of a mistake of ours."""
    ours = any(FAILED in cell for cell in row.values())
    return row["problem"] == learner.problem and learner.columns.items() <= row.items() and not ours


def book(notebook) -> Book:
    """A notebook as it is read from a file."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    ids = frozenset(cell.id for cell in notebook.cells)
    return Book(ids, tuple(Cell(cell.id, cell.source) for cell in cells), ())


class Page(HTMLParser):
    """What a page is made of: its tags, with what they have, and its text."""

    def __init__(self, path: Path):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += [data.strip()] * bool(data.strip())


@pytest.fixture(scope="module")
def collected(tmp_path_factory) -> SimpleNamespace:
    """The whole class, collected once."""
    folder = tmp_path_factory.mktemp("class")
    learners = [*a_class.good(), *a_class.hostile(LONGEST, LIMITS.cell, LIMITS.each), *a_class.nothing()]
    a_class.write(learners, folder)
    limits = f"--seconds={LIMITS.seconds}", f"--megabytes={LIMITS.megabytes}"
    done = collect(folder, "--predictions", *limits)
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(folder=folder, learners=learners, done=done, rows=table(folder))


def test_every_row_is_right_whatever_the_others_hand_in(collected):
    assert sorted(collected.rows) == sorted(map(in_table, collected.learners))
    pairs = [(learner, collected.rows[in_table(learner)]) for learner in collected.learners]
    assert not [row for learner, row in pairs if not fits(learner, row)]


def test_no_cell_is_a_formula_and_no_name_is_markup(collected):
    cells = [cell for row in collected.rows.values() for cell in (*row, *row.values())]
    assert "'=cmd()" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    page = Page(collected.folder / "collected.html")
    assert {tag for tag, _ in page.tags} <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "p", "div", "table", "caption",
        "thead", "tbody", "tfoot", "tr", "th", "td", "details", "summary", "dl", "dt", "dd",
    }  # fmt: skip
    assert "<b>bold</b>" in page.words and "=cmd()" in page.words


def test_the_page_says_in_words_what_was_done_and_its_tables_can_be_heard(collected):
    page = Page(collected.folder / "collected.html")
    unread = sum(bool(learner.problem) for learner in collected.learners)
    counts = f"Notebooks collected: {len(collected.learners) - unread}. Files that could not be: {unread}."
    assert collected.done.stdout.startswith(counts)
    (said,) = (words for words in page.words if words.startswith(counts))
    assert said.endswith("Of each notebook, at most: 28 seconds, 700 MB.")
    assert "Notebooks to collect: " in collected.done.stderr
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables == sum(tag == "caption" for tag, _ in page.tags) == 3  # two lessons, and what is none
    assert all("scope" in has for tag, has in page.tags if tag == "th")
    rows = [has["scope"] for tag, has in page.tags if tag == "th"].count("row")
    assert rows == len(collected.learners) + 2  # and the sums


def test_the_count_has_every_option_in_words_and_no_names(collected):
    page = Page(collected.folder / "predictions.html")
    at = page.words.index(known()[FIRST].questions[0].asked)
    learners = sum(row["lesson"] == FIRST for row in collected.rows.values())
    said = [f"Answered: 1 of {learners}.", "cat: 0", "✓ mat: 1", "it: 0", "wet: 0"]
    assert page.words[at + 1 : at + 6] == said
    asked = sum(len(known()[lesson].questions) for lesson in (FIRST, a_class.THIRD))
    assert sum(tag == "section" for tag, _ in page.tags) == asked
    text = " ".join(page.words)
    assert not [learner.name for learner in collected.learners if learner.name in text]


def test_bars_are_as_long_as_what_they_count():
    question = known()[FIRST].questions[0]
    counts = {"cat": 4, "mat": 2, "it": 1, "wet": 0}
    chosen = [option for option, n in counts.items() for _ in range(n)]
    rows = [Row("a name", "", known()[FIRST], {question.name: (one, one == "cat")}) for one in chosen]
    section = drawn.as_bars([*rows, Row("who said nothing", "", known()[FIRST])]).split("<section>")[1]
    assert "Answered: 7 of 8." in section and "name" not in section
    assert "✓ cat: 4" in section and section.count("✓") == 1
    assert [f"width: {width}%" in section for width in ("100.0", "50.0", "25.0", "0.0")] == [True] * 4


def test_the_same_folder_gives_the_same_bytes(tmp_path):
    guess = "import os\n\ndef softmax(scores):\n    raise ValueError(f'{object()} {os.getcwd()}')"
    dice = "f'{torch.rand(1)} {random.random()}'"
    random = f"import random, torch\n\ndef causal_mask(n):\n    raise ValueError({dice})"
    learners = [
        Learner(
            "a.ipynb", hands_in(chose(started(guess, causal_mask=random), FIRST, {"wet": ("cat", "mat")}))
        ),
        Learner("b.ipynb", hands_in(started(WRONG))),
    ]
    a_class.write(learners, tmp_path)
    every = []
    for _ in range(2):
        assert collect(tmp_path, "--predictions").returncode == 0
        every.append([(tmp_path / name).read_bytes() for name in OUTPUTS])
    assert every[0] == every[1]
    rows = table(tmp_path)
    assert {*rows} == {"a", "b"} and rows["a"]["01 softmax"].endswith("ValueError: <object object at 0x…> .")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a.ipynb", "b.ipynb", *OUTPUTS])


def test_homes_are_read_to_the_bottom_and_what_is_hidden_is_left_out(tmp_path):
    contents = {
        "anna/notebooks/01.ipynb": "{}",
        "anna/.ipynb_checkpoints/01.ipynb": "{}",
        "anna/.predictions/01.json": "{}",
        **{f"anna/lessons/{n}.py": "x = 1" for n in range(4)},
        "Ben/essay.doc": "Dear teacher",
        "Ben/01.ipynb": "{}",
        "Ben/collected.csv": "{}",
        "collected.csv": "{}",
        "twin.ipynb": "{}",
        "twin.json": "{}",
        "new\nline.ipynb": "{}",
    }
    a_class.write([Learner(name, text(content)) for name, content in contents.items()], tmp_path)
    found = [(file.learner, file.problem) for file in files(tmp_path)]
    assert found == [
        ("anna", "4 files that are no notebooks"),
        ("anna/notebooks/01", ""),
        ("Ben/01", ""),
        ("Ben/collected", ""),
        ("Ben/essay", "no notebook"),
        ("new�line", ""),
        ("twin.ipynb", ""),
        ("twin.json", ""),
    ]


def test_a_notebook_may_hold_anything(tmp_path):
    outputs = [
        3,
        {"data": 3},
        {"data": {"text/plain": [3, "a\n", "b"]}},
        {"text": {"x": 1}},
        {"text": ["c", "d"]},
    ]
    odd = [
        3,
        {"id": []},
        {"id": "a", "cell_type": ["code"]},
        {"id": "b", "cell_type": "code", "source": ["x = ", 3, "1"], "outputs": outputs},
        {"id": "c", "cell_type": "code", "source": {"x": 1}, "outputs": {"x": 1}},
    ]
    place = tmp_path / "odd.ipynb"
    place.write_text(json.dumps({"cells": odd}), "utf-8")
    found = read(place)
    assert (found.ids, found.cells) == ({"a", "b", "c"}, (Cell("b", "x = 1"), Cell("c", "")))
    assert [said for said in found.said if said] == ["a\nb", "cd"]


def test_a_mistake_of_ours_costs_a_row_not_the_table(monkeypatch):
    def lines(_self, work, _seconds):
        if work["cells"][0][0] == "broken":
            raise OSError("no\nmore")
        return [], 0.0

    monkeypatch.setattr(Judges, "_lines", lines)
    mine = book(started(WRONG))
    other = Book(mine.ids, (Cell("broken", ""), *mine.cells), ())
    first, second = Judges(LIMITS).all([(known()[FIRST], other), (known()[FIRST], mine)])
    assert first["softmax"].words == "not judged: OSError: no�more. Please report it."
    assert second["softmax"].words == "not judged: the process for it did not start"


GETS_AWAY = """
import ctypes, faulthandler, os, time
faulthandler.cancel_dump_traceback_later()
if ctypes.CDLL(None).fork() == 0:
    while True:
        open({path!r}, "a").write("still here, ")
        time.sleep(0.02)
time.sleep(10**6)"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no groups of processes on this system")
def test_what_ends_itself_by_no_means_is_ended_from_outside_with_what_it_started(tmp_path):
    place = tmp_path / "told"
    notebook = started(GETS_AWAY.format(path=str(place)))
    verdicts = Judges(Limits(seconds=6, megabytes=700)).verdicts(known()[FIRST], book(notebook))
    assert verdicts["softmax"].words == "it was ended after 3 seconds"
    assert verdicts["causal-mask"].words == "not judged: no time was left"
    assert verdicts["attention"].words == "not started"
    told = place.read_text("utf-8")
    time.sleep(0.5)
    assert told and place.read_text("utf-8") == told


def test_what_a_process_tells_is_not_trusted(monkeypatch):
    told = [
        {"limited": False},
        {"begun": "another's", "at": 1.0},
        {"status": "passed", "bug": None, "said": ""},  # of nothing
        {"judged": "causal-mask", "status": "passed", "bug": None, "said": ""},  # which nobody began
        {"begun": "softmax", "at": 0.0},
        {"judged": "attention", "status": "passed", "bug": None, "said": ""},  # which is not its turn
        {"judged": "softmax", "status": "excellent", "bug": None, "said": ""},
        {"judged": "softmax", "status": "error", "bug": "<b>", "said": "x\n" + "y" * 999},
        {"begun": "softmax", "at": 0.0},  # once more
        {"judged": "softmax", "status": "passed", "bug": None, "said": ""},
    ]
    tasks = [*known()[FIRST].tasks]
    assert {*Judges(LIMITS)._told(told, tasks)} == {"softmax"}
    answers = iter([(told, 0.0), ([], 0.0)])
    monkeypatch.setattr(Judges, "_lines", lambda *_: next(answers))
    judges = Judges(LIMITS)
    verdicts = judges.verdicts(known()[FIRST], book(started(WRONG)))
    assert verdicts["softmax"].words == "x�" + "y" * 198 and verdicts["softmax"].bug is None
    assert verdicts["causal-mask"].words == "not judged: the process for it did not start"
    assert not judges.limited


def test_where_memory_cannot_be_limited_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert judge.limit_memory(700) is False
    said = "memory was not limited, as this system does not offer it"
    assert said in drawn.as_page([], LIMITS, limited=False)
    assert said not in drawn.as_page([], LIMITS, limited=True)


def test_an_untouched_stub_is_run_if_another_cell_makes_the_answer(monkeypatch):
    monkeypatch.setattr(Judges, "_work", lambda *asked: pytest.fail("it is untouched"))
    untouched = a_class.solved(
        FIRST, **{name: ... for name in ("softmax", "causal_mask", "attention", "hunt", "self_attention")}
    )
    assert {one.words for one in Judges(LIMITS).verdicts(known()[FIRST], book(untouched)).values()} == {
        "not started"
    }
    monkeypatch.undo()
    asked = []
    monkeypatch.setattr(Judges, "_lines", lambda _, work, seconds: asked.append(work) or ([], 0.0))
    more = book(untouched)
    Judges(LIMITS).verdicts(known()[FIRST], Book(more.ids, (*more.cells, Cell("mine", "softmax = 3")), ()))
    assert [task["name"] for work in asked for task in work["tasks"]] == ["softmax"]


def test_an_import_is_taken_from_a_cell_without_its_training():
    trains = Cell("train", "import torch\nfor _ in range(10**9): pass\nmodel = 3")
    answer = Cell("answer", "def f(x):\n    return torch.exp(x)")
    cells = [*imports_apart(trains), answer]
    assert [cell.source for cell in needed(cells, {"answer"})] == ["import torch", answer.source]
    uses = Cell("answer", "f = torch.exp(model)")
    assert len(needed([*imports_apart(trains), uses], {"answer"})) == 3
    assert needed([Cell("torn", "model = ("), uses], {"answer"}) == [uses]


@pytest.mark.parametrize("name", [name for name in known() if known()[name].tasks])
def test_a_lessons_checks_read_what_its_stubs_make_and_nothing_else(name):
    for task in known()[name].tasks:
        last = ast.parse(task.check).body[-1]
        assert {node.id for node in ast.walk(last) if isinstance(node, ast.Name)} == {"check", *task.answers}
        assert task.answers


def test_a_notebook_is_the_lesson_whose_cells_it_has():
    every = [*known().values()]
    for name, lesson in known().items():
        assert which(every, lesson.ids) is lesson
        assert read(SHIPPED / f"{name}.ipynb").ids == lesson.ids
    assert which(every, {"predict-wet", "title", "my-own"}).name == FIRST
    assert which(every, {"title", "summary"}) is None


def test_the_bar_ends_where_all_is_done(monkeypatch):
    for tty, said in (False, "Notebooks to collect: 3\n"), (True, "\r[##########                    ] 1/3"):
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        sys.stderr.isatty = lambda tty=tty: tty
        for done in range(4):
            command._progress(done, 3)
        told = sys.stderr.getvalue()
        assert said in told and told.count("\n") == 1
        assert not tty or told.endswith(f"[{'#' * 30}] 3/3\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["{folder}/none"], "is no folder"),
        (["{folder}", "--megabytes=100"], "512 megabytes or more"),
        (["{folder}", "--seconds=0"], "seconds above 0"),
        (["{folder}", "--lessons={folder}"], "there are no lessons in"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(options, said, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["collect", *(one.format(folder=tmp_path) for one in options)])
    with pytest.raises(SystemExit):
        command.main()
    assert said in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_who_stops_it_gets_no_table(tmp_path, monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["collect", str(tmp_path)])
    monkeypatch.setattr(command, "collect", stopped)
    assert command.main() == 130
    assert capsys.readouterr().err == "Stopped: nothing was written.\n" and not [*tmp_path.iterdir()]
