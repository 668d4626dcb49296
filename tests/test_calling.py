"""Calling what a learner wrote: copies, prints, the learner's line, a time limit, the form of the answer."""

import contextlib
import io
import linecache
import subprocess
import sys
import threading
import weakref
from types import SimpleNamespace

import pytest
import torch
from IPython.core.autocall import ExitAutocall

from attention_core import _calling, _time_limit, causal_mask, probes
from attention_core._calling import Failed, Part, call, call_attention, formed
from attention_core._saying import SENTENCES, in_words, sentence
from attention_core.live import Experiment, SelfAttentionExplorer
from attention_core.practice import check

X = torch.ones(2, 3)


def cell(source: str, **names) -> dict:
    """Run source as a notebook cell runs: in no file, with its lines known to linecache."""
    name = f"<ipython-input-{abs(hash(source))}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    space = {"torch": torch, **names}
    exec(compile(source, name, "exec"), space)
    return space


# `x = +x`: else CPython, where the loop jumps back to, counts what is raised as raised before the `try`
ENDLESS = cell(
    "def endless(x, *others):\n"
    "    while True:\n"
    "        x = x + 1\n"
    "def stubborn(x, *others):\n"
    "    while True:\n"
    "        try:\n"
    "            x = +x\n"
    "            while True: x = x + 1\n"
    "        except Exception:\n"
    "            pass\n"
    "def bare(x, *others):\n"
    "    caught = 0\n"
    "    while caught < 2:\n"
    "        try:\n"
    "            x = +x\n"
    "            while True: x = x + 1\n"
    "        except:\n"
    "            caught += 1\n"
    "    while True: x = x + 1\n"
)


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(_calling, "LONGEST", 0.3)
    monkeypatch.setattr(_time_limit, "_EACH", 0.02)


def refused(function, *arguments, **options) -> Failed:
    with pytest.raises(Failed) as failed:
        call(function, *arguments, **options)
    return failed.value


# --- copies, prints, what is raised -------------------------------------------------------------------


def test_what_is_given_is_a_copy_and_writing_into_it_is_known():
    def write(x, *, y):
        x += 1
        y += 1
        return x

    x, y = X.clone(), X.clone()
    called = call(write, x, named={"y": y})
    assert torch.equal(x, X) and torch.equal(y, X) and torch.equal(called.answer, X + 1)
    assert called.changed and not call(lambda x: x + 1, X).changed
    assert call(lambda x: x.zero_(), torch.full((2,), float("nan"))).changed
    assert not call(lambda x: x, torch.full((2,), float("nan"))).changed


def test_prints_are_counted_or_shown_and_stdout_is_given_back(capsys):
    def talk(x):
        print("one\ntwo")
        return x

    assert call(talk, X).printed == 2 and capsys.readouterr().out == ""
    assert call(talk, X, quiet=False).printed == 0 and capsys.readouterr().out == "one\ntwo\n"
    refused(lambda x: print("and then") or 1 / 0, X)
    print("after")
    assert capsys.readouterr().out == "after\n"


def test_two_threads_that_print_do_not_lose_stdout():
    """The first to come is the first to go: what the second has found would be the first one's."""
    real, inside, both, gone = io.StringIO(), *(threading.Event() for _ in range(3))

    def early(_):
        inside.set()
        both.wait(0.2)  # is set in time only if both are in at once
        print("lost?")

    def late(_):
        both.set()
        gone.wait(10)
        print("lost?")

    with contextlib.redirect_stdout(real):
        first, second = (threading.Thread(target=call, args=(talk, X)) for talk in (early, late))
        first.start()
        assert inside.wait(10)
        second.start()
        first.join()
        gone.set()
        second.join()
        print("here")
    assert real.getvalue() == "here\n"


