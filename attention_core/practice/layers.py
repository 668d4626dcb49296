"""Our layer with a learner's own projections, whose steps can be exchanged for wrong ones."""

import copy
import types
from collections.abc import Callable

from torch import Tensor, nn

from attention_core.attention import AttentionLayer, MultiHeadAttention, SelfAttention
from attention_core.practice import recipes
from attention_core.practice.exercise import Stop

PROJECTIONS = _Q, _K, _V = ("to_query", "to_key", "to_value")
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
    """The layer's answer. changes: steps of the layer, or of `recipes.attention`, to be taken instead."""
    layer = copy.copy(layer)
    steps = {name: changes.pop(name) for name in _STEPS if name in changes}
    give = changes.pop("give", lambda *parts: parts)
    if changes:
        steps["attend"] = lambda self, q, k, v, allowed, *_: recipes.attention(q, k, v, allowed, **changes)
    for name, step in steps.items():
        setattr(layer, name, types.MethodType(step, layer))
    return give(*layer(x, allowed=allowed))


def _by(*names: str | None) -> Callable:
    """A `project` in which these projections make query, key and value; None leaves the words as they are."""

    def project(layer: AttentionLayer, *words: Tensor) -> tuple[Tensor, ...]:
        return tuple(getattr(layer, name)(x) if name else x for name, x in zip(names, words, strict=True))

    return project


def _mixed(name: str, words: str, why: str, look_at: str, *names: tuple) -> recipes.Slip:
    lines = (look_at, r"attention\(", r"return")
    return recipes.Slip(name, words, why, lines, tuple({"project": _by(*of)} for of in names))


PROJECTION_SLIPS = (
    _mixed(
        "value-from-key",
        "to_key makes the values; they have a projection of their own, to_value",
        "What a word is found by and what it hands over are two things.",
        r"\bv\w*\s*=.*to_key|to_key.*to_key",
        (_Q, _K, _K),
    ),
    _mixed(
        "key-from-query",
        "to_query makes the keys; they have a projection of their own, to_key",
        "Scores are then symmetric: “it” would ask “cat” just as “cat” asks “it”.",
        r"\bk\w*\s*=.*to_query|to_query.*to_query",
        (_Q, _Q, _V),
    ),
    _mixed(
        "value-from-query",
        "to_query makes the values; they have a projection of their own, to_value",
        "",
        r"\bv\w*\s*=.*to_query|to_query.*to_query",
        (_Q, _K, _Q),
    ),
    _mixed(
        "query-from-key",
        "to_key makes the queries; they have a projection of their own, to_query",
        "",
        r"\bq\w*\s*=.*to_key|to_key.*to_key",
        (_K, _K, _V),
    ),
    _mixed(
        "query-key-swapped",
        "queries and keys have changed places",
        "What a word asks for comes from to_query; what it offers, from to_key.",
        r"\bq\w*\s*=.*to_key|to_key",
        (_K, _Q, _V),
    ),
    _mixed(
        "one-projection",
        "one projection makes queries, keys and values; each has its own",
        "",
        r"to_\w+\(",
        *((name,) * 3 for name in PROJECTIONS),
    ),
    _mixed(
        "no-projection",
        "the words are used as they are; to_query, to_key and to_value come first",
        "",
        r"attention\(",
        (None, None, None),
    ),
    _mixed("query-not-projected", "to_query is not used", "", r"\bq\w*\s*=", (None, _K, _V)),
    _mixed("key-not-projected", "to_key is not used", "", r"\bk\w*\s*=", (_Q, None, _V)),
    _mixed("value-not-projected", "to_value is not used", "", r"\bv\w*\s*=", (_Q, _K, None)),
)
