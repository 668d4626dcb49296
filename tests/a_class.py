"""A class of generated notebooks: right, wrong, half done, hostile, none at all; and what their rows say."""

import ast
import builtins
import json
import os
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from inspect import getsource
from pathlib import Path
from textwrap import dedent

from answers import ANSWERS
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output
from test_solutions import cell_named, exercises, read, solution

from attention_core.practice.collect.cells import globals_of, symbols
from attention_core.practice.collect.lessons import SHIPPED, Lesson, Task, lessons
from attention_core.practice.prediction import Prediction

FIRST, THIRD = "01_self_attention", "03_positional_encoding"
PASSED, WAITS = "passed", "not started"
WRONG = "def softmax(scores):\n    return scores.softmax(-1).softmax(-1)"
UNLISTED = "def softmax(scores):\n    return scores.softmax(-1) / 2 + 0.5 / scores.shape[-1]"
NONE = "no notebook"
REFUSED = "{who} stopped with PermissionError: {event}: what is collected starts no process and ends none"
ALLOCATES = "kept = []\n    while True: kept.append(bytearray(10**7))"
NAMES = "def causal_mask(n):\n    raise ValueError(f'{object()} =1 <b>\\ud800')"
REWRITES = """
import attention_core.practice.exercise as e, attention_core.practice.result, sys
e.Exercise.__call__ = lambda self, *more: attention_core.practice.result.Result(self.name, "passed", "passed")
attention_core.practice.result.Result.__bool__ = lambda self: True
check = lambda *more: True"""
WRITES = """
import json, os
odd = {"judged": "softmax", "status": ["<b>"], "bug": None, "said": ""}
for line in [odd, {"begun": ["x"]}, {"begun": "softmax", "at": "x"}, [1], "x" * 10**6]:
    for n in range(3, 40):
        try: os.write(n, (json.dumps(line) + "\\n" + "[" * 9999 + "\\n").encode())
        except OSError: pass"""


@dataclass(frozen=True)
class Learner:
    """What somebody hands in, and the row that it should get; columns that are not named may hold anything.

    file: the name, below the class's folder. write: puts it there. problem: why it is not read. columns: by
    their headings in the table, "" for empty.
    """

    file: str
    write: Callable[[Path], object]
    problem: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.file.rpartition(".")[0] or self.file


@cache
def known() -> dict[str, Lesson]:
    return {lesson.name: lesson for lesson in lessons(SHIPPED)}


def solved(lesson: str, **answers: str) -> NotebookNode:
    """A lesson with its solutions as answers, or others; `...` leaves the stub. By exercise, _ for -."""
    book = deepcopy(_read(lesson))
    for name in exercises(book):
        answer = answers.get(name.replace("-", "_"), solution(book, name))
        if answer is not ...:
            cell_named(book, f"exercise-{name}").source = answer
    return book


def started(softmax: str, **more: str) -> NotebookNode:
    """Lesson 01 with this answer to softmax, and a right causal mask after it; the others are stubs."""
    stubs = {"attention": ..., "hunt": ..., "self_attention": ...}
    return solved(FIRST, softmax=softmax, **(stubs | more))


@cache
def _read(lesson: str) -> NotebookNode:
    return read(f"{lesson}.ipynb")


def chose(book: NotebookNode, lesson: str, choices: Mapping[str, tuple[str, str]]) -> NotebookNode:
    """The book with what reveals record: (chosen, computed), by the question's name."""
    for question in known()[lesson].questions:
        if question.name in choices:
            choice, computed = choices[question.name]
            asked = Prediction(question.asked, question.options)
            asked.choose(choice)
            said = {"text/plain": repr(asked.reveal(computed))}
            cell_named(book, f"reveal-{question.name}").outputs = [
                new_output("execute_result", said, execution_count=1)
            ]
    return book


def hands_in(book: NotebookNode) -> Callable[[Path], object]:
    return lambda path: path.write_text(json.dumps(book), "utf-8")


def text(content: str | bytes) -> Callable[[Path], object]:
    raw = content if isinstance(content, bytes) else content.encode()
    return lambda path: path.write_bytes(raw)


def _without(book: NotebookNode, *ids: str) -> NotebookNode:
    book.cells = [cell for cell in book.cells if cell.id not in ids]
    return book


def _with(book: NotebookNode, source: str, before: str) -> NotebookNode:
    """The book with a cell of the learner's own."""
    at = next(i for i, cell in enumerate(book.cells) if cell.id == before)
    book.cells.insert(at, new_code_cell(source))
    return book


