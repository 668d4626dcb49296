"""A learner's function that never ends, under a slider: it is ended and told, and the page lives on."""

import pytest
from playwright.sync_api import expect

EXPLORER = """
from attention_core import _calling, scaled_dot_product_attention
from attention_core.live import SelfAttentionExplorer

_calling.LONGEST = 1.0  # not ten seconds, for this test
most = []

def mine(query, key, value):
    most.append(query.max())
    while most[-1] > most[0]:  # where it is colder than at first
        pass
    return scaled_dot_product_attention(query, key, value)

SelfAttentionExplorer("the cat sat", attention=mine)
"""


@pytest.fixture
def explorer(lab, open_notebook):
    notebook = open_notebook(lab.write("endless.ipynb", [EXPLORER]))
    notebook.run_all()
    yield notebook.widget(".attention-explorer")
    notebook.close()


def test_the_move_that_never_ends_is_ended_and_the_next_one_is_answered(explorer):
    handle = explorer.get_by_role("slider").first
    said = explorer.locator(".ah-message")
    expect(said).to_have_text("")
    handle.focus()
    handle.press("ArrowLeft")
    expect(said).to_contain_text("is there a loop that never ends?")
    expect(said).to_contain_text("while most[-1] > most[0]:")
    expect(explorer.locator(".attention-bank")).to_contain_text("it takes long to compute")
    handle.press("ArrowRight")
    expect(said).to_have_text("")
