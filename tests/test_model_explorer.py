"""The explorer of a whole model: one head opened, tokens struck out, heads sorted, and what it refuses."""

import re

import pytest
import torch
import traitlets

from attention_core import causal_mask
from attention_core.live import ModelExplorer
from attention_core.live.explorers import model

torch.manual_seed(0)
TOKENS = ["[CLS]", "anna", "said", "she", "[SEP]"]
MAPS = torch.randn(3, 2, 5, 5).softmax(-1)
NORMS = torch.rand(3, 2, 5, 5) + 0.1


def diagonal(weights, tokens) -> float:
    assert len(tokens) == len(weights)
    return weights.diagonal().mean()


def test_the_first_head_is_open_and_another_one_is_chosen():
    explorer = ModelExplorer(MAPS, TOKENS)
    assert (explorer.layer, explorer.head) == (0, 0) and explorer.weights.equal(MAPS[0, 0])
    assert explorer.heatmap.map.queries == tuple(TOKENS) and explorer.heatmap.title == "Layer 0, head 0"
    explorer.layer, explorer.head = 2, 1
    assert explorer.weights.equal(MAPS[2, 1]) and explorer.heatmap.title == "Layer 2, head 1"
    assert explorer.seen.content.chosen == 5 and explorer.seen.content.grid == (3, 2)
    assert explorer.seen.content.names[3] == "layer 1, head 1"


def test_a_click_on_a_small_map_opens_it():
    explorer = ModelExplorer(MAPS, TOKENS)
    explorer.seen._handle_custom_msg({"chosen": 3}, [])
    assert (explorer.layer, explorer.head) == (1, 1) and explorer.weights.equal(MAPS[1, 1])
    assert explorer.controls["layer"].value == 1 and explorer.controls["head"].value == 1


def test_the_page_is_sent_the_one_that_is_open():
    explorer, sent = ModelExplorer(torch.rand(12, 12, 64, 64)), []
    explorer.seen.observe(lambda change: sent.append(change.name), ["_frame", "_pixels"])
    assert len(explorer.heatmap._frame["weights"]) == 4 * 64 * 64
    explorer.head = 5
    assert sent == ["_frame"]  # the small maps are there already


def test_without_tokens_they_are_numbers_and_queries_need_not_be_keys():
    assert ModelExplorer(MAPS).heatmap.map.keys == ("0", "1", "2", "3", "4")
    explorer = ModelExplorer(torch.rand(2, 3, 2, 4), ["le", "chat"], keys=["the", "cat", "sat", "down"])
    assert explorer.heatmap.map.queries == ("le", "chat") and explorer.heatmap.map.keys[3] == "down"
    explorer.struck = 3
    assert explorer.weights[:, 3].tolist() == [0, 0]


# ---------------------------------------------------------------- struck out


def test_a_struck_token_has_no_weight_and_the_others_share_it():
    explorer = ModelExplorer(MAPS, TOKENS)
    explorer.struck, allowed = 0, torch.tensor([0, 1, 1, 1, 1])
    assert explorer.weights[:, 0].eq(0).all() and torch.allclose(explorer.weights.sum(-1), torch.ones(5))
    others = MAPS[0, 0, 1] * allowed
    assert torch.allclose(explorer.weights[1], others / others.sum())
    assert explorer.heatmap.allowed[2].tolist() == [False, True, True, True, True]
    assert "“[CLS]” is struck out of this map alone" in explorer.heatmap.message
    explorer.struck = None
    assert explorer.weights.equal(MAPS[0, 0]) and not explorer.heatmap.message


