"""Queries, keys and values from a learner's own projections, and the mistakes with them."""

from torch import Tensor, nn

from attention_core.practice import recipes

PROJECTIONS = _Q, _K, _V = ("to_query", "to_key", "to_value")


def project(module: nn.Module, x: Tensor, allowed: Tensor | None = None, *, names=PROJECTIONS, **changes):
    """Self-attention with a module's own projections; `names` says which makes what, None for none."""
    q, k, v = (getattr(module, name)(x) if name else x for name in names)
    return recipes.attention(q, k, v, allowed, **changes)


def _mixed(name: str, words: str, why: str, look_at: str, *names: tuple) -> recipes.Slip:
    return recipes.Slip(
        name, words, why, (look_at, r"attention\(", r"return"), tuple({"names": n} for n in names)
    )


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
