"""Grouped heads: several heads of queries share one head of keys and values, and no key is copied for it."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attention_core._calling import Failed, call
from attention_core._saying import number
from attention_core.agreement import SAME
from attention_core.practice.exercise import Case, Exercise, Trial, random, same
from attention_core.practice.recipes import Slip, bugs, one_hot
from attention_core.practice.reshapes import Error, telling
from attention_core.practice.result import Result
from attention_core.practice.source import line_to_look_at
from attention_core.probes import Verdict

_LARGE = 60 * SAME  # how far apart right answers to scores of some hundreds may be
_CUT = (r"view|reshape|unflatten|repeat|expand|//|%|\[", r"query", r"return")
_SCALE = (r"sqrt|\*\*|rsqrt", r"@|matmul|einsum")
_SOFTMAX = (r"softmax|exp\(", r"weights", r"return")
_SHARED = (r"repeat|expand|tile|view|reshape|unflatten|//|%|\[", r"@|matmul|einsum")
_OUTPUT = (r"return", r"view|reshape|flatten")
_COPIES = (r"repeat|tile\(|expand|stack|cat\(|index_select|\[:, ?\w", r"@|matmul|einsum|attention\(")
_MANY = (1, 16, 2, 2, 512, 64)  # batch, heads, groups, queries, keys, features: what is asked of memory


def _interleaved(x: Tensor, heads: int) -> Tensor:
    return x.repeat_interleave(heads // x.shape[1], dim=1)


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    shared: Callable = _interleaved,
    of_value: Callable | None = None,
    root: Callable = lambda query, key: math.sqrt(query.shape[-1]),
    asked: Callable = lambda query, key: query,
    hide: Callable = lambda scores: scores,
    normalise: Callable = lambda scores, key: scores.softmax(-1),
    average: Callable = lambda weights, value, key: weights @ value,
    give: Callable = lambda output, key, weights: output,
):
    """Each query's head beside its own copy of the keys; each step can be exchanged for a wrong one."""
    heads = query.shape[1]
    keys, values = shared(key, heads), (of_value or shared)(value, heads)
    scores = asked(query, key) @ keys.transpose(-2, -1) / root(query, key)
    weights = normalise(hide(scores), key)
    output = average(weights, values, keys)
    return give(output, key, weights)


