"""One step of training."""

import inspect
import linecache
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, mse_loss, nll_loss, one_hot
from torch.overrides import TorchFunctionMode

from attention_core._calling import Failed, call
from attention_core._saying import a, number
from attention_core.agreement import rounding
from attention_core.positional_encoding import SinusoidalEncoding
from attention_core.practice.exercise import Bug, Case, Exercise, Stop, Trial, same
from attention_core.practice.result import Result
from attention_core.practice.source import CUT, line_to_look_at, lines
from attention_core.tasks import Repeat, Reverse, Sort, Task
from attention_core.transformer import TinyTransformer

_IN_PLACE = "If torch speaks of an inplace operation: optimiser.step() belongs after loss.backward()."
_RATE = 0.3
_OTHERS = tuple(f"{Path(path).parent}{os.sep}" for path in (Path(__file__).parents[1], torch.__file__))
_LATER = 2  # the stage of answers that are not determined: no part of the exercise
_UNDETERMINED = (
    "One thing to know: in later tasks some answers are not determined, −100 in y. cross_entropy leaves them "
    "out by itself; "
)
_STOPS, _COUNTS = "there this step stops with {kind}.", "this step does not."


# --- what a step is tried on --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """A small model before its first step; made afresh each time, with the same numbers.

    left: whether gradients of something earlier are still in. change: of what the model returns.
    """

    task: Task
    batch: int
    steps: int = 1
    momentum: float = 0.0
    left: bool = False
    change: Callable | None = None

    def begin(self, kind: type[torch.optim.SGD] = torch.optim.SGD) -> tuple:
        """(model, optimiser, x, y), with which a step can be called."""
        torch.manual_seed(0)
        model = TinyTransformer(self.task.vocabulary, dim=8, num_heads=1, positions=SinusoidalEncoding(8))
        with torch.no_grad():
            model.to_logits.weight.mul_(3)  # untrained logits are nearly alike, and mistakes with them
        if self.change is not None:
            model.register_forward_hook(lambda _module, _given, made: self.change(made))
        for parameter in model.parameters() if self.left else ():
            parameter.grad = torch.full_like(parameter, 0.1)
        decay = self.momentum / 10
        optimiser = kind(model.parameters(), lr=_RATE, momentum=self.momentum, weight_decay=decay)
        ((x, y),) = self.task.batches(1, self.batch)
        return model, optimiser, x, y


_PLAIN = Start(Sort(5, 7), 3)  # not Reverse: there x is the answer to y, too
_LESSON = Start(Reverse(8, 10), 64)
_MOMENTUM = Start(Sort(6, 5), 4, 3, 0.9)


@dataclass
class Happened:
    """What happened in one call of an answer.

    calls: in their order, each with the line that led to it: "zero_grad", "backward", "gradient" where one
    arrived at a parameter, "step", and "idle step" where all gradients were 0, or none was there.
    """

    calls: list[tuple[str, tuple[int, str] | None]] = field(default_factory=list)
    moved: bool = False
    precision: torch.dtype = torch.float32  # of the logits

    def note(self, what: str) -> None:
        self.calls.append((what, _learners_line()))

    def places(self, *what: str) -> list[int]:
        return [i for i, (name, _) in enumerate(self.calls) if name in what]


def _learners_line() -> tuple[int, str] | None:
    """Number and text of the line, neither ours nor torch's, that led here."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OTHERS):
        frame = frame.f_back
    text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip() if frame else ""
    return (frame.f_lineno, text) if text else None


