"""`MultiHeadAttention` against torch's own, parameters copied both ways, and against its contract."""

import copy
import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import shifted, threads
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from attention_core import (
    ALiBi,
    KeyValueCache,
    MultiHeadAttention,
    PositionalEncoding,
    RelativeEncoding,
    RotaryEncoding,
    SelfAttention,
    causal_mask,
    merge_heads,
    padding_mask,
    scaled_dot_product_attention,
    split_heads,
    window_mask,
)
from attention_core.agreement import agree
from attention_core.cost import peak_bytes
from attention_core.masks import to_attn_mask, to_key_padding_mask

DTYPES = (torch.float32, torch.float64)
sizes = st.integers(1, 6)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Test processes share the cores: many threads for so little work would only wait for each other."""
    with threads(1):
        yield


def draw(*size, seed=0, dtype=torch.float64):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def a_layer(dim=12, num_heads=3, *, seed=0, dtype=torch.float64, scale=1.0, **options):
    """Its parameters drawn from the seed, its biases far from 0, its scores spread by `scale`."""
    layer = MultiHeadAttention(dim, num_heads, **options).to(dtype)
    with torch.no_grad():
        for i, parameter in enumerate(layer.parameters()):
            width = math.sqrt(dim) if parameter.ndim == 2 else 1
            parameter.copy_(scale * draw(*parameter.shape, seed=seed + i) / width)
    return layer


def assert_close(ours, theirs, sums=(12, 4, 7, 7, 12), score=8.0):
    """Unless told, `a_layer()` on up to 7 words: a projection, score, softmax, mixture and projection.

    `score` is the largest on the way, if above 1: so many times a softmax passes on what its scores err.
    """
    assert agree(ours, theirs, *sums, size=max(1.0, theirs.abs().max().item()) * score)


def sums_both_ways(layer, x):
    """The lengths of the sums to the output, and from there back to the gradients; and the largest score."""
    batch, n_q, dim = x[0].shape
    d_k, n_k = dim // layer.num_heads, x[-1].shape[1]
    most = max(n_q, n_k)
    exact = copy.deepcopy(layer).double()
    q, k = (
        split_heads(p(part.double()), layer.num_heads)
        for p, part in ((exact.to_query, x[0]), (exact.to_key, x[:2][-1]))
    )
    score = (q @ k.transpose(-2, -1) / math.sqrt(d_k)).abs().max().item()
    forward, backward = (dim, d_k, n_k, n_k, dim), (dim, d_k, n_k, most, 3 * dim, batch * most)
    return forward, backward, max(1.0, score)


# ---------------------------------------------------------------- split and merge


def test_a_head_gets_a_slice_of_every_word():
    x = torch.arange(8).reshape(2, 4)  # two words of four features
    assert split_heads(x, 2).tolist() == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]


@settings(deadline=None)
@given(lead=st.lists(sizes, max_size=2), n=st.integers(0, 5), heads=sizes, d_k=sizes)
def test_merge_undoes_split(lead, n, heads, d_k):
    x = draw(*lead, n, heads * d_k)
    heads_first = split_heads(x, heads)
    assert heads_first.shape == (*lead, heads, n, d_k)
    assert torch.equal(merge_heads(heads_first), x)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: split_heads(torch.ones(5, 10), 4), "dim=10 is not divisible by num_heads=4"),
        (lambda: split_heads(torch.ones(5, 10), 0), "num_heads must be a whole number, 1 or more, got 0"),
        (lambda: split_heads(torch.ones(10), 2), r"\(\.\.\., positions, features\), got \(10,\)"),
        (lambda: merge_heads(torch.ones(5, 10)), r"\(\.\.\., heads, positions, features\), got \(5, 10\)"),
    ],
)
def test_split_and_merge_refuse_in_words(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---------------------------------------------------------------- parity with torch


@st.composite
def problems(draw_from):
    """A layer, its inputs, a mask of ours, and the same mask as torch's module wants it."""
    batch, n_q, n_k, heads, d_k = (draw_from(sizes) for _ in range(5))
    seed, dtype = draw_from(st.integers(0, 10_000)), draw_from(st.sampled_from(DTYPES))
    layer = a_layer(heads * d_k, heads, seed=seed, dtype=dtype, bias=draw_from(st.booleans()))
    x = [draw(batch, n_q, heads * d_k, seed=seed + 10, dtype=dtype)]
    if draw_from(st.booleans()):  # cross-attention
        x += [draw(batch, n_k, heads * d_k, seed=seed + i, dtype=dtype) for i in (11, 12)]
    n_k = x[-1].shape[1]
    kind = draw_from(st.sampled_from(["none", "shared", "per sequence", "per head", "padding"]))
    if kind == "none":
        return layer, x, None, {}
    if kind == "padding":
        allowed = padding_mask(draw_from(st.lists(st.integers(1, n_k), min_size=batch, max_size=batch)), n_k)
        return layer, x, allowed, {"key_padding_mask": to_key_padding_mask(allowed)}
    leading = {"shared": (), "per sequence": (batch,), "per head": (batch, heads)}[kind]
    allowed = draw(*leading, n_q, n_k, seed=seed + 20) > draw_from(st.sampled_from([-1.0, 0.0, 1.0]))
    allowed[..., 0] |= ~allowed.any(-1)  # torch's module answers NaN for a row that may look nowhere
    return layer, x, allowed, {"attn_mask": to_attn_mask(allowed, heads)}


