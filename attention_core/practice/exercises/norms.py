"""Norms: how long the vector is that each word sends to the one that looks, ‖Σ_heads α v W_O‖."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attention_core._calling import Failed, call
from attention_core._saying import number
from attention_core.practice.exercise import Case, Exercise, Subject, Trial, random, same
from attention_core.practice.exercises.training_step import fits
from attention_core.practice.recipes import Raised, bugs, slip, telling
from attention_core.probes import Verdict

_WEIGH = (r"weights", r"\*|einsum")
_JOIN = (r"transpose|permute|flatten|reshape|cat\(|mT|movedim|view|rearrange|einsum|for ", r"values")
_MIX = (r"to_output", r"@|einsum|linear|matmul")
_LENGTH = (r"norm|sqrt|\*\*|square|sum\(", r"\breturn\b")
_RETURN = (r"\breturn\b",)


def _join(weighted: Tensor) -> Tensor:
    """`(heads, n, d_k)` → `(n, heads · d_k)`, as a layer merges its heads."""
    return weighted.transpose(0, 1).flatten(1)


def _norms(
    weights: Tensor,
    values: Tensor,
    to_output: Tensor,
    *,
    send: Callable = lambda values: values,
    weigh: Callable = lambda weights, values: weights[..., None] * values,
    join: Callable = _join,
    mix: Callable = lambda joined, to_output: joined @ to_output.T,
    length: Callable = lambda sent: sent.norm(dim=-1),
    finish: Callable = lambda made, weights, values: made,
) -> Tensor:
    """The norms, each step of which can be exchanged for a wrong one."""
    joined = join(weigh(weights, send(values)))
    return finish(length(mix(joined, to_output)), weights, values)


def _per_head(weights: Tensor, values: Tensor, to_output: Tensor, pool: Callable) -> Tensor:
    """A norm for each head, `(heads, n)`, of which `pool` makes one."""
    blocks = to_output.unflatten(1, (len(weights), -1)).transpose(0, 1)  # (heads, dim, d_k)
    return pool((weights[..., None] * values @ blocks.mT).norm(dim=-1))


def _right(weights: Tensor, values: Tensor, to_output: Tensor) -> Tensor:
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    heads, n, d_k = values.shape
    weighted = weights[..., None] * values
    joined = _join(weighted)
    _before = values.transpose(0, 1), weighted.transpose(0, 1), _join(values), joined.T, to_output.T
    blocks = to_output.unflatten(1, (heads, d_k)).transpose(0, 1)  # (heads, dim, d_k)
    each = weighted @ blocks.mT
    _through = values @ blocks.mT, each, each.transpose(0, 1), blocks, blocks.mT, *blocks, *weighted
    _each_head = *each, *(values @ blocks.mT), *each.cumsum(0), *weighted.unbind(1)
    sent = joined @ to_output.T
    _squares = sent.square(), sent.square().sum(-1), sent.T, *sent, *joined
    _begun = torch.zeros_like(sent), torch.zeros(n), torch.zeros_like(joined)
    return sent.norm(dim=-1)


def _cases() -> list[Case]:
    hint = "weights are (heads, n), values (heads, n, d_k), to_output is (dim, heads · d_k)."
    made = []
    for i, (heads, n, d_k, dim) in enumerate(
        ((2, 3, 2, 4), (2, 2, 2, 4), (3, 4, 2, 6), (2, 5, 3, 4), (3, 3, 3, 9), (1, 4, 3, 5), (4, 1, 2, 8))
    ):
        words = f"{heads} head{'s' * (heads > 1)}, {n} word{'s' * (n > 1)}, d_k = {d_k} and dim = {dim}"
        weights = random(heads, n, seed=800 + 10 * i).softmax(-1)
        if not i:
            weights = torch.tensor([[0.75, 0.25, 0.0], [0.5, 0.0, 0.5]])  # numbers that can be followed
        values = random(heads, n, d_k, seed=801 + 10 * i, decimals=1)
        to_output = random(dim, heads * d_k, seed=802 + 10 * i, decimals=1)
        shown = (("weights", weights), ("values", values), ("to_output", to_output))[: 1 if i else 3]
        made.append(Case(words, (weights, values, to_output), 0, hint, shown))
    return made


# --- what goes wrong ----------------------------------------------------------------------------------------


def _changes(step: str, *ways: Callable) -> tuple[dict, ...]:
    return tuple({step: way} for way in ways)


def _of_one(which: Callable) -> tuple[dict, ...]:
    """The value of one word for all words."""
    return _changes("send", lambda values: which(values).expand_as(values))


def _weight(pool: Callable) -> dict:
    return {"weigh": lambda weights, values: pool(weights)[:, None] * values}


def _standard(made: Tensor, *_) -> Tensor:
    return (made - made.mean()) / ((made - made.mean()).square().sum() / (len(made) - 1)).sqrt()


# fmt: off
_SLIPS = (
    slip("no-output-matrix", "W_O is left out; each word's vector goes through it before its norm is taken",
         _MIX, *_changes("mix", lambda joined, to_output: joined),
         why="It mixes the heads, and lengthens or shortens what they send."),
    slip("weights-left-out", "the weights are left out; a value is sent with its weight",
         _WEIGH, *_changes("weigh", lambda weights, values: values),
         why="That is: weights[..., None] * values."),
    slip("weights-without-axis",
         "weights need an axis more, to meet the features of a value: weights[..., None] * values",
         _WEIGH, *_changes("weigh", lambda weights, values: weights * values),
         why="(heads, n, 1) fits (heads, n, d_k).", rare=True),
    slip("one-weight-for-all-heads",
         "one weight a word is used for all heads; each head weighs its own values",
         (r"mean", *_WEIGH), *(_weight(pool) for pool in (
             lambda w: w.mean(0), lambda w: w.sum(0), lambda w: w.amax(0), lambda w: w[0], lambda w: w[-1])),
         why="Heads look elsewhere: that is what they are for."),
    slip("one-value-for-all",
         "all words send the value of one; each sends its own",
         (r"values\[", *_WEIGH), *_of_one(lambda values: values[:, -1:]),
         *_of_one(lambda values: values[:, :1]), *_of_one(lambda values: values.mean(1, keepdim=True)),
         why="A weight is a query's, and the value that of the key it looks at: values[:, j]."),
    slip("merged-without-transpose", "heads are merged without transpose, so that words are mixed",
         _JOIN, *_changes("join", lambda weighted: weighted.reshape(weighted.shape[1], -1)),
         why="(heads, n, d_k) becomes (n, heads, d_k) first: transpose(0, 1), then flatten(1)."),
    slip("features-before-heads",
         "features are merged before heads; all of head 0 comes first, then all of head 1",
         _JOIN, *_changes("join", lambda weighted: weighted.permute(1, 2, 0).flatten(1)),
         why="(n, heads, d_k) and not (n, d_k, heads): transpose(0, 1), then flatten(1)."),
    slip("heads-reversed", "the heads are in another order than W_O has them",
         _JOIN, *_changes("join", lambda weighted: _join(weighted.flip(0)),
                          lambda weighted: _join(weighted.roll(1, 0)),
                          lambda weighted: _join(weighted.roll(-1, 0))), rare=True),
    slip("output-matrix-transposed", "W_O is turned over; its rows are what comes out, as torch keeps it",
         _MIX, *_changes("mix", lambda joined, to_output: joined @ to_output,
                          lambda joined, to_output: joined @ to_output[: joined.shape[1]]),
         why="to_output is (dim, heads · d_k): joined @ to_output.T."),
    slip("one-head", "only one head counts; all should",
         (r"\[0\]|\[-1\]", *_JOIN), *_changes("join", lambda weighted: _join(_only(weighted, 0)),
                                    lambda weighted: _join(_only(weighted, len(weighted) - 1))), rare=True),
    slip("absolute-values", "entries lose their sign before they are summed, so that nothing cancels",
         (r"abs", *_JOIN), *_changes("join", lambda weighted: _join(weighted).abs()),
         *_changes("mix", lambda joined, to_output: joined.abs() @ to_output.T.abs()), rare=True),
    slip("squared", "the root is missing: these are squares of the norms",
         _LENGTH, *_changes("length", lambda sent: sent.square().sum(-1)),
         why="‖x‖ is the root of the sum of squares: norm(dim=-1)."),
    slip("other-norm", "this is another norm; here it is the root of the sum of squares",
         _LENGTH, *_changes("length", lambda sent: sent.abs().sum(-1), lambda sent: sent.abs().amax(-1),
                            lambda sent: sent.square().mean(-1).sqrt(), lambda sent: sent.square().mean(-1),
                            lambda sent: sent.abs().mean(-1), lambda sent: sent.amax(-1)),
         why="That is: norm(dim=-1), without more."),
    slip("summed-not-normed", "entries are summed with their sign; a length is the root of summed squares",
         _LENGTH, *_changes("length", lambda sent: sent.sum(-1), lambda sent: sent.mean(-1),
                            lambda sent: sent.sum(-1).abs())),
    slip("over-words", "the norm is taken over the words, a number for each feature; take it of each word",
         _LENGTH, *_changes("length", lambda sent: sent.norm(dim=0)),
         why="Features are the last axis: dim=-1."),
    slip("one-number", "one number comes out; each word has a norm of its own",
         _LENGTH, *_changes("length", lambda sent: sent.norm(), lambda sent: sent.sum(0).norm(),
                            lambda sent: sent.norm(dim=-1).sum(), lambda sent: sent.norm(dim=-1).mean()),
         why="That is: norm(dim=-1).", rare=True),
    slip("axis-left", "an axis of size 1 is left; it should be (n,)",
         _LENGTH, *_changes("length", lambda sent: sent.norm(dim=-1, keepdim=True)), rare=True),
    slip("vectors", "these are the vectors themselves; their norms are wanted",
         _RETURN, *_changes("length", lambda sent: sent), rare=True),
    slip("normalised", "the norms are brought to another size, or sum to 1; they are wanted as they are",
         (r"/|softmax|normali", *_RETURN), *_changes(
             "finish", lambda made, *_: made / made.sum(), lambda made, *_: made / made.max(),
             lambda made, *_: made.softmax(0), lambda made, *_: made / made.norm(),
             lambda made, *_: made / len(made), lambda made, weights, values: made / len(weights),
             lambda made, *_: (made - made.min()) / (made.max() - made.min()), _standard), rare=True),
    slip("weighed-twice", "the weights are multiplied in twice; once is enough",
         _WEIGH, *_changes("weigh", lambda weights, values: weights[..., None].square() * values),
         *_changes("finish", lambda made, weights, values: made * weights.mean(0),
                   lambda made, weights, values: made * weights.sum(0)), rare=True),
    slip("softmax-again", "a softmax is taken of the weights; they are shares already",
         (r"softmax", *_WEIGH),
         *_changes("weigh", lambda weights, values: weights.softmax(-1)[..., None] * values,
                   lambda weights, values: weights.softmax(0)[..., None] * values), rare=True),
    slip("weights-alone", "these are weights; how long the vectors are does not count in them",
         _RETURN, *_changes("finish", lambda made, weights, values: weights.mean(0),
                            lambda made, weights, values: weights.sum(0)), rare=True),
)
# fmt: on


def _only(weighted: Tensor, head: int) -> Tensor:
    kept = torch.zeros_like(weighted)
    kept[head] = weighted[head]
    return kept


def _norm_of_heads(weights: Tensor, values: Tensor, to_output: Tensor, pool: Callable) -> Tensor:
    """Without W_O: the norm of each head's vector, `(heads, n)`, of which `pool` makes one."""
    return pool((weights[..., None] * values).norm(dim=-1))