class _Noting(torch.optim.SGD):
    """An optimiser that notes when it is called, and whether there is a gradient then."""

    happened: Happened

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.happened.note("zero_grad")
        super().zero_grad(set_to_none)

    def step(self, closure: Callable | None = None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        slopes = [p.grad for group in self.param_groups for p in group["params"]]
        some = any(slope is not None and bool(slope.any()) for slope in slopes)
        self.happened.note("step" if some else "idle step")
        super().step()
        return loss


class _Backwards(TorchFunctionMode):
    """Notes each call of `backward`, also one that reaches no parameter."""

    def __init__(self, happened: Happened):
        super().__init__()
        self.happened = happened

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is Tensor.backward:
            self.happened.note("backward")
        return function(*args, **(kwargs or {}))


class _Trained:
    """Some steps with an answer: `(start) -> (losses, parameter moves)`. happened: by start, call by call."""

    def __init__(self, answer: Callable):
        self.answer = answer
        self.happened: dict[Start, list[Happened]] = {}

    def __call__(self, start: Start) -> tuple[Tensor, Tensor]:
        model, optimiser, x, y = start.begin(_Noting)
        at_first, losses, every = _all_of(model), [], []
        last = next(reversed(list(model.parameters())))
        last.register_post_accumulate_grad_hook(lambda p: p.grad.any() and every[-1].note("gradient"))
        model.register_forward_hook(lambda _module, _given, made: _note_precision(every[-1], made))
        for _ in range(start.steps):
            before = _all_of(model)
            every.append(Happened())
            optimiser.happened = every[-1]
            with _Backwards(every[-1]):
                loss = self.answer(model, optimiser, x.clone(), y.clone())
            every[-1].moved = not torch.equal(before, _all_of(model))
            if loss is ...:
                return ...
            losses.append(_as_number(loss))
        self.happened.setdefault(start, every)  # an answer may count its calls, so only the first are told of
        made = torch.stack(losses), _all_of(model) - at_first
        return _unless_rounded(start, every, *made)


def _all_of(model: nn.Module) -> Tensor:
    """Its parameters in a row, those nearest to the logits first."""
    last_first = reversed(list(model.parameters()))
    return nn.utils.parameters_to_vector(x.detach().float() for x in last_first)


def _note_precision(happened: Happened, made) -> None:
    logits = made[0] if isinstance(made, tuple) else made
    happened.precision = logits.dtype


def one_number(loss):
    """The loss, if it is one thing of one number. Raises: Stop."""
    if loss is None:
        raise Stop("wrong", "it returns nothing: is the return missing?", bug="no-return")
    if isinstance(loss, tuple | list):
        said = "it should return the loss alone; it returned {n} things"
        raise Stop("wrong", said, bug="not-the-loss-alone", n=len(loss))
    if isinstance(loss, Tensor) and loss.numel() != 1:
        said = "it should return one number, the loss; it returned a tensor of shape {shape}"
        raise Stop("wrong", said, bug="not-one-number", shape=tuple(loss.shape))
    return loss


def _as_number(loss) -> Tensor:
    """The loss that a step returned. Raises: Stop, if it is none."""
    loss = one_number(loss)
    try:
        return torch.tensor(float(loss.detach() if isinstance(loss, Tensor) else loss))
    except (TypeError, ValueError, RuntimeError):
        said = "it should return the loss, a number; it returned {thing}"
        raise Stop("wrong", said, bug="not-one-number", thing=a(loss)) from None


def _unless_rounded(start: Start, every: list[Happened], losses: Tensor, moves: Tensor):
    """What came out; or what should, if it is that but for the rounding of logits in half precision."""
    precision = next((h.precision for h in every if h.precision.itemsize < 4), None)
    if precision is None:
        return losses, moves
    sums = (start.task.vocabulary, start.batch * start.task.length) * start.steps  # one after the other

    def halved(*given):
        with torch.autocast("cpu", precision):
            return step(*given)

    model, optimiser, x, y = start.begin()
    before = _all_of(model)
    wanted = torch.stack([torch.tensor(float(halved(model, optimiser, x, y))) for _ in range(start.steps)])
    pairs = (losses, wanted), (moves, _all_of(model) - before)
    near = all(
        (got - right).abs().max() <= rounding(precision, *sums, size=float(right.abs().max()))
        for got, right in pairs
    )
    return _Trained(step)(start) if near else (losses, moves)


# --- a step, and what can go wrong with it ------------------------------------------------------------------


def step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    *,
    loss_of: Callable = lambda logits, x, y: cross_entropy(logits.flatten(0, 1), y.flatten()),
    tell: Callable | None = None,
    clear: str = "before",
    backward: bool = True,
) -> Tensor:
    """One step of training, each part of which can be left out or exchanged; returns the loss."""
    logits, _ = model(x)  # (batch, n, vocabulary)
    loss = loss_of(logits, x, y)
    if clear == "before":
        optimiser.zero_grad()
    if backward:
        loss.backward()
        optimiser.step()
    if clear == "after":
        optimiser.zero_grad()
    return loss if tell is None else tell(model(x)[0], x, y)


def _with(**changes) -> _Trained:
    return _Trained(lambda model, optimiser, x, y: step(model, optimiser, x, y, **changes))


