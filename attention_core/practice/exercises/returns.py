"""Returns: at each step, what is still to come of its episode's reward, the later the less."""

import functools
import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attention_core._saying import number
from attention_core.practice.exercise import Bug, Case, Exercise, Subject, Trial, random, same
from attention_core.practice.exercises.training_step import fits
from attention_core.practice.recipes import Raised, bugs, slip, telling
from attention_core.probes import Verdict

_SUM = (r"total\s*=|\w\s*=.*\+|\+=", r"cumsum|sum\(", r"return")
_DONE = (r"done", *_SUM)
_DISCOUNT = (r"discount|gamma", *_SUM)
_LOOP = (r"\bfor\b|cumsum|flip|reversed", *_SUM)
_KEPT = (r"\]\s*=|append|insert|stack|cat\(", *_SUM)
_RETURN = (r"return",)


def _backwards(steps: int) -> range:
    return range(steps - 1, -1, -1)


def _recurrence(reward: Tensor, later: Tensor, discount: float, goes_on: Tensor) -> Tensor:
    return reward + discount * later * goes_on


def _returns(
    rewards: Tensor,
    done: Tensor,
    discount: float,
    *,
    weigh: Callable | None = None,
    ends: Callable | None = None,
    order: Callable = _backwards,
    add: Callable = _recurrence,
    keep: Callable = lambda reward, later, discount, total, goes_on: total,
    finish: Callable = lambda made, rewards, done, discount: made,
) -> Tensor:
    """Returns, each step of which can be exchanged for a wrong one.

    weigh: of rewards and discount, other rewards. ends: of done, where it is cut. order: in which the steps
    are gone through. add: a step's reward to what came before in that order; keep: what of it is written.
    """
    gained = rewards if weigh is None else weigh(rewards, discount)
    on = ~done if ends is None else ~ends(done)
    total, columns = torch.zeros(len(rewards)), [torch.empty(0)] * rewards.shape[1]
    for t in order(len(columns)):
        later, total = total, add(gained[:, t], total, discount, on[:, t])
        columns[t] = keep(gained[:, t], later, discount, total, on[:, t])
    return finish(torch.stack(columns, 1), rewards, done, discount)


def _right(rewards: Tensor, done: Tensor, discount: float) -> Tensor:
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    _turned = rewards.flip(1), done.flip(1), ~done, (~done).flip(1), rewards.T, done.T, rewards.clone()
    _begun = torch.zeros_like(rewards), *map(torch.zeros, rewards.shape), torch.ones_like(rewards)
    _steps = discount ** torch.arange(rewards.shape[1])
    total, columns = torch.zeros(len(rewards)), []
    for t in _backwards(rewards.shape[1]):
        _carried = total * ~done[:, t], discount * total * ~done[:, t]
        total = rewards[:, t] + discount * total * ~done[:, t]
        columns.append(total)
    _latest_first = torch.stack(columns), torch.stack(columns, 1)
    return torch.stack(columns[::-1], 1)


def _cases() -> list[Case]:
    hint = "rewards and done are (batch, steps); done is boolean, True at the last step of an episode."

    def ending(batch: int, steps: int, *where: tuple[int, int]) -> Tensor:
        done = torch.zeros(batch, steps, dtype=torch.bool)
        for row, t in where:
            done[row, t] = True
        return done

    def drawn(batch: int, steps: int, seed: int) -> Tensor:
        return random(batch, steps, seed=seed, decimals=1)

    over = ending(2, 5, (0, 2), (0, 3), (0, 4), (1, 4))
    after = drawn(2, 5, 26)
    after[0, 3:] = 0
    made = [
        ("1 episode of 3 steps", torch.tensor([[1.0, 2, 3]]), ending(1, 3, (0, 2)), 0.5),
        ("an episode of 2 steps, and one of 3", torch.tensor([[1.0, 2, 5, 3, 4]]),
         ending(1, 5, (0, 1), (0, 4)), 0.5),
        ("2 rows of 3 steps, in which nothing ends", drawn(2, 3, 20), ending(2, 3), 0.8),
        ("2 rows of 4 steps, one of which ends", torch.tensor([[1.0, 0, -1, 2], [3, 1, 4, 1]]),
         ending(2, 4, (1, 2)), 0.5),
        ("3 rows of 6 steps, with ends in between", drawn(3, 6, 23),
         ending(3, 6, (0, 3), (1, 0), (1, 4)), 0.9),
        ("4 rows of 4 steps", drawn(4, 4, 24), ending(4, 4, (0, 1), (2, 3), (3, 0), (3, 2)), 0.7),
        ("5 rows of 1 step", drawn(5, 1, 25), ending(5, 1, (1, 0), (4, 0)), 0.6),
        ("2 rows, in one of which nothing follows the end", after, over, 0.9),
        ("2 rows of 3 steps without a discount", drawn(2, 3, 27), ending(2, 3, (0, 0)), 1.0),
    ]  # fmt: skip
    return [
        Case(f"{words}, discount {discount}", (rewards, done, discount), 0, hint,
             (("rewards", rewards), ("done", done)))
        for words, rewards, done, discount in made
    ]  # fmt: skip


