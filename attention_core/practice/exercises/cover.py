"""Cover the cue: how much less likely a choice becomes when one step of the past cannot be seen."""

import functools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from attention_core._calling import Failed, call
from attention_core._saying import number
from attention_core.practice.exercise import Bug, Case, Exercise, Stop, Subject, Trial, random, same
from attention_core.practice.exercises.training_step import fits
from attention_core.practice.recipes import Raised, bugs, slip, telling
from attention_core.practice.source import line_to_look_at
from attention_core.probes import Verdict

_BLANK = (r"\]\s*=|fill|cat\(|where|zeros|clone|\*", r"\bstep\b")
_CHOICE = (r"max|gather|\[.*chosen", r"\breturn\b")
_SHARES = (r"softmax|policy\(", r"\breturn\b")
_RETURN = (r"\breturn\b",)
_LONGEST = 12  # steps, beyond those of any case


class _Policy(nn.Module):
    """Each step counts, by what is seen and where: `(batch, steps, features)` → `(batch, actions)`."""

    def __init__(self, features: int, actions: int, seed: int):
        super().__init__()
        self.register_buffer("into", random(features, 5, seed=seed))
        self.register_buffer("out", random(5, actions, seed=seed + 1) / 2)
        self.register_buffer("place", random(_LONGEST, 5, seed=seed + 2))

    def forward(self, observations: Tensor) -> Tensor:
        if observations.ndim != 3 or observations.shape[-1] != len(self.into):
            got, wanted = tuple(observations.shape), f"(batch, steps, {len(self.into)})"
            raise ValueError(f"observations must have shape {wanted}, got {got}")
        return ((observations @ self.into).tanh() * self.place[: observations.shape[1]]).sum(1) @ self.out


def _with(observations: Tensor, place: object, what: object = 0.0) -> Tensor:
    made = observations.clone()
    made[place] = what
    return made


def _blank(observations: Tensor, step: int) -> Tensor:
    return _with(observations, (slice(None), step))


def _of(chosen: Tensor, x: Tensor) -> Tensor:
    return x.gather(-1, chosen[:, None])[:, 0]


def _fall(before: Tensor, after: Tensor, chosen: Tensor) -> Tensor:
    return _of(chosen, before) - _of(chosen, after)


def _cover(
    policy: Callable,
    observations: Tensor,
    step: int,
    *,
    blank: Callable = _blank,
    shares: Callable = lambda logits: logits.softmax(-1),
    choose: Callable = lambda before, after: before.argmax(-1),
    compare: Callable = _fall,
    finish: Callable = lambda fall: fall,
) -> Tensor:
    """The fall, each step of which can be exchanged for a wrong one.

    blank: of observations and step, what is seen then. choose: of both, the action that is followed.
    compare: of both and the action, what is measured.
    """
    covered = blank(observations, step)
    before, after = shares(policy(observations)), shares(policy(covered))
    return finish(compare(before, after, choose(before, after)))


def _right(policy: Callable, observations: Tensor, step: int) -> Tensor:
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    covered = _blank(observations, step)
    seen = torch.ones(observations.shape[1]).index_fill(0, torch.tensor(step), 0)
    _masks = seen, seen.bool(), ~seen.bool(), observations * seen[:, None], observations.clone()
    _cut = (
        observations[:, step],
        torch.zeros_like(observations[:, step]),
        torch.zeros_like(observations[:, :1]),
    )
    logits = policy(observations), policy(covered)
    before, after = (x.softmax(-1) for x in logits)
    chosen = before.argmax(-1)
    _picked = chosen[:, None], before.amax(-1), before.amax(-1, keepdim=True), (before - after)
    _columns = [x.gather(-1, chosen[:, None]) for x in (before, after, before - after)]
    was, is_ = _of(chosen, before), _of(chosen, after)
    return was - is_


