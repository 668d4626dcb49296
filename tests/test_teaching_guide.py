"""The teaching guide says what is so: its answers pass, its quotes are real, its headings and cells exist."""

import ast
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import pytest
from test_solutions import NOTEBOOKS, cell_named, exercises, read

GUIDE = NOTEBOOKS / "teaching_guide.md"
LESSONS = sorted(path.name for path in NOTEBOOKS.glob("[0-9]*.ipynb"))
ASKED = "Ask before the run"  # a column of each timed plan
SEEN = "What to move, and what is seen"  # of each table of misconceptions
HOUR = 50

_SPAN = re.compile(r"`([^`]+)`|\*(nothing)\*")
_NUMBER = re.compile(r"\d+\.\d+|\d+%|\d{3,}")  # two digits and more: what must have been computed
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


@dataclass(frozen=True)
class Table:
    """A table of the guide: the H2 it stands under, its columns and its rows of cells."""

    chapter: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Answer:
    """An exercise's answer, and wrong ones: (instead of, they write, what the check says), spans in order."""

    lesson: str
    title: str
    name: str
    source: str
    wrong: tuple[tuple[str, str, str], ...]


def cells_of(row: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in row.strip().strip("|").split("|"))


@cache
def tables(text: str) -> tuple[Table, ...]:
    found, chapter, block = [], "", []
    for line in [*text.splitlines(), ""]:
        if line.startswith("## "):
            chapter = line[3:]
        if line.startswith("|"):
            block.append(line)
        elif block:
            found.append(Table(chapter, cells_of(block[0]), tuple(map(cells_of, block[2:]))))
            block = []
    return tuple(found)


def plans(text: str) -> list[Table]:
    return [table for table in tables(text) if ASKED in table.columns]


def misconceptions(text: str) -> list[Table]:
    return [table for table in tables(text) if SEEN in table.columns]


def predictions(text: str) -> dict[tuple[str, str], str]:
    """(lesson, id of the cell) → the answer that the guide calls right."""
    rows = (
        (lesson_of(t.chapter), *row[:2])
        for t in tables(text)
        if t.columns[0] == "Prediction"
        for row in t.rows
    )
    return {(lesson, cell.strip("`")): right for lesson, cell, right in rows}


def lesson_of(heading: str) -> str:
    """The notebook that a heading such as “01 Self-attention: answers” is about."""
    (name,) = (name for name in LESSONS if name.startswith(heading[:2]))
    return name


@cache
def answers(text: str) -> tuple[Answer, ...]:
    """A lesson's answers stand in one block, each below its name; its wrong ones in a table."""
    found = []
    for part in re.split(r"^#{2,3} (?=.*\n)", text, flags=re.MULTILINE):
        if not re.match(r"\d\d .*: answers\n", part):
            continue
        (block,) = re.findall(r"^```python\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
        (table,) = tables(part)
        assert table.columns == ("Exercise", "Instead of", "they write", "and read")
        _, *pieces = re.split(r"^# (.+) \(exercise-([a-z-]+)\)\n", block, flags=re.MULTILINE)
        for title, name, source in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
            wrong = tuple(row[1:] for row in table.rows if row[0] == f"`{name}`")
            found.append(Answer(lesson_of(part), title, name, source, wrong))
    return tuple(found)


def headings(name: str) -> set[str]:
    """A lesson's headings, as they are read."""
    return {one for cell in read(name).cells for one in headings_of(cell)}


def headings_of(cell) -> list[str]:
    """A cell's headings, as they are read: code without its ticks, √d_k for its LaTeX."""
    if cell.cell_type != "markdown":
        return []
    return [
        _LINK.sub(r"\1", line).replace("`", "")
        for line in re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE)
    ]


@cache
def space(name: str) -> dict:
    """What a lesson imports and defines, without running its training: stubs and all.

    A function whose defaults are what a cell has computed is left out: no check calls one.
    """
    names: dict = {}
    kept = ast.Import | ast.ImportFrom | ast.ClassDef | ast.FunctionDef
    for cell in read(name).cells:
        if cell.cell_type == "code":
            for part in (part for part in ast.parse(cell.source).body if isinstance(part, kept)):
                with suppress(NameError):
                    exec(compile(ast.Module([part], []), cell.id, "exec"), names)
    return names


def checked(lesson: str, name: str, source: str):
    """The result of the lesson's own check cell when the exercise's cell holds this source."""
    names = dict(space(lesson))
    exec(source, names)
    *before, last = ast.parse(cell_named(read(lesson), f"check-{name}").source).body
    exec(compile(ast.Module(before, []), name, "exec"), names)
    return eval(compile(ast.Expression(last.value), name, "eval"), names)


