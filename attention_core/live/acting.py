"""What an agent says of a world, where it looked for that, and the way that it takes."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attention_core._calling import LONGEST, Failed, Part, call, formed
from attention_core.live.remarks import Unusable, instead
from attention_core.live.translated import at_rest
from attention_core.worlds import Corridors, Rooms

_AGENT = {
    "raised": "the agent stopped with {kind}: {message}",
    "too long": "the agent was ended after {seconds:g} seconds: is there a loop that never ends?",
    "nothing": "not finished yet: the agent returns nothing",
    "not parts": "the agent should return ({parts}), or logits alone; it returned {returned}",
    "no objects": "the weights are of {n} keys, but the number of objects is {there}",
    "no steps": "the weights are of {n} keys, but the number of steps is {there}",
}
_SLOW = "The agent is slow: after {seconds:g} seconds it goes no further than step {n}."


@dataclass(frozen=True, eq=False)
class Acted:
    """probabilities `(actions,)`. weights `(keys,)`, of the objects, or of the steps until now; None for an
    agent that gives none. itself: its weight on its own row, where that is among a room's keys."""

    probabilities: Tensor
    weights: Tensor | None
    itself: float | None = None

    @property
    def choice(self) -> int | None:
        """The likeliest action; None where there are no numbers."""
        return None if self.probabilities.isnan().any() else int(self.probabilities.argmax())


@dataclass(frozen=True, eq=False)
class Moment:
    """A world as it was, what had been paid till then, and what the agent said; None once it was over.

    problem: why it said nothing, where it should have.
    """

    state: Rooms | Corridors
    paid: float
    said: Acted | None = None
    problem: str = ""


def seen(state: Rooms | Corridors, covered: tuple[int, ...] = ()) -> Tensor:
    """What the agent is given: a room's rows `(1, n + 1, 10)`, or a corridor's past `(1, steps, 4)`, in which
    what was seen in the covered steps is 0."""
    if isinstance(state, Rooms):
        return state.observation
    past = state.past
    past[:, [step for step in covered if step < past.shape[1]]] = 0
    return past


def way(agent, state: Rooms | Corridors, covered: tuple[int, ...] = ()) -> list[Moment]:
    """All that happens when the agent does what it finds likeliest, until the end, or until it fails."""
    taken, paid, until = [], 0.0, time.monotonic() + LONGEST
    while not bool(state.over):
        try:
            if time.monotonic() > until:
                raise Unusable(_SLOW, n=len(taken), seconds=LONGEST)
            said = acted(agent, state, covered)
        except Unusable as problem:
            return [*taken, Moment(state, paid, problem=str(problem))]
        taken.append(Moment(state, paid, said))
        if said.choice is None:
            return taken
        state, reward = state.step(torch.tensor([said.choice]))
        paid += float(reward)
    return [*taken, Moment(state, paid)]


def acted(agent, state: Rooms | Corridors, covered: tuple[int, ...] = ()) -> Acted:
    """What the agent says of this state. Raises: Unusable, with why it says nothing."""
    if agent is None:
        raise Unusable("There is no agent yet.")
    try:
        return call(_read, agent, seen(state, covered), state, quiet=False).answer
    except Failed as problem:
        raise Unusable(instead(problem, _AGENT)) from problem


def _read(agent, observation: Tensor, state: Rooms | Corridors) -> Acted:
    own = agent.parameters() if isinstance(agent, nn.Module) else ()
    like = next((p for p in own if p.is_floating_point()), observation)
    with torch.no_grad(), at_rest(agent):
        answer = agent(observation.to(like.device, like.dtype))
    if isinstance(answer, tuple | list) and len(answer) >= 2:
        logits, weights, *_ = answer
    elif isinstance(answer, Tensor):
        logits, weights = answer, None
    else:
        what = "nothing" if answer is None or answer is ... else "not parts"
        raise Failed(what, part="logits", parts=("logits", "weights"), returned=answer)
    each = ("steps",) if isinstance(logits, Tensor) and logits.ndim == 3 else ()
    (logits,) = formed(logits, Part("logits", (1, *each, state.num_actions)))
    probabilities = logits.detach().float().cpu().reshape(-1, state.num_actions)[-1].softmax(-1)
    if isinstance(weights, tuple | list):
        weights = weights[-1] if weights else None  # of several layers, the last
    if weights is None:
        return Acted(probabilities, None)
    row = _row(weights, first=isinstance(state, Rooms))
    if isinstance(state, Corridors):
        if len(row) != state.position + 1:
            raise Failed("no steps", n=len(row), there=state.position + 1)
        return Acted(probabilities, row)
    n = state.objects.shape[1]
    if len(row) == n + 1:
        return Acted(probabilities, row[1:], float(row[0]))
    if len(row) != n:
        raise Failed("no objects", n=len(row), there=n)
    return Acted(probabilities, row)


def _row(weights, *, first: bool) -> Tensor:
    """The agent's own, `(keys,)`: of a square map its first row, or the last one; of heads the mean."""
    sizes = ("heads", "queries", "keys")[-min(3, max(1, getattr(weights, "ndim", 2) - 1)) :]
    (weights,) = formed(weights, Part("weights", (1, *sizes)))
    weights = weights[0].detach().float().cpu()
    if weights.ndim == 3:
        weights = weights.mean(0)
    return weights if weights.ndim == 1 else weights[0 if first else -1]