def _cases() -> list[Case]:
    hint = "observations are (batch, steps, features); policy(observations) gives logits, (batch, actions)."
    made = []
    for i, (batch, steps, features, actions, step) in enumerate(
        ((1, 3, 2, 2, 0), (2, 3, 3, 2, 1), (4, 4, 4, 3, 2), (5, 4, 3, 4, 0), (3, 7, 4, 2, 5), (4, 5, 2, 3, 4))
    ):
        rooms = f"{batch} episode{'s' * (batch > 1)} of {steps} steps, of which {step} is covered"
        seen = random(batch, steps, features, seed=500 + 10 * i, decimals=1)
        inputs = _Policy(features, actions, 501 + 10 * i).eval(), seen, step
        made.append(Case(rooms, inputs, 0, hint, (("observations", seen),)))
    return made


# --- what goes wrong ----------------------------------------------------------------------------------------


def _blanks(*places: Callable, what: object = 0.0) -> tuple[dict, ...]:
    """place: of the step, where it is blanked."""
    return tuple({"blank": lambda x, step, p=place: _with(x, p(step), what)} for place in places)


def _fills(*fills: Callable) -> tuple[dict, ...]:
    """fill: of observations and step, what the step is then."""
    return tuple({"blank": lambda x, step, f=fill: _with(x, (_ALL, step), f(x, step))} for fill in fills)


def _removed(observations: Tensor, step: int) -> Tensor:
    return torch.cat((observations[:, :step], observations[:, step + 1 :]), 1)


def _alone(observations: Tensor, step: int) -> Tensor:
    return observations - _blank(observations, step)


def _compares(*compares: Callable) -> tuple[dict, ...]:
    return tuple({"compare": lambda before, after, chosen, c=c: c(before, after, chosen)} for c in compares)


def _turns(before: Tensor, after: Tensor, chosen: Tensor) -> Tensor:
    return after.argmax(-1) != chosen