def changed(source: str, instead_of: str, they_write: str) -> str:
    """The answer with each span of one column replaced by that of the other."""
    old, new = ([a for a, _ in _SPAN.findall(cell)] for cell in (instead_of, they_write))
    assert len(old) == len(new) > 0, f"{instead_of} and {they_write} are not pairs"
    for a, b in zip(old, new, strict=True):
        assert a in source, f"{a!r} is not in the answer"
        source = source.replace(a, b)
    return source


def wrong_answers() -> list:
    return [
        pytest.param(answer, row, id=f"{answer.lesson[:2]}-{answer.name}-{i}")
        for answer in answers(GUIDE.read_text("utf-8"))
        for i, row in enumerate(answer.wrong)
    ]


# --- nothing is missing ---------------------------------------------------------------------------------


def test_there_is_one_h1_at_the_top_and_no_machine_path():
    text = re.sub(r"^```.*?^```$", "", GUIDE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"^# .+$", text, re.MULTILINE) == ["# Teaching guide"] and text.startswith("# ")
    assert not re.search(r"(?<![\w.])/(tmp|work|root|Users)\b", GUIDE.read_text("utf-8"))


def test_every_exercise_has_an_answer_with_wrong_ones():
    wanted = [(lesson, exercise) for lesson in LESSONS for exercise in exercises(read(lesson))]
    found = answers(GUIDE.read_text("utf-8"))
    assert [(answer.lesson, answer.name) for answer in found] == wanted and wanted
    assert all(answer.title in headings(answer.lesson) for answer in found)
    assert all(len(answer.wrong) >= 2 for answer in found)
    rows = sum(
        len(table.rows) for table in tables(GUIDE.read_text("utf-8")) if table.columns[0] == "Exercise"
    )
    assert rows == sum(len(answer.wrong) for answer in found)  # each belongs to an exercise


def test_every_lesson_has_a_plan_and_misconceptions():
    text = GUIDE.read_text("utf-8")
    for found in (plans(text), misconceptions(text)):
        assert {lesson_of(table.chapter) for table in found} == set(LESSONS)
    assert all(len(table.rows) >= 4 for table in misconceptions(text))


def test_every_prediction_is_there_with_the_answer_that_its_lesson_computed():
    computed = {}
    for lesson in LESSONS:
        book = read(lesson)
        asked = [cell.id for cell in book.cells if re.search(r"= predict\(", cell.source)]
        told = [out.data["text/plain"] for out in cell_named(book, "summary").outputs] if asked else []
        right = re.findall(r"it was “(.+)”\.", "\n".join(told))
        computed |= {(lesson, cell): answer for cell, answer in zip(asked, right, strict=True)}
    assert len(computed) >= 20 and predictions(GUIDE.read_text("utf-8")) == computed


def test_every_prediction_is_asked_in_a_plan_of_its_lesson():
    text = GUIDE.read_text("utf-8")
    for lesson, cell in predictions(text):
        asked = [row[-1] for t in plans(text) if lesson_of(t.chapter) == lesson for row in t.rows]
        assert sum(f"`{cell}`" in question for question in asked) == 1, cell


# --- the plans --------------------------------------------------------------------------------------------


def test_the_minutes_of_a_plan_follow_each_other_and_fit_an_hour():
    for plan in plans(GUIDE.read_text("utf-8")):
        minutes = [tuple(map(int, row[0].split("–"))) for row in plan.rows]
        assert minutes[0][0] == 0 and minutes[-1][1] <= HOUR, plan.chapter
        assert all(begin < end for begin, end in minutes), plan.chapter
        assert all(a[1] == b[0] for a, b in pairwise(minutes)), plan.chapter


def test_the_plans_name_headings_and_cells_that_exist():
    for plan in plans(GUIDE.read_text("utf-8")):
        lesson = lesson_of(plan.chapter)
        known, ids = headings(lesson), {cell.id for cell in read(lesson).cells}
        for row in plan.rows:
            named = re.findall(r"\*([^*]+)\*", row[1])
            cells = re.findall(r"`([^`]+)`", row[1])
            assert named or cells, row
            assert set(named) <= known, set(named) - known
            assert set(cells) <= ids, set(cells) - ids


