"""`python -m attention_core.practice.collect FOLDER`: the table of a class, from its notebooks."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from attention_core.practice.collect import drawn, handed_in, table
from attention_core.practice.collect.handed_in import Book, File, Unread
from attention_core.practice.collect.judged import Judges, Limits
from attention_core.practice.collect.lessons import SHIPPED, Lesson, lessons, question, which
from attention_core.practice.collect.table import Row

_FOREIGN = "it belongs to no lesson"
_BEGUN = "Notebooks to collect: {n}"
_DONE = "Notebooks collected: {read}. Files that could not be: {unread}. See {pages}."
_NO_MEMORY = "Memory was not limited: this system does not offer it."
_STOPPED = "Stopped: nothing was written."
_BAR = 30  # letters
_LEAST = 512  # megabytes: torch alone takes half of it


def collect(folder: Path, every: list[Lesson], judges: Judges, progress=lambda done, of: None) -> list[Row]:
    """A row for each file of the folder, sorted by name. progress: told how many are done, of how many."""
    found: dict[File, Row] = {}
    books: dict[File, tuple[Lesson, Book]] = {}
    for file in handed_in.files(folder):
        try:
            books[file] = _opened(file, every)
        except Unread as why:
            found[file] = Row(file.learner, str(why))
        else:
            found[file] = Row(file.learner)
    progress(0, len(books))
    verdicts = judges.all([*books.values()])
    for done, (file, (lesson, book)) in enumerate(books.items(), 1):
        found[file] = Row(file.learner, "", lesson, _chosen(lesson, book), next(verdicts))
        progress(done, len(books))
    verdicts.close()
    return [*found.values()]


def _opened(file: File, every: list[Lesson]) -> tuple[Lesson, Book]:
    if file.problem or file.path is None:
        raise Unread(file.problem)
    book = handed_in.read(file.path)
    lesson = which(every, book.ids)
    if lesson is None:
        raise Unread(_FOREIGN)
    return lesson, book


def _chosen(lesson: Lesson, book: Book) -> dict[str, tuple[str, bool]]:
    """What was chosen, and whether it was right, where question and options are the lesson's own."""
    found = {}
    for asked, (choice, computed) in handed_in.choices(book).items():
        one = question(lesson, asked)
        if one and {choice, computed} <= {*one.options}:
            found[one.name] = choice, choice == computed
    return found


def _progress(done: int, of: int) -> None:
    if not sys.stderr.isatty():
        if not done:
            print(_BEGUN.format(n=of), file=sys.stderr)
        return
    full = _BAR * done // max(of, 1)
    print(f"\r[{'#' * full:{_BAR}}] {done}/{of}", end="\n" if done == of else "", file=sys.stderr, flush=True)


def _write(path: Path, text: str) -> None:
    """All of the file at once: whoever has it open sees the old one or the new one."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, delete=False
    ) as file:
        file.write(text)
    os.replace(file.name, path)
    path.chmod(0o644)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m attention_core.practice.collect", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the notebooks are, in folders or not")
    parser.add_argument(
        "--predictions", action="store_true", help="also predictions.html: how many chose what"
    )
    parser.add_argument("--lessons", type=Path, default=SHIPPED, help="the lessons as they were handed out")
    limits = Limits()
    for name, kind in ("seconds", float), ("megabytes", int):
        default = getattr(limits, name)
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"for a notebook; {default:g}")
    given = parser.parse_args()
    if not given.folder.is_dir():
        parser.error(f"{given.folder} is no folder")
    if given.seconds <= 0 or given.megabytes < _LEAST:
        parser.error(f"give seconds above 0 and {_LEAST} megabytes or more")
    judges = Judges(Limits(given.seconds, given.megabytes))
    try:
        every = lessons(given.lessons)
    except ValueError as problem:
        parser.error(str(problem))
    try:
        rows = collect(given.folder, every, judges, _progress)
    except KeyboardInterrupt:  # the processes are ended
        print(_STOPPED, file=sys.stderr)
        return 130
    pages = {
        "collected.csv": "\ufeff" + table.as_csv(rows),  # the mark tells Excel that it is UTF-8
        "collected.html": drawn.as_page(rows, judges.limits, judges.limited),
    }
    if given.predictions:
        pages["predictions.html"] = drawn.as_bars(rows)
    for name, text in pages.items():
        _write(given.folder / name, text)
    read = sum(row.lesson is not None for row in rows)
    print(_DONE.format(read=read, unread=len(rows) - read, pages=", ".join(pages)))
    if not judges.limited:
        print(_NO_MEMORY)
    return 0


if __name__ == "__main__":
    sys.exit(main())