# --- what goes wrong ----------------------------------------------------------------------------------------


def _never(done: Tensor) -> Tensor:
    return torch.zeros_like(done)


def _one_earlier(done: Tensor) -> Tensor:
    return torch.cat((done[:, 1:], _never(done[:, :1])), 1)


def _one_later(done: Tensor) -> Tensor:
    return torch.cat((_never(done[:, :1]), done[:, :-1]), 1)


def _undiscounted(reward: Tensor, later: Tensor, discount: float, goes_on: Tensor) -> Tensor:
    return reward + later * goes_on


def _powers(rewards: Tensor, discount: float) -> Tensor:
    return discount ** torch.arange(rewards.shape[1])


def _weighed(weigh: Callable, **more) -> dict:
    return {"weigh": weigh, "add": _undiscounted, **more}


def _finished(finish: Callable, **more) -> dict:
    return {"finish": finish, **more}


def _forwards(**more) -> dict:
    return {"order": range, **more}


def _past(*cuts: Callable | None) -> list[dict]:
    """Sums of the past, however they are discounted and cut."""
    adds = ({}, {"add": _undiscounted}, _weighed(lambda r, g: r * _powers(r, g)))
    every = [_forwards(**add, **({"ends": cut} if cut else {})) for add in adds for cut in cuts]
    lost = lambda reward, later, discount, total, goes_on: later * goes_on  # noqa: E731
    return [*every, *(x | {"keep": lost} for x in every)]


def _by_episode(of: Callable, made: Tensor, done: Tensor) -> Tensor:
    """The same number at each step of an episode, of its returns."""
    out = made.clone()
    for row, ends in zip(out, done, strict=True):
        starts = [0, *(t + 1 for t in ends.nonzero().flatten().tolist() if t + 1 < len(row)), len(row)]
        for start, stop in itertools.pairwise(starts):
            row[start:stop] = of(row[start:stop])
    return out


def _first(x: Tensor) -> Tensor:
    return x[..., :1]


def _all_of_it(rewards: Tensor, done: Tensor) -> Tensor:
    return _by_episode(torch.sum, rewards, done)


def _same_for_all(made: Tensor) -> Tensor:
    return _first(made).expand_as(made).clone()


def _normalised(beside: float, over: tuple | None, unbiased: bool) -> dict:
    def finish(made: Tensor, *_) -> Tensor:
        axes = tuple(range(made.ndim)) if over is None else over
        mean = made.mean(axes, keepdim=True)
        squares = ((made - mean) ** 2).sum(axes, keepdim=True)
        numbers = made.numel() // mean.numel()
        return (made - mean) / ((squares / (numbers - unbiased)).sqrt() + beside)  # of one alone: 0 ÷ 0

    return _finished(finish)


