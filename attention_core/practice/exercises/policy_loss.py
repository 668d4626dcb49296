"""The loss of a policy: actions that did better than expected are made likelier, others rarer."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from attention_core._saying import number
from attention_core.practice.exercise import Bug, Case, Exercise, Stop, Subject, Trial, random, same
from attention_core.practice.exercises.training_step import fits, one_number, only_line
from attention_core.practice.recipes import Raised, bugs, slip, telling
from attention_core.practice.source import CUT, line_to_look_at
from attention_core.probes import Verdict

_SIGN = (r"\breturn\b", r"loss\s*=")
_ADVANTAGE = (r"advantage\w*\s*=|returns\s*-|values", *_SIGN)
_LOGARITHM = (r"log_softmax|log_prob|cross_entropy|softmax|log\(|Categorical", *_SIGN)
_TAKEN = (r"gather|log_prob|cross_entropy|one_hot|\[.*actions.*\]|actions", *_LOGARITHM)
_MEAN = (r"mean\(|sum\(", r"alive", *_SIGN)
_ALIVE = (r"alive", *_MEAN)
_NAMES = ("logits", "actions", "returns", "values", "alive")


def _of_the_taken(logits: Tensor, actions: Tensor) -> Tensor:
    return logits.gather(-1, actions[..., None])[..., 0]


def _advantage(returns: Tensor, values: Tensor) -> Tensor:
    return returns - values


def _living_mean(terms: Tensor, alive: Tensor) -> Tensor:
    return (terms * alive).sum() / alive.sum()


def _loss(
    logits: Tensor,
    actions: Tensor,
    returns: Tensor,
    values: Tensor,
    alive: Tensor,
    *,
    likely: Callable = lambda logits: logits.log_softmax(-1),
    take: Callable = _of_the_taken,
    advantage: Callable = _advantage,
    shape: Callable = lambda advantage, alive: advantage,
    mean: Callable = _living_mean,
    times: float = -1.0,
    beside: Callable | None = None,
) -> Tensor:
    """A policy's loss, each step of which can be exchanged for a wrong one.

    likely: of the logits, how likely each action is. take: those of the actions. advantage: of returns and
    values; shape: what else is made of it. mean: of the terms and alive. beside: what else is in the loss.
    """
    taken = take(likely(logits), actions)
    better = shape(advantage(returns, values), alive)
    loss = times * mean(taken * better, alive)
    loss = loss if beside is None else loss + beside(logits, returns - values, alive)
    return loss.reshape(1)


def _right(logits: Tensor, actions: Tensor, returns: Tensor, values: Tensor, alive: Tensor) -> Tensor:
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    every, share, better = logits.log_softmax(-1), logits.softmax(-1), (returns - values).detach()
    taken, _shares = _of_the_taken(every, actions), (_of_the_taken(share, actions), share.log())
    _flat = every.flatten(0, 1), taken.flatten(), better.flatten(), taken[alive], better[alive], -taken
    terms = taken * better
    _terms = -terms, terms * alive, -terms * alive, terms[alive], -terms[alive], alive.sum(), alive.float()
    _sums = (terms * alive).sum(), -(terms * alive).sum(), -_living_mean(terms, alive)
    return -_living_mean(terms, alive).reshape(1)


def _ended_mean(terms: Tensor, alive: Tensor) -> Tensor:
    return _living_mean(terms, ~alive)


def _cases() -> list[Case]:
    hint = "logits are (batch, steps, actions); actions, returns, values and alive are (batch, steps)."

    def drawn(batch: int, steps: int, n: int, seed: int, over: tuple[int, ...] = ()) -> tuple:
        actions = torch.randint(n, (batch, steps), generator=torch.Generator().manual_seed(seed))
        lengths = torch.tensor(over or (steps,) * batch)
        alive = torch.arange(steps) < lengths[:, None]
        some = (random(batch, steps, seed=seed + i, decimals=1) for i in (1, 2))
        return (random(batch, steps, n, seed=seed, decimals=1), actions, *some, alive)

    one = torch.tensor([[[1.0, 0, 0], [0, 2, 1]]]), torch.tensor([[0, 0]]), torch.tensor([[3.0, 1]])
    made = [
        ("1 episode of 2 steps", (*one, torch.tensor([[1.0, 2]]), torch.ones(1, 2).bool()), 0),
        ("2 episodes of 3 steps", drawn(2, 3, 4, 300), 0),
        ("4 episodes of 4 steps", drawn(4, 4, 3, 310), 0),  # most mistakes can be computed here
        ("5 episodes of 1 step", drawn(5, 1, 2, 320), 0),
        ("2 episodes, the second of which ends after 1 of 3 steps", drawn(2, 3, 2, 330, (3, 1)), 1),
        ("4 episodes of 2, 5, 1 and 3 steps", drawn(4, 5, 3, 340, (2, 5, 1, 3)), 1),
    ]
    return [Case(words, x, stage, hint, tuple(zip(_NAMES, x, strict=True))) for words, x, stage in made]


# --- what goes wrong ----------------------------------------------------------------------------------------


def _likeliest(logits: Tensor, _actions: Tensor) -> Tensor:
    return logits.amax(-1)


def _weighed(logits: Tensor, actions: Tensor, by: Callable) -> Tensor:
    return by(one_hot(actions, logits.shape[-1]).float() * logits)


def _squared(times: float, alone: bool = False) -> Callable:
    """The loss of the values, which learn to expect the return."""

    def beside(logits: Tensor, off: Tensor, alive: Tensor) -> Tensor:
        return times * (off.square().mean() if alone else _living_mean(off.square(), alive))

    return beside


def _entropy(times: float) -> Callable:
    """What keeps a policy from being sure too early."""

    def beside(logits: Tensor, off: Tensor, alive: Tensor) -> Tensor:
        every = logits.log_softmax(-1)
        return times * _living_mean((every.exp() * every).sum(-1), alive)

    return beside


def _centred(of_the_living: bool, beside: float | None, unbiased: bool = True) -> dict:
    def shape(better: Tensor, alive: Tensor) -> Tensor:
        counted = better[alive] if of_the_living else better
        made = better - counted.mean()
        return made if beside is None else made / (counted.std(unbiased=unbiased) + beside)

    return {"shape": shape}


def _of_its_own(advantage: Callable) -> dict:
    return {"advantage": advantage}


def _takes(take: Callable) -> dict:
    return {"take": take}


def _means(mean: Callable) -> dict:
    return {"mean": mean}


# fmt: off
_SLIPS = (
    slip("uphill", "its sign is wrong: what makes it smaller makes good actions rarer",
         _SIGN, {"advantage": lambda returns, values: values - returns}, {"times": 1.0},
         why="−log π(a) · (returns − values): a minus in front, and the values are what is taken away."),
    slip("baseline-forgotten",
         "the values are not used: an action counts by how much better than them it was",
         (r"returns", *_SIGN), _of_its_own(lambda returns, values: returns),
         why="It still learns, but from noisier steps: where all returns are high, all become likelier."),
    slip("values-for-advantage", "it counts what was expected, the values; what counts is returns − values",
         _ADVANTAGE, _of_its_own(lambda returns, values: values)),
    slip("values-added", "the values are added to the returns; they should be taken away",
         _ADVANTAGE, _of_its_own(lambda returns, values: returns + values)),
    slip("sign-of-advantage-lost",
         "the advantage has lost its sign: worse than expected counts as better, or as nothing",
         (r"\*\*|square|abs|pow", *_ADVANTAGE), {"shape": lambda x, alive: x.square()},
         {"shape": lambda x, alive: x.abs()}, {"shape": lambda x, alive: x.clamp(min=0)}),
    slip("no-advantage", "returns and values are not used: each action becomes likelier, whatever came of it",
         _SIGN, {"shape": lambda x, alive: torch.ones_like(x)},
         why="That is copying what was done."),
    slip("no-logarithm", "the probability is taken; its logarithm is missing",
         _LOGARITHM, {"likely": lambda logits: logits.softmax(-1)},
         why="Its gradient is smaller by the probability itself: rare good actions would hardly be learned."),
    slip("logit-itself", "the logit is taken as it is: log_softmax first makes it the logarithm of a share",
         _LOGARITHM, {"likely": lambda logits: logits},
         why="Only what the other actions lose can make one likelier."),
    slip("softmax-twice",
         "softmax is taken twice: log_softmax, cross_entropy and Categorical(logits=…) take it",
         _LOGARITHM, {"likely": lambda logits: logits.softmax(-1).log_softmax(-1)},
         {"likely": lambda logits: logits.log_softmax(-1).exp().softmax(-1)}),
    slip("softmax-elsewhere", "probabilities sum to 1 over steps or episodes; over the actions they should",
         _LOGARITHM, {"likely": lambda logits: logits.log_softmax(1)},
         {"likely": lambda logits: logits.log_softmax(0)},
         {"likely": lambda logits: logits.flatten().log_softmax(0).view_as(logits)},
         why="The actions are the last axis: dim=-1."),
    slip("other-logarithm", "it is a logarithm to base 2 or 10; log_softmax takes the natural one",
         (r"log2|log10", *_LOGARITHM), {"likely": lambda logits: logits.softmax(-1).log2()},
         {"likely": lambda logits: logits.softmax(-1).log10()}, rare=True),
    slip("all-actions", "the logarithms of all actions count; only that of the action that was taken should",
         _TAKEN, _takes(lambda every, actions: every.sum(-1)), _takes(lambda every, actions: every.mean(-1)),
         _takes(lambda every, actions: _weighed(every, actions, lambda x: x.mean(-1))),
         why="That is: every.gather(-1, actions[..., None])[..., 0].", rare=True),
    slip("likeliest-action", "it counts the likeliest action; it should be the one that was taken",
         (r"max", *_TAKEN), _takes(_likeliest),
         why="What came of the others nobody has seen."),
    slip("one-action", "it always counts the same action, the first or the last; take those in actions",
         _TAKEN, _takes(lambda every, actions: every[..., 0]), _takes(lambda every, actions: every[..., -1]),
         rare=True),
    slip("action-for-logarithm", "the number of the action is counted, not how likely it was",
         _TAKEN, _takes(lambda every, actions: actions.float()), rare=True),
    slip("other-steps", "the actions are those of another step: logits and actions belong together at each",
         _TAKEN, _takes(lambda every, actions: _of_the_taken(every, actions.roll(1, 1))),
         _takes(lambda every, actions: _of_the_taken(every, actions.roll(-1, 1))), rare=True),
    slip("axis-left", "an axis of size 1 is left after gather, so that each step meets all others: [..., 0]",
         (r"gather", *_TAKEN),
         *({"take": lambda every, actions: every.gather(-1, actions[..., None]), "mean": mean}
           for mean in (_living_mean, lambda terms, alive: terms[alive].mean(),
                        lambda terms, alive: terms.mean())),
         why="Logarithms are (batch, steps, 1), advantages (batch, steps); and torch multiplies them.",
         rare=True),
    slip("summed", "it is a sum over the living steps; it should be their mean",
         _MEAN, _means(lambda terms, alive: (terms * alive).sum())),
    slip("summed-in-part", "steps are summed and episodes averaged: average over all living steps",
         _MEAN, _means(lambda terms, alive: (terms * alive).sum(1).mean()),
         _means(lambda terms, alive: (terms * alive).sum(0).mean()),
         why="Longer episodes then make larger steps."),
    slip("ended-steps-counted", "steps after the end of an episode count, too: alive says which are none",
         _MEAN, _means(lambda terms, alive: terms.mean()),
         _means(lambda terms, alive: terms.sum() / alive.sum()),
         why="That is: (terms * alive).sum() / alive.sum()."),
    slip("mean-over-all-steps", "it is divided by all steps; divide by the living ones only, alive.sum()",
         _MEAN, _means(lambda terms, alive: (terms * alive).mean()),
         why="Else an action counts for less, the sooner other episodes end."),
    slip("episodes-alike", "each episode is averaged for itself, so a step of a short one counts for more",
         _MEAN, _means(lambda terms, alive: ((terms * alive).sum(1) / alive.sum(1)).mean()),
         _means(lambda terms, alive: _at_each_step(terms, alive)),
         why="Divide by the number of all living steps, once."),
    slip("alive-inverted", "it counts the steps after the end, and none of the living",
         _ALIVE, _means(_ended_mean),
         _means(lambda terms, alive: terms[~alive].mean()),
         _means(lambda terms, alive: (terms * ~alive).sum() / alive.sum()),
         _means(lambda terms, alive: (terms * ~alive).mean()),
         why="alive is True where the episode still goes on."),
    slip("first-ends-all",
         "a step counts only while all episodes live; each should count to its own end",
         (r"all\(|min\(", *_ALIVE), _means(lambda terms, alive: _living_mean(terms, alive & alive.all(0))),
         rare=True),
    slip("last-living-step-lost", "an episode's last living step is left out; its action counts, too",
         _ALIVE, _means(lambda terms, alive: _living_mean(terms, _but_the_last(alive))), rare=True),
    slip("one-step-only", "one step of each episode counts, the first or the last; all living ones should",
         _SIGN, _means(lambda terms, alive: terms[:, 0].mean()),
         _means(lambda terms, alive: terms[:, -1].mean()),
         rare=True),
    slip("one-episode-only", "one episode counts, the first or the last; all should",
         _SIGN, _means(lambda terms, alive: _living_mean(terms[:1], alive[:1])),
         _means(lambda terms, alive: _living_mean(terms[-1:], alive[-1:])), rare=True),
    slip("normalised", "the advantages are made to have mean 0, or spread 1; here they count as they are",
         (r"mean|std|var", *_ADVANTAGE),
         *(_centred(living, beside, unbiased) for living in (True, False) for unbiased in (True, False)
           for beside in (None, 0, 1e-8, 1e-6, 1e-5)),
         why="It is often done, for steadier steps; do it outside, so that this stays what it is called.",
         rare=True),
    slip("value-loss-added", "the loss of the values is in it, too; add that outside",
         (r"\*\*|square|mse", *_SIGN), {"beside": _squared(1.0)}, {"beside": _squared(0.5)},
         {"beside": _squared(1.0, True)}, {"beside": _squared(0.5, True)}, rare=True),
    slip("entropy-added", "an entropy is in it, too; add it outside",
         (r"entropy", *_SIGN), *({"beside": _entropy(x)} for x in (0.001, 0.01, 0.02, 0.05, 0.1, 1.0)),
         rare=True),
)
# fmt: on


def _at_each_step(terms: Tensor, alive: Tensor) -> Tensor:
    """The mean over the episodes that live at a step, and over the steps at which one does."""
    some = alive.any(0)
    return ((terms * alive).sum(0)[some] / alive.sum(0)[some]).mean()


def _but_the_last(alive: Tensor) -> Tensor:
    return torch.cat((alive[:, 1:], torch.zeros_like(alive[:, :1])), 1)


def _means_multiplied(logits, actions, returns, values, alive):
    every = _of_the_taken(logits.log_softmax(-1), actions)
    loss = -_living_mean(every, alive) * _living_mean(returns - values, alive)
    return loss.reshape(1)


_APART = Bug(
    "averaged-before-multiplied",
    "logarithms and advantages are averaged apart; multiply them step by step, and average then",
    "Else each action is praised for what the others did.",
    _MEAN,
    (_means_multiplied,),
)
_RAISED = (
    Raised(
        "classes-elsewhere",
        "cross_entropy wants the actions on axis 1: flatten logits to (…, actions), and actions to one axis",
        "logits.flatten(0, 1) and actions.flatten(); reduction='none' keeps a number for each step.",
        r"Expected target size",
        r"cross_entropy|nll_loss|CrossEntropy|NLL",
    ),
    Raised(
        "actions-without-an-axis",
        "gather wants an index of as many axes as the logits: actions[..., None]",
        "It gives (batch, steps, 1); [..., 0] takes that axis away again.",
        r"Index tensor must have the same number of dimensions|index.* dimensions",
        r"gather",
    ),
)

# --- what a loss teaches ------------------------------------------------------------------------------------

_NOTHING = "no gradient comes back to the logits, so the policy learns nothing from this loss"
_LEAKS = "the values learn from it, too: detach the advantage, which is only a number to the policy"
_LEAKS_BY = "Going downhill here, values would grow without end, whatever comes of it: {off} in one place."
_NO_NUMBER = "it is NaN, which no number is: is there the logarithm of one below 0, or 0 ÷ 0?"


def _teaching(answer) -> list[Subject]:
    """The answer, that is told so where its loss is right but teaches the values, or nothing at all."""

    def called(logits: Tensor, actions: Tensor, returns: Tensor, values: Tensor, alive: Tensor):
        right = _loss(logits, actions, returns, values, alive)
        leaves = [x.detach().clone().requires_grad_() for x in (logits, values)]
        given = leaves if not (logits.requires_grad or values.requires_grad) else (logits, values)
        own_logits, own_values = (x.clone() for x in given)  # what learns may not be written into
        loss = answer(own_logits, actions, returns, own_values, alive)
        if loss is ... or not isinstance(one_number(loss), Tensor) or loss.layout != torch.strided:
            return loss
        loss = loss.reshape(1)
        if loss.isnan().any() and alive.all():
            one_over = alive.clone()
            one_over[0, -1] = False  # who counts the ended steps alone has a number now, and which is known
            told = one_number(answer(own_logits, actions, returns, own_values, one_over))
            ended = _loss(logits, actions, returns, values, one_over, mean=_ended_mean)
            if not same(told.reshape(1), ended):
                where = line_to_look_at(answer, r"log\d*\(|/|nan", r"return")
                raise Stop("wrong", _NO_NUMBER, bug="no-number", where=where)
        if given is not leaves or not same(loss, right):
            return loss
        learns = loss.requires_grad and [
            torch.autograd.grad(loss, x, allow_unused=True, retain_graph=True)[0] for x in leaves
        ]
        if not learns or learns[0] is None or not learns[0].any():
            where = only_line(answer, rf"{CUT}|\.item\(|float\(|numpy|tolist|torch\.tensor\(")
            raise Stop("wrong", _NOTHING, bug="nothing-to-learn", where=where)
        if learns[1] is not None and learns[1].any():
            where = line_to_look_at(answer, r"-\s*values", r"values", r"return")
            off = number(learns[1].abs().max())
            details = (_LEAKS_BY.format(off=off), "advantage = (returns - values).detach()")
            raise Stop("wrong", _LEAKS, bug="advantage-not-detached", details=details, where=where)
        return loss.detach()

    fits(answer, *_NAMES)
    return [(telling(called, _RAISED), ())]


def _about(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Is it a multiple of the right loss; does it tell better actions from worse?"""
    wrong = [t for t in trials if not t.right]
    got, right = (
        torch.stack([t.got.detach().double() if of else t.expected[0].double() for t in wrong])
        for of in (True, False)
    )
    if not got.isfinite().all():
        i = int((~got.isfinite()).int().argmax())
        yield Verdict("a number", False, f"for {wrong[i].case.words} it is {number(got[i])}")
        return
    ratio = got / right
    if same(ratio, ratio[:1].expand_as(ratio), 1e-4) and len(wrong) > 1:
        yield Verdict(
            "size", False, f"in each of {len(wrong)} cases it is {number(ratio[0])} × the right one"
        )
    else:
        said = "for {words} it is {got}; −log π(a) · (returns − values), averaged over the living, is {right}"
        words = said.format(words=wrong[0].case.words, got=number(got[0]), right=number(right[0]))
        yield Verdict("the mean of the terms", False, words)


policy_loss = Exercise(
    "policy loss",
    ("loss",),
    _right,
    _cases,
    (_APART, *bugs(_SLIPS, _loss)),
    "Checked: 1 to 5 episodes of 1 to 5 steps, ended ones, 2 to 4 actions, and what learns from it.",
    prepare=_teaching,
    explain=_about,
    learns=1,
)
