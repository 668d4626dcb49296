"""What the README says one adds: a view, an explorer, each a file that nothing else lists.

The exercise among them is tested with all others, in test_exercises.py.
"""

import pytest
import torch
from attention_core_pictures import views
from contributed.gauge import Gauge
from contributed.reach import ReachExplorer
from found import found_explorers

from attention_core import causal_mask
from attention_core.live import Explorer


def test_a_view_shows_has_a_page_and_a_picture():
    gauge = Gauge()
    gauge.show(0.3)
    data, _ = gauge._repr_mimebundle_()
    assert data["text/plain"] == "Gauge(0.30)" and data["image/png"]
    assert "meter" in gauge._esm and "import " not in gauge._esm
    with pytest.raises(AttributeError, match="Gauge has no attribute share"):
        gauge.share = 1


def test_every_explorer_is_found_the_contributed_one_among_them():
    found = found_explorers()
    assert {"SelfAttentionExplorer", "ReachExplorer"} <= set(found) <= views() | {"ReachExplorer"}
    for code in found.values():
        exec(code, here := {})
        assert any(isinstance(thing, type) and issubclass(thing, Explorer) for thing in here.values())


def test_an_explorer_follows_its_controls_and_says_what_it_cannot_show():
    explorer = ReachExplorer("the cat sat on the mat")
    assert list(explorer.controls) == ["sentence", "window", "sharpness", "ahead", "widen"]
    near = float(explorer.reach.max())
    explorer.controls["window"].value = 9
    assert float(explorer.reach.max()) > near
    explorer.controls["widen"].click()
    assert explorer.window == 10 and explorer.controls["window"].value == 10
    explorer.controls["ahead"].value = False
    assert torch.equal(explorer.heatmap.allowed, causal_mask(6))
    assert explorer.by_word.content.words == ["the", "cat", "sat", "on", "the", "mat"]
    assert explorer.profile.content[0].y == explorer.reach.tolist()
    explorer.sentence = ""
    assert (explorer.weights, explorer.reach, explorer.by_word.content.words) == (None, None, ())
    assert explorer.heatmap.message == "Type a word or two."
