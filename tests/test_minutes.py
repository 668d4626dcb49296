"""The minutes that a lesson promises are counted by one rule, and are the same wherever they stand.

Somebody alone, who does it all once: 150 words of text a minute (without hints and solutions), four seconds
for a line of code in sight, ten for a cell to run and see what it says, a minute for a picture to move or to
look into, half of one for a prediction, what an exercise says that it takes, a minute for a dare.
"""

import re
from itertools import chain
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
LESSONS = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))}
# the cells that begin them
PARTS = {
    "01": ("break", "rank"),
    "03": ("switch-intro",),
    "04": ("home",),
    "05": ("transformer-intro",),
    "06": ("tiles-intro",),
    "07": ("rivals-intro",),
    "08": ("room-intro",),
    "09": ("fooled",),
    "10": ("what-may",),
}
NEAR = 0.1

_FOLDED = re.compile(r"<details>.*?</details>", re.DOTALL)
_FORMULA = re.compile(r"\$\$.*?\$\$", re.DOTALL)
_TARGET = re.compile(r"\]\([^)]*\)|<[^>]+>|\$[^$]*\$")
EXERCISE = re.compile(r"[★☆]{3} · (\d+) minutes")
_DARE = re.compile(r"^(?:\d\.|-) ", re.MULTILINE)
_A_FORMULA = 20 * " word"


def minutes(cell: NotebookNode) -> float:
    folded = "jupyter" in cell.metadata
    if cell.cell_type == "markdown":
        text = _FOLDED.sub("", cell.source)
        exercise, dares = EXERCISE.search(text), _DARE.findall(text) if "ow break it" in text else ()
        read = len(re.findall(r"[\w’']+", _TARGET.sub("", _FORMULA.sub(_A_FORMULA, text)))) / 150
        return read + (int(exercise[1]) if exercise else 0) + len(dares)
    if cell.id.startswith("predict-"):
        return 0.5
    if cell.id.startswith(("exercise-", "check-")):
        return 0  # in the minutes that the exercise says
    lines = 0 if folded else sum(bool(line.strip()) for line in cell.source.splitlines())
    picture = any("image/png" in output.get("data", {}) for output in cell.outputs)
    return 1 / 6 + lines / 15 + picture


def counted(lesson: str) -> list[float]:
    """The minutes of a lesson's parts, those that are optional last."""
    parts = [0.0]
    for cell in nbformat.read(LESSONS[lesson], as_version=4).cells:
        if cell.id in PARTS.get(lesson, ()):
            parts.append(0.0)
        parts[-1] += minutes(cell)
    return parts


def promised(lesson: str) -> tuple[list[int], list[int]]:
    """What the title cell says: for the parts of the lesson, and for what is optional."""
    title = nbformat.read(LESSONS[lesson], as_version=4).cells[0].source
    time = title[title.index("**Time**") : title.index("**You need")]
    needed, _, optional = time.partition("**Optional**")
    return [int(n) for n in re.findall(r"\d+", needed)], [int(n) for n in re.findall(r"\d+", optional)]


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_takes_as_long_as_it_promises(lesson):
    said = [*chain(*promised(lesson))]
    took = counted(lesson)
    assert len(said) == len(took)
    for promise, count in zip(said, took, strict=True):
        assert abs(promise - count) <= max(NEAR * promise, 1), (said, took)


@pytest.mark.parametrize("lesson", LESSONS)
@pytest.mark.parametrize("place", ["README.md", "notebooks/00_start_here.ipynb"])
def test_its_row_says_the_same(lesson, place):
    rows = {row[1]: row[2] for row in re.finditer(r"\[(\d\d) [^]]*\]\([^)]*\) \| ([^|]*) \|", _text(place))}
    if lesson in rows:
        assert rows[lesson] == " + ".join(map(str, promised(lesson)[0]))
    assert lesson in rows or (lesson, place) == ("00", "notebooks/00_start_here.ipynb")


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_guide_says_the_same(lesson):
    guide = _text("notebooks/teaching_guide.md")
    chapter = re.search(rf"^## {lesson} [^\n]*\n\n(.*?)\n\n", guide, re.MULTILINE | re.DOTALL)
    first = [int(n) for n in re.findall(r"\d+", chapter[1])]
    said = [*chain(*promised(lesson))]
    assert first[: len(said)] == said


def _text(place: str) -> str:
    if place.endswith(".md"):
        return (ROOT / place).read_text("utf-8")
    return "\n".join(cell.source for cell in nbformat.read(ROOT / place, as_version=4).cells)
