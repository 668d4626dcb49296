"""Properties that a correct attention function has: each probe asks for one, and answers with evidence.

    from attention_core import probes
    probes.causality(my_attention)  # ✓ causality: changing a key or a value changes no row before it

A probe takes any function `(query, key, value[, allowed]) -> (output, weights)`, or a module that is
called in this way, or one that takes a single sequence, `(x[, allowed])`. It never raises for what the
function does: a function that fails, or answers with something else, does not have the property.

Every probe in `ALL` has the arguments `attention`, the function or module, and `inputs=`, which are
`(query, key, value)` or `(x,)`, and random unless given. Two more ask a whole model that translates:
`alone_as_in_a_batch` and `looks_at_the_source`; one asks a policy that sees objects: `ignores_order`.
"""

import copy
import functools
import inspect
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attention_core import _model_probes, _policy_probes
from attention_core._asking import (
    CannotAsk,
    Fails,
    Subject,
    change_by_row,
    first_largest,
    flat,
    made,
    moved,
    random,
    worst,
)
from attention_core._calling import takes
from attention_core._saying import number
from attention_core.agreement import rounding
from attention_core.attention import merge_heads, scaled_dot_product_attention, split_heads
from attention_core.fast import KeyValueCache
from attention_core.masks import causal_mask, padding_mask