def test_what_others_print_meanwhile_is_printed(capsys):
    """A cell that trains may print while a control is moved."""

    def talk(x):
        other = threading.Thread(target=lambda: print("from elsewhere"))
        other.start()
        other.join()
        print("from here")
        assert call(lambda x: print("from within"), x).printed == 1
        return x

    before = sys.stdout
    assert call(talk, X).printed == 1
    assert capsys.readouterr().out == "from elsewhere\n" and sys.stdout is before


def test_what_a_function_puts_in_the_place_of_stdout_is_taken_away(capsys):
    def careless(x):
        sys.stdout = io.StringIO()
        return x

    before = sys.stdout
    call(careless, X)
    assert sys.stdout is before


def test_what_is_raised_is_data_and_the_line_is_the_learners_never_ours():
    space = cell(
        "def inside(x):\n    return causal_mask('three')\n"
        "def deep(x):\n    return torch.softmax(x, dim=7)\n"
        "def leaves(x):\n    raise SystemExit\n"
        "def layer(x):\n    return torch.nn.Linear(5, 1)(x)\n",
        causal_mask=causal_mask,
    )
    failed = refused(space["inside"], X)
    assert (failed.what, failed.data["kind"]) == ("raised", "ValueError")
    assert failed.where == (2, "return causal_mask('three')") and isinstance(failed.error, ValueError)
    assert refused(space["deep"], X).where == (4, "return torch.softmax(x, dim=7)")
    assert refused(space["layer"], X).where == (8, "return torch.nn.Linear(5, 1)(x)")  # raised in torch's
    assert refused(causal_mask, "three").where is None  # raised in our code, and called from nowhere else
    assert refused(lambda: 1, X).where is None
    assert refused(space["leaves"], X).data == {"kind": "SystemExit", "message": "no message"}


def test_what_a_function_held_when_it_raised_is_given_back():
    """It may be all the memory that there is, and its check goes on."""
    held = []

    def hoards(x):
        mine = x + 1
        held.append(weakref.ref(mine))
        raise MemoryError

    failed = refused(hoards, X)
    assert failed.error and held[0]() is None


def test_what_is_raised_as_failed_goes_through_as_it_is():
    inner = Failed("nothing", part="weights")

    def fails(x):
        raise inner

    assert refused(fails, X) is inner


def test_the_interrupt_of_the_notebook_goes_through():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(interrupted, X)


# --- the time limit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["endless", "stubborn", "bare"])
def test_a_loop_that_never_ends_is_ended_and_named(soon, name):
    failed = refused(ENDLESS[name], X)
    assert failed.what == "too long" and failed.data == {"seconds": 0.3}
    assert "x = x" in failed.where[1] or "while" in failed.where[1]


def test_it_is_ended_in_a_thread_too_where_jupyter_answers_a_slider(soon):
    said = []
    thread = threading.Thread(target=lambda: said.append(refused(ENDLESS["endless"], X).what))
    thread.start()
    thread.join(20)
    assert said == ["too long"]


def test_a_call_in_time_is_left_alone_and_so_is_what_comes_after_it(monkeypatch):
    """Calls that end just when their time is over: whatever is sent to a thread stays within the call."""
    monkeypatch.setattr(_calling, "LONGEST", 0.002)
    monkeypatch.setattr(_time_limit, "_EACH", 0.0005)
    ended = 0
    for i in range(400):
        try:
            assert call(lambda n: sum(range(n)), 20_000 + 1000 * (i % 60)).answer > 0
        except Failed as failed:
            ended += failed.what == "too long"
        sum(range(2000))  # here nothing may arrive
    assert not _time_limit._ends


def test_a_call_within_a_call_has_the_time_of_the_outer_one(soon):
    def outer(x):
        with pytest.raises(Failed):
            call(ENDLESS["endless"], x)
        return call(lambda x: x, x).answer

    assert torch.equal(call(outer, X).answer, X)
    assert not _time_limit._ends


def test_a_call_within_a_call_leaves_the_end_of_the_outer_one(soon):
    def outer(x):
        ends = dict(_time_limit._ends)
        call(lambda x: x, x)
        return ends, dict(_time_limit._ends)

    before, after = call(outer, X).answer
    assert before and before == after


