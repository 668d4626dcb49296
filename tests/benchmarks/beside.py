"""A key pressed in ours and in an echo, in turns: how long until all maps of the output are painted anew."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
sys.path.insert(0, str(Path(__file__).resolve().parent))
from lab import CHROMIUM, Lab, Notebook, running_chromium, running_lab
from slider_latency import Row

ROUNDS = 5

# From the key press to the frame in which every view of the output that is watched has been painted anew: a
# message posted as a frame begins is handled when its painting is done.
WATCH = """
window.watch = (output, views) => {
    const started = new Promise((resolve) =>
        window.addEventListener("keydown", () => resolve(performance.now()), { capture: true, once: true }));
    const drawn = [...output.querySelectorAll(views)].map((view) => new Promise((resolve) => {
        const observer = new MutationObserver(() => { observer.disconnect(); resolve(); });
        observer.observe(view, { attributes: true, attributeFilter: ["data-frames"] });
    }));
    const painted = Promise.all(drawn).then(() => new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => { port1.close(); resolve(performance.now()); };
        requestAnimationFrame(() => port2.postMessage(0));
    }));
    const both = Promise.all([started, painted]).then(([from, to]) => to - from);
    const late = new Promise((_, no) => setTimeout(() => no(new Error("nothing was painted")), 30_000));
    window.watched = Promise.race([both, late]);
};
"""


@dataclass(frozen=True)
class Thing:
    """What is measured: its row's name, its cell, where keys go, and which, in turns; all back at the end."""

    name: str
    code: str
    focus: str
    keys: Sequence[str]
    first: str = "End"  # pressed before them
    views: str = ".ah"

    def press(self, notebook: Notebook, n: int, row: Row, times: int) -> None:
        """In the n-th cell after the common one; the first two presses of each visit warm up."""
        cell, page = notebook.page.locator(".jp-CodeCell").nth(n + 1), notebook.page
        cell.evaluate("cell => cell.scrollIntoView({ block: 'center' })")
        output = cell.locator(".jp-Cell-outputArea")
        output.locator(self.focus).first.focus()
        page.keyboard.press(self.first)
        page.wait_for_timeout(200)
        for i in range(-2, times):
            output.evaluate("(output, views) => watch(output, views)", self.views)
            page.keyboard.press(self.keys[i % len(self.keys)])
            took = page.evaluate("watched")
            if i >= 0:
                row.times.append(took)
            page.wait_for_timeout(60)  # nothing of one press is left when the next begins


def measure(lab: Lab, common: str, things: Sequence[Thing], times: int) -> tuple[list[Row], list[str], str]:
    """The table's rows, what did not go as it should, and what the common cell's `took(times)` says."""
    rows = [Row(thing.name) for thing in things]
    with running_chromium() as chromium:
        context = chromium.new_context(viewport={"width": 1280, "height": 1000})
        context.add_init_script(WATCH)
        notebook = Notebook(
            context, lab, lab.write("beside.ipynb", [common, *(thing.code for thing in things)])
        )
        notebook.run_all()
        problems = [str(error) for error in notebook.cell_errors()]
        notebook.widget(".attention-explorer")
        for _ in range(rounds := min(ROUNDS, times // 2)):
            for n, (thing, row) in enumerate(zip(things, rows, strict=True)):
                thing.press(notebook, n, row, 2 * (times // rounds // 2))
        computed = notebook.execute(f"print(*took({times}) if 'took' in globals() else ())")
        problems += notebook.errors
        notebook.close()
    return rows, problems, computed


def main(doc: str, common: str, things: Sequence[Thing], per_echo: float, within: float | None = None) -> int:
    """Measure, print the table and the targets; 1 only when something did not work.

    Args: per_echo: the target for the first thing, in medians of the second; within: that for what the kernel
        computes, in milliseconds.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presses", type=int, default=40)
    parser.add_argument("--smoke", action="store_true", help="a few presses: does everything still work?")
    arguments = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("no Chromium on this machine: apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch, running_lab(Path(scratch)) as lab:
        rows, problems, computed = measure(lab, common, things, 4 if arguments.smoke else arguments.presses)
    ours, echo = rows
    if computed.strip():
        rows.append(compute := Row("of it, computing in the kernel"))
        compute.times += map(float, computed.split())
    print(f"{'milliseconds':<46}{'median':>10}{'p95':>10}{'n':>8}")
    print(*rows, sep="\n")
    print(f"\nmedian: {ours.median / echo.median:.2f} × {echo.name}")
    targets = [(ours.median <= per_echo * echo.median, f"median at most {per_echo:g} × the echo’s")]
    if within is not None:
        targets.append((compute.median <= within, f"computed within {within:g} ms"))
    for met, target in targets:
        print(f"{'met   ' if met else 'MISSED'} {target}")
    for problem in problems:
        print(f"! {problem}")
    return 1 if problems else 0