# fmt: off
_SLIPS = (
    slip("not-cut", "the next episode leaks in: what follows an end belongs to another one",
         (), {"ends": _never},
         why="Where done is True nothing more is to come: … + discount * later * ~done[:, t]."),
    slip("done-inverted", "it is cut where an episode goes on, and goes on where one ends",
         _DONE, {"ends": lambda done: ~done},
         why="done is True at the last step; what comes later counts where it is False: ~done."),
    slip("cut-a-step-early",
         "it is cut a step too early: what the last step earns does not reach those before it",
         _DONE, {"ends": _one_earlier}, {"ends": lambda done: done.roll(-1, 1)},
         {"ends": lambda done: done | _one_earlier(done)},
         why="done[:, t] says that nothing follows step t; its own reward still belongs to the episode."),
    slip("cut-a-step-late", "it is cut a step too late: a step of the next episode counts for this one",
         _DONE, {"ends": _one_later}, {"ends": lambda done: done.roll(1, 1)},
         why="done[:, t] says that nothing follows step t: cut what comes after t itself."),
    slip("last-reward-lost", "the reward of an episode's last step is lost: only what follows it is cut",
         _DONE, {"add": lambda r, later, g, on: (r + g * later) * on},
         {"add": lambda r, later, g, on: r * on + g * later},
         why="In a room it is the only one that pays: reward + discount * later * ~done, in this order."),
    slip("forwards", "this is what came before, not what is still to come: begin with the last step",
         (r"\bin range\(|\bfor\b|cumsum", *_LOOP), *_past(None, _never, _one_later),
         why="An action changes what comes after it, and nothing before."),
    slip("own-reward-missing", "a step's own reward is missing: what it earns at once comes first",
         _KEPT, {"keep": lambda r, later, g, total, on: g * later * on},
         {"keep": lambda r, later, g, total, on: later * on}, {"keep": lambda r, later, g, total, on: later},
         {"keep": lambda r, later, g, total, on: g * later},
         {"keep": lambda r, later, g, total, on: later * on, "add": _undiscounted},
         {"weigh": lambda r, g: torch.cat((r[:, 1:], torch.zeros_like(r[:, :1])), 1)},
         {"weigh": lambda r, g: r.roll(-1, 1)},
         why="rewards[:, t] is what action t was paid."),
    slip("reward-a-step-late", "rewards are shifted: a step counts the reward of the one before it",
         _SUM, {"weigh": lambda r, g: torch.cat((torch.zeros_like(r[:, :1]), r[:, :-1]), 1)},
         {"weigh": lambda r, g: r.roll(1, 1)}, rare=True),
    slip("no-discount", "nothing is discounted: a reward counts as much, however late it comes",
         _SUM, {"add": _undiscounted}),
    slip("discounted-from-the-start",
         "a reward is discounted by its time in the row, not by how far ahead it is",
         _DISCOUNT, _weighed(lambda r, g: r * _powers(r, g)), _weighed(lambda r, g: r * g * _powers(r, g)),
         why="Seen from step t, its own reward counts in full."),
    slip("discounted-from-the-end",
         "the last reward counts in full and earlier ones less; it should be the reverse",
         _DISCOUNT, _weighed(lambda r, g: r * _powers(r, g).flip(0)),
         _weighed(lambda r, g: r * g * _powers(r, g).flip(0)),
         _forwards(add=lambda r, later, g, on: r + g * later * on, finish=lambda made, *_: made.flip(1)),
         rare=True),
    slip("own-reward-discounted", "a step's own reward is discounted, too; only what comes later should be",
         _DISCOUNT, {"add": lambda r, later, g, on: g * (r + later * on)},
         {"finish": lambda made, r, d, g: g * made},
         {"add": lambda r, later, g, on: g * r + later * on},
         why="That is: reward + discount * later."),
    slip("discounted-once", "all that comes later is discounted once, however late: each step should do it",
         _DISCOUNT, _finished(lambda made, r, d, g: r + g * (made - r), add=_undiscounted)),
    slip("discount-for-one-minus", "1 − discount is taken for the discount",
         _DISCOUNT, {"add": lambda r, later, g, on: r + (1 - g) * later * on}, rare=True),
    slip("order-not-turned-back",
         "the last step's return stands first: gathered backwards, they must be turned back",
         _RETURN, _finished(lambda made, *_: made.flip(1)), _finished(lambda made, *_: made.flip(0)),
         why="Write made[:, t] = total, or returns[::-1] at the end.", rare=True),
    slip("steps-first", "the returns are (steps, batch); like rewards they should be (batch, steps)",
         (r"stack|cat|\.T\b|tensor", *_RETURN), _finished(lambda made, *_: made.T),
         _finished(lambda made, *_: made.T.flip(0)), why="torch.stack(columns, dim=1).", rare=True),
    slip("cut-for-all", "one row's end cuts all rows, or only an end of all: each row has ends of its own",
         (r"any\(|all\(", *_DONE), {"ends": lambda done: done.any(0).expand_as(done)},
         {"ends": lambda done: done.all(0).expand_as(done)},
         why="total * ~done[:, t] leaves the other rows as they are.", rare=True),
    slip("a-step-left-out", "the loop leaves out a step, the first or the last of a row",
         (r"range\(", *_LOOP), {"weigh": lambda r, g: r * (torch.arange(r.shape[1]) < r.shape[1] - 1)},
         _finished(lambda made, *_: made * (torch.arange(made.shape[1]) > 0)),
         why="Going back, range(steps - 1, -1, -1) is all of them.", rare=True),
    slip("whole-episode", "each step gets all of its episode; only what is still to come should count",
         _SUM, _finished(lambda made, r, d, g: _all_of_it(r, d)),
         _finished(lambda made, r, d, g: _by_episode(_first, made, d)),
         _finished(lambda made, r, d, g: r.sum(1, keepdim=True).expand_as(r).clone()),
         _finished(lambda made, r, d, g: _same_for_all(r * _powers(r, g)).mul(0)
                   + (r * _powers(r, g)).sum(1, keepdim=True)),
         why="What was earned before an action, it did not earn.", rare=True),
    slip("one-step-ahead", "only the next step's reward is added; all later ones should be",
         _SUM, _finished(lambda made, r, d, g: r + g * _one_ahead(r) * ~d),
         _finished(lambda made, r, d, g: r + g * _one_ahead(r)),
         _finished(lambda made, r, d, g: r + g * r.roll(-1, 1) * ~d),
         _finished(lambda made, r, d, g: r + g * r.roll(-1, 1)),
         why="Add the return of the next step, in which the later ones are.", rare=True),
    slip("rewards-as-they-are", "these are the rewards as they came; add what follows them",
         _SUM, {"add": lambda r, later, g, on: r}, rare=True),
    slip("stops-at-the-first-end", "steps after a row's first end get nothing; theirs is an episode, too",
         _DONE, _finished(lambda made, r, d, g: made * _until_the_first_end(d)), rare=True),
    slip("zero-at-the-end", "an episode's last step has a return of 0; its own reward belongs to it",
         _DONE, _finished(lambda made, r, d, g: made * ~d), rare=True),
    slip("normalised", "the returns are made to have mean 0, or spread 1; here they are wanted as they are",
         (r"mean|std|var", *_RETURN), _finished(lambda made, *_: made - made.mean()),
         _finished(lambda made, *_: made - made.mean(1, keepdim=True)),
         _finished(lambda made, *_: made - made.mean(0)),
         *(_normalised(beside, over, unbiased) for unbiased in (True, False)
           for over in (None, 1, 0) for beside in (0, 1e-8, 1e-6, 1e-5)),
         why="Sometimes it is done afterwards, for a steadier step; then of living steps only.", rare=True),
    slip("averaged", "what is still to come is averaged over the steps; it should be a sum",
         (r"mean|/", *_SUM), _finished(lambda made, *_: made / _steps_left(made)),
         _finished(lambda made, *_: made / _steps_left(made), add=_undiscounted),
         _finished(lambda made, *_: made / made.shape[1]), rare=True),
    slip("only-the-first", "one number a row comes out; there should be one for each step",
         _RETURN, _finished(lambda made, *_: made[:, 0]), _finished(lambda made, *_: made[:, :1]),
         _finished(lambda made, *_: made[:, -1]), rare=True),
    slip("one-row", "one row of the batch comes out; all of them should",
         _RETURN, _finished(lambda made, *_: made[0]), _finished(lambda made, *_: made[-1]),
         _finished(lambda made, *_: made[:1]), rare=True),
)
# fmt: on


