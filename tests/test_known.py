"""Every view and explorer refuses an argument or an attribute that it does not know, in words."""

import inspect
import sys

import pytest
import torch
from ipywidgets import Widget

from attention_core import practice  # it has a view of its own
from attention_core.live import (
    AttentionHeatmap,
    AttentionMap,
    Experiment,
    Explorer,
    LookUpExplorer,
    MultiHeadExplorer,
    SelfAttentionExplorer,
    SinusoidExplorer,
)
from attention_core.live.widget import Known

WEIGHTS = torch.eye(3)


def views(of=Known):
    """Every class there is, found and not listed; anywidget makes one more of each widget that it makes."""
    for kind in of.__subclasses__():
        yield from [kind] if getattr(sys.modules[kind.__module__], kind.__name__, None) is kind else []
        yield from views(kind)


VIEWS = sorted(
    {kind for kind in views() if kind.__module__.startswith("attention_core") and issubclass(kind, Widget)},
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", [kind for kind in VIEWS if kind is not Experiment])  # its are the learner's
def test_an_unknown_argument_is_refused_before_anything_is_made(kind):
    with pytest.raises(TypeError, match=f"{kind.__name__} has no argument colour; it takes "):
        kind(colour="red")


@pytest.mark.parametrize("kind", VIEWS)
def test_what_it_computes_is_no_argument(kind):
    takes, of_ipywidgets = kind._takes()
    assert not {"weights", "output", "distances", "difference"} & set(takes) or kind is AttentionHeatmap
    assert (
        {"layout", "tabbable", "tooltip"}
        <= set(of_ipywidgets)
        <= {"box_style", "layout", "tabbable", "tooltip"}
    )


def test_arguments_of_a_heatmap():
    with pytest.raises(
        TypeError, match="has no argument tokens; it takes weights, queries, keys, heads, sco"
    ) as no:
        AttentionHeatmap(WEIGHTS, tokens=["a", "b", "c"])
    assert all(name in str(no.value) for name in ("steps", "terms", "per_row", "title", "layout"))
    kept = AttentionHeatmap(
        WEIGHTS, scores=WEIGHTS, steps=[("÷ 2", 0.5)], terms=(["f"], torch.ones(3, 1), torch.ones(3, 1)),
        per_row=True, layout={"width": "20em"}, tooltip="a map",
    )  # fmt: skip
    assert kept.per_row and kept.layout.width == "20em" and kept.tooltip == "a map" and kept._frame["terms"]


@pytest.mark.parametrize(
    "name", ["queries", "keys", "heads", "scores", "allowed", "steps", "terms", "reading"]
)
def test_what_belongs_to_weights_is_not_set_alone(name):
    heatmap = AttentionHeatmap(WEIGHTS, list("abc"))
    frame, synced = heatmap._frame, list(heatmap.keys)
    with pytest.raises(AttributeError, match=rf"no attribute {name} to set: update\(weights, {name}=…\)"):
        setattr(heatmap, name, ["x", "y", "z"])
    assert heatmap._frame is frame and heatmap.keys == synced and heatmap.query_labels == ["a", "b", "c"]


@pytest.mark.parametrize(
    "make, name, there_are",
    [
        (lambda: AttentionHeatmap(WEIGHTS), "colour", "faded, learned, message, outlined, per_row, pinned"),
        (lambda: AttentionHeatmap(WEIGHTS), "query_labels", "faded, learned, message"),
        (lambda: SelfAttentionExplorer("a cat"), "temprature", "attention, mask, projector, scaled"),
        (lambda: MultiHeadExplorer("a cat"), "heads", "attention, num_heads, off, projector"),
        (lambda: LookUpExplorer().asking, "colour", "reach, title"),
        (lambda: SinusoidExplorer(), "wavelengths", "base, comparison, dim, distance"),
        (lambda: practice.predict("Which?", ["a", "b"]), "answer", "there is nothing"),
    ],
)  # fmt: skip
def test_an_unknown_attribute_is_refused(make, name, there_are):
    view = make()
    with pytest.raises(AttributeError, match=f"has no attribute {name} to set; .*{there_are}"):
        setattr(view, name, 1)


def test_what_is_known_can_be_set():
    heatmap = AttentionHeatmap(WEIGHTS)
    heatmap.weights, heatmap.title, heatmap.layout = torch.ones(2, 2) / 2, "two", {"width": "9em"}
    assert heatmap.query_labels == ["0", "1"] and heatmap.title == "two" and heatmap.layout.width == "9em"
    explorer = SelfAttentionExplorer("a cat", temperature=0.5, layout={"border": "1px solid"})
    explorer.temperature, explorer.tooltip = 0.2, "slide"
    assert (explorer.temperature, explorer.tooltip, explorer.layout.border_top) == (0.2, "slide", "1px solid")


def test_an_explorer_of_ones_own_has_attributes_of_its_own():
    class Mine(Explorer):
        def __init__(self):
            self.mine = 1
            super().__init__()
            self.also = 2

        def compute(self):
            return AttentionMap(WEIGHTS)

    mine = Mine()
    mine.mine, mine._private = 3, 4
    with pytest.raises(AttributeError, match="Mine has no attribute other to set"):
        mine.other = 5


def test_a_learners_own_view_may_take_and_have_what_it_likes():
    class Mine(AttentionHeatmap):
        note = None

        def __init__(self, weights, **options):
            self.colour, self.given = options.pop("colour", None), options
            super().__init__(weights, **options)

    mine = Mine(WEIGHTS, colour="red", title="mine", layout={"width": "9em"})
    mine.note = "changed"
    assert (mine.colour, mine.title, mine.layout.width, mine.note) == ("red", "mine", "9em", "changed")
    assert set(mine.given) == {"title", "layout"}
    with pytest.raises(AttributeError, match="Mine has no attribute other to set"):
        mine.other = 5


def test_an_experiments_controls_may_have_any_name():
    experiment = Experiment(lambda layout, tooltip: WEIGHTS, layout=["a", "b"], tooltip=["c", "d"])
    assert experiment.controls["layout"].value == "a" and experiment.controls["tooltip"].value == "c"


def test_the_pages_help_shows_the_arguments():
    assert list(inspect.signature(AttentionHeatmap).parameters)[:3] == ["weights", "queries", "keys"]
    assert list(inspect.signature(LookUpExplorer).parameters) == [
        "query", "values", "temperature", "attention", "projector",
    ]  # fmt: skip
    given = inspect.signature(SelfAttentionExplorer).parameters
    assert list(given)[:2] == ["sentence", "temperature"] and given["temperature"].default == 1.0
