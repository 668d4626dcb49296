"""`scaled_dot_product_attention` and `SelfAttention` against torch's own, and against their contract."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from attention_core import SelfAttention, causal_mask, scaled_dot_product_attention
from attention_core.agreement import agree, attention_rounding, rounding
from attention_core.cost import peak_bytes

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
sizes = st.integers(1, 7)


def draw(*size, seed=0, dtype=torch.float64):
    """Numbers between −1 and 1: scores small enough that no softmax is saturated."""
    drawn = torch.rand(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (2 * drawn - 1).to(dtype)


@st.composite
def problems(draw_from, masked=None):
    """`(query, key, value)` and the keyword arguments, of random shapes."""
    leading = draw_from(st.lists(st.integers(1, 3), max_size=2))
    n_q, n_k, d_k, d_v = (draw_from(sizes) for _ in range(4))
    dtype, seed = draw_from(st.sampled_from(DTYPES)), draw_from(st.integers(0, 10_000))

    def some(*size):  # of the full leading dimensions, or broadcast along some of them
        kept = [n if draw_from(st.booleans()) else 1 for n in leading]
        return (*kept[draw_from(st.integers(0, len(kept))) :], *size)

    query = draw(*leading, n_q, d_k, seed=seed, dtype=dtype)
    key = draw(*some(n_k, d_k), seed=seed + 1, dtype=dtype)
    value = draw(*some(n_k, d_v), seed=seed + 2, dtype=dtype)
    options = {}
    if masked or (masked is None and draw_from(st.booleans())):
        shape = some(draw_from(st.sampled_from([1, n_q])), draw_from(st.sampled_from([1, n_k])))
        odds = draw_from(st.sampled_from([0.0, 0.3, 0.7, 1.0]))  # 0: no query may look anywhere
        options["allowed"] = (draw(*shape, seed=seed + 3) + 1) / 2 < odds
    if draw_from(st.booleans()):
        options["bias"] = draw(*some(n_q, n_k), seed=seed + 4, dtype=dtype)
    if draw_from(st.booleans()):
        options["scale"] = draw_from(st.floats(-1, 1))
    return (query, key, value), options


def by_torch(query, key, value, allowed=None, bias=None, scale=None):
    """The output by torch's own function, in float64."""
    query, key, value = query.double(), key.double(), value.double()
    mask = None if bias is None else bias.double()
    if allowed is not None:
        zeros = torch.zeros(allowed.shape, dtype=torch.float64) if mask is None else mask
        mask = zeros.masked_fill(~allowed, -math.inf)
    leading = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    query, key, value = (x.expand(*leading, *x.shape[-2:]) for x in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)


def bounds(inputs, options):
    """How far the output and the weights may be from torch's; a mask leaves numbers out, it adds none."""
    return attention_rounding(*inputs, scale=options.get("scale"), bias=options.get("bias"))


@settings(max_examples=150, deadline=None)
@given(problem=problems())
def test_the_output_is_torchs(problem):
    inputs, options = problem
    output, weights = scaled_dot_product_attention(*inputs, **options)
    dtype = inputs[0].dtype
    assert output.dtype == weights.dtype == dtype
    expected = by_torch(*inputs, **options)
    assert output.shape == expected.shape
    assert (output.double() - expected).abs().max() <= bounds(inputs, options)[0]


@settings(max_examples=100, deadline=None)
@given(problem=problems())
def test_the_weights_are_what_torch_weights_the_values_with(problem):
    # values that are the rows of the identity make torch hand out its weights
    (query, key, _), options = problem
    eye = torch.eye(key.shape[-2], dtype=query.dtype)
    _, weights = scaled_dot_product_attention(query, key, eye, **options)
    expected = by_torch(query, key, eye, **options)
    assert weights.shape == expected.shape
    assert (weights.double() - expected).abs().max() <= bounds((query, key, eye), options)[1]


@settings(max_examples=100, deadline=None)
@given(problem=problems(masked=True))
def test_a_row_sums_to_1_or_where_nothing_may_be_looked_at_is_exactly_0(problem):
    inputs, options = problem
    output, weights = scaled_dot_product_attention(*inputs, **options)
    allowed = options["allowed"].broadcast_to(weights.shape)
    somewhere = allowed.any(-1)
    assert (weights[~allowed] == 0).all()
    assert (weights >= 0).all()
    sums = weights.double().sum(-1)
    assert (sums - somewhere.double()).abs().max() <= rounding(weights.dtype, weights.shape[-1])
    assert (output[~somewhere.broadcast_to(output.shape[:-1])] == 0).all()


