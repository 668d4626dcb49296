"""Retakes the README's animation from the real page: lesson 01's first explorer and its slider.

python tests/tools/record_animation.py [--steps 18] [--to notebooks/live_heatmap.webp]
"""

import argparse
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
from lab import CHROMIUM, NOTEBOOKS, Lab, Notebook, running_chromium, running_lab

PICTURE = NOTEBOOKS / "live_heatmap.webp"
WIDTH = 860  # px, what GitHub gives a README
MILLISECONDS = 90  # a picture
REST = 900  # at each end, to read
EXPLORER = """
from attention_core.live import SelfAttentionExplorer
SelfAttentionExplorer("the cat sat on the mat because it was tired")
"""


def record(lab: Lab, steps: int) -> list[Image.Image]:
    """One picture for each step of the temperature down, and up again, on the word “it”."""
    with running_chromium() as chromium:
        context = chromium.new_context(viewport={"width": 1280, "height": 1400})
        notebook = Notebook(context, lab, lab.write("record.ipynb", [EXPLORER]))
        notebook.run_all()
        box = notebook.widget(".attention-explorer")
        cell = notebook.widget(".ah").get_by_role("grid").bounding_box()
        notebook.page.mouse.click(cell["x"] + 0.15 * cell["width"], cell["y"] + 0.75 * cell["height"])
        notebook.page.mouse.move(0, 0)
        box.get_by_role("slider", name="Temperature").focus()
        shots = [shot(box)]
        for _ in range(steps):
            shots.append(after_press(notebook, box, "ArrowLeft"))
        notebook.close()
    return shots + shots[-2:0:-1]


def after_press(notebook: Notebook, box: Locator, key: str) -> Image.Image:
    """The page once the heatmap has painted what the key asked for."""
    frames = "() => Number(document.querySelector('.jp-NotebookPanel .ah').dataset.frames)"
    before = notebook.page.evaluate(frames)
    notebook.page.keyboard.press(key)
    notebook.page.wait_for_function(f"(before) => ({frames})() > before", arg=before)
    return shot(box)


def shot(box: Locator) -> Image.Image:
    picture = Image.open(io.BytesIO(box.screenshot())).convert("RGB")
    return picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)


def save(shots: list[Image.Image], to: Path) -> None:
    """As one animation without end."""
    rests = {0, len(shots) // 2}
    durations = [REST if i in rests else MILLISECONDS for i in range(len(shots))]
    shots[0].save(
        to, save_all=True, append_images=shots[1:], duration=durations, loop=0, quality=80, method=6
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=18)
    parser.add_argument("--to", type=Path, default=PICTURE)
    arguments = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("no Chromium on this machine: apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch, running_lab(Path(scratch)) as lab:
        shots = record(lab, arguments.steps)
    save(shots, arguments.to)
    print(f"{arguments.to}: {len(shots)} pictures, {arguments.to.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
