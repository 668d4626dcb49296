"""A small world as a picture and a map: what is shown of it at a moment, and what a hand changes in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from attention_core.live.acting import Moment
from attention_core.live.picture import MOST_SIDE
from attention_core.live.strip import Words
from attention_core.worlds import COLOURS, KINDS, MOVES, Corridors, Rooms
from attention_core.worlds.pixels import CELL

ARMS = ("left", "right")
SIGNS = {"disc": "●", "square": "■", "diamond": "◆"}

# ---------------------------------------------------------------- a room


class InARoom:
    """What is shown of a room: a row of the map for each step until now, a column for each object."""

    hidden = ()
    title = "What it looked at, step by step"

    def __init__(self, moments: list[Moment], here: Moment, _covered):
        state, self.here = here.state, here
        self.grid = (state.size, state.size)
        self.image = _image(state, state.size)
        places = (state.places[0] @ torch.tensor([state.size, 1])).tolist()
        self.agent = int(state.agents[0] @ torch.tensor([state.size, 1]))
        looks = [(list(COLOURS)[c], KINDS[k]) for _, _, c, k in state.objects[0].tolist()]
        self.keys = _told_apart([f"{colour} {SIGNS[kind]}" for colour, kind in looks])
        there = dict(zip(places, map(" ".join, looks), strict=True))
        names = [f"row {cell // state.size}, column {cell % state.size}" for cell in range(state.size**2)]
        self.names = [f"{name}: {there[cell]}" if cell in there else name for cell, name in enumerate(names)]
        self.names[self.agent] += ", the agent"
        said = here.said
        self.by_cell = None
        if said and said.weights is not None:
            self.by_cell = [float("nan")] * state.size**2
            for place, w in zip(places, said.weights.tolist(), strict=True):
                self.by_cell[place] = w
        before = [m.said for m in moments[: moments.index(here) + 1] if m.said]
        self.rows = [f"step {i}" for i in range(len(before))]
        gives = bool(before) and all(one.weights is not None for one in before)
        self.weights = torch.stack([one.weights for one in before]) if gives else None
        if gives and None not in (own := [one.itself for one in before]):
            self.weights = torch.cat((torch.tensor(own)[:, None], self.weights), -1)
            self.keys = ["itself", *self.keys]
        self.heading = f"It wants **{list(COLOURS)[int(state.wanted)]}**"

    def verdict(self, at: int, last: int) -> Words:
        here, state = self.here, self.here.state
        paid = f"Step {at} of {last} · paid so far {here.paid:.2f}.".replace("-", "−")
        if bool(state.terminated):
            return Words(f"{paid} It is **there**.")
        if bool(state.truncated):
            return Words(f"{paid} Its **time is up**.")
        return _would(here, paid, [*MOVES])


def _told_apart(names: list[str]) -> list[str]:
    """Those that are there several times are numbered."""
    return [
        f"{name} {names[: i + 1].count(name)}" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]


def clicked_room(state: Rooms, row: int, column: int, tool: str) -> Rooms | None:
    """The room after a click there; None if that changes nothing."""
    objects, which = state.objects[0], _object_at(state, (row, column))
    here = state.agents[0].tolist() == [row, column]
    if tool == "recolour" and here:
        return replace(state, wanted=(state.wanted + 1) % len(COLOURS))
    if tool == "recolour" and which is not None:
        changed = objects.clone()
        changed[which, 2] = (changed[which, 2] + 1) % len(COLOURS)
        return replace(state, objects=changed[None])
    if tool == "add" and which is None and not here:
        n = len(objects)
        new = torch.tensor([[row, column, n % len(COLOURS), n % len(KINDS)]])
        return replace(state, objects=torch.cat((objects, new))[None])
    if tool == "remove" and which is not None and len(objects) > 1:
        return replace(state, objects=torch.cat((objects[:which], objects[which + 1 :]))[None])
    return None


@dataclass(frozen=True, eq=False)
class Carried:
    """What a hand carries through a room: "agent", the number of an object, or None, nothing.

    before: the room when it was taken up. at: where the hand is now.
    """

    what: int | str | None
    before: Rooms
    at: tuple[int, int]

    def put(self, place: tuple[int, int]) -> Rooms | None:
        """The room with it there, and all else as it was before; an object that is there goes where this one
        was. None, if nothing is carried."""
        if self.what is None or place == self.at:
            return None
        if self.what == "agent":
            return replace(self.before, agents=torch.tensor([place]))
        objects, other = self.before.objects.clone(), _object_at(self.before, place)
        if other is not None:
            objects[0, other, :2] = objects[0, self.what, :2]
        objects[0, self.what, :2] = torch.tensor(place)
        return replace(self.before, objects=objects)


def taken_up(state: Rooms, place: tuple[int, int]) -> Carried:
    """What a hand takes up there: the agent first."""
    here = state.agents[0].tolist() == [*place]
    return Carried("agent" if here else _object_at(state, place), state, place)


def _object_at(state: Rooms, place: tuple[int, int]) -> int | None:
    places = state.places[0].tolist()
    return places.index([*place]) if [*place] in places else None


# ---------------------------------------------------------------- a corridor


class InACorridor:
    """What is shown of a corridor: its whole length, and how the agent looks back at each step."""

    def __init__(self, moments, here: Moment, covered: tuple[int, ...]):
        state, self.here = here.state, here
        end = state.length + 1
        self.grid = (3, end + 1)
        self.image = _image(state, end + 1)
        self.agent = (
            end + 1 + state.position if int(state.chosen) < 0 else 2 * int(state.chosen) * (end + 1) + end
        )
        cue = "cue ↑" if int(state.pays) == 0 else "cue ↓"  # walked from left to right: the left arm is above
        steps = [cue if step in state.cues else f"{step}" for step in range(end)] + ["junction"]
        arms = {end: "left arm", 2 * (end + 1) + end: "right arm"}
        self.names = [arms.get(cell, "wall") for cell in range(3 * (end + 1))]
        self.names[end + 1 : 2 * (end + 1)] = [
            f"step {i}" + (f", {name}" if not name.isdigit() else "") for i, name in enumerate(steps)
        ]
        self.names[self.agent] += ", the agent"
        self.hidden = [end + 1 + step for step in covered]
        self.keys = [f"({name})" if i in covered else name for i, name in enumerate(steps)][
            : state.position + 1
        ]
        self.by_cell = self.weights = None
        over = not here.said and not here.problem
        said = moments[-2].said if over else here.said  # then the map stays, of the choice
        self.rows = ["junction" if over else f"step {state.position}"]
        self.title = "How it looked back" if over else "How it looks back"
        if said and said.weights is not None:
            self.weights = said.weights[None]
        if self.weights is not None and not over:
            self.by_cell = [float("nan")] * (3 * (end + 1))
            self.by_cell[end + 1 : end + 2 + state.position] = self.weights[0].tolist()
        self.heading = f"The **{ARMS[int(state.pays)]}** arm pays"

    def verdict(self, at: int, last: int) -> Words:
        state = self.here.state
        step = f"Step {at} of {last}."
        if bool(state.over):
            chosen = ARMS[int(state.chosen)]
            return Words(
                f"{step} It chose **{chosen}**, which pays."
                if int(state.chosen) == int(state.pays)
                else f"{step} It chose **{chosen}**, which pays nothing."
            )
        if state.position <= state.length:
            return Words(f"{step} Whatever it does here, it walks on.")
        return _would(self.here, step, ARMS)


# ---------------------------------------------------------------- both


def scene_of(moments: list[Moment], here: Moment, covered: tuple[int, ...]) -> InARoom | InACorridor:
    """What is shown at one of the moments of a way."""
    kind = InARoom if isinstance(here.state, Rooms) else InACorridor
    return kind(moments, here, covered)


def _would(here: Moment, before: str, actions: Sequence[str]) -> Words:
    if not here.said:
        return Words(before)
    if here.said.choice is None:
        return Words(f"{before} Its logits are no numbers.")
    probabilities = here.said.probabilities.tolist()
    return Words(f"{before} It would go **{actions[here.said.choice]}**:", actions, probabilities)


def _image(state: Rooms | Corridors, widest: int) -> Tensor:
    """`(3, height, width)`, from 0 to 1, as large as a picture may be."""
    pixels = state.picture(0, max(1, min(CELL, MOST_SIDE // widest)))
    return torch.from_numpy(pixels).permute(2, 0, 1) / 255
