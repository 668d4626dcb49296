"""How long from a letter typed to its translation, both maps painted: ours and an echo, side by side.

python tests/benchmarks/typed_letter.py [--letters 40]

Everything happens in one JupyterLab and one page, in turns, so that a busy machine slows all alike. What the
kernel computes for a letter is measured there, too, on one thread.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
sys.path.insert(0, str(Path(__file__).resolve().parent))
from lab import CHROMIUM, Lab, Notebook, running_chromium, running_lab
from slider_latency import Row

ROUNDS = 5
TEXT = "tuesday, 3 march 199"  # then a letter comes and goes

COMMON = f"""
import time
import anywidget, torch, traitlets
import ipywidgets as widgets
from attention_core.live import TranslationExplorer
from attention_core.positional_encoding import SinusoidalEncoding
from attention_core.tasks import Dates
from attention_core.transformer import EncoderDecoder

torch.set_num_threads(1)
torch.manual_seed(0)
sizes = len(Dates.SOURCE), len(Dates.TARGET), 48, 2
model = EncoderDecoder(*sizes, positions=SinusoidalEncoding(48))  # what it writes takes as long untrained
TEXT = {TEXT!r}
"""
OURS = "dates = TranslationExplorer(model, TEXT)\ndates"
# The floor: a page, a kernel, and between them a text that is only written down.
ECHO = '''
class Echo(anywidget.AnyWidget):
    _esm = """
    export default { render({ model, el }) {
        const root = document.createElement("div");
        root.className = "ah";
        el.append(root);
        const draw = () => {
            root.textContent = model.get("text");
            root.dataset.frames = String(Number(root.dataset.frames ?? 0) + 1);
        };
        model.on("change:text", draw);
        draw();
    } };
    """
    text = traitlets.Unicode().tag(sync=True)

echo, typed = Echo(), widgets.Text(value=TEXT, continuous_update=True)
typed.observe(lambda change: setattr(echo, "text", change.new), "value")
widgets.VBox([typed, echo])
'''
COMPUTE = """
from attention_core.live.translated import translated
took = []
for i in range(N):
    began = time.perf_counter()
    translated(model, TEXT + str(i % 10), dates.task)
    took.append(1000 * (time.perf_counter() - began))
print(*took)
"""

# From the key press to the frame in which every map of the output has been painted anew: a message posted as
# a frame begins is handled when its painting is done.
WATCH = """
window.watch = (output) => {
    const started = new Promise((resolve) =>
        window.addEventListener("keydown", () => resolve(performance.now()), { capture: true, once: true }));
    const drawn = [...output.querySelectorAll(".ah")].map((map) => new Promise((resolve) => {
        const observer = new MutationObserver(() => { observer.disconnect(); resolve(); });
        observer.observe(map, { attributes: true, attributeFilter: ["data-frames"] });
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


def letters(notebook: Notebook, row: Row, n: int, times: int) -> None:
    """Type a letter and take it away again, in the n-th cell after the common one; the first two warm up."""
    cell = notebook.page.locator(".jp-CodeCell").nth(n + 1)
    cell.evaluate("cell => cell.scrollIntoView({ block: 'center' })")
    output = cell.locator(".jp-Cell-outputArea")
    output.locator("input[type=text]").first.focus()
    notebook.page.keyboard.press("End")
    for i in range(-2, times):
        output.evaluate("output => watch(output)")
        notebook.page.keyboard.press("Backspace" if i % 2 else str((i // 2) % 10))
        took = notebook.page.evaluate("watched")
        if i >= 0:
            row.times.append(took)
        notebook.page.wait_for_timeout(60)  # nothing of one letter is left when the next begins
    if times % 2:
        output.evaluate("output => watch(output)")
        notebook.page.keyboard.press("Backspace")
        notebook.page.evaluate("watched")


def measure(lab: Lab, times: int) -> tuple[list[Row], list[str]]:
    """The table's rows, and remarks on what did not go as it should."""
    rows = ours, echo, compute = [
        Row("ours: letter typed → both maps painted"),
        Row("an echo: the text, nothing else"),
        Row("of it, computing in the kernel"),
    ]
    with running_chromium() as chromium:
        context = chromium.new_context(viewport={"width": 1280, "height": 1000})
        context.add_init_script(WATCH)
        notebook = Notebook(context, lab, lab.write("typed.ipynb", [COMMON, OURS, ECHO]))
        notebook.run_all()
        problems = [str(error) for error in notebook.cell_errors()]
        notebook.widget(".attention-translation")
        for i in range(rounds := min(ROUNDS, times)):
            share = times * (i + 1) // rounds - times * i // rounds
            for n, row in enumerate((ours, echo)):
                letters(notebook, row, n, share)
        compute.times += map(float, notebook.execute(COMPUTE.replace("N", str(times), 1)).split())
        problems += notebook.errors
        notebook.close()
    return rows, problems


def main() -> int:
    """Measure, print the table and the targets; 1 only when something did not work."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--letters", type=int, default=40)
    parser.add_argument("--smoke", action="store_true", help="a few letters: does everything still work?")
    arguments = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("no Chromium on this machine: apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch, running_lab(Path(scratch)) as lab:
        rows, problems = measure(lab, 3 if arguments.smoke else arguments.letters)
    print(f"{'milliseconds':<46}{'median':>10}{'p95':>10}{'n':>8}")
    print(*rows, sep="\n")
    ours, echo, compute = rows
    print(f"\nmedian: {ours.median / echo.median:.2f} × {echo.name}")
    for met, target in (
        (ours.median <= 3 * echo.median, "median at most 3 × the echo’s"),
        (compute.median <= 60, "computed within 60 ms"),
    ):
        print(f"{'met   ' if met else 'MISSED'} {target}")
    for problem in problems:
        print(f"! {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