_SIGNS = {True: "✓", False: "✗", None: "–"}


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a probe found. It is true when the property holds.

    `holds` is None when the question cannot be put, say whether a function without masks keeps to
    them; that is not true either. `evidence` says what was seen, in words and numbers.
    """

    name: str
    holds: bool | None
    evidence: str

    def __bool__(self) -> bool:
        return self.holds is True

    def __repr__(self) -> str:
        return f"{_SIGNS[self.holds]} {self.name}: {self.evidence}"


class Verdicts(tuple):
    """The verdicts of several probes; shown as a table of one line each, true when all hold."""

    def __bool__(self) -> bool:
        return all(self)

    def __repr__(self) -> str:
        widest = max((len(v.name) for v in self), default=0)
        return "\n".join(f"{_SIGNS[v.holds]} {v.name:{widest}}  {v.evidence}" for v in self)


def _verdict(name: str, ask: Callable[[], str]) -> Verdict:
    """What comes of a question that returns its evidence, or raises Fails or CannotAsk with it."""
    try:
        return Verdict(name, True, ask())
    except Fails as evidence:
        return Verdict(name, False, str(evidence))
    except CannotAsk as reason:
        return Verdict(name, None, str(reason))


def _probe(ask: Callable[..., str]) -> Callable[..., Verdict]:
    """A probe out of a question that returns its evidence, or raises Fails or CannotAsk with it."""
    name = ask.__name__.replace("_", " ")

    def probe(attention: Callable, *, inputs: tuple[Tensor, ...] | None = None, **options) -> Verdict:
        return _verdict(name, lambda: ask(Subject(attention, inputs), **options))

    probe.__name__, probe.__qualname__, probe.__doc__ = ask.__name__, ask.__name__, ask.__doc__
    *shown, _ = inspect.signature(probe).parameters.values()
    options = [p.replace(kind=p.KEYWORD_ONLY) for p in list(inspect.signature(ask).parameters.values())[1:]]
    probe.__signature__ = inspect.Signature([*shown, *options], return_annotation=Verdict)
    return probe


@_probe
def rows_sum_to_one(subject: Subject) -> str:
    """Each row of weights shares out exactly 1 over the keys, and no share is below 0."""
    masks = {"": None}
    if subject.takes_mask:
        masks[" under a causal mask"] = causal_mask(subject.n_q, subject.n_k)
        masks[" under a padding mask"] = _padding(subject)[:1]  # (1, n_k), as it comes
    for under, allowed in masks.items():
        weights = flat(subject(*subject.inputs, allowed)[1], 2)  # (any, n_q, n_k)
        broken = ~weights.isfinite()
        if broken.any():
            row = int(broken.any(-1).any(0).int().argmax())
            raise Fails(f"row {row} holds {number(weights[:, row][broken[:, row]][0])}{under}")
        # shares are rounded once more when they are kept; 1 is exact, so half of what two answers may differ
        off_by_rounding = (
            rounding(subject.dtypes[1]) + rounding(torch.float32, subject.n_k, subject.n_k)
        ) / 2
        if weights.min() < -off_by_rounding:
            row, column, which = worst(-weights)
            raise Fails(
                f"row {row} gives key {column} a weight below 0{under}: {number(weights[which, row, column])}"
            )
        wanted = torch.tensor(1.0) if allowed is None else allowed.any(-1).float()
        off = (weights.sum(-1) - wanted).abs()  # (any, n_q)
        if not off.max() <= off_by_rounding:
            row = int((off > off_by_rounding).any(0).int().argmax())
            total = weights[first_largest(off[:, row]), row].sum()
            by_column = (weights.sum(-2) - 1).abs().max() <= off_by_rounding
            instead = "; its columns do: is the softmax over the queries?" if by_column else ""
            raise Fails(f"row {row} sums to {number(total)}{under}{instead}")
    both = ", with a mask and without" if subject.takes_mask else ""
    return f"each of {subject.n_q} rows shares out 1.00{both}"


@_probe
def permutation_equivariance(subject: Subject) -> str:
    """Order carries no meaning: shuffle the queries and the rows follow, the keys and the columns do."""
    output, weights = subject.twice(*subject.inputs)
    if subject.alone:
        order = _shuffled(subject.n_q)
        after = subject(subject.inputs[0][..., order, :])
        expected = output[..., order, :], weights[..., order, :][..., order]
        _unmoved(after, expected, subject.same, "when the words were shuffled")
        return f"{subject.n_q} words were shuffled, and the outputs with them"
    query, key, value = subject.inputs
    order = _shuffled(subject.n_q)
    after = subject(query[..., order, :], key, value)
    expected = output[..., order, :], weights[..., order, :]
    _unmoved(after, expected, subject.same, "when the queries were shuffled")
    order = _shuffled(subject.n_k)
    after = subject(query, key[..., order, :], value[..., order, :])
    expected = output, weights[..., order]
    _unmoved(after, expected, subject.same, "when the keys were shuffled, and their values with them")
    return "shuffled queries shuffle the rows, shuffled keys the columns; nothing else changes"


@_probe
def causality(subject: Subject) -> str:
    """Under a causal mask no row depends on its future: not on its keys, and not on its values."""
    subject.needs_mask()
    allowed = causal_mask(subject.n_q, subject.n_k)
    before = subject.twice(*subject.inputs, allowed)
    names = {0: "word"} if subject.alone else {1: "key", 2: "value"}
    largest, leak = torch.tensor(max(subject.same)), ""
    for place, name in names.items():
        for j in range(subject.n_k):
            earlier = ~allowed[:, j]  # the rows in whose future position j lies
            changed = [x.clone() for x in subject.inputs]
            changed[place][..., j, :] += 2 * random(changed[place][..., j, :].shape, seed=j)
            after = subject(*changed, allowed)
            off = torch.maximum(*(change_by_row(x, y) for x, y in zip(before, after, strict=True)))
            off = off.masked_fill(~earlier, 0)
            if not off.max() <= largest:
                largest = off.max()
                change = moved(f"row {first_largest(off)}", largest)
                leak = f"{change} when {name} {j}, in its future, was changed"
    if leak:
        raise Fails(leak)
    return f"changing {'a word' if subject.alone else 'a key or a value'} changes no row before it"


@_probe
def fully_masked_row(subject: Subject) -> str:
    """A query that may look nowhere gets weights 0 and output 0: not NaN, not an average of the forbidden.

    Of a module only the weights are asked for: it may add a bias to the output.
    """
    subject.needs_mask()
    row = subject.n_q // 2
    allowed = torch.ones(subject.n_q, subject.n_k, dtype=torch.bool)
    allowed[row] = False
    output, weights = subject(*subject.inputs, allowed)
    for name, part in (("weights", weights), ("output", output)):
        bad = ~flat(part, 2).isfinite()
        if bad.any():
            broken = row if bad[:, row].any() else int(bad.any(-1).any(0).int().argmax())
            found = number(flat(part, 2)[:, broken][bad[:, broken]][0])
            whose = f"its {name}" if broken == row else f"the {name} of row {broken}"
            raise Fails(f"row {row} may look nowhere, and {found} is in {whose}")
    shares, nothing = flat(weights, 2)[:, row], rounding(torch.float32)  # of a right answer, exactly 0
    if shares.abs().max() > nothing:
        even = (shares - shares.mean()).abs().max() < subject.same[1]
        how = f"{number(shares.mean())} to each of its" if even else f"up to {number(shares.max())} to its"
        raise Fails(f"row {row} may look nowhere, yet gives {how} {subject.n_k} forbidden keys")
    if subject.is_module:
        return f"row {row} may look nowhere, and its weights are 0"
    if output[..., row, :].abs().max() > nothing:
        largest = number(output[..., row, :].abs().max())
        raise Fails(f"row {row} may look nowhere, yet its output is not 0 but up to {largest}")
    return f"row {row} may look nowhere, and its weights and its output are 0"


@_probe
def self_visibility(subject: Subject) -> str:
    """Under a causal mask each query still looks at its own position: the diagonal is not lost by one."""
    subject.needs_mask()
    n = min(subject.n_q, subject.n_k)
    inputs = [x[..., :n, :] for x in subject.inputs]
    _, weights = subject(*inputs, causal_mask(n))
    own = flat(weights.diagonal(dim1=-2, dim2=-1), 1).amin(0)  # (n,)
    for i in range(n):
        if not own[i] > rounding(torch.float32):  # hidden is exactly 0; NaN is no look either
            raise Fails(f"row {i} gives {number(own[i])} to its own position, which it may see")
    return f"each of {n} rows looks at its own position, with a weight of {number(own.min())} or more"


@_probe
def convex_hull(subject: Subject) -> str:
    """An output lies between the values: it is an average of them, and never beyond.

    Of a module with one head, the values are what its `to_value` makes. Several heads are mixed
    afterwards, and cannot be asked.
    """
    output, _ = subject(*subject.inputs)
    value = subject.inputs[-1].float()
    if subject.is_module:
        module = subject.attention
        if hasattr(module, "to_output") or not hasattr(module, "to_value"):
            raise CannotAsk("the module mixes features after averaging; ask the function that it calls")
        value = module.to_value(subject.inputs[-1]).detach().float()
    if value.shape[-1] != output.shape[-1]:
        raise Fails(f"an output has {output.shape[-1]} features, but a value has {value.shape[-1]}")
    d_v = value.shape[-1]
    beside = math.sqrt(d_v) * subject.same[0] + rounding(
        subject.dtypes[0], d_v, size=float(value.norm(dim=-1).max())
    )
    # beyond the hull means beyond the values in some direction: first along each feature, then any
    for directions in (torch.eye(value.shape[-1], dtype=torch.float32), random((64, value.shape[-1]))):
        directions = directions / directions.norm(dim=-1, keepdim=True)
        there, reach = output @ directions.T, value @ directions.T  # (…, n_q, any), (…, n_k, any)
        low, high = (edge.expand_as(there) for edge in (reach.amin(-2, True), reach.amax(-2, True)))
        beyond = torch.maximum(there - high, low - there).nan_to_num(math.inf)
        if not beyond.max() <= beside:
            row, i, which = worst(beyond)
            if len(directions) == 64:
                raise Fails(f"output row {row} lies {number(beyond.max())} outside the hull of the values")
            is_, from_, to = (number(flat(x, 2)[which, row, i]) for x in (there, low, high))
            raise Fails(f"feature {i} of output row {row} is {is_}, but the values go from {from_} to {to}")
    return f"each of {subject.n_q} outputs lies between the values"


@_probe
def rectangular(subject: Subject) -> str:
    """As many queries as you like, and as many keys: weights are `(n_q, n_k)`, outputs `(n_q, d_v)`."""
    if subject.alone:
        raise CannotAsk("it takes one sequence, so its weights are always square")
    query, key, value = subject.inputs
    many, few = min(subject.n_q, subject.n_k), max(min(subject.n_q, subject.n_k) - 2, 1)
    for n_q, n_k in ((few, many), (many, few)):
        parts = subject(query[..., :n_q, :], key[..., :n_k, :], value[..., :n_k, :])
        for name, part in zip(("output", "weights"), parts, strict=True):
            if not part.isfinite().all():
                raise Fails(
                    f"for {n_q} queries × {n_k} keys {name} holds {number(part[~part.isfinite()][0])}"
                )
    return f"{few} queries × {many} keys, and {many} × {few}: both work"


@_probe
def cached_equals_uncached(subject: Subject) -> str:
    """One new query at a time, with all keys so far, gives what one run under a causal mask gives.

    A module or function that takes one sequence is given ever longer beginnings of it instead.
    """
    subject.needs_mask()
    n = min(subject.n_q, subject.n_k)
    inputs = [x[..., :n, :] for x in subject.inputs]
    output, _ = subject.twice(*inputs, causal_mask(n))
    for t in range(1, n + 1):
        so_far = [x[..., :t, :] for x in inputs]
        if not subject.alone:
            so_far[0] = so_far[0][..., -1:, :]  # earlier queries have had their answer
        step, _ = subject(*so_far, causal_mask(so_far[0].shape[-2], t))
        off = change_by_row(output[..., t - 1 : t, :], step[..., -1:, :])
        if not off.max() <= subject.same[0]:
            some = "1 key" if t == 1 else f"{t} keys"
            raise Fails(f"{moved(f'row {t - 1}', off.max())} when it was computed with the {some} so far")
    return f"{n} steps with a growing cache give the {n} rows of one run"


@_probe
def any_cutting(subject: Subject, cache: Callable = KeyValueCache) -> str:
    """However a text is cut, its pieces, with a `cache`, get what all of it gets at once under a causal mask.

    Not among `ALL`, as few functions take a cache. Args: cache: makes an empty one; it has `append` and a
    length, as `fast.KeyValueCache` has.
    """
    subject.needs_mask()
    if not takes(subject.attention, "cache")[1]:
        raise CannotAsk("it takes no cache, so it remembers nothing")
    n = min(subject.n_q, subject.n_k)
    inputs = [x[..., :n, :] for x in subject.inputs]
    whole, _ = subject.twice(*inputs, causal_mask(n))
    cuttings = {(1,) * n, (max(1, n - 2), *(1,) * min(2, n - 1)), (n // 2, n - n // 2)}
    for cuts in sorted(cuttings, key=len):
        pieces, start = copy.copy(subject), 0
        pieces.attention = functools.partial(subject.attention, cache=made(cache))
        for end in itertools.accumulate(cuts):
            piece = [x[..., start:end, :] for x in inputs]
            output, _ = pieces(*piece, causal_mask(end - start, end), past=start)
            off = change_by_row(whole[..., start:end, :], output)
            if not off.max() <= subject.same[0]:
                row = start + first_largest(off)
                raise Fails(f"{moved(f'row {row}', off.max())} when the words came as {list(cuts)}")
            start = end
    return f"{n} words cut in {len(cuttings)} ways give the {n} rows of one run"


@_probe
def parity(subject: Subject, reference: Callable | None = None) -> str:
    """The numbers are those of the reference, with a mask and without.

    Args: reference: `(query, key, value, allowed) -> (output, weights)`. Unless given, it is
    `scaled_dot_product_attention`, for a module between the module's own projections.
    """
    if reference is None:
        reference = module_reference(subject.attention) if subject.is_module else scaled_dot_product_attention
    if reference is None:
        raise CannotAsk("the module has no to_query, to_key and to_value: give reference=")
    nowhere = causal_mask(subject.n_q, subject.n_k)
    nowhere[subject.n_q // 2] = False
    masks = {"": None}
    if subject.takes_mask:
        masks[" under a causal mask"] = causal_mask(subject.n_q, subject.n_k)
        masks[" under a padding mask"] = _padding(subject)
        masks[" with a row that may look nowhere"] = nowhere
    for under, allowed in masks.items():
        answer = subject.twice(*subject.inputs, allowed)
        with torch.no_grad():
            expected = reference(*(subject.inputs * 3 if subject.alone else subject.inputs), allowed)
        parts = zip(("output", "weights"), answer, expected, subject.same, strict=True)
        for name, got, right, same in reversed(list(parts)):
            if got.shape != right.shape:
                raise Fails(f"{name} should have shape {tuple(right.shape)}, not {tuple(got.shape)}")
            off = (got - right).abs().nan_to_num(math.inf)
            if not off.max() <= same:
                row, column, which = worst(off)
                is_, should = (number(flat(x, 2)[which, row, column]) for x in (got, right))
                raise Fails(f"{name}[{row}, {column}] is {is_}, but the reference gives {should}{under}")
    return f"the reference's numbers{', with a mask and without' if subject.takes_mask else ''}"


@_probe
def gradients(subject: Subject) -> str:
    """It can be trained: its gradient is finite, not 0 everywhere, and what finite differences say."""
    names = ("x",) if subject.alone else ("query", "key", "value")
    output, _ = subject.twice(*subject.inputs)
    mix = random(output.shape, seed=7)  # one sum in which every output counts
    sums = (subject.inputs[0].shape[-1], subject.n_k, subject.n_k, mix.numel())
    noise = rounding(subject.dtypes[0], *sums, size=float(output.abs().max())) * math.sqrt(mix.numel())

    def total(inputs, allowed=None, graph=False) -> Tensor:
        return (subject(*inputs, allowed, graph=graph)[0] * mix).sum()

    for place, name in enumerate(names):
        slope = _slope(total, subject.inputs, place)
        if not slope.isfinite().all():
            raise Fails(f"the gradient of {name} holds {number(slope[~slope.isfinite()][0])}")
        if not slope.any():
            raise Fails(f"the gradient of {name} is 0, so nothing before it could learn")
        step, direction = 1e-2, random(slope.shape, seed=11 + place).to(slope)
        ahead, behind = (
            total([x + way * direction if i == place else x for i, x in enumerate(subject.inputs)])
            for way in (step, -step)
        )
        measured, said = float(ahead - behind) / (2 * step), float((slope * direction).sum())
        bent = 0.02 * (1 + abs(measured))  # the slope itself changes within a step
        if not abs(measured - said) <= bent + noise / step:
            raise Fails(
                f"a small step of {name} changes the output at a rate of {number(measured)}, "
                f"but its gradient says {number(said)}"
            )
    if subject.takes_mask:
        allowed = causal_mask(subject.n_q, subject.n_k)
        allowed[subject.n_q // 2] = False
        for place, name in enumerate(names):
            if not _slope(total, subject.inputs, place, allowed).isfinite().all():
                raise Fails(f"the gradient of {name} is NaN when a row may look nowhere")
    every = names[0] if subject.alone else "query, key and value"
    return f"those of {every} are what finite differences say"


def alone_as_in_a_batch(model: Callable, source: Tensor, target: Tensor, *, pad: int = 0) -> Verdict:
    """A sentence gets the same logits alone as in a batch, where it is filled up with padding.

    Args:
        model: `(source, target, allowed) -> (logits, weights)`, as an `EncoderDecoder` is. It is asked as it
            is: call its `eval()` first, if it has dropout.
        source, target: whole numbers `(batch, n)`; those sentences of the source are asked about that end in
            `pad`. `allowed` is made of where it is not `pad`.
    """
    name = "alone as in a batch"
    return _verdict(name, lambda: _model_probes.alone_as_in_a_batch(model, source, target, pad))


def looks_at_the_source(
    model: Callable, source: Tensor, target: Tensor, allowed: Tensor | None = None
) -> Verdict:
    """Another source changes the weights on it: they are not made of the target, or the place, alone.

    Args: as of `alone_as_in_a_batch`; allowed, boolean `(batch, 1, n)`, where the source is no padding. The
    weights are a tensor `(batch, …, n_target, n_source)`, a list of such, or a dict in which "cross" is one.
    Of a look-up alone, `look_up(states, memory) -> (beside, weights)`: those two, floating point, in place of
    source and target. It asks more: in a whole model the states may know the source by another way.
    """
    name = "looks at the source"
    if isinstance(source, Tensor) and source.is_floating_point():
        return _verdict(name, lambda: _model_probes.look_up_looks(model, source, target, allowed))
    return _verdict(name, lambda: _model_probes.looks_at_the_source(model, source, target, allowed))


def ignores_order(policy: Callable, observation: Tensor, *, own: int = 1) -> Verdict:
    """The order in which objects come changes no choice: shuffle them, and the logits stay.

    Args:
        policy: `observation -> logits`, `(batch, actions)`, or a pair that begins with them, as a module's
            logits and weights. It is asked as it is: call its `eval()` first, if it has dropout.
        observation: `(batch, rows, features)`. own: the first so many rows are no objects, but the agent's;
            they stay where they are.
    """
    return _verdict("ignores order", lambda: _policy_probes.ignores_order(policy, observation, own))


ALL: tuple[Callable[..., Verdict], ...] = (
    rows_sum_to_one,
    permutation_equivariance,
    causality,
    fully_masked_row,
    self_visibility,
    convex_hull,
    rectangular,
    cached_equals_uncached,
    parity,
    gradients,
)


def run(
    attention: Callable, *chosen: Callable[..., Verdict], inputs: tuple[Tensor, ...] | None = None
) -> Verdicts:
    """The chosen probes on one function, or all of `probes.ALL`, as a table."""
    return Verdicts(probe(attention, inputs=inputs) for probe in chosen or ALL)


def module_reference(module: nn.Module) -> Callable | None:
    """Attention between a module's own `to_query`, `to_key`, `to_value` (and `to_output`), as it should be.

    With `num_heads` it splits and merges. None if the module does not have the projections.
    """
    projections = [getattr(module, name, None) for name in ("to_query", "to_key", "to_value")]
    if not all(isinstance(p, nn.Module) for p in projections):
        return None
    heads = getattr(module, "num_heads", None)
    to_output = getattr(module, "to_output", lambda x: x)

    def reference(query, key, value, allowed=None):
        q, k, v = (project(x) for project, x in zip(projections, (query, key, value), strict=True))
        if heads is None:
            output, weights = scaled_dot_product_attention(q, k, v, allowed)
            return to_output(output), weights
        groups = getattr(module, "num_key_value_heads", heads)
        q, k, v = (split_heads(x, n) for x, n in ((q, heads), (k, groups), (v, groups)))
        k, v = (x.repeat_interleave(heads // groups, dim=-3) for x in (k, v))
        allowed = allowed.unsqueeze(-3) if allowed is not None and allowed.ndim > 2 else allowed
        output, weights = scaled_dot_product_attention(q, k, v, allowed)
        return to_output(merge_heads(output)), weights

    return reference


def _padding(subject: Subject) -> Tensor:
    """The last third of the keys is padding, for every query: `(n_q, n_k)`."""
    return padding_mask([subject.n_k - subject.n_k // 3], subject.n_k)[0].expand(subject.n_q, -1)


def _shuffled(n: int) -> Tensor:
    """Positions 0 … n − 1 in an order in which none stays, for n above 1."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(1))
    shuffled = torch.empty(n, dtype=torch.long)
    shuffled[order] = order.roll(1)  # one cycle through all of them
    return shuffled


def _unmoved(
    after: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], same: tuple[float, float], when: str
) -> None:
    for name, *parts, near in reversed(list(zip(("output", "weights"), after, expected, same, strict=True))):
        got, wanted = parts
        off = change_by_row(wanted, got)
        if not off.max() <= near:
            raise Fails(f"{moved(f'row {first_largest(off)} of {name}', off.max())} {when}")


def _slope(total: Callable, inputs: tuple[Tensor, ...], place: int, allowed: Tensor | None = None) -> Tensor:
    """The gradient of `total` with respect to one of the inputs; 0 where none flows back."""
    leaves = [x.detach().clone().requires_grad_(i == place) for i, x in enumerate(inputs)]
    try:
        with torch.enable_grad():
            whole = total(leaves, allowed, graph=True)
            if not whole.requires_grad:
                return torch.zeros_like(leaves[place])
            slope = torch.autograd.grad(whole, leaves[place], allow_unused=True)[0]
    except RuntimeError as error:
        raise Fails(f"no gradient can be computed: {str(error).splitlines()[0]}") from error
    return torch.zeros_like(leaves[place]) if slope is None else slope