@every_dtype
def test_a_fully_masked_row_is_0_and_its_gradient_finite(dtype):
    query, key, value = (draw(2, 3, 4, seed=i, dtype=dtype).requires_grad_() for i in range(3))
    allowed = torch.tensor([[True, True, False], [False, False, False], [True, False, False]])
    output, weights = scaled_dot_product_attention(query, key, value, allowed)
    assert (weights[:, 1] == 0).all() and (output[:, 1] == 0).all()
    assert (weights[:, 2] == torch.tensor([1, 0, 0])).all()
    output.square().sum().backward()
    for x in (query, key, value):
        assert x.grad.isfinite().all()
    assert (query.grad[:, 1] == 0).all()  # it looked nowhere: nothing it asks could change
    assert (query.grad[:, 0] != 0).any()
    assert (key.grad[:, 2] == 0).all()  # nobody looked at it


def test_a_bias_of_minus_infinity_is_a_mask():
    query, key, value = draw(3, 4), draw(5, 4, seed=1), draw(5, 2, seed=2)
    allowed = draw(3, 5, seed=3) > 0
    allowed[1] = False
    bias = torch.zeros(3, 5, dtype=torch.float64).masked_fill(~allowed, -math.inf)
    with_bias = scaled_dot_product_attention(query, key, value, bias=bias)
    with_mask = scaled_dot_product_attention(query, key, value, allowed)
    for one, other in zip(with_bias, with_mask, strict=True):
        assert torch.equal(one, other)
    query.requires_grad_()
    scaled_dot_product_attention(query, key, value, bias=bias)[0].sum().backward()
    assert query.grad.isfinite().all()
    assert (query.grad[1] == 0).all() and (query.grad[0] != 0).any()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("scale", [None, 0.7])
def test_the_gradient_is_what_finite_differences_say(masked, scale):
    query, key, value, bias = (
        draw(*size, seed=i).requires_grad_() for i, size in enumerate([(2, 3, 2), (2, 4, 2), (4, 1), (3, 4)])
    )
    allowed = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0], [0, 0, 1, 0]]).bool() if masked else None

    def attend(query, key, value, bias):
        return scaled_dot_product_attention(query, key, value, allowed, scale=scale, bias=bias)

    assert torch.autograd.gradcheck(attend, (query, key, value, bias))


def test_without_bias_and_mask_too():
    inputs = [draw(*size, seed=i).requires_grad_() for i, size in enumerate([(3, 4), (5, 4), (5, 2)])]
    assert torch.autograd.gradcheck(scaled_dot_product_attention, inputs)


def test_the_scale_is_one_over_the_root_of_d_k_unless_given():
    query, key, value = draw(3, 16), draw(5, 16, seed=1), draw(5, 2, seed=2)
    weights = scaled_dot_product_attention(query, key, value)[1]
    # sums over 16 features and 5 keys; 16 products of numbers below 1 make scores below 16
    assert agree(weights, (query @ key.T / 4).softmax(-1), 16, 5, size=16 / 4)
    plain = scaled_dot_product_attention(query, key, value, scale=1)[1]
    assert agree(plain, (query @ key.T).softmax(-1), 16, 5, size=16)
    even = scaled_dot_product_attention(query, key, value, scale=0)[1]  # nothing compared: a plain average
    assert agree(even, torch.full((3, 5), 1 / 5, dtype=torch.float64), 16, 5)


def test_by_hand():
    query, key = torch.tensor([[2.0]]), torch.tensor([[0.0], [math.log(3) / 2]])
    output, weights = scaled_dot_product_attention(query, key, torch.tensor([[8.0], [4.0]]))
    assert agree(weights, torch.tensor([[1 / 4, 3 / 4]]), 1, 2, size=math.log(3))  # e⁰ : e^(log 3)
    assert agree(output, torch.tensor([[5.0]]), 1, 2, 2, size=8 * math.log(3))


@every_dtype
def test_large_scores_do_not_overflow(dtype):
    query = torch.tensor([[100.0, 100.0]], dtype=dtype)
    key = torch.tensor([[100.0, 100.0], [-100.0, 100.0]], dtype=dtype)
    output, weights = scaled_dot_product_attention(query, key, key)
    assert weights.tolist() == [[1.0, 0.0]]
    assert output.isfinite().all()


