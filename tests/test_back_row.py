"""The projector setting, without a browser."""

import gc
import weakref

import pytest
import torch

from attention_core.live import (
    AttentionHeatmap,
    PositionExplorer,
    SelfAttentionExplorer,
    SinusoidExplorer,
    projector,
)
from attention_core.live.widget import ForProjector

WEIGHTS = torch.eye(3)


@pytest.fixture(autouse=True)
def afterwards_off():
    yield
    projector(False)


def enlarged(explorer) -> bool:
    assert explorer.heatmap.projector == explorer.projector
    return "attention-projector" in explorer._dom_classes


def test_it_is_off_unless_asked_for_and_is_no_part_of_the_stored_text():
    usual, large = AttentionHeatmap(WEIGHTS), AttentionHeatmap(WEIGHTS, projector=True)
    assert not usual.projector
    assert large.projector
    assert repr(usual) == repr(large)
    assert usual._repr_mimebundle_()[0]["image/png"] == large._repr_mimebundle_()[0]["image/png"]


def test_the_box_under_the_map_enlarges_the_whole_explorer():
    explorer = SelfAttentionExplorer("the cat sat")
    assert not enlarged(explorer)
    explorer.heatmap.projector = True  # what the page does
    assert explorer.projector
    assert enlarged(explorer)
    explorer.projector = False
    assert not enlarged(explorer)


def test_one_call_reaches_what_is_there_and_what_is_to_come():
    before = SelfAttentionExplorer("the cat sat"), PositionExplorer("a dog ran")
    projector()
    after = SelfAttentionExplorer("the cat sat")
    for explorer in (*before, after):
        assert enlarged(explorer)
    assert not AttentionHeatmap(WEIGHTS, projector=False).projector  # one's own word counts more
    projector(False)
    assert not any(enlarged(explorer) for explorer in (*before, after))


def test_an_explorer_without_a_heatmap_is_enlarged_too():
    clocks = SinusoidExplorer()
    clocks.projector = True
    assert "attention-projector" in clocks._dom_classes


def test_the_call_keeps_nothing_alive():
    class Thing(ForProjector):
        pass

    thing = weakref.ref(Thing())
    gc.collect()
    assert thing() is None
