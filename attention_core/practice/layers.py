"""Our layer with a learner's own projections, whose steps can be exchanged for wrong ones."""

import contextlib
import copy
import functools
import types
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_core.agreement import SAME
from attention_core.attention import AttentionLayer, MultiHeadAttention, SelfAttention
from attention_core.masks import causal_mask
from attention_core.practice import recipes
from attention_core.practice.exercise import Exercise, Stop, by_place, random
from attention_core.practice.source import line_to_look_at

PROJECTIONS = _Q, _K, _V = ("to_query", "to_key", "to_value")
LARGE = 60 * SAME  # how far apart right answers to `far_apart` may be
_APART = 25  # e to the power of minus that is rounded away
_STEPS = ("project", "split", "merge", "output")  # attend is made of those of `recipes.attention`


def with_projections(module: nn.Module, heads: int | None = None) -> AttentionLayer:
    """Our layer, of one head or several, with the projections of a learner's. Raises: Stop for odd heads."""
    dim = module.to_query.in_features
    try:
        layer = SelfAttention(dim) if heads is None else MultiHeadAttention(dim, heads)
    except ValueError as refusal:
        raise Stop("wrong", "{why}", why=refusal) from refusal
    for name, _ in list(layer.named_children()):
        setattr(layer, name, getattr(module, name))
    return layer


def attend(
    _module: nn.Module, layer: AttentionLayer, x: Tensor, allowed: Tensor | None = None, **changes
) -> tuple[Tensor, Tensor]:
    """The layer's answer. changes: steps of the layer, or of `recipes.attention`, to be taken instead.

    after: what is done at the end to the output, beside x. Masks that a right answer may make on its way are
    made here, too, so that no line is wrong for it.
    """
    if allowed is not None:
        _made = allowed, ~allowed
    layer = copy.copy(layer)
    after = changes.pop("after", None)
    steps = {name: changes.pop(name) for name in _STEPS if name in changes}
    give = changes.pop("give", lambda *parts: parts)
    if changes:
        steps["attend"] = lambda self, q, k, v, allowed, *_: recipes.attention(q, k, v, allowed, **changes)
    for name, step in steps.items():
        setattr(layer, name, types.MethodType(step, layer))
    output, weights = layer(x, allowed=allowed)
    return give(output if after is None else after(x, output), weights)


def looking_at(step: Callable, *patterns: str) -> Callable:
    """The step, and patterns for the line that takes it. For what is wrong only in its place, or its use."""
    step.lines = patterns
    return step


class OfALayer(Exercise):
    """An exercise of a module, in which a right number may be the wrong one: a key is no value."""

    def _where(self, trial, answer, bug, wrong) -> tuple[int, str] | None:
        patterns = [x for step in wrong.keywords.values() for x in getattr(step, "lines", ())]
        return line_to_look_at(answer, *patterns) or super()._where(trial, answer, bug, wrong)


def _by(*names: str | None) -> Callable:
    """A `project` in which these projections make query, key and value; None leaves the words as they are."""

    def project(layer: AttentionLayer, *words: Tensor) -> tuple[Tensor, ...]:
        return tuple(getattr(layer, name)(x) if name else x for name, x in zip(names, words, strict=True))

    return project


def _mixed(name: str, words: str, why: str, look_at: str, *names: tuple) -> recipes.Slip:
    lines = (look_at, r"attention\(", r"return")
    return recipes.Slip(
        name, words, why, lines, tuple({"project": looking_at(_by(*of), look_at)} for of in names)
    )


def _of_projections(
    name: str, words: str, why: str, look_at: tuple[str, ...], *ways: Callable
) -> recipes.Slip:
    return recipes.Slip(name, words, why, look_at, tuple({"project": way} for way in ways), rare=True)


def _all_three(layer: AttentionLayer, x: Tensor) -> tuple[Tensor, ...]:
    return layer.to_query(x), layer.to_key(x), layer.to_value(x)


def _activated(
    activation: Callable, how_many: int, layer: AttentionLayer, x: Tensor, *_
) -> tuple[Tensor, ...]:
    """The first so many of them go through the activation."""
    projected = _all_three(layer, x)
    return (*map(activation, projected[:how_many]), *projected[how_many:])


def _by_the_weight(layer: AttentionLayer, x: Tensor, *_, with_bias: bool) -> tuple[Tensor, ...]:
    layers = (layer.to_query, layer.to_key, layer.to_value)
    return tuple(
        x @ one.weight + one.bias if with_bias and one.bias is not None else x @ one.weight for one in layers
    )


def _changed_first(change: Callable, layer: AttentionLayer, x: Tensor, *_) -> tuple[Tensor, ...]:
    changed = change(x)
    return _all_three(layer, changed)


def _in_a_chain(layer: AttentionLayer, x: Tensor, *_) -> tuple[Tensor, ...]:
    query = layer.to_query(x)
    key = layer.to_key(query)
    return query, key, layer.to_value(key)


