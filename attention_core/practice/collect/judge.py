"""One notebook's answers, run again and checked: the process that `judged.py` starts for each.

What to do comes as JSON on stdin; what was found goes to stdout, a line of JSON as soon as it is known. Then
nothing that is run here can read or write either by its usual name.
"""

import ast
import builtins
import contextlib
import faulthandler
import json
import os
import random
import re
import sys
import time
from json import dumps

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from attention_core._time_limit import TooLong, in_time
from attention_core.practice import check
from attention_core.practice.collect.cells import Cell, bound, imports_apart, needed, symbols
from attention_core.practice.result import Result

_REFUSED = {  # an answer needs none of these, and the table's process is its parent
    "os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn", "os.spawn",
    "os.startfile", "os.system", "pty.spawn", "signal.pthread_kill", "subprocess.Popen",
}  # fmt: skip
_LARGEST_FILE = 64 << 20
_STOPPED = "its cell stopped with {kind}: {message}"
_TOO_LONG = "its cell was ended after {seconds:g} seconds: is there a loop that never ends?"
_NO_NAME = "its cell does not make {names}"
_NO_VERDICT = "the check was replaced: it gave {kind}"
_CHECK = "the check stopped with {kind}: {message}"


class Shell(InteractiveShell):
    """IPython as in a kernel, as far as a cell can tell; it keeps no history."""

    def ask_exit(self) -> None:
        raise SystemExit("exit() would end the kernel")


def _shell() -> Shell:
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.xmode = "Plain"
    return Shell.instance(config=config)


def judged(shell: Shell, notebook: list[Cell], ids: set[str], task: dict, seconds: float) -> dict:
    """The verdict on one exercise: `{"status", "bug", "said"}`.

    notebook: the learner's code cells. ids: those of the lesson's own. task: name, answers and check, as in
    `lessons.Task`. seconds: that a cell may take.
    """
    mine, names = f"exercise-{task['name']}", set(task["answers"])
    makes = {
        cell.id
        for cell in notebook
        if (cell.id == mine and cell.source.strip())
        or (cell.id not in ids and bound(symbols(cell.source)) & names)
    }
    if not makes:
        return {"status": "missing", "bug": None, "said": ""}
    before = notebook[: _asked_at(notebook, task["name"])]
    whole = [part for cell in before for part in ([cell] if cell.id in makes else imports_apart(cell))]
    shell.reset(new_session=False)
    random.seed(0)  # torch begins with a seed of its own
    for cell in needed(whole, makes):
        problem = _run(shell, cell, seconds)
        if problem and cell.id in makes:
            return {"status": "error", "bug": None, "said": problem}
    if gone := sorted(names - set(shell.user_ns)):
        return {"status": "error", "bug": None, "said": _NO_NAME.format(names=", ".join(gone))}
    return _asked(task["check"], {name: shell.user_ns[name] for name in names})


def _asked_at(notebook: list[Cell], name: str) -> int:
    """Up to which cell counts: the check, wherever it stands, but not what is tried out below it."""
    ids = [cell.id for cell in notebook]
    places = [
        ids.index(id) + more for id, more in ((f"check-{name}", 0), (f"exercise-{name}", 1)) if id in ids
    ]
    return max(places, default=len(ids))


def _run(shell: Shell, cell: Cell, seconds: float) -> str:
    """Run a cell; what went wrong, in words, or ""."""
    try:
        done = in_time(lambda: shell.run_cell(cell.source, silent=True), seconds)
        error = done.error_before_exec or done.error_in_exec
    except BaseException as raised:  # a letter that no file can hold; or the time was over between two steps
        error = raised
    if isinstance(error, TooLong):
        return _TOO_LONG.format(seconds=seconds)
    return _STOPPED.format(**_kind(error)) if error else ""


def _asked(source: str, answers: dict) -> dict:
    """What the lesson's own check says: its last line, with our check."""
    try:
        result = eval(_last_line(source), {"check": check, **answers})
        if type(result) is not Result:
            said = _NO_VERDICT.format(kind=type(result).__name__)
            return {"status": "error", "bug": None, "said": said}
        return {"status": result.status, "bug": result.bug, "said": result.headline}
    except BaseException as error:
        return {"status": "error", "bug": None, "said": _CHECK.format(**_kind(error))}


def _last_line(source: str):
    return compile(ast.Expression(ast.parse(source).body[-1].value), "check", "eval")


def _kind(error: BaseException) -> dict[str, str]:
    """What stopped, in the sentence's slots; its own message may stop as well."""
    message = ""
    with contextlib.suppress(Exception):
        message = (error.msg if isinstance(error, SyntaxError) else str(error)).strip()
    return {"kind": type(error).__name__, "message": (message or "no message").split("\n")[0]}


def limit_memory(megabytes: int) -> bool:
    """Whether the system keeps this process below so much: it is tried."""
    try:
        import mmap
        import resource
    except ImportError:
        return False
    size = megabytes << 20
    for kind in ("RLIMIT_DATA", "RLIMIT_AS"):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, kind), (size, size))
            try:
                mmap.mmap(-1, size + (1 << 20), flags=mmap.MAP_PRIVATE).close()
            except (OSError, MemoryError):
                return True
    return False


def limit_the_rest(seconds: float) -> None:
    """No endless file, no core dump, no endless child that got away; and no processes."""
    with contextlib.suppress(ImportError):
        import resource

        end = int(seconds) + 5
        for kind, most in ("RLIMIT_FSIZE", _LARGEST_FILE), ("RLIMIT_CORE", 0), ("RLIMIT_CPU", end):
            with contextlib.suppress(AttributeError, ValueError, OSError):
                resource.setrlimit(getattr(resource, kind), (most, most))
    sys.addaudithook(_refuse)


def _refuse(event: str, _arguments, refused=frozenset(_REFUSED), error=builtins.PermissionError) -> None:
    if event in refused:
        raise error(f"{event}: what is collected starts no process and ends none")


def main() -> None:
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    work = json.load(sys.stdin)
    null = os.open(os.devnull, os.O_RDWR)
    for end in (0, 1, 2):
        os.dup2(null, end)
    me, getpid, leave, here, now = os.getpid(), os.getpid, os._exit, os.getcwd(), time.time

    def tell(**what) -> None:
        if getpid() != me:  # a copy of this process that got away
            leave(0)
        told.write(dumps(what) + "\n")
        told.flush()

    shell = _shell()
    for task in work["tasks"]:
        for line in ast.walk(ast.parse(task["check"])):
            if isinstance(line, ast.Attribute):
                getattr(check, line.attr)  # imported before anything can stand in its place
    notebook = [Cell(id, _python(shell, source)) for id, source in work["cells"]]
    ids = set(work["ids"])
    tell(limited=limit_memory(work["megabytes"]))
    limit_the_rest(work["seconds"])
    for task in work["tasks"]:
        tell(begun=task["name"], at=now())
        faulthandler.dump_traceback_later(work["each"], exit=True, file=null)  # ends what Python cannot
        verdict = judged(shell, notebook, ids, task, work["cell"])
        faulthandler.cancel_dump_traceback_later()
        said = re.sub(r"0x[0-9a-fA-F]+", "0x…", str(verdict["said"]).replace(here, "."))[:200]
        tell(judged=task["name"], **(verdict | {"said": said}))
    told.flush()
    os._exit(0)  # whatever threads there are


def _python(shell: Shell, source: str) -> str:
    """The cell without IPython's own signs, so that its names can be read."""
    try:
        return shell.transform_cell(source)
    except (SyntaxError, ValueError):
        return source


if __name__ == "__main__":
    main()
