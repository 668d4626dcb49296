"""Frames of the steps that a reader could take next: with them the page follows the hand without the kernel.

The page asks for them when it is quiet, a few at a time, so that an answer never waits long. They are made by
the very function that is shown. How the page uses them: `page/bank.js`.
"""

import io
import random
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anywidget
import ipywidgets as widgets
import numpy as np
import torch
import traitlets
from torch.utils._python_dispatch import TorchDispatchMode

from attention_core._aside import aside
from attention_core._calling import Failed, noted
from attention_core._time_limit import TooLong, in_time
from attention_core.live.linked import PAGE, linked

if TYPE_CHECKING:
    from attention_core.live.explorer import Explorer

MOST_BYTES = 2_000_000  # that the page holds of one explorer
MOST_SECONDS = 0.15  # of the kernel's time, for all the steps from one place
A_TURN = 0.02  # seconds that one request may take: an answer waits no longer
LONG = "it takes long to compute"
ENOUGH = 3  # steps: with fewer of them a hand would not feel any difference

Step = tuple[object, Mapping[str, object]]  # what stands in the page's model, and the traits that it makes
State = dict[str, dict[str, object]]  # of each view, by its name: the traits that show it


@dataclass(frozen=True)
class Dial:
    """A trait of a widget on the page that moves inputs of an explorer: `steps` are the values it can take.

    Without steps it is only watched: what was made under another sentence is never shown. now: what it is to
    stand at; the widget's own trait unless given.
    """

    moves: tuple[str, ...]
    widget: widgets.Widget
    trait: str
    steps: Callable[[], Iterable[Step]] = tuple
    now: Callable[[], object] | None = None

    def at(self) -> object:
        """What stands in the page's model once all that is known here has reached it."""
        return self.now() if self.now else self.widget.get_state(self.trait)[self.trait]


class NoBank(Exception):
    """Why there are no frames beforehand, in a word or two."""


class NoMore(NoBank):
    """Why there are no more of them than there are: what other frames show is as right as before."""


class Slow(NoMore):
    """One of them was not there in time."""

    def __init__(self):
        super().__init__(LONG)


