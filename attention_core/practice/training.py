"""The exercises of lesson 04: a training step, a probe of a whole model, a pre-norm block."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from attention_core._calling import a
from attention_core.masks import causal_mask
from attention_core.practice.exercise import Bug, Case, Exercise, Stop, random
from attention_core.practice.modules import begun
from attention_core.tasks import Repeat, Task
from attention_core.transformer import TinyTransformer

# --- one step of training ------------------------------------------------------------------------------

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
    prepare=lambda answer: (_trained(answer), ()),
    show="losses",
)

# --- a probe: does a model look ahead? -----------------------------------------------------------------


class _SeesNext(TinyTransformer):
    """A causal model whose mask is off by one: each position sees the next one, too."""

    def forward(self, tokens: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True):
        n = tokens.shape[-1]
        allowed = causal_mask(n) | torch.ones(n, n, dtype=torch.bool).tril(1)
        self.causal = False
        try:
            return super().forward(tokens, allowed, need_weights=need_weights)
        finally:
            self.causal = True


_MODELS = {
    "a causal model": lambda: TinyTransformer(10, causal=True, num_layers=2),
    "a model without a mask": lambda: TinyTransformer(10, num_layers=2),
    "a model whose mask is off by one": lambda: _SeesNext(10, causal=True),
    "another causal model": lambda: TinyTransformer(10, dim=16, causal=True),
}


def _probed(answer: Callable) -> Callable:
    """What a probe says of one of the models."""

    def run(name: str) -> Tensor:
        torch.manual_seed(0)
        said = answer(_MODELS[name]().eval())
        if said is None or said is ...:
            return said
        if not isinstance(said, bool | Tensor) or (isinstance(said, Tensor) and said.numel() != 1):
            got = f"a tensor of shape {tuple(said.shape)}" if isinstance(said, Tensor) else a(said)
            raise Stop("wrong", f"the probe should return True or False; it returned {got}")
        return torch.tensor([bool(said)])

    return run


def probe(
    model: nn.Module, *, change: int = -1, until: int | None = -1, from_: int = 0, negate: bool = False
) -> bool:
    """Whether answers move when a token is changed; by default the last token, and answers before it."""
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    changed = tokens.clone()
    changed[0, change] = 0
    with torch.no_grad():  # no rounding is in between: what sees no change is computed from the same numbers
        moved = (model(tokens)[0] - model(changed)[0]).abs()[0, from_:until].max() > 1e-5
    return bool(moved) != negate


def _saying(**changes) -> Callable:
    return _probed(lambda model: probe(model, **changes))


looks_ahead = Exercise(
    "a probe for looking ahead",
    ("verdict",),
    _probed(probe),
    lambda: [Case(name, (name,)) for name in _MODELS],
    (
        Bug(
            "true-of-all",
            "it finds something in every model, even in a right one",
            "The changed place itself, and all after it, may move: compare only what comes before.",
            (r"model\(", r"\[.*\]", r"return"),
            (_saying(until=None), _saying(change=0, from_=1, until=None), _probed(lambda model: True)),
        ),
        Bug(
            "too-far",
            "it looks too far before the change, and misses a mask that is off by one",
            "Look at every position before the changed one, the nearest too.",
            (r"\[.*:.*\]", r"return"),
            (_saying(until=-2), _saying(until=1)),
        ),
        Bug(
            "negated",
            "True and False are the wrong way round: True means that it looks ahead",
            "",
            (r"return",),
            (_saying(negate=True),),
        ),
        Bug(
            "always-false",
            "it never finds anything: is the changed sequence the one that the model is given?",
            "",
            (r"clone|changed", r"return"),
            (_probed(lambda model: False),),
        ),
    ),
    "Checked: two right models, one without a mask, and one whose mask is off by one.",
    prepare=lambda answer: (_probed(answer), ()),
)

# --- a pre-norm block ----------------------------------------------------------------------------------

_PARTS = ("attention", "norm_1", "norm_2", "feed_forward")


def block(
    module: nn.Module,
    x: Tensor,
    allowed: Tensor | None = None,
    *,
    before: tuple[str, str] = ("norm_1", "norm_2"),
    after: tuple[str, str] = ("", ""),
    keep: tuple[bool, bool] = (True, True),
    from_normed: bool = False,
    pass_mask: bool = True,
) -> tuple[Tensor, Tensor]:
    """A transformer block with a module's own parts, in which norms and sums can stand elsewhere."""

    def norm(name: str, x: Tensor) -> Tensor:
        return getattr(module, name)(x) if name else x

    normed = norm(before[0], x)
    attended, weights = module.attention(normed, allowed=allowed if pass_mask else None)
    x = norm(after[0], ((normed if from_normed else x) if keep[0] else 0) + attended)
    normed = norm(before[1], x)
    thought = module.feed_forward(normed)
    return norm(after[1], ((normed if from_normed else x) if keep[1] else 0) + thought), weights


