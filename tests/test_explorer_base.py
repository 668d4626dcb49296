"""What every explorer has from its base: controls declared, a pure compute, failure in words, links."""

import ast
import copy
import inspect
import textwrap
import threading
import time

import ipywidgets as widgets
import pytest
import torch
import traitlets
from found import found_explorers

from attention_core import scaled_dot_product_attention
from attention_core.live import AttentionMap, Explorer, SelfAttentionExplorer, Strip, Words
from attention_core.live.controls import button, choice, slider, text, tick, whole
from attention_core.live.remarks import Unusable

EYE = torch.eye(2)


def made(name):
    """A fresh one, by the code that a notebook would run."""
    *before, last = found_explorers()[name].splitlines()
    here = {}
    exec("\n".join(before), here)
    return eval(last, here)


class Every(Explorer):
    """One of each control."""

    word = traitlets.Unicode("a").tag(control=text("Word"))
    share = traitlets.Float(0.5).tag(control=slider("Share", (0.0, 0.5, 1.0)))
    count = traitlets.Int(2, min=1).tag(control=whole("Count", 1, 4))
    on = traitlets.Bool(True).tag(control=tick("on"))
    kind = traitlets.Any(None, allow_none=True).tag(control=choice("Kind", {"none": None, "two": 2}))
    hidden = traitlets.Int(0)
    total = traitlets.Float(-1.0).tag(computed=True)

    @button("more")
    def more(self):
        self.count += 1

    def views(self):
        return super().views() | {"strip": Strip()}

    def compute(self, word, share, count, on, kind, hidden):
        if word == "refuse":
            raise Unusable("No.")
        if word == "fail":
            raise ZeroDivisionError("division by zero")
        if word == "interrupt":
            raise KeyboardInterrupt
        answer = {"heatmap": AttentionMap(share * torch.eye(count)), "total": share * count + hidden}
        return answer | (
            {"message": f"{kind}", "title": word, "strip": Words(word, [word], [share])} if on else {}
        )


def test_a_first_look_shows_only_some_controls_and_the_others_still_work():
    explorer = Every()
    assert explorer.only("word", "more") is explorer
    hidden = {name for name, control in explorer.controls.items() if control.layout.display == "none"}
    assert hidden == {"share", "count", "on", "kind"}
    explorer.count = 3
    assert explorer.controls["count"].value == 3 and explorer.weights.shape == (3, 3)
    with pytest.raises(ValueError, match="no control hidden; it has word, share, count, on, kind, more"):
        explorer.only("hidden")
    explorer.only()
    assert not any(control.layout.display for control in explorer.controls.values())


def test_each_control_shows_its_trait_and_sets_it():
    explorer = Every()
    assert list(explorer.controls) == ["word", "share", "count", "on", "kind", "more"]
    kinds = [type(control) for control in explorer.controls.values()]
    assert kinds == [
        widgets.Text, widgets.SelectionSlider, widgets.IntSlider, widgets.Checkbox, widgets.ToggleButtons,
        widgets.Button,
    ]  # fmt: skip
    c = explorer.controls
    c["word"].value, c["share"].value, c["count"].value, c["on"].value = "b", 1.0, 3, False
    c["kind"].index = 1
    c["more"].click()
    assert (explorer.word, explorer.share, explorer.count, explorer.on, explorer.kind) == (
        "b",
        1.0,
        4,
        False,
        2,
    )
    explorer.word, explorer.share, explorer.count, explorer.on, explorer.kind = "c", 0.4, 9, True, None
    assert (c["word"].value, c["share"].value, c["count"].value, c["on"].value) == ("c", 0.5, 9, True)
    assert c["kind"].index == 0
    assert (explorer.share, explorer.count) == (0.4, 9)  # between two steps, and beyond the last: both stay
    c["kind"].index = 1
    c["kind"].index = 0  # a value that is None is a choice like another
    assert explorer.kind is None and c["kind"].index == 0


def test_what_an_answer_does_not_name_is_forgotten():
    explorer = Every()
    assert (explorer.heatmap.message, explorer.heatmap.title, explorer.total) == ("None", "a", 1.0)
    assert explorer.strip.content.words == ["a"]
    explorer.on = False
    assert (explorer.heatmap.message, explorer.heatmap.title, explorer.strip.content.words) == ("", "", ())
    explorer.word = "refuse"
    assert (explorer.weights, explorer.total, explorer.heatmap.message) == (None, -1.0, "No.")
    explorer.word = "fail"
    assert explorer.heatmap.message == "ZeroDivisionError: division by zero"
    explorer.word = "b"
    assert torch.equal(explorer.weights, 0.5 * EYE) and explorer.heatmap.message == ""


def test_an_interrupt_reaches_who_asked_and_leaves_no_answer_to_something_else():
    explorer = Every()
    with pytest.raises(KeyboardInterrupt):
        explorer.word = "interrupt"
    assert explorer.word == explorer.controls["word"].value == "interrupt"
    assert explorer.weights is None and explorer.heatmap.map is None
    assert explorer.heatmap.message.startswith("You interrupted it.") and explorer.strip.content.words == ()
    explorer.word = "b"
    assert explorer.weights is not None and explorer.heatmap.message == "None"