def gradients(module):
    """Of the parameters, in torch's order and packing, whichever of the two layers it is."""
    if isinstance(module, nn.MultiheadAttention):
        return [p.grad for p in module.parameters()]  # in_proj weight and bias, out_proj weight and bias
    packed = (module.to_query, module.to_key, module.to_value)
    kinds = ("weight", "bias") if module.to_query.bias is not None else ("weight",)
    grads = [torch.cat([getattr(p, kind).grad for p in packed]) for kind in kinds]
    return grads + [p.grad for p in module.to_output.parameters()]


def answers(module, x, **mask):
    """Output, per-head and mean weights, and the gradients of the inputs and of the parameters."""
    module.zero_grad()
    own = [part.detach().requires_grad_() for part in x]  # where it is in memory: a copy would move it
    if isinstance(module, MultiHeadAttention):
        output, weights = module(*own, **mask)
        mean = weights.mean(1)
    else:
        query, key, value = own if len(own) == 3 else own * 3
        output, weights = module(query, key, value, average_attn_weights=False, **mask)
        mean = module(query, key, value, **mask)[1]
    # rounded to float32, so that a layer in float64 is asked for the same gradients
    probes = [
        draw(*part.shape, seed=i, dtype=torch.float32).to(part) for i, part in enumerate((output, weights))
    ]
    ((output * probes[0]).sum() + (weights * probes[1]).sum()).backward()
    return [output, weights, mean, *(part.grad for part in own), *gradients(module)]


@settings(max_examples=150, deadline=None)
@given(problem=problems(), by=st.sampled_from([0, 1, 3, 5, 7]), n_threads=st.sampled_from([1, 2]))
def test_parity_with_torch_forward_and_backward(problem, by, n_threads):
    layer, x, allowed, mask = problem
    theirs, exact = layer.to_torch(), copy.deepcopy(layer).double()
    forward, backward, score = sums_both_ways(layer, x)
    right = answers(exact, [part.double() for part in x], allowed=allowed)
    for parameter in (*layer.parameters(), *theirs.parameters()):
        parameter.data = shifted(parameter.data, by)
    x = [shifted(part, by) for part in x]
    with threads(n_threads):
        by_both = answers(layer, x, allowed=allowed), answers(theirs, x, **mask)
    for a, b, c in zip(*by_both, right, strict=True):
        assert_close(a, b, forward + backward, score)
        if a.dtype == torch.float32:  # each of the two is off by half of that at most
            assert_close(a, c, forward + backward, score / 2)
            assert_close(b, c, forward + backward, score / 2)


@settings(deadline=None)
@given(bias=st.booleans(), heads=sizes, d_k=sizes, dtype=st.sampled_from(DTYPES))
def test_parameters_are_copied_both_ways(bias, heads, d_k, dtype):
    theirs = nn.MultiheadAttention(heads * d_k, heads, bias=bias, batch_first=True, dtype=dtype)
    if bias:  # torch starts them at 0
        nn.init.normal_(theirs.in_proj_bias)
        nn.init.normal_(theirs.out_proj.bias)
    ours = MultiHeadAttention.from_torch(theirs)
    x = draw(2, 5, heads * d_k, dtype=dtype)
    forward, backward, score = sums_both_ways(ours, [x])
    for a, b in zip(answers(ours, [x]), answers(theirs, [x]), strict=True):
        assert_close(a, b, forward + backward, score)
    back = ours.to_torch()
    before = {name: value.clone() for name, value in theirs.state_dict().items()}
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.zero_()  # copies, not views: neither of the two notices
    for module in (theirs, back):
        assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(
    "options", [{"kdim": 3}, {"vdim": 3}, {"add_bias_kv": True}, {"add_zero_attn": True}]
)
def test_what_has_no_counterpart_is_not_copied(options):
    with pytest.raises(ValueError, match="no counterpart"):
        MultiHeadAttention.from_torch(nn.MultiheadAttention(4, 2, **options))
    with pytest.raises(ValueError, match="no positions"):
        MultiHeadAttention(4, 2, positions=ALiBi(2)).to_torch()