def _one_ahead(rewards: Tensor) -> Tensor:
    return torch.cat((rewards[:, 1:], torch.zeros_like(rewards[:, :1])), 1)


def _until_the_first_end(done: Tensor) -> Tensor:
    return done.cumsum(1) - done.long() == 0


def _steps_left(made: Tensor) -> Tensor:
    return torch.arange(made.shape[1], 0, -1)


def _over_the_batch(rewards: Tensor, done: Tensor, discount: float, few: bool = False, **changes) -> Tensor:
    """few: of the batch only as many rows as there are steps."""
    made, n = torch.zeros_like(rewards), min(rewards.shape) if few else len(rewards)
    made[:n] = _returns(rewards[:n].T, done[:n].T, discount, **changes).T
    return made


_BATCH = slip(
    "over-the-batch",
    "it sums along the batch: steps are axis 1, and one row of the batch has nothing to do with another",
    (r"cumsum|flip|shape\[0\]|len\(rewards\)|rewards\[", *_LOOP),
    {},
    {"ends": _never},
    {"add": _undiscounted},
    {"add": _undiscounted, "ends": _never},
    {"few": True},
    {"few": True, "ends": _never},
    *_past(None, _never, _one_later),
)
_WRITTEN_OVER = (  # what a list holds is changed afterwards
    Bug(
        "first-step-written-over",
        "an episode's first step has a return of 0 where another came before it",
        "Does total[…] = 0 change a tensor that is kept already? total * ~done[:, t] makes a new one.",
        _DONE,
        (functools.partial(_returns, finish=lambda made, r, d, g: made * ~_one_later(d)),),
        (r"^\w+\[.*\]\s*=\s*0|^\w+\s*\*=|\w_\(",),
    ),
    Bug(
        "one-number-for-all",
        "each step of a row has the same return, that of the first",
        "Does total *= … change a tensor that a list holds already? total = … makes a new one.",
        _SUM,
        (functools.partial(_returns, finish=lambda made, *_: _same_for_all(made)),),
        (r"^\w+\s*[*+]=|\w_\(",),
    ),
)
_RAISED = (
    Raised(
        "minus-of-a-mask",
        "done is boolean, and has no minus; ~done is True where it is False",
        "",
        r"[Ss]ubtraction, the `-` operator, with (a bool tensor|two bool tensors)",
        r"-",
    ),
    Raised(
        "truth-of-a-row",
        "done[:, t] has an entry for each row, so `if` cannot ask it: multiply by ~done[:, t]",
        "A row in which it is True then adds 0.",
        r"Boolean value of Tensor with more than one value is ambiguous",
        r"\b(if|elif|while|and|or|not)\b",
    ),
)