def _with_losses(*losses_of: Callable) -> tuple[Callable, ...]:
    return tuple(_with(loss_of=loss_of) for loss_of in losses_of)


def _entropy(logits: Tensor, y: Tensor, **options) -> Tensor:
    return cross_entropy(logits.flatten(0, 1), y.flatten(), **options)


def _wanted(logits: Tensor, y: Tensor) -> Tensor:
    return one_hot(y, logits.shape[-1]).to(logits.dtype)


def _wrong_ones(logits: Tensor, y: Tensor) -> Tensor:
    return (logits.argmax(-1) != y).float().mean()


def _untaught(tell: Callable) -> _Trained:
    """A loss through which no gradient goes."""
    return _with(loss_of=lambda logits, x, y: tell(logits, y), backward=False)


_BUGS = (
    Bug(
        "no-zero-grad",
        "gradients of earlier steps are still in: optimiser.zero_grad() is missing before loss.backward()",
        "backward() adds to what is there, so every step repeats all before it.",
        (),
        (_with(clear="never"),),
    ),
    Bug(
        "cleared-afterwards",
        "gradients from before the first step are still in: clear them before loss.backward(), not after",
        "backward() adds to what is there; it may come from something else than this step.",
        (r"zero_grad|grad\s*=\s*None",),
        (_with(clear="after"),),
    ),
    Bug("nothing-moves", "no parameter of the model moves", "", (), (_with(backward=False),)),
    Bug(
        "loss-after-the-step",
        "the loss that it returns is measured after the step; return the one that was learned from",
        "",
        (),
        (_with(tell=lambda logits, x, y: _entropy(logits, y)),),
    ),
    Bug(
        "loss-of-weights",
        "softmax is taken before cross_entropy, which takes one itself",
        "It still learns, but slowly: the loss can never come near 0.",
        (r"softmax", r"cross_entropy"),
        _with_losses(lambda logits, x, y: _entropy(logits.softmax(-1), y)),
    ),
    Bug(
        "loss-of-logits",
        "the loss is minus the right digit's logit; take log_softmax first, as cross_entropy does",
        "A logit has no upper end, so this falls below 0 without end.",
        (r"nll_loss|NLLLoss|gather",),
        _with_losses(lambda logits, x, y: nll_loss(logits.flatten(0, 1), y.flatten())),
    ),
    Bug(
        "no-logarithm",
        "the loss is minus the right digit's probability; its logarithm is missing",
        "",
        (r"nll_loss|NLLLoss|gather", r"softmax"),
        _with_losses(lambda logits, x, y: nll_loss(logits.softmax(-1).flatten(0, 1), y.flatten())),
    ),
    Bug(
        "softmax-elsewhere",
        "the probabilities sum to 1 over the places or the batch; over the digits of one place they should",
        "The digits are the last axis of the logits.",
        (r"softmax",),
        _with_losses(
            *(
                lambda logits, x, y, d=d: nll_loss(log_softmax(logits, d).flatten(0, 1), y.flatten())
                for d in (0, 1)
            )
        ),
    ),
    Bug(
        "squared-error",
        "the loss is a squared error; cross_entropy is minus the logarithm of the right digit's probability",
        "",
        (r"mse|MSE|\*\*\s*2|square|pow",),
        _with_losses(
            lambda logits, x, y: mse_loss(logits, _wanted(logits, y)),
            lambda logits, x, y: mse_loss(logits.softmax(-1), _wanted(logits, y)),
            lambda logits, x, y: (logits - _wanted(logits, y)).square().sum(-1).mean(),
            lambda logits, x, y: (logits.softmax(-1) - _wanted(logits, y)).square().sum(-1).mean(),
        ),
    ),
    Bug(
        "share-of-answers",
        "a share of right or wrong answers is no loss: a count has no gradient, so nothing moves",
        "",
        (r"argmax|==|!=",),
        (_untaught(_wrong_ones), _untaught(lambda logits, y: 1 - _wrong_ones(logits, y))),
    ),
    Bug(
        "input-as-answer",
        "the logits are compared with x; the right answers are in y",
        "",
        (r"cross_entropy|nll_loss|CrossEntropyLoss",),
        _with_losses(lambda logits, x, y: _entropy(logits, x)),
    ),
    Bug(
        "x-and-y-exchanged",
        "x and y have changed places: the model is given x, and the right answers are in y",
        "",
        (r"model\(",),
        (_Trained(lambda model, optimiser, x, y: step(model, optimiser, y, x)),),
    ),
    Bug(
        "one-place-apart",
        "logits and answers are one place apart; here each answer stands at the place of its logits",
        "Shifting is for a model whose answers are the next tokens of x itself.",
        (r"\[.*:.*\]|roll", r"cross_entropy"),
        _with_losses(
            lambda logits, x, y: _entropy(logits[:, :-1], y[:, 1:]),
            lambda logits, x, y: _entropy(logits[:, 1:], y[:, :-1]),
            lambda logits, x, y: _entropy(logits, y.roll(-1, 1)),
            lambda logits, x, y: _entropy(logits, y.roll(1, 1)),
        ),
    ),
    Bug(
        "one-place-only",
        "one place of each sequence counts, the first or the last; all places have an answer",
        "",
        (r"\[.*-1.*\]|\[.*0.*\]", r"cross_entropy"),
        _with_losses(
            lambda logits, x, y: cross_entropy(logits[:, -1], y[:, -1]),
            lambda logits, x, y: cross_entropy(logits[:, 0], y[:, 0]),
        ),
    ),
    Bug(
        "one-sequence-only",
        "one sequence of the batch counts, the first or the last; all should",
        "",
        (r"\[.*-1.*\]|\[.*0.*\]", r"cross_entropy"),
        _with_losses(
            lambda logits, x, y: cross_entropy(logits[0], y[0]),
            lambda logits, x, y: cross_entropy(logits[-1], y[-1]),
        ),
    ),
    Bug(
        "zero-left-out",
        "answers that are 0 are left out: here 0 is a digit like the others, and padding there is none",
        "",
        (r"ignore_index|!=\s*0|>\s*0", r"cross_entropy"),
        _with_losses(lambda logits, x, y: _entropy(logits, y, ignore_index=0)),
    ),
    Bug(
        "loss-of-everything",
        "answers that are not determined are counted: leave IGNORE out, as cross_entropy does by itself",
        "",
        (r"clamp|where|IGNORE|masked_fill|-100", r"cross_entropy"),
        _with_losses(lambda logits, x, y: _entropy(logits, y.clamp(min=0))),
    ),
    Bug(
        "loss-summed",
        "the loss is a sum over all answers; the mean does not depend on how many there are",
        "",
        (r"sum", r"cross_entropy"),
        _with_losses(lambda logits, x, y: _entropy(logits, y, reduction="sum")),
    ),
    Bug(
        "loss-summed-in-part",
        "the losses are summed over places or over sequences, and averaged over the rest: average over all",
        "",
        (r"sum|\+=|/", r"cross_entropy"),
        _with_losses(
            lambda logits, x, y: _entropy(logits, y, reduction="sum") / len(y),
            lambda logits, x, y: _entropy(logits, y, reduction="sum") / y.shape[1],
        ),
    ),
    Bug(
        "answers-out-of-order",
        "logits and answers are flattened in different orders, so each is compared with another's",
        "",
        (r"transpose|\.mT|\.T\b|\.t\(\)|permute", r"view|reshape|flatten", r"cross_entropy"),
        _with_losses(
            lambda logits, x, y: cross_entropy(logits.transpose(0, 1).flatten(0, 1), y.flatten()),
            lambda logits, x, y: cross_entropy(logits.flatten(0, 1), y.T.flatten()),
        ),
    ),
    Bug(
        "scores-mixed",
        "view or reshape cuts across the scores of several places: flatten(0, 1) keeps each place's together",
        "To bring the digits to axis 1, transpose(1, 2) moves that axis; reshape only counts anew.",
        (r"reshape|view|flatten", r"cross_entropy"),
        _with_losses(
            lambda logits, x, y: cross_entropy(logits.reshape(len(x), -1, x.shape[1]), y),
            lambda logits, x, y: cross_entropy(
                logits.transpose(1, 2).reshape(-1, logits.shape[-1]), y.flatten()
            ),
        ),
    ),
)


