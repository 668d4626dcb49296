"""What a page without a kernel holds: each frame is what a move there shows, in eight bits a weight."""

import json
import struct
import zlib

import ipywidgets as widgets
import numpy as np
import pytest
import recorded
import torch
from found import found_explorers
from ipywidgets.widgets.widget import _instances
from recorded import FINE, from_bits, in_bits, inputs_of, set_inputs
from test_explorer_base import made
from test_page import in_page

from attention_core.live import AttentionHeatmap, PictureExplorer, SelfAttentionExplorer, SinusoidExplorer
from attention_core.practice import predict


class Read:
    """A record as the page reads it."""

    def __init__(self, raw: bytes):
        whole = zlib.decompress(raw)
        (length,) = struct.unpack("<I", whole[:4])
        told = json.loads(whole[4 : 4 + length])
        self.models, self.explorers, self.frames = told["models"], told["explorers"], told["frames"]
        self.texts, self.bytes, at = told["texts"], [], 4 + length
        for size in told["bytes"]:
            self.bytes.append(whole[at : at + size])
            at += size
        assert at == len(whole)

    def filled(self, thing, shape=None):
        if isinstance(thing, list):
            return [self.filled(one) for one in thing]
        if not isinstance(thing, dict):
            return thing
        if "$text" in thing:
            return self.texts[thing["$text"]]
        if "$bytes" in thing:
            raw = self.bytes[thing["$bytes"]]
            return from_bits(raw, shape, thing["bits"]) if "bits" in thing else raw
        return {name: self.filled(one, thing.get("shape")) for name, one in thing.items()}


def read(*shown) -> Read:
    return Read(recorded.recorded(shown))


def assert_alike(told, real) -> None:
    """What the page has, and what the widget has; but for what bits leave out of numbers."""
    if isinstance(told, np.ndarray):
        real = np.frombuffer(real, np.float32).reshape(told.shape)
        np.testing.assert_allclose(told, real, atol=FINE, rtol=0)
    elif isinstance(told, dict):
        assert set(told) == set(real)
        for name in told:
            assert_alike(told[name], real[name])
    elif isinstance(told, list):
        assert len(told) == len(real)
        for one, other in zip(told, real, strict=True):
            assert_alike(one, other)
    else:
        assert told == (bytes(real) if isinstance(real, memoryview | bytearray) else real)