_ALL = slice(None)
# fmt: off
_SLIPS = (
    slip("feature-covered", "a feature is blanked at all steps; one step should be, with all its features",
         _BLANK, *_blanks(lambda step: (..., step)),
         why="observations are (batch, steps, features): covered[:, step] = 0."),
    slip("episode-covered",
         "a whole episode is blanked, the others not at all; each should lose one step",
         _BLANK, *_blanks(lambda step: (step,)),
         why="observations are (batch, steps, features): covered[:, step] = 0."),
    slip("other-step-covered", "another step is blanked than that which was asked for",
         _BLANK, *_blanks(lambda step: (_ALL, -1), lambda step: (_ALL, 0), lambda step: (_ALL, step - 1),
                          lambda step: (_ALL, step + 1), lambda step: (_ALL, -step - 1)),
         why="Steps are counted from 0: covered[:, step] = 0."),
    slip("more-covered", "more than one step is blanked: what comes before or after it, too",
         _BLANK, *_blanks(lambda step: (_ALL, slice(0, step)), lambda step: (_ALL, slice(0, step + 1)),
                          lambda step: (_ALL, slice(step, None)), lambda step: (_ALL, slice(step + 1, None)),
                          lambda step: (_ALL, slice(step, step + 2)), lambda step: (_ALL, _ALL)),
         why="covered[:, step] is one step; with a colon it is several."),
    slip("all-but-the-step", "everything but that step is blanked; blank the step, and leave all else",
         _BLANK, {"blank": _alone}, why="Where a mask multiplies, it is 0 at the step, and 1 elsewhere."),
    slip("step-removed", "the step is taken out, so that all later ones move up; blank it, and they stay",
         (r"cat\(|\[.*\+ ?1", *_BLANK), {"blank": _removed},
         why="A policy that knows positions would then miss more than what was seen there."),
    slip("one-feature-covered", "only one feature of the step is blanked; all should be",
         _BLANK, *_blanks(lambda step: (_ALL, step, 0), lambda step: (_ALL, step, -1)), rare=True),
    slip("filled-with-something", "the step is filled with something else than 0; blank is 0 here",
         _BLANK, *_fills(lambda x, step: 1.0, lambda x, step: -1.0, lambda x, step: x.mean(1),
                         lambda x, step: x[:, step].mean(0), lambda x, step: x.mean((0, 1)),
                         lambda x, step: x.mean(), lambda x, step: x[:, step - 1],
                         lambda x, step: x[:, step].roll(1, 0), lambda x, step: x[:, step].flip(0),
                         lambda x, step: -x[:, step]),
         why="With 1, or with a mean, it sees something that was not there.", rare=True),
    slip("new-choice-followed",
         "it follows what is chosen under the cover; follow the choice without it",
         _CHOICE, {"choose": lambda before, after: after.argmax(-1)},
         why="The question is what becomes of the first choice: take argmax of the uncovered."),
    slip("largest-of-each",
         "the largest of both are compared; under the cover that may be another action",
         (r"max", *_CHOICE), *_compares(lambda before, after, chosen: before.amax(-1) - after.amax(-1)),
         why="Where the choice turns, that hides it: take the same action of both."),
    slip("wrong-way-round",
         "it is the wrong way round: it should be what it was, minus what it is now",
         _RETURN, *_compares(lambda before, after, chosen: -_fall(before, after, chosen))),
    slip("sign-lost", "the sign is lost; below 0, the choice has become likelier",
         (r"abs|\*\*|square|clamp", *_RETURN),
         *_compares(lambda before, after, chosen: _fall(before, after, chosen).abs(),
                    lambda before, after, chosen: _fall(before, after, chosen).clamp(min=0),
                    lambda before, after, chosen: _fall(before, after, chosen).square())),
    slip("logits-compared", "logits are compared, or logarithms; take probabilities, by a softmax",
         _SHARES, {"shares": lambda logits: logits}, {"shares": lambda logits: logits.log_softmax(-1)},
         why="A logit alone says nothing: all may rise together."),
    slip("softmax-elsewhere", "the probabilities sum to 1 over the episodes; over the actions they should",
         _SHARES, {"shares": lambda logits: logits.softmax(0)}, why="The actions are the last axis: dim=-1."),
    slip("softmax-twice", "a softmax is taken of probabilities; once is enough",
         _SHARES, {"shares": lambda logits: logits.softmax(-1).softmax(-1)}, rare=True),
    slip("ratio", "it is a ratio; the fall is a difference",
         (r"/", *_RETURN), *_compares(lambda before, after, chosen: _of(chosen, after) / _of(chosen, before),
                                      lambda before, after, chosen: _of(chosen, before) / _of(chosen, after),
                                      lambda before, after, chosen:
                                      _fall(before, after, chosen) / _of(chosen, before)), rare=True),
    slip("only-one-of-both", "this is one probability; the fall is the one before, minus the one after",
         _RETURN, *_compares(lambda before, after, chosen: _of(chosen, before),
                             lambda before, after, chosen: _of(chosen, after),
                             lambda before, after, chosen: after.amax(-1)), rare=True),
    slip("turned-or-not", "this says whether the choice turns; say by how much its probability falls",
         (r"!=|==", *_RETURN), *_compares(
             _turns, lambda before, after, chosen: _turns(before, after, chosen) * 1.0,
             lambda before, after, chosen: ~_turns(before, after, chosen),
             lambda before, after, chosen: 1.0 - _turns(before, after, chosen) * 1.0),
         why="It may become half as likely, and not turn.", rare=True),
    slip("all-actions", "all actions come out, or the sum of their changes; only the chosen one's should",
         _CHOICE, *_compares(lambda before, after, chosen: before - after,
                             lambda before, after, chosen: (before - after).abs().sum(-1),
                             lambda before, after, chosen: (before - after).abs().sum(-1) / 2,
                             lambda before, after, chosen: (before - after).abs().amax(-1),
                             lambda before, after, chosen: (before - after).amax(-1),
                             lambda before, after, chosen: (before - after).abs().mean(-1)), rare=True),
    slip("another-action", "it follows another action than the one that was chosen",
         _CHOICE, {"choose": lambda before, after: 0 * before.argmax(-1)},
         {"choose": lambda before, after: 0 * before.argmax(-1) + before.shape[-1] - 1},
         {"choose": lambda before, after: before.argmin(-1)},
         {"choose": lambda before, after: 0 * before.argmax(-1) + 1},
         why="That is argmax over the actions, the last axis.", rare=True),
    slip("one-choice-for-all", "every episode follows the choice of one of them; each has its own",
         _CHOICE, {"choose": lambda before, after: before[:1].argmax(-1).expand(len(before))},
         {"choose": lambda before, after: before[-1:].argmax(-1).expand(len(before))},
         {"choose": lambda before, after: before.mean(0).argmax(-1).expand(len(before))},
         {"choose": lambda before, after: (before.argmax() % before.shape[-1]).expand(len(before))},
         rare=True),
    slip("averaged", "the episodes are averaged; each has a fall of its own",
         (r"mean|sum", *_RETURN), {"finish": lambda fall: fall.mean()}, {"finish": lambda fall: fall.sum()},
         {"finish": lambda fall: fall.mean().expand(len(fall))}, rare=True),
    slip("axis-left", "an axis of size 1 is left; it should be (batch,)",
         _RETURN, {"finish": lambda fall: fall[:, None]}, rare=True),
    slip("all-pairs", "each episode is compared with all others: index with arange(batch), or gather",
         (r"^(?!.*\]\s*=[^=]).*\[:, ?\w+\]", *_CHOICE),
         *_compares(lambda before, after, chosen: before[:, chosen] - after[:, chosen]),
         rare=True),
)
# fmt: on
_NOTHING_COVERED = Bug(
    "nothing-covered",
    "both times the policy sees the same, so nothing changes",
    "One must be a copy with the step blanked: covered = observations.clone().",
    _BLANK,
    (functools.partial(_cover, blank=lambda observations, step: observations.clone()),),
    (r"^\w+\s*=\s*observations(\[:\]|\.detach\(\))?$", r"_fill\(|\.mul\("),
)
_RAISED = (
    Raised(
        "index-without-an-axis",
        "gather wants an index of as many axes as the probabilities: chosen[:, None]",
        "It gives (batch, 1); [:, 0] takes that axis away again.",
        r"Index tensor must have the same number of dimensions",
        r"gather",
    ),
)
_CHANGED = "observations itself is changed; the caller still needs it, with nothing covered"


