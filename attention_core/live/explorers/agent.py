"""An agent in a small world, under the hand: where it looks, what it would do, and the way that it takes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import ipywidgets as widgets
import torch
import traitlets
from torch import Tensor, nn

from attention_core import SelfAttention
from attention_core._checks import is_whole
from attention_core.live import still
from attention_core.live.acting import Moment, way
from attention_core.live.controls import button, choice, declared, player
from attention_core.live.explorer import Explorer
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.map import AttentionMap
from attention_core.live.picture import Handle, Picture, Pixels
from attention_core.live.remarks import row_remark
from attention_core.live.scene import ARMS, InACorridor, clicked_room, scene_of, taken_up
from attention_core.live.strip import Strip
from attention_core.worlds import COLOURS, Corridor, Corridors, Room, Rooms
from attention_core.worlds.world import World

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IN_A_ROOM = {"recolours": "recolour", "adds": "add", "removes": "remove"}
IN_A_CORRIDOR = {"covers": "cover", "turns the cue": "turn", "puts a cue": "cue"}
LARGEST_ROOM, LONGEST_CORRIDOR = 30, 120  # cells of a side; steps of noise
_ROOM, _CORRIDOR = "Drag the agent or an object (Shift + arrow keys).", "Drag the agent (Shift + arrow keys)."
_HINTS = {
    "recolour": f"{_ROOM} A click, or Enter, changes an object's colour; on the agent, what it wants.",
    "add": f"{_ROOM} A click, or Enter, puts an object into a free cell.",
    "remove": f"{_ROOM} A click, or Enter, takes an object away; one stays.",
    "cover": f"{_CORRIDOR} A click, or Enter, covers what was seen there, or shows it again.",
    "turn": f"{_CORRIDOR} A click, or Enter, on a cue or an arm: the other arm pays.",
    "cue": f"{_CORRIDOR} A click, or Enter, puts a cue there or takes it away; one stays.",
}

_TOO_LARGE = "a room of {n} × {n} cells is too large to be seen: the most is {most}"
_TOO_LONG = "a corridor of length={n} is too long to be seen: the most is {most}"
_NO_WEIGHTS = "This agent gives no weights: nothing says where it looks."
_OVER = "It is over already: there is nothing to choose, and nothing was looked at."


class AgentExplorer(Explorer):
    """An agent acts in a world, and can be followed and disturbed: lines show where it looks.

    A room: drag, recolour, add or remove objects, and what it would do follows. A corridor: walk back and
    forth, cover what it has seen, turn the cue. Beside it, its past with the weights: in a room a row for
    each step that it has taken, in a corridor how it looks back at each.

    Args:
        agent: `agent(observation) -> (logits, weights)`, or logits alone; what it returns besides is left
            out. In a room the observation is `(1, n + 1, 10)`, as `Rooms.observation`, logits `(1, 4)`, and
            weights those of the objects, `(1, n)`, or a map `(1, n + 1, n + 1)`, whose first row is the
            agent's. In a corridor it is the past `(1, steps, 4)`, logits `(1, 2)` of the step now, or
            `(1, steps, 2)`, and weights `(1, steps, steps)` or `(1, steps)`. A map may have heads in front of
            its rows: their mean is shown. An untrained one unless given.
        world: a `Corridor` or a `Room`, also one that `gymnasium.make` has wrapped; a `Room` unless given.
            Where it has been reset, that episode is shown. It is not stepped.

    Traits, each of which can be set and observed: `agent`; `state`, where the way begins, a `Rooms` or
    `Corridors` of one; `at`, how many steps of the way are done; `covered`, steps of a corridor that the
    agent cannot see; `seed`, whose setting begins another episode; `tool`: what a click does, "recolour",
    "add" or "remove", in a corridor "cover", "turn" or "cue". To be read, None while there is nothing: `now`,
    the state that is shown; `last`, how many steps the way has; `weights`, the map `(steps, keys)`; `looked`,
    the agent's weights now, `(keys,)`; `probabilities` `(actions,)`; `action`, the likeliest; `paid`, the
    rewards till now.

    Raises: traitlets.TraitError for what cannot be; the old value stays.
    """

    at = traitlets.Int(None, allow_none=True, min=0).tag(
        control=player("Step", lambda explorer: explorer.last, follows="last")
    )
    tool = traitlets.Unicode(None, allow_none=True).tag(
        control=lambda explorer, name: choice("A click", explorer.tools)(explorer, name)
    )
    agent = traitlets.Any()
    state = traitlets.Any(None, allow_none=True)
    covered = traitlets.Any(())
    seed = traitlets.Int(0, min=0, max=2**63 - 1)
    last = traitlets.Int(0).tag(computed=True)
    now = traitlets.Any(None, allow_none=True).tag(computed=True)
    looked = traitlets.Any(None, allow_none=True).tag(computed=True)
    probabilities = traitlets.Any(None, allow_none=True).tag(computed=True)
    action = traitlets.Int(None, allow_none=True).tag(computed=True)
    paid = traitlets.Float(None, allow_none=True).tag(computed=True)

    def __init__(self, agent=None, world=None, **traits):
        world = Room() if world is None else getattr(world, "unwrapped", world)
        if not isinstance(world, Corridor | Room):
            raise traitlets.TraitError(f"world must be a Corridor or a Room, got {type(world).__name__}")
        self._world, self._ways, self._first, self._carried = world, {}, {}, None
        super().__init__(agent=_untrained(world) if agent is None else agent, **traits)
        self._first = {name: getattr(self, name) for name in ("state", "covered", "at")}

    world: World = property(lambda self: self._world, doc="The world, as it was given.")
    tools: Mapping[str, str] = property(
        lambda self: IN_A_ROOM if isinstance(self._world, Room) else IN_A_CORRIDOR,
        doc="What a click can do, `{as the page says it: tool}`.",
    )

    def views(self) -> dict[str, widgets.Widget]:
        scene = Picture()
        scene.on_choose(self._clicked)
        scene.on_grab(self._grabbed)
        scene.on_drag(self._dragged)
        return {"scene": scene, "heatmap": AttentionHeatmap(None, learned=True), "verdict": Strip()}

    def arranged(self) -> list[widgets.Widget]:
        if isinstance(self._world, Corridor):
            below = widgets.VBox([self.scene, self.verdict, self.heatmap])
            below.add_class("attention-corridor")
            return [below]
        both = widgets.HBox([widgets.VBox([self.scene, self.verdict]), self.heatmap])
        both.add_class("attention-picture")
        return [both]

    def make_controls(self) -> dict[str, widgets.Widget]:
        self.settle(None)  # they show where it begins
        return {name: make(self, name) for name, make in declared(type(self)).items()}

    # ---- what may be set

    @traitlets.validate("state")
    def _check_state(self, proposal) -> Rooms | Corridors | None:
        state, kind = proposal.value, Rooms if isinstance(self._world, Room) else Corridors
        if state is None:
            return None
        if not isinstance(state, kind):
            raise traitlets.TraitError(f"state must be a {kind.__name__}, got {type(state).__name__}")
        if len(state) != 1:
            raise traitlets.TraitError(f"state must be a batch of one, got a batch of {len(state)}")
        if isinstance(state, Rooms) and state.size > LARGEST_ROOM:
            raise traitlets.TraitError(_TOO_LARGE.format(n=state.size, most=LARGEST_ROOM))
        if isinstance(state, Corridors) and state.length > LONGEST_CORRIDOR:
            raise traitlets.TraitError(_TOO_LONG.format(n=state.length, most=LONGEST_CORRIDOR))
        return state

    @traitlets.validate("tool")
    def _check_tool(self, proposal) -> str | None:
        known = self.tools.values()
        if proposal.value is not None and proposal.value not in known:
            raise traitlets.TraitError(f"tool must be one of {', '.join(known)}; got {proposal.value!r}")
        return proposal.value

    @traitlets.validate("covered")
    def _check_covered(self, proposal) -> tuple[int, ...]:
        try:
            steps = tuple(sorted(set(proposal.value)))
        except TypeError:
            steps = (None,)
        if not all(is_whole(step) and step >= 0 for step in steps):
            raise traitlets.TraitError(f"covered must be steps, from 0; got {proposal.value!r}")
        return steps

    @traitlets.observe("seed")
    def _draw(self, _change) -> None:
        if self._first:  # a state that is given with a seed stays
            self.state = self._drawn(self.seed)

    # ---- what is shown

    def settle(self, name: str | None) -> None:
        if self.state is None:
            self.state = self._drawn(self.seed)
        self.tool = self.tool or next(iter(self.tools.values()))
        if isinstance(self.state, Rooms) or (self.covered and self.covered[-1] > self.state.length + 1):
            end = 0 if isinstance(self.state, Rooms) else self.state.length + 2
            self.covered = [step for step in self.covered if step < end]
        last = len(self._way(self.agent, self.state, self.covered)) - 1
        if self.at is None:
            self.at = 0 if isinstance(self.state, Rooms) else self.state.length + 1
        if self.at > last:
            self.at = last
        self.set_trait("last", last)  # the slider's end, before it is moved

    def compute(self, agent, state, at, covered, tool):
        moments = self._way(agent, state, covered)
        here = moments[min(at, len(moments) - 1)]
        scene = scene_of(moments, here, covered)
        weights = scene.weights
        said = {
            "scene": Pixels(
                scene.image, scene.grid, scene.by_cell, scene.hidden, names=scene.names, looker=scene.agent,
                said=scene.heading, hint=_HINTS[tool], hidden_means="covered",
                handle=self._handle(scene, len(moments)) if isinstance(scene, InACorridor) else None,
            ),
            "verdict": scene.verdict(at, len(moments) - 1),
            "now": here.state, "paid": here.paid, "last": len(moments) - 1,
        }  # fmt: skip
        if here.said:
            said |= {"probabilities": here.said.probabilities, "action": here.said.choice}
            said |= {"looked": here.said.weights}
        if weights is None or here.problem:
            asked = any(moment.said for moment in moments)
            return said | {"message": here.problem or (_NO_WEIGHTS if asked else _OVER)}
        return said | {
            "heatmap": AttentionMap(weights, scene.rows, scene.keys),
            "message": row_remark(weights, scene.rows),
            "title": scene.title,
            "weights": weights,
        }

    def facts(self) -> str:
        state = self.now
        if state is None:
            return super().facts()
        if isinstance(state, Rooms):
            n, wants = state.objects.shape[1], list(COLOURS)[int(state.wanted)]
            start = f"{state.size} × {state.size} cells, {n} object{'s' * (n != 1)}, {wants} wanted"
        else:
            cues = ", ".join(map(str, state.cues))
            start = f"{state.length} steps of noise, cue at {cues}: {ARMS[int(state.pays)]} pays"
        parts = [start, f"{self.at} steps done"]
        parts += [f"covered: {', '.join(map(str, self.covered))}"] if self.covered else []
        return "; ".join([*parts, self.heatmap.facts()])

    def figure(self) -> "Figure":
        """The world with the lines, what the agent would do, and the map."""
        if self.now is None:
            return super().figure()
        flat = isinstance(self.now, Corridors)
        figure = still.blank(9.4, 4.4 if flat else 4.2)
        top, rest = (
            figure.subfigures(2, 1, height_ratios=(0.45, 0.55))
            if flat
            else figure.subfigures(1, 2, width_ratios=(0.36, 0.64))
        )
        self.scene.draw(top.subplots())
        top.suptitle(self.scene.content.said.replace("**", ""), fontsize=10, parse_math=False)
        if self.weights is not None:
            ax = rest.subplots()
            still.draw_alone(ax, self.heatmap.map, (7.6, 1.4) if flat else (4.6, 3.0))
            ax.set_aspect("equal")  # a row of a map, and not a column of paint
            rest.suptitle(self.heatmap.title, fontsize=10, parse_math=False)
        words = self.verdict.content
        pairs = zip(words.words, words.shares, strict=True)
        shares = " · ".join(f"{word} {still.two(share)}" for word, share in pairs)
        lines = [self.heatmap.message, words.plain, shares]
        figure.supxlabel("\n".join(filter(None, lines)), fontsize=8, color=still.QUIET, parse_math=False)
        return figure

    # ---- the hand

    def _clicked(self, cell: int) -> None:
        state = self.now
        row, column = divmod(cell, self.scene.content.grid[1])
        if isinstance(state, Rooms):
            self._begin(clicked_room(state, row, column, self.tool))
        elif self.tool == "cover" and row == 1:
            self.covered = set(self.covered) ^ {column}
        elif self.tool == "turn" and ((row == 1 and column in state.cues) or column == state.length + 1):
            pays = torch.tensor([row // 2]) if row != 1 else 1 - state.pays
            self._begin(replace(self.state, pays=pays))
        elif self.tool == "cue" and row == 1 and column <= state.length:
            cues = tuple(sorted({*state.cues} ^ {column}))
            self._begin(replace(self.state, cues=cues) if cues else None)

    def _grabbed(self, _cell: int) -> None:
        self._carried = None

    @traitlets.observe("state")
    def _let_go(self, _change) -> None:
        self._carried = None  # it was of another room

    def _dragged(self, start: int, end: int) -> None:
        columns = self.scene.content.grid[1]
        start, end = divmod(start, columns), divmod(end, columns)
        if isinstance(self.now, Rooms):
            carried = self._carried
            if carried is None or carried.at != start:
                carried = taken_up(self.now, start)
            self._begin(carried.put(end))
            self._carried = replace(carried, at=end)
        elif start == (1, min(self.at, self.state.length + 1)) and end[0] == 1:
            self.at = end[1]

    def _begin(self, state: Rooms | Corridors | None) -> None:
        """From here the way is another one; None: nothing has changed."""
        if state is None:
            return
        with self.together():
            if isinstance(state, Rooms):
                self.at, state = 0, replace(state, steps=torch.zeros_like(state.steps))
            self.state = state

    def _handle(self, scene: "InACorridor", steps: int) -> Handle | None:
        """A drag of the agent along its way is the slider's move."""
        dial = self.dials["at"]
        n = scene.grid[1]
        values = [cell - n if n <= cell < n + min(n, steps) else None for cell in range(3 * n)]
        return Handle([scene.agent], dial.widget, dial.trait, values)

    @button("new episode")
    def another(self) -> None:
        """Another beginning, drawn by lot, in the same world."""
        with self.together():
            self.covered, self.at = (), None
            self.seed += 1

    @button("as at first")
    def start_over(self) -> None:
        """The episode that was there first, with all in its place."""
        with self.together():
            for name, value in self._first.items():
                setattr(self, name, value)

    # ---- the way

    def update(self) -> None:
        if self._first:  # also what a function has learned since that is no module
            self._ways.clear()
        super().update()

    def _drawn(self, seed: int) -> Rooms | Corridors:
        """The world's own episode first; others by seed."""
        if seed == 0 and self._world._state is not None:
            return self._world.state
        return self._world._sample(torch.Generator().manual_seed(seed))

    def _way(self, agent, state, covered: tuple[int, ...]) -> list[Moment]:
        own = [*agent.parameters(), *agent.buffers()] if isinstance(agent, nn.Module) else []
        of = (id(agent), id(state), tuple(covered), *((id(p), p._version) for p in own))
        if of not in self._ways:
            self._ways = {of: (way(agent, state, covered), agent, state)}  # kept, so that no id is another's
        return self._ways[of][0]


class _Untrained(nn.Module):
    """Looks at each of what it sees, with weights drawn by lot."""

    def __init__(self, world: World):
        super().__init__()
        self.last = -1 if isinstance(world, Corridor) else 0
        self.embed = nn.Linear(world.observation_space.shape[-1], 16)
        self.attention, self.act = SelfAttention(16), nn.Linear(16, int(world.action_space.n))

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        x = self.embed(rows)
        asking, asked = (x[:, -1:], x) if self.last else (x[:, :1], x[:, 1:])
        output, weights = self.attention(asking, asked, asked)
        return self.act((asking + output)[:, 0]), weights[:, 0]


def _untrained(world: World) -> nn.Module:
    """What it draws lots for changes nobody else's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _Untrained(world)