def test_the_scale_goes_onto_the_query_so_that_half_precision_does_not_overflow():
    big = torch.full((1, 64), 40.0, dtype=torch.float16)  # q · k is 102 400, more than float16 holds
    weights = scaled_dot_product_attention(big, torch.cat((big, -big)), torch.cat((big, big)))[1]
    assert weights.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(("n_q", "n_k"), [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("masked", [False, True])
def test_empty_sequences_are_no_special_case(n_q, n_k, masked):
    allowed = torch.ones(n_q, n_k, dtype=torch.bool) if masked else None
    output, weights = scaled_dot_product_attention(draw(2, n_q, 4), draw(2, n_k, 4), draw(2, n_k, 3), allowed)
    assert weights.shape == (2, n_q, n_k)
    assert output.shape == (2, n_q, 3) and (output == 0).all()


def test_values_without_features_are_allowed():
    assert scaled_dot_product_attention(draw(3, 4), draw(2, 4), draw(2, 0))[0].shape == (3, 0)


def test_inputs_are_left_as_they_were():
    inputs = [draw(3, 4, seed=i) for i in range(3)]
    allowed, bias = causal_mask(3), draw(3, 3, seed=3)
    before = [x.clone() for x in (*inputs, allowed, bias)]
    scaled_dot_product_attention(*inputs, allowed, bias=bias)
    for x, y in zip((*inputs, allowed, bias), before, strict=True):
        assert torch.equal(x, y)


# ---------------------------------------------------------------- refusals


X = torch.zeros(2, 3, 4)  # a query, key or value that fits


def refused(query=X, key=X, value=X, allowed=None, **options):
    with pytest.raises(ValueError) as refusal:
        scaled_dot_product_attention(query, key, value, allowed, **options)
    return str(refusal.value)


@pytest.mark.parametrize("name", ["query", "key", "value"])
def test_query_key_and_value_must_be_floating_point_tensors_of_two_dimensions(name):
    assert refused(**{name: [[1.0]]}) == f"{name} must be a torch tensor, got list"
    assert refused(**{name: X.numpy()}) == f"{name} must be a torch tensor, got ndarray"
    flat = f"{name} must have shape (..., positions, features), got (4,)"
    assert refused(**{name: torch.zeros(4)}) == flat
    assert refused(**{name: torch.zeros(())}) == flat.replace("(4,)", "()")
    assert refused(**{name: X.long()}) == f"{name} must be floating point, got torch.int64"
    assert refused(**{name: X.bool()}) == f"{name} must be floating point, got torch.bool"
    assert refused(**{name: X.cfloat()}) == f"{name} must be floating point, got torch.complex64"


def test_dtypes_and_shapes_must_agree():
    assert refused(key=X.half()) == "query is torch.float32 but key is torch.float16"
    assert refused(value=X.double()) == "query is torch.float32 but value is torch.float64"
    assert refused(key=torch.zeros(2, 3, 5)) == "query has 4 features but key has 5"
    assert refused(value=torch.zeros(2, 6, 4)) == "key has 3 positions but value has 6"
    none = torch.zeros(2, 3, 0)
    assert refused(none, none) == "query and key have 0 features: there is nothing to compare"
    assert refused(key=torch.zeros(5, 3, 4)) == (
        "leading dimensions do not fit together: query (2, 3, 4), key (5, 3, 4), value (2, 3, 4)"
    )


@pytest.mark.parametrize("scale", [math.nan, math.inf, -math.inf])
def test_the_scale_must_be_finite(scale):
    assert refused(scale=scale) == f"scale must be a finite number, got {scale}"


def test_allowed_must_be_a_boolean_tensor_that_fits():
    message = "allowed must be a boolean tensor (True means may look), got "
    assert refused(allowed=torch.ones(3, 3)) == message + "torch.float32"
    assert refused(allowed=torch.ones(3, 3, dtype=torch.uint8)) == message + "torch.uint8"
    assert refused(allowed=[[True]]) == message + "list"
    wrong = torch.ones(3, 5, dtype=torch.bool)
    assert refused(allowed=wrong) == "allowed has shape (3, 5), which does not fit 3 queries × 3 keys"
    assert refused(allowed=wrong.T) == "allowed has shape (5, 3), which does not fit 3 queries × 3 keys"
    assert refused(allowed=wrong[0]) == "allowed has shape (5,), which does not fit 3 queries × 3 keys"


@pytest.mark.parametrize(("name", "dtype"), [("allowed", torch.bool), ("bias", torch.float32)])
@pytest.mark.parametrize("leading", [(5,), (1, 1), (2, 2), (1, 5)])
def test_a_mask_or_bias_of_another_batch_is_refused(name, dtype, leading):
    mask = torch.ones(*leading, 3, 3, dtype=dtype)
    message = f"{name} has shape {(*leading, 3, 3)}, which does not fit weights (2, 3, 3)"
    assert refused(**{name: mask}) == message


def test_bias_must_be_of_the_querys_dtype_and_fit():
    message = "bias must be a tensor of torch.float32, as the query is, got "
    assert refused(bias=torch.ones(3, 3).half()) == message + "torch.float16"
    assert refused(bias=torch.ones(3, 3, dtype=torch.bool)) == message + "torch.bool"
    assert refused(bias=1.0) == message + "float"
    assert refused(bias=torch.ones(4, 3)) == "bias has shape (4, 3), which does not fit 3 queries × 3 keys"
    half = X.bfloat16()
    assert refused(half, half, half, bias=torch.ones(3, 3)).startswith(
        "bias must be a tensor of torch.bfloat16"
    )


# ---------------------------------------------------------------- SelfAttention


def layer(dim=4, dtype=torch.float64):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SelfAttention(dim).to(dtype)


def same(one, other):
    """Two answers of `layer()` on up to 5 words: its sums are a projection, a score, a softmax, a mixture.

    Inputs are below 1 and parameters below 1/2: projections below 2, scores below 4·2·2/√4 = 8.
    """
    return agree(one, other, 4, 4, 5, 5, size=8 * 2)


@settings(max_examples=60, deadline=None)
@given(
    leading=st.lists(st.integers(1, 3), max_size=2),
    n_q=sizes,
    n_k=sizes | st.none(),
    masked=st.booleans(),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 10_000),
)
def test_the_fused_path_says_the_same_and_no_weights(leading, n_q, n_k, masked, dtype, seed):
    attend = layer(dtype=dtype)
    query = draw(*leading, n_q, 4, seed=seed, dtype=dtype)
    key = None if n_k is None else draw(*leading, n_k, 4, seed=seed + 1, dtype=dtype)
    allowed = draw(n_q, n_k or n_q, seed=seed + 2) > 0 if masked else None
    output, weights = attend(query, key, allowed=allowed)
    fused, nothing = attend(query, key, allowed=allowed, need_weights=False)
    assert nothing is None
    assert weights.shape == (*leading, n_q, n_k or n_q)
    assert output.shape == fused.shape and output.dtype == fused.dtype == dtype
    looked_at = query if key is None else key
    projected = attend.to_query(query), attend.to_key(looked_at), attend.to_value(looked_at)
    # both paths go on from the same three projections
    assert (output - fused).abs().max() <= attention_rounding(*projected)[0]


def test_it_is_attention_on_three_projections():
    attend, x = layer(), draw(2, 5, 4)
    assert sorted(name for name, _ in attend.named_parameters()) == [
        "to_key.weight", "to_query.weight", "to_value.weight",
    ]  # fmt: skip
    expected = scaled_dot_product_attention(
        x @ attend.to_query.weight.T, x @ attend.to_key.weight.T, x @ attend.to_value.weight.T, causal_mask(5)
    )
    for got, wanted in zip(attend(x, allowed=causal_mask(5)), expected, strict=True):
        assert same(got, wanted)


def test_key_defaults_to_query_and_value_to_key():
    attend, x, y = layer(), draw(3, 4), draw(5, 4, seed=1)
    for given_, full in (((x,), (x, x, x)), ((x, y), (x, y, y))):
        for got, wanted in zip(attend(*given_), attend(*full), strict=True):
            assert torch.equal(got, wanted)
    other = draw(5, 4, seed=2)
    output, weights = attend(x, y, other)
    assert torch.equal(weights, attend(x, y)[1])
    assert same(output, weights @ attend.to_value(other))


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_padded_batch_equals_each_sequence_alone(need_weights):
    attend, x = layer(), draw(2, 5, 4)
    allowed = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])[:, None]  # (batch, 1, n_k)
    together = attend(x, allowed=allowed, need_weights=need_weights)[0]
    alone = attend(x[1, :3], need_weights=need_weights)[0]
    assert same(together[1, :3], alone)
    assert same(together[0], attend(x[0])[0])