# --- what else is said of a wrong answer --------------------------------------------------------------------

_IS_RIGHT_FOR = "it is right for the lesson's 64 sequences of 8 digits, not for other sizes: take them from x"
_ALONE = "the model returns a pair, (logits, weights), which is used as if it were the logits: unpack it"
_ROWS = "cross_entropy wants one row of scores for each answer: logits.flatten(0, 1), and y.flatten()"
_NO_WAY_BACK = (
    "the loss has no way back to the parameters: somewhere between the model and the loss it is cut off"
)
_TAKES = "it should take ({names}), and no other argument that has to be given"


@dataclass(frozen=True)
class _Said:
    """What is said of a mistake: as of a `Bug`, and the line on which it was made."""

    bug: str
    words: str
    why: str = ""
    where: tuple[int, str] | None = None


def _by_calls(trial: Trial, answer) -> _Said | None:
    """What the learner's own calls show: the first odd one counts."""
    every = trial.subject[0].happened.get(trial.case.inputs[0], ())
    return next((said for happened in every if (said := _odd(happened, answer)) is not None), None)


def _odd(happened: Happened, answer) -> _Said | None:
    steps, reached = happened.places("step", "idle step"), happened.places("gradient")
    backwards = happened.places("backward")
    if not steps:
        return _without_step(happened, answer)
    name, where = happened.calls[steps[-1]]
    if len(steps) > 1:
        said = f"optimiser.step() is called {len(steps)} times in one training step; it should be once"
        return _Said("stepped-twice", said, "", where)
    before = [i for i in reached if i < steps[0]]
    if not before and max(reached + backwards, default=-1) > steps[0]:
        why = "The step follows the gradients that are there, and those of this batch are not, yet."
        return _Said(
            "nothing-moves", "optimiser.step() comes before loss.backward(); it should follow", why, where
        )
    if name == "step":
        return None
    if before:
        cleared = [i for i in happened.places("zero_grad") if before[-1] < i < steps[0]]
        said = "gradients are cleared between loss.backward() and optimiser.step(), which then finds none"
        where = happened.calls[cleared[-1]][1] if cleared else None
        return _Said("nothing-moves", said, "Clear them before loss.backward().", where)
    if backwards:
        said = "loss.backward() reaches no parameter: somewhere between the model and the loss it is cut off"
        return _Said("nothing-moves", said, "", only_line(answer, CUT))
    return _Said(
        "nothing-moves", "optimiser.step() finds no gradients: there is no loss.backward() before it"
    )