class Bank(anywidget.AnyWidget):
    """What an explorer hands to its page beforehand; on the page, a word where it hands over nothing."""

    _esm = linked("bank.js")
    _css = (PAGE / "bank.css").read_text("utf-8")
    _dials = traitlets.List().tag(sync=True)  # [model id, trait, whether it has steps, what it moves]
    _views = traitlets.Dict().tag(sync=True)  # {name: model id}
    _answer = traitlets.Dict().tag(sync=True)  # for what the newest answer is; sent before the answer itself

    def __init__(self, explorer: "Explorer", dials: Iterable[Dial], views: Mapping[str, widgets.Widget]):
        self._explorer, self._every, self._shown = explorer, list(dials), dict(views)
        self._moving = {name for dial in self._every for name in dial.moves}
        self._inputs: dict[str, object] = {}
        self._context = self._n = 0
        self._place: list | None = None  # from where the frames were asked for last
        self._spent, self._held, self._shadows = 0.0, {}, {}
        super().__init__(  # the page hears of them when it hears of this
            _dials=[[d.widget.model_id, d.trait, d.steps is not tuple, [*d.moves]] for d in self._every],
            _views={name: view.model_id for name, view in views.items()},
        )
        self.on_msg(self._asked)

    # ---- the answer

    def answer(self, inputs: Mapping[str, object], *, anew: bool = True) -> None:
        """Tell the page for what the answer is that follows: what is held is right till then.

        anew: whether it may differ though no input does. A move may find that the answer to the one before,
        made in another thread, has seen it already.
        """
        changed = {name for name in inputs if not _alike(inputs[name], self._inputs.get(name, ...))}
        if (anew and not changed) or not changed <= self._moving:
            self._context += 1
            self._held = {}
        self._inputs, self._n = dict(inputs), self._n + 1
        self._answer = {"n": self._n, "context": self._context, "at": self._now()}

    def _now(self) -> list:
        return [dial.at() for dial in self._every]

    # ---- what the page asks for

    def _asked(self, _widget, content: dict, _buffers) -> None:
        asked = {name: content[name] for name in ("dial", "context", "at")}
        with self._explorer.at_rest() as rests:
            if not rests or content["context"] != self._context or content["at"] != self._now():
                self.send({**asked, "steps": [], "base": {}, "more": False, "why": "", "late": True})
                return
            if self._place != (place := [self._context, content["at"]]):
                self._place, self._spent = place, 0.0
            began = _Watch()
            try:
                (steps, more), why = self._steps(content["dial"], content["from"], began), ""
            except NoBank as reason:
                steps, more, why = [], False, str(reason)
            except Exception:  # the learner's, of which the page already tells
                steps, more, why = [], False, ""
            base = self._standing()
            self._spent += began.spent()
        buffers: list[bytes] = []
        made = {"steps": _packed(steps, buffers), "base": _packed(base, buffers)}
        self.send({**asked, **made, "more": more, "why": why}, buffers)

    def _steps(self, which: int, begin: int, began: "_Watch") -> tuple[list[tuple[object, State]], bool]:
        """The next frames of a dial, those of its neighbours first; and whether there are more."""
        dial = self._every[which]
        steps = list(dial.steps())
        here = next((i for i, (value, _) in enumerate(steps) if value == dial.at()), 0)
        order = sorted(range(len(steps)), key=lambda i: abs(i - here))[begin:]
        found: list[tuple[object, State]] = []
        try:
            if not begin:
                self._held[which] = 0
                self._shadows = {view: Shadow(widget) for view, widget in self._shown.items()}
                if self._made({}) != self._standing():
                    raise NoBank("its function answers differently each time")
            for i in order:
                if self._spent + began.spent() > MOST_SECONDS:
                    raise NoMore(LONG)
                if found and began.wall() > A_TURN:
                    return found, True
                value, changes = steps[i]
                state = self._made(changes)
                if (size := _size(state)) + sum(self._held.values()) > MOST_BYTES:
                    raise NoMore("it is large")
                self._held[which] += size
                found.append((value, state))
        except NoMore as reason:
            if isinstance(reason, Slow) and began.crowded():
                return found, True
            others = sum(self._held.values()) > self._held[which]
            if begin + len(found) < ENOUGH and not others:
                raise
        return found, False

    def _made(self, changes: Mapping[str, object]) -> State:
        """What the views would show after these changes. Raises: NoBank if the function is not one to ask."""
        explorer, inputs = self._explorer, {**self._inputs, **changes}

        def ask() -> dict:
            try:
                return in_time(lambda: explorer.answer_to(inputs), MOST_SECONDS)
            except Failed as failed:
                raise Slow if failed.what == "too long" else failed from None
            except TooLong:
                raise Slow from None

        answer = _watched(ask)
        explorer.put_into({name: shadow.view for name, shadow in self._shadows.items()}, answer)
        state = {name: shadow.state() for name, shadow in self._shadows.items()}
        for view, traits in explorer.linked.items():
            state[view] |= {trait: changes[trait] for trait in traits if trait in changes}
        return state

    def _standing(self) -> State:
        """What the views show, of all that the steps made so far have changed."""
        shadows = self._shadows.items()
        return {name: self._shown[name].get_state(shadow.changed) for name, shadow in shadows}


class _Watch:
    """How long something has taken: of this thread's own time, and at least a quarter of what passed.

    Where others share the core more passes than is spent; a function that sleeps spends nothing. What other
    threads of this process have spent is not counted: a cell that computes, say.
    """

    def __init__(self):
        self._began = self._clocks()

    @staticmethod
    def _clocks() -> tuple[float, float, float]:
        return time.perf_counter(), time.thread_time(), time.process_time()

    def _passed(self) -> tuple[float, float, float]:
        """Seconds: of the clock, of this thread, of the others."""
        wall, own, all_of_us = (now - then for now, then in zip(self._clocks(), self._began, strict=True))
        return wall, own, all_of_us - own

    def wall(self) -> float:
        return self._passed()[0]

    def spent(self) -> float:
        wall, own, others = self._passed()
        return max(own, (wall - others) / 4)

    def crowded(self) -> bool:
        """Whether others of this process held it up: how slow it is cannot be told then."""
        wall, own, others = self._passed()
        return others > wall / 10 and own < wall / 2


class Shadow:
    """A view that shows nothing to anybody: it has no page, no links and nobody who observes it.

    `changed` are the traits that have changed since it was made; what only the reader sets never does.
    """

    def __init__(self, view: widgets.Widget):
        self.view = made = type(view).__new__(type(view))
        made.__dict__.update({k: x for k, x in vars(view).items() if not k.startswith("_trait_")})
        made._trait_values.update({k: x for k, x in view._trait_values.items() if k != "comm"})
        self.changed: set[str] = set()
        made.observe(lambda change: self.changed.add(change.name), list(view.keys))

    def state(self) -> dict[str, object]:
        return self.view.get_state(self.changed)