def test_the_model_is_asked_anew_once_for_each_token():
    asked = []

    def again(allowed):
        asked.append(allowed.tolist())
        return (MAPS + (~allowed).float()) * 0.5

    explorer = ModelExplorer(MAPS, TOKENS, again=again)
    explorer.struck = 3
    assert asked == [[True, True, True, False, True]] and explorer.weights[0, 0] == MAPS[0, 0, 0, 0] * 0.5
    assert not explorer.heatmap.message
    explorer.head = 1
    assert len(asked) == 1 and torch.allclose(explorer.weights, (MAPS[0, 1] + torch.eye(5)[3]) * 0.5)
    assert explorer.seen.content.image.sum() != ModelExplorer(MAPS, TOKENS).seen.content.image.sum()


def test_of_large_models_few_answers_are_kept(monkeypatch):
    monkeypatch.setattr(model, "MOST_KEPT", 2 * MAPS.numel())
    asked = []
    explorer = ModelExplorer(MAPS, TOKENS, again=lambda allowed: asked.append(allowed) or MAPS)
    for struck in (0, 1, 0, 2, 0):
        explorer.struck = struck
    assert len(asked) == 4  # the first was forgotten for the third


@pytest.mark.parametrize(
    "again, said",
    [
        (lambda allowed: 1 / 0, "ZeroDivisionError"),
        (lambda allowed: None, "again"),
        (lambda allowed: MAPS[:2], r"its maps are \(2, 2, 5, 5\), and those given \(3, 2, 5, 5\)"),
        (lambda allowed: MAPS[..., :4], "again"),
    ],
)
def test_a_model_that_fails_when_asked_is_told_of(again, said):
    explorer = ModelExplorer(MAPS, TOKENS, again=again)
    explorer.struck = 1
    assert explorer.weights is None
    assert re.search(said, explorer.heatmap.message), explorer.heatmap.message
    explorer.struck = None
    assert explorer.weights.equal(MAPS[0, 0])


# ---------------------------------------------------------------- what is sent


def test_what_is_sent_is_shown_as_shares_of_its_row():
    explorer = ModelExplorer(MAPS, TOKENS, norms=NORMS)
    explorer.shows = "norms"
    assert torch.allclose(explorer.weights, NORMS[0, 0] / NORMS[0, 0].sum(-1, keepdim=True))
    assert explorer.heatmap.map.reading.number == "share"
    assert "shows" in explorer.controls and "shows" not in ModelExplorer(MAPS).controls


def test_norms_come_anew_with_the_maps():
    explorer = ModelExplorer(
        MAPS, TOKENS, norms=NORMS, shows="norms", again=lambda allowed: (MAPS, NORMS * allowed)
    )
    explorer.struck = 2
    assert explorer.weights[:, 2].eq(0).all() and torch.allclose(explorer.weights.sum(-1), torch.ones(5))


# ---------------------------------------------------------------- sorted by a score


def test_heads_are_scored_marked_and_visited_in_order():
    explorer = ModelExplorer(MAPS, TOKENS, score=diagonal)
    expected = MAPS.diagonal(dim1=-2, dim2=-1).mean(-1)
    assert torch.allclose(explorer.scores, expected)
    order = expected.flatten().argsort(descending=True).tolist()
    assert explorer.best.content.words[0] == f"layer {order[0] // 2}, head {order[0] % 2}"
    assert explorer.seen.content.marked == tuple(sorted(order))  # six are fewer than eight
    visited = []
    for _ in range(7):
        explorer.next_best()
        visited.append(2 * explorer.layer + explorer.head)
    start = order.index(0) + 1
    assert visited == [order[(start + i) % 6] for i in range(7)]


def test_what_a_head_looks_at_most_and_how_it_is_placed_is_said():
    maps = torch.full((1, 3, 5, 5), 0.1)
    maps[0, :, :, 2] = 0.6
    explorer = ModelExplorer(maps, TOKENS)
    assert explorer.best.content.plain == "On average this head looks most at “said”: 0.60 of a row."
    explorer.norms = maps
    explorer.shows = "norms"
    assert explorer.best.content.plain.startswith(
        "On average what this head sends comes most from “said”: 0.6"
    )
    maps[0, 1, 0, 0], maps[0, 2, 1, 1] = 0.3, 0.2
    explorer.score = diagonal
    explorer.update()
    assert explorer.best.content.plain.endswith("Its score is 0.20, the 3rd of 3; the best:")
    explorer.head = 1
    assert explorer.best.content.plain.endswith("Its score is 0.24, the 1st of 3; the best:")


