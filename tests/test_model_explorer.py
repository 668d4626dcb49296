"""The explorer of a whole model: one head opened, tokens struck out, heads sorted, and what it refuses."""

import re
import time

import pytest
import torch
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg

from attention_core import causal_mask
from attention_core._calling import Failed, noted
from attention_core._time_limit import TooLong, in_time
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
    assert explorer.size == (3, 2) and explorer.labels == (tuple(TOKENS),) * 2  # and what can be chosen stays
    options, chosen = explorer.controls["struck"].options, explorer.controls["struck"].index
    assert options == ("nothing", *(f"{i} {token}" for i, token in enumerate(TOKENS))) and chosen == 2
    assert (explorer.controls["layer"].max, explorer.controls["head"].max) == (2, 1)
    explorer.controls["layer"].value, explorer.controls["head"].value = 2, 1
    explorer.controls["struck"].index = 0
    assert explorer.weights.equal(MAPS[2, 1]) and (explorer.layer, explorer.head) == (2, 1)


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


@pytest.mark.parametrize(
    "n, answer",
    [(3, MAPS), (2, MAPS[:2]), (2, tuple(MAPS[:2])), (2, [layer[None] for layer in MAPS[:2]]), (3, None)],
)
def test_maps_alone_are_not_enough_where_norms_were_given(n, answer):
    explorer = ModelExplorer(MAPS[:n], TOKENS, norms=NORMS[:n], again=lambda allowed: answer)
    explorer.struck = 1
    assert explorer.heatmap.message == "again: return (maps, norms), as norms were given"


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("form", [torch.clone, tuple, lambda x: [layer[None] for layer in x]])
def test_maps_and_norms_are_two_things_in_whatever_form_each_is(n, form):
    again = lambda allowed: [form(MAPS[:n]), form(NORMS[:n] * allowed)]  # noqa: E731
    explorer = ModelExplorer(form(MAPS[:n]), TOKENS, norms=form(NORMS[:n]), shows="norms", again=again)
    explorer.struck = 2
    assert explorer.weights[:, 2].eq(0).all() and not explorer.heatmap.message


# ---------------------------------------------------------------- sorted by a score


def test_heads_are_scored_marked_and_visited_in_order():
    explorer = ModelExplorer(MAPS, TOKENS, score=diagonal)
    expected = MAPS.diagonal(dim1=-2, dim2=-1).mean(-1)
    assert torch.allclose(explorer.scores, expected)
    order = expected.flatten().argsort(descending=True).tolist()
    assert explorer.best.content.words[0] == f"layer {order[0] // 2}, head {order[0] % 2}"
    assert explorer.seen.content.marked == tuple(sorted(order))  # six are fewer than eight
    assert walked(explorer, 7) == [*order, order[0]]


def walked(explorer, n):
    visited = []
    for _ in range(n):
        explorer.next_best()
        visited.append(2 * explorer.layer + explorer.head)
    return visited


def test_it_begins_with_the_best_after_a_new_score_and_after_another_way():
    explorer = ModelExplorer(MAPS, TOKENS, score=diagonal)
    order = MAPS.diagonal(dim1=-2, dim2=-1).mean(-1).flatten().argsort(descending=True).tolist()
    walked(explorer, 3)
    explorer.layer, explorer.head = divmod(order[4], 2)  # opened otherwise
    assert walked(explorer, 2) == order[:2]
    explorer.seen._handle_custom_msg({"chosen": order[0]}, [])  # the best is open
    assert walked(explorer, 2) == order[1:3]
    explorer.score = lambda weights, tokens: weights.diagonal().mean()  # a new one, though it says the same
    assert walked(explorer, 2) == order[:2]
    explorer.struck = 1  # of the open map alone: its scores stay
    assert walked(explorer, 1) == [order[2]]
    explorer.score = lambda weights, tokens: -weights.diagonal().mean()
    assert walked(explorer, 2) == order[:3:-1]
    explorer.score = None
    assert walked(explorer, 1) == [order[4]]


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


def endless(weights, tokens):
    while True:
        pass


