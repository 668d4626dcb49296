"""What a page without a kernel needs of explorers: their models, and what each move of a hand would show.

Runs in the kernel of a lesson, after its last cell. Every step is a real one: it is told to the explorer as
a page tells it, so that whatever follows is recorded too, other controls and what gave way among it. Which
steps there are, each explorer's bank knows.
"""

import json
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from math import prod
from pathlib import Path

import anywidget
import ipywidgets as widgets
import numpy as np
from ipywidgets.widgets.widget import _instances

from attention_core.live import Explorer
from attention_core.live.bank import Bank, Dial
from attention_core.live.picture import Picture
from attention_core.live.widget import View
from attention_core.practice.prediction import Prediction

TOGETHER = 1000  # frames of several controls that can be moved independently
MOST_SECONDS = 2.5  # of one explorer: what each control does alone comes first, and the steps nearest to it
FINE = 0.004  # by which a number may be off: two digits then differ by .01 at most
LONG = 300  # letters: a text that several models may have in common is stored once
NAMED = {"_model_name", "_esm", "_css", "_dom_classes"}  # of the private traits of ipywidgets' own

State = dict[str, dict[str, object]]  # of models, by their ids


def write(path: str, shown: Iterable[str]) -> None:
    """Record the widgets of these ids, and all that belongs to them, in a file."""
    Path(path).write_bytes(recorded([_instances[one] for one in shown if one in _instances]))


def recorded(shown: Iterable[widgets.Widget]) -> bytes:
    """Models, frames and what the bytes of both are, deflated: see `page/handout.js`."""
    roots = list(dict.fromkeys(one for one in shown if _on_its_own(one)))  # a lesson may show one twice
    packing = Packing()
    every = _all_of(roots)
    models = {one.model_id: packing.packed(_state(one)) for one in every}
    with _unheard(every):
        explorers = [Steps(one, packing).told() for one in roots if isinstance(one, Explorer)]
    told = {
        "models": models, "explorers": explorers, "frames": packing.frames, "texts": packing.texts,
        "bytes": [len(one) for one in packing.bytes],
    }  # fmt: skip
    head = json.dumps(told, separators=(",", ":")).encode()
    return zlib.compress(b"".join([struct.pack("<I", len(head)), head, *packing.bytes]), 9)


@contextmanager
def _unheard(every: Iterable[widgets.Widget]) -> Iterator[None]:
    """Nobody hears what these widgets say: to tell a page of each step takes as long as the step itself."""
    lines = [one.comm for one in every if one.comm is not None]
    for line in lines:
        line.publish_msg = lambda *_said, **_more: None
    try:
        yield
    finally:
        for line in lines:
            del line.publish_msg


def _on_its_own(shown: widgets.Widget) -> bool:
    """Whether it lives without a kernel: a prediction is the kernel's to answer."""
    return isinstance(shown, Explorer | View) and not isinstance(shown, Prediction)


def _all_of(roots: Iterable[widgets.Widget]) -> list[widgets.Widget]:
    """The widgets, what they are made of, and the links between them."""
    found: dict[str, widgets.Widget] = {}
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        if found.setdefault(one.model_id, one) is one:
            waiting += [_instances[i] for i in _named(one.get_state()) if i not in found]
            if isinstance(one, Bank):  # it knows them by their ids, those that stand nowhere, too
                waiting += [_instances[i] for i in [*one._views.values(), *(dial[0] for dial in one._dials)]]
    links = [one for one in _instances.values() if isinstance(one, widgets.widget_link.Link)]
    return [*found.values(), *(one for one in links if one.source[0].model_id in found)]


def _named(thing) -> Iterator[str]:
    """Ids of the models to which a state refers."""
    if isinstance(thing, str) and thing.startswith("IPY_MODEL_"):
        yield thing.removeprefix("IPY_MODEL_")
    elif isinstance(thing, dict | list | tuple):
        yield from chain.from_iterable(map(_named, thing.values() if isinstance(thing, dict) else thing))