def test_of_many_heads_eight_are_marked():
    explorer = ModelExplorer(torch.rand(12, 12, 3, 3), score=diagonal)
    assert len(explorer.seen.content.marked) == len(explorer.best.content.words) == 8


def test_a_score_that_fails_is_told_of_with_its_line():
    explorer = ModelExplorer(MAPS, TOKENS, score=lambda weights, tokens: weights.nowhere)
    assert "score" in explorer.heatmap.message and "nowhere" in explorer.heatmap.message
    explorer.score = None
    assert explorer.weights.equal(MAPS[0, 0]) and explorer.scores is None


def test_a_score_may_write_into_what_it_is_given():
    explorer = ModelExplorer(MAPS.clone(), TOKENS, score=lambda weights, tokens: weights.zero_().sum())
    assert explorer.weights.equal(MAPS[0, 0])


# ---------------------------------------------------------------- other maps, and none


def test_other_maps_keep_the_place_where_there_is_one():
    explorer = ModelExplorer(MAPS, TOKENS, layer=2, head=1)
    with explorer.together():
        explorer.maps, explorer.tokens = MAPS[:2, :, :3, :3], TOKENS[:3]
    assert (explorer.layer, explorer.head) == (1, 1) and explorer.controls["layer"].max == 1
    assert list(explorer.strikes) == ["nothing", "0 [CLS]", "1 anna", "2 said"]


def test_update_sees_what_was_written_into_the_maps():
    maps = MAPS.clone()
    explorer = ModelExplorer(maps, TOKENS)
    maps[0, 0] = causal_mask(5) / causal_mask(5).sum(-1, keepdim=True)
    explorer.update()
    assert explorer.weights.equal(maps[0, 0])


@pytest.mark.parametrize(
    "arguments, named, said",
    [
        ((MAPS, TOKENS[:4]), {}, "weights have 5 rows but tokens has 4 labels"),
        ((MAPS, "anna said she"), {}, r"\.split\(\)"),
        ((torch.rand(1, 2, 3, 4), TOKENS[:3]), {}, "3 rows and 4 columns: the columns’ labels are keys=…"),
        ((torch.rand(1, 2, 3, 4), TOKENS[:3]), {"keys": TOKENS}, "weights have 4 columns but keys has 5"),
        ((MAPS, TOKENS), {"norms": NORMS[:2]}, r"norms are \(2, 2, 5, 5\), but maps are \(3, 2, 5, 5\)"),
        ((torch.rand(2, 5, 5),), {}, r"of one layer, write \[maps\]"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, named, said):
    with pytest.raises(ValueError, match=said.replace("’", "'")):
        ModelExplorer(*arguments, **named)


@pytest.mark.parametrize("name, value", [("layer", 3), ("head", 2), ("struck", 5), ("maps", torch.rand(3))])
def test_what_there_is_not_cannot_be_set(name, value):
    explorer = ModelExplorer(MAPS, TOKENS)
    before = getattr(explorer, name)
    with pytest.raises(traitlets.TraitError):
        setattr(explorer, name, value)
    assert getattr(explorer, name) is before and explorer.weights is not None


def test_the_repr_tells_no_weight_and_the_picture_shows_both():
    explorer = ModelExplorer(MAPS, TOKENS, layer=1)
    assert repr(explorer) == "ModelExplorer(3 layers × 2 heads; Layer 1, head 0; 5 queries × 5 keys, learned)"
    explorer.struck = 1
    assert "“anna” struck out" in repr(explorer)
    figure = explorer.figure()
    assert len(figure.subfigs) == 2 and "struck out of this map alone" in figure.get_supxlabel()
