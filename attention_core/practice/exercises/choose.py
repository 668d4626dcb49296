"""A choice among objects: the agent asks, any number of objects answer, and their order tells nothing."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attention_core import probes
from attention_core._calling import Failed, call
from attention_core._saying import number
from attention_core.attention import scaled_dot_product_attention
from attention_core.positional_encoding import SinusoidalEncoding
from attention_core.practice.exercise import Case, Exercise, Stop, Subject, Trial, random, same
from attention_core.practice.exercises.training_step import fits
from attention_core.practice.recipes import bugs, slip
from attention_core.practice.reshapes import Error, telling
from attention_core.practice.source import line_to_look_at
from attention_core.probes import Verdict

_ASK = (r"attention\(", r"query\s*=", r"agent")
_SEEN = (r"seen\s*=|output|\[:, ?0\]|mean|squeeze", r"to_logits", r"\breturn\b")
_BOTH = (r"to_logits\(", r"\+", r"\breturn\b")
_WEIGHTS = (r"weights", r"\breturn\b")
_RETURN = (r"\breturn\b",)
_CHANGED = "the numbers are right, but agent or objects are changed; training would stop with an error"
_CHANGED_WHY = "What attention was given is needed again for the gradient: agent + seen makes a new tensor."


class _Attention:
    """A layer whose queries, keys and values are made of words by matrices of their own, none of them 0."""

    def __init__(self, dim: int, seed: int):
        self.matrices = [random(dim, dim, seed=seed + i) / dim**0.5 for i in range(3)]

    def __call__(
        self, query: Tensor, key: Tensor | None = None, value: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        key = query if key is None else key
        words = query, key, key if value is None else value
        return scaled_dot_product_attention(*(x @ w for x, w in zip(words, self.matrices, strict=True)))


class _ToLogits:
    def __init__(self, dim: int, actions: int, seed: int):
        self.matrix = random(dim, actions, seed=seed)

    def __call__(self, x: Tensor) -> Tensor:
        return (x / 2).tanh() @ self.matrix


def _choose(
    agent: Tensor,
    objects: Tensor,
    attention: Callable,
    to_logits: Callable,
    *,
    place: Callable = lambda objects: objects,
    ask: Callable = lambda agent, objects: agent[:, None],
    answer: Callable = lambda agent, objects: objects,
    read: Callable = lambda output, objects, weights: output[:, 0],
    both: Callable = lambda agent, seen: agent + seen,
    decide: Callable = lambda logits: logits,
    show: Callable = lambda weights, objects: weights[:, 0],
    give: Callable = lambda logits, weights: (logits, weights),
):
    """Logits and weights, each step of which can be exchanged for a wrong one.

    ask, answer: whose queries, and whose keys and values. read: what is seen. both: what decides.
    """
    placed = place(objects)
    output, weights = attention(ask(agent, placed), *[answer(agent, placed)] * 2)
    logits = decide(to_logits(both(agent, read(output, placed, weights))))
    return give(logits, show(weights, placed))


def _right(agent: Tensor, objects: Tensor, attention: Callable, to_logits: Callable):
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    query = agent[:, None]
    output, weights = attention(query, objects, objects)
    seen, share = output[:, 0], weights[:, 0]
    _rooms = [attention(a[None], room, room) for a, room in zip(agent, objects, strict=True)]
    both = agent + seen
    logits = to_logits(both)
    return logits, share


def _cases() -> list[Case]:
    hint = "agent is (batch, dim), objects (batch, n, dim); attention wants words: (batch, n, dim) each."

    def drawn(batch: int, n: int, dim: int, actions: int, seed: int) -> tuple:
        rooms = random(batch, dim, seed=seed, decimals=1), random(batch, n, dim, seed=seed + 1, decimals=1)
        return (*rooms, _Attention(dim, seed + 2), _ToLogits(dim, actions, seed + 5))

    made = [
        ("1 room with 3 objects, of 2 features", drawn(1, 3, 2, 3, 400)),
        ("2 rooms with 3 objects, of 4 features", drawn(2, 3, 4, 3, 410)),
        ("4 rooms with 4 objects, of 4 features", drawn(4, 4, 4, 4, 420)),  # most can be computed here
        ("3 rooms with 7 objects, of 5 features", drawn(3, 7, 5, 4, 430)),
        ("5 rooms with 2 objects, of 3 features", drawn(5, 2, 3, 2, 440)),
        ("2 rooms with 1 object, of 4 features", drawn(2, 1, 4, 5, 450)),
    ]
    return [
        Case(words, x, int(x[1].shape[1] == 1), hint, (("agent", x[0]), ("objects", x[1])))
        for words, x in made
    ]


# --- what goes wrong ----------------------------------------------------------------------------------------


def _objects_ask(read: Callable, show: Callable) -> dict:
    return {"ask": lambda agent, objects: objects, "read": read, "show": show}


def _roles_exchanged(read: Callable) -> dict:
    exchanged = {"ask": lambda agent, objects: objects, "answer": lambda agent, objects: agent[:, None]}
    return exchanged | {"read": read, "show": lambda weights, objects: weights[..., 0]}


def _pooled(pool: Callable) -> tuple[dict, ...]:
    """Objects made one before anything looks, whatever is shown for weights."""
    reads = {"read": lambda output, objects, weights: pool(objects)}
    return (
        reads,
        *(reads | {"show": show} for show in (_even, _ones)),
        {"answer": lambda agent, objects: pool(objects)[:, None]},
        *({"answer": lambda agent, objects: pool(objects)[:, None], "show": show} for show in (_even, _ones)),
    )


def _even(weights: Tensor, objects: Tensor) -> Tensor:
    return torch.full(objects.shape[:2], 1 / objects.shape[1])


def _ones(weights: Tensor, objects: Tensor) -> Tensor:
    return torch.ones(objects.shape[:2])


def _itself(agent: Tensor, objects: Tensor) -> Tensor:
    return torch.cat((agent[:, None], objects), 1)


def _of_the_agent(agent: Tensor, _objects: Tensor) -> Tensor:
    return agent[:, None]


def _some(which: slice) -> dict:
    return {"place": lambda objects: objects[:, which] if objects[:, which].numel() else objects}


def _numbered(objects: Tensor, first: int = 0) -> Tensor:
    return objects + torch.arange(first, first + objects.shape[1])[:, None]


def _in_a_table(objects: Tensor) -> Tensor:
    dim = objects.shape[-1]
    wider = torch.cat((objects, objects[..., :1]), -1) if dim % 2 else objects
    return SinusoidalEncoding(wider.shape[-1]).embed(wider)[..., :dim]


def _best(output: Tensor, objects: Tensor, weights: Tensor) -> Tensor:
    return objects[torch.arange(len(objects)), weights[:, 0].argmax(-1)]


# fmt: off
_SLIPS = (
    slip("agent-without-axis",
         "all agents ask in each room; agent[:, None] makes each one word of its own",
         _ASK, {"ask": lambda agent, objects: agent},
         {"ask": lambda agent, objects: agent, "read": lambda output, objects, weights: output,
          "show": lambda weights, objects: weights},
         {"ask": lambda agent, objects: agent, "read": lambda output, objects, weights: output.mean(1),
          "show": lambda weights, objects: weights.mean(1)},
         {"ask": lambda agent, objects: agent, "read": lambda output, objects, weights: output},
         why="Attention takes (batch, dim) for one sequence of so many words, and compares all with all."),
    slip("objects-ask", "the objects ask each other; the agent should ask, with one query",
         _ASK, *(_objects_ask(read, show)
                 for read in (lambda output, objects, weights: output.mean(1),
                              lambda output, objects, weights: output.sum(1),
                              lambda output, objects, weights: output.amax(1))
                 for show in (lambda weights, objects: weights.mean(1),
                              lambda weights, objects: weights[:, 0], lambda weights, objects: weights)),
         why="What is looked for is in the agent: attention(agent[:, None], objects, objects)."),
    slip("first-object-read", "what the first object sees, or is, decides: another order, another choice",
         _ASK, *(_objects_ask(lambda output, objects, weights: output[:, 0], show)
                 for show in (lambda weights, objects: weights[:, 0], lambda weights, objects: weights)),
         {"read": lambda output, objects, weights: objects[:, 0]},
         {"read": lambda output, objects, weights: objects[:, -1]},
         why="It is the agent that asks, and the answer to its query that is read."),
    slip("roles-exchanged", "the objects ask and the agent answers: with one key, every weight is 1",
         _ASK, _roles_exchanged(lambda output, objects, weights: output[:, 0]),
         _roles_exchanged(lambda output, objects, weights: output.mean(1)),
         _roles_exchanged(lambda output, objects, weights: output),
         why="First the query, then keys and values: attention(agent[:, None], objects, objects)."),
    slip("looks-at-itself", "the agent is among what it looks at; only the objects should be",
         (r"cat\(", *_ASK), {"answer": _itself},
         {"answer": _itself, "show": lambda weights, objects: weights[:, 0, 1:]},
         {"answer": _of_the_agent},
         why="What it is itself is added afterwards."),
    slip("pooled-before-looking",
         "the objects are pooled before the agent looks, so it cannot look at one of them",
         (r"mean|sum\(|max", *_SEEN), *_pooled(lambda objects: objects.mean(1)),
         *_pooled(lambda objects: objects.sum(1)), *_pooled(lambda objects: objects.amax(1)),
         why="That ignores their order, too, but no query can choose: the output is already an average."),
    slip("agent-left-out", "what the agent is itself is left out: agent + seen goes to to_logits",
         _BOTH, {"both": lambda agent, seen: seen}),
    slip("objects-left-out", "what was seen is left out: agent + seen goes to to_logits",
         _BOTH, {"both": lambda agent, seen: agent}),
    slip("places-added", "the objects get a position: another order, and the choice is another",
         (r"pos|arange|table", *_ASK), {"place": _in_a_table}, {"place": _numbered},
         {"place": lambda objects: _numbered(objects, 1)},
         why="Words need one; which object comes first says nothing about the room.", rare=True),
    slip("some-objects-only",
         "some objects are left out; it should look at all, however many there are",
         (r"\[:, ?-?\d*:-?\d*\]", *_ASK), *(_some(slice(0, k)) for k in (1, 2, 3, 4, 5)),
         _some(slice(1, None)), _some(slice(0, -1)),
         why="Is row 0 taken for the agent's? It is not among the objects here.", rare=True),
    slip("largest-only",
         "only the object with the largest weight is read; read the output, a mean of all",
         (r"max|topk", *_SEEN), {"read": _best},
         why="argmax lets no gradient through: where to look could not be learned.", rare=True),
    slip("objects-for-values", "the weights average the objects as they are; read the output of attention",
         (r"weights.*(@|\*)|einsum|bmm", *_SEEN),
         {"read": lambda output, objects, weights: (weights @ objects)[:, 0]},
         why="Its values are made of the objects by a matrix of its own.", rare=True),
    slip("multiplied", "agent and what was seen are multiplied, or averaged; they should be added",
         _BOTH, {"both": lambda agent, seen: agent * seen}, {"both": lambda agent, seen: (agent + seen) / 2},
         rare=True),
    slip("seen-by-all", "each agent gets what all have seen: output[:, 0] takes the axis of size 1 away",
         _SEEN, {"read": lambda output, objects, weights: output},
         {"read": lambda output, objects, weights: output, "show": lambda weights, objects: weights},
         why="(batch, dim) + (batch, 1, dim) is (batch, batch, dim)."),
    slip("axis-left", "an axis of size 1 is left: logits are (batch, actions), weights (batch, n)",
         _RETURN,
         {"read": lambda output, objects, weights: output, "both": lambda agent, seen: agent[:, None] + seen},
         {"read": lambda output, objects, weights: output, "both": lambda agent, seen: agent[:, None] + seen,
          "show": lambda weights, objects: weights},
         {"show": lambda weights, objects: weights}, rare=True),
    slip("axes-squeezed", "axes of size 1 are gone, also that of a single room or object: [:, 0] takes one",
         (r"squeeze", *_RETURN), {"show": lambda weights, objects: weights.squeeze()},
         {"read": lambda output, objects, weights: output.squeeze(),
          "show": lambda weights, objects: weights.squeeze()}, rare=True),
    slip("one-room-read", "what one room's agent has seen is given to all; output[:, 0] is each room's own",
         _SEEN, {"read": lambda output, objects, weights: output[0]},
         {"read": lambda output, objects, weights: output[0], "show": lambda weights, objects: weights[0]},
         rare=True),
    slip("probabilities", "these are probabilities; logits are wanted, as to_logits gives them",
         (r"softmax", *_RETURN), {"decide": lambda logits: logits.softmax(-1)},
         {"decide": lambda logits: logits.log_softmax(-1)}, rare=True),
    slip("choice-for-logits", "this is the choice, a number; all logits are wanted",
         (r"max", *_RETURN), {"decide": lambda logits: logits.argmax(-1)},
         {"decide": lambda logits: logits.argmax(-1, keepdim=True)}, rare=True),
    slip("softmax-again", "a softmax is taken of the weights; they are shares already",
         (r"softmax", *_WEIGHTS), {"show": lambda weights, objects: weights[:, 0].softmax(-1)}, rare=True),
    slip("other-order", "logits and weights have changed places: return logits first",
         _RETURN, {"give": lambda logits, weights: (weights, logits)}, rare=True),
    slip("one-part-alone", "one thing is returned; return both: logits, weights",
         _RETURN, {"give": lambda logits, weights: logits}, {"give": lambda logits, weights: weights},
         rare=True),
)
# fmt: on
_ERRORS = (
    Error(
        "slots",
        RuntimeError,
        r"cannot be multiplied|must match|Sizes of tensors",
        "the objects are laid end to end, so that each has a slot, and only one number of them fits",
        "Another order is another input then, too. Let the agent ask: any number of objects may answer.",
        line=r"objects\.(flatten|reshape|view)\(|flatten\(objects",
    ),
    Error(
        "side-by-side",
        RuntimeError,
        r"cannot be multiplied|Sizes of tensors|same number of dimensions",
        "agent and what was seen are put side by side; they should be added",
        "to_logits takes (batch, dim).",
        line=r"(cat|concat|hstack)\(",
    ),
)


def _is_right(made, *given) -> bool:
    right = _choose(*given)
    return (
        isinstance(made, tuple | list)
        and len(made) == 2
        and all(isinstance(x, Tensor) and same(x, y) for x, y in zip(made, right, strict=True))
    )


def _choosing(answer) -> list[Subject]:
    """The answer, that is told so where its numbers are right and the caller's agent or objects are not."""
    whole = fits(answer, "agent", "objects", "attention", "to_logits")

    def called(agent: Tensor, objects: Tensor, attention, to_logits):
        kept = agent.clone(), objects.clone()
        made = whole(agent, objects, attention, to_logits)
        changed = not (same(agent, kept[0]) and same(objects, kept[1]))
        if changed and _is_right(made, *kept, attention, to_logits):
            where = line_to_look_at(answer, r"[-+*/]=|\w_\(|\]\s*=[^=]")
            raise Stop("wrong", _CHANGED, bug="arguments-changed", details=(_CHANGED_WHY,), where=where)
        return made

    return [(telling(called, *_ERRORS, of=answer), ())]