# ---------------------------------------------------------------- masks


def masks(batch, heads, n_q, n_k, seed=0):
    """One of every accepted form, each with a query that may look nowhere, by its name."""
    shapes = {
        "shared": (n_q, n_k),
        "shared by queries": (1, n_k),
        "per sequence": (batch, n_q, n_k),
        "padding": (batch, 1, n_k),
        "per head": (batch, heads, n_q, n_k),
        "per head, any sequence": (1, heads, n_q, n_k),
    }
    forms = {name: draw(*shape, seed=seed) > 0 for name, shape in shapes.items()}
    for allowed in forms.values():
        allowed[..., -1, :] = False
    return forms


@pytest.mark.parametrize("form", masks(1, 1, 1, 1))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_both_paths_agree_forward_and_backward(form, dtype):
    layer, allowed = a_layer(dtype=dtype, scale=0.5), masks(2, 3, 4, 5)[form]  # scores below 2
    results = []
    for need_weights in (True, False):
        layer.zero_grad()
        x = [draw(2, n, 12, seed=n, dtype=dtype).requires_grad_() for n in (4, 5)]
        output, weights = layer(*x, allowed=allowed, need_weights=need_weights)
        assert (weights is not None) == need_weights
        (output * draw(*output.shape, dtype=dtype)).sum().backward()
        results.append([output, *(part.grad for part in x), *(p.grad for p in layer.parameters())])
    forward, backward, score = sums_both_ways(layer, x)
    # One sum each way, as the paths round to half precision eight times between them, not eight times a sum:
    # one its queries, scores, weights, heads and output, the other weights, heads and output. And so back.
    for a, b in zip(*results, strict=True):
        assert b.isfinite().all()
        assert_close(a, b, (sum(forward), sum(backward)), score)


@pytest.mark.parametrize("form", masks(1, 1, 1, 1))
@pytest.mark.parametrize("need_weights", [True, False])
def test_a_query_that_may_look_nowhere_gets_the_projection_of_zeros(form, need_weights):
    layer = a_layer()
    output, weights = layer(
        draw(2, 4, 12), draw(2, 5, 12, seed=1), allowed=masks(2, 3, 4, 5)[form], need_weights=need_weights
    )
    assert torch.equal(output[:, -1], layer.to_output.bias.expand(2, 12))
    assert not need_weights or torch.equal(weights[:, :, -1], torch.zeros(2, 3, 5, dtype=weights.dtype))


@pytest.mark.parametrize("form", masks(1, 1, 1, 1))
def test_forbidden_keys_get_nothing_and_every_other_row_sums_to_one(form):
    allowed = masks(2, 3, 4, 5)[form]
    _, weights = a_layer()(draw(2, 4, 12), draw(2, 5, 12, seed=1), allowed=allowed)
    by_head = allowed[:, None] if allowed.ndim == 3 else allowed
    by_head = by_head.broadcast_to(weights.shape)
    assert not weights[~by_head].any() and weights[by_head].all()
    assert_close(weights.sum(-1), by_head.any(-1).to(weights), (5, 5), score=1)


def test_the_number_of_dimensions_says_what_a_mask_is():
    n = heads = batch = 3  # every size fits everywhere: only the dimensions tell
    layer, x = a_layer(12, heads), draw(batch, n, 12)
    allowed = torch.ones(3, n, n, dtype=torch.bool)
    allowed[0, :, 0] = False  # sequence 0, not head 0
    _, weights = layer(x, allowed=allowed)
    assert not weights[0, :, :, 0].any() and weights[1:].all()
    _, weights = layer(x, allowed=allowed[None])
    assert not weights[:, 0, :, 0].any() and weights[:, 1:].all()
    _, weights = layer(x[0], allowed=allowed)  # no batch: one more than the query's are the heads
    assert not weights[0, :, 0].any() and weights[1:].all()