def _right(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    groups, scale = key.shape[1], math.sqrt(query.shape[-1])
    rows = query.unflatten(1, (groups, -1)).flatten(2, 3)
    _made = (
        rows,
        rows @ key.mT,
        (rows @ key.mT / scale).softmax(-1),
        (rows @ key.mT / scale).softmax(-1) @ value,
    )
    _also = query / scale, query @ _interleaved(key, query.shape[1]).mT
    return _attend(query, key, value)


def _qkv(batch: int, heads: int, groups: int, n_q: int, n_k: int, d: int, seed: int, **how) -> tuple:
    shapes = ((batch, heads, n_q, d), (batch, groups, n_k, d), (batch, groups, n_k, d))
    return tuple(random(*shape, seed=seed + i, **how) for i, shape in enumerate(shapes))


def _as_split(x: Tensor) -> Tensor:
    """The same numbers, in memory as heads are that were split off words."""
    return x.transpose(1, 2).contiguous().transpose(1, 2)


def _cases() -> list[Case]:
    hint = "grouped_heads takes query (b, h, n, d), key and value (b, g, n, d), and returns (b, h, n, d)."
    few = _qkv(1, 4, 2, 2, 3, 2, seed=91, decimals=1)
    large = tuple(x * (30 if i < 2 else 1) for i, x in enumerate(_qkv(1, 4, 2, 2, 3, 4, seed=121)))
    made = [
        ("4 heads of queries and 2 of keys; 2 queries, 3 keys", few, 0, SAME),
        ("6 heads and 2; 2 sequences of 5 words", _qkv(2, 6, 2, 5, 5, 4, seed=94), 0, SAME),
        ("6 heads and 3; 3 sequences, 2 queries, 5 keys", _qkv(3, 6, 3, 2, 5, 4, seed=97), 0, SAME),
        ("4 heads that share 1", _qkv(2, 4, 1, 3, 5, 6, seed=100), 0, SAME),
        ("3 heads that share nothing, 3 of keys", _qkv(2, 3, 3, 2, 4, 5, seed=103), 0, SAME),
        ("8 heads and 2; one query and 7 keys", _qkv(2, 8, 2, 1, 7, 4, seed=106), 0, SAME),
        ("4 heads and 2, in float64", _qkv(2, 4, 2, 3, 6, 3, seed=109, dtype=torch.float64), 0, SAME),
        (
            "6 heads and 2, as they are split off words",
            tuple(map(_as_split, _qkv(2, 6, 2, 3, 4, 5, seed=112))),
            1,
            SAME,
        ),
        ("4 heads and 2, with scores of some hundreds", large, 2, _LARGE),
    ]
    # of a batch one head is shown, which has no keys of its own that could stand beside it
    beside = tuple(zip(("query", "key", "value"), few, strict=True))
    return [
        Case(words, inputs, stage, hint, beside if inputs is few else (), near)
        for words, inputs, stage, near in made
    ]


def _tiled(x: Tensor, heads: int) -> Tensor:
    return x.repeat(1, heads // x.shape[1], 1, 1)


def _only(which: int) -> Callable:
    return lambda x, heads: x[:, [which]].expand(-1, heads, -1, -1)


def _members(query: Tensor, key: Tensor) -> int:
    return query.shape[1] // key.shape[1]


def _over_group(scores: Tensor, key: Tensor) -> Tensor:
    """The softmax over the heads of a group."""
    return scores.unflatten(1, (key.shape[1], -1)).softmax(2).flatten(1, 2)


def _over_rows(scores: Tensor, key: Tensor) -> Tensor:
    """The softmax over all queries of a group's heads, which are rows of one there."""
    by_group = scores.unflatten(1, (key.shape[1], -1)).flatten(2, 3).softmax(2)
    return by_group.reshape(scores.shape)


def _over_all_keys_of_rows(scores: Tensor, key: Tensor) -> Tensor:
    by_group = scores.unflatten(1, (key.shape[1], -1)).flatten(2).softmax(-1)
    return by_group.reshape(scores.shape)


def _powers(scores: Tensor, key: Tensor) -> Tensor:
    powers = scores.exp()
    return powers / powers.sum(-1, keepdim=True)


def _averaged(query: Tensor, key: Tensor) -> Tensor:
    by_group = query.unflatten(1, (key.shape[1], -1)).mean(2, keepdim=True)
    return by_group.expand(-1, -1, _members(query, key), -1, -1).flatten(1, 2)


def _one_for_its_group(query: Tensor, key: Tensor) -> Tensor:
    first = query.unflatten(1, (key.shape[1], -1))[:, :, :1]
    return first.expand(-1, -1, _members(query, key), -1, -1).flatten(1, 2)


def _exchanged(output: Tensor, key: Tensor, _weights: Tensor) -> Tensor:
    """The heads as if the members of a group came before the groups."""
    return output.unflatten(1, (key.shape[1], -1)).transpose(1, 2).flatten(1, 2)


def _exchanged_back(output: Tensor, key: Tensor, _weights: Tensor) -> Tensor:
    return output.unflatten(1, (-1, key.shape[1])).transpose(1, 2).flatten(1, 2)


def _rows_mixed(output: Tensor, key: Tensor, _weights: Tensor) -> Tensor:
    """Rows of a group taken for (n, members) where they are (members, n)."""
    rows = output.unflatten(1, (key.shape[1], -1)).flatten(2, 3)
    return rows.unflatten(2, (output.shape[2], -1)).transpose(2, 3).flatten(1, 2)


def _causal(scores: Tensor) -> Tensor:
    seen = torch.ones(scores.shape[-2:], dtype=torch.bool)
    return scores.masked_fill(~seen.tril(scores.shape[-1] - scores.shape[-2]), -math.inf)


def _lower_half(scores: Tensor) -> Tensor:
    return scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool).tril(), -math.inf)


def _slip(name: str, words: str, look_at: tuple, *variants: dict, why: str = "", rare: bool = True) -> Slip:
    return Slip(name, words, why, look_at, variants, rare)


