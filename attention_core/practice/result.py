"""What a check found, shown as text and as HTML."""

import html
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from attention_core._saying import a
from attention_core.probes import Verdict

Status = Literal["not started", "passed", "wrong", "error"]
_SIGNS: dict[Status, str] = {"not started": "○", "passed": "✓", "wrong": "✗", "error": "✗"}
_COLOURS: dict[Status, str] = {  # JupyterLab's own, light and dark; the fallbacks are readable on both
    "not started": "var(--jp-border-color1, #8a9097)",
    "passed": "var(--jp-success-color1, #2e8540)",
    "wrong": "var(--jp-warn-color1, #c2410c)",
    "error": "var(--jp-error-color1, #c62828)",
}
_ROWS, _COLUMNS = 8, 6  # of an example, as many as are shown

Cells = list[list[str]] | str  # a table of numbers as text, or words in its place


@dataclass(frozen=True)
class Example:
    """The smallest case that shows a mistake.

    words: what it is. beside: what was given, by name. inputs: what the call was made with; again: a call
    that repeats it, or "".
    """

    words: str
    expected: Tensor
    got: object
    beside: tuple[tuple[str, Tensor], ...] = ()
    inputs: tuple = ()
    again: str = ""


@dataclass(frozen=True, repr=False)
class Result:
    """The answer of a check. It is true when the exercise is passed.

    bug: the short name of a known mistake, or None. headline: one sentence. details: more of them.
    evidence: properties that hold or fail. example: the smallest. where: number and text of the learner's
    line to look at.
    """

    exercise: str
    status: Status
    headline: str
    bug: str | None = None
    details: tuple[str, ...] = ()
    evidence: tuple[Verdict, ...] = ()
    example: Example | None = None
    where: tuple[int, str] | None = None

    def __bool__(self) -> bool:
        return self.status == "passed"

    @property
    def inputs(self) -> tuple:
        """What the example was called with: `attention(*_.inputs)` repeats it."""
        return self.example.inputs if self.example else ()

    def __repr__(self) -> str:
        lines = [f"{_SIGNS[self.status]} {self.exercise}: {self.headline}"]
        lines += [f"  {verdict!r}" for verdict in self.evidence]
        lines += [f"  {detail}" for detail in self.details]
        if self.example:
            tables = _side_by_side(_tables(self.example))
            lines += [f"  {self.example.words}:", *(f"    {line}" for line in tables)]
        lines += [f"  {sentence.format(code)}" for sentence, code in self._next()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        say, colour = html.escape, _COLOURS[self.status]
        sign = f'<span style="color: {colour}">{_SIGNS[self.status]}</span>'
        parts = [_div(f"{sign} {say(self.exercise)}: {say(self.headline)}", "font-weight: 600")]
        parts += [_div(say(repr(verdict))) for verdict in self.evidence]
        parts += [_div(say(detail)) for detail in self.details]
        if self.example:
            tables = (
                f"<td {_TOP}>{_div(say(name), _NAME)}{_table(cells)}</td>"
                for name, cells in _tables(self.example)
            )
            parts.append(_div(f"{say(self.example.words)}:", "margin-top: 6px"))
            parts.append(f"<table {_PLAIN}><tr>{''.join(tables)}</tr></table>")
        parts += [
            _div(sentence.format(f"<code>{say(code)}</code>"), "margin-top: 6px")
            for sentence, code in self._next()
        ]
        frame = f"border-left: 4px solid {colour}; padding: 6px 12px; margin: 4px 0"
        return _div("".join(parts), f"{frame}; color: var(--jp-ui-font-color1, inherit)")

    def _next(self) -> list[tuple[str, str]]:
        """What to do next: sentences with a slot for a piece of code."""
        look = [(f"Look at line {self.where[0]}: {{}}", self.where[1])] if self.where else []
        again = self.example.again if self.example else ""
        return look + ([("To try these numbers yourself: {}", again)] if again else [])


def _tables(example: Example) -> list[tuple[str, Cells]]:
    """What was given, expected and got, with as many digits as it takes to see a difference."""
    things = [*example.beside, ("expected", example.expected), ("got", example.got)]
    for digits in (_digits(example.expected, example.got), 4, 6, 9, 12):
        tables = [(name, _cells(thing, digits)) for name, thing in things]
        if tables[-1][1] != tables[-2][1] or getattr(example.got, "shape", ()) != example.expected.shape:
            break
    return tables


_TOP = 'style="text-align: left; vertical-align: top; padding: 0 28px 0 0"'
_CELL = 'style="text-align: right; padding: 1px 6px; font-family: monospace"'
_PLAIN = 'style="margin: 0; border: none"'
_NAME = "font-weight: 600"


def _div(inside: str, style: str = "") -> str:
    return f'<div style="{style}">{inside}</div>' if style else f"<div>{inside}</div>"


def _table(cells: Cells) -> str:
    if isinstance(cells, str):
        return html.escape(cells)
    rows = ("".join(f"<td {_CELL}>{html.escape(x)}</td>" for x in row) for row in cells)
    return f"<table {_PLAIN}>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _side_by_side(tables: list[tuple[str, Cells]]) -> list[str]:
    columns = [[name, *_lines(cells)] for name, cells in tables]
    height = max(map(len, columns))
    padded = [column + [""] * (height - len(column)) for column in columns]
    widths = [max(map(len, column)) for column in columns]
    rows = zip(*padded, strict=True)
    return ["    ".join(f"{x:{w}}" for x, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _lines(cells: Cells) -> list[str]:
    if isinstance(cells, str):
        return [cells]
    widths = [max(len(row[i]) for row in cells if i < len(row)) for i in range(max(map(len, cells)))]
    return ["  ".join(f"{x:>{w}}" for x, w in zip(row, widths, strict=False)) for row in cells]


def _digits(*things) -> int:
    """None after the point for numbered entries, else two, or four where two would show 0 for what is not."""
    plain = [x for x in things if isinstance(x, Tensor) and not x.is_complex() and x.layout == torch.strided]
    numbers = [x.detach().double() for x in plain]
    whole = all(x.isfinite().all() and (x == x.round()).all() for x in numbers)
    if whole and any(x.numel() and x.abs().max() > 1 for x in numbers):
        return 0
    shown = numbers[0][numbers[0] != 0].abs() if numbers else torch.empty(0)
    small = float(shown.min()) if shown.numel() else 1.0
    return 4 if 1e-4 <= small < 0.005 else 2  # else 1/256 were shown as 0.00


def _cells(thing, digits: int) -> Cells:
    """A tensor as rows of text, leading dimensions one below the other; anything else in words."""
    if not isinstance(thing, Tensor):
        return "nothing" if thing is None else "..." if thing is ... else a(thing)
    if thing.numel() == 0 or thing.layout != torch.strided:
        kind = "tensor" if thing.layout == torch.strided else "sparse tensor"
        return f"a {kind} of shape {tuple(thing.shape)}"
    rows = thing.detach().reshape(-1, thing.shape[-1] if thing.ndim else 1)
    more = ["…"] * (rows.shape[1] > _COLUMNS)
    shown = [[_cell(x, digits) for x in row[:_COLUMNS]] + more for row in rows[:_ROWS]]
    return shown + [["…"]] * (len(rows) > _ROWS)


def _cell(x: Tensor, digits: int) -> str:
    if x.dtype == torch.bool or x.is_complex():
        return str(x.item())
    if not x.is_floating_point():
        return str(x.item()).replace("-", "−")
    if math.isnan(x) or math.isinf(x):
        return {"nan": "NaN", "inf": "∞", "-inf": "−∞"}[str(x.item())]
    text = f"{x.item():.{digits}f}"
    return text.replace("-", "−") if float(text) else text.removeprefix("-")