def test_several_traits_set_together_are_computed_once():
    calls = []

    class Counting(Every):
        def compute(self, word, share, count, on, kind, hidden):
            calls.append((word, count))
            return super().compute(word, share, count, on, kind, hidden)

    explorer = Counting()
    assert calls == [("a", 2)]
    with explorer.together():
        explorer.word, explorer.count = "b", 3
    assert calls == [("a", 2), ("b", 3)]
    with explorer.together():
        explorer.word = "b"
    assert len(calls) == 2  # nothing has changed
    explorer.projector = True
    assert len(calls) == 2  # it is no input


def test_whoever_observes_finds_all_of_it_done():
    explorer, seen = Every(), []
    for name in ("weights", "total"):
        explorer.observe(lambda _: seen.append((explorer.weights.shape[0], explorer.total)), name)
    explorer.count = 4
    assert seen and set(seen) == {(4, 2.0)}


def test_arguments_are_judged_together_and_before_anything_is_shown():
    assert Every(count=7, share=0.25, hidden=3).total == 7 * 0.25 + 3
    with pytest.raises(traitlets.TraitError):
        Every(count=0)
    with pytest.raises(
        TypeError, match=r"Every has no argument total; it takes word, share, count, on, kind"
    ):
        Every(total=3.0)


def test_an_answer_that_nothing_shows_is_a_mistake_of_whoever_wrote_it():
    class Wrong(Explorer):
        def compute(self):
            return {"heatmap": AttentionMap(EYE), "colour": "red"}

    with pytest.raises(TypeError, match="Wrong has nothing that shows colour"):
        Wrong()


def test_settling_comes_before_computing():
    class Settled(Every):
        def settle(self, name):
            if name == "count":
                self.hidden = self.count

    explorer = Settled()
    explorer.count = 3
    assert (explorer.hidden, explorer.total) == (3, 0.5 * 3 + 3)


def test_what_was_set_last_is_shown_last_whichever_thread_set_it():
    """JupyterLab hears a control in a thread of its own, while a cell is running."""
    computing, calls = threading.Event(), []

    def slow_at_first(query, key, value, allowed=None):
        calls.append(len(query))
        if len(calls) == 2:
            computing.set()
            time.sleep(0.3)  # the other thread has set its sentence long before
        return scaled_dot_product_attention(query, key, value, allowed)

    explorer = SelfAttentionExplorer("the cat", attention=slow_at_first)
    page = threading.Thread(target=lambda: setattr(explorer, "temperature", 0.5))
    page.start()
    assert computing.wait(10)
    explorer.sentence = "the cat sat"
    page.join()
    assert explorer.heatmap.query_labels == ["the", "cat", "sat"] and explorer.weights.shape == (3, 3)


# ---------------------------------------------------------------- each that there is


def frames(explorer) -> list:
    return [(name, copy.deepcopy(view.get_state())) for name, view in explorer._views.items()]


@pytest.mark.parametrize("name", found_explorers())
def test_compute_changes_nothing_but_its_answer(name):
    explorer = made(name)
    before, traits = frames(explorer), repr(explorer.inputs())
    for control in explorer.controls:
        if isinstance(slide := explorer.controls[control], widgets.SelectionSlider):
            for _, step in slide.options[:: max(1, len(slide.options) // 5)]:
                explorer.compute(**explorer.inputs() | {control: step})
    assert frames(explorer) == before and repr(explorer.inputs()) == traits
    explorer.update()
    assert frames(explorer) == before


@pytest.mark.parametrize("name", found_explorers())
def test_compute_says_what_it_needs_and_reads_no_trait_beside(name):
    explorer = made(name)
    source = textwrap.dedent(inspect.getsource(type(explorer).compute))
    read = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    moving = set(explorer.inputs()) | {n for n in explorer.trait_names() if not n.startswith("_")}
    allowed = {"num_heads", "seed"}  # of which layer it has at hand, and only to ask whether it is that one
    assert read & moving <= allowed, f"{name}.compute reads {read & moving}"


@pytest.mark.parametrize("name", found_explorers())
def test_each_has_weights_a_picture_a_line_and_knows_its_names(name):
    explorer = made(name)
    assert explorer.weights is not None and explorer.weights.dtype == torch.float32
    data, size = explorer._repr_mimebundle_()
    assert data["text/plain"].startswith(f"{name}(") and "\n" not in data["text/plain"]
    assert 200 < size["image/png"]["width"] < 1400
    with pytest.raises(AttributeError, match="has no attribute colour to set"):
        explorer.colour = 1
    for view in explorer._views.values():
        assert repr(view) and view.figure() is not None


def test_the_heatmap_and_the_explorer_agree_on_a_slider_of_any_steps():
    explorer = SelfAttentionExplorer("the cat")
    for index in (0, 30, 59):
        explorer.controls["temperature"].index = index
        assert explorer.temperature == pytest.approx((index + 1) / 20)