# ---------------------------------------------------------------- shapes


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("leading", [(), (2,), (2, 3), (1, 2, 2)])
def test_any_leading_dimensions(leading, need_weights):
    layer = a_layer()
    query, key = draw(*leading, 4, 12), draw(*leading, 5, 12, seed=1)
    for allowed in (None, draw(4, 5) > 0, draw(*leading, 4, 5) > 0, draw(*leading, 3, 4, 5) > 0):
        output, weights = layer(query, key, allowed=allowed, need_weights=need_weights)
        assert output.shape == (*leading, 4, 12)
        assert not need_weights or weights.shape == (*leading, 3, 4, 5)
        for i in product(*map(range, leading)):
            own = allowed if allowed is None or allowed.ndim == 2 else allowed[i]
            one = layer(query[i], key[i], allowed=own)[0]
            assert_close(output[i], one)


@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_without_weights_torchs_fused_kernel_is_used(leading, monkeypatch):
    calls, fused = [], F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *args, **kw: calls.append(1) or fused(*args, **kw)
    )
    x = draw(*leading, 5, 12)
    for allowed in (None, causal_mask(5), draw(*leading, 5, 5) > 0, draw(*leading, 3, 5, 5) > 0):
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # an error if torch had to fall back on n² scores
            a_layer()(x, allowed=allowed, need_weights=False)
    assert len(calls) == 4


@pytest.mark.parametrize("need_weights", [True, False])
def test_one_query_sequence_may_ask_many(need_weights):
    layer, query, keys = a_layer(), draw(1, 4, 12), draw(3, 5, 12, seed=1)
    together = layer(query, keys, need_weights=need_weights)[0]
    apart = [layer(query, key[None], need_weights=need_weights)[0] for key in keys]
    assert_close(together, torch.cat(apart))


@pytest.mark.parametrize("need_weights", [True, False])
def test_no_queries_or_no_keys(need_weights):
    layer = a_layer()
    assert layer(draw(2, 0, 12), draw(2, 3, 12), need_weights=need_weights)[0].shape == (2, 0, 12)
    output = layer(draw(2, 3, 12), draw(2, 0, 12), need_weights=need_weights)[0]
    assert torch.equal(output, layer.to_output.bias.expand(2, 3, 12))


def test_heads_share_one_budget_of_parameters():
    counts = {sum(p.numel() for p in MultiHeadAttention(16, h).parameters()) for h in (1, 2, 4, 8, 16)}
    assert counts == {4 * 16**2 + 4 * 16}
    assert sum(p.numel() for p in MultiHeadAttention(16, 4, bias=False).parameters()) == 4 * 16**2


# ---------------------------------------------------------------- properties


def test_the_formula_head_by_head():
    layer, x = a_layer(), draw(5, 12)
    output, weights = layer(x)
    heads = []
    for h in range(3):
        rows = slice(4 * h, 4 * h + 4)
        q, k, v = (
            x @ p.weight[rows].T + p.bias[rows] for p in (layer.to_query, layer.to_key, layer.to_value)
        )
        assert_close(weights[h], (q @ k.T / 2).softmax(-1))
        heads.append(weights[h] @ v)
    assert_close(output, torch.cat(heads, -1) @ layer.to_output.weight.T + layer.to_output.bias)


@pytest.mark.parametrize("need_weights", [True, False])
def test_shuffled_words_give_shuffled_outputs(need_weights):
    layer, x, order = a_layer(), draw(2, 6, 12), torch.tensor([3, 0, 5, 1, 4, 2])
    assert_close(
        layer(x[:, order], need_weights=need_weights)[0],
        layer(x, need_weights=need_weights)[0][:, order],
    )


def test_gradients_are_those_of_finite_differences():
    layer, allowed = a_layer(4, 2), torch.tensor([[True, False, True], [False, False, False]])
    x = [draw(n, 4, seed=n).requires_grad_() for n in (2, 3)]
    assert torch.autograd.gradcheck(lambda q, k: layer(q, k, allowed=allowed), x)


# ---------------------------------------------------------------- positions


