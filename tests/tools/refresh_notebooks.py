"""Re-execute the stored notebooks and normalise them, so that a diff shows only what changed.

python tests/tools/refresh_notebooks.py                     # all of them
python tests/tools/refresh_notebooks.py notebooks/01*.ipynb # some
"""

import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def normalise(book: nbformat.NotebookNode) -> None:
    """Keep what a reader sees: sources, ids, slides, counts 1…n, outputs; drop what changes by itself."""
    book.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": {"name": "python"}})
    for cell in book.cells:
        cell.metadata = nbformat.from_dict(
            {name: cell.metadata[name] for name in ("jupyter", "slideshow", "tags") if name in cell.metadata}
        )
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                # the view belongs to a kernel that is gone; the picture beside it is what can be shown
                output.data.pop(WIDGET, None)


def refresh(path: Path) -> None:
    """Run one notebook in a fresh kernel, from its own folder, and store what it printed and drew.

    Raises: CellExecutionError, the file untouched, when a cell fails.
    """
    book = nbformat.read(path, as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    NotebookClient(
        book,
        timeout=600,
        kernel_name="python3",
        store_widget_state=False,
        coalesce_streams=True,  # how a text was cut into messages depends on the moment
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    normalise(book)
    nbformat.validate(book)
    path.write_text(nbformat.writes(book, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Refresh the notebooks named on the command line, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path)
    os.environ.pop(
        "JPY_SESSION_NAME", None
    )  # run from a notebook, this has nobody's choices: practice/kept.py
    failed = 0
    for path in parser.parse_args().notebooks or sorted(NOTEBOOKS.glob("*.ipynb")):
        start = time.monotonic()
        try:
            refresh(path)
        except CellExecutionError as error:
            failed += 1
            print(f"{path.name}: not stored, a cell failed\n{error}", file=sys.stderr)
        else:
            print(f"{path.name}: {time.monotonic() - start:.0f} s, {path.stat().st_size / 1000:.0f} KB")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