_POOLS = {
    "sum": lambda x: x.sum(0),
    "mean": lambda x: x.mean(0),
    "largest": lambda x: x.amax(0),
    "all": lambda x: x,
    "transposed": lambda x: x.T,
    "norm": lambda x: x.norm(dim=0),
}


def _alone(name: str, words: str, recipe: Callable, look_at: tuple, *changes: dict, why: str = "") -> tuple:
    return bugs((slip(name, words, look_at, *changes, why=why),), recipe)


_POOLED = tuple({"pool": pool} for pool in _POOLS.values())
_OTHERS = (
    *_alone(
        "norms-per-head",
        "each head's norm is taken, and then they are pooled; sum the heads' vectors first",
        _per_head,
        _LENGTH,
        *_POOLED,
        why="Two heads that send opposite vectors send nothing together.",
    ),
    *_alone(
        "norms-per-head-without-output",
        "each head's norm is taken, without W_O; W_O mixes the heads, and the norm comes last",
        _norm_of_heads,
        _LENGTH,
        *_POOLED[:5],
        why="Two heads that send opposite vectors send nothing together.",
    ),
)
_RAISED = (
    Raised(
        "heads-summed-early",
        "the heads are summed before W_O, which takes them side by side",
        "That is: transpose(0, 1), then flatten(1), of (heads, n, d_k).",
        r"cannot be multiplied|size of tensor|must match|[Ee]xpected size",
        r"(sum|mean)\(.*@\s*to_output",
    ),
    Raised(
        "weights-without-axis",
        "weights need an axis more, to meet the features of a value: weights[..., None] * values",
        "(heads, n, 1) fits (heads, n, d_k).",
        r"must match|size of tensor",
        r"weights\s*\*|\*\s*weights",
    ),
    Raised(
        "output-matrix-transposed",
        "W_O is turned over; its rows are what comes out, as torch keeps it",
        "to_output is (dim, heads · d_k): joined @ to_output.T.",
        r"cannot be multiplied|size of tensor|must match|[Ee]xpected size",
        r"@\s*to_output(?!\.(T|mT|t\(|transpose))|matmul\(\w+,\s*to_output\)",
    ),
)


