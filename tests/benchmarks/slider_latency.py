"""How long from a key press on a slider to the painted frame: ours, two usual ways, an echo, side by side.

python tests/benchmarks/slider_latency.py [--presses 40]

Everything happens in one JupyterLab and one page, in turns, so that a busy machine slows all alike.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
from lab import CHROMIUM, Lab, Notebook, running_chromium, running_lab
from playwright.sync_api import Locator

SENTENCE = "the cat sat on the mat because it was tired and hungry"  # 12 words
ROUNDS = 5

# Every way computes the same attention; ours draws it with its numbers and labels, as do the others.
COMMON = f"""
import io, math, time
import ipywidgets as widgets
import matplotlib.pyplot as plt
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from attention_core import scaled_dot_product_attention, words
from attention_core.live import AttentionHeatmap, SelfAttentionExplorer
from attention_core.live import Experiment

tokens = words.split("{SENTENCE}")
query, key, value = words.query_key_value(tokens)

def weights(temperature):
    return scaled_dot_product_attention(query / temperature, key, value)[1]

def draw(ax, shown):
    ax.imshow(shown, vmin=0, vmax=1)
    ax.set_xticks(range(12), tokens, rotation=40)
    ax.set_yticks(range(12), tokens)
    for row in range(12):
        for column in range(12):
            w = float(shown[row, column])
            ax.text(column, row, f"{{w:.2f}}", ha="center", va="center", fontsize=7,
                    color="w" if w < 0.5 else "k")

def slider():
    return widgets.FloatSlider(value=1, min=0.05, max=3, step=0.05, description="Temperature")
"""
OURS = "SelfAttentionExplorer(' '.join(tokens))"
INTERACT = """
def show(temperature):
    figure, ax = plt.subplots(figsize=(6, 6))
    draw(ax, weights(temperature))
    plt.show()

widgets.interact(show, temperature=slider());
"""
IMAGE = """
handle, image = slider(), widgets.Image(format="png")

def png(change=None):
    figure = Figure(figsize=(6, 6))
    draw(figure.subplots(), weights(handle.value))
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    image.value = out.getvalue()

