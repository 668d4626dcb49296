"""The steps of a layer: called in order, each to be overridden on its own, in a subclass or in one layer."""

import math

import pytest
import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from attention_core import (
    ALiBi,
    MultiHeadAttention,
    PositionalEncoding,
    RotaryEncoding,
    SelfAttention,
    causal_mask,
    merge_heads,
    scaled_dot_product_attention,
    split_heads,
)
from attention_core.agreement import agree

DIM, HEADS, N_Q, N_K = 12, 3, 4, 5
STEPS = ("project", "split", "attend", "merge", "output")
KINDS = {"one head": (SelfAttention, (DIM,)), "several": (MultiHeadAttention, (DIM, HEADS))}

both = pytest.mark.parametrize("kind, sizes", KINDS.values(), ids=KINDS)
each_step = pytest.mark.parametrize("step", STEPS)
both_paths = pytest.mark.parametrize("need_weights", [True, False])


@pytest.fixture(autouse=True)
def seeded():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def made(kind, sizes, **options):
    torch.manual_seed(0)
    return kind(*sizes, **options).double()


def inputs():
    """Query, key and value, three of them different, with more keys than queries."""
    drawn = torch.Generator().manual_seed(1)
    return [torch.randn(2, n, DIM, generator=drawn, dtype=torch.float64) for n in (N_Q, N_K, N_K)]


def a_mask():
    """`(batch, n_q, n_k)`, another one for each sequence, with a query that may look nowhere."""
    allowed = torch.rand(2, N_Q, N_K, generator=torch.Generator().manual_seed(2)) > 0.4
    allowed[:, 1] = False
    return allowed


def close(one, other):
    """A projection, a score, a softmax, a mixture and a projection, and no number above 32."""
    return agree(one, other, DIM, DIM, N_K, N_K, DIM, size=32)


def plain(layer) -> dict:
    """What each step does, written out: the layer's own steps are not asked."""
    several = isinstance(layer, MultiHeadAttention)
    return {
        "project": lambda q, k, v: (layer.to_query(q), layer.to_key(k), layer.to_value(v)),
        "split": (lambda x: split_heads(x, HEADS)) if several else (lambda x: x),
        "attend": lambda q, k, v, allowed=None, *_: scaled_dot_product_attention(q, k, v, allowed),
        "merge": merge_heads if several else (lambda x: x),
        "output": layer.to_output if several else (lambda x: x),
    }


def another(step, layer):
    """Something else to do in this step, of the same shapes."""
    own = plain(layer)[step]
    return {
        "project": lambda q, k, v: own(q, k, k),  # keys for values
        "split": lambda x: 2 * own(x),
        "attend": lambda q, k, v, allowed=None, *_: scaled_dot_product_attention(q, k, v, allowed, scale=1.0),
        "merge": lambda x: own(x).flip(-1),
        "output": lambda x: own(x) - 3,
    }[step]


def composed(steps, allowed, several):
    """The layer as its formula, of steps."""
    q, k, v = (steps["split"](x) for x in steps["project"](*inputs()))
    heads, weights = steps["attend"](q, k, v, allowed[:, None] if several else allowed)
    return steps["output"](steps["merge"](heads)), weights


def subclassed(kind, sizes, step):
    """A layer of a subclass that overrides one step as a method."""

    class Other(kind):
        pass

    setattr(Other, step, lambda self, *given: another(step, self)(*given))
    return made(Other, sizes)


def in_one_layer(kind, sizes, step):
    """One layer in which a step is replaced by a function."""
    layer = made(kind, sizes)
    setattr(layer, step, another(step, layer))
    return layer


# ---------------------------------------------------------------- each step


@both
def test_the_steps_of_a_layer_are_its_formula(kind, sizes):
    layer = made(kind, sizes)
    own = {step: getattr(layer, step) for step in STEPS}
    answers = (
        layer(*inputs(), allowed=a_mask()),
        composed(own, a_mask(), kind is MultiHeadAttention),
        composed(plain(layer), a_mask(), kind is MultiHeadAttention),
    )
    for others in zip(*answers, strict=True):
        assert all(torch.equal(x, others[0]) for x in others)


