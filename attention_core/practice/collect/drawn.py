"""The class as pages: a table for the teacher, and for the projector how many chose what. No script."""

import html
from collections import Counter
from collections.abc import Sequence

from attention_core.practice.collect.judged import Limits, Verdict
from attention_core.practice.collect.lessons import Lesson, Question
from attention_core.practice.collect.table import Row, present

_COLLECTED = "Notebooks collected: {read}. Files that could not be: {unread}."
_RULES = "Answers were run again, and what their notebooks say of them does not count. "
_LIMITS = _RULES + "Of each notebook, at most: {seconds:g} seconds, {megabytes} MB."
_NO_MEMORY = (
    _RULES + "At most {seconds:g} seconds each; memory was not limited, as this system does not offer it."
)
_ANSWERED = "Answered: {n} of {all}."
_COUNT = "{option}: {n}"
_RIGHT = "✓ {option}: {n}"
_NOBODY = "Nobody has answered it yet."
_SIGNS = {"passed": "✓", "wrong": "✗", "error": "✗", "not started": "○", "missing": "○"}

_COLOURS = """
:root { color-scheme: light dark; --page: #fff; --ink: #1a1c1f; --soft: #565c64; --line: #c9ced4;
  --head: #f1f3f5; --good: #1d6b34; --bad: #b3261e; --bar: #5b8def; --best: #2e8540; }
@media (prefers-color-scheme: dark) {
  :root { --page: #15171a; --ink: #e8eaed; --soft: #a9b0b8; --line: #3d434a; --head: #22262b;
    --good: #6fd08c; --bad: #ff8f85; --bar: #4a78d0; --best: #3f9a57; } }
body { margin: 0; padding: 1.5rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin-top: 0; }
"""
_TABLE = """
.wide { overflow-x: auto; margin-bottom: 2.5rem; }
.wide:focus-visible, summary:focus-visible { outline: 3px solid var(--bar); }
table { border-collapse: separate; border-spacing: 0; }
caption { text-align: left; font-size: 1.25rem; font-weight: 600; padding: .5rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .7rem; text-align: left; vertical-align: top; }
td { min-width: 5rem; max-width: 16rem; overflow-wrap: anywhere; }
thead th, tfoot th, tfoot td { background: var(--head); }
tr > :first-child[scope="row"], thead .learner { position: sticky; left: 0; background: var(--head);
  max-width: 18rem; min-width: 8rem; overflow-wrap: anywhere; font-weight: 600;
  border-right: 1px solid var(--line); }
.group { border-left: 1px solid var(--line); }
.passed, .right { color: var(--good); }
.wrong, .error { color: var(--bad); }
.missing, .waits { color: var(--soft); }
"""
_BARS = """
section { min-height: calc(100vh - 3rem); box-sizing: border-box; padding: 1rem 0 2rem; break-after: page; }
.lesson { color: var(--soft); margin: 0; }
h2 { font-size: 2.2rem; line-height: 1.25; margin: 0 0 1rem; max-width: 30em; }
p, li { font-size: 1.5rem; }
ul { list-style: none; padding: 0; max-width: 60rem; }
li { margin-bottom: 1.1rem; } li.right { font-weight: 700; }
.bar { display: block; height: 1.3rem; min-width: 2px; background: var(--bar); border-radius: 3px; }
.right .bar { background: var(--best); }
"""


def as_page(rows: Sequence[Row], limits: Limits, limited: bool) -> str:
    """The table of each lesson there is, and of what could not be read."""
    unread = [row for row in rows if not row.lesson]
    rules = (_LIMITS if limited else _NO_MEMORY).format(seconds=limits.seconds, megabytes=limits.megabytes)
    parts = ["<h1>The class, collected</h1>"]
    parts += [f"<p>{_COLLECTED.format(read=len(rows) - len(unread), unread=len(unread))} {rules}</p>"]
    parts += [_lesson(lesson, [row for row in rows if row.lesson == lesson]) for lesson in present(rows)]
    if unread:
        heading = '<tr><th class="learner" scope="col">File</th><th scope="col">Why</th></tr>'
        lines = [f"<tr>{_learner(row)}<td>{_safe(row.problem)}</td></tr>" for row in unread]
        parts.append(_table("What could not be collected", heading, lines))
    return _page("The class, collected", _TABLE, parts)