class Recorder(PositionalEncoding):
    """Doubles queries, trebles keys, and adds what it is told to the scores."""

    def __init__(self, added):
        super().__init__()
        self.added, self.calls = added, []

    def embed(self, x, *, offset=0):
        raise AssertionError("embed belongs to the words, not to attention")

    def rotate(self, query, key, *, offset=0):
        self.calls.append((tuple(query.shape), tuple(key.shape), offset))
        return 2 * query, 3 * key

    def bias(self, n_q, n_k, *, offset=0, query=None):
        self.calls.append((n_q, n_k, tuple(query.shape), offset))
        return self.added


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(
    "size", [None, (3, 4, 5), (1, 1, 1, 5), (2, 3, 4, 5)], ids=["none", "a head", "keys", "each"]
)
def test_positions_turn_queries_and_keys_and_add_to_the_scores(size, masked, need_weights):
    added = None if size is None else draw(*size, seed=5, dtype=torch.float32)  # another float dtype is cast
    layer = a_layer(positions=Recorder(added))
    query, key = draw(2, 4, 12), draw(2, 5, 12, seed=1)
    allowed = masks(2, 3, 4, 5)["per sequence"] if masked else None
    output, weights = layer(query, key, allowed=allowed, need_weights=need_weights)
    assert layer.positions.calls == [((2, 3, 4, 4), (2, 3, 5, 4), 0), (4, 5, (2, 3, 4, 4), 0)]
    q, k, v = (
        split_heads(p(x), 3) for p, x in ((layer.to_query, query), (layer.to_key, key), (layer.to_value, key))
    )
    heads, expected = scaled_dot_product_attention(
        6 * q, k, v, allowed[:, None] if masked else None, bias=None if added is None else added.double()
    )
    score = 6 * 8 + 4  # two times three times those of `a_layer()`, and what is added
    assert_close(output, layer.to_output(merge_heads(heads)), score=score)
    if need_weights:
        assert_close(weights, expected, score=score)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("scheme", [lambda: RotaryEncoding(4), lambda: ALiBi(3)], ids=["rotary", "alibi"])
def test_decoding_from_a_cache_gives_the_last_rows(scheme, need_weights):
    layer, x = a_layer(positions=scheme()), draw(2, 7, 12)
    whole = layer(x, allowed=causal_mask(7), need_weights=need_weights)[0]
    last = layer(x[:, -2:], x, allowed=causal_mask(2, 7), need_weights=need_weights)[0]
    assert_close(last, whole[:, -2:])
    assert not torch.allclose(whole, a_layer()(x, allowed=causal_mask(7))[0])  # the positions do something


def test_a_scheme_with_parameters_is_trained_with_the_layer():
    class Learned(PositionalEncoding):
        def __init__(self):
            super().__init__()
            self.slope = nn.Parameter(torch.zeros(()))

        def bias(self, n_q, n_k, *, offset=0, query=None):
            return self.slope * torch.arange(n_k)

    layer = MultiHeadAttention(12, 3, positions=Learned())
    for need_weights in (True, False):
        layer.zero_grad()
        layer(torch.randn(2, 5, 12), need_weights=need_weights)[0].square().sum().backward()
        assert "positions.slope" in dict(layer.named_parameters()) and layer.positions.slope.grad != 0


# ---------------------------------------------------------------- heads that share keys


