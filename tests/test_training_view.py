"""Watching a training: nothing it does may change the training, and what it says must be so."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import traitlets
from jupyter_client.manager import start_new_kernel
from torch import Tensor, nn
from torch.nn import functional as F

from attention_core import (
    EncoderDecoder,
    MultiHeadAttention,
    SinusoidalEncoding,
    TinyTransformer,
    causal_mask,
)
from attention_core.agreement import agree, rounding
from attention_core.live import TrainingView, curves, recorder
from attention_core.live.explorers import training
from attention_core.tasks import IGNORE, Reverse, accuracy
from attention_core.vision import PatchTransformer

TASK = Reverse(4, vocabulary=5)
PROBE = torch.tensor([3, 1, 4, 0])


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(**options) -> TinyTransformer:
    torch.manual_seed(0)
    return TinyTransformer(
        5, dim=8, num_heads=2, num_layers=2, hidden=8, positions=SinusoidalEncoding(8), **options
    )


class Loop:
    """A learner's loop. `during` is called in each step, `{step: function}`."""

    def __init__(self, model: nn.Module | None = None, **options):
        self.model = make() if model is None else model
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.view = TrainingView(self.model, PROBE, **options)

    def run(self, batches, during=None) -> "Loop":
        for step, (x, y) in self.view.watch(batches):
            self.learn(x, y)
            for act in (during or {}).get(step, ()):
                act()
        return self

    def learn(self, x: Tensor, y: Tensor) -> None:
        logits, _ = self.model(x)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.view.report(loss=loss, accuracy=accuracy(logits, y))

    def unwatched(self, batches) -> "Loop":
        for x, y in batches:
            self.learn(x, y)
        return self


def parameters(loop: Loop) -> Tensor:
    return torch.cat([p.detach().flatten() for p in loop.model.parameters()])


def says(view: TrainingView, **wish):
    """What the page sends while a cell is running."""

    class Line:
        comm_id = "line"

        def on_msg(self, heard):
            heard({"content": {"data": {"view": view.panel._fixed["view"], **wish}}})

        def on_close(self, closed):
            self.close = closed

    line = Line()
    training._answer_line(line, {})
    return line


# ---------------------------------------------------------------- the training is not touched


def test_watching_is_enumerate():
    watched = list(TrainingView(make(), PROBE).watch("abc"))
    assert watched == [(0, "a"), (1, "b"), (2, "c")]


def test_the_model_comes_out_as_it_would_unwatched():
    class Dropping(nn.Module):  # draws random numbers, whether it learns or not
        def __init__(self):
            super().__init__()
            self.inner = make()

        def forward(self, x):
            logits, weights = self.inner(x)
            return F.dropout(logits, 0.2, training=True), weights

    watched, unwatched = Loop(Dropping()), Loop(Dropping())
    torch.manual_seed(1)
    watched.run(TASK.batches(25, 8))
    torch.manual_seed(1)
    unwatched.unwatched(TASK.batches(25, 8))
    assert torch.equal(parameters(watched), parameters(unwatched))


def test_modules_stay_in_their_mode():
    model = make()
    model.train()
    model.blocks[0].eval()  # a frozen part
    modes = [module.training for module in model.modules()]
    seen = []
    model.norm.register_forward_hook(lambda *_: seen.append(model.training))
    view = TrainingView(model, PROBE)
    assert [module.training for module in model.modules()] == modes
    assert seen == [False] and not view.frames


# ---------------------------------------------------------------- the record


def test_kept_maps_are_what_the_model_did_then():
    batches = TASK.batches(35, 8)
    view = Loop().run(batches).view
    assert [frame.step for frame in view.frames] == [0, 10, 20, 30, 35]
    model = Loop()
    for frame in view.frames:
        fresh = Loop().unwatched(list(batches)[: frame.step]).model
        logits, weights = fresh(PROBE[None])
        for kept, now in zip(frame.weights, weights, strict=True):
            assert kept.dtype == torch.float16
            assert agree(kept, now[0])  # the same training, kept in half precision
        assert frame.says == logits[0].argmax(-1).tolist()
    assert view.step == 35 and view.total == 35 and model.view.step == 0