def _state(one: widgets.Widget) -> dict[str, object]:
    """All that the page may ask for; what is None in a layout is not there."""
    ours = isinstance(one, anywidget.AnyWidget)
    return {
        name: value
        for name, value in one.get_state().items()
        if (ours or name in NAMED or not name.startswith("_") or name == "_options_labels")
        and not (value is None and isinstance(one, widgets.Layout | widgets.widget_style.Style))
        and not name.startswith(("_model_module", "_view_", "_anywidget"))
    }


class Packing:
    """Things as JSON, with what JSON has not, and what is long, kept once, elsewhere."""

    def __init__(self):
        self.bytes: list[bytes] = []
        self.texts: list[str] = []
        self.frames: list[State] = []
        self._known: dict[object, int] = {}

    def packed(self, thing):
        if isinstance(thing, bytes | memoryview | bytearray):
            return self._bytes(bytes(thing), {})
        if isinstance(thing, dict):
            light = self._light(thing)
            return {key: light[key] if key in light else self.packed(one) for key, one in thing.items()}
        if isinstance(thing, list | tuple):
            return [self.packed(one) for one in thing]
        if isinstance(thing, str) and len(thing) >= LONG:
            return {"$text": self._kept(self.texts, thing)}
        if isinstance(thing, float) and not np.isfinite(thing):
            return {"$number": repr(thing).replace("inf", "Infinity")}
        return thing

    def frame(self, state: State) -> int:
        """The number of a frame: equal ones are one."""
        key = json.dumps(state, sort_keys=True)
        if key not in self._known:
            self._known[key] = len(self.frames)
            self.frames.append(state)
        return self._known[key]

    def _light(self, thing: dict) -> dict[str, object]:
        """What of it can be told in fewer bytes: a map's weights and scores, a table of sines."""
        light = {}
        if isinstance(thing.get("weights"), bytes) and "shape" in thing:
            light["weights"] = self._numbers(thing["weights"], thing["shape"], eight=True)
        for name in ("scores", "table"):
            if isinstance(thing.get(name), bytes) and "shape" in thing:
                light[name] = self._numbers(thing[name], thing["shape"], eight=False)
        return light

    def _numbers(self, raw: bytes, shape: list[int], *, eight: bool):
        numbers = np.frombuffer(raw, np.float32).reshape(shape)
        for width in (8, 16) if eight else (16,):
            packed = in_bits(numbers, width)
            if packed and np.abs(from_bits(packed, shape, width) - numbers).max() <= FINE:
                return self._bytes(packed, {"bits": width, "columns": shape[-1]})
        return self._bytes(raw, {})

    def _bytes(self, raw: bytes, how: dict) -> dict:
        return {"$bytes": self._kept(self.bytes, raw), **how}

    def _kept(self, all: list, one) -> int:
        if one not in self._known:
            self._known[one] = len(all)
            all.append(one)
        return self._known[one]


def in_bits(numbers: np.ndarray, width: int) -> bytes | None:
    """Float32 numbers in 8 or 16 bits each; None for what has no such form.

    Of 8 bits are weights, 0 or more: a row is a number, then the root of each weight, as a share of the
    largest's, in 255 parts: small ones keep what counts of them, and the number gives the row its sum. Of 16
    bits are any: the least of all, and the step from one to the next.
    """
    if not numbers.size or not np.isfinite(numbers).all():
        return None
    if width == 16:
        low, high = float(numbers.min()), float(numbers.max())
        step = (high - low) / 65535 or 1.0
        parts = np.round((numbers.astype(float) - low) / step).astype("<u2")
        return struct.pack("<ff", low, step) + parts.tobytes()
    if numbers.min() < 0:
        return None
    rows = numbers.reshape(-1, numbers.shape[-1]).astype(float)
    largest = np.maximum(rows.max(-1, keepdims=True), np.finfo(float).tiny)
    roots = np.round(255 * np.sqrt(rows / largest))
    factors = rows.sum(-1) / np.maximum((roots**2).sum(-1), 1)
    return factors.astype("<f4").tobytes() + roots.astype("u1").tobytes()