def as_bars(rows: Sequence[Row]) -> str:
    """For each question how many chose what, as bars and in words, without names."""
    parts = []
    for lesson in present(rows):
        mine = [row for row in rows if row.lesson == lesson]
        parts += [_question(lesson, question, mine) for question in lesson.questions]
    return _page("How many chose what", _BARS, parts or ["<h1>There are no predictions to count</h1>"])


def _lesson(lesson: Lesson, rows: list[Row]) -> str:
    groups = ("Predictions", lesson.questions), ("Exercises", lesson.tasks)
    heading = '<tr><th class="learner" scope="col" rowspan="2">Learner</th>'
    for title, columns in groups:
        if columns:
            heading += f'<th class="group" scope="colgroup" colspan="{len(columns)}">{title}</th>'
    heading += "</tr><tr>"
    heading += "".join(
        f'<th scope="col" title="{_safe(question.asked)}">{_safe(question.name)}</th>'
        for question in lesson.questions
    )
    heading += "".join(f'<th scope="col">{_safe(task.name)}</th>' for task in lesson.tasks) + "</tr>"
    lines = []
    for row in rows:
        cells = [_choice(row.chosen.get(question.name)) for question in lesson.questions]
        cells += [_verdict(row.verdicts[task.name]) for task in lesson.tasks]
        lines.append(f"<tr>{_learner(row)}{''.join(cells)}</tr>")
    rights = [sum(row.chosen.get(q.name, ("", False))[1] for row in rows) for q in lesson.questions]
    passes = [sum(row.verdicts[t.name].status == "passed" for row in rows) for t in lesson.tasks]
    sums = "".join(f"<td>{n}</td>" for n in rights + passes)
    foot = f'<tr><th scope="row">Right or passed, of {len(rows)}</th>{sums}</tr>'
    asked = "".join(
        f"<dt>{_safe(question.name)}</dt><dd>{_safe(question.asked)}</dd>" for question in lesson.questions
    )
    questions = f"<details><summary>The questions</summary><dl>{asked}</dl></details>" if asked else ""
    return _table(_title(lesson), heading, lines, foot) + questions


def _table(title: str, heading: str, lines: list[str], foot: str = "") -> str:
    below = f"<tfoot>{foot}</tfoot>" if foot else ""
    return (
        f'<div class="wide" role="region" aria-label="{_safe(title)}" tabindex="0"><table>'
        f"<caption>{_safe(title)}</caption>\n<thead>{heading}</thead>\n<tbody>\n"
        + "\n".join(lines)
        + f"\n</tbody>{below}</table></div>"
    )


def _learner(row: Row) -> str:
    return f'<th scope="row">{_safe(row.learner)}</th>'


def _choice(chosen: tuple[str, bool] | None) -> str:
    if chosen is None:
        return "<td></td>"
    choice, right = chosen
    kind, sign = ("right", "✓") if right else ("wrong", "✗")
    return f'<td class="{kind}">{sign} {_safe(choice)}</td>'


def _verdict(verdict: Verdict) -> str:
    kind = verdict.status if verdict.status != "not started" else "waits"
    more = f' title="{_safe(verdict.said)}"' if verdict.said and verdict.said != verdict.words else ""
    return f'<td class="{kind}"{more}>{_SIGNS[verdict.status]} {_safe(verdict.words)}</td>'


def _question(lesson: Lesson, question: Question, rows: list[Row]) -> str:
    answers = [row.chosen[question.name] for row in rows if question.name in row.chosen]
    chosen = Counter(choice for choice, _ in answers)
    right = {choice for choice, is_right in answers if is_right}
    most = max(chosen.values(), default=1)
    items = []
    for option in question.options:
        said, kind = (_RIGHT, "right") if option in right else (_COUNT, "")
        words = said.format(option=_safe(option), n=chosen[option])
        width = 100 * chosen[option] / most
        items.append(f'<li class="{kind}">{words}<span class="bar" style="width: {width:.1f}%"></span></li>')
    told = _ANSWERED.format(n=len(answers), all=len(rows)) if answers else _NOBODY
    heading = f'<p class="lesson">{_safe(_title(lesson))}</p><h2>{_safe(question.asked)}</h2>'
    return f"<section>{heading}<p>{told}</p><ul>{''.join(items)}</ul></section>"


def _page(title: str, style: str, parts: list[str]) -> str:
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{title}</title><style>{_COLOURS}{style}</style>"
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{body}\n</main></body></html>\n'
    )


def _title(lesson: Lesson) -> str:
    return lesson.name.replace("_", " ")


def _safe(text: str) -> str:
    return html.escape(text)