def _without_step(happened: Happened, answer) -> _Said:
    if happened.moved:
        said = "the parameters move, but not by the optimiser that is given: call its step()"
        return _Said("optimiser-not-used", said, "", only_line(answer, r"optim\."))
    named = line_to_look_at(answer, r"\.step\s*($|;)")
    said = "optimiser.step() is not called, so no parameter moves"
    return _Said("nothing-moves", f"{said}: its brackets are missing" if named else said, "", named)


def _by_size(trial: Trial, answer) -> _Said | None:
    """A mistake that is none in the lesson's own sizes, or a step that is too long or too short."""
    if trial.case.stage > 0:
        return None
    if _right_from(_LESSON, answer):
        return _Said("sizes-written-in", _IS_RIGHT_FOR)
    (losses, moves), (right, wanted) = trial.got, trial.expected
    factor = float((moves * wanted).sum() / wanted.square().sum())
    if not same(losses, right) or factor == 0 or not same(moves / factor, wanted):
        return None
    times = len(trial.subject[0].happened[trial.case.inputs[0]][0].places("gradient"))
    if times > 1 and abs(factor - times) < 0.01:
        said = f"loss.backward() runs {times} times, and each adds to the gradients: once is enough"
        return _Said("backward-twice", said)
    if abs(factor + 1) < 0.01:
        return _Said("uphill", "each parameter moves the wrong way: this goes uphill, and the loss grows")
    said = f"the parameters move {number(factor)} × as far as the gradient of the loss and the optimiser say"
    return _Said("scaled-step", said)


def _by_error(trial: Trial, answer) -> _Said | None:
    """Where the answer stopped, and would not have stopped if one thing were otherwise: that thing."""
    where, start = trial.failed.where, trial.case.inputs[0]
    if re.search(r"^element 0 .* does not require grad|^'float' .* 'backward'", str(trial.failed.error)):
        return _Said("cut-off", _NO_WAY_BACK, "", only_line(answer, rf"{CUT}|\.item\(|float\("))
    if _right_from(replace(start, change=lambda made: made[0]), answer):
        return _Said("not-unpacked", _ALONE, "", line_to_look_at(answer, r"model\("))
    if _right_from(replace(start, change=lambda made: (made[0].transpose(1, 2), made[1])), answer):
        return _Said("not-flattened", _ROWS, "", where)
    return _Said("sizes-written-in", _IS_RIGHT_FOR, "", where) if _right_from(_LESSON, answer) else None


