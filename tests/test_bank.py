"""Frames handed to the page beforehand: made by the very function that is shown, within bounds, silently."""

import random
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from found import found_explorers
from test_explorer_base import made

from attention_core import scaled_dot_product_attention
from attention_core._calling import LONGEST
from attention_core.live import MultiHeadExplorer, SelfAttentionExplorer, bank


def asked(explorer, dial: int, begin: int = 0, **other) -> dict:
    """What the page would be told when it asks for frames of a dial."""
    told = []
    held = explorer._bank
    held.send = lambda content, buffers=None: told.append((content, buffers or []))
    now = {"context": held._answer["context"], "at": held._answer["at"]}
    held._asked(held, {"dial": dial, "from": begin, **now, **other}, [])
    ((content, buffers),) = told
    return content | {name: _filled(content[name], buffers) for name in ("steps", "base")}


def _filled(thing, buffers):
    """As the page unpacks it."""
    if isinstance(thing, dict):
        if list(thing) == ["bytes"]:
            return buffers[thing["bytes"]]
        return {name: _filled(one, buffers) for name, one in thing.items()}
    return [_filled(one, buffers) for one in thing] if isinstance(thing, list) else thing


def all_of(explorer, dial: int) -> dict:
    """Every frame of a dial, by the value on the page."""
    found, more, base = {}, True, {}
    while more:
        told = asked(explorer, dial, len(found))
        assert told["why"] == ""
        found |= {repr(value): (value, state) for value, state in told["steps"]}
        more, base = told["more"], told["base"]
    return {name: (value, _with(base, state)) for name, (value, state) in found.items()}


def _with(base: dict, state: dict) -> dict:
    return {view: base.get(view, {}) | state.get(view, {}) for view in {*base, *state}}


def _plain(thing, same: dict[str, str] | None = None):
    """As JSON and bytes have it: to be compared. same: the other explorer's control, for one of this."""
    if isinstance(thing, dict):
        return {name: _plain(one, same) for name, one in thing.items()}
    if isinstance(thing, list | tuple):
        return [_plain(one, same) for one in thing]
    if isinstance(thing, str):
        return (same or {}).get(thing, thing)
    return bytes(thing) if isinstance(thing, bytes | memoryview | bytearray) else thing


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    """A machine that is busy with other tests must not make a function slow."""
    monkeypatch.setattr(bank, "MOST_SECONDS", 60.0)