def as_torch_groups(layer, x, allowed=None, bias=None):
    """The same by torch: project, split, and its own grouped attention."""
    query, key, value = x if len(x) == 3 else (x[0], x[-1], x[-1])
    q, k, v = (
        p(part).unflatten(-1, (-1, layer.dim // layer.num_heads)).transpose(-3, -2)
        for p, part in ((layer.to_query, query), (layer.to_key, key), (layer.to_value, value))
    )
    mask = allowed if bias is None else bias if allowed is None else bias.masked_fill(~allowed, -math.inf)
    heads = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
    return layer.to_output(heads.transpose(-3, -2).flatten(-2))


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize(("n_q", "n_k"), [(4, 5), (1, 5), (5, 1), (0, 5), (4, 0)])
def test_shared_keys_give_what_torchs_grouped_attention_gives(groups, n_q, n_k, need_weights):
    layer = a_layer(24, 6, num_key_value_heads=groups)
    assert layer.to_key.weight.shape == layer.to_value.weight.shape == (4 * groups, 24)
    x = [draw(2, n, 24, seed=n) for n in (n_q, n_k, n_k)]
    forms = {"none": None} | (masks(2, 6, n_q, n_k) if n_q and n_k else {})
    for form, allowed in forms.items():
        output, weights = layer(*x, allowed=allowed, need_weights=need_weights)
        by_head = allowed[:, None] if allowed is not None and allowed.ndim == 3 else allowed
        right = as_torch_groups(layer, x, by_head)
        assert agree(output, right, 24, 4, 7, 7, 24, size=50), form
        if not need_weights:
            continue
        assert weights.shape == (2, 6, n_q, n_k), form
        if allowed is not None:
            by_head = by_head.broadcast_to(weights.shape)
            assert not weights[~by_head].any()
            assert_close(weights.sum(-1), by_head.any(-1).to(weights), (5, 5), score=1)


def repeated(layer):
    """A layer in which each head has keys and values of its own, which are copies of the group's."""
    full = MultiHeadAttention(layer.dim, layer.num_heads, positions=layer.positions).to(layer.to_query.weight)
    times = layer.num_heads // layer.num_key_value_heads
    d_k = layer.dim // layer.num_heads
    with torch.no_grad():
        for name in ("to_query", "to_key", "to_value", "to_output"):
            for ours, theirs in zip(
                getattr(full, name).parameters(), getattr(layer, name).parameters(), strict=True
            ):
                by_head = theirs.unflatten(0, (-1, d_k))
                ours.copy_(
                    (
                        by_head if name in ("to_query", "to_output") else by_head.repeat_interleave(times, 0)
                    ).flatten(0, 1)
                )
    return full


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
@pytest.mark.parametrize(
    "scheme", [lambda: None, lambda: RotaryEncoding(4), lambda: ALiBi(6), lambda: RelativeEncoding(4, 2)]
)
def test_shared_keys_are_repeated_keys_with_positions_and_gradients(scheme, lead, need_weights):
    layer = a_layer(24, 6, num_key_value_heads=2, positions=scheme())
    full, n = repeated(layer), 5
    allowed = draw(*lead, n, n, seed=8) > 0 if lead else causal_mask(n)
    found = []
    for one in (layer, full):
        one.zero_grad()
        x = draw(*lead, n, 24).requires_grad_()
        output, weights = one(x, allowed=allowed, need_weights=need_weights)
        (output * draw(*output.shape, seed=3)).sum().backward()
        grouped = [
            p.weight.grad.unflatten(0, (2, -1, 4) if one is full else (2, 1, 4)).sum(1)
            for p in (one.to_key, one.to_value)
        ]
        found.append(
            [output, x.grad, one.to_query.weight.grad, *grouped] + ([weights] if need_weights else [])
        )
    for ours, theirs in zip(*found, strict=True):
        assert_close(ours, theirs, (24, 4, 7, 7, 24) * 4)


def test_the_first_heads_share_the_first_keys():
    layer, x = a_layer(24, 6, num_key_value_heads=2), draw(2, 5, 24)
    before = layer(x)[1]
    with torch.no_grad():
        layer.to_key.weight[:4] += 1  # those of the first of the two
    moved = (layer(x)[1] - before).abs().amax((0, 2, 3)) > 1e-6
    assert moved.tolist() == [True] * 3 + [False] * 3


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("n_q", [1, 3])
@torch.no_grad()
def test_no_key_is_copied_for_the_heads_that_share_it(n_q, need_weights):
    layer, n = a_layer(64, 16, num_key_value_heads=1, dtype=torch.float32), 4096
    q, k, v = draw(1, 16, n_q, 4, dtype=torch.float32), *draw(2, 1, 1, n, 4, dtype=torch.float32)
    allowed, weights = causal_mask(n_q, n), 16 * n_q * n * 4
    needed = peak_bytes(lambda: layer.attend(q, k, v, None, None, need_weights))
    assert needed < k.nbytes + (2 * weights if need_weights else 0)  # a copy for each head is 16 times that
    with_mask = peak_bytes(lambda: layer.attend(q, k, v, allowed, None, need_weights))
    assert with_mask < k.nbytes + allowed.numel() * 8 + (4 * weights if need_weights else 0)


@torch.no_grad()
def test_without_weights_a_mask_is_not_repeated_for_the_heads_that_share_keys():
    n, x = 512, draw(1, 512, 64, dtype=torch.float32)
    needed = [
        peak_bytes(
            lambda g=g: a_layer(64, 16, num_key_value_heads=g, dtype=torch.float32)(
                x, allowed=causal_mask(n), need_weights=False
            )
        )
        for g in (1, 16)
    ]
    assert needed[0] <= 1.1 * needed[1]


@pytest.mark.parametrize("scheme", [lambda: None, lambda: RotaryEncoding(4)])
def test_a_group_is_chosen_by_numbers_that_fit(scheme):
    for groups, message in (
        (4, "num_heads=6 is not divisible by num_key_value_heads=4"),
        (0, "num_key_value_heads must be a whole number, 1 or more, got 0"),
        (12, "num_heads=6 is not divisible by num_key_value_heads=12"),
    ):
        with pytest.raises(ValueError, match=message):
            MultiHeadAttention(24, 6, positions=scheme(), num_key_value_heads=groups)


def test_torchs_module_has_no_shared_keys():
    with pytest.raises(
        ValueError, match=r"no heads that share keys: .* num_key_value_heads=2 for num_heads=4"
    ):
        MultiHeadAttention(8, 4, num_key_value_heads=2).to_torch()
    MultiHeadAttention(8, 4, num_key_value_heads=4).to_torch()


# ---------------------------------------------------------------- a cache


CACHED = {
    "none": lambda heads: None,
    "rotary": lambda heads: RotaryEncoding(4),
    "rotary in halves": lambda heads: RotaryEncoding(4, pairing="half"),
    "alibi": ALiBi,
    "relative": lambda heads: RelativeEncoding(4, 3),
}
SEEN = {  # who may look at whom when all words come at once; nobody ahead of a cut
    "causal": lambda n: causal_mask(n),
    "window": lambda n: causal_mask(n) & window_mask(n, width=2),
    "each its own": lambda n: causal_mask(n) & (draw(2, n, n, seed=7) > -0.5),
    "each head its own": lambda n: causal_mask(n) & (draw(2, 6, n, n, seed=7) > -0.5),
}


def in_pieces(layer, x, cuts, allowed, cache=None, **options):
    """The answers to a text that comes in pieces, put together; weights are 0 for what was not there yet."""
    cache, outputs, maps, n = KeyValueCache() if cache is None else cache, [], [], 0
    for end in (*cuts, x.shape[-2]):
        own = allowed[..., n:end, :end]
        output, weights = layer(x[..., n:end, :], allowed=own, cache=cache, **options)
        assert len(cache) == end
        outputs.append(output)
        if weights is not None:
            maps.append(F.pad(weights, (0, x.shape[-2] - end)))
        n = end
    return torch.cat(outputs, -2), torch.cat(maps, -2) if maps else None


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("groups", [6, 2, 1])
@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("name", CACHED)
def test_any_cutting_gives_what_one_call_gives(name, seen, groups, need_weights):
    layer = a_layer(24, 6, num_key_value_heads=groups, positions=CACHED[name](6))
    x, allowed = draw(2, 9, 24), SEEN[seen](9)
    whole = layer(x, allowed=allowed, need_weights=need_weights)
    for cuts in ((), range(1, 9), (4, 5, 6, 7, 8), (3, 6), (1,), (8,), (0, 0, 5)):
        for recorded in (True, False):
            with torch.set_grad_enabled(recorded):
                parts = in_pieces(layer, x, cuts, allowed, need_weights=need_weights)
            assert_close(parts[0], whole[0], (24, 4, 9, 9, 24))
            if need_weights:
                assert_close(parts[1], whole[1], (24, 4, 9, 9, 24))


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 12), max_size=12),
    name=st.sampled_from(list(CACHED)),
    groups=st.sampled_from([1, 2, 6]),
)
def test_any_cutting_at_all(cuts, name, groups):
    layer, x = a_layer(24, 6, num_key_value_heads=groups, positions=CACHED[name](6)), draw(2, 12, 24)
    output, _ = in_pieces(layer, x, sorted(cuts), causal_mask(12), need_weights=False)
    assert_close(output, layer(x, allowed=causal_mask(12))[0], (24, 4, 12, 12, 24))


