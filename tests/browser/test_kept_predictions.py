"""A prediction in JupyterLab: what was chosen outlives its kernel, beside the notebook it belongs to."""

import json

from playwright.sync_api import expect

ASK = """
from attention_core.practice import predict
guess = predict("Which?", ["this", "that"])
guess
"""
TELL = "# What you said, and what it was: run this cell.\nguess.reveal('that', why='So it is.')"


def test_a_choice_is_there_again_after_a_restart_and_told_in_the_text_of_the_reveal(lab, open_notebook):
    notebook = open_notebook(lab.write("asked.ipynb", [ASK, TELL]))
    page, kept = notebook.page, lab.root / ".predictions" / "asked.json"

    def run(cell: int) -> None:
        page.evaluate("cell => { panel().content.activeCellIndex = cell; }", cell)
        notebook.command("notebook:run-cell")

    try:
        run(0)
        option = notebook.widget(".ap").get_by_role("button")
        option.nth(0).click()
        expect(option.nth(0)).to_have_text("● this")
        option.nth(1).click()  # another mind
        expect(option.nth(1)).to_have_text("● that")
        assert json.loads(kept.read_text("utf-8"))["Which?"]["chosen"] == "that"
        page.evaluate("() => kernel().restart()")
        run(0)
        expect(option.nth(1)).to_have_text("● that")
        run(1)
        expect(option.nth(1)).to_have_text("✓ that")
        output = notebook.outputs()[-1]
        text = "".join(output["data"]["text/plain"])
        assert (
            '\nprediction: {"question": "Which?", "chosen": "that", "computed": "that", "right": true}'
            in text
        )
        assert json.loads(kept.read_text("utf-8"))["Which?"]["revealed"]
    finally:
        notebook.close()