@pytest.mark.parametrize("name", found_explorers())
def test_each_frame_is_what_a_move_there_shows(name):
    explorer, moved = made(name), made(name)
    same = {mine[0]: its[0] for mine, its in zip(moved._bank._dials, explorer._bank._dials, strict=True)}
    checked = 0
    for i, (_, trait, has_steps, _) in enumerate(explorer._bank._dials):
        steps = all_of(explorer, i) if has_steps else {}
        for value, state in list(steps.values())[:: max(1, len(steps) // 6)]:
            control = moved._bank._every[i].widget
            before = control.get_state(trait)[trait]
            control.set_state({trait: value})  # as the page does
            for view, traits in state.items():
                there = moved._views[view].get_state(list(traits))
                assert _plain(there, same) == _plain(traits), (name, trait, value, view)
            control.set_state({trait: before})
            _back(moved, explorer)
            checked += 1
    assert checked > 1 or not any(dial[2] for dial in explorer._bank._dials)


def _back(moved, explorer) -> None:
    """What gave way to a move stands again where it stood."""
    with moved.together():
        for name, value in explorer.inputs().items():
            if moved.has_trait(name) and not callable(value):
                setattr(moved, name, value)


# ---------------------------------------------------------------- a function that is not asked beforehand


def prints(query, key, value, allowed=None):
    print("here")
    return scaled_dot_product_attention(query, key, value, allowed)


def warns(query, key, value, allowed=None):
    warnings.warn("careful", stacklevel=2)
    return scaled_dot_product_attention(query, key, value, allowed)


def writes(query, key, value, allowed=None):
    output, weights = scaled_dot_product_attention(query, key, value, allowed)
    query.zero_()
    return output, weights


def torchs_dice(query, key, value, allowed=None):
    torch.rand(1)
    return scaled_dot_product_attention(query, key, value, allowed)


def numpys_dice(query, key, value, allowed=None):
    np.random.rand()
    return scaled_dot_product_attention(query, key, value, allowed)


def pythons_dice(query, key, value, allowed=None):
    random.random()
    return scaled_dot_product_attention(query, key, value, allowed)


CALLS = iter(range(10**9))


def moody(query, key, value, allowed=None):
    output, weights = scaled_dot_product_attention(query, key, value, allowed)
    return output, weights + next(CALLS)


@pytest.mark.parametrize(
    "attention, why",
    [
        (prints, "its function prints"),
        (warns, "its function warns"),
        (writes, "its function writes into its arguments"),
        (torchs_dice, "its function draws random numbers"),
        (numpys_dice, "its function draws random numbers"),
        (pythons_dice, "its function draws random numbers"),
        (moody, "its function answers differently each time"),
    ],
)
def test_some_functions_have_no_bank_and_the_page_is_told_why(attention, why, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explorer = SelfAttentionExplorer(attention=attention)
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = asked(explorer, 1)
    assert (told["why"], told["steps"], told["more"]) == (why, [], False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore:another")
@pytest.mark.parametrize(
    "others", [lambda: torch.rand(1), lambda: random.random(), lambda: warnings.warn("another", stacklevel=1)]
)
def test_what_others_do_meanwhile_is_not_the_function_s(others, monkeypatch):
    """As a cell that trains, or another explorer: dice and warnings are the whole process's."""
    monkeypatch.setattr(bank, "A_TURN", 60.0)

    def mine(query, key, value, allowed=None):
        if threading.current_thread() is not threading.main_thread():
            other = threading.Thread(target=others)
            other.start()
            other.join()
        return scaled_dot_product_attention(query, key, value, allowed)

    explorer = SelfAttentionExplorer(attention=mine)
    told = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.showwarning = lambda *_, **__: None
        asking = threading.Thread(target=lambda: told.append(asked(explorer, 1)))
        asking.start()
        asking.join()
    assert told[0]["why"] == "" and len(told[0]["steps"]) > 2


def test_a_fused_kernel_that_might_draw_lots_and_does_not_has_a_bank():
    """Torch marks it as drawing, for its dropout."""

    def fused(query, key, value, allowed=None):
        other = threading.Thread(target=torch.rand, args=(1,))
        other.start()
        other.join()
        of_one = (x[None, None] for x in (query, key, key))  # (1, 1, n, d_k): of such, torch fuses
        torch.nn.functional.scaled_dot_product_attention(*of_one)
        return scaled_dot_product_attention(query, key, value, allowed)

    assert asked(SelfAttentionExplorer(attention=fused), 1)["why"] == ""


def test_projections_are_drawn_without_touching_anybody_s_dice():
    """Not even for a moment: another thread may train."""
    seen, look = [], torch.nn.init.kaiming_uniform_
    before = torch.get_rng_state()

    def spied(*arguments, **more):
        answer = look(*arguments, **more)
        seen.append(torch.equal(before, torch.get_rng_state()))
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.init, "kaiming_uniform_", spied)
        MultiHeadExplorer(num_heads=2, seed=3)
    assert seen and all(seen)


PRINTS = """
import sys, threading, time
from attention_core._calling import call
from attention_core.live import bank

sys.setswitchinterval(1e-6)
end = time.monotonic() + 4

def others():
    while time.monotonic() < end:
        print("a word", end="")

other = threading.Thread(target=others)
other.start()
while time.monotonic() < end:
    with bank._Said():
        call(len, "")
other.join()
"""


def test_a_cell_that_prints_while_frames_are_made_does_not_end_the_kernel():
    """`print` may still be writing into what stood in the place of sys.stdout when that is taken away."""
    ran = subprocess.run([sys.executable, "-c", PRINTS], stdout=subprocess.DEVNULL, timeout=60)
    assert ran.returncode == 0


def test_what_others_print_meanwhile_is_printed(capsys):
    with bank._Said() as said:
        import threading

        other = threading.Thread(target=lambda: print("from elsewhere"))
        other.start()
        other.join()
        print("from here")
    assert (capsys.readouterr().out, said.heard) == ("from elsewhere\n", "from here\n")


def test_a_function_that_raises_has_no_frames_and_no_word_of_it_but_the_map_s_own():
    told = asked(SelfAttentionExplorer(attention=lambda query, key, value: 1 / 0), 1)
    assert (told["steps"], told["more"], told["why"]) == ([], False, "")


# ---------------------------------------------------------------- bounds


def test_a_step_that_never_ends_is_left_long_before_a_call_of_the_readers_would_be(monkeypatch):
    first = []

    def mine(query, key, value, allowed=None):
        first.append(query.max())
        while query.max() > first[0]:
            pass
        return scaled_dot_product_attention(query, key, value, allowed)

    monkeypatch.setattr(bank, "MOST_SECONDS", 0.3)
    explorer = SelfAttentionExplorer(attention=mine)
    began = time.monotonic()
    assert asked(explorer, 1)["why"] == "it takes long to compute"
    assert time.monotonic() - began < LONGEST


def test_a_slow_function_has_no_bank(monkeypatch):
    def slow(query, key, value, allowed=None):
        time.sleep(0.3)
        return scaled_dot_product_attention(query, key, value, allowed)

    monkeypatch.setattr(bank, "MOST_SECONDS", 0.15)
    told = asked(SelfAttentionExplorer(attention=slow), 1)
    assert (told["why"], told["more"]) == ("it takes long to compute", False)


def test_frames_of_other_controls_stay_when_one_step_takes_too_long(monkeypatch):
    """A dial has none then, and that is all: what there is of others is as right as before."""
    explorer = SelfAttentionExplorer()
    assert len(all_of(explorer, 1)) >= 3
    held = explorer._bank._held[1]
    monkeypatch.setattr(type(explorer._bank), "_made", lambda *_: (_ for _ in ()).throw(bank.Slow()))
    told = asked(explorer, 2)
    assert (told["steps"], told["why"], told["more"]) == ([], "", False)
    assert explorer._bank._held[1] == held > 0


def test_while_a_cell_computes_nothing_is_said_of_how_long_a_function_takes(monkeypatch):
    """It has not had the core: it is asked again later, and has its frames then."""
    explorer = SelfAttentionExplorer()
    with monkeypatch.context() as busy:
        busy.setattr(type(explorer._bank), "_made", lambda *_: (_ for _ in ()).throw(bank.Slow()))
        assert asked(explorer, 1)["why"] == "it takes long to compute"
        busy.setattr(bank._Watch, "crowded", lambda self: True)
        told = asked(explorer, 1)
        assert (told["steps"], told["why"], told["more"]) == ([], "", True)
    assert len(all_of(explorer, 1)) >= 3


@pytest.mark.parametrize(
    "own, process, spent, crowded",
    [
        (0.1, 0.1, 0.25, False),  # it sleeps, or other processes have the core
        (0.9, 0.9, 0.9, False),
        (0.1, 0.8, 0.1, True),  # a cell computes
        (0.1, 0.3, 0.2, True),  # and other processes have the core besides
        (0.9, 1.8, 0.9, False),  # a function with threads of its own
    ],
)
def test_what_other_threads_spend_is_not_the_functions(own, process, spent, crowded, monkeypatch):
    clocks = iter([(5.0, 2.0, 3.0), *[(6.0, 2.0 + own, 3.0 + process)] * 2])
    monkeypatch.setattr(bank._Watch, "_clocks", lambda *_: next(clocks))
    watch = bank._Watch()
    assert watch.spent() == pytest.approx(spent)
    assert watch.crowded() is crowded


def test_a_turn_is_short_and_goes_on_where_it_stopped(monkeypatch):
    explorer = SelfAttentionExplorer()
    monkeypatch.setattr(bank, "A_TURN", 0.0)
    first = asked(explorer, 1)
    second = asked(explorer, 1, 1)
    assert len(first["steps"]) == len(second["steps"]) == 1 and first["more"] and second["more"]
    assert first["steps"][0][0] == 19 and second["steps"][0][0] in (18, 20)  # where it stands, then beside it


def test_kernel_time_is_bounded_and_what_there_is_is_kept(monkeypatch):
    explorer = SelfAttentionExplorer()
    monkeypatch.setattr(bank, "A_TURN", 60.0)
    clock = iter(n / 100 for n in range(10**6))
    monkeypatch.setattr(bank._Watch, "spent", lambda self: next(clock))
    monkeypatch.setattr(bank, "MOST_SECONDS", 0.15)
    told = asked(explorer, 1)
    assert 3 <= len(told["steps"]) <= 16 and not told["more"] and told["why"] == ""


def test_a_large_map_has_no_bank_and_no_bank_is_larger_than_it_may_be(monkeypatch):
    with monkeypatch.context() as less:
        less.setattr(bank, "MOST_BYTES", 1000)
        assert asked(SelfAttentionExplorer(), 1)["why"] == "it is large"
    explorer, total = SelfAttentionExplorer(" ".join(["cat"] * 100)), 0
    for dial in range(1, 4):
        begin, more = 0, True
        while more:
            told = asked(explorer, dial, begin)
            total += sum(bank._size(state) for _, state in told["steps"])
            begin, more = begin + len(told["steps"]), told["more"]
    assert bank.MOST_BYTES / 2 < total <= bank.MOST_BYTES


# ---------------------------------------------------------------- for which place


def test_frames_of_another_place_or_context_are_not_made():
    explorer = SelfAttentionExplorer()
    at, context = explorer._bank._answer["at"], explorer._bank._answer["context"]
    for other in ({"at": [*at[:-1], 1]}, {"context": context + 1}):
        told = asked(explorer, 1, **other)
        assert told["late"] and told["steps"] == []
    with explorer.together():  # an answer is being made
        assert asked(explorer, 1)["late"]


def test_a_context_ends_when_anything_moves_that_is_no_dial_and_lasts_while_dials_move():
    explorer = SelfAttentionExplorer()
    context = lambda: explorer._bank._answer["context"]  # noqa: E731
    before = context()
    explorer.temperature = 2.0
    explorer.mask = "causal"
    explorer.sentence = "the dog"
    assert context() == before
    explorer.attention = writes
    assert context() == before + 1
    explorer.update()  # what the function reads may have changed
    assert context() == before + 2


def test_moves_in_threads_that_overtake_each_other_end_no_context():
    """JupyterLab hears a control in another thread while a cell runs: an answer may have seen two moves."""
    explorer, inside, go_on = SelfAttentionExplorer(), threading.Event(), threading.Event()

    def slow(*inputs):
        inside.set()
        assert go_on.wait(10)
        return scaled_dot_product_attention(*inputs)

    go_on.set()
    explorer.attention = slow
    before = explorer._bank._answer
    inside.clear(), go_on.clear()
    index = explorer.controls["temperature"].index
    moves = [
        threading.Thread(target=explorer.controls["temperature"].set_state, args=({"index": index + i},))
        for i in (1, 2, 3)
    ]
    moves[0].start()
    assert inside.wait(10)
    for move in moves[1:]:
        move.start()
    until = time.monotonic() + 10
    while explorer.controls["temperature"].index < index + 2 and time.monotonic() < until:
        time.sleep(0.001)  # a trait is set before its change is heard
    go_on.set()
    for move in moves:
        move.join()
    after = explorer._bank._answer
    assert after["n"] > before["n"] and after["context"] == before["context"]
    assert after["at"] == explorer._bank._now()


def test_an_answer_says_where_the_page_will_stand():
    explorer = MultiHeadExplorer()
    explorer.off, explorer.solo = [1], None
    explorer.num_heads = 8  # which switches all on
    at = dict(
        zip([tuple(dial[3]) for dial in explorer._bank._dials], explorer._bank._answer["at"], strict=True)
    )
    assert at[("num_heads",)] == 3 and at[("off",)] == [] and at[("solo",)] is None
