"""A pre-norm block."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attention_core.masks import causal_mask
from attention_core.practice.exercise import Bug, Case, Exercise, Stop, Subject, random
from attention_core.practice.modules import begun

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


def _made(answer) -> list[Subject]:
    """The learner's block, with norms that do something, so that it matters which is used where."""
    module = begun(answer, (8, 2))
    missing = [name for name in _PARTS if not isinstance(getattr(module, name, None), nn.Module)]
    if missing:
        raise Stop("wrong", "{layer} is missing: leave __init__ as it was", layer=missing[0])
    with torch.no_grad():
        for place, name in enumerate(("norm_1", "norm_2")):
            for parameter in getattr(module, name).parameters():
                parameter.add_(0.3 * random(*parameter.shape, seed=70 + place))
    return [(module, (module,))]


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
    learns=1,
    of_module=True,
)