def _returning(answer) -> list[Subject]:
    fits(answer, "rewards", "done", "discount")
    return [(telling(functools.wraps(answer)(lambda *given: answer(*given)), _RAISED), ())]


def _about(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Its own numbers: has the last step of an episode its reward, any other that and the next return?"""
    wrong = next(t for t in trials if not t.right)
    (rewards, done, discount), got = wrong.case.inputs, wrong.got.detach().double()
    later = torch.cat((got[:, 1:], torch.zeros_like(got[:, :1])), 1)
    last = done.clone()
    last[:, -1] = True
    for name, where, wanted, said in (
        ("the last step", last, rewards.double(),
         "row {i}, step {t}, is the last: {got}, and its reward {right}"),
        ("one step back", ~last, rewards + discount * later,
         "row {i}, step {t}: {got}; its reward and {discount} × the return of the next are {right}"),
    ):  # fmt: skip
        off = [(i, t) for i, t in where.nonzero().tolist() if not same(got[i, t], wanted[i, t].double())]
        if off:
            i, t = off[0]
            numbers = {"got": number(got[i, t]), "right": number(wanted[i, t]), "discount": discount}
            yield Verdict(name, False, said.format(i=i, t=t, **numbers))


returns = Exercise(
    "returns",
    ("returns",),
    _right,
    _cases,
    (*bugs((_BATCH,), _over_the_batch), *_WRITTEN_OVER, *bugs(_SLIPS, _returns)),
    "Checked: 1 to 5 rows of 1 to 6 steps, ends between and none, nothing after an end, no discount.",
    prepare=_returning,
    explain=_about,
)