PROJECTION_SLIPS = (
    _mixed(
        "value-from-key",
        "to_key makes the values; they have a projection of their own, to_value",
        "What a word is found by and what it hands over are two things.",
        r"^v\w*\s*=.*to_key|to_key.*to_key",
        (_Q, _K, _K),
    ),
    _mixed(
        "key-from-query",
        "to_query makes the keys; they have a projection of their own, to_key",
        "Scores are then symmetric: “it” would ask “cat” just as “cat” asks “it”.",
        r"^k\w*\s*=.*to_query|to_query.*to_query",
        (_Q, _Q, _V),
    ),
    _mixed(
        "value-from-query",
        "to_query makes the values; they have a projection of their own, to_value",
        "",
        r"^v\w*\s*=.*to_query|to_query.*to_query",
        (_Q, _K, _Q),
    ),
    _mixed(
        "query-from-key",
        "to_key makes the queries; they have a projection of their own, to_query",
        "",
        r"^q\w*\s*=.*to_key|to_key.*to_key",
        (_K, _K, _V),
    ),
    _mixed(
        "query-key-swapped",
        "queries and keys have changed places",
        "What a word asks for comes from to_query; what it offers, from to_key.",
        r"^q\w*(, ?\w+)*\s*=[ (]*self\.to_key|^k\w*\s*=[ (]*self\.to_query",
        (_K, _Q, _V),
    ),
    _mixed(
        "one-projection",
        "one projection makes queries, keys and values; each has its own",
        "",
        r"(\bq|\bk|\bv)\w*\s*=\s*\w+\s*=|$^",
        *((name,) * 3 for name in PROJECTIONS),
    ),
    _mixed(
        "no-projection",
        "the words are used as they are; to_query, to_key and to_value come first",
        "",
        r"attention\(",
        (None, None, None),
    ),
    _mixed(
        "query-not-projected",
        "the queries are x as it is; they should be to_query(x)",
        "",
        r"^q\w*\s*=(?!.*to_query)",
        (None, _K, _V),
    ),
    _mixed(
        "key-not-projected",
        "the keys are x as it is; they should be to_key(x)",
        "",
        r"^k\w*\s*=(?!.*to_key)",
        (_Q, None, _V),
    ),
    _mixed(
        "value-not-projected",
        "the values are x as it is; they should be to_value(x)",
        "",
        r"^v\w*\s*=(?!.*to_value)",
        (_Q, _K, None),
    ),
    _of_projections(
        "activation",
        "what the projections give goes through an activation; a projection is a matrix only",
        "Of a ReLU nothing below 0 is left, so nothing can be asked for negatively.",
        (r"relu|gelu|tanh|sigmoid", r"return"),
        *(
            functools.partial(_activated, f, how_many)
            for f in (F.relu, F.gelu, torch.tanh, torch.sigmoid)
            for how_many in (2, 3)
        ),
    ),
    _of_projections(
        "weight-not-transposed",
        "x @ weight is another product than the layer's, which is x @ weight.T: call the layer",
        "",
        (r"@.*weight|matmul|einsum|weight",),
        functools.partial(_by_the_weight, with_bias=True),
        functools.partial(_by_the_weight, with_bias=False),
    ),
    _of_projections(
        "one-after-the-other",
        "a projection is taken of another one's result; all three are taken of x",
        "",
        (r"to_(key|value)\((?!x\b)", r"to_\w+\("),
        _in_a_chain,
        lambda layer, x, *_: (layer.to_query(x), layer.to_key(layer.to_query(x)), layer.to_value(x)),
        lambda layer, x, *_: (layer.to_query(x), layer.to_key(x), layer.to_value(layer.to_key(x))),
    ),
    _of_projections(
        "words-changed-first",
        "the words are centred or brought to one size first; project x as it is",
        "",
        (r"mean|std|norm|max|softmax", r"to_\w+\("),
        *(
            functools.partial(_changed_first, change)
            for change in (
                lambda x: x - x.mean(-1, keepdim=True),
                lambda x: x - x.mean(-2, keepdim=True),
                lambda x: F.layer_norm(x, x.shape[-1:]),
                lambda x: F.normalize(x, dim=-1),
            )
        ),
    ),
    recipes.Slip(
        "residual",
        "x is added to the output; attention gives the average alone",
        "Adding x belongs to a block, which comes later.",
        (r"\+\s*x\b|\bx\s*\+", r"return"),
        ({"after": lambda x, output: x + output},),
        rare=True,
    ),
)


def far_apart(layer: AttentionLayer, *sizes: int) -> Tensor:
    """Words with scores of some thousands, of which one is the best of each row, however one rounds."""
    causal = causal_mask(sizes[-1])
    for seed in range(70, 110):
        x = 60 * random(*sizes, layer.dim, seed=seed)
        with torch.no_grad():
            q, k, _ = (layer.split(part) for part in layer.project(x, x, x))
            scores = q @ k.mT / q.shape[-1] ** 0.5
        masked = scores.masked_fill(~causal, -torch.inf)
        two = torch.stack([scores, masked]).topk(2).values
        if (two[..., 0] - two[..., 1]).min() > _APART:
            break
    return x


def one_module(module: nn.Module) -> Callable:
    """A learner's module as a check calls it: where it stops at a known mistake, that is said in words."""
    return recipes.telling(recipes.asking_for_a_mask(module, by_place(module), 1))


@contextlib.contextmanager
def naming_what_init_lacks() -> Iterator[None]:
    """A module whose __init__ stops for want of torch's own is told so."""
    try:
        yield
    except Stop as stop:
        if "before Module.__init__() call" not in stop.data.get("said", ""):
            raise
        said = "super().__init__() is missing: it comes first in __init__, before the layers"
        raise Stop("wrong", said, bug="no-super", details=stop.details, where=stop.where) from stop