def test_a_long_training_keeps_few_maps_evenly_spread():
    view = TrainingView(make(), PROBE)
    for _ in view.watch(range(1307)):
        assert len(view.frames) <= recorder.MOST_FRAMES + 1
    steps = [frame.step for frame in view.frames]
    assert 30 <= len(steps) <= recorder.MOST_FRAMES + 1
    assert steps[0] == 0 and steps[-1] == 1307
    assert set(np.diff(steps[:-1])) == {40}


def test_a_point_belongs_to_the_model_that_was_measured():
    view = TrainingView(make(), PROBE)
    for step, _ in view.watch(range(3)):
        view.report(loss=torch.tensor(float(step), requires_grad=True))
        if step:
            view.report(rare=np.float32(7))
    assert view.history == {"loss": ([0, 1, 2], [0.0, 1.0, 2.0]), "rare": ([1, 2], [7.0, 7.0])}


def test_a_report_after_the_loop_reaches_the_page():
    view = Loop().run(TASK.batches(3, 8)).view
    view.report(unseen=0.5)
    assert [curve["name"] for curve in view.panel._state["curves"]] == ["loss", "accuracy", "unseen"]
    assert view.history["unseen"] == ([3], [0.5])


def test_a_second_watch_begins_a_new_record():
    loop = Loop().run(TASK.batches(20, 8))
    loop.view.frame = 1
    loop.run(TASK.batches(10, 8))
    assert [frame.step for frame in loop.view.frames] == [0, 10]
    assert loop.view.history["loss"][0] == list(range(10))
    assert loop.view.frame == -1


def test_what_a_replay_of_an_older_training_asked_for_comes_too_late():
    loop = Loop().run(TASK.batches(30, 8))
    panel = loop.view.panel
    asked = [panel._state["run"], 1]  # while the replay plays, the cell is run again
    loop.run(TASK.batches(30, 8))
    panel.set_state({"frame": asked})
    assert loop.view.frame == -1 and panel.frame == [panel._state["run"], -1]
    panel.set_state({"frame": [panel._state["run"], 1]})
    assert loop.view.frame == 1 and panel._state["shown"] == 10


def test_words_name_the_patches_of_a_picture():
    """It has no tokens: else its class token and patches would be numbers, one off."""
    names, image = ["class", *"0123"], torch.rand(1, 1, 4, 4)
    view = TrainingView(PatchTransformer(4, 2, 3), image, words=names)
    assert list(view.heatmap.query_labels) == list(view.heatmap.key_labels) == names
    numbered = TrainingView(PatchTransformer(4, 2, 3), image)
    assert list(numbered.heatmap.query_labels) == [*"01234"]


@pytest.mark.parametrize("bad", [torch.ones(2), "high", None])
def test_a_report_is_of_numbers(bad):
    with pytest.raises(ValueError, match=r"loss must be (one|a) number"):
        TrainingView(make(), PROBE).report(loss=bad)


# ---------------------------------------------------------------- ends


def test_stop_ends_the_loop_after_the_step_and_leaves_the_model_whole():
    loop = Loop()
    drawn = []

    def batches() -> Iterator:
        for batch in TASK.batches(30, 8):
            drawn.append(batch)
            yield batch

    loop.run(batches(), {6: [lambda: says(loop.view, stop=True)]})
    assert len(drawn) == loop.view.step == 7
    assert loop.view.ending == "stopped"
    assert loop.view.panel._state["note"] == "Stopped after step 7; the model is as it was then."
    assert "Stopped after step 7" in repr(loop.view)
    assert torch.equal(parameters(loop), parameters(Loop().unwatched(drawn)))
    assert loop.view.frames[-1].step == 7


def test_a_wish_that_comes_too_late_does_nothing():
    loop = Loop().run(TASK.batches(5, 8))
    says(loop.view, stop=True)
    says(loop.view, chosen=[1, 1])
    assert loop.run(TASK.batches(5, 8)).view.ending == "finished"
    assert loop.view.layer == 0

    class Line:
        def on_msg(self, heard):
            heard({"content": {"data": {"view": "of a kernel that is gone", "stop": True}}})

        def on_close(self, closed):
            pass

    training._answer_line(Line(), {})


