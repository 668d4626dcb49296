"""How much memory each lesson takes, run to its end: its kernel at its largest, beside the server's.

python tests/benchmarks/lesson_memory.py

Binder gives a visitor 1 GB for certain, and 2 at most. Kernels run as `binder/start` has them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
sys.path.insert(0, str(Path(__file__).resolve().parent))
import nbformat
import psutil
from classroom import memory
from lab import NOTEBOOKS, running_lab
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

MOST = 1000  # MB
LARGEST = """
import resource as _resource
import sys as _sys
_peak = _resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss  # KB; bytes on a Mac
print(_peak / (1e6 if _sys.platform == "darwin" else 1e3))
"""


def of_server() -> float:
    """MB of a JupyterLab that has no notebook open yet."""
    with tempfile.TemporaryDirectory() as scratch, running_lab(Path(scratch)):
        return sum(memory(child) for child in psutil.Process().children())


def of_lesson(path: Path) -> tuple[float, float]:
    """MB of its kernel at the largest, and seconds that its cells took."""
    book = nbformat.read(path, as_version=4)
    book.cells.append(new_code_cell(LARGEST))
    began = time.perf_counter()
    NotebookClient(book, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    return float(book.cells[-1].outputs[0].text), time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="the first lesson only")
    lessons = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))[: 1 if parser.parse_args().smoke else None]
    os.environ.pop("JPY_SESSION_NAME", None)  # nobody's choices: practice/kept.py
    start = [NOTEBOOKS.parent / "binder/start", "env", "-0"]
    variables = subprocess.run(start, capture_output=True, text=True, check=True).stdout.split("\0")
    os.environ |= dict(one.split("=", 1) for one in variables if one)
    server = of_server()
    print(f"{'lesson':<28}{'kernel MB':>12}{'with server':>14}{'seconds':>10}")
    over = 0
    for path in lessons:
        kernel, seconds = of_lesson(path)
        over += kernel + server > MOST
        print(f"{path.stem:<28}{kernel:>12.0f}{kernel + server:>14.0f}{seconds:>10.0f}", flush=True)
    print(f"\n{'MISSED' if over else 'met   '} each under {MOST} MB with the server")
    return 0


if __name__ == "__main__":
    sys.exit(main())
