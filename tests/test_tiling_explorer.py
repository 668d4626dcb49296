"""Attention tile by tile: right merges agree with the answer, wrong ones are seen, bytes are counted."""

import math
import time

import numpy as np
import pytest
import torch
import traitlets
from answers import ANSWERS
from answers import merge_tile as of_learners

from attention_core import _calling, scaled_dot_product_attention
from attention_core.agreement import attention_rounding, rounding
from attention_core.fast import merge_tile, tiled_attention
from attention_core.live import TilingExplorer, bank
from attention_core.live.explorers import tiling
from attention_core.masks import causal_mask, window_mask

MASKS = ["everything", "only before", "a window"]
RIGHT = [row.answer for row in ANSWERS["merge_tile"] if row.status == "passed"]
WRONG = [row.answer for row in ANSWERS["merge_tile"] if row.status != "passed"]
named = pytest.mark.parametrize


def example(n_q=12, n_k=12, d_v=3, dtype=torch.float32, d=4):
    dice = torch.Generator().manual_seed(n_q + 100 * n_k)
    return tuple(2 * torch.randn(n, m, generator=dice).to(dtype) for n, m in ((n_q, d), (n_k, d), (n_k, d_v)))


def allowed_of(explorer, n_q, n_k):
    before = causal_mask(n_q, n_k)
    width = max(1, n_k // 4) - 1
    return {
        "everything": None,
        "only before": before,
        "a window": before & window_mask(n_q, n_k, width=width),
    }[explorer.mask]


def said(explorer) -> str:
    """All the words of the page."""
    parts = (explorer.heatmap.message, explorer.strip.content.plain, explorer.running.content.said)
    return "\n".join(parts).replace("**", "")


def each_step(explorer):
    for tiles in range(explorer.to_merge + 1):
        explorer.tiles = tiles
        yield tiles


# ---------------------------------------------------------------- right merges


@named("n_q, n_k", [(12, 12), (7, 12), (12, 5), (1, 9), (9, 1), (1, 1)])
@named("mask", MASKS)
def test_after_the_last_tile_it_is_the_answer_whatever_the_block(n_q, n_k, mask):
    query, key, value = example(n_q, n_k)
    explorer = TilingExplorer(query, key, value, mask=mask)
    allowed = allowed_of(explorer, n_q, n_k)
    output, weights = scaled_dot_product_attention(query, key, value, allowed)
    near = attention_rounding(query, key, value)
    for explorer.block in (*range(1, max(n_q, n_k) + 1), 99):
        explorer.tiles = explorer.to_merge
        assert torch.allclose(explorer.output, output, rtol=0, atol=near[0])
        assert torch.allclose(explorer.weights, weights, rtol=0, atol=near[1])
        tiled = tiled_attention(query, key, value, allowed, block=explorer.block)
        assert torch.allclose(explorer.output, tiled, rtol=0, atol=2 * near[0])
        for explorer.row in range(n_q):
            blind = "nothing" in said(explorer) or "nowhere" in said(explorer)
            assert blind or "Output ÷ sum is exactly the answer." in said(explorer)
        assert explorer.heatmap.message == ""


@named("block", [1, 4, 5, 8, 12])
@named("mask", MASKS)
def test_what_a_row_has_seen_sums_to_1_at_every_step(block, mask):
    explorer = TilingExplorer(*example(), block=block, mask=mask)
    allowed = allowed_of(explorer, 12, 12)
    for tiles in each_step(explorer):
        if not tiles:
            assert not explorer.weights.any() and explorer.heatmap.map.blank.all()
            continue
        blank = explorer.heatmap.map.blank
        seen = ~blank if allowed is None else ~blank & allowed
        sums = explorer.weights.sum(-1)
        assert torch.allclose(sums, seen.any(-1).float(), rtol=0, atol=rounding(torch.float32, 12))
        assert not explorer.weights[~seen].any() and explorer.heatmap.message == ""
        (top, bottom), (left, right) = explorer.heatmap.outlined
        assert not blank[top:bottom, left:right].any()


def test_a_cell_grows_paler_as_others_are_seen():
    explorer = TilingExplorer(tiles=5)
    first = explorer.weights[8, :8]
    explorer.tiles = 6
    shrunk = explorer.weights[8, :8] / first
    assert (shrunk < 0.9).all() and torch.allclose(shrunk, shrunk[0].expand(8))
    assert explorer.heatmap.map.reading.cell == "{query} so far gives {number} of its attention to {key}."


@named("merge", RIGHT, ids=lambda f: f.__name__)
@named("mask", MASKS)
def test_nothing_is_said_against_any_right_answer(merge, mask):
    explorer = TilingExplorer(merge=merge, mask=mask)
    for _ in each_step(explorer):
        assert explorer.heatmap.message == ""
    for explorer.row in (0, 13, 31):
        assert "exactly the answer" in said(explorer)


@named("merge", WRONG, ids=lambda f: f.__name__)
def test_each_known_mistake_is_seen(merge):
    remarks = []
    for mask in MASKS:
        explorer = TilingExplorer(merge=merge, mask=mask)
        remarks += [explorer.heatmap.message for _ in each_step(explorer)]
    assert any(remarks)


@named(
    "merge, mask, says",
    [
        ("never_below_0", "everything", "The largest of “1” is 0.00, but the largest score that it has"),
        ("denominator_as_it_was", "everything", "so far sum to 0."),
        ("accumulator_as_it_was", "everything", "÷ its sum is not the average of the values"),
        ("divided_at_each_tile", "everything", "The output of “0” ÷ its sum is not the average"),
        ("old_one_returned", "everything", "The largest of “0” is −∞, but"),
        ("only_this_tile", "everything", ", not to 1; it is so in "),
        ("mean_of_the_weights", "everything", "of “0” so far sum to 8.00, not to 1; it is so in 16 of 16"),
        ("minus_infinity_twice", "a window", "has seen nothing yet, but its sum is NaN, not 0."),
        ("low_for_hidden", "a window", "has seen nothing yet, but its sum is 8.00, not 0."),
        ("sum_without_keepdim", "everything", "total should have shape (8, 1); it has (8, 8)."),
        ("nothing_comes_back", "everything", "Not finished yet: the function returns nothing."),
        ("only_the_output", "everything", "should return (largest, total, output); it returned a Tensor."),
    ],
)  # fmt: skip
def test_what_is_said_of_a_wrong_merge(merge, mask, says):
    explorer = TilingExplorer(
        merge=getattr(of_learners, merge), mask=mask, tiles=8 if mask == MASKS[0] else 2
    )
    assert says in explorer.heatmap.message
    assert repr(explorer).count("\n") == 0 and says[:20] in repr(explorer).replace("\n", " ")


def test_a_wrong_sum_is_seen_in_the_map_and_the_answer_is_not_called_exact():
    explorer = TilingExplorer(merge=of_learners.denominator_as_it_was, tiles=16, row=8)
    assert (explorer.weights.sum(-1) < 0.9).sum() > 16 and "row sums 0." in repr(explorer)
    assert "Query 8 after all 4 of its tiles. Output ÷ sum is not the answer." in said(explorer)
    assert explorer.running.content.rows[-2:] == ["output ÷ sum", "exact answer"]
    given, exact = explorer.running.values[-2:]
    assert given != exact and given[2:] == pytest.approx(explorer.output[8].tolist(), abs=1e-6)


def test_a_sum_that_is_nearly_1_is_not_written_as_1():
    def nearly(*given):
        largest, total, output = merge_tile(*given)
        return largest, total * 0.9999, output

    assert "so far sum to 1.0001" in TilingExplorer(merge=nearly, tiles=1).heatmap.message


# ---------------------------------------------------------------- what is alive


@named("dtype, size", [(torch.float16, 4), (torch.bfloat16, 4), (torch.float32, 4), (torch.float64, 8)])
def test_bytes_are_those_of_the_tensors_that_tiling_holds(dtype, size):
    query, key, value = example(12, 10, 5, dtype)
    explorer, alive = TilingExplorer(query, key, value, block=4, tiles=1), []

    def seen(*given):
        alive.append(sum(x[..., 0].numel() * x.shape[-1] * size for x in given[:4]))
        return merge_tile(*given)

    explorer.merge = seen
    for tiles in range(1, 10):
        explorer.tiles = tiles
        assert explorer.alive == alive[tiles - 1]
    assert alive[2] == size * 4 * (2 + 1 + 1 + 5) and explorer.whole == 12 * 10 * size
    scores = query.to(torch.promote_types(dtype, torch.float32)) @ key.to(query.dtype).T.to(
        torch.promote_types(dtype, torch.float32)
    )
    assert explorer.whole == scores.nbytes


def test_what_is_alive_is_said():
    explorer = TilingExplorer()
    assert (explorer.tiles, explorer.row, explorer.alive, explorer.whole) == (6, 8, 416, 4096)
    assert explorer.strip.content.said == (
        "Alive: **one tile, 8 × 8 weights**, and 3 + 2 numbers a query: **416 bytes**; "
        "the whole map has 4,096. Tiles: 6 merged, 10 to come, 0 left out."
    )
    assert explorer.heatmap.outlined == ((8, 16), (8, 16))
    explorer.tiles = 0
    assert explorer.strip.content.plain.startswith(
        "Alive: nothing yet; the whole map has 4,096 bytes. Tiles: 0 m"
    )
    assert explorer.alive == 0 and explorer.heatmap.outlined == () and not explorer.output.any()
    assert explorer.running.content.said == "**Query 8** may look at 32 keys: nothing of it is merged yet."
    for explorer.mask, keys in (("only before", "9 keys"), ("a window", "8 keys")):  # before a tile shows it
        assert f"may look at {keys}" in explorer.running.content.said


def test_a_tile_at_which_nobody_may_look_is_left_out_and_counted():
    calls = []

    def counting(*given):
        calls.append(given[3].shape)
        return merge_tile(*given)

    explorer = TilingExplorer(merge=counting, mask="only before", tiles=99)
    assert len(calls) == explorer.to_merge == explorer.tiles == 10 and "6 left out" in said(explorer)
    blank = explorer.heatmap.map.blank
    assert blank.sum() == 6 * 64 and blank[0, 8] and not blank[0, 7]  # (0, 7) is in a tile, and forbidden
    places = explorer.heatmap.map.places()[0]
    assert (places[0, 0], places[0, 7], places[0, 8]) == (1, 0, 2)
    explorer.mask = "a window"
    assert explorer.to_merge == 7 and "9 left out" in said(explorer)
    nowhere = torch.zeros(32, 32, dtype=torch.bool)
    explorer = TilingExplorer(*tiling._example(), nowhere)
    assert (explorer.to_merge, explorer.tiles, explorer.mask) == (0, 0, "as given")
    assert "0 merged, 0 to come, 16 left out" in said(explorer) and not explorer.output.any()
    assert "may look nowhere: no tile is its own, and its answer is 0" in said(explorer)


# ---------------------------------------------------------------- one query's numbers


def test_the_table_tells_what_was_known_after_each_tile():
    explorer = TilingExplorer(tiles=7)
    query, key, value = tiling._example()
    content = explorer.running.content
    assert content.rows == ["keys 0–7", "keys 8–15", "keys 16–23", "output ÷ sum"] and content.marked == [2]
    assert content.columns == ["largest", "sum", "out 1", "out 2", "out 3"]
    scores = (query[8].double() @ key.double().T) / 2
    for line, end in zip(content.values, (8, 16, 24), strict=False):
        weights = (scores[:end] - scores[:end].max()).exp()
        assert line[:2] == pytest.approx([float(scores[:end].max()), float(weights.sum())])
        assert line[2:] == pytest.approx((weights @ value[:end].double()).tolist())
    assert content.values[0][0] < content.values[1][0] < content.values[2][0]  # the example shows it
    assert content.values[-1][2:] == pytest.approx([x / line[1] for x in line[2:]])
    explorer.row = 0  # of the tiles before
    assert explorer.running.content.marked == [] and "after all 4 of its tiles. Output" in said(explorer)
    explorer.row = 31
    assert explorer.running.content.rows == ()
    explorer.block = 32
    explorer.tiles = 1
    assert "Query 31 after its one tile. Output ÷ sum is exactly the answer." in said(explorer)


def test_of_many_tiles_and_many_numbers_the_table_has_the_last_and_the_first():
    explorer = TilingExplorer(*example(8, 20, 9), block=2, tiles=10, row=0)
    content = explorer.running.content
    assert content.rows[:6] == [f"keys {i}–{i + 1}" for i in range(8, 20, 2)]
    assert len(content.rows) == 8 and len(content.columns) == 8
    assert "after all 10 of its tiles, the last 6 shown." in content.said
    assert content.said.endswith("3 more numbers of the output are not shown.")
    explorer.block = 1
    explorer.tiles = 1
    assert explorer.running.content.rows[0] == "key 0" and "after 1 of its 20 tiles." in said(explorer)


def test_the_row_and_the_pin_are_one():
    explorer = TilingExplorer()
    assert explorer.heatmap.pinned == [8] and explorer.controls["row"].value == 8
    explorer.heatmap.pinned = [8, 3]  # as the reader does
    assert explorer.row == 3 and explorer.controls["row"].value == 3 and explorer.heatmap.pinned == [8, 3]
    explorer.controls["row"].value = 20
    assert explorer.heatmap.pinned == [20] and "Query 20" in said(explorer)
    explorer.heatmap.pinned = []
    assert explorer.row == 20
    with pytest.raises(traitlets.TraitError, match="row must be a query, 0 to 31, got 32"):
        explorer.row = 32
    assert explorer.row == 20 and explorer.controls["row"].max == 31
    assert TilingExplorer(row=5).heatmap.pinned == [5]


def test_what_is_set_to_none_begins_anew():
    explorer = TilingExplorer(row=20, mask="a window", tiles=2)
    explorer.mask = None
    assert explorer.mask == "everything" and explorer.controls["mask"].index == 0
    explorer.row = explorer.tiles = None
    assert explorer.controls["row"].value == explorer.row and explorer.heatmap.pinned == [explorer.row]
    assert explorer.heatmap.message == "" and explorer.weights is not None


# ---------------------------------------------------------------- the dials


def test_tiles_go_forward_and_back_and_nothing_is_merged_twice():
    calls = []

    def counting(*given):
        calls.append(1)
        return merge_tile(*given)

    explorer = TilingExplorer(merge=counting)
    assert len(calls) == 16
    before = explorer.weights
    slider, play = explorer.controls["tiles"].children
    assert (slider.value, slider.max, play.value, play.max) == (6, 16, 6, 16)
    slider.value = 11
    slider.value = 2
    explorer.row = 1
    assert (explorer.heatmap.map.blank.sum(), len(calls)) == (32 * 32 - 128, 16)
    explorer.tiles = 6
    assert torch.equal(explorer.weights, before)
    explorer.block = 16
    assert len(calls) == 20 and (slider.max, play.max) == (4, 4)
    explorer.block = 8
    assert len(calls) == 20 and explorer.tiles == 6 and slider.max == 16  # as far as it was
    explorer.merge = merge_tile
    explorer.merge = counting
    assert len(calls) == 36


def test_another_cut_keeps_the_share_that_is_done():
    explorer = TilingExplorer(tiles=16)
    for explorer.block in (4, 2, 32, 16, 8):
        assert explorer.tiles == explorer.to_merge
    explorer.tiles = 0
    explorer.block = 4
    assert explorer.tiles == 0
    explorer.tiles = 1
    explorer.block = 16
    assert explorer.tiles == 1 and explorer.to_merge == 4  # neither none nor all
    explorer.tiles = 3
    explorer.mask = "only before"
    assert explorer.tiles == 2 and explorer.to_merge == 3
    explorer.tiles = 1000
    assert explorer.tiles == 3 and explorer.controls["tiles"].children[0].max == 3
    with pytest.raises(traitlets.TraitError):
        explorer.tiles = -1
    explorer.tiles = None
    assert explorer.tiles == 3


def test_block_has_powers_of_two_and_all_of_it():
    assert TilingExplorer().blocks == [2, 4, 8, 16, 32]
    assert TilingExplorer(*example(12, 5)).blocks == [1, 2, 4, 8, 12]
    assert TilingExplorer(*example(1, 1)).blocks == [1]
    assert TilingExplorer(*example(256, 256)).blocks == [16, 32, 64, 128, 256]
    explorer = TilingExplorer()
    explorer.controls["block"].value = 16
    assert explorer.block == 16 and explorer.to_merge == 4
    explorer.block = 11  # from Python any size
    explorer.tiles = 9
    assert explorer.to_merge == 9 and explorer.alive == 4 * 10 * (10 + 5)  # the last one is smaller
    explorer.block = 1
    assert explorer.to_merge == 1024
    explorer = TilingExplorer(*example(64, 64), block=1)
    assert "4,096 tiles are too many to look at: the most is 1024." in explorer.heatmap.message
    assert explorer.weights is None and explorer.alive is None and explorer.figure()
    explorer.block = 8
    assert explorer.weights is not None and explorer.to_merge == 64
    with pytest.raises(traitlets.TraitError):
        explorer.block = 0


def test_a_mask_begins_as_what_was_given():
    tensors, window = tiling._example(), causal_mask(32) & window_mask(32, width=7)
    for allowed, mask in (
        (None, 0),
        (causal_mask(32), 1),
        (window, 2),
        (torch.ones(1, 32, dtype=torch.bool), 0),
    ):
        explorer = TilingExplorer(*tensors, allowed)
        assert explorer.mask == MASKS[mask] and len(explorer.controls["mask"].options) == 3
    holes = torch.rand(32, 32, generator=torch.Generator().manual_seed(0)) > 0.9
    explorer = TilingExplorer(*tensors, holes, tiles=99)
    assert explorer.mask == "as given" and explorer.controls["mask"].index == 3
    exact = scaled_dot_product_attention(*tensors, holes)[0]
    assert torch.allclose(explorer.output, exact, atol=1e-5) and explorer.heatmap.message == ""
    assert TilingExplorer(*tensors, holes, mask="everything").to_merge == 16
    explorer.controls["mask"].index = 1
    assert explorer.mask == "only before"
    with pytest.raises(
        traitlets.TraitError, match="mask must be one of everything, only before, a window; got"
    ):
        TilingExplorer().mask = "as given"
    holes.fill_(True)
    tensors[0].fill_(0)  # what was given is copied
    explorer.mask = "as given"
    assert torch.allclose(explorer.output, exact, atol=1e-5)


# ---------------------------------------------------------------- what is given


@named(
    "arguments, why",
    [
        ((torch.ones(3, 2),), "key must be a torch tensor, got NoneType"),
        ((torch.ones(3, 2), torch.ones(4, 3), torch.ones(4, 1)), "query has 2 features but key has 3"),
        ((torch.ones(3, 2), torch.ones(4, 2), torch.ones(5, 1)), "key has 4 positions but value has 5"),
        ((torch.ones(1, 3, 2), torch.ones(4, 2), torch.ones(4, 1)), r"query must be \(n, features\)"),
        ((torch.ones(0, 2), torch.ones(4, 2), torch.ones(4, 1)), r"got \(0, 2\)"),
        ((torch.ones(300, 2), torch.ones(4, 2), torch.ones(4, 1)), r"got \(300, 2\)"),
        ((torch.ones(3, 2), torch.ones(4, 2), torch.ones(4, 0)), r"value must be \(n, features\)"),
        ((torch.ones(3, 2).int(), torch.ones(4, 2), torch.ones(4, 1)), "query must be floating point"),
        ((torch.ones(3, 2), torch.ones(4, 2), torch.ones(4, 1), torch.ones(3, 4)), "allowed must be a bool"),
        ((torch.ones(3, 2), torch.ones(4, 2), torch.ones(4, 1), torch.ones(4, 4) > 0), "does not fit 3"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_refused(arguments, why):
    with pytest.raises(ValueError, match=why):
        TilingExplorer(*arguments)


@named(
    "more, why",
    [
        ({"queries": ["a"]}, "queries"),
        ({"keys": list("ab")}, "keys"),
        ({"measured": [1, 2]}, "measured must be milliseconds by size of block, got list"),
        ({"measured": {0: 1.0}}, "a block that was measured must be a whole number, 1 or more, got 0"),
        ({"measured": {8: "fast"}}, "measured must be milliseconds, 0 or more; of block 8 it has 'fast'"),
        ({"measured": {8: math.nan}}, "of block 8 it has nan"),
    ],
)
def test_labels_and_times_that_do_not_fit_are_refused(more, why):
    with pytest.raises(ValueError, match=why):
        TilingExplorer(*example(), **more)


def test_labels_name_rows_and_columns():
    words = ["the", "cat", "sat", "on", "the", "mat", "because", "it", "was", "tired"]
    explorer = TilingExplorer(*example(10, 10), queries=words, block=4, tiles=3, row=1)
    assert explorer.heatmap.query_labels == explorer.heatmap.key_labels == words
    assert explorer.running.content.rows[:3] == ["the … on", "the … it", "was … tired"]
    assert "Query cat after all 3 of its tiles" in said(explorer)
    explorer = TilingExplorer(*example(3, 10), queries=list("abc"))
    assert explorer.heatmap.key_labels == list("0123456789")


def test_a_tile_that_is_larger_than_everything_is_all_of_it():
    explorer = TilingExplorer(*example(5, 9), block=100)
    assert (explorer.to_merge, explorer.tiles) == (1, 1) and explorer.alive > explorer.whole
    assert explorer.heatmap.outlined == ((0, 5), (0, 9)) and "one tile, 5 × 9 weights" in said(explorer)
    assert explorer.weights.all() and "exactly" in said(explorer)


@named("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_another_precision_is_shown_too(dtype):
    query, key, value = example(dtype=dtype)
    explorer = TilingExplorer(query, key, value, tiles=99)
    exact = scaled_dot_product_attention(query.double(), key.double(), value.double())[0]
    assert torch.allclose(explorer.output.double(), exact, atol=1e-6) and "exactly" in said(explorer)
    assert explorer.heatmap.message == ""


def test_scores_that_are_no_numbers_are_said():
    query, key, value = example()
    query[5, 0] = math.nan
    explorer = TilingExplorer(query, key, value, tiles=99, row=5)
    assert explorer.heatmap.message == "The scores of “5” hold NaN: is there one in query or key?"
    assert (
        "Output ÷ sum is not the answer" in said(explorer) and explorer.figure() and "NaN" in repr(explorer)
    )
    explorer.mask, explorer.tiles = "only before", 1
    assert explorer.heatmap.message == "" or explorer.row == 5
    query[5, 0] = math.inf
    explorer = TilingExplorer(query, key, value, tiles=99)
    assert explorer.heatmap.message == "The scores of “5” hold ∞: is there one in query or key?"
    assert explorer.figure()


@pytest.mark.parametrize(("hole", "said"), [(math.nan, "NaN"), (-math.inf, "−∞")])
def test_values_that_are_no_numbers_are_not_the_merge_s_fault(hole, said):
    query, key, value = example()
    value[11, 1] = hole
    explorer = TilingExplorer(query, key, value, tiles=99, block=4)
    assert explorer.heatmap.message == f"The values hold {said}: whether an output is right cannot be said."
    assert explorer.figure()


def test_large_scores_are_no_mistake():
    query, key, value = (30 * x for x in example())
    explorer = TilingExplorer(query, key, value)
    for _ in each_step(explorer):
        assert explorer.heatmap.message == ""


# ---------------------------------------------------------------- merges that break


def raises_late(largest, total, output, scores, value):
    if largest.isfinite().all():
        raise ValueError("no {braces}")
    return merge_tile(largest, total, output, scores, value)


def test_what_was_merged_before_it_broke_is_shown():
    explorer = TilingExplorer(merge=raises_late, tiles=16)
    message = explorer.heatmap.message
    assert message.startswith("At tile 2 of 16: The function stopped with ValueError: no {braces}\nin line ")
    assert message.endswith('raise ValueError("no {braces}")') and explorer.weights is None
    assert explorer.to_merge == 16 and explorer.controls["tiles"].children[0].max == 16
    assert explorer.figure() and "\n" not in repr(explorer)
    explorer.tiles = 1
    assert explorer.weights is not None and explorer.heatmap.message == ""
    explorer.merge = merge_tile
    explorer.tiles = 16
    assert "exactly" in said(explorer)


@named(
    "merge, why",
    [
        (lambda *given: None, "Not finished yet: the function returns nothing."),
        (lambda *given: ..., "Not finished yet: the function returns nothing."),
        (
            lambda a, b, c, d, e: (a, b),
            "The function should return (largest, total, output); it returned 2 things.",
        ),
        (lambda a, b, c, d, e: (a, b, c, d), "it returned 4 things."),
        (lambda a, b, c, d, e: (a, b, None), "Not finished yet: output is still empty."),
        (lambda a, b, c, d, e: (a, b, 1.0), "output should be a tensor; it is a float."),
        (lambda a, b, c, d, e: (a[:, 0], b, c), "largest should have shape (8, 1); it has (8,)."),
        (lambda a, b, c, d, e: (a, b > 0, c), "total should hold real numbers; it holds bool."),
        (lambda a: a, "The function stopped with TypeError"),
    ],
)
def test_what_is_no_state_is_said(merge, why):
    explorer = TilingExplorer(merge=merge)
    assert why in explorer.heatmap.message and explorer.weights is None and explorer.output is None
    assert repr(explorer).startswith("TilingExplorer(nothing to show: ")


def test_a_merge_that_never_ends_is_ended_once_for_all_tiles(monkeypatch):
    monkeypatch.setattr(_calling, "LONGEST", 0.3)

    def slow(*given):
        time.sleep(0.05)
        return merge_tile(*given)

    began = time.monotonic()
    explorer = TilingExplorer(merge=slow, tiles=16)
    assert time.monotonic() - began < 5
    assert "The function was ended after 0.3 seconds" in explorer.heatmap.message
    assert explorer.heatmap.message.startswith("At tile ")
    explorer.tiles = 1
    assert explorer.weights is not None


def test_what_a_merge_prints_is_counted_and_not_shown(capsys):
    def chatty(*given):
        print("here")
        return merge_tile(*given)

    explorer = TilingExplorer(merge=chatty)
    assert explorer.heatmap.message == "The function printed 16 lines, which are not shown."
    explorer.block = 32
    assert explorer.heatmap.message == "The function printed a line, which is not shown."
    assert capsys.readouterr().out == ""


def test_a_merge_of_another_precision_is_judged_by_that():
    def coarse(*given):
        return tuple(x.to(kind) for x, kind in zip(merge_tile(*given), (torch.float32,) * 3, strict=True))

    explorer = TilingExplorer(merge=coarse)
    for _ in each_step(explorer):
        assert explorer.heatmap.message == ""
    assert "exactly the answer" in said(explorer)

    def off(*given):
        largest, total, output = coarse(*given)
        return largest, total, output * 1.01

    assert "is not the average" in TilingExplorer(merge=off).heatmap.message


def test_a_merge_that_writes_into_what_it_is_given_harms_nobody():
    explorer, usual = TilingExplorer(merge=of_learners.written_in_place, tiles=99), TilingExplorer(tiles=99)
    assert torch.allclose(explorer.output, usual.output, atol=1e-6)
    explorer.block = 4
    assert torch.allclose(explorer.output, usual.output, atol=1e-6)


def test_gradients_are_not_kept():
    query, key, value = (x.requires_grad_() for x in example())
    weight = torch.ones(1, requires_grad=True)

    def learned(*given):
        largest, total, output = merge_tile(*given)
        return largest, total * weight, output

    explorer = TilingExplorer(query, key, value, merge=learned)
    assert not explorer.weights.requires_grad and not explorer.output.requires_grad and explorer.figure()


# ---------------------------------------------------------------- what was measured


def test_what_was_measured_is_a_curve_with_its_point_at_the_block():
    times = {16: 5.5, 2: 30, 4: np.float64(12.25), 8: 6.125}
    explorer = TilingExplorer(measured=times, measured_name="4096 words, ms")
    (curve,) = explorer.curve.content
    assert list(curve.x) == [1, 2, 3, 4] and list(curve.y) == [30, 12.25, 6.125, 5.5] and curve.at == 3
    assert curve.name == "4096 words, ms" and curve.xlabel == "log₂ of the block"
    explorer.block = 16
    assert explorer.curve.content[0].at == 4
    explorer.block = 32
    assert explorer.curve.content[0].at is None  # nobody has measured that
    for number in ("6.1", "5.5", "12.2"):
        assert number not in repr(explorer)
    drawn = {text.get_text() for text in explorer.figure().findobj(lambda a: hasattr(a, "get_text"))}
    assert "4096 words, ms" in drawn
    assert not hasattr(TilingExplorer(), "curve") and not hasattr(TilingExplorer(measured={}), "curve")


# ---------------------------------------------------------------- the line, the picture, and beforehand


def test_the_line_tells_facts():
    assert repr(TilingExplorer()) == (
        "TilingExplorer(6 of 16 tiles of 8 × 8 merged, 0 left out; 416 of 4,096 bytes alive; row sums 1.00)"
    )
    assert repr(TilingExplorer(mask="only before", block=16, tiles=99)) == (
        "TilingExplorer(3 of 3 tiles of 16 × 16 merged, 1 left out; 1,344 of 4,096 bytes alive; "
        "row sums 1.00)"
    )
    assert "0 of 16 tiles" in repr(TilingExplorer(tiles=0)) and "row sums 0.00" in repr(
        TilingExplorer(tiles=0)
    )


def test_the_still_picture_shows_map_table_and_words():
    explorer = TilingExplorer(mask="only before", tiles=10, row=31)
    figure = explorer.figure()
    drawn = {text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))}
    assert {"largest", "sum", "out 3", "keys 24–31", "exact answer", "1.00", "30"} <= drawn
    below = figure.get_supxlabel()
    assert "Alive: one tile" in below and "6 left out" in below and "Empty: not computed." in below
    frame = next(p for p in figure.axes[0].patches if p.get_linewidth() == 2.5)
    assert (frame.get_xy(), frame.get_width()) == ((23.5, 23.5), 8)
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["image/png"] and bundle["text/plain"] == repr(explorer)
    wrong = TilingExplorer(merge=of_learners.accumulator_as_it_was, tiles=16)
    assert "is not the average" in wrong.figure().get_supxlabel()


def test_the_first_look_can_have_fewer_controls():
    explorer = TilingExplorer().only("tiles", "block")
    hidden = [name for name, control in explorer.controls.items() if control.layout.display == "none"]
    assert hidden == ["row", "mask"]


def test_frames_beforehand_merge_nothing_again(monkeypatch):
    monkeypatch.setattr(bank, "MOST_SECONDS", 60.0)
    from test_bank import all_of

    calls = []

    def counting(*given):
        calls.append(1)
        return merge_tile(*given)

    explorer = TilingExplorer(merge=counting)
    dials = [dial[1:] for dial in explorer._bank._dials]
    which = next(i for i, (_, _, moves) in enumerate(dials) if moves == ["tiles"])
    assert len(all_of(explorer, which)) == 17 and len(calls) == 16