@both
@both_paths
def test_forward_calls_each_step_once_in_this_order_with_these_shapes(kind, sizes, need_weights):
    layer, calls = made(kind, sizes), []
    for step in STEPS:
        own = getattr(layer, step)

        def noted(*given, step=step, own=own, **named):
            assert not named  # all by place: an `attend` may take the rest as *_
            calls.append((step, [tuple(x.shape) if isinstance(x, torch.Tensor) else x for x in given]))
            return own(*given)

        setattr(layer, step, noted)
    layer(*inputs(), allowed=a_mask(), need_weights=need_weights)
    heads, d_k = ((HEADS,), DIM // HEADS) if kind is MultiHeadAttention else ((), DIM)
    one = (1,) * len(heads)  # the mask is the same for all heads
    asked, offered = (2, N_Q, DIM), (2, N_K, DIM)
    q, k = (2, *heads, N_Q, d_k), (2, *heads, N_K, d_k)
    assert calls == [
        ("project", [asked, offered, offered]),
        ("split", [asked]),
        ("split", [offered]),
        ("split", [offered]),
        ("attend", [q, k, k, (2, *one, N_Q, N_K), None, need_weights]),
        ("merge", [q]),
        ("output", [asked]),
    ]


@both
@each_step
@pytest.mark.parametrize("override", [subclassed, in_one_layer])
def test_an_overridden_step_changes_what_it_should_and_nothing_else(kind, sizes, step, override):
    layer, before = override(kind, sizes, step), made(kind, sizes)
    several = kind is MultiHeadAttention
    expected = composed(plain(layer) | {step: another(step, layer)}, a_mask(), several)
    right = before(*inputs(), allowed=a_mask())
    output, weights = layer(*inputs(), allowed=a_mask())
    assert torch.equal(output, expected[0]) and torch.equal(weights, expected[1])
    assert not close(output, right[0])
    # values, merging and leaving come beside or behind the weights
    assert torch.equal(weights, right[1]) == (step in ("project", "merge", "output"))
    fast, nothing = layer(*inputs(), allowed=a_mask(), need_weights=False)
    assert nothing is None and close(fast, output)
    assert [name for name, _ in layer.named_parameters()] == [name for name, _ in before.named_parameters()]


@both
@each_step
def test_a_step_replaced_in_one_layer_is_replaced_in_no_other(kind, sizes, step):
    right = made(kind, sizes)(*inputs())[0]
    in_one_layer(kind, sizes, step)
    assert torch.equal(made(kind, sizes)(*inputs())[0], right)


@both
def test_an_attend_that_always_makes_weights_answers_without_them_when_they_are_not_wanted(kind, sizes):
    class Columns(kind):
        def attend(self, q, k, v, *_):
            weights = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(dim=-2)
            return weights @ v, weights

    layer = made(Columns, sizes)
    output, weights = layer(*inputs())
    assert close(weights.sum(-2), torch.ones_like(weights.sum(-2)))  # over the queries
    fast, nothing = layer(*inputs(), need_weights=False)
    assert nothing is None and torch.equal(fast, output)


@both
def test_attend_by_itself_needs_no_more_than_query_key_and_value(kind, sizes):
    layer = made(kind, sizes)
    q, k, v = (layer.split(x) for x in layer.project(*inputs()))
    for got, right in zip(layer.attend(q, k, v), scaled_dot_product_attention(q, k, v), strict=True):
        assert torch.equal(got, right)
    bias = torch.arange(float(N_K), dtype=torch.float64)
    allowed = causal_mask(N_Q, N_K)
    heads, weights = layer.attend(q, k, v, allowed, bias)
    assert torch.equal(weights, scaled_dot_product_attention(q, k, v, allowed, bias=bias)[1])
    fast, nothing = layer.attend(q, k, v, allowed, bias, need_weights=False)
    assert nothing is None and close(fast, heads)


# ---------------------------------------------------------------- positions stand between split and attend


class Doubled(PositionalEncoding):
    """Turns nothing, but is seen: queries are doubled, keys trebled, and a float32 bias is added."""

    def rotate(self, query, key, *, offset=0):
        return 2 * query, 3 * key

    def bias(self, n_q, n_k, *, offset=0, query=None):
        return torch.arange(n_k) / 2


@both_paths
def test_positions_come_after_split_and_before_attend(need_weights):
    layer, seen = made(MultiHeadAttention, (DIM, HEADS), positions=Doubled()), []
    own = layer.attend
    layer.attend = lambda *given: seen.append(given) or own(*given)
    layer.split = lambda x: split_heads(x, HEADS) + 1
    layer(*inputs(), need_weights=need_weights)
    q, k, v = (layer.split(x) for x in layer.project(*inputs()))
    ((query, key, value, allowed, bias, wanted),) = seen
    assert torch.equal(query, 2 * q) and torch.equal(key, 3 * k) and torch.equal(value, v)
    assert allowed is None and wanted is need_weights
    assert torch.equal(bias, torch.arange(N_K, dtype=torch.float64) / 2)  # of the query's dtype


@pytest.mark.parametrize("scheme", [lambda: RotaryEncoding(DIM // HEADS), lambda: ALiBi(HEADS)])
def test_positions_stay_when_another_step_is_overridden(scheme):
    class Shifted(MultiHeadAttention):
        def output(self, x):
            return super().output(x) + 1

    right = made(MultiHeadAttention, (DIM, HEADS), positions=scheme())(*inputs())
    output, weights = made(Shifted, (DIM, HEADS), positions=scheme())(*inputs())
    assert torch.equal(output, right[0] + 1) and torch.equal(weights, right[1])


# ---------------------------------------------------------------- what both layers share


@pytest.mark.parametrize("bias", [True, False])
@both
def test_the_names_of_the_parameters(kind, sizes, bias):
    parts = ["to_query", "to_key", "to_value", *(["to_output"] if kind is MultiHeadAttention else [])]
    kinds = ("weight", "bias") if bias else ("weight",)
    layer = kind(*sizes, bias=bias)
    assert list(layer.state_dict()) == [f"{part}.{name}" for part in parts for name in kinds]
    assert all(p.shape == ((DIM, DIM) if p.ndim == 2 else (DIM,)) for p in layer.parameters())


def test_one_head_has_no_bias_unless_asked_and_then_adds_it():
    assert list(SelfAttention(DIM).state_dict()) == list(SelfAttention(DIM, bias=False).state_dict())
    layer = made(SelfAttention, (DIM,), bias=True)
    query, key, value = inputs()
    q, k, v = (
        x @ p.weight.T + p.bias
        for x, p in ((query, layer.to_query), (key, layer.to_key), (value, layer.to_value))
    )
    for need_weights in (True, False):
        output, _ = layer(*inputs(), need_weights=need_weights)
        assert close(output, scaled_dot_product_attention(q, k, v)[0])
    assert not close(output, made(SelfAttention, (DIM,))(*inputs())[0])
    with pytest.raises(TypeError):
        SelfAttention(DIM, True)  # a size more, or a bias? It must be named


@both
@pytest.mark.parametrize("leading", [(), (2,), (2, 3), (1, 2, 2)])
def test_without_weights_torchs_fused_kernel_is_used(kind, sizes, leading, monkeypatch):
    calls, fused = [], F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *args, **kw: calls.append(1) or fused(*args, **kw)
    )
    layer, x = kind(*sizes), torch.randn(*leading, N_K, DIM)
    for allowed in (None, causal_mask(N_K), torch.rand(*leading, N_K, N_K) > 0.5):
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # an error if torch had to fall back on n² scores
            layer(x, allowed=allowed, need_weights=False)
    assert len(calls) == 3


@both
@both_paths
@pytest.mark.parametrize("of_query, of_key", [((), ()), ((), (2,)), ((3, 1), (2,)), ((1,), (2,)), ((2,), ())])
@pytest.mark.parametrize("n_q, n_k", [(N_Q, N_K), (0, N_K), (N_Q, 0)])
def test_leading_dimensions_broadcast_also_of_nothing(kind, sizes, of_query, of_key, n_q, n_k, need_weights):
    layer = made(kind, sizes)
    query = torch.randn(*of_query, n_q, DIM, dtype=torch.float64)
    key = torch.randn(*of_key, n_k, DIM, dtype=torch.float64)
    leading = torch.broadcast_shapes(of_query, of_key)
    output, _ = layer(query, key, need_weights=need_weights)
    full = layer(query.expand(*leading, n_q, DIM), key.expand(*leading, n_k, DIM))[0]
    assert output.shape == full.shape == (*leading, n_q, DIM)
    assert close(output, full)


@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_a_mask_of_keys_alone_fits_one_head_on_both_paths(leading):
    layer, x = made(SelfAttention, (DIM,)), torch.randn(*leading, N_K, DIM, dtype=torch.float64)
    allowed = torch.tensor([True, False, True, True, False])
    output, weights = layer(x, allowed=allowed)
    assert not weights[..., ~allowed].any()
    assert close(layer(x, allowed=allowed, need_weights=False)[0], output)