def _watched(ask: Callable[[], dict]) -> dict:
    """`ask()`. Raises: NoBank if it printed, warned, drew lots or wrote into what it was given.

    Only what this thread does counts: a cell that trains, or another explorer, may be at work meanwhile.
    """
    called: list = []
    token = noted.set(called)
    try:
        with _Said() as said:
            dice = _dice()
            answer = ask()
            drew = _changed(dice) and _draws(ask)
    finally:
        noted.reset(token)
    for reason, so in (
        ("its function prints", bool(said.heard)),
        ("its function warns", said.warned),
        ("its function writes into its arguments", any(call.changed for call in called)),
        ("its function draws random numbers", drew),
    ):
        if so:
            raise NoBank(reason)
    return answer


class _Said:
    """While it is entered, what this thread prints is kept, and whether it warns; what others say is said."""

    def __enter__(self):
        self.warned, self._me, self._printed = False, threading.get_ident(), io.StringIO()
        self._entered = ExitStack()
        self._entered.enter_context(_WARNINGS)
        self._entered.enter_context(warnings.catch_warnings())
        warnings.simplefilter("always")
        self._show, warnings.showwarning = warnings.showwarning, self._warn
        self._entered.enter_context(aside(self._printed, "stdout", "stderr"))
        return self

    def __exit__(self, *what):
        return self._entered.__exit__(*what)

    @property
    def heard(self) -> str:
        return self._printed.getvalue()

    def _warn(self, *what, **more) -> None:
        if threading.get_ident() == self._me:
            self.warned = True
        else:
            self._show(*what, **more)


_WARNINGS = threading.RLock()  # how warnings are shown is the whole process's: one at a time may change it


def _dice() -> dict[str, object]:
    _, words, *place = np.random.get_state()
    return {"torch": torch.get_rng_state(), "numpy": (words.tobytes(), *place), "python": random.getstate()}


def _changed(dice: dict[str, object]) -> list[str]:
    return [name for name, now in _dice().items() if not _alike(dice[name], now)]


def _draws(ask: Callable[[], dict]) -> bool:
    """Whether it is this call that draws lots: dice are the whole process's, and others may have drawn."""
    dice, before = _dice(), sys.getprofile()
    python = False

    def profile(_frame, event: str, called) -> None:
        nonlocal python
        python = python or (event == "c_call" and getattr(called, "__self__", None) is _PYTHONS)

    with _Drawn() as torchs:
        sys.setprofile(profile)  # of this thread
        try:
            ask()
        finally:
            sys.setprofile(before)
    return python or torchs.drew or "numpy" in _changed(dice)  # nothing tells whose numpy's are


_PYTHONS = random.seed.__self__  # whom `random.random` and the others ask


class _Drawn(TorchDispatchMode):
    """Whether what torch does in this thread draws lots: some may do so and do not, as dropout of 0."""

    drew = False

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if torch.Tag.nondeterministic_seeded not in function.tags:
            return function(*args, **(kwargs or {}))
        before = torch.get_rng_state()
        answer = function(*args, **(kwargs or {}))
        self.drew = self.drew or not torch.equal(before, torch.get_rng_state())
        return answer


def _alike(one, other) -> bool:
    """Whether nothing changed: the same thing, or an equal one of plain values."""
    if one is other:
        return True
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.shape == other.shape and bool(torch.equal(one, other))
    if type(one) is type(other) and isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_alike, one, other))
    plain = (str, bytes, int, float, bool, dict, type(None))
    try:
        return isinstance(one, plain) and isinstance(other, plain) and bool(one == other)
    except (RuntimeError, ValueError):  # a dict of tensors or arrays
        return False


def _packed(thing, buffers: list[bytes]):
    """The same with each run of bytes as `{"bytes": place in buffers}`: JSON has none."""
    if isinstance(thing, bytes | memoryview | bytearray):
        buffers.append(bytes(thing))
        return {"bytes": len(buffers) - 1}
    if isinstance(thing, dict):
        return {name: _packed(one, buffers) for name, one in thing.items()}
    return [_packed(one, buffers) for one in thing] if isinstance(thing, list | tuple) else thing


def _size(thing) -> int:
    if isinstance(thing, bytes | memoryview | bytearray | str):
        return len(thing)
    if isinstance(thing, dict):
        return sum(len(name) + _size(one) for name, one in thing.items())
    return sum(map(_size, thing)) if isinstance(thing, list | tuple) else 8