@pytest.mark.parametrize("name", found_explorers())
def test_each_frame_is_what_a_move_there_shows(name):
    explorer = made(name)
    record = read(explorer)
    (moves,) = record.explorers
    inputs = inputs_of(explorer)
    home = {id: dict(_instances[id].get_state()) for id in moves["changed"]}
    for one in moves["sets"]:
        dials = [moves["dials"][i] for i in one["dials"]]
        for at, frame in one["steps"][:: max(1, len(one["steps"]) // 4)]:
            for (model, trait, _), value in zip(dials, at, strict=True):
                _instances[model].set_state({trait: value})
            for id, traits in moves["changed"].items():
                there = _instances[id].get_state(traits)
                told = record.frames[frame].get(id, {})
                for trait in traits:
                    shown = record.filled(told[trait]) if trait in told else home[id][trait]
                    assert_alike(shown, there[trait])
            set_inputs(explorer, inputs)
    steps = [i for i, (_, _, has_steps, _) in enumerate(explorer._bank._dials) if has_steps]
    assert {i for one in moves["sets"] for i in one["dials"]} >= {i for i in steps if _many(explorer, i)}


def _many(explorer, i: int) -> bool:
    return len(list(explorer._bank._every[i].steps())) > 1


def test_recording_leaves_an_explorer_as_it_stood():
    explorer = SelfAttentionExplorer(temperature=0.5, mask="causal")
    before, weights = explorer.inputs(), explorer.weights.clone()
    read(explorer)
    assert explorer.inputs() == before and torch.equal(explorer.weights, weights)
    explorer.controls["temperature"].index = 3  # and alive
    assert explorer.temperature == 0.2


def test_no_page_is_told_of_the_steps_and_again_of_what_comes_after(monkeypatch):
    explorer, told = SelfAttentionExplorer("a b c"), []
    monkeypatch.setattr(type(explorer.comm), "publish_msg", lambda *_said, **more: told.append(more))
    assert len(read(explorer).frames) > 1
    assert told == []
    explorer.temperature = 0.5
    assert told


def test_controls_are_recorded_in_every_combination_and_alone():
    (moves,) = read(SelfAttentionExplorer()).explorers
    sizes = {tuple(one["dials"]): len(one["steps"]) for one in moves["sets"]}
    assert sizes == {(2, 3, 1): 2 * 3 * 60, (1,): 60, (2,): 2, (3,): 3}
    assert [trait for _, trait, _ in moves["dials"]] == ["value", "index", "index", "index"]


def test_more_combinations_than_there_is_room_for_are_not_recorded(monkeypatch):
    monkeypatch.setattr(recorded, "TOGETHER", 100)
    (moves,) = read(SelfAttentionExplorer()).explorers
    assert [one["dials"] for one in moves["sets"]] == [[2, 3], [1], [2], [3]]


def test_time_has_an_end_and_the_nearest_steps_come_first(monkeypatch):
    ticks = iter(range(10**9))
    monkeypatch.setattr(recorded.time, "process_time", lambda: next(ticks))
    monkeypatch.setattr(recorded, "MOST_SECONDS", 5)
    (moves,) = read(SelfAttentionExplorer()).explorers
    ((alone,),) = [[one for one in moves["sets"] if one["dials"] == [1]]]
    (dial,) = [d for d in SelfAttentionExplorer()._bank._every if d.moves == ("temperature",)]
    here = dial.at()
    values = [at[0] for at, _ in alone["steps"]]
    assert 0 < len(values) < 10
    assert sorted(values, key=lambda value: abs(value - here)) == values


def test_a_hidden_control_is_not_recorded():
    (moves,) = read(SelfAttentionExplorer().only("mask")).explorers
    assert [one["dials"] for one in moves["sets"]] == [[3]]


def test_what_gives_way_is_recorded_with_a_control_alone():
    explorer = SinusoidExplorer(length=16, position=8, distance=5)
    record = read(explorer)
    (moves,) = record.explorers
    position = explorer.controls["position"].model_id
    distance = explorer.controls["distance"].model_id
    i = [model for model, *_ in moves["dials"]].index(distance)
    (alone,) = [one for one in moves["sets"] if one["dials"] == [i]]
    frames = {at[0]: record.frames[frame] for at, frame in alone["steps"]}
    assert frames[12][position]["value"] == 3
    assert not any("value" in frames[x].get(position, {}) for x in range(8))  # each from where it stood


def test_together_nothing_gives_way():
    explorer = SinusoidExplorer(length=8)
    (moves,) = read(explorer).explorers
    group = moves["sets"][0]
    moved = [explorer._bank._every[i].moves[0] for i in group["dials"]]
    places = [dict(zip(moved, at, strict=True)) for at, _ in group["steps"]]
    assert len(places) > 9 and all(at["position"] + at["distance"] < 8 for at in places)


def test_what_the_bank_names_is_there_though_it_stands_nowhere():
    explorer = SelfAttentionExplorer()
    explorer.children = explorer.children[1:]  # without its bar
    record = read(explorer)
    named = [*explorer._bank._views.values(), *(dial[0] for dial in explorer._bank._dials)]
    assert set(named) <= set(record.models)


def test_a_choice_of_a_cell_is_recorded_wherever_the_controls_stand():
    explorer = PictureExplorer().only("frame")
    record = read(explorer)
    (moves,) = record.explorers
    told = {json.dumps([at, wish]): frame for _, at, wish, frame in moves["wishes"]["told"]}
    names = [explorer._bank._every[i].moves[0] for i in moves["wishes"]["dials"]]
    assert set(names) == {"frame", "query"}  # the second is hidden, but a choice moves it
    query = explorer.controls["query"].model_id
    home = [explorer._bank._every[i].at() for i in moves["wishes"]["dials"]]
    other = [{"frame": home[names.index("frame")] - 1, "query": home[names.index("query")]}[n] for n in names]
    asked = [record.frames[told[json.dumps([place, {"chosen": 4}])]] for place in (home, other)]
    frame = explorer.controls["frame"].model_id
    assert asked[0][query]["index"] == asked[1][query]["index"] != explorer.controls["query"].index
    assert frame not in asked[0] and asked[1][frame]["index"] == other[names.index("frame")]


def test_predictions_and_what_was_never_shown_are_left_out():
    shown, other = AttentionHeatmap(torch.eye(3)), AttentionHeatmap(torch.eye(3))
    asked = predict("?", ["yes", "no"])
    record = read(shown, shown, asked, widgets.IntSlider())
    assert asked.model_id not in record.models
    assert shown.model_id in record.models and other.model_id not in record.models
    assert {model.get("_model_name") for model in record.models.values()} == {"AnyModel", "LayoutModel"}
    assert record.explorers == []


def test_an_explorer_shown_twice_is_recorded_once():
    explorer = SelfAttentionExplorer()
    assert len(read(explorer, explorer).explorers) == 1


# ---------------------------------------------------------------- eight bits a weight


def maps() -> dict[str, np.ndarray]:
    dice = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 40, 64, generator=dice)
    found = {f"at {t}": (scores / t).softmax(-1).numpy() for t in (0.05, 0.3, 1, 3)}
    found["uniform"] = np.full((1, 5, 6), 1 / 6, np.float32)
    found["one"] = np.eye(7, dtype=np.float32)[None]
    found["nobody"] = np.zeros((1, 3, 4), np.float32)
    return found


@pytest.mark.parametrize("name", maps())
def test_a_weight_of_eight_bits_differs_by_less_than_is_said(name):
    weights = maps()[name]
    packed = in_bits(weights, 8)
    assert len(packed) == weights.size + 4 * weights.shape[0] * weights.shape[1]
    there = from_bits(packed, weights.shape, 8)
    assert np.abs(there - weights).max() < 0.01  # two digits differ by one hundredth at most
    np.testing.assert_allclose(there.sum(-1), weights.sum(-1), atol=1e-5)
    if name in ("uniform", "one", "nobody"):
        np.testing.assert_allclose(there, weights, atol=1e-7)


def test_small_weights_keep_what_counts_of_them():
    weights = np.array([[[0.9, 0.0021, 0.0979, 0.0]]], np.float32)
    there = from_bits(in_bits(weights, 8), weights.shape, 8)
    assert there[0, 0, 1] == pytest.approx(0.0021, rel=0.1) and there[0, 0, 3] == 0


@pytest.mark.parametrize("width", [8, 16])
def test_the_page_reads_the_same_numbers(width):
    weights = maps()["at 0.3"]
    packed = in_bits(weights, width)
    expression = (
        "[...new Float32Array(inFull(new DataView(Uint8Array.from(x.bytes).buffer),"
        " { bits: x.width, columns: x.columns }).buffer)]"
    )
    given = {"bytes": list(packed), "width": width, "columns": weights.shape[-1]}
    (there,) = in_page("packed.js", expression, [given])
    np.testing.assert_allclose(there, from_bits(packed, weights.shape, width).flatten(), rtol=1e-6)


def test_sixteen_bits_hold_scores_to_two_digits():
    scores = torch.linspace(-80, 120, 999).reshape(1, 27, 37).numpy()
    assert np.abs(from_bits(in_bits(scores, 16), scores.shape, 16) - scores).max() <= FINE
    assert in_bits(scores, 8) is None  # below 0 there is no root


@pytest.mark.parametrize("wild", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_what_has_no_such_form_is_told_as_it_is(wild):
    weights = torch.tensor([[0.5, 0.5], [wild, 1.0]])
    view = AttentionHeatmap(weights)
    record = read(view)
    frame = record.filled(record.models[view.model_id]["_frame"])
    assert frame["weights"] == weights.numpy().tobytes()


def test_a_map_of_weights_takes_eight_bits_and_its_scores_sixteen():
    view = AttentionHeatmap(torch.rand(6, 9).softmax(-1), scores=torch.randn(6, 9))
    frame = read(view).models[view.model_id]["_frame"]
    assert (frame["weights"]["bits"], frame["scores"]["bits"]) == (8, 16)