def _sending(answer) -> list[Subject]:
    return [(telling(fits(answer, "weights", "values", "to_output"), _RAISED), ())]


def _about(trials: list[Trial], answer) -> Iterator[Verdict]:
    """Of its own numbers: an unseen word, heads that cancel, a word for itself, twice the weights."""
    wrong = next(t for t in trials if not t.right)
    if wrong.changed:
        yield Verdict("given as it was", False, "it writes into what the caller gave")
    weights = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.25, 0.0]])
    values = torch.tensor([[[3.0, 4.0], [1.0, 0.0], [5.0, 5.0]], [[-3.0, -4.0], [0.0, 2.0], [5.0, 5.0]]])
    side_by_side = torch.eye(2).repeat(1, 2)  # adds the heads: (2, 4)
    for name, which, j, right, said in (
        ("an unseen word", side_by_side, 2, 0.0,
         "a word with a weight of 0 in all heads sends nothing; this says {got}"),
        ("heads that cancel", side_by_side, 0, 0.0,
         "where two heads send opposite vectors, and W_O adds them, nothing is sent; this says {got}"),
        ("heads side by side", torch.eye(4), 1, 0.5**0.5,
         "(0.50, 0) and (0, 0.50), and W_O = I, have a norm of {right}; this says {got}"),
    ):  # fmt: skip
        try:
            made = call(answer, weights, values, which).answer
        except Failed:
            continue
        if isinstance(made, Tensor) and made.shape == (3,) and not same(made[j], torch.tensor(right)):
            yield Verdict(name, False, said.format(got=number(made[j]), right=number(right)))
            return


norms = Exercise(
    "norms of what is sent",
    ("norms",),
    _right,
    _cases,
    (*bugs(_SLIPS, _norms), *_OTHERS),
    "Checked: 1 to 4 heads, 1 to 5 words, and W_O of more, fewer and as many rows as columns.",
    prepare=_sending,
    explain=_about,
)
