"""A post-norm layer, as BERT has it: each norm after its sum."""

import functools
import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from attention_core._calling import Failed, call
from attention_core.attention import MultiHeadAttention
from attention_core.practice.exercise import Bug, Case, Exercise, Subject, Trial, random, same
from attention_core.practice.exercises.pre_norm import TWO_THINGS, block
from attention_core.practice.exercises.training_step import fits
from attention_core.practice.reshapes import telling
from attention_core.probes import Verdict

_NORM = (r"norm_[12]\(", r"\breturn\b")
_NAMES = ("x", "attention", "feed_forward", "norm_1", "norm_2")
_HINT = "x is (batch, n, dim), or (n, dim); attention(x) gives two things, what it says and the weights."


def post_norm_layer(
    x: Tensor, attention: Callable, feed_forward: Callable, norm_1: Callable, norm_2: Callable, **changes
) -> Tensor:
    """What the layer makes of x; changes: as of `block`, to exchange a step for a wrong one."""
    parts = SimpleNamespace(attention=attention, feed_forward=feed_forward, norm_1=norm_1, norm_2=norm_2)
    right = {"before": ("", ""), "after": ("norm_1", "norm_2")}
    return block(parts, x, **(right | changes))[0]


def _right(x: Tensor, attention: Callable, feed_forward: Callable, norm_1: Callable, norm_2: Callable):
    """The reference; `block` leaves on its way what right answers do, so that no line is wrong for it."""
    return post_norm_layer(x, attention, feed_forward, norm_1, norm_2)


@functools.cache
def _made(dim: int, heads: int, seed: int) -> tuple[nn.Module, ...]:
    """Parts whose numbers make a difference: norms that are not 1 and 0."""
    feed_forward = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
    made = MultiHeadAttention(dim, heads), feed_forward, nn.LayerNorm(dim), nn.LayerNorm(dim)
    with torch.no_grad():
        for k, parameter in enumerate(p for part in made for p in part.parameters()):
            parameter.copy_(random(*parameter.shape, seed=seed + k))
    return tuple(part.requires_grad_(False) for part in made)


def _cases() -> list[Case]:
    return [
        Case("1 sequence of 3 words, dim = 4", (random(1, 3, 4, seed=1200), *_made(4, 2, 1210)), hint=_HINT),
        Case("2 sequences of 5 words, dim = 6", (random(2, 5, 6, seed=1201), *_made(6, 3, 1250)), hint=_HINT),
    ]


def _about(trials: list[Trial], answer) -> Iterator[Verdict]:
    """Of a layer: what comes out when its parts say nothing."""
    x, *_parts, norm_1, norm_2 = next(t for t in trials if not t.right).case.inputs

    def silent(y: Tensor, *_more, **_named):
        return torch.zeros_like(y), None

    given = x, silent, torch.zeros_like, norm_1, norm_2
    try:
        made = call(answer, *given).answer
    except Failed:
        return
    if isinstance(made, Tensor) and not same(made, norm_2(norm_1(x))):
        yield Verdict("norms alone", False, "when its parts say nothing, it does not give norm_2(norm_1(x))")


def _bug(
    name: str, words: str, *changes: dict | Callable, why: str = "", look_at: tuple[str, ...] = _NORM
) -> Bug:
    made = (c if callable(c) else functools.partial(post_norm_layer, **c) for c in changes)
    return Bug(name, words, why, look_at, tuple(made))


def _feed_forward_first(x: Tensor, attention: Callable, feed_forward: Callable, norm_1, norm_2) -> Tensor:
    x = norm_2(x + feed_forward(x))
    return norm_1(x + attention(x)[0])


def _norms_in_their_order(x: Tensor, attention: Callable, feed_forward: Callable, norm_1, norm_2) -> Tensor:
    x = norm_1(x + feed_forward(x))
    return norm_2(x + attention(x)[0])


def _sum(first: bool, second: bool) -> dict:
    """Which sums are none: what a part says replaces what was there."""
    changes = {"first": lambda x, normed, attended: attended} if first else {}
    if second:
        changes["second"] = lambda x, attended, middle, normed, thought: thought
    return changes


