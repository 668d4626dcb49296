"""Every view says that its cell must be run again once its kernel has gone, however it went."""

import os
import signal

import pytest
from lab import SECONDS
from playwright.sync_api import expect

VIEWS = """
import torch
from attention_core import SinusoidalEncoding
from attention_core.live import AttentionHeatmap, LookUpExplorer, SinusoidExplorer, TrainingView
from attention_core.live.explorers import training as module
from attention_core.practice import predict
from attention_core.tasks import Reverse
from attention_core.transformer import TinyTransformer
from IPython.display import display

module._loaded_whole = lambda name: None  # takes a second, for an optimiser: there is none here
model = TinyTransformer(10, positions=SinusoidalEncoding(32))
training = TrainingView(model, torch.arange(8)[None])
display(AttentionHeatmap(torch.eye(3)), LookUpExplorer(), SinusoidExplorer(), training)
predict("Which?", ["this", "that"])
"""
LOOP = """
import time
for step, batch in training.watch(range(5000)):
    time.sleep(0.02)
    training.report(loss=1 / (1 + step))
"""
SAID = {  # where each kind of view speaks; two planes and two heatmaps are parts of explorers
    "a heatmap": (".ah [role=status].ah-message", 3),
    "a plane": (".plane-said", 2),
    "sinusoids": (".sm-message", 1),
    "a training": (".at-note", 1),
    "a prediction": (".ap-said", 1),
}
ENDS = {
    "restarted": "() => kernel().restart()",
    "died": "() => { kernel().requestExecute({ code: 'import os; os._exit(1)' }); }",
    "shut down": "() => panel().sessionContext.shutdown()",
    "exchanged": "() => panel().sessionContext.changeKernel({ name: 'python3' })",
}
ALIVE = """async () => { // with a kernel that is ready; the one that was shut down is started again
    const { sessionContext } = panel();
    if (!kernel()) await sessionContext.startKernel();
    await kernel().info;
    while (kernel().status !== "idle") await new Promise((later) => setTimeout(later, 50));
}"""


@pytest.fixture(scope="module")
def opened(lab, open_notebook):
    notebook = open_notebook(lab.write("views.ipynb", [VIEWS, LOOP]))
    notebook.page.add_style_tag(content=".jp-Cell { content-visibility: visible !important; }")
    yield notebook
    notebook.page.evaluate("() => panel().sessionContext.shutdown()")  # whichever kernel it is by now
    notebook.page.close()


@pytest.fixture
def views(opened):
    """Made anew, by whichever kernel it is by now."""
    opened.page.evaluate(ALIVE)
    opened.page.evaluate("() => { panel().content.activeCellIndex = 0; }")
    opened.command("notebook:run-cell")
    for selector, n in SAID.values():
        expect(opened.page.locator(selector)).to_have_count(n)
    return opened


@pytest.mark.parametrize("end", ENDS)
def test_every_view_says_run_its_cell_again(views, end):
    for selector, _ in SAID.values():
        expect(views.page.locator(selector).first).not_to_contain_text("Run its cell again.")
    views.page.evaluate(ENDS[end])
    for selector, n in SAID.values():
        said = views.page.locator(selector)
        expect(said).to_have_count(n)
        for i in range(n):
            expect(said.nth(i)).to_contain_text("Run its cell again.", timeout=30 * SECONDS)
    option = views.page.locator(".ap-option").first
    expect(option).to_have_attribute("aria-disabled", "true")
    option.click(force=True)
    expect(option).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize("end", ["restarted", "died"])
def test_stop_and_the_time_that_is_left_go_with_the_kernel(views, end):
    training, pid = views.widget(".at"), views.execute("import os; print(os.getpid())")
    views.page.evaluate("() => { panel().content.activeCellIndex = 1; }")
    views.page.evaluate("() => { jupyterapp.commands.execute('notebook:run-cell'); }")  # it does not end
    expect(training.get_by_role("button", name="Stop")).to_be_visible()
    expect(training.locator(".at-pace")).to_contain_text(" left")
    if end == "restarted":
        views.page.evaluate(ENDS[end])
    else:  # busy as it is, it would hear no code that ends it
        os.kill(int(pid), signal.SIGKILL)
    expect(training.locator(".at-note")).to_have_text(
        "The kernel that made this has gone. Run its cell again."
    )
    expect(training.get_by_role("button", name="Stop")).to_be_hidden()
    expect(training.locator(".at-pace")).not_to_contain_text(" left")
    expect(training.locator(".at-replay")).to_be_hidden()
    expect(training.locator("select")).to_be_disabled()
