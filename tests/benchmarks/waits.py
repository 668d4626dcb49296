"""How long a learner waits: seconds of one core that the cells of each lesson take, the long ones by name.

python tests/benchmarks/waits.py [--least 2]

It is the kernel's own time that is counted, in one thread, so that other work on the machine adds little. The
teaching guide's table of waits has these figures.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
import nbformat
import psutil
from lab import NOTEBOOKS
from nbclient import NotebookClient

LEAST = 2.0  # seconds: who waits less does not notice


def of_cells(path: Path) -> dict[str, float]:
    """Seconds of each cell of code, by its id."""
    book = nbformat.read(path, as_version=4)
    client = NotebookClient(book, timeout=600, resources={"metadata": {"path": str(path.parent)}})
    took = {}
    with client.setup_kernel():
        kernel = psutil.Process(client.km.provisioner.process.pid)
        for i, cell in enumerate(book.cells):
            if cell.cell_type == "code":
                before = sum(kernel.cpu_times()[:2])
                client.execute_cell(cell, i)
                took[cell.id] = sum(kernel.cpu_times()[:2]) - before
    return took


def main() -> int:
    """Print a line for each lesson: all seconds, and the cells that take the least or more."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--least", type=float, default=LEAST)
    parser.add_argument("--smoke", action="store_true", help="all cells of the first lesson, no other")
    arguments = parser.parse_args()
    least = 0.0 if arguments.smoke else arguments.least
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    os.environ.pop("JPY_SESSION_NAME", None)  # nobody's choices: practice/kept.py
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))[: 1 if arguments.smoke else None]:
        took = of_cells(path)
        long = [f"`{name}` {seconds:.0f}" for name, seconds in took.items() if seconds >= least]
        print(f"{path.stem:<28}{sum(took.values()):>6.0f}   {', '.join(long)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
