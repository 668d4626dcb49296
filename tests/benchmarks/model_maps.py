"""A whole model's maps at first sight: ours beside BertViz and attnview; and another head, beside an echo.

python tests/benchmarks/model_maps.py [--presses 40]

12 layers × 12 heads, drawn by lot. What the others make is measured in this very process; they are installed
for it into a folder that is then thrown away. BertViz makes one page of all maps. attnview takes one layer at
a time, and its page is of one. Nobody's time of the browser is in the first table.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
sys.path.insert(0, str(Path(__file__).resolve().parent))
import torch
from beside import Thing, measure
from ipywidgets.widgets.widget import _instances, _remove_buffers
from lab import CHROMIUM, running_lab
from slider_latency import ECHO

from attention_core.live import ModelExplorer

RIVALS = "bertviz==1.4.1", "attnview==0.5"
LAYERS = HEADS = 12
TARGETS = {64: (10, 1), 128: (20, 1), 512: (50, 3)}  # tokens: how much less is sent than BertViz's, seconds
TOO_MUCH = 200  # tokens: of more BertViz's page is reckoned, as each number of it takes as many bytes
COMMON = """
import torch
import ipywidgets as widgets
from attention_core.live import ModelExplorer

torch.manual_seed(0)
torch.set_num_threads(1)
def model(n):
    return ModelExplorer(torch.randn(12, 12, n, n).softmax(-1), [f"w{i}" for i in range(n)], layer=5, head=5)
"""


def maps(n: int) -> torch.Tensor:
    torch.manual_seed(0)
    return (3 * torch.randn(LAYERS, HEADS, n, n)).softmax(-1)


def ours(weights: torch.Tensor, tokens: list[str]) -> int:
    """Bytes of all that is sent and stored: each widget's state, the page's script in it, and the picture."""
    before = set(_instances)
    explorer = ModelExplorer(weights, tokens)
    picture = explorer._repr_mimebundle_()
    sent = len(json.dumps(picture, default=str))
    for widget in (widget for name, widget in _instances.items() if name not in before):
        state, _, buffers = _remove_buffers(widget.get_state())
        sent += len(json.dumps(state, default=str)) + sum(memoryview(buffer).nbytes for buffer in buffers)
    return sent


def bertviz(weights: torch.Tensor, tokens: list[str]) -> int:
    from bertviz import model_view

    layers = [layer[None] for layer in weights]
    return len(model_view(layers, tokens, html_action="return").data.encode())


def attnview(weights: torch.Tensor, tokens: list[str]) -> int:
    import attnview as other

    return len(other.display(weights[0].numpy(), tokens=tokens)._repr_html_().encode())


def timed(make: Callable[[], int]) -> tuple[int, float]:
    began = time.perf_counter()
    return make(), time.perf_counter() - began


def compared(sizes: list[int], rivals: bool) -> list[str]:
    """The table's lines, and the targets; without rivals, which need a network, ours alone."""
    lines = [f"{'tokens':>6}{'ours MB':>12}{'s':>8}{'BertViz MB':>14}{'s':>8}{'one layer, attnview MB':>26}"]
    targets, each = [], 0.0
    timed(lambda: ours(maps(8), [*"abcdefgh"]))  # what is imported at the first
    for n in sizes:
        weights, tokens = maps(n), [f"w{i}" for i in range(n)]
        sent, took = timed(lambda w=weights, t=tokens: ours(w, t))
        if not rivals:
            lines.append(f"{n:>6}{sent / 1e6:>12.2f}{took:>8.2f}")
            continue
        if n <= TOO_MUCH:
            page, long = timed(lambda w=weights, t=tokens: bertviz(w, t))
            each, said = page / weights.numel(), f"{long:>8.2f}"
        else:
            page, said = each * weights.numel(), f"{'reckoned':>10}"
        layer, _ = timed(lambda w=weights, t=tokens: attnview(w, t))
        lines.append(f"{n:>6}{sent / 1e6:>12.2f}{took:>8.2f}{page / 1e6:>14.1f}{said}{layer / 1e6:>26.1f}")
        less, seconds = TARGETS[n]
        targets.append(
            f"{_met(sent * less <= page)} {n} tokens: at most 1/{less} of BertViz’s, 1/{page / sent:.0f}"
        )
        targets.append(f"{_met(took <= seconds)} {n} tokens: with its stored picture within {seconds} s")
    return [*lines, "", *targets]


def another_head(sizes: list[int], presses: int) -> tuple[list[str], list[str]]:
    """The second table's lines with the targets, and what did not go as it should."""
    keys = ("ArrowRight", "ArrowLeft")
    head = "[role=slider][aria-label=Head]"
    things = [
        Thing(f"ours: another head, {n} tokens", f"model({n})", head, keys, first="Home") for n in sizes
    ]
    things.append(Thing("an echo: a number, nothing else", ECHO, ".noUi-handle", keys, first="Home"))
    with tempfile.TemporaryDirectory() as scratch, running_lab(Path(scratch)) as lab:
        rows, problems, _ = measure(lab, COMMON, things, presses)
    *shown, echo = rows
    lines = [f"{'milliseconds':<46}{'median':>10}{'p95':>10}{'n':>8}", *map(str, rows), ""]
    for row in shown:
        times = row.median / echo.median
        lines.append(f"{_met(times <= 2)} {row.name}: at most 2 × the echo’s, {times:.2f} ×")
    return lines, problems


def _met(so: bool) -> str:
    return "met   " if so else "MISSED"


def main() -> int:
    """Measure, print the tables and the targets; 1 only when something did not work."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presses", type=int, default=40)
    parser.add_argument("--smoke", action="store_true", help="little of it: does everything still work?")
    arguments = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("no Chromium on this machine: apt-get install chromium")
    sizes = [*TARGETS][: 1 if arguments.smoke else None]
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.smoke:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
            subprocess.run([*pip, *RIVALS], check=True)
            sys.path.append(folder)
        print(*compared(sizes, not arguments.smoke), sep="\n", end="\n\n")
    lines, problems = another_head(sizes, 4 if arguments.smoke else arguments.presses)
    print(*lines, *(f"! {problem}" for problem in problems), sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