handle.observe(png, "value")
png()
widgets.VBox([handle, image])
"""
# The floor: a page, a kernel, and between them a number that is only written down.
ECHO = '''
import anywidget, traitlets

class Echo(anywidget.AnyWidget):
    _esm = """
    export default { render({ model, el }) {
        const root = document.createElement("div");
        root.className = "ah";
        el.append(root);
        const draw = () => {
            root.textContent = model.get("number").toFixed(2);
            root.dataset.frames = String(Number(root.dataset.frames ?? 0) + 1);
        };
        model.on("change:number", draw);
        draw();
    } };
    """
    number = traitlets.Float().tag(sync=True)

echo = Echo()
steps = widgets.SelectionSlider(options=[step / 20 for step in range(1, 61)], value=1.0)
steps.observe(lambda change: setattr(echo, "number", change.new), "value")
widgets.VBox([steps, echo])
'''
HEADS = """
torch.manual_seed(0)
many = torch.randn(8, 64, 64)
Experiment(lambda temperature: (many / temperature).softmax(-1), temperature=slider())
"""
LARGE = """
logits = torch.randn(8, 512, 512) * 3
large = [(logits / temperature).softmax(-1) for temperature in (1.0, 0.5)]
shown = AttentionHeatmap(large[0])
shown
"""

# In the page: `watch` starts before the press, and its promise holds the milliseconds from an event to the
# painted frame. The rule is one for all: the output has changed, the next frame begins, it has been
# painted (a message posted as a frame begins is handled when its painting is done). Ours says that its
# canvas has changed by counting `data-frames` up; a picture by its `load`, which one listener on the
# output hears whether the <img> is new (interact) or has a new source (Image).
WATCH = """
window.painted = (output) => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => { port1.close(); resolve(performance.now()); };
    const changed = () => requestAnimationFrame(() => port2.postMessage(0));
    const map = output.querySelector(".ah");
    if (!map) return output.addEventListener("load", changed, { capture: true, once: true });
    const observer = new MutationObserver(() => { observer.disconnect(); changed(); });
    observer.observe(map, { attributes: true, attributeFilter: ["data-frames"] });
});
window.watch = (output, event) => {
    const started = new Promise((resolve) =>
        window.addEventListener(event, () => resolve(performance.now()), { capture: true, once: true }));
    const late = new Promise((_, no) => setTimeout(() => {
        const { className, ariaValueText } = document.activeElement;
        const there = `${className} ${ariaValueText}; ${kernel().status}; ${output.innerText}`;
        no(new Error(`nothing was painted; in focus: ${there.slice(0, 600)}`));
    }, 30_000));
    const both = Promise.all([started, painted(output)]).then(([from, to]) => to - from);
    window.watched = Promise.race([both, late]);
};
window.hovered = (output) => { // did the frame that follows the pointer's move show other words?
    const say = output.querySelector(".ah-say");
    window.watched = new Promise((resolve) => window.addEventListener("pointermove", () => {
        const [from, before] = [performance.now(), say.textContent];
        requestAnimationFrame(() => resolve([performance.now() - from, say.textContent !== before]));
    }, { capture: true, once: true }));
};
"""
SLEEP = """() => {
    window.asleep = true;
    kernel().requestExecute({ code: "time.sleep(5)" }).done.then(() => { asleep = false; });
}"""
# Weights have arrived when the browser hands over their bytes, before Jupyter has read them. While bytes do
# come in, Playwright has Chromium copy them to itself, which takes longer than all the rest. So two messages
# are kept as they came, and handed over again, in turns, when nothing is coming in.
ARRIVAL = """
window.messages = [];
window.WebSocket = class extends WebSocket {
    constructor(...given) {
        super(...given);
        this.addEventListener("message", ({ isTrusted, data }) => {
            if (isTrusted && data.byteLength > 4e6) messages.push({ socket: this, data });
        });
    }
};
window.arrive = ({ socket, data }) => {
    window.dispatchEvent(new Event("arrival"));
    socket.dispatchEvent(new MessageEvent("message", { data }));
};
"""


class Row:
    """One line of the table."""

    def __init__(self, name: str):
        self.name = name
        self.times: list[float] = []

    @property
    def median(self) -> float:
        return median(self.times)

    @property
    def p95(self) -> float:
        return quantiles(self.times, n=20, method="inclusive")[-1]

    def __str__(self) -> str:
        return f"{self.name:<46}{self.median:>10.1f}{self.p95:>10.1f}{len(self.times):>8}"


class Bench:
    """The open notebook, and where each of its outputs is."""

    def __init__(self, notebook: Notebook):
        self.notebook = notebook
        self.page = notebook.page

    def output(self, n: int) -> Locator:
        """The output of the n-th cell after the common one, drawn: `painted` asks what it is made of."""
        cell = self.page.locator(".jp-CodeCell").nth(n + 1)
        cell.evaluate("cell => cell.scrollIntoView({ block: 'center' })")
        output = cell.locator(".jp-Cell-outputArea")
        output.locator("img, .ah[data-frames]").first.wait_for()
        return output

    def presses(self, row: Row, n: int, times: int, back: bool) -> None:
        """Press an arrow key on the handle; the first press only warms up."""
        output = self.output(n)
        handle = output.locator(".noUi-handle")
        for i in range(times + 1):
            output.evaluate("output => watch(output, 'keydown')")
            handle.press("ArrowLeft" if back else "ArrowRight")  # JupyterLab may have taken the focus
            took = self.page.evaluate("watched")
            if i:
                row.times.append(took)
            self.page.wait_for_timeout(60)  # nothing of one press is left when the next begins

    def arrivals(self, row: Row, n: int, times: int) -> None:
        """Weights set from Python, twice, then the same two messages again and again."""
        output = self.output(n)
        self.page.evaluate("() => { messages.length = 0; }")  # the first one opened the view
        for _ in range(2):
            self.notebook.execute("large.reverse(); shown.weights = large[0]")
        self.page.wait_for_function("() => messages.length === 2")
        for i in range(times + 1):
            output.evaluate("output => watch(output, 'arrival')")
            self.page.evaluate(f"() => arrive(messages[{i % 2}])")
            took = self.page.evaluate("watched")
            if i:
                row.times.append(took)
            self.page.wait_for_timeout(60)

    def hovers(self, row: Row, n: int, times: int) -> int:
        """Point from cell to cell; returns how often the very next frame had the new words."""
        output = self.output(n)
        box = output.get_by_role("grid").bounding_box()
        same_frame = 0
        for i in range(times):
            output.evaluate("output => hovered(output)")
            at = (0.5 + (5 * i + 3) % 12) / 12, (0.5 + (7 * i + 2) % 12) / 12
            self.page.mouse.move(box["x"] + at[0] * box["width"], box["y"] + at[1] * box["height"])
            took, changed = self.page.evaluate("watched")
            row.times.append(took)
            same_frame += changed
        return same_frame


def measure(lab: Lab, presses: int) -> tuple[list[Row], list[str]]:
    """The table's rows, and remarks on what did not go as it should."""
    rows = ours, interact, image, echo, heads, large, hover, busy = [
        Row(name)
        for name in (
            "ours, 12 × 12: key press → painted",
            "interact + inline matplotlib, 12 × 12",
            "widgets.Image + Agg PNG, 12 × 12",
            "an echo: the slider’s number, nothing else",
            "ours, 8 heads × 64 × 64: key press → painted",
            "ours, 8 × 512 × 512: weights arrive → painted",
            "hover → readout",
            "hover → readout, kernel busy",
        )
    ]
    problems = []
    with running_chromium() as chromium:
        context = chromium.new_context(viewport={"width": 1280, "height": 1000})
        context.add_init_script(WATCH + ARRIVAL)
        path = lab.write("latency.ipynb", [COMMON, OURS, INTERACT, IMAGE, ECHO, HEADS, LARGE])
        notebook = Notebook(context, lab, path)
        notebook.run_all()
        problems += [str(error) for error in notebook.cell_errors()]
        bench = Bench(notebook)
        rounds = min(ROUNDS, presses)
        for i in range(rounds):
            share = presses * (i + 1) // rounds - presses * i // rounds
            for n, row in enumerate((ours, interact, image, echo, heads)):
                bench.presses(row, n, share, back=i % 2 == 1)
            bench.arrivals(large, 5, share)
        for row, kernel_busy in ((hover, False), (busy, True)):
            if kernel_busy:
                notebook.page.evaluate(SLEEP)
            in_time = bench.hovers(row, 0, presses)
            if kernel_busy and not notebook.page.evaluate("asleep"):
                problems.append("the kernel had woken before the last hover")
            if in_time < presses:
                problems.append(
                    f"{row.name}: {presses - in_time} of {presses} came later than the next frame"
                )
        problems += notebook.errors
        notebook.close()
    return rows, problems