def _claiming(book: NotebookNode) -> NotebookNode:
    """Stored outputs that say of every check: passed; and of a prediction what no reveal would."""
    for cell in book.cells:
        if cell.id.startswith("check-"):
            said = {"text/plain": "✓ softmax: passed"}
            cell.outputs = [new_output("execute_result", said, execution_count=1)]
    record = {
        "question": known()[FIRST].questions[0].asked,
        "chosen": "=cmd()",
        "computed": "mat",
        "right": True,
    }
    every = [record, record | {"chosen": "mat", "computed": 3}, {}, 3]
    lines = ["prediction: " + "[" * 9999, *(f"prediction: {json.dumps(one)}" for one in every), "x" * 10**6]
    cell_named(book, "reveal-wet").outputs = [new_output("stream", text="\n".join(lines)), {"data": 3}, 3]
    return book


def _old(book: NotebookNode) -> NotebookNode:
    for cell in book.cells:
        del cell["id"]
    book.nbformat_minor = 4
    return book


def _row(softmax: str, causal_mask: str = PASSED, lesson: str = "01", **others: str) -> dict[str, str]:
    columns = {"softmax": softmax, "causal-mask": causal_mask} | others
    return {f"{lesson} {name}": verdict for name, verdict in columns.items()}


def _all(lesson: str, verdict: str = PASSED) -> dict[str, str]:
    return {f"{known()[lesson].number} {task.name}": verdict for task in known()[lesson].tasks}


def _right(body: str, top: str = "") -> str:
    """A right softmax that does something else, too."""
    return f"{top}\ndef softmax(scores):\n    {body}\n    return scores.softmax(-1)"


def good() -> list[Learner]:
    """Right, wrong, half done; odd names."""
    choices = {"wet": ("mat", "mat"), "root": ("stays the same", "grows towards 1")}
    told = {
        "01 wet: chosen": "mat",
        "01 wet: right": "yes",
        "01 root: chosen": "stays the same",
        "01 root: right": "no",
        "01 it: chosen": "",
        "01 it: right": "",
    }
    every = _with(chose(solved(FIRST), FIRST, choices), "def softmax(scores):\n    return 1 / 0", "summary")
    helper = "%precision 3\nimport torch.nn.functional as F\n\ndef helped(x):\n    return F.softmax(x, -1)"
    calls = started(
        "def softmax(scores):\n    return helped(scores / math.e * math.e)",
        causal_mask="def causal_mask(n)\n",
        attention="def my_attention(*all):\n    pass",
    )
    no_colon = "its cell stopped with SyntaxError: expected ':'"
    renamed = "its cell does not make scaled_dot_product_attention"
    own = _with(_with(calls, helper, "exercise-softmax"), "1 / 0\nimport math", "exercise-softmax")
    checks = ("check-softmax", "check-causal-mask")
    gone = _without(started(WRONG), *checks, "exercise-attention", "exercise-hunt")
    gone = _with(gone, "found = {}", "check-hunt")
    named = {
        "every bit, and more tried out below.ipynb": (every, _all(FIRST) | told),
        "Jürgen Groß (2).ipynb": (solved(THIRD), _all(THIRD)),
        "nothing done.ipynb": (deepcopy(_read(FIRST)), _all(FIRST, WAITS)),
        "=cmd().ipynb": (started(WRONG), _row("softmax-twice", attention=WAITS)),
        "<b>bold</b>.ipynb": (started(UNLISTED), _row("wrong")),
        "with a helper.ipynb": (own, _row(PASSED, no_colon, attention=renamed)),
        "cells are gone.ipynb": (gone, _row("softmax-twice", attention="missing", hunt=WAITS)),
    }
    return [Learner(name, hands_in(book), "", columns) for name, (book, columns) in named.items()]


def hostile(call: float, cell: float, each: float) -> list[Learner]:
    """Answers that would cost others something. call, cell, each: seconds after which these are ended."""
    loops = f"it was ended after {call:g} seconds: is there a loop that never ends?"
    cell_loops = f"its cell was ended after {cell:g} seconds: is there a loop that never ends?"
    gone = "the process ended: an exit, or too much memory"
    left = "exit() would end the kernel"
    answers = {
        "loops": (_right("while True: pass"), _row(loops)),
        "loops in a cell": ("while True:\n    pass", _row(cell_loops)),
        "sleeps": (_right("import time; time.sleep(10**6)"), _row(f"it was ended after {each:g} seconds")),
        "leaves": (_right("import os; os._exit(0)"), _row(gone)),
        "allocates": (_right(ALLOCATES), _row("it stopped with MemoryError: no message")),
        "rewrites": (_right("pass", REWRITES), {}),
        "hides": (_right("pass", "import sys; sys.modules.clear()"), {}),
        "writes to all": (_right("pass", WRITES), {}),
    }
    books = {name: (started(answer), row) for name, (answer, row) in answers.items()}
    books["starts and kills"] = (
        started(
            _right("import os\n    while True: os.fork()"),
            causal_mask="def causal_mask(n):\n    import os; os.system('sleep 1000')",
            attention="import os\nos.kill(os.getppid(), 9)",
        ),
        _row(
            REFUSED.format(who="it", event="os.fork"),
            REFUSED.format(who="it", event="os.system"),
            attention=REFUSED.format(who="its cell", event="os.kill"),
        ),
    )
    books["exits and asks"] = (
        started(_right("exit()"), causal_mask="exit()", attention="input()"),
        _row(
            f"it stopped with SystemExit: {left}",
            f"its cell stopped with SystemExit: {left}",
            attention="its cell stopped with EOFError: EOF when reading a line",
        ),
    )
    books["says too much"] = (
        started(_right("print('x' * 10**6)"), causal_mask=NAMES, attention="(" * 5000),
        _row(PASSED, "it stopped with ValueError: <object object at 0x…> =1 <b>�"),
    )
    books["claims"] = (_claiming(deepcopy(_read(FIRST))), _all(FIRST, WAITS) | {"01 wet: chosen": ""})
    return [Learner(f"{name}.ipynb", hands_in(book), "", row) for name, (book, row) in books.items()]


