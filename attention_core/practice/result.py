"""What a check found, shown as text and as HTML."""

import html
from dataclasses import dataclass, field

import torch
from torch import Tensor

from attention_core._calling import a, number
from attention_core.probes import Verdict

_SIGNS = {"not started": "○", "passed": "✓", "wrong": "✗", "error": "✗"}
_COLOURS = {  # JupyterLab's own, light and dark; the fallbacks are readable on both
    "not started": "var(--jp-border-color1, #8a9097)",
    "passed": "var(--jp-success-color1, #2e8540)",
    "wrong": "var(--jp-warn-color1, #c2410c)",
    "error": "var(--jp-error-color1, #c62828)",
}
_MOST = 6  # rows and columns of an example that are shown


@dataclass(frozen=True)
class Result:
    """The answer of a check. It is true when the exercise is passed.

    status: "not started", "passed", "wrong" or "error". bug: the short name of a known mistake, or None.
    headline: one sentence. details: more sentences. evidence: verdicts on properties, where they say
    more. example: what the smallest example is, in words, with what it was given `beside` what was
    `expected` and what was `got`. where: the learner's line to look at, with its number. inputs: what the
    example was called with; again: a call that repeats it.
    """

    exercise: str
    status: str
    headline: str
    bug: str | None = None
    details: tuple[str, ...] = ()
    evidence: tuple[Verdict, ...] = ()
    example: str = ""
    beside: tuple[tuple[str, Tensor], ...] = ()
    expected: object = None
    got: object = None
    where: tuple[int, str] | None = None
    inputs: tuple = field(default=(), repr=False)
    again: str = ""

    def __bool__(self) -> bool:
        return self.status == "passed"

    def __repr__(self) -> str:
        lines = [f"{_SIGNS[self.status]} {self.exercise}: {self.headline}"]
        lines += [f"  {line}" for detail in self.details for line in detail.split("\n")]
        if self.example:
            lines += [f"  {self.example}:", *(f"    {line}" for line in _side_by_side(self._tables()))]
        lines += [f"  {verdict!r}" for verdict in self.evidence]
        if self.where:
            lines.append(f"  Look at line {self.where[0]}: {self.where[1]}")
        if self.again:
            lines.append(f"  Try it again with the same numbers: {self.again}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        colour = _COLOURS[self.status]
        say = html.escape
        parts = [
            f'<div style="font-weight: 600">'
            f'<span style="color: {colour}">{_SIGNS[self.status]}</span> '
            f"{say(self.exercise)}: {say(self.headline)}</div>"
        ]
        parts += [f"<div>{say(detail).replace(chr(10), '<br>')}</div>" for detail in self.details]
        if self.example:
            tables = "".join(
                f'<td style="text-align: left; vertical-align: top; padding: 0 24px 0 0">'
                f'<div style="font-weight: 600">{say(name)}</div>{_table(cells)}</td>'
                for name, cells in self._tables()
            )
            parts.append(
                f'<div style="margin-top: 6px">{say(self.example)}:</div><table><tr>{tables}</tr></table>'
            )
        parts += [f"<div>{say(repr(verdict))}</div>" for verdict in self.evidence]
        if self.where:
            line = f"Look at line {self.where[0]}: <code>{say(self.where[1])}</code>"
            parts.append(f'<div style="margin-top: 6px">{line}</div>')
        if self.again:
            parts.append(f"<div>Try it again with the same numbers: <code>{say(self.again)}</code></div>")
        return (
            f'<div style="border-left: 4px solid {colour}; padding: 6px 12px; margin: 4px 0; '
            f'color: var(--jp-ui-font-color1, inherit)">{"".join(parts)}</div>'
        )

    def _tables(self) -> list[tuple[str, "list[list[str]] | str"]]:
        return [
            (name, _cells(x)) for name, x in (*self.beside, ("expected", self.expected), ("got", self.got))
        ]


def _cells(thing) -> list[list[str]] | str:
    """A small matrix of numbers as text, or what the thing is, in words."""
    if not isinstance(thing, Tensor):
        return "nothing" if thing is None else "..." if thing is ... else a(thing)
    thing = thing.detach()
    if thing.ndim == 0:
        return [[_cell(thing)]]
    rows = thing.reshape(-1, thing.shape[-1])  # leading dimensions one below the other
    if rows.numel() == 0:
        return f"a tensor of shape {tuple(thing.shape)}"
    shown = [[_cell(x) for x in row[:_MOST]] + ["…"] * (len(row) > _MOST) for row in rows[:_MOST]]
    return shown + [["…"]] * (len(rows) > _MOST)


def _cell(x: Tensor) -> str:
    if x.dtype == torch.bool:
        return str(bool(x))
    if x.is_complex():
        return str(complex(x))
    return number(x) if x.is_floating_point() else str(int(x))


def _text(cells: list[list[str]] | str) -> list[str]:
    if isinstance(cells, str):
        return [cells]
    widths = [max(len(row[i]) for row in cells if i < len(row)) for i in range(max(map(len, cells)))]
    return ["  ".join(f"{x:>{w}}" for x, w in zip(row, widths, strict=False)) for row in cells]


def _side_by_side(tables: list[tuple[str, list[list[str]] | str]]) -> list[str]:
    columns = [[name, *_text(cells)] for name, cells in tables]
    height = max(map(len, columns))
    widths = [max(map(len, column)) for column in columns]
    padded = [column + [""] * (height - len(column)) for column in columns]
    return [
        "    ".join(f"{x:{w}}" for x, w in zip(row, widths, strict=True)).rstrip()
        for row in zip(*padded, strict=True)
    ]


def _table(cells: list[list[str]] | str) -> str:
    if isinstance(cells, str):
        return html.escape(cells)
    style = 'style="text-align: right; padding: 1px 6px; font-family: monospace"'
    rows = "".join(
        "<tr>" + "".join(f"<td {style}>{html.escape(x)}</td>" for x in row) + "</tr>" for row in cells
    )
    return f"<table>{rows}</table>"