@pytest.mark.parametrize("need_weights", [True, False])
def test_looking_nowhere_gives_0_on_both_paths(need_weights):
    allowed = torch.tensor([[True, False], [False, False]])
    output = layer()(draw(3, 2, 4), allowed=allowed, need_weights=need_weights)[0]
    assert (output[:, 1] == 0).all() and (output[:, 0] != 0).any()


def test_all_three_projections_are_trained():
    attend = layer()
    attend(draw(2, 5, 4))[0].square().sum().backward()
    for parameter in attend.parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0


def test_the_gradient_through_the_layer_with_a_row_that_may_look_nowhere():
    attend = layer()
    allowed = torch.tensor([[True, True, False], [False, False, False], [True, True, True]])
    assert torch.autograd.gradcheck(lambda x: attend(x, allowed=allowed), draw(3, 4).requires_grad_())


@pytest.mark.parametrize("dim", [0, -1, 2.0, "4", None, True])
def test_dim_must_be_a_whole_number(dim):
    with pytest.raises(ValueError) as refusal:
        SelfAttention(dim)
    assert str(refusal.value) == f"dim must be a whole number, 1 or more, got {dim!r}"


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(
    ("inputs", "allowed", "message"),
    [
        ((draw(3, 5),), None, "query has 5 features but this layer has dim=4"),
        ((draw(3, 4), draw(3, 5)), None, "key has 5 features but this layer has dim=4"),
        ((draw(3, 4), draw(3, 4), draw(3, 2)), None, "value has 2 features but this layer has dim=4"),
        ((draw(3, 4), draw(2, 4), draw(3, 4)), None, "key has 2 positions but value has 3"),
        ((draw(4),), None, "query must have shape (..., positions, features), got (4,)"),
        (("words",), None, "query must be a torch tensor, got str"),
        ((draw(3, 4).float(),), None, "query is torch.float32 but this layer is torch.float64"),
        (
            (draw(3, 4), draw(3, 4).float()),
            None,
            "query is torch.float64 but key is torch.float32",
        ),
        (
            (draw(2, 3, 4), draw(5, 3, 4)),
            None,
            "leading dimensions do not fit together: query (2, 3, 4), key (5, 3, 4), value (5, 3, 4)",
        ),
        (
            (draw(3, 4),),
            torch.ones(3, 3),
            "allowed must be a boolean tensor (True means may look), got torch.float32",
        ),
        (
            (draw(3, 4), draw(2, 4)),
            torch.ones(3, 3).bool(),
            "allowed has shape (3, 3), which does not fit 3 queries × 2 keys",
        ),
        (
            (draw(2, 3, 4),),
            torch.ones(5, 3, 3).bool(),
            "allowed has shape (5, 3, 3), which does not fit weights (2, 3, 3)",
        ),
    ],
)  # fmt: skip
def test_a_layer_refuses_what_does_not_fit_in_words_on_both_paths(inputs, allowed, message, need_weights):
    with pytest.raises(ValueError) as refusal:
        layer()(*inputs, allowed=allowed, need_weights=need_weights)
    assert str(refusal.value) == message


