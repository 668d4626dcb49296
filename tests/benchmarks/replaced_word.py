"""How long from a word replaced to all its explanations painted: ours and an echo, side by side.

python tests/benchmarks/replaced_word.py [--presses 40]

Everything happens in one JupyterLab and one page, in turns, so that a busy machine slows all alike. What the
kernel computes for a word is measured there, too, on one thread.
"""

import sys

from beside import Thing, main
from slider_latency import ECHO

COMMON = """
import time
import torch
import ipywidgets as widgets
from attention_core.live import ExplanationExplorer

torch.set_num_threads(1)

def took(times):
    for i in range(times):
        word = ("dull", "end")[i % 2]
        began = time.perf_counter()
        explorer.word = word
        yield 1000 * (time.perf_counter() - began)
"""
OURS = "explorer = ExplanationExplorer()\nexplorer"  # an untrained model takes as long
THINGS = (
    Thing(
        "ours: word replaced → all strips painted", OURS, "select >> nth=1",
        ("ArrowDown", "ArrowUp"), first="Home", views=".ah, .cv",
    ),
    Thing("an echo: a number, nothing else", ECHO, ".noUi-handle", ("ArrowLeft", "ArrowRight")),
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(__doc__, COMMON, THINGS, per_echo=5, within=60))