def from_bits(packed: bytes, shape: Iterable[int], width: int) -> np.ndarray:
    """What `in_bits` has packed, as `page/packed.js` reads it."""
    if width == 16:
        low, step = np.frombuffer(packed, "<f4", 2).astype(float)
        return (low + step * np.frombuffer(packed, "<u2", offset=8)).astype(np.float32).reshape(shape)
    rows = prod(list(shape)[:-1])
    factors = np.frombuffer(packed, "<f4", rows).astype(float)
    roots = np.frombuffer(packed, "u1", offset=4 * rows).reshape(rows, -1)
    return (factors[:, None] * roots.astype(float) ** 2).astype(np.float32).reshape(shape)


class Steps:
    """All moves of one explorer's controls from where it stands, and what each of them shows."""

    def __init__(self, explorer: Explorer, packing: Packing):
        self._explorer, self._packing = explorer, packing
        self._own = [one for one in _all_of([explorer]) if not isinstance(one, Bank)]
        self._changed: set[tuple[str, str]] = set()
        self._until = time.process_time() + MOST_SECONDS
        self._dials = explorer._bank._every
        self._views = [one for one in self._own if isinstance(one, Picture) and one.content is not None]

    def told(self) -> dict:
        explorer = self._explorer
        self._inputs = inputs_of(explorer, *chain.from_iterable(dial.moves for dial in self._dials))
        self._home: State = {one.model_id: self._packing.packed(one.get_state()) for one in self._own}
        for one in self._own:
            one.observe(self._heard, list(one.keys))
        steps = {i: len(list(dial.steps())) for i, dial in enumerate(self._dials)}
        chosen = self._moved_by_choosing()
        steps = {i: n for i, n in steps.items() if n > 1 and (i in chosen or self._is_shown(self._dials[i]))}
        try:
            alone = [self._places([i]) for i in steps]
            group = self._group(steps)
            sets = [*([self._places(group)] if len(group) > 1 else []), *alone]
            wishes = self._wishes(group)
        finally:
            self._back()
        changed: dict[str, list[str]] = {}
        for model, trait in sorted(self._changed):
            changed.setdefault(model, []).append(trait)
        return {
            "model": explorer.model_id, "bank": explorer._bank.model_id, "changed": changed,
            "dials": [[dial.widget.model_id, dial.trait, [*dial.moves]] for dial in self._dials],
            "sets": [one for one in sets if one["steps"]], "wishes": wishes,
        }  # fmt: skip

    def _heard(self, change) -> None:
        self._changed.add((change.owner.model_id, change.name))

    def _is_shown(self, dial: Dial) -> bool:
        """`only` may have hidden its control."""
        hidden = [one for one in self._explorer.controls.values() if one.layout.display == "none"]
        return all(dial.widget not in (one, *getattr(one, "children", ())) for one in hidden)

    def _group(self, steps: dict[int, int]) -> list[int]:
        """Dials that are recorded in every combination: as many as there is room for, the bar's first."""
        group: list[int] = []
        bar = len(self._explorer.dials)
        for i in sorted(steps, key=lambda i: (i >= bar, steps[i])):
            moves = {name for j in group for name in self._dials[j].moves}
            fits = prod(steps[j] for j in [*group, i]) <= TOGETHER
            if fits and not moves & {*self._dials[i].moves}:
                group.append(i)
        return group

    def _places(self, group: list[int]) -> dict:
        """A frame for each place of these dials."""
        alone = len(group) == 1  # what gives way to one alone gives way on the page, too
        steps = [(at, self._frame()) for at in self._at_each(group) if alone or self._stands(group, at)]
        return {"dials": group, "steps": steps}

    def _at_each(self, group: list[int]) -> Iterator[list]:
        """Where they stand, at each of their places, while the explorer stands there, too."""
        self._back()
        if not group:
            yield []
            return
        *others, last = group
        for at in self._at_each(others):
            dial = self._dials[last]
            for value in self._nearest(dial):
                if time.process_time() > self._until:
                    return
                if not self._stands([*others, last], [*at, dial.at()]):  # something gave way: anew
                    self._go(others, at)
                dial.widget.set_state({dial.trait: value})
                yield [*at, value]
            self._go(others, at)

    def _go(self, group: list[int], at: list) -> None:
        self._back()
        for i, value in zip(group, at, strict=True):
            self._dials[i].widget.set_state({self._dials[i].trait: value})

    def _stands(self, group: list[int], at: list) -> bool:
        """Whether these dials stand there and everything else where it stood."""
        inside = {name for i in group for name in self._dials[i].moves}
        if [self._dials[i].at() for i in group] != at:
            return False
        outside = {name: value for name, value in self._inputs.items() if name not in inside}
        return all(_same(getattr(self._explorer, name), value) for name, value in outside.items())

    def _choices(self) -> list[tuple[Picture, dict]]:
        """What a reader can choose in its pictures: a cell each."""
        return [
            (view, {"chosen": cell})
            for view in self._views
            for cell in range(view.content.grid[0] * view.content.grid[1])
        ]

    def _moved_by_choosing(self) -> set[int]:
        """Dials that a choice of a cell moves, though their controls are hidden."""
        home = [dial.at() for dial in self._dials]
        moved: set[int] = set()
        for view, wish in self._choices():
            view._heard(view, wish, [])
            moved |= {i for i, dial in enumerate(self._dials) if dial.at() != home[i]}
            self._back()
        return moved

    def _wishes(self, group: list[int]) -> dict:
        """What comes of each choice, wherever these dials stand; or, where that is much, from home."""
        choices = self._choices()
        if not choices or prod(len(list(self._dials[i].steps())) for i in group) * len(choices) > TOGETHER:
            group = []
        told = []
        for at in self._at_each(group) if choices else ():
            if not self._stands(group, at):
                continue
            for view, wish in choices:
                view._heard(view, wish, [])
                told.append([view.model_id, at, wish, self._frame()])
                self._go(group, at)
        return {"dials": group, "told": told}

    def _nearest(self, dial: Dial) -> list:
        values = [value for value, _ in dial.steps()]
        here = values.index(dial.at()) if dial.at() in values else 0
        return sorted(values, key=lambda value: abs(values.index(value) - here))

    def _frame(self) -> int:
        """What differs from home now."""
        state: State = {}
        for one in self._own:
            traits = {trait for model, trait in self._changed if model == one.model_id}
            for trait, value in one.get_state(traits).items() if traits else ():
                if (packed := self._packing.packed(value)) != self._home[one.model_id][trait]:
                    state.setdefault(one.model_id, {})[trait] = packed
        return self._packing.frame(state)

    def _back(self) -> None:
        set_inputs(self._explorer, self._inputs)


def inputs_of(explorer: Explorer, *more: str) -> dict[str, object]:
    """The values that a hand may have moved."""
    named = {
        name: getattr(explorer, name) for name in {*explorer.inputs(), *more} if explorer.has_trait(name)
    }
    return {name: value for name, value in named.items() if not callable(value)}


def set_inputs(explorer: Explorer, inputs: dict[str, object]) -> None:
    """Move it there, also where one gives way when another is set.

    Raises: ValueError where it does not come there.
    """
    for _ in range(3):
        moved = {name: x for name, x in inputs.items() if not _same(getattr(explorer, name), x)}
        if not moved:
            return
        with explorer.together(), explorer.hold_trait_notifications():
            for name, value in moved.items():
                setattr(explorer, name, value)
    raise ValueError(f"{type(explorer).__name__} does not go back to {', '.join(moved)} as it was")


def _same(one, other) -> bool:
    if one is other:
        return True
    if isinstance(one, np.ndarray) or hasattr(one, "detach"):
        return bool(np.array_equal(one, other))
    return one == other
