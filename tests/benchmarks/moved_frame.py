"""How long from a key that moves the frame to picture and map painted: ours and an echo, side by side.

python tests/benchmarks/moved_frame.py [--moves 40]

Everything happens in one JupyterLab and one page, in turns, so that a busy machine slows all alike.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
sys.path.insert(0, str(Path(__file__).resolve().parent))
from lab import CHROMIUM, Lab, Notebook, running_chromium, running_lab
from slider_latency import ECHO, Row
from typed_letter import WATCH

ROUNDS = 5
PER_ECHO = 1.5
COMMON = """
import torch
import ipywidgets as widgets
from attention_core.live import PictureExplorer
from attention_core.live.explorers import picture

torch.set_num_threads(1)
picture.KEPT = 1  # each move asks the model anew
"""
OURS = "PictureExplorer(frame=0)"  # an untrained model takes as long


def moves(notebook: Notebook, row: Row, n: int, times: int) -> None:
    """To the right and back, in the n-th cell after the common one; the first two warm up."""
    cell = notebook.page.locator(".jp-CodeCell").nth(n + 1)
    cell.evaluate("cell => cell.scrollIntoView({ block: 'center' })")
    output = cell.locator(".jp-Cell-outputArea")
    ours = output.locator(".pc-grid").count()
    output.locator(".pc-cell[tabindex='0'], .noUi-handle").first.focus()
    if ours:
        notebook.page.keyboard.press("Home")
    for i in range(-2, times + times % 2):
        output.evaluate("output => watch(output)")
        key = "ArrowLeft" if i % 2 else "ArrowRight"
        notebook.page.keyboard.press(f"Shift+{key}" if ours else key)
        took = notebook.page.evaluate("watched")
        if i >= 0:
            row.times.append(took)
        notebook.page.wait_for_timeout(60)  # nothing of one move is left when the next begins


def measure(lab: Lab, times: int) -> tuple[list[Row], list[str]]:
    """The table's rows, and remarks on what did not go as it should."""
    rows = [Row("ours: frame moved → picture and map painted"), Row("an echo: a number, nothing else")]
    with running_chromium() as chromium:
        context = chromium.new_context(viewport={"width": 1280, "height": 1000})
        context.add_init_script(WATCH.replace('(".ah")', '(".ah, .pc")'))
        notebook = Notebook(context, lab, lab.write("moved.ipynb", [COMMON, OURS, ECHO]))
        notebook.run_all()
        problems = [str(error) for error in notebook.cell_errors()]
        notebook.widget(".attention-picture")
        for i in range(rounds := min(ROUNDS, times)):
            share = times * (i + 1) // rounds - times * i // rounds
            for n, row in enumerate(rows):
                moves(notebook, row, n, share)
        problems += notebook.errors
        notebook.close()
    return rows, problems


def main() -> int:
    """Measure, print the table and the target; 1 only when something did not work."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--moves", type=int, default=40)
    parser.add_argument("--smoke", action="store_true", help="a few moves: does everything still work?")
    arguments = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("no Chromium on this machine: apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch, running_lab(Path(scratch)) as lab:
        rows, problems = measure(lab, 2 if arguments.smoke else arguments.moves)
    print(f"{'milliseconds':<46}{'median':>10}{'p95':>10}{'n':>8}")
    print(*rows, sep="\n")
    ours, echo = rows
    print(f"\nmedian: {ours.median / echo.median:.2f} × {echo.name}")
    met = "met   " if ours.median <= PER_ECHO * echo.median else "MISSED"
    print(f"{met} median at most {PER_ECHO:g} × the echo’s")
    for problem in problems:
        print(f"! {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
