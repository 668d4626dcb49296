"""The one thing that a heatmap shows, from whoever makes it to page, repr and still picture."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch

from attention_core import causal_mask
from attention_core.live import SHADES, AttentionHeatmap, Reading, still
from attention_core.live.linked import PAGE
from attention_core.live.map import AttentionMap

WEIGHTS = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
HEADS = torch.stack((WEIGHTS, WEIGHTS.flip(0), WEIGHTS.flip(1)))


def full():
    """A map that names everything."""
    return AttentionMap(
        WEIGHTS, ["a", "b"], ["x", "y"], heads=["h"], scores=WEIGHTS * 2, allowed=causal_mask(2),
        steps=[("÷ 2", 0.5)], terms=(["p"], torch.ones(2, 1), torch.full((2, 1), 3.0)),
    )  # fmt: skip


def test_it_holds_what_it_was_given_and_fills_in_labels():
    shown = full()
    assert torch.equal(shown.weights, WEIGHTS) and torch.equal(shown.scores, WEIGHTS * 2)
    assert torch.equal(shown.allowed, causal_mask(2))
    assert (shown.queries, shown.keys, shown.heads) == (("a", "b"), ("x", "y"), ("h",))
    assert shown.steps == (("÷ 2", 0.5),)
    names, query, key = shown.terms
    assert names == ("p",) and query.tolist() == [[1.0], [1.0]] and key.tolist() == [[3.0], [3.0]]
    bare = AttentionMap(HEADS.double(), queries=["a", "b"])
    assert bare.weights.dtype == torch.float32 and bare.weights.shape == (3, 2, 2)
    assert (bare.keys, bare.heads) == (("a", "b"), ("head 0", "head 1", "head 2"))
    assert (bare.scores, bare.allowed, bare.steps, bare.terms) == (None, None, (), None)
    assert AttentionMap(torch.rand(2, 3), ["a", "b"]).keys == ("0", "1", "2")


@pytest.mark.parametrize("weights", [WEIGHTS, HEADS])
def test_by_head_has_a_dimension_for_heads(weights):
    by_head = AttentionMap(weights).by_head
    assert torch.equal(by_head, weights.reshape(-1, 2, 2))


def test_a_mask_is_broadcast_to_the_weights():
    allowed = AttentionMap(HEADS, allowed=[[True, False]]).allowed
    assert allowed.shape == HEADS.shape and allowed[..., 0].all() and not allowed[..., 1].any()


def drawn(shown):
    return np.array(still.heatmap_figure(shown).axes[0].images[0].get_array())


def test_it_never_changes_whoever_writes_into_what_was_given_or_read():
    weights, scores, allowed = WEIGHTS.clone(), WEIGHTS.numpy().copy(), torch.ones(2, 2, dtype=torch.bool)
    query = torch.ones(2, 1)
    shown = AttentionMap(weights, scores=scores, allowed=allowed, terms=(["p"], query, query))
    frame, facts, picture = shown.frame(), shown.facts(), drawn(shown)
    for given in (weights, scores, allowed, query, shown.weights, shown.by_head, shown.scores,
                  shown.allowed, *shown.terms[1:]):  # fmt: skip
        given[:] = 0
    assert shown.frame() == frame and shown.facts() == facts
    assert np.array_equal(drawn(shown), picture)
    assert all(not array.flags.writeable for array in full().picture())
    with pytest.raises(dataclasses.FrozenInstanceError):
        shown.queries = ("c", "d")
    with pytest.raises((AttributeError, TypeError)):
        shown.colour = "red"


def test_it_can_be_copied():
    shown = full()
    assert copy.deepcopy(shown).frame() == shown.frame()


def test_its_frame_is_what_the_page_reads():
    frame = full().frame()
    assert frame == {
        "shape": [1, 2, 2],
        "weights": WEIGHTS.numpy().tobytes(),
        "scores": (WEIGHTS * 2).numpy().tobytes(),
        "allowed": bytes([1, 0, 1, 1]),
        "queries": ["a", "b"],
        "keys": ["x", "y"],
        "heads": ["h"],
        "steps": [["÷ 2", 0.5]],
        "reading": None,
        "terms": {
            "names": ["p"],
            "query": np.ones(2, np.float32).tobytes(),
            "key": np.full(2, 3, np.float32).tobytes(),
        },
    }
    bare = AttentionMap(WEIGHTS).frame()
    assert [bare[name] for name in ("scores", "allowed", "steps", "terms")] == [None, None, [], None]


def test_its_facts_are_the_heatmaps():
    shown = AttentionMap(HEADS, ["a", "b"], heads=["h", "i", "j"])
    assert shown.facts() == "2 queries × 2 keys, 3 heads, row sums 1.00, largest 1.00: “b” → “a” in h"
    assert repr(shown) == f"AttentionMap({shown.facts()})"
    heatmap = AttentionHeatmap(None)
    heatmap.show(shown)
    assert repr(heatmap) == f"AttentionHeatmap({shown.facts()})"
    assert AttentionMap(torch.zeros(0, 3)).facts() == "nothing to show"


def test_a_heatmap_shows_a_map_and_forgets_what_it_does_not_name():
    heatmap = AttentionHeatmap(
        torch.rand(3, 3), list("abc"), list("xyz"), heads=["h"], scores=torch.rand(3, 3),
        allowed=causal_mask(3), steps=[("÷ 2", 0.5)],
    )  # fmt: skip
    frames = []
    heatmap.observe(lambda change: frames.append((change.new, heatmap.map)), "_frame")
    bare = AttentionMap(WEIGHTS)
    heatmap.show(bare)
    assert frames == [(bare.frame(), bare)]  # one message, and Python knows already what it says
    assert heatmap.map is bare and torch.equal(heatmap.weights, WEIGHTS)
    assert heatmap.query_labels == heatmap.key_labels == ["0", "1"] and heatmap.head_labels == ["head 0"]
    assert heatmap.scores is None and heatmap.allowed is None
    heatmap.update(torch.rand(4, 4))  # nothing of the map before the last is waiting to come back
    assert heatmap.query_labels == ["0", "1", "2", "3"] and heatmap.allowed is None
    heatmap.show(None)
    assert heatmap.map is None and heatmap.weights is None and heatmap._frame == {}
    assert heatmap.query_labels == [] and heatmap.scores is None


def test_after_a_map_update_keeps_its_labels_and_mask():
    heatmap = AttentionHeatmap(None)
    heatmap.show(full())
    heatmap.update(WEIGHTS.flip(0))
    assert (heatmap.query_labels, heatmap.key_labels, heatmap.head_labels) == (["a", "b"], ["x", "y"], ["h"])
    assert torch.equal(heatmap.allowed, causal_mask(2))
    assert heatmap.scores is None and heatmap.map.steps == () and heatmap.map.terms is None
    heatmap.show(None)
    heatmap.weights = WEIGHTS
    assert heatmap.query_labels == ["0", "1"] and heatmap.allowed is None


def test_labels_and_mask_survive_a_while_of_nothing():
    heatmap = AttentionHeatmap(WEIGHTS, ["a", "b"], allowed=causal_mask(2))
    heatmap.weights = None
    heatmap.weights = WEIGHTS
    assert heatmap.query_labels == ["a", "b"] and torch.equal(heatmap.allowed, causal_mask(2))


def test_only_a_map_can_be_shown():
    heatmap = AttentionHeatmap(WEIGHTS)
    with pytest.raises(ValueError, match=r"show\(\) takes an AttentionMap or None, got Tensor: write Att"):
        heatmap.show(WEIGHTS)
    with pytest.raises(AttributeError, match=r"no attribute map to set: show\(map\) changes all of it"):
        heatmap.map = AttentionMap(WEIGHTS)
    assert torch.equal(heatmap.weights, WEIGHTS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (dict(steps=[0.5]), '[("÷ √d_k", 0.35), …], got [0.5]'),
        (dict(steps=[("÷", "x")]), "steps must be pairs of a label and a number"),
        (dict(terms=1), "terms must be (names, query, key), got int"),
        (dict(terms=(["p"], "q", "k")), "terms' query must be a tensor or an array of numbers, got str"),
    ],
)
def test_steps_and_terms_that_are_none_are_refused_in_words(content, message):
    with pytest.raises(ValueError) as refusal:
        AttentionMap(WEIGHTS, **content)
    assert message in str(refusal.value)


READING = {
    "cell": "replacing {key} changes {query} in {number} of the cases",
    "row": "what changes {query}: {largest} at most, {sum} in all",
    "caption": "From {least} to {largest}: the share of cases.",
    "number": "effect",
    "rows": "written",
    "columns": "typed",
}


def test_cells_that_are_no_weights_are_read_otherwise():
    shown = AttentionMap(WEIGHTS, ["1", "9"], ["a", "{number}"], reading=READING)
    assert shown.reading == Reading(**READING) and shown.frame()["reading"] == READING | {
        "hidden": "left out"
    }
    assert repr(shown) == (
        "AttentionMap(effect, written × typed: 2 × 2, from 0.00 to 1.00; largest: "
        "replacing “a” changes “9” in 1.00 of the cases)"
    )
    figure = still.heatmap_figure(shown)
    ax, scale = figure.axes
    assert (ax.get_ylabel(), ax.get_title(loc="left"), scale.get_ylabel()) == ("written", "typed →", "effect")
    assert figure.get_supxlabel() == "From 0.00 to 1.00: the share of cases."
    several = AttentionMap(HEADS, reading=READING, heads=["h", "i", "j"])
    assert "2 × 2, 3 maps, from" in several.facts() and "largest in h: replacing" in several.facts()
    assert copy.deepcopy(shown).frame() == shown.frame()
    assert AttentionMap(WEIGHTS, reading=shown.reading).reading is shown.reading


def test_products_as_shades_are_called_so():
    assert "sum" not in AttentionMap(WEIGHTS, reading=SHADES).facts()
    assert SHADES.frame()["rows"] == "rows"


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        (
            "x",
            "reading must be a dict of cell, row and caption, and perhaps number, rows, columns, hidden, got",
        ),
        ({"cell": "x"}, "reading needs row, caption; it takes cell, row and caption"),
        (READING | {"colour": "red"}, "reading has no colour; it takes cell, row"),
        (READING | {"row": 1}, "reading's row must be a text, got int"),
        (
            READING | {"row": "{key}"},
            "reading's row has no slot {key}; it may have {query}, {sum}",
        ),
        (READING | {"rows": "{x}"}, "reading's rows has no slot {x}"),
    ],
)
def test_a_reading_that_is_none_is_refused_in_words(reading, message):
    with pytest.raises(ValueError) as refusal:
        AttentionMap(WEIGHTS, reading=reading)
    assert message in str(refusal.value)


@pytest.mark.parametrize("more", [{"scores": WEIGHTS}, {"steps": [("÷", 1)]}])
def test_only_attention_weights_have_an_arithmetic(more):
    with pytest.raises(ValueError, match="are of weights: a map with a reading has none"):
        AttentionMap(WEIGHTS, reading=READING, **more)


def test_a_map_is_drawn_without_a_heatmap():
    figure = still.heatmap_figure(full(), title="Title", message="Look:", pinned=[1, 7], show_sums=True)
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert figure.get_suptitle() == "Title\nLook:" and len(ax.patches) == 1
    assert still.heatmap_figure(None).texts[0].get_text() == "nothing to show yet"
    assert math.isclose(float(drawn(full())[0, 0]), 0.25)


# ---------------------------------------------------------------- cells of which nothing is computed


def test_a_place_is_a_number_forbidden_or_blank():
    blank = torch.tensor([[False, True], [False, False]])
    shown = AttentionMap(WEIGHTS, allowed=causal_mask(2), blank=blank)
    assert shown.places().tolist() == [[[1, 2], [1, 1]]] and shown.frame()["allowed"] == bytes([1, 2, 1, 1])
    assert torch.equal(shown.blank, blank) and torch.equal(shown.allowed, causal_mask(2))
    assert AttentionMap(WEIGHTS, blank=blank).places().tolist() == [[[1, 2], [1, 1]]]
    assert AttentionMap(WEIGHTS, allowed=causal_mask(2)).places().tolist() == [[[1, 0], [1, 1]]]
    assert AttentionMap(WEIGHTS).places() is None and AttentionMap(WEIGHTS).frame()["allowed"] is None
    assert "blank" not in shown.staying()  # other weights are computed elsewhere
    with pytest.raises(ValueError, match="blank has shape"):
        AttentionMap(WEIGHTS, blank=torch.zeros(3, 2, dtype=torch.bool))


def test_the_page_has_the_same_places_and_pales_alike():
    frame, css = ((PAGE / name).read_text("utf-8") for name in ("frame.js", "heatmap.css"))
    assert f"const NUMBER = {still.NUMBER};" in frame and f"const BLANK = {still.BLANK};" in frame
    assert f"var(--ah-bg) {still.PALER:.0%}, transparent" in css
