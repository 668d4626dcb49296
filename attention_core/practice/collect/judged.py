"""The verdicts on a notebook's exercises, from processes that may end in any way."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import attention_core
from attention_core.practice.collect.handed_in import Book, one_line
from attention_core.practice.collect.lessons import Lesson, Task

_JUDGE = "attention_core.practice.collect.judge"
_FAILED = "not judged: {kind}: {message}. Please report it."
_START = 120.0  # seconds until torch is loaded, which a busy machine may take; they do not count
_LOOK = 0.02  # seconds between two looks at a process
_MOST = 1 << 20  # bytes that are read of what a process tells
_STATUSES = "passed", "wrong", "not started", "error", "missing"
_BUG = re.compile(r"[a-z0-9-]{1,40}")
_ENDED = "the process ended: an exit, or too much memory"
_LATE = "it was ended after {seconds:g} seconds"
_NO_TIME = "not judged: no time was left"
_NOT_STARTED = "not judged: the process for it did not start"


@dataclass(frozen=True)
class Limits:
    """Seconds that a notebook may take, and megabytes that its process may hold."""

    seconds: float = 120.0
    megabytes: int = 2048

    @property
    def each(self) -> float:
        """Seconds for an exercise: one that never ends leaves time for the others."""
        return self.seconds / 2

    @property
    def cell(self) -> float:
        """Seconds for a cell, which Python ends where it can."""
        return self.seconds / 4


@dataclass(frozen=True)
class Verdict:
    """What became of an exercise; bug: the mistake's name, if it has one; said: more in a sentence, or ""."""

    status: str
    bug: str | None = None
    said: str = ""

    @property
    def words(self) -> str:
        return self.bug or (self.said if self.status == "error" else self.status)


@dataclass
class Judges:
    """Starts the processes, and ends them. limited: whether the system kept memory below the limit."""

    limits: Limits

    def __post_init__(self):
        self.limited = True
        self._over = False
        self._running: set[subprocess.Popen] = set()

    def all(self, books: list[tuple[Lesson, Book]]) -> Iterator[dict[str, Verdict]]:
        """The verdicts on each, in their order, as many at a time as there are cores."""
        pool = ThreadPoolExecutor(_cores())
        try:
            yield from pool.map(lambda both: self._whatever_happens(*both), books)
        finally:  # the teacher may have had enough
            self._over = True
            pool.shutdown(wait=False, cancel_futures=True)
            for process in [*self._running]:
                _end(process)
            pool.shutdown()

    def _whatever_happens(self, lesson: Lesson, book: Book) -> dict[str, Verdict]:
        try:
            return self.verdicts(lesson, book)
        except Exception as error:  # a mistake of ours costs a row as well, not the table
            said = one_line(_FAILED.format(kind=type(error).__name__, message=error))
            return {task.name: Verdict("error", None, said) for task in lesson.tasks}

    def verdicts(self, lesson: Lesson, book: Book) -> dict[str, Verdict]:
        """By the exercise's name. What ends a process costs that exercise; another process does the rest."""
        found = {task.name: Verdict("not started") for task in lesson.tasks if _untouched(task, lesson, book)}
        tasks, seconds = [task for task in lesson.tasks if task.name not in found], self.limits.seconds
        while tasks and not self._over:
            lines, took = self._lines(self._work(lesson, book, tasks), seconds) if seconds > 0 else ([], 0.0)
            seconds -= took
            new = self._told(lines, tasks)
            if not new:
                said = _NOT_STARTED if seconds > 0 else _NO_TIME
                new = {task.name: Verdict("error", None, said) for task in tasks}
            found |= new
            tasks = [task for task in tasks if task.name not in found]
        return {task.name: found[task.name] for task in lesson.tasks if task.name in found}

    def _told(self, lines: list[dict], tasks: list[Task]) -> dict[str, Verdict]:
        """What one process found before it ended, and the exercise in which it ended."""
        found: dict[str, Verdict] = {}
        now, at, asked = time.time(), time.time(), None
        names = [task.name for task in tasks]  # what is told may be of any kind, so no set
        for line in lines:
            self.limited &= line.get("limited", True) is not False
            new = line.get("begun") in names and line["begun"] not in found
            if new and isinstance(line.get("at"), float):
                asked, at = line["begun"], line["at"]
            if asked and line.get("judged") == asked and (verdict := _verdict(line)):
                found[asked], asked = verdict, None
        if asked:
            said = _LATE.format(seconds=self.limits.each) if now - at >= self.limits.each else _ENDED
            found[asked] = Verdict("error", None, said)
        return found

    def _work(self, lesson: Lesson, book: Book, left: list[Task]) -> dict:
        tasks = [{"name": task.name, "answers": task.answers, "check": task.check} for task in left]
        limits = {name: getattr(self.limits, name) for name in ("seconds", "each", "cell", "megabytes")}
        cells = [(cell.id, cell.source) for cell in book.cells]
        return {"cells": cells, "ids": sorted(lesson.ids), "tasks": tasks, **limits}

    def _lines(self, work: dict, seconds: float) -> tuple[list[dict], float]:
        """What a process says of this work, however it ends; and how many of these seconds it took."""
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch,
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as told,
        ):
            given.write(json.dumps(work).encode())
            given.seek(0)
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", _JUDGE],
                stdin=given, stdout=told, stderr=subprocess.DEVNULL,
                cwd=scratch, env=_environment(scratch), start_new_session=True,
            )  # fmt: skip
            self._running.add(process)
            try:
                self._wait(process, _START, lambda: os.fstat(told.fileno()).st_size)
                begun = time.monotonic()
                self._wait(process, seconds)
                took = time.monotonic() - begun
            finally:
                _end(process)
                self._running.discard(process)
            told.seek(0)
            return [line for raw in told.read(_MOST).splitlines() if (line := _line(raw))], took

    def _wait(self, process: subprocess.Popen, seconds: float, done=lambda: False) -> None:
        """Until the process has ended, or something is done, or the time is over; or all of it."""
        end = time.monotonic() + seconds
        while process.poll() is None and not done() and not self._over and time.monotonic() < end:
            time.sleep(_LOOK)


def _untouched(task: Task, lesson: Lesson, book: Book) -> bool:
    """Whether the stub is as it was handed out, and no other cell so much as names what it should make."""
    mine = [cell.source.strip() for cell in book.cells if cell.id == f"exercise-{task.name}"]
    others = [cell.source for cell in book.cells if cell.id not in lesson.ids]
    named = any(name in source for name in task.answers for source in others)
    return mine == [task.stub.strip()] and not named


def _verdict(line: dict) -> Verdict | None:
    status, bug, said = (line.get(key) for key in ("status", "bug", "said"))
    if status not in _STATUSES or not isinstance(said, str):
        return None
    known = isinstance(bug, str) and _BUG.fullmatch(bug)
    return Verdict(status, bug if known and status == "wrong" else None, one_line(said)[:200])


def _line(raw: bytes) -> dict | None:
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _environment(scratch: str) -> dict[str, str]:
    """That of this process, with a package that is found wherever ours is, and nothing kept at home."""
    root = str(Path(attention_core.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    own = {"PYTHONPATH": path, "PYTHONHASHSEED": "0", "IPYTHONDIR": scratch, "MPLBACKEND": "agg"}
    kept = {name: value for name, value in os.environ.items() if name != "JPY_SESSION_NAME"}
    return {"OMP_NUM_THREADS": "1"} | kept | own


def _end(process: subprocess.Popen) -> None:
    """The process and what it started, as far as that stayed in its group."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