def test_an_interrupt_ends_the_loop_after_the_step():
    before = signal.getsignal(signal.SIGINT)
    loop = Loop()
    loop.run(TASK.batches(30, 8), {4: [interrupt]})
    assert loop.view.ending == "interrupted" and loop.view.step == 5
    assert loop.view.panel._state["note"] == "Interrupted after step 5 of 30; the model is as it was then."
    assert torch.equal(parameters(loop), parameters(Loop().unwatched(list(TASK.batches(30, 8))[:5])))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_is_an_ordinary_one():
    before = signal.getsignal(signal.SIGINT)
    loop = Loop()
    with pytest.raises(KeyboardInterrupt):
        loop.run(TASK.batches(30, 8), {4: [interrupt, interrupt]})
    assert loop.view.step == 4 and loop.view.ending == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)  # until Python looks for signals again


def test_break_and_errors_leave_everything_in_order():
    before = signal.getsignal(signal.SIGINT)
    view = TrainingView(make(), PROBE)
    for step, _ in view.watch(range(9)):
        if step == 3:
            break
    assert view.ending == "left" and signal.getsignal(signal.SIGINT) is before
    assert view.panel._state["note"] == "The loop was left in step 4 of 9."
    with pytest.raises(ZeroDivisionError):
        for step, _ in view.watch(range(9)):
            1 / (step - 2)
    assert view.ending == "left" and signal.getsignal(signal.SIGINT) is before
    assert not view.panel._state["running"]


def test_in_another_thread_it_works_without_signals():
    loop = Loop()
    thread = threading.Thread(target=loop.run, args=(TASK.batches(5, 8),))
    thread.start()
    thread.join()
    assert loop.view.ending == "finished"


# ---------------------------------------------------------------- what is shown, and when