def test_to_a_call_in_time_nothing_is_sent(monkeypatch):
    sent = []
    monkeypatch.setattr(_time_limit, "_raise_in", lambda *what: sent.append(what))
    call(lambda x: x, X)
    assert not sent


TRACED = """
import sys
from attention_core import _calling, _time_limit
_calling.LONGEST, _time_limit._EACH = {seconds}, 0.001
for i in range({times}):
    try:
        _calling.call(lambda n: sum(j for j in range(n)), 1000 * (i % 100))
    except _calling.Failed as failed:
        assert failed.what == "too long"
sys.settrace(lambda *_: None)
(lambda: [i for i in range(10)])()
sys.settrace(None)
print("came through")
"""


@pytest.mark.parametrize(("seconds", "times"), [(10, 1), (0.002, 300), (0.0001, 300)])
def test_a_debugger_can_trace_after_calls_in_time_and_too_late(seconds, times):
    """A signal that is left over hangs CPython 3.11 as soon as anything traces."""
    code = TRACED.format(seconds=seconds, times=times)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout == "came through\n", done.stderr[-500:]


def test_a_call_whose_time_is_over_on_the_way_out_is_left_all_the_same(monkeypatch):
    leave, left = _time_limit._leave, []

    def too_late(thread):
        left.append(thread)
        if len(left) == 1:
            raise _time_limit.TooLong
        leave(thread)

    monkeypatch.setattr(_time_limit, "_leave", too_late)
    assert refused(lambda x: x, X).what == "too long"
    assert not _time_limit._ends


def test_a_watching_thread_that_is_gone_is_replaced_as_after_a_fork(monkeypatch):
    gone = threading.Thread(target=int)
    gone.start()
    gone.join()
    monkeypatch.setattr(_time_limit, "_watching", gone)
    assert call(lambda x: _time_limit._watching.is_alive(), X).answer


def test_nothing_is_ended_while_a_debugger_runs(monkeypatch):
    monkeypatch.setattr(sys, "gettrace", lambda: print)  # what a debugger sets would trace the test, too
    assert call(lambda x: dict(_time_limit._ends), X).answer == {}


def test_where_no_thread_can_be_started_a_call_has_no_end(monkeypatch):
    def none_left(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_time_limit, "_watching", None)
    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert call(lambda x: x, X).answer is not None


def test_the_watching_thread_goes_when_there_is_nothing_to_watch(soon, monkeypatch):
    monkeypatch.setattr(_time_limit, "_IDLE", 3)
    call(lambda x: x, X)
    thread = _time_limit._watching
    assert thread is None or (thread.join(10), thread.is_alive())[1] is False
    assert refused(ENDLESS["endless"], X).what == "too long"  # it is there again when it is needed


def test_checks_probes_and_explorers_say_it_in_words_and_live_on(soon):
    result = check.softmax(ENDLESS["endless"])
    assert result.status == "error" and "is there a loop that never ends?" in result.headline
    assert "It was called with 2 rows of 3 scores." in result.details
    verdict = probes.rows_sum_to_one(lambda query, key, value: ENDLESS["endless"](query))
    assert verdict.holds is False and "ended after 0.3 seconds" in verdict.evidence
    explorer = SelfAttentionExplorer("the cat", attention=ENDLESS["endless"])
    assert explorer.heatmap.message.startswith("The function was ended after 0.3 seconds")
    assert "\nin line " in explorer.heatmap.message
    experiment = Experiment(lambda n: ENDLESS["endless"](X), n=(1, 3))
    assert "is there a loop that never ends?" in experiment.heatmap.message


def test_a_check_does_not_wait_for_the_same_loop_in_each_case(soon):
    calls = []

    def counted(scores):
        calls.append(scores)
        return ENDLESS["endless"](scores)

    assert check.softmax(counted).status == "error" and len(calls) == 1