def _covering(answer) -> list[Subject]:
    """The answer, that is told so where its numbers are right and the caller's observations are not."""

    def called(policy: nn.Module, observations: Tensor, step: int):
        kept = observations.clone()
        fall = answer(policy, observations, step)
        if not same(observations, kept) and same(fall, _cover(policy, kept, step)):
            where = line_to_look_at(answer, r"^observations\[.*=|\bobservations\b.*\w_\(|\]\s*=")
            details = ("Begin with covered = observations.clone().",)
            raise Stop("wrong", _CHANGED, bug="observations-changed", details=details, where=where)
        return fall

    fits(answer, "policy", "observations", "step")
    return [(telling(called, _RAISED), ())]


def _about(trials: list[Trial], answer) -> Iterator[Verdict]:
    """Does nothing fall where nothing is to be covered; is an episode the same alone; is it a difference?"""
    wrong = next(t for t in trials if not t.right)
    policy, observations, step = wrong.case.inputs
    if len(observations) < 2:
        policy, observations, step = next(c.inputs for c in _cases() if len(c.inputs[1]) > 1)
    blank = _blank(observations, step)
    try:
        nothing, together, alone = (
            call(answer, policy, x, step).answer for x in (blank, observations, observations[:1])
        )
    except Failed:
        return
    if isinstance(nothing, Tensor) and not same(nothing, torch.zeros(len(blank))):
        off = nothing.detach().abs().max()
        yield Verdict(
            "nothing to cover", False, f"of a step that is blank already it is {number(off)}, not 0"
        )
    if isinstance(alone, Tensor) and not same(alone[0], together[0]):
        off = number((alone[0] - together[0]).abs())
        yield Verdict("each for itself", False, f"episode 0 is {off} off when it is asked alone")


cover = Exercise(
    "cover the cue",
    ("fall",),
    _right,
    _cases,
    (_NOTHING_COVERED, *bugs(_SLIPS, _cover)),
    "Checked: 1 to 5 episodes of 3 to 7 steps, the first covered, the last, and one between; 2 to 4 actions.",
    prepare=_covering,
    explain=_about,
)