def _made(answer) -> tuple[Callable, tuple]:
    """The learner's block, with norms that do something, so that it matters which is used where."""
    module = begun(answer, (8, 2))
    missing = [name for name in _PARTS if not isinstance(getattr(module, name, None), nn.Module)]
    if missing:
        raise Stop("wrong", f"{missing[0]} is missing: leave __init__ as it was")
    with torch.no_grad():
        for place, name in enumerate(("norm_1", "norm_2")):
            for parameter in getattr(module, name).parameters():
                parameter.add_(0.3 * random(*parameter.shape, seed=70 + place))
    return module, (module,)


def _placed(**changes) -> tuple[Callable, ...]:
    return (lambda module, x, allowed=None: block(module, x, allowed, **changes),)


_NORM = (r"norm", r"attention\(|feed_forward\(", r"return")

pre_norm = Exercise(
    "pre-norm block",
    ("output", "weights"),
    block,
    lambda module: [
        Case("1 sequence of 3 words", (3 * random(1, 3, 8, seed=73),)),
        Case("2 sequences of 5 words", (3 * random(2, 5, 8, seed=74),)),
        Case("4 words and a causal mask", (3 * random(1, 4, 8, seed=75), causal_mask(4)), 1),
    ],
    (
        Bug(
            "post-norm",
            "the norm comes after the sum; it should come before each part, with the sum left alone",
            "What went in is normalised away, layer by layer.",
            _NORM,
            _placed(before=("", ""), after=("norm_1", "norm_2")),
        ),
        Bug(
            "norm-both-ways",
            "there are norms before the parts and after the sums; only those before should stay",
            "",
            _NORM,
            _placed(after=("norm_1", "norm_2")),
        ),
        Bug("no-norm", "nothing is normalised", "", _NORM, _placed(before=("", ""))),
        Bug(
            "one-norm-missing",
            "one of the two parts is given what was not normalised",
            "",
            _NORM,
            (*_placed(before=("", "norm_2")), *_placed(before=("norm_1", ""))),
        ),
        Bug(
            "one-norm-twice",
            "the same norm is used for both parts; each has its own",
            "",
            _NORM,
            (*_placed(before=("norm_1", "norm_1")), *_placed(before=("norm_2", "norm_2"))),
        ),
        Bug(
            "norms-swapped",
            "the two norms have changed places",
            "",
            _NORM,
            _placed(before=("norm_2", "norm_1")),
        ),
        Bug(
            "sum-of-normed",
            "the normalised words are added to; the words themselves should be",
            "The path that meets nothing but additions is then gone.",
            _NORM,
            _placed(from_normed=True),
        ),
        Bug(
            "not-added",
            "a part replaces what was there; it should be added to it",
            "Without the sum each layer has to keep everything it wants remembered.",
            (r"attended", r"feed_forward", r"return"),
            (*_placed(keep=(False, True)), *_placed(keep=(True, False)), *_placed(keep=(False, False))),
        ),
        Bug(
            "mask-ignored",
            "the mask is never used: allowed is not passed to the attention",
            "",
            (r"attention\(",),
            _placed(pass_mask=False),
        ),
    ),
    "Checked: both norms before their parts, both sums, and a mask.",
    prepare=_made,
)