class Clock:
    """Time that passes only when told to."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Slow(nn.Module):
    """A model whose look at the probe takes `seconds`."""

    def __init__(self, clock: Clock, seconds: float):
        super().__init__()
        self.clock, self.seconds, self.looks = clock, seconds, 0

    def forward(self, x):
        self.looks += 1
        self.clock.now += self.seconds
        return torch.zeros(1, 4, 5), [torch.full((1, 1, 4, 4), 0.25)]


@pytest.mark.parametrize(
    ("step", "look", "most"),
    [
        (0.005, 0.001, 0.05),  # as in the lesson
        (0.5, 0.1, 0.05),  # a hundred times as slow
        (0.005, 0.02, 0.08),  # the probe is dearer than a step, so that the maps that are kept count
    ],
)
def test_the_loop_keeps_its_time_and_the_page_its_life(monkeypatch, step, look, most):
    clock = Clock()
    monkeypatch.setattr(training, "time", clock)
    monkeypatch.setattr(recorder, "time", clock)
    model = Slow(clock, look)
    view = TrainingView(model, PROBE)
    shown = []
    monkeypatch.setattr(view, "_put", lambda answer, put=view._put: (shown.append(clock.now), put(answer)))
    before, steps = model.looks, int(100 / step)
    for _ in view.watch(range(steps)):
        clock.now += step
    assert look * (model.looks - before) / 100 <= most
    longest = np.diff(shown).max()  # seconds without a new picture
    off = rounding(torch.float64, steps + model.looks, size=clock.now)  # each moved the clock on
    assert longest <= max(recorder.LIFE, 100 * look) + step + look + off


def test_pictures_are_not_sent_more_often_than_eyes_can_see(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(training, "time", clock)
    monkeypatch.setattr(recorder, "time", clock)
    view = TrainingView(Slow(clock, 0), PROBE)
    shown = []
    monkeypatch.setattr(view, "_put", lambda _: shown.append(clock.now))
    for _ in view.watch(range(1000)):
        clock.now += 0.001
    assert 10 <= len(shown) <= 1 / recorder.PAUSE + 3


@pytest.mark.parametrize(
    ("steps", "step", "lasts"),
    [
        (300, 0.005, recorder.SIGHT),  # as in the lesson
        (5000, 0.005, 25),  # long enough by itself
        (10, 0.005, 10 * recorder.SLOWEST),  # nobody waits for a few steps
    ],
)
def test_a_loop_takes_its_time_where_a_page_watches_and_only_there(monkeypatch, steps, step, lasts):
    clock = Clock()
    monkeypatch.setattr(training, "time", clock)
    monkeypatch.setattr(recorder, "time", clock)
    view = TrainingView(Slow(clock, 0), PROBE)
    shown = []
    monkeypatch.setattr(view, "_put", lambda _: shown.append(clock.now))

    def seconds() -> float:
        began = clock.now
        shown.clear()
        for _ in view.watch(range(steps)):
            clock.now += step
        return clock.now - began

    assert seconds() == pytest.approx(steps * step, rel=1e-6)
    line = says(view, watching=True)
    assert seconds() == pytest.approx(lasts, rel=0.01)
    if steps == 300:
        assert len(shown) > 25 and np.diff(shown).max() < 0.5  # smooth
    line.close({})
    assert seconds() == pytest.approx(steps * step, rel=1e-6)


def test_a_loop_waits_a_moment_for_the_page_to_draw_what_its_cell_displays(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(training, "time", clock)
    monkeypatch.setattr(recorder, "time", clock)
    watched, new = (TrainingView(Slow(clock, 0), PROBE) for _ in range(2))
    line = says(watched, watching=True)  # there is a page
    list(new.watch(range(3)))
    assert clock.now == 0  # nothing was displayed
    new._displayed = True
    list(new.watch(range(3)))
    assert clock.now == pytest.approx(training.PATIENCE, abs=0.03)
    line.close({})
    began = clock.now
    list(new.watch(range(3)))
    assert clock.now == began


def test_what_the_page_chose_is_shown_after_the_step_whatever_it_costs(monkeypatch):
    monkeypatch.setattr(recorder, "BUDGET", 0)
    loop = Loop()
    titles = []
    loop.run(
        TASK.batches(9, 8),
        {3: [lambda: says(loop.view, chosen=[1, 0])], 4: [lambda: titles.append(loop.view.heatmap.title)]},
    )
    assert titles == ["Layer 1, head 0, after 4 steps"]
    assert (loop.view.layer, loop.view.head) == (1, 0)
    assert loop.view.panel.chosen == [1, 0]


def test_layer_head_and_moment_can_be_chosen_from_both_sides():
    view = Loop().run(TASK.batches(20, 8)).view
    assert view.panel._fixed["choices"] == [[0, None], [0, 0], [0, 1], [1, None], [1, 0], [1, 1]]
    assert view.weights.shape == (2, 4, 4)
    view.layer, view.head, view.frame = 1, 1, 1
    assert torch.equal(view.weights, view.frames[1].weights[1][1].float())
    assert view.heatmap.title == "Layer 1, head 1, after 10 steps"
    assert view.panel._state["shown"] == 10 and view.panel.chosen == [1, 1] and view.panel.frame[1] == 1
    view.panel.set_state({"chosen": [0, None]})  # as the page does
    view.panel.set_state({"frame": [view.record.run, 0]})
    assert torch.equal(view.weights, view.frames[0].weights[0].float())
    assert view.heatmap.title == "Layer 0, all heads, after 0 steps"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("layer", 2, "no layer 2: there are 2"),
        ("layer", -1, "no layer -1"),
        ("head", 2, "no head 2: there are 2"),
        ("frame", 3, "no frame 3: there are 3"),
        ("frame", -2, "no frame -2"),
    ],
)
def test_there_is_no_such_map(name, value, message):
    view = Loop().run(TASK.batches(20, 8)).view
    shown = view.weights
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(view, name, value)
    assert torch.equal(view.weights, shown)


def test_the_panel_says_what_the_model_reads_and_says():
    answer = torch.tensor([0, 4, 1, IGNORE])
    view = TrainingView(make(), PROBE, words="abcde", answer=answer)
    state = view.panel._state
    assert view.panel._fixed["reads"] == list("dbea") == view.heatmap.query_labels
    said = make()(PROBE[None])[0][0].argmax(-1)
    assert state["says"] == ["abcde"[t] for t in said]
    assert state["right"] == [*(said == answer).tolist()[:3], None]
    assert state["note"] == "Not trained yet."


def test_a_curve_on_the_page_is_thinned_to_means():
    steps, values = list(range(1000)), [float(i % 4) for i in range(1000)]
    x, y = (curves.thinned(part) for part in (steps, values))
    assert len(x) == len(y) == 250 <= curves.MOST_POINTS
    assert (y == 1.5).all() and x[:2].tolist() == [1.5, 5.5]
    x, y = (curves.thinned(part) for part in ([0, 1], [3.0, float("nan")]))
    assert x.tolist() == [0, 1] and y[0] == 3 and np.isnan(y[1])


def test_other_models_can_be_watched_too():
    """One layer's weights as a tensor, an input that is no tokens, and a rectangular map."""

    class Cross(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = MultiHeadAttention(4, 1)
            self.register_buffer("memory", torch.randn(1, 6, 4))

        def forward(self, x):
            return self.attention(x, self.memory.expand(len(x), -1, -1))

    view = TrainingView(Cross(), torch.randn(1, 3, 4))
    assert view.weights.shape == (1, 3, 6)
    assert view.panel._fixed["choices"] == [[0, None]]
    assert view.heatmap.title == "Layer 0, after 0 steps"
    assert view.panel._state["says"] == []
    assert list(view.watch(range(2))) == [(0, 0), (1, 1)]


def test_a_translator_is_watched_with_a_pair():
    """Rows are what should be written, columns what is read; each language has words of its own."""
    torch.manual_seed(0)
    source, target, answer = torch.tensor([0, 3, 1, 2, 2]), torch.tensor([[4, 1]]), torch.tensor([1, 0])
    translator = EncoderDecoder(5, 6, 8, 2, num_layers=2)
    view = TrainingView(translator, (source, target), words=("abcde", "UVWXYZ"), answer=answer)
    logits, weights = translator(source[None], target)
    assert len(view.record.latest.weights) == 2
    assert torch.allclose(view.weights, weights["cross"][0][0].half().float())
    assert view.heatmap.query_labels == ["V", "U"] and view.heatmap.key_labels == list("adbcc")
    assert view.panel._state["says"] == ["UVWXYZ"[t] for t in logits[0].argmax(-1)]
    unanswered = TrainingView(translator, (source, target))
    assert unanswered.heatmap.query_labels == ["4", "1"] and unanswered.heatmap.key_labels[1] == "3"
    assert unanswered.panel._fixed["reads"] == ["0", "3", "1", "2", "2"]
    assert len(list(unanswered.watch(range(3)))) == 3 and unanswered.ending == "finished"


def test_of_one_head_the_dimension_may_be_left_out():
    class Recurrent(nn.Module):
        def forward(self, source, target):
            return torch.zeros(1, 2, 6), torch.full((1, 2, 3), 1 / 3)

    view = TrainingView(Recurrent(), (torch.tensor([0, 1, 2]), torch.tensor([3, 4])))
    assert view.weights.shape == (1, 2, 3) and view.panel._fixed["choices"] == [[0, None]]


# ---------------------------------------------------------------- text and still pictures


def test_the_repr_is_the_same_each_time_and_tells_no_time():
    reprs = set()
    for _ in range(2):
        view = Loop(answer=torch.tensor([0, 4, 1, 3])).view
        assert repr(view) == "TrainingView(Not trained yet, 2 layers × 2 heads)"
        loop = Loop().run(TASK.batches(30, 8))
        reprs.add(repr(loop.view))
    assert len(reprs) == 1
    assert re.fullmatch(
        r"TrainingView\(Finished: 30 steps, 2 layers × 2 heads, 4 maps kept, accuracy above 0\.[123]\)",
        reprs.pop(),
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.2] * 99 + [1.0] * 20, "above 0.99"),
        ([0.97], "above 0.95"),
        ([0.94], "above 0.9"),
        ([0.319], "above 0.3"),
        ([0.04], "above 0"),
        ([0.0], "0"),
        ([float("nan")], "nan"),
    ],
)
def test_accuracy_is_told_as_a_threshold(values, words):
    assert training._coarse(values) == words