def test_a_class_that_never_gets_made_is_ended(soon):
    class Endless(torch.nn.Module):
        def __init__(self, dim):
            super().__init__()
            while True:
                dim += 1

        def forward(self, x, allowed=None):
            return x, x

    result = check.self_attention(Endless)
    assert result.status == "error" and "is there a loop" in result.headline
    assert "It was made with dim = 4." in result.details


# --- the form of an answer ----------------------------------------------------------------------------

ATTENTION = Part("output", (2, 5)), Part("weights", (2, 3))
FORMS = {
    "nothing": None,
    "not parts": torch.ones(2, 5),
    "empty part": (torch.ones(2, 5), ...),
    "not a tensor": ([1.0], torch.ones(2, 3)),
    "sparse": (torch.ones(2, 5), torch.ones(2, 3).to_sparse()),
    "shape": (torch.ones(5), torch.ones(2, 3)),
    "columns first": (torch.ones(2, 5), torch.ones(3, 2)),
    "out of order": (torch.ones(2, 3), torch.ones(2, 5)),
    "not numbers": (torch.ones(2, 5), torch.ones(2, 3, dtype=torch.bool)),
}


@pytest.mark.parametrize("what", FORMS)
def test_each_wrong_form_is_told_from_the_others(what):
    with pytest.raises(Failed) as failed:
        formed(FORMS[what], *ATTENTION)
    assert failed.value.what == what
    assert sentence(failed.value).endswith(".") and "{" not in in_words(failed.value)


def test_an_answer_of_one_part_stands_alone():
    mask = Part("mask", (2, 2), boolean=True)
    assert formed(torch.ones(2, 2).bool(), mask)[0].dtype == torch.bool
    for what, answer in {"not alone": (X,), "not boolean": torch.ones(2, 2), "not a tensor": [X]}.items():
        with pytest.raises(Failed) as failed:
            formed(answer, mask)
        assert failed.value.what == what


def test_sizes_can_be_left_open():
    for sizes in ((..., 2, "features"), (2, 3), ("any", "thing")):
        assert formed([X, X], Part("a", sizes), Part("b", sizes))
    with pytest.raises(Failed) as failed:
        formed(torch.ones(3), Part("output", (..., 2, "features")))
    assert in_words(failed.value) == "output should have shape (…, 2, features); it has (3,)"


def test_every_way_to_fail_has_a_sentence_and_every_sentence_is_used():
    ways = {"raised", "too long", "not alone", "not boolean", *FORMS}
    assert ways == set(SENTENCES)


def test_a_name_of_the_code_keeps_its_small_letter_and_an_error_its_own_end():
    with pytest.raises(Failed) as failed:
        call_attention(lambda q, k, v: (v, q), X, X, X)
    assert sentence(failed.value).startswith("weights should have shape (2, 2)")
    assert (
        sentence(refused(lambda x: 1 / 0, X))
        == "The function stopped with ZeroDivisionError: division by zero"
    )


def test_a_control_may_have_any_name():
    experiment = Experiment(lambda quiet, named: torch.eye(2), quiet=True, named="x")
    assert experiment.weights.shape == (2, 2)


class Shell:
    """Of a notebook, as far as it is asked to leave."""

    def __init__(self):
        self.asked = 0

    def ask_exit(self):
        self.asked += 1


def test_exit_is_an_error_of_the_function_and_not_the_end_of_the_kernel(monkeypatch):
    """IPython's `exit` raises nothing, but asks the shell to leave when the cell is done."""
    shell = Shell()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    leaves = cell("def leaves(x):\n    exit()\n", exit=ExitAutocall(shell))["leaves"]
    for function in (leaves, lambda x: call(leaves, x)):  # and in a call around it
        failed = refused(function, X)
        assert failed.data == {"kind": "SystemExit", "message": "exit() would end the kernel"}
        assert failed.where == (2, "exit()") and shell.asked == 0
    leaves(X)  # in a cell it is meant
    assert shell.asked == 1
