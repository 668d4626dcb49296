"""What was handed in: the files of a folder, and what each of them holds, or why it cannot be read."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from attention_core.practice.collect.cells import Cell
from attention_core.practice.prediction import recorded

OUTPUTS = "collected.csv", "collected.html", "predictions.html"
LARGEST = 50  # megabytes that are read of a file; the lessons have up to three
_FEW = 3  # files that are no notebooks and are named, of a folder; a home has hundreds
_FOLDER = "a folder, no notebook"
_LINKED = "a link to a folder, which is not followed"
_NO_FILE = "no file that could be read: a pipe, a device, or a link to nowhere"
_NO_NOTEBOOK = "no notebook"
_EMPTY = "no notebook: the file is empty"
_NO_CELLS = "no notebook: there are no cells in it"
_NO_IDS = "its cells have no ids: it was saved in an older format, or by another program"
_LARGE = "not read: it is larger than {limit} MB"
_DENIED = "not read: {reason}"
_MANY = "{n} files that are no notebooks"


class Unread(Exception):
    """Why a file cannot be collected, in words."""


@dataclass(frozen=True)
class File:
    """One thing that was handed in: whose it is, and where; problem: why it is not read, or ""."""

    learner: str
    path: Path | None
    problem: str = ""


@dataclass(frozen=True)
class Book:
    """A notebook: all ids, the code cells, and the texts of their stored outputs."""

    ids: frozenset[str]
    cells: tuple[Cell, ...]
    said: tuple[str, ...]


def files(folder: Path) -> list[File]:
    """All there is in a folder and below, sorted; what is hidden, and what we wrote ourselves, left out.

    Each file in the folder itself counts. Below it, where a hub keeps homes with all that belongs to the
    lessons, a folder with more than a few things that are no notebooks has a line that counts them.
    """
    found, others = [], {}
    for path, problem in _below(folder):
        place = path.relative_to(folder)
        if problem == _NO_NOTEBOOK and len(place.parts) > 1 and path.suffix != ".ipynb":
            others.setdefault(place.parts[0], []).append((place, path))
        else:
            found.append((place, path, problem))
    for top, many in others.items():
        few = [(place, path, _NO_NOTEBOOK) for place, path in many]
        found += few if len(few) <= _FEW else [(Path(top), None, _MANY.format(n=len(few)))]
    stems = Counter(place.with_suffix("") for place, path, _ in found if path)
    alone = (
        (place.with_suffix("") if path and stems[place.with_suffix("")] == 1 else place)
        for place, path, _ in found
    )
    named = [File(one_line(name.as_posix()), *rest) for name, (_, *rest) in zip(alone, found, strict=True)]
    return sorted(named, key=lambda file: (file.learner.casefold(), file.learner, file.problem))


def _below(folder: Path) -> Iterator[tuple[Path, str]]:
    for at, folders, names in os.walk(folder):
        here = Path(at)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            if (here / name).is_symlink():
                yield here / name, _LINKED
            elif name.endswith(".ipynb"):
                yield here / name, _FOLDER
        for name in sorted(names):
            if not name.startswith(".") and not (here == folder and name in OUTPUTS):
                yield here / name, _looked_at(here / name)


def _looked_at(path: Path) -> str:
    """Why it is no notebook, as far as its first letters tell, or ""."""
    try:
        if not path.is_file():
            return _NO_FILE
        with path.open("rb") as file:
            start = file.read(1024)
    except OSError as error:
        return _DENIED.format(reason=error.strerror)
    if not start:
        return _EMPTY if path.suffix == ".ipynb" else _NO_NOTEBOOK
    return "" if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{" else _NO_NOTEBOOK


def read(path: Path) -> Book:
    """The notebook. Nothing in it is trusted to be as it should. Raises: Unread."""
    try:
        if path.stat().st_size > LARGEST * 10**6:
            raise Unread(_LARGE.format(limit=LARGEST))
        book = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise Unread(_DENIED.format(reason=error.strerror)) from None
    except (ValueError, RecursionError, MemoryError):
        raise Unread(_NO_NOTEBOOK) from None
    listed = book.get("cells") if isinstance(book, dict) else None
    cells = [cell for cell in listed if isinstance(cell, dict)] if isinstance(listed, list) else []
    if not cells:
        raise Unread(_NO_CELLS)
    named = [cell for cell in cells if isinstance(cell.get("id"), str)]
    if not named:
        raise Unread(_NO_IDS)
    code = [cell for cell in named if cell.get("cell_type") == "code"]
    said = (text for cell in code for text in _texts(cell.get("outputs")))
    ids = frozenset(cell["id"] for cell in named)
    return Book(ids, tuple(Cell(cell["id"], _text(cell.get("source"))) for cell in code), (*said,))


def choices(book: Book) -> dict[str, tuple[str, str]]:
    """What was chosen and what was computed, by the question, as the first reveal recorded it."""
    found: dict[str, tuple[str, str]] = {}
    for record in (record for text in book.said for record in recorded(text)):
        if all(isinstance(record[key], str) for key in ("question", "chosen", "computed")):
            found.setdefault(record["question"], (record["chosen"], record["computed"]))
    return found


def one_line(text: str) -> str:
    """The text in letters that can be shown and written, whatever a file's name or an error holds."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _texts(outputs) -> Iterator[str]:
    for output in outputs if isinstance(outputs, list) else ():
        if isinstance(output, dict):
            data = output.get("data")
            yield _text(data.get("text/plain") if isinstance(data, dict) else output.get("text"))


def _text(lines) -> str:
    """A text as notebooks store it: whole, or in lines."""
    if isinstance(lines, list):
        lines = "".join(line for line in lines if isinstance(line, str))
    return lines if isinstance(lines, str) else ""