def _about(trials: list[Trial], answer) -> Iterator[Verdict]:
    """Does the order of the objects count, or another room; are the weights shares?"""
    *rooms, attention, to_logits = next(t for t in trials if not t.right).case.inputs
    if len(rooms[0]) < 2 or rooms[1].shape[1] < 2:
        *rooms, attention, to_logits = next(c.inputs for c in _cases() if min(c.inputs[1].shape[:2]) > 1)

    def policy(observation: Tensor) -> Tensor:
        return answer(observation[:, 0], observation[:, 1:], attention, to_logits)[0]

    verdict = probes.ignores_order(policy, torch.cat((rooms[0][:, None], rooms[1]), 1))
    if verdict.holds is False:
        yield verdict
    try:
        together, alone = (
            call(answer, *(x[:n] for x in rooms), attention, to_logits).answer[0] for n in (None, 1)
        )
    except (Failed, TypeError, IndexError):
        return
    if isinstance(alone, Tensor) and not same(alone[0], together[0]):
        off = number((alone[0] - together[0]).abs().max())
        yield Verdict("each room for itself", False, f"a logit of room 0 is {off} off when it is asked alone")
    shown = next(t for t in trials if not t.right)
    sums = shown.got[1].detach().sum(-1)
    if not same(sums, torch.ones_like(sums)):
        yield Verdict("rows sum to one", False, f"the weights of room 0 sum to {number(sums.flatten()[0])}")


choose = Exercise(
    "a choice among objects",
    ("logits", "weights"),
    _right,
    _cases,
    bugs(_SLIPS, _choose),
    "Checked: 1 to 5 rooms with 1 to 7 objects, in any order, and the weights of each.",
    prepare=_choosing,
    explain=_about,
    show="logits",
    learns=0,
)