def _right_from(start: Start, answer) -> bool:
    try:
        made = call(_Trained(answer), start).answer
    except Failed:
        return False
    return same(made, _Trained(step)(replace(start, change=None)))


class _Training(Exercise):
    """A check that also says what the learner's own calls show, and asks for no more than the lesson does."""

    def _found(self, trials: list[Trial], answer) -> Result:
        asked = [t for t in trials if t.case.stage < _LATER]
        try:
            result = super()._found(asked, answer)
        except Stop as stop:
            failed = next((t for t in asked if t.failed is not None and t.failed.what == "raised"), None)
            said = _by_error(failed, answer) if stop.status == "error" and failed is not None else None
            if said is None:
                raise
            message = (f"It stopped with {stop.data['said'].removeprefix('it stopped with ')}",)
            raise Stop(
                "wrong", "{words}", bug=said.bug, details=message, where=said.where, words=said.words
            ) from None
        if result:
            return self._of_later_tasks(result, trials, answer)
        if result.bug not in (None, "nothing-moves"):
            looked = next((bug.look_at for bug in self.bugs if bug.name == result.bug), ())
            return result if looked else replace(result, where=None)  # no line made it: one is missing
        wrong = next((t for t in asked if not t.right and t.failed is None and t.form is None), None)
        said = None if wrong is None else _by_calls(wrong, answer) or _by_size(wrong, answer)
        if said is None:
            return replace(result, where=None) if result.bug else result
        details = (said.why,) if said.why else ()
        changes = {"headline": said.words, "bug": said.bug, "details": details, "where": said.where}
        return replace(result, evidence=(), **changes)

    def _of_later_tasks(self, result: Result, trials: list[Trial], answer) -> Result:
        """A known mistake with answers that are not determined is one; else they are only spoken of.

        The exercise is the lesson's loop, whose digits all have an answer; a hint speaks of later tasks.
        """
        later = next(t for t in trials if t.case.stage == _LATER)
        if later.right:
            return result
        if later.failed is None:
            whole = super()._found(trials, answer)
            if whole.bug is not None:
                return whole
        stopped = later.failed is not None and later.failed.error is not None
        how = _STOPS.format(kind=type(later.failed.error).__name__) if stopped else _COUNTS
        return replace(result, details=(*result.details, _UNDETERMINED + how))


def only_line(answer, pattern: str) -> tuple[int, str] | None:
    """The line that matches, beside that of the `def`; None where several do, as the others may be right."""
    written = ((n, line) for n, line in lines(answer) if not line.startswith("def "))
    matching = [(n, line) for n, line in written if re.search(pattern, line)]
    return matching[0] if len(matching) == 1 else None


def fits(answer, *names: str):
    """The answer, if it can be called with so many arguments. Raises: Stop."""
    try:
        inspect.signature(answer).bind(*names)
    except ValueError:  # built in C: nothing is known, so let the call tell
        pass
    except TypeError:
        where = line_to_look_at(answer, r"^def ")
        raise Stop("wrong", _TAKES, bug="wrong-signature", where=where, names=", ".join(names)) from None
    return answer


def _case(words: str, start: Start, stage: int = 0, hint: str = "") -> Case:
    return Case(words, (start,), stage, hint, repeat=start.begin)


training_step = _Training(
    "training step",
    ("losses", "parameter moves"),
    _Trained(step),
    lambda: [
        _case("1 step with 3 sequences of 5 digits", _PLAIN),
        _case("1 step with 2 sequences of 8 digits", Start(Reverse(8, 10), 2)),
        _case("3 steps with momentum, with the same 4 sequences of 6 digits", _MOMENTUM, 1, _IN_PLACE),
        _case("1 step of a model with gradients from before", replace(_PLAIN, left=True), 1, _IN_PLACE),
        _case("1 step with answers that are not determined", Start(Repeat(6, 5, 2, 3), 4), _LATER),
    ],
    _BUGS,
    "Checked: the loss and what moves, three steps in a row, momentum, and gradients from before.",
    prepare=lambda answer: [(_Trained(fits(answer, "model", "optimiser", "x", "y")), ())],
    show="losses",
)