def test_gradients_of_a_text_in_pieces_are_those_of_the_whole():
    layer, found = a_layer(24, 6, num_key_value_heads=2, positions=RotaryEncoding(4)), []
    for cuts in ((), (2, 3, 6)):
        layer.zero_grad()
        x = draw(2, 9, 24).requires_grad_()
        output, _ = in_pieces(layer, x, cuts, causal_mask(9))
        (output * draw(*output.shape, seed=2)).sum().backward()
        found.append([x.grad, *(p.grad for p in layer.parameters())])
    for ours, theirs in zip(*found, strict=True):
        assert_close(ours, theirs, (24, 4, 9, 9, 24) * 4)


def test_what_does_not_fit_is_not_remembered():
    layer, cache = a_layer(), KeyValueCache()
    layer(draw(2, 3, 12), cache=cache)
    for x, allowed, message in (
        (draw(2, 2, 12), causal_mask(2), "which does not fit 2 queries × 5 keys"),
        (draw(2, 2, 12), torch.ones(3, 2, 5).bool(), r"\(2, 5\), \(2, 2, 5\), or per head \(2, 3, 2, 5\)"),
        (
            draw(3, 2, 12),
            None,
            r"key has shape \(3, 3, 2, 4\), which cannot follow what is kept, \(2, 3, 3, 4\)",
        ),
        (draw(2, 2, 10), None, "query has 10 features"),
    ):
        with pytest.raises(ValueError, match=message):
            layer(x, allowed=allowed, cache=cache)
        assert len(cache) == 3
    one = SelfAttention(12).double()
    parts = in_pieces(one, draw(2, 5, 12), (2, 3), causal_mask(5))
    assert_close(parts[0], one(draw(2, 5, 12), allowed=causal_mask(5))[0])


