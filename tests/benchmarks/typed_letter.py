"""How long from a letter typed to its translation, both maps painted: ours and an echo, side by side.

python tests/benchmarks/typed_letter.py [--presses 40]

Everything happens in one JupyterLab and one page, in turns, so that a busy machine slows all alike. What the
kernel computes for a letter is measured there, too, on one thread.
"""

import sys

from beside import Thing, main

TEXT = "tuesday, 3 march 199"  # then a letter comes and goes

COMMON = f"""
import time
import anywidget, torch, traitlets
import ipywidgets as widgets
from attention_core.live import TranslationExplorer
from attention_core.live.translated import translated
from attention_core.positional_encoding import SinusoidalEncoding
from attention_core.tasks import Dates
from attention_core.transformer import EncoderDecoder

torch.set_num_threads(1)
torch.manual_seed(0)
sizes = len(Dates.SOURCE), len(Dates.TARGET), 48, 2
model = EncoderDecoder(*sizes, positions=SinusoidalEncoding(48))  # what it writes takes as long untrained
TEXT = {TEXT!r}

def took(times):
    for i in range(times):
        began = time.perf_counter()
        translated(model, TEXT + str(i % 10), dates.task)
        yield 1000 * (time.perf_counter() - began)
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
KEYS = [key for letter in "0123456789" for key in (letter, "Backspace")]
THINGS = (
    Thing("ours: letter typed → both maps painted", OURS, "input[type=text]", KEYS),
    Thing("an echo: the text, nothing else", ECHO, "input[type=text]", KEYS),
)

if __name__ == "__main__":
    sys.exit(main(__doc__, COMMON, THINGS, per_echo=3, within=60))
