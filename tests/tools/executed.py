"""A lesson, run in a kernel of its own, with a record of what its widgets do where there is none."""

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from refresh_notebooks import WIDGET, normalise

RECORD = """
import sys
sys.path.append({tools!r})
import recorded
recorded.write({file!r}, {shown!r})
"""


def executed(path: Path) -> tuple[nbformat.NotebookNode, bytes]:
    """The notebook of this file, its cells run, and the record of what it shows (see `recorded`).

    In the metadata of each output with a picture, `model` is the id of the widget it is a picture of.

    Raises: nbclient's CellExecutionError when a cell fails, or the recording.
    """
    book = nbformat.read(path, as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "record"
        client = NotebookClient(
            book,
            timeout=600,
            kernel_name="python3",
            store_widget_state=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(path.parent)}},
        )
        with client.setup_kernel():
            for i, cell in enumerate(book.cells):
                client.execute_cell(cell, i)
            shown = [view["model_id"] for view in _name_models(book)]
            asking = RECORD.format(tools=str(Path(__file__).parent), file=str(file), shown=shown)
            book.cells.append(new_code_cell(asking))
            client.execute_cell(book.cells[-1], len(book.cells) - 1)
        book.cells.pop()
        normalise(book)
        return book, file.read_bytes()


def _name_models(book: nbformat.NotebookNode) -> list[dict]:
    """The views of widgets, whose names are noted beside their pictures."""
    views = []
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            if (view := output.get("data", {}).get(WIDGET)) and "image/png" in output.data:
                output.metadata["model"] = view["model_id"]
                views.append(view)
    return views
