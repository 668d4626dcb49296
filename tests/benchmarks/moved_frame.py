"""How long from a key that moves the frame to picture and map painted: ours and an echo, side by side.

python tests/benchmarks/moved_frame.py [--presses 40]

Everything happens in one JupyterLab and one page, in turns, so that a busy machine slows all alike.
"""

import sys

from beside import Thing, main
from slider_latency import ECHO

COMMON = """
import torch
import ipywidgets as widgets
from attention_core.live import PictureExplorer
from attention_core.live.explorers import picture

torch.set_num_threads(1)
picture.KEPT = 1  # each move asks the model anew
"""
OURS = "PictureExplorer(frame=0)"  # an untrained model takes as long
RIGHT_AND_BACK = ("ArrowRight", "ArrowLeft")
THINGS = (
    Thing(
        "ours: frame moved → picture and map painted", OURS, ".pc-cell[tabindex='0']",
        [f"Shift+{key}" for key in RIGHT_AND_BACK], first="Home", views=".ah, .pc",
    ),
    Thing("an echo: a number, nothing else", ECHO, ".noUi-handle", RIGHT_AND_BACK, first="Home"),
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(__doc__, COMMON, THINGS, per_echo=1.5))