def main() -> int:
    """Measure, print the table and the targets; 1 only when something did not work."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presses", type=int, default=40)
    parser.add_argument("--smoke", action="store_true", help="a few presses: does everything still work?")
    arguments = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("no Chromium on this machine: apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch, running_lab(Path(scratch)) as lab:
        rows, problems = measure(lab, 3 if arguments.smoke else arguments.presses)
    print(f"{'milliseconds':<46}{'median':>10}{'p95':>10}{'n':>8}")
    print(*rows, sep="\n")
    ours, interact, image, echo, _, large, hover, busy = rows
    print()
    for other in (interact, image):
        print(f"median: {other.median / ours.median:.1f} × faster than {other.name}")
        print(f"p95:    {other.p95 / ours.p95:.1f} × faster than {other.name}")
    print(f"median: {ours.median / echo.median:.2f} × {echo.name}")
    for met, target in (
        (ours.median <= 1.15 * echo.median, "median at most 1.15 × the echo’s"),
        (ours.median <= interact.median / 8, "median at most 1/8 of interact’s"),
        (ours.p95 <= interact.p95 / 4, "p95 at most 1/4 of interact’s"),
        (large.median <= 100, "8 × 512 × 512 painted within 100 ms of arrival"),
        (
            max(hover.median, busy.median) <= 1000 / 60,
            "hover → readout within one frame, kernel or no kernel",
        ),
    ):
        print(f"{'met   ' if met else 'MISSED'} {target}")
    for problem in problems:
        print(f"! {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