def test_a_scheme_is_told_where_the_given_words_stand_and_a_cache_may_be_anyones():
    class Listed:
        def __init__(self):
            self.keys, self.values = [], []

        def __len__(self):
            return sum(x.shape[-2] for x in self.keys)

        def append(self, key, value):
            self.keys.append(key)
            self.values.append(value)
            return torch.cat(self.keys, -2), torch.cat(self.values, -2)

    layer = a_layer(positions=Recorder(None))
    in_pieces(layer, draw(2, 6, 12), (3, 5), causal_mask(6), cache=Listed())
    assert layer.positions.calls[::2] == [
        ((2, 3, n, 4), (2, 3, n, 4), at) for n, at in ((3, 0), (2, 3), (1, 5))
    ]
    assert layer.positions.calls[1::2] == [(n, m, (2, 3, n, 4), 0) for n, m in ((3, 3), (2, 5), (1, 6))]


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((10, 4), "dim=10 is not divisible by num_heads=4"),
        ((0, 1), "dim must be a whole number, 1 or more, got 0"),
        ((4.0, 2), "dim must be a whole number, 1 or more, got 4.0"),
        ((4, 0), "num_heads must be a whole number, 1 or more, got 0"),
        ((4, True), "num_heads must be a whole number, 1 or more, got True"),
    ],
)
def test_sizes_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(*arguments)


X = torch.zeros(2, 4, 12)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(
    "inputs, allowed, message",
    [
        ([X[..., :10]], None, "query has 10 features but this layer has dim=12"),
        ([X, X[..., :10]], None, "key has 10 features but this layer has dim=12"),
        ([X, X, X[..., :10]], None, "value has 10 features but this layer has dim=12"),
        ([X, X, X[:, :3]], None, "key has 4 positions but value has 3"),
        ([X, X.repeat(2, 1, 1)[:3]], None, "leading dimensions do not fit"),
        ([X[0, 0]], None, r"positions, features\), got \(12,\)"),
        ([X.double(), X], None, "query is torch.float64 but key is torch.float32"),
        ([X.double()], None, "query is torch.float64 but this layer is torch.float32"),
        ([X.long()], None, "query must be floating point, got torch.int64"),
        ([X.tolist()], None, "query must be a torch tensor, got list"),
        ([X], torch.ones(4, 4), "allowed must be a boolean tensor .* got torch.float32"),
        ([X], [[True]], "allowed must be a boolean tensor .* got list"),
        ([X], (4, 3), r"allowed has shape \(4, 3\), which does not fit 4 queries × 4 keys"),
        ([X], (3, 4, 4), r"allowed has shape \(3, 4, 4\) but must be \(4, 4\), \(2, 4, 4\), or per head "),
        ([X], (2, 4, 4, 4), r"allowed has shape \(2, 4, 4, 4\) but must be .* or per head \(2, 3, 4, 4\)"),
        ([X], (1, 2, 3, 4, 4), r"allowed has shape \(1, 2, 3, 4, 4\) but must be"),
        ([X], (4,), r"allowed has shape \(4,\) but must be \(4, 4\)"),
        ([X[0]], (2, 4, 4), r"allowed has shape \(2, 4, 4\) but must be \(4, 4\), or per head \(3, 4, 4\)"),
        ([X[None]], (2, 4, 4), r"but must be \(4, 4\), \(1, 2, 4, 4\), or per head \(1, 2, 3, 4, 4\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_their_numbers(inputs, allowed, message, need_weights):
    if isinstance(allowed, tuple):
        allowed = torch.ones(allowed, dtype=torch.bool)
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(12, 3)(*inputs, allowed=allowed, need_weights=need_weights)