def test_mixed_precision_may_mix_dtypes():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, _ = layer(dtype=torch.float32)(draw(3, 4, dtype=torch.bfloat16))
    assert output.dtype == torch.bfloat16


# ---------------------------------------------------------------- many weights, without gradients


@pytest.mark.parametrize("leads", [((), ()), ((2, 3), (2, 3)), ((), (2,)), ((2,), ()), ((3, 1), (2,))])
@pytest.mark.parametrize("masked", [False, True])
def test_many_weights_are_the_same_without_gradients(leads, masked):
    n = 400
    query, key = (draw(*lead, n, 4, seed=i) for i, lead in enumerate(leads))
    allowed = draw(n, n, seed=2) > 0 if masked else None
    if masked:
        allowed[3] = False
    with torch.enable_grad():
        right = scaled_dot_product_attention(query, key, key, allowed)
    with torch.no_grad():
        found = scaled_dot_product_attention(query, key, key, allowed)
    for one, other in zip(found, right, strict=True):
        assert agree(one, other, 4, n, n, size=50)


def test_without_gradients_weights_take_the_place_of_the_scores():
    query = draw(4, 512, 8, dtype=torch.float32).requires_grad_()
    bytes_of_weights = 4 * 512 * 512 * 4
    with torch.no_grad():
        assert peak_bytes(lambda: scaled_dot_product_attention(query, query, query)) < 1.2 * bytes_of_weights
    assert peak_bytes(lambda: scaled_dot_product_attention(query, query, query)) > 1.9 * bytes_of_weights