def test_a_saved_notebook_shows_curves_and_how_the_map_formed():
    loop = Loop()
    before, _ = loop.view._repr_mimebundle_()
    assert before["text/plain"] == "TrainingView(Not trained yet, 2 layers × 2 heads)"
    loop.run(TASK.batches(40, 8))
    loop.view.layer = 1
    data, _ = loop.view._repr_mimebundle_()
    assert data["text/plain"] == repr(loop.view)
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == loop.view.model_id
    assert len(data["image/png"]) > 10_000
    figure = loop.view.figure()
    titles = [ax.get_title(loc) for ax in figure.axes for loc in ("left", "center") if ax.get_title(loc)]
    assert titles[:2] == ["loss", "accuracy"]
    moments = [int(re.fullmatch(r"after (\d+) steps?", title)[1]) for title in titles[2:]]
    assert moments[0] == 0 and moments[-1] == 40 and moments == sorted(set(moments))
    curve = next(ax for ax in figure.axes if ax.get_title("left") == "loss").lines[0].get_ydata()
    assert np.array_equal(curve, np.float32(loop.view.history["loss"][1]))
    maps = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    assert np.array_equal(maps[len(moments) - 1], loop.view.frames[-1].weights[1][0])
    loop.view.head = 1
    maps = [ax.images[0].get_array() for ax in loop.view.figure().axes if ax.images]
    assert np.array_equal(maps[0], loop.view.frames[0].weights[1][1])