def test_what_is_cut_or_sent_home_is_in_the_lesson():
    """In these paragraphs an italic is a heading, and a code span a cell or a function of ours."""
    chapters = re.split(r"^## ", GUIDE.read_text("utf-8"), flags=re.MULTILINE)
    cuts = [(c, m[0]) for c in chapters if (m := re.search(r"\*\*Short of time\?\*\*.*?\n\n", c, re.DOTALL))]
    assert len(cuts) == len(LESSONS)
    for chapter, cut in cuts:
        lesson = lesson_of(chapter)
        cut = " ".join(cut.replace("**Short of time?**", "").split())
        assert set(re.findall(r"\*([^*]+)\*", cut)) <= headings(lesson), cut
        spans = {span for span in re.findall(r"`([^`]+)`", cut) if "attention_core." not in span}
        assert spans <= {cell.id for cell in read(lesson).cells}, cut


# --- the misconceptions -----------------------------------------------------------------------------------


def outputs(cell) -> str:
    return "\n".join(out.get("text", "") + out.get("data", {}).get("text/plain", "") for out in cell.outputs)


def moved(lesson: str) -> set[str]:
    """The numbers that no cell prints, and that a learner gets by moving a control as the guide says."""
    from attention_core.live import SelfAttentionExplorer, SinusoidExplorer

    said, sentence = set(), "the cat sat on the mat because it was tired"
    cat, on, mat, it = 1, 3, 5, 7

    def weight(query: int, key: int, **traits) -> None:
        explorer = SelfAttentionExplorer(traits.pop("sentence", sentence), **traits)
        said.add(f"{explorer.weights[query, key]:.2f}")

    if lesson.startswith(("00", "01")):
        weight(it, cat)
    if lesson.startswith("01"):
        weight(it, cat, sentence=sentence.replace("mat", "dog"))
    if lesson.startswith("00"):
        weight(cat, it)
        weight(it, cat, temperature=2.0)
        weight(on, mat)
        weight(on, mat, sentence=sentence.replace("mat", "bridge"))
        said.add("2.00")  # the temperature itself
        said.add("0.30")
    if lesson.startswith("02"):
        said.add("1500")  # the steps that the row asks for
    if lesson.startswith("03"):
        clocks = SinusoidExplorer()
        for clocks.comparison in ("sinusoids", "sinusoids through W", "RoPE through W"):
            said.add(f"{clocks.spread:.2f}")
    return said


def test_misconceptions_name_cells_that_exist_and_numbers_that_were_computed():
    numbers = 0
    for table in misconceptions(GUIDE.read_text("utf-8")):
        lesson = lesson_of(table.chapter)
        book, by_hand = read(lesson), moved(lesson)
        for row in table.rows:
            printed = outputs(cell_named(book, row[1].strip("`")))
            for number in _NUMBER.findall(row[2]):
                numbers += 1
                shown = re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", printed)
                assert shown or number in by_hand, f"{lesson}, {row[1]}: {number} is nowhere"
    assert numbers > 60


def test_the_other_tables_say_no_number_that_their_lesson_does_not_say():
    text, numbers = GUIDE.read_text("utf-8"), 0
    for table in [*plans(text), *(t for t in tables(text) if t.columns[0] == "Prediction")]:
        book = read(lesson_of(table.chapter))
        said = "\n".join(cell.source + (outputs(cell) if "outputs" in cell else "") for cell in book.cells)
        for number in _NUMBER.findall(" ".join(" ".join(row[1:]) for row in table.rows)):
            numbers += 1
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", said), f"{table.chapter}: {number}"
    assert numbers > 8


def test_one_head_does_not_learn_it_in_five_times_the_steps_either():
    call, names = "train(num_heads=1, steps=1500)[1]", {}
    for cell in ("reporter", "train-reporter"):
        exec(cell_named(read("02_multi_head_attention.ipynb"), cell).source, names)
    assert f"`{call}`" in GUIDE.read_text("utf-8") and 0.1 < eval(call, names) < 0.6


# --- the answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer", answers(GUIDE.read_text("utf-8")), ids=lambda a: f"{a.lesson[:2]}-{a.name}"
)
def test_every_answer_passes_its_check(answer):
    result = checked(answer.lesson, answer.name, answer.source)
    assert result.status == "passed", result


@pytest.mark.parametrize("answer, row", wrong_answers())
def test_every_wrong_answer_is_told_what_the_guide_quotes(answer, row):
    instead_of, they_write, quote = row
    result = checked(answer.lesson, answer.name, changed(answer.source, instead_of, they_write))
    assert result.status in ("wrong", "error"), result
    failing = [f"{verdict.name}: {verdict.evidence}" for verdict in result.evidence if not verdict]
    assert quote in [f"“{said}”" for said in (result.headline, *failing)], result