_ONE, _TWO = "norm_1", "norm_2"
_BUGS = (
    _bug(
        "pre-norm",
        "the norms come before the parts; here they come after the sums, as in BERT",
        *({"before": pair, "after": ("", "")} for pair in itertools.product((_ONE, _TWO), repeat=2)),
        why="The weights were trained with their norms after the sums, and fit nowhere else.",
    ),
    _bug(
        "half-and-half",
        "one norm comes before its part, the other after its sum; both come after",
        {"before": (_ONE, ""), "after": ("", _TWO)},
        {"before": ("", _TWO), "after": (_ONE, "")},
    ),
    _bug(
        "norm-both-ways",
        "a norm stands before a part, besides those after the sums; only those after should stay",
        *({"before": pair} for pair in itertools.product((_ONE, _TWO, ""), repeat=2) if any(pair)),
    ),
    _bug("no-norm", "nothing is normalised; a norm comes after each sum", {"after": ("", "")}, look_at=()),
    _bug(
        "one-norm-missing",
        "one of the two sums is not normalised",
        {"after": (_ONE, "")},
        {"after": ("", _TWO)},
        look_at=(),
    ),
    _bug(
        "one-norm-twice",
        "the same norm comes after both sums; each has its own",
        {"after": (_ONE, _ONE)},
        {"after": (_TWO, _TWO)},
    ),
    _bug("norms-swapped", "the two norms have changed places", {"after": (_TWO, _ONE)}),
    _bug(
        "what-is-said-normed",
        "what a part says is normalised, and then added; normalise the sum",
        {"said": (_ONE, _TWO), "after": ("", "")},
        {"said": (_ONE, ""), "after": ("", _TWO)},
        {"said": ("", _TWO), "after": (_ONE, "")},
        why="That is: norm_1(x + attended), not x + norm_1(attended).",
    ),
    _bug(
        "not-added",
        "a part replaces what was there; it should be added to it",
        *(_sum(*which) for which in ((True, True), (True, False), (False, True))),
    ),
    _bug(
        "attention-not-kept",
        "the second sum starts from x; it should start from what norm_1 made",
        {"second": lambda x, attended, middle, normed, thought: x + thought},
    ),
    _bug(
        "first-sum-not-normed",
        "the second sum starts from the first as it was; it should start from what norm_1 made of it",
        {"second": lambda x, attended, middle, normed, thought: x + attended + thought},
    ),
    _bug(
        "hears-before-the-norm",
        "feed_forward is given the first sum as it was; it should be given what norm_1 made of it",
        {"hears": lambda x, attended, middle: x + attended},
    ),
    _bug(
        "side-by-side",
        "feed_forward is given x; it should be given what norm_1 made",
        {"hears": lambda x, attended, middle: x},
    ),
    _bug(
        "only-what-was-said",
        "feed_forward is given what attention said; it should be given what norm_1 made",
        {"hears": lambda x, attended, middle: attended},
    ),
    _bug(
        "parts-swapped",
        "feed_forward comes first; attention should",
        _feed_forward_first,
        _norms_in_their_order,
    ),
    _bug(
        "only-half",
        "only one of the two halves is there; attention has a sum and a norm, and so has feed_forward",
        lambda x, attention, feed_forward, norm_1, norm_2: norm_1(x + attention(x)[0]),
        lambda x, attention, feed_forward, norm_1, norm_2: norm_2(x + feed_forward(x)),
        look_at=(r"\breturn\b",),
    ),
    _bug(
        "weights-too",
        "it returns the weights, too; here only what the layer makes of x is wanted",
        lambda x, attention, feed_forward, norm_1, norm_2: (
            post_norm_layer(x, attention, feed_forward, norm_1, norm_2),
            attention(x)[1],
        ),
        look_at=(r"\breturn\b",),
    ),
)


def _prepared(answer) -> list[Subject]:
    return [(telling(fits(answer, *_NAMES), TWO_THINGS, of=answer), ())]


post_norm = Exercise(
    "post-norm",
    ("output",),
    _right,
    _cases,
    _BUGS,
    "Checked: one and two sequences, with norms that are not 1 and 0.",
    prepare=_prepared,
    explain=_about,
)