@pytest.mark.parametrize(
    "score, said",
    [
        (lambda weights, tokens: weights.nowhere, "AttributeError.*\nin line .*nowhere"),
        (lambda weights, tokens: [0.5], "score: It gives a list, no number; for nothing to show give None"),
        (lambda weights, tokens: weights, "score: It gives a Tensor, no number"),
        (lambda weights, tokens: "high", "score: It gives a str, no number"),
        (endless, "score: The function was ended after 0.3 seconds"),
    ],
)
def test_a_score_that_fails_is_told_of_with_its_line_and_the_maps_stay(score, said, monkeypatch):
    monkeypatch.setattr("attention_core._calling.LONGEST", 0.3)
    explorer = ModelExplorer(MAPS, TOKENS, score=score, struck=1)
    assert re.search(said, explorer.heatmap.message, re.DOTALL), explorer.heatmap.message
    assert explorer.heatmap.message.endswith("give again=…")  # of what is struck out, too
    explorer.struck = None
    assert explorer.weights.equal(MAPS[0, 0]) and explorer.scores is None
    assert not explorer.seen.content.marked and explorer.best.content.plain.startswith("On average")
    explorer.next_best()
    assert (explorer.layer, explorer.head) == (0, 0)
    explorer.score = None
    assert not explorer.heatmap.message


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_a_head_of_which_a_score_says_nothing_has_no_place(nothing):
    maps = MAPS.clone()
    maps[0, 0] = torch.eye(5)
    explorer = ModelExplorer(maps, TOKENS, score=lambda w, t: nothing if w[0, 0] == 1 else w[0, 0])
    assert explorer.scores[0, 0].isnan() and not explorer.scores.flatten()[1:].isnan().any()
    assert explorer.best.content.plain.endswith("row. The score has nothing to show here; the best:")
    assert len(explorer.best.content.words) == len(explorer.seen.content.marked) == 5
    explorer.next_best()
    assert explorer.best.content.plain.endswith("the 1st of 5; the best:")
    explorer.score = lambda w, t: nothing
    assert explorer.best.content.plain.endswith("row. The score has nothing to show in any head.")
    assert not explorer.best.content.words and not explorer.seen.content.marked
    assert not explorer.heatmap.message and explorer.weights is not None


def test_a_score_that_takes_longer_than_frames_made_beforehand_may_is_not_called_endless():
    def slow(weights, tokens):
        for _ in range(100):
            time.sleep(0.001)
        return weights[0, 0]

    explorer = ModelExplorer(MAPS, TOKENS, score=slow, again=lambda allowed: MAPS * 0.5)
    beforehand = noted.set([])
    try:
        with pytest.raises(TooLong):
            in_time(lambda: reraised(lambda: explorer.answer_to(explorer.inputs() | {"struck": 1})), 0.1)
    finally:
        noted.reset(beforehand)
    explorer.struck = 1
    assert not explorer.heatmap.message and torch.allclose(explorer.scores, MAPS[..., 0, 0] * 0.5)


def reraised(ask):
    """As the bank has it: what took too long there is no failure."""
    try:
        return ask()
    except Failed as failed:
        assert failed.what == "too long"
        raise TooLong from None


def test_a_score_may_write_into_what_it_is_given():
    def takes(weights, tokens):
        assert tokens.pop() == "[SEP]"
        return weights.zero_().sum()

    explorer = ModelExplorer(MAPS.clone(), TOKENS, score=takes)
    assert explorer.weights.equal(MAPS[0, 0]) and explorer.scores.eq(0).all()


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
    layers = [*MAPS]
    explorer = ModelExplorer(layers, TOKENS, layer=2)
    layers.pop()
    explorer.update()
    assert explorer.size == (2, 2) and explorer.layer == 1 and explorer.weights.equal(MAPS[1, 0])


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


def test_the_picture_names_the_best_heads_and_nothing_in_it_is_cut():
    maps = torch.rand(6, 12, 5, 5).softmax(-1)
    explorer = ModelExplorer(maps, TOKENS, score=diagonal)
    figure = explorer.figure()
    said = " ".join(figure.get_supxlabel().split())
    best = explorer.best.content
    named = "; ".join(f"{name}: {share:.2f}" for name, share in zip(best.words, best.shares, strict=True))
    assert len(best.words) == 8 and f"the best: {named}" in said
    title = figure.subfigs[0].get_suptitle().split()
    assert title == explorer.seen.content.said.replace("**", "").split()
    FigureCanvasAgg(figure).draw()
    for part, text in [(figure, figure._supxlabel), *((x, x._suptitle) for x in figure.subfigs)]:
        box = text.get_window_extent()
        assert part.bbox.x0 <= box.x0 and box.x1 <= part.bbox.x1 and box.y0 >= 0, text
