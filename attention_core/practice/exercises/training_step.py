"""One step of training."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from attention_core.practice.exercise import Bug, Case, Exercise, Stop
from attention_core.tasks import Repeat, Task
from attention_core.transformer import TinyTransformer

_IN_PLACE = "If torch speaks of an inplace operation: optimiser.step() belongs after loss.backward()."
_TASK = Repeat(length=6, vocabulary=5, shortest=2, longest=3)


def step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    *,
    loss_of: Callable = lambda logits, y: cross_entropy(logits.flatten(0, 1), y.flatten()),
    clear: bool = True,
    backward: bool = True,
    update: bool = True,
) -> Tensor:
    """One step of training, each part of which can be left out or exchanged; returns the loss."""
    logits, _ = model(x)  # (batch, n, vocabulary)
    loss = loss_of(logits, y)
    if clear:
        optimiser.zero_grad()
    if backward:
        loss.backward()
    if update:
        optimiser.step()
    return loss


def _trained(answer: Callable) -> Callable:
    """What some steps with the answer do to a small model: `(task, steps) -> (losses, parameters)`."""

    def run(task: Task, steps: int) -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        model = TinyTransformer(task.vocabulary, dim=8, num_heads=1, causal=True)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.3)
        losses = []
        for x, y in task.batches(steps, 4):
            loss = answer(model, optimiser, x, y)
            if loss is None:
                raise Stop("wrong", "it returns nothing: is the return missing?", bug="no-return")
            losses.append(loss.detach() if isinstance(loss, Tensor) else torch.tensor(float(loss)))
        return torch.stack(losses).float(), nn.utils.parameters_to_vector(model.parameters()).detach()

    return run


def _without(**changes) -> Callable:
    return _trained(lambda model, optimiser, x, y: step(model, optimiser, x, y, **changes))


def _with_loss(loss_of: Callable) -> tuple[Callable, ...]:
    return (_without(loss_of=loss_of),)


def _flat(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return logits.flatten(0, 1), y.flatten()


training_step = Exercise(
    "training step",
    ("losses", "parameters"),
    _trained(step),
    lambda: [
        Case("1 step with 4 sequences of 6 tokens", (_TASK, 1)),
        Case("3 steps with 4 sequences of 6 tokens", (_TASK, 3), 0, _IN_PLACE),
    ],
    (
        Bug(
            "no-zero-grad",
            "gradients of earlier steps are still in: optimiser.zero_grad() is missing",
            "backward() adds to what is there, so every step repeats all before it.",
            (r"backward", r"step\("),
            (_without(clear=False),),
        ),
        Bug(
            "nothing-moves",
            "no parameter moves: loss.backward() comes before optimiser.step(), and both must be there",
            "Without a gradient of this loss the step has nothing to follow.",
            (r"step\(", r"backward", r"return"),
            (_without(backward=False), _without(update=False)),
        ),
        Bug(
            "loss-of-weights",
            "softmax is taken before cross_entropy, which takes one itself",
            "It still learns, but slowly: the loss can never come near 0.",
            (r"softmax", r"cross_entropy"),
            _with_loss(lambda logits, y: cross_entropy(*_flat(logits.softmax(-1), y))),
        ),
        Bug(
            "loss-of-everything",
            "answers that are not determined are counted: leave IGNORE out, as cross_entropy does by itself",
            "",
            (r"clamp|where|IGNORE", r"cross_entropy"),
            _with_loss(lambda logits, y: cross_entropy(*_flat(logits, y.clamp(min=0)))),
        ),
        Bug(
            "loss-summed",
            "the loss is a sum over all answers; the mean does not depend on how many there are",
            "",
            (r"sum", r"cross_entropy"),
            _with_loss(lambda logits, y: cross_entropy(*_flat(logits, y), reduction="sum")),
        ),
        Bug(
            "answers-out-of-order",
            "logits and answers are flattened in different orders, so each is compared with another's",
            "",
            (r"transpose|\.mT|\.T\b|permute", r"view|reshape|flatten", r"cross_entropy"),
            _with_loss(lambda logits, y: cross_entropy(logits.transpose(0, 1).flatten(0, 1), y.flatten())),
        ),
    ),
    "Checked: loss and parameters after one step and after three, and answers that are not determined.",
    prepare=lambda answer: [(_trained(answer), ())],
    show="losses",
)