_SLIPS = (
    _slip(
        "tile-for-interleave",
        "head i has the keys and values of head i % g; it should have those of head i // (h / g)",
        _SHARED,
        {"shared": _tiled},
        why="Neighbours share: of 4 heads and 2, heads 0 and 1 have the first keys. repeat takes turns.",
        rare=False,
    ),
    _slip(
        "key-tiled",
        "head i has the keys of head i % g, but the values of its group; both should be its group's",
        _SHARED,
        {"shared": _tiled, "of_value": _interleaved},
        rare=False,
    ),
    _slip(
        "value-tiled",
        "head i has the values of head i % g, but the keys of its group; both should be its group's",
        _SHARED,
        {"of_value": _tiled},
        rare=False,
    ),
    _slip(
        "one-group-for-all",
        "all heads share one head of keys, though there are more",
        _SHARED,
        *({"shared": _only(i)} for i in (0, -1)),
        *({"of_value": _only(i)} for i in (0, -1)),
        *({"shared": _only(i), "of_value": _interleaved} for i in (0, -1)),
    ),
    _slip(
        "groups-averaged",
        "the groups' keys or values are averaged; a head has those of its own group",
        (r"mean|sum", *_SHARED),
        *(
            {name: lambda x, heads, of=of: of(x, 1, keepdim=True).expand(-1, heads, -1, -1)}
            for name in ("shared", "of_value")
            for of in (torch.mean, torch.sum)
        ),
    ),
    _slip(
        "groups-reversed",
        "the groups are in reverse order: the first heads should share the first keys",
        (r"flip|-\s*1", *_SHARED),
        {"shared": lambda x, heads: _interleaved(x, heads).flip(1)},
    ),
    _slip(
        "queries-averaged",
        "the queries of a group are averaged; each head keeps its own queries, only keys are shared",
        (r"mean|sum", *_CUT),
        {"asked": _averaged},
        {"asked": lambda query, key: _averaged(query, key) * _members(query, key)},
        {"asked": _averaged, "give": lambda output, key, _: output[:, :: output.shape[1] // key.shape[1]]},
    ),
    _slip(
        "one-query-for-a-group",
        "the first head's queries stand for all of its group; each head keeps its own",
        (r"\[.*::|\[.*:\s*1|\[.*0", *_CUT),
        {"asked": _one_for_its_group},
    ),
    _slip(
        "no-scale",
        "these are the weights without ÷ √d",
        (r"@|matmul|einsum",),
        {"root": lambda query, key: 1},
        why="Scores grow with the number of features, and softmax then sees almost one key only.",
        rare=False,
    ),
    _slip(
        "one-over-d",
        "the scores are divided by d; it should be by √d",
        _SCALE,
        {"root": lambda query, key: query.shape[-1]},
        rare=False,
    ),
    _slip(
        "root-of-another-size",
        "the scores are divided by the root of another size; it should be √d, the features of a head",
        _SCALE,
        {"root": lambda query, key: math.sqrt(query.shape[-1] * query.shape[1])},
        {"root": lambda query, key: math.sqrt(query.shape[-1] * key.shape[1])},
        {"root": lambda query, key: math.sqrt(query.shape[-1] * _members(query, key))},
        {"root": lambda query, key: math.sqrt(query.shape[1])},
        {"root": lambda query, key: math.sqrt(key.shape[1])},
        {"root": lambda query, key: math.sqrt(_members(query, key))},
        {"root": lambda query, key: math.sqrt(key.shape[-2])},
        {"root": lambda query, key: math.sqrt(query.shape[-2])},
        *({"root": lambda query, key, n=n: math.sqrt(n)} for n in (8, 16, 32, 64, 128)),
        rare=False,
    ),
    _slip(
        "over-queries",
        "the softmax runs over the queries; it should run over the keys, dim=-1",
        _SOFTMAX,
        {"normalise": lambda scores, key: scores.softmax(-2)},
        {"normalise": _over_rows},
        why="Each row should sum to 1: a query shares out its attention over the keys.",
        rare=False,
    ),
    _slip(
        "over-heads",
        "the softmax runs over heads; it should run over the keys, dim=-1",
        _SOFTMAX,
        {"normalise": _over_group},
        {"normalise": lambda scores, key: scores.softmax(1)},
        {"normalise": lambda scores, key: scores.softmax(0)},
        {"normalise": lambda scores, key: scores.unflatten(1, (key.shape[1], -1)).softmax(1).flatten(1, 2)},
    ),
    _slip(
        "over-all",
        "the softmax runs over several rows at once; each query has a row of its own, dim=-1",
        _SOFTMAX,
        {"normalise": _over_all_keys_of_rows},
        {"normalise": lambda scores, key: scores.flatten(2).softmax(-1).view_as(scores)},
    ),
    _slip(
        "no-softmax",
        "the values are averaged by the scores; a softmax makes weights of them first",
        _SOFTMAX,
        {"normalise": lambda scores, key: scores},
    ),
    _slip(
        "argmax",
        "each query gets one key's value; softmax shares out the weights",
        (r"argmax|max|one_hot", *_SOFTMAX),
        {"normalise": lambda scores, key: one_hot(scores)},
    ),
    _slip(
        "overflow",
        "large scores overflow in e^score; subtract the row's largest first, or take softmax(-1)",
        _SOFTMAX,
        {"normalise": _powers},
    ),
    _slip(
        "masked",
        "a causal mask hides keys; here there is none, every query sees every key",
        (r"mask|tril|triu|causal", *_SOFTMAX),
        {"hide": _causal},
        {"hide": _lower_half},
    ),
    _slip(
        "key-for-value",
        "the weights average the keys; they should average the values",
        _SHARED,
        {"average": lambda weights, value, key: weights @ key},
    ),
    _slip(
        "heads-exchanged",
        "the heads come back in another order: those of one group should be neighbours, as they were",
        _OUTPUT,
        {"give": _exchanged},
        {"give": _exchanged_back},
        why="(b, g, h/g, n, d), in this order, is flattened to (b, h, n, d).",
        rare=False,
    ),
    _slip(
        "rows-mixed",
        "a head comes back with rows of its group's other heads: a group's rows are h/g heads of n",
        _OUTPUT,
        {"give": _rows_mixed},
        why="(b, g, h/g · n, d) is cut into (b, g, h/g, n, d), in this order.",
        rare=False,
    ),
    _slip(
        "not-flattened",
        "groups and their members are still two axes; the heads are one: (b, h, n, d)",
        _OUTPUT,
        {"give": lambda output, key, _: output.unflatten(1, (key.shape[1], -1))},
        {"give": lambda output, key, _: output.unflatten(1, (key.shape[1], -1)).flatten(2, 3)},
        {"give": lambda output, key, _: output.unflatten(1, (key.shape[1], -1)).transpose(1, 2)},
    ),
    _slip(
        "merged",
        "the heads are merged into one row a word; leave them apart: (b, h, n, d)",
        _OUTPUT,
        {"give": lambda output, key, _: output.transpose(1, 2).flatten(2)},
        {"give": lambda output, key, _: output.transpose(1, 2)},
    ),
    _slip(
        "one-of-each-group",
        "one head of each group comes out, or their mean; there should be all h of them",
        _OUTPUT,
        {"give": lambda output, key, _: output[:, :: output.shape[1] // key.shape[1]]},
        {"give": lambda output, key, _: output.unflatten(1, (key.shape[1], -1)).mean(2)},
        {"give": lambda output, key, _: output.unflatten(1, (key.shape[1], -1)).sum(2)},
        {"give": lambda output, key, _: output[:, : key.shape[1]]},
    ),
    _slip(
        "weights-too",
        "the weights come, too; here the output is all that is returned",
        (r"return",),
        {"give": lambda output, key, weights: (output, weights)},
        {"give": lambda output, key, weights: (output, weights.unflatten(1, (key.shape[1], -1)))},
        {"give": lambda output, key, weights: weights},
    ),
)
_NO_MEETING = "h heads of queries meet g heads of keys: torch shares an axis by itself only if it is 1"
_ERRORS = (
    Error(
        "four-axes-turned",
        RuntimeError,
        r"must match the size|[Ee]xpected size|batch1|shapes cannot be multiplied",
        ".T turns all four axes around; .mT, or transpose(-2, -1), turns the last two",
        "Of (b, g, n, d) .T makes (d, n, g, b).",
        line=r"\w\.T\b",
    ),
    Error(
        "expanded-from-groups",
        RuntimeError,
        r"expanded size of the tensor",
        "expand widens only an axis of 1, and the groups are an axis of their own size",
        "Let the queries of a group be rows below each other: (b, g, h/g · n, d); then the keys fit.",
        line=r"expand\(",
    ),
    Error(
        "heads-do-not-meet",
        RuntimeError,
        r"must match the size|not broadcastable|[Ee]xpected size|batch1|enable_gqa|number of heads",
        _NO_MEETING,
        "Let a group's queries be rows below each other: (b, h, n, d) → (b, g, h/g · n, d).",
        line=r"\b(query|q|key|k)\b.*@|matmul|einsum|attention\(",
    ),
    Error(
        "view-refuses",
        RuntimeError,
        r"^view size is not compatible",
        "view cannot join heads that lie apart in memory, as after a split: reshape copies the few queries",
        "Keys need no reshape at all, and are not copied then.",
    ),
)


def _largest_kept(function: Callable, *heads: Tensor) -> int:
    """Bytes of the largest tensor, beside the inputs, that the way back to the keys needs; 0 if it stops.

    What is multiplied is kept for that, so it shows also what a matmul copies by itself.
    """
    kept = [0]

    def watched(*given: Tensor):
        given = [x.requires_grad_() for x in given]
        own = {x.untyped_storage().data_ptr() for x in given}

        def pack(x: Tensor) -> Tensor:
            if x.untyped_storage().data_ptr() not in own:
                kept.append(x.untyped_storage().nbytes())
            return x

        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            return function(*given)

    try:
        call(watched, *heads)
    except Failed:  # it stops here, and nowhere else
        return 0
    return max(kept)


class _Sharing(Exercise):
    """A check that also looks whether right numbers were made of copied keys."""

    def _beyond_the_numbers(self, trials: list[Trial], answer) -> Result:
        query, key, value = _qkv(*_MANY, seed=130)
        largest = _largest_kept(trials[0].subject[0], query, key, value)
        if largest > key.nbytes:  # scores of all heads are a quarter of that
            where = line_to_look_at(answer, *_COPIES)
            said = (
                f"For {_MANY[1]} heads of queries, {_MANY[2]} of keys and {_MANY[4]} keys something of "
                f"{largest // 1024} kB is made; the keys have {key.nbytes // 1024} kB.",
                "Let queries become rows instead: a matmul with an axis of 1 copies the keys, too.",
            )
            words = "the numbers are right, but the keys are copied for each head; a view shares them"
            return Result(self.name, "wrong", words, "copied", said, where=where)
        return super()._beyond_the_numbers(trials, answer)


def _about_heads(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Which heads are wrong, and whether their rows are averages of their values."""
    wrong = next(t for t in trials if not t.right)
    (_query, _key, value), got, right = wrong.case.inputs, wrong.got.detach(), wrong.expected[0]
    heads = [i for i in range(right.shape[1]) if not same(got[:, i], right[:, i], wrong.case.near)]
    said = "other numbers than with the keys and values of its group: head {which} (of {n})"
    which = ", ".join(map(str, heads))
    yield Verdict("each head", False, said.format(which=which, n=right.shape[1]))
    own = _interleaved(value, right.shape[1])
    low, high = (edge[:, :, None] - got for edge in (own.amin(2), own.amax(2)))
    outside = torch.maximum(low, -high).amax()
    if outside > SAME * max(1.0, float(own.abs().max())):
        said = "a number lies {beyond} beyond all values of its group"
        yield Verdict("an average of values", False, said.format(beyond=number(outside)))


grouped_heads = _Sharing(
    "grouped heads",
    ("output",),
    _right,
    _cases,
    bugs(_SLIPS, _attend),
    "Checked: 1 to 3 heads of keys for 3 to 8 of queries, batches, float64, large scores; no key is copied.",
    explain=_about_heads,
    prepare=lambda answer: [(telling(answer, *_ERRORS), ())],
    learns=1,
)