def test_a_still_picture_hatches_what_may_not_be_looked_at():
    loop = Loop(make(causal=True), allowed=causal_mask(4)).run(TASK.batches(10, 8))
    maps = [ax for ax in loop.view.figure().axes if ax.images]
    for ax in maps:
        assert np.array_equal(ax.images[0].get_array().mask, ~causal_mask(4).numpy())
        assert ax.patch.get_hatch()
    assert torch.equal(loop.view.heatmap.allowed[0], causal_mask(4))


def test_moments_are_where_the_map_changed():
    maps = [0.0] * 20 + [0.25, 0.5, 0.75, 1.0] + [1.0] * 20  # nothing happens but between 19 and 23
    frames = [recorder.Frame(i, [torch.full((1, 2, 2), m)], []) for i, m in enumerate(maps)]
    chosen = [frame.step for frame in recorder.moments(frames, 0, 5)]
    assert chosen == [0, 20, 21, 22, 43]
    still = [recorder.Frame(i, [torch.zeros(1, 2, 2)], []) for i in range(4)]
    assert [frame.step for frame in recorder.moments(still, 0, 5)] == [0, 3]


# ---------------------------------------------------------------- errors


class Answering(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer


@pytest.mark.parametrize(
    ("make_view", "message"),
    [
        (lambda: TrainingView(make(), [1, 2]), "probe must be one input, .* got a list"),
        (lambda: TrainingView(make(), torch.zeros(2, 4, dtype=torch.long)), r"one input, .* got \(2, 4\)"),
        (lambda: TrainingView(make(), (PROBE, torch.zeros(2, 4))), r"one input, .* got \(2, 4\)"),
        (lambda: TrainingView(make(), (PROBE, [1, 2])), "probe must be one input, .* got a list"),
        (lambda: TrainingView(make(), PROBE, words="ab"), "words names 2 tokens but the model has 5"),
        (lambda: TrainingView(make(), PROBE, answer=PROBE[:2]), "answer has 2 tokens but the model says 4"),
        (lambda: TrainingView(make(), PROBE, allowed=causal_mask(3)), r"allowed has shape \(3, 3\)"),
        (lambda: TrainingView(Answering(torch.zeros(3)), PROBE), r"return \(logits, weights\), .* a Tensor"),
        (lambda: TrainingView(Answering((PROBE, None)), PROBE), "weights must be .* but are None"),
        (
            lambda: TrainingView(Answering((PROBE, [torch.zeros(2, 4, 4)])), PROBE),
            r"weights must be \(1, heads, n_q, n_k\) for each layer, but are \[\(2, 4, 4\)\]",
        ),
    ],
)
def test_errors_in_words(make_view, message):
    with pytest.raises(ValueError, match=message):
        make_view()


# ---------------------------------------------------------------- in a real kernel

CELLS = """
import torch, time
from attention_core import TinyTransformer
from attention_core.live import TrainingView
torch.set_num_threads(1)
view = TrainingView(TinyTransformer(5, dim=8), torch.tensor([3, 1, 4, 0]))
def loop(steps):
    for step, _ in view.watch(range(steps)):
        time.sleep(0.01)
    print(view.ending, view.step < steps)
"""


class Kernel:
    def __init__(self):
        self.manager, self.client = start_new_kernel()

    def run(self, code: str, meanwhile=lambda: None) -> str:
        """What the code printed; `meanwhile` is called once it is running and has sent a picture."""
        self.client.execute(code)
        said, called, sent = [], False, 0
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            kind, content = message["msg_type"], message["content"]
            sent += kind == "comm_msg"
            if sent > 8 and not called:
                called = True
                meanwhile()
            if kind == "stream":
                said.append(content["text"])
            if kind == "error":
                said.append(f"{content['ename']}: {content['evalue']}")
            asked = message["parent_header"].get("msg_type") == "execute_request"
            if asked and kind == "status" and content["execution_state"] == "idle":
                return "".join(said)

    def call_as_the_page_does(self, wish: dict) -> None:
        """JupyterLab makes a subshell for a comm that it opens, and names it in each message."""
        session = self.client.session
        request = session.msg("create_subshell_request", {})
        self.client.control_channel.send(request)
        subshell = self.client.get_control_msg(timeout=20)["content"]["subshell_id"]
        opening = {"comm_id": "line", "target_name": training.LINE, "data": {}}
        for kind, content in (("comm_open", opening), ("comm_msg", {"comm_id": "line", "data": wish})):
            message = session.msg(kind, content)
            message["header"]["subshell_id"] = subshell
            self.client.shell_channel.send(message)
            if kind == "comm_open":  # a click comes later than the page has opened its line
                self._wait_for(message)

    def _wait_for(self, request: dict) -> None:
        """Until the kernel has dealt with it; what else it says meanwhile is of the running loop."""
        while True:
            said = self.client.get_iopub_msg(timeout=20)
            mine = said["parent_header"].get("msg_id") == request["header"]["msg_id"]
            if mine and said["content"].get("execution_state") == "idle":
                return


@pytest.fixture(scope="module")
def kernel():
    running = Kernel()
    assert running.run(CELLS) == ""
    yield running
    running.client.stop_channels()
    running.manager.shutdown_kernel(now=True)


def test_the_kernels_interrupt_ends_the_loop_without_an_error(kernel):
    assert kernel.run("loop(2000)", kernel.manager.interrupt_kernel) == "interrupted True\n"
    assert kernel.run("loop(20)") == "finished False\n"


def test_the_page_is_heard_while_the_cell_is_running(kernel):
    name = kernel.run("print(view.panel._fixed['view'])").strip()
    said = kernel.run("loop(2000)", lambda: kernel.call_as_the_page_does({"view": name, "stop": True}))
    assert said == "stopped True\n"


INTERRUPTED = """
import os, signal, sys, threading
import torch
from attention_core import TinyTransformer
from attention_core.live import TrainingView

model = TinyTransformer(5, dim=8, num_heads=2)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
def stop():
    while "sympy.polys" not in sys.modules:  # sympy.core is there, and sympy does not know it yet
        pass
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=stop).start()
try:
    TrainingView(model, torch.tensor([[1, 2]]))
except KeyboardInterrupt:
    print("interrupted")
torch.optim.Adam(model.parameters())
import sympy
print("whole:", hasattr(sympy, "core") and "torch._dynamo" in sys.modules)
"""


def test_an_interrupt_before_the_first_step_leaves_a_kernel_that_can_train():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["interrupted", "whole: True"], done.stderr[-2000:]
