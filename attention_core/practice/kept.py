"""Choices that outlive a kernel: a file beside the notebook, read by nobody else and never by a test.

A Jupyter server tells each kernel that it starts which notebook it belongs to; nbval, nbconvert and scripts
do not, and so nothing is kept and nothing is read there.
"""

import json
import os
import tempfile
from pathlib import Path

FOLDER = ".predictions"


def place() -> Path | None:
    """Where the choices of this notebook are kept, or None where no server says which notebook it is."""
    notebook = os.environ.get("JPY_SESSION_NAME", "")
    if not notebook.endswith(".ipynb"):
        return None
    path = Path(notebook)
    return path.parent / FOLDER / f"{path.stem}.json"


def read(path: Path | None) -> dict[str, dict]:
    """What is kept of each question: `{"options": [str], "chosen": str, "revealed": bool}`.

    A file that nobody can read, or that holds something else, keeps nothing.
    """
    try:
        kept = json.loads(path.read_text("utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    whole = kept.items() if isinstance(kept, dict) else ()
    return {question: choice for question, choice in whole if _is_choice(choice)}


def write(path: Path | None, question: str, choice: dict) -> None:
    """Keep one choice beside the others, all of the file at once: another window may be writing, too.

    Where the folder cannot be written to, the choice lives as long as its kernel.
    """
    if not path:
        return
    try:
        path.parent.mkdir(exist_ok=True)
        text = json.dumps(read(path) | {question: choice}, ensure_ascii=False, indent=1)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(text)
        os.replace(file.name, path)
    except OSError:
        pass


def forget(path: Path | None) -> None:
    """Keep nothing of this notebook any more."""
    try:
        if path:
            path.unlink(missing_ok=True)
    except OSError:
        pass


def _is_choice(kept) -> bool:
    return (
        isinstance(kept, dict)
        and isinstance(kept.get("options"), list)
        and isinstance(kept.get("chosen"), str)
        and isinstance(kept.get("revealed"), bool)
    )