def nothing() -> list[Learner]:
    """What is no notebook, or belongs to no lesson."""
    other = new_notebook(cells=[new_code_cell("1")])
    contents = {
        "an essay.txt": (text("Dear teacher"), NONE),
        "a picture.ipynb": (text(bytes(range(256)) * 9), NONE),
        "empty.ipynb": (text(""), "no notebook: the file is empty"),
        "torn.ipynb": (text('{"cells": [{"id": '), NONE),
        "deep.ipynb": (text('{"cells": ' + "[" * 99999), NONE),
        "numbers.json": (text('{"cells": 3}'), "no notebook: there are no cells in it"),
        "a folder.ipynb": (Path.mkdir, "a folder, no notebook"),
        "nowhere.ipynb": (
            lambda path: path.symlink_to("/nowhere"),
            "no file that could be read: a pipe, a device, or a link to nowhere",
        ),
        "a link round.d": (
            lambda path: path.symlink_to(path.parent),
            "a link to a folder, which is not followed",
        ),
        "of no lesson.ipynb": (hands_in(other), "it belongs to no lesson"),
        "old.ipynb": (
            hands_in(_old(deepcopy(_read(FIRST)))),
            "its cells have no ids: it was saved in an older format, or by another program",
        ),
    }
    if hasattr(os, "mkfifo"):
        contents["a pipe.ipynb"] = (os.mkfifo, contents["nowhere.ipynb"][1])
    return [Learner(name, write, problem) for name, (write, problem) in contents.items()]


def thirty(call: float, cell: float, each: float) -> list[Learner]:
    """A class on all lessons, and what is no notebook beside it."""
    others = [lesson for lesson in known() if known()[lesson].tasks and lesson not in (FIRST, THIRD)]
    learners = [*good(), *hostile(call, cell, each)]
    learners += [Learner(f"all of {name}.ipynb", hands_in(solved(name)), "", _all(name)) for name in others]
    learners += [mistaken(name) for name in [FIRST, *others][: 30 - len(learners)]]
    assert len(learners) == 30
    return [*learners, *nothing()]


def mistaken(lesson: str) -> Learner:
    """One mistake that has a name in each exercise for which `answers` has one that stands alone."""
    answers, columns = {}, {}
    for task in known()[lesson].tasks:
        row = next(
            (row for row in ANSWERS.get(_checked_by(task), []) if row.bug and _alone(row.answer)), None
        )
        if row:
            source = dedent(getsource(row.answer)).partition("\n")[2]  # without what says whose answer it is
            (name,) = task.answers
            imports = "import math\nimport torch\nfrom torch import nn\nfrom torch.nn import functional as F"
            answers[task.name.replace("-", "_")] = f"{imports}\n\n{source}\n{name} = {row.answer.__name__}"
            columns[f"{known()[lesson].number} {task.name}"] = row.bug
    assert answers
    return Learner(f"mistaken in {lesson}.ipynb", hands_in(solved(lesson, **answers)), "", columns)


def _checked_by(task: Task) -> str:
    """The name by which `check` has it."""
    return ast.parse(task.check).body[-1].value.func.attr


def _alone(answer: Callable) -> bool:
    """Whether an answer reads nothing of its module but torch."""
    source = dedent(getsource(answer)).partition("\n")[2]
    return globals_of(symbols(source)) <= {"math", "torch", "nn", "F", *dir(builtins)}


def write(learners: list[Learner], folder: Path) -> None:
    for learner in learners:
        (folder / learner.file).parent.mkdir(parents=True, exist_ok=True)
        learner.write(folder / learner.file)
