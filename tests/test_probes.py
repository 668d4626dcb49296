"""Each probe holds for a correct function, fails for one that lacks its property, and says why, truly."""

import dataclasses
import math
import re
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from attention_core import (
    ALiBi,
    KeyValueCache,
    MultiHeadAttention,
    RotaryEncoding,
    SelfAttention,
    causal_mask,
    probes,
    scaled_dot_product_attention,
)
from attention_core._asking import first_largest
from attention_core._saying import number
from attention_core.agreement import rounding
from attention_core.positional_encoding import SinusoidalEncoding
from attention_core.practice.exercises import alone_as_in_a_batch as padded
from attention_core.practice.probing import made
from attention_core.transformer import EncoderDecoder

NAMES = [probe.__name__ for probe in probes.ALL]


class OneSequence(nn.Module):
    """A module as learners write it: forward(x, allowed)."""

    def __init__(self):
        super().__init__()
        self.layer = MultiHeadAttention(6, 2)

    def forward(self, x, allowed=None):
        return self.layer(x, allowed=allowed)


def written_in_place(query, key, value, allowed=None):
    query *= query.shape[-1] ** -0.5
    weights = query @ key.mT
    if allowed is not None:
        allowed.logical_not_()
        weights.masked_fill_(allowed, -math.inf)
    return weights.softmax(-1).nan_to_num(0) @ value, weights.softmax(-1).nan_to_num(0)


def by_name(query, key, value, *, allowed=None):
    return scaled_dot_product_attention(query, key, value, allowed)


@pytest.mark.parametrize("probe", probes.ALL, ids=NAMES)
@pytest.mark.parametrize(
    "attention",
    [scaled_dot_product_attention, written_in_place, by_name, SelfAttention(4), SelfAttention(6).double()],
    ids=["ours", "in place", "allowed by name", "SelfAttention", "float64"],
)
def test_a_correct_function_has_every_property(probe, attention):
    inputs = None
    if isinstance(attention, nn.Module) and attention.to_query.weight.dtype == torch.float64:
        inputs = (torch.randn(2, 5, 6, dtype=torch.float64),) * 3
    verdict = probe(attention, inputs=inputs)
    assert verdict.holds is True, verdict


@pytest.mark.parametrize(
    ("module", "cannot"),
    [(MultiHeadAttention(6, 3), {"convex hull"}), (OneSequence(), {"convex hull", "rectangular", "parity"})],
    ids=["MultiHeadAttention", "one sequence"],
)
def test_what_cannot_be_asked_of_a_module_neither_holds_nor_fails(module, cannot):
    verdicts = probes.run(module)
    assert {v.name for v in verdicts if v.holds is None} == cannot
    assert not [v for v in verdicts if v.holds is False]
    assert not any(bool(v) for v in verdicts if v.holds is None)
    assert all(repr(v).startswith("– ") for v in verdicts if v.holds is None)


# --- each lacks one property, and all that it takes along ---------------------------------------------


def _parts(query, key, allowed=None, scale=None):
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if allowed is None:
        return scores.softmax(-1)
    return scores.masked_fill(~allowed, -math.inf).softmax(-1).nan_to_num(0)


def too_much_in_each_row(query, key, value, allowed=None):
    weights = 1.3 * _parts(query, key, allowed)
    return weights @ value / 1.3, weights


def below_zero(query, key, value, allowed=None):
    weights = _parts(query, key, allowed)
    weights = weights + 0.5 * (weights - 1 / weights.shape[-1]) * (allowed is None)
    return weights @ value, weights


def later_keys_count_more(query, key, value, allowed=None):
    weights = _parts(query, key, allowed) * torch.arange(1, key.shape[-2] + 1)
    weights = (weights / weights.sum(-1, keepdim=True)).nan_to_num(0)
    return weights @ value, weights


def queries_know_their_place(query, key, value, allowed=None):
    return scaled_dot_product_attention(
        query * torch.linspace(1, 2, len(query))[:, None], key, value, allowed
    )


def a_little_of_the_future(query, key, value, allowed=None):
    output, weights = scaled_dot_product_attention(query, key, value, allowed)
    if allowed is not None:
        output = output + 0.1 * weights.sum(-1, keepdim=True) * (value.mean(0) - output)
    return output, weights


def uniform_where_nothing_is_allowed(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -1e9)
    return scores.softmax(-1) @ value, scores.softmax(-1)


def nan_where_nothing_is_allowed(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -math.inf)
    return scores.softmax(-1) @ value, scores.softmax(-1)


def something_where_nothing_is_allowed(query, key, value, allowed=None):
    output, weights = scaled_dot_product_attention(query, key, value, allowed)
    return output + (1 - weights.sum(-1, keepdim=True)), weights


def not_itself(query, key, value, allowed=None):
    if allowed is not None:
        allowed = allowed.tril(key.shape[-2] - query.shape[-2] - 1)
    return scaled_dot_product_attention(query, key, value, allowed)


def twice_the_value(query, key, value, allowed=None):
    output, weights = scaled_dot_product_attention(query, key, value, allowed)
    return 2 * output, weights


def squares_only(query, key, value, allowed=None):
    if query.shape[-2] != key.shape[-2]:
        raise ValueError("as many queries as keys, please")
    return scaled_dot_product_attention(query, key, value, allowed)


def mask_counted_from_the_start(query, key, value, allowed=None):
    if allowed is not None and allowed.shape[-1] > allowed.shape[-2]:
        allowed = torch.ones_like(allowed).tril()
    return scaled_dot_product_attention(query, key, value, allowed)


def padding_of_the_queries(query, key, value, allowed=None):
    if allowed is not None and len(allowed) == 1:
        allowed = allowed.transpose(-2, -1)
    return scaled_dot_product_attention(query, key, value, allowed)


def not_scaled(query, key, value, allowed=None):
    weights = _parts(query, key, allowed, scale=1)
    return weights @ value, weights


def detached(query, key, value, allowed=None):
    weights = _parts(query, key, allowed).detach()
    return weights @ value, weights


def half_detached(query, key, value, allowed=None):
    return scaled_dot_product_attention(query, (key + key.detach()) / 2, value, allowed)


def nan_behind_the_mask(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is None:
        return scores.softmax(-1) @ value, scores.softmax(-1)
    weights = (scores + allowed.float().log()).softmax(-1).nan_to_num(0)
    return weights @ value, weights


BROKEN = {
    too_much_in_each_row: "rows_sum_to_one parity",
    below_zero: "rows_sum_to_one parity",
    later_keys_count_more: "permutation_equivariance parity",
    queries_know_their_place: "permutation_equivariance cached_equals_uncached parity",
    a_little_of_the_future: "causality cached_equals_uncached parity",
    uniform_where_nothing_is_allowed: "fully_masked_row parity",
    nan_where_nothing_is_allowed: "fully_masked_row parity gradients",
    something_where_nothing_is_allowed: "fully_masked_row parity",
    not_itself: "rows_sum_to_one self_visibility parity",
    twice_the_value: "convex_hull parity",
    squares_only: "rectangular cached_equals_uncached",
    mask_counted_from_the_start: "cached_equals_uncached",
    padding_of_the_queries: "rows_sum_to_one cached_equals_uncached",
    not_scaled: "parity",
    detached: "gradients",
    half_detached: "gradients",
    nan_behind_the_mask: "gradients",
}


@pytest.mark.parametrize("attention", BROKEN, ids=lambda f: f.__name__)
def test_a_probe_fails_where_its_property_is_missing_and_only_there(attention):
    verdicts = dict(zip(NAMES, probes.run(attention), strict=True))
    expected = set(BROKEN[attention].split())
    assert {name for name, v in verdicts.items() if v.holds is False} == expected, list(verdicts.values())
    assert not [v for v in verdicts.values() if v.holds is None]


def test_every_probe_is_failed_by_something_above():
    assert set(" ".join(BROKEN.values()).split()) == set(NAMES)


# --- what a probe says is so --------------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(st.floats(0.2, 3).filter(lambda x: abs(x - 1) > 0.05))
def test_the_sum_of_a_row_is_the_one_that_is_told(factor):
    def attention(query, key, value):
        return value, factor * torch.eye(5)

    assert f"row 0 sums to {factor:.2f}" in probes.rows_sum_to_one(attention).evidence


@settings(deadline=None, max_examples=20)
@given(row=st.integers(0, 3), ahead=st.integers(1, 4), size=st.floats(0.1, 2))
def test_the_leaking_row_is_named_with_its_size_and_its_source(row, ahead, size):
    key_ahead = min(row + ahead, 4)

    def attention(query, key, value, allowed=None):
        output, weights = scaled_dot_product_attention(query, key, value, allowed)
        output[row] += size * value[key_ahead]
        return output, weights

    # the probe adds 2 × these numbers to the value of that position
    moved = 2 * torch.randn(3, generator=torch.Generator().manual_seed(1000 + key_ahead)).abs().max() * size
    said = re.fullmatch(
        r"row (\d) changed by (\d+\.\d\d) when value (\d), in its future, was changed",
        probes.causality(attention).evidence,
    )
    assert said.groups()[::2] == (str(row), str(key_ahead))
    off = rounding(torch.float32, 5, size=10 + float(moved))  # of outputs, 10 at most before the change
    assert float(said[2]) == pytest.approx(float(moved), rel=0, abs=0.005 + off)


def test_columns_that_sum_to_one_are_remarked():
    def over_queries(query, key, value):
        weights = (query @ key.mT).softmax(-2)
        return weights @ value, weights

    assert "columns do" in probes.rows_sum_to_one(over_queries).evidence
    assert "columns do" not in probes.rows_sum_to_one(too_much_in_each_row).evidence


def test_the_hull_says_which_feature_lies_beyond_and_finds_what_no_feature_shows():
    said = probes.convex_hull(twice_the_value).evidence
    assert "feature" in said and "but the values go from" in said

    def a_corner(query, key, value):  # inside every feature's span, outside the triangle of the values
        return value.amax(0).expand(len(query), -1), torch.full((len(query), len(key)), 1 / len(key))

    triangle = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert "outside the hull" in probes.convex_hull(a_corner, inputs=(triangle, triangle, triangle)).evidence


def test_a_probe_of_the_masked_row_tells_nan_uniform_and_output_apart():
    said = [
        probes.fully_masked_row(f).evidence
        for f in (
            nan_where_nothing_is_allowed,
            uniform_where_nothing_is_allowed,
            something_where_nothing_is_allowed,
        )
    ]
    assert said == [
        "row 2 may look nowhere, and NaN is in its weights",
        "row 2 may look nowhere, yet gives 0.20 to each of its 5 forbidden keys",
        "row 2 may look nowhere, yet its output is not 0 but up to 1.00",
    ]


def test_dropout_is_called_by_its_name_and_not_taken_for_a_leak():
    def dropping(query, key, value, allowed=None):
        output, weights = scaled_dot_product_attention(query, key, value, allowed)
        return F.dropout(output, 0.5), weights

    assert "dropout" in probes.causality(dropping).evidence
    assert "dropout" in probes.permutation_equivariance(dropping).evidence


def test_gradients_that_disagree_are_given_as_two_numbers():
    assert "0, so nothing before it could learn" in probes.gradients(detached).evidence
    assert "but its gradient says" in probes.gradients(half_detached).evidence
    assert "is NaN when a row may look nowhere" in probes.gradients(nan_behind_the_mask).evidence


# --- any function at all ------------------------------------------------------------------------------


def without_a_mask(query, key, value):
    weights = _parts(query, key)
    return weights @ value, weights


def test_a_function_without_masks_is_told_so_where_a_mask_is_needed():
    verdicts = {v.name: v for v in probes.run(without_a_mask)}
    needs = {"causality", "fully masked row", "self visibility", "cached equals uncached"}
    assert {name for name, v in verdicts.items() if v.holds is None} == needs
    assert all("takes no mask" in verdicts[name].evidence for name in needs)
    assert all(v for name, v in verdicts.items() if name not in needs)


def raising(query, key, value, allowed=None):
    return undefined_name  # noqa: F821


GARBAGE = {
    "a number": 3,
    "nothing": None,
    "a class": SelfAttention,
    "raises": raising,
    "returns None": lambda q, k, v, allowed=None: None,
    "returns ...": lambda q, k, v, allowed=None: ...,
    "returns a tensor": lambda q, k, v, allowed=None: v,
    "returns three": lambda q, k, v, allowed=None: (v, v, v),
    "returns texts": lambda q, k, v, allowed=None: ("a", "b"),
    "returns scalars": lambda q, k, v, allowed=None: (torch.tensor(1.0), torch.tensor(1.0)),
    "returns nothing in it": lambda q, k, v, allowed=None: (None, None),
    "returns complex": lambda q, k, v, allowed=None: (v + 1j, (q @ k.mT) + 1j),
    "returns NaN": lambda q, k, v, allowed=None: (v * math.nan, (q @ k.mT) * math.nan),
    "returns ∞": lambda q, k, v, allowed=None: (v * math.inf, (q @ k.mT) * math.inf),
    "returns whole numbers": lambda q, k, v, allowed=None: (v.long(), (q @ k.mT).long()),
    "takes no argument": lambda: 1,
    "takes too many": lambda q, k, v, allowed, more: (v, q @ k.mT),
    "exits the recursion": lambda q, k, v, allowed=None: GARBAGE["exits the recursion"](q, k, v, allowed),
}


@pytest.mark.parametrize("attention", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("probe", probes.ALL, ids=NAMES)
def test_no_probe_raises_for_what_a_function_does(probe, attention):
    verdict = probe(attention)
    assert verdict.holds is not True or attention is GARBAGE["returns NaN"], verdict
    assert not verdict
    assert verdict.evidence and "\n" not in repr(verdict)


def test_an_exception_is_shown_with_the_line_that_raised():
    said = probes.parity(raising).evidence
    assert said.startswith("the function stopped with NameError: name 'undefined_name' is not defined")
    assert said.endswith("return undefined_name  # noqa: F821")


def test_inputs_of_ones_own():
    heads = tuple(torch.randn(2, 3, 5, 4) for _ in range(3))  # (batch, heads, n, d_k)
    assert probes.run(scaled_dot_product_attention, inputs=heads)
    assert not probes.permutation_equivariance(later_keys_count_more, inputs=heads)
    square = (torch.randn(7, 3),)
    assert probes.causality(
        lambda x, allowed=None: scaled_dot_product_attention(x, x, x, allowed), inputs=square
    )
    with pytest.raises(ValueError, match="got 2 of them"):
        probes.causality(scaled_dot_product_attention, inputs=heads[:2])


def test_more_keys_than_queries():
    inputs = torch.randn(3, 4), torch.randn(6, 4), torch.randn(6, 2)
    assert probes.run(scaled_dot_product_attention, inputs=inputs)
    assert not probes.causality(a_little_of_the_future, inputs=inputs)


def test_parity_with_a_reference_of_ones_own():
    assert probes.parity(not_scaled, reference=not_scaled)
    assert not probes.parity(scaled_dot_product_attention, reference=not_scaled)
    layer = MultiHeadAttention(8, 2)
    theirs = layer.to_torch()

    def torchs(query, key, value, allowed=None):
        mask = None if allowed is None or not allowed.any(-1).all() else ~allowed
        return theirs(query, key, value, attn_mask=mask, average_attn_weights=False)

    x = torch.randn(2, 5, 8)
    unmasked = lambda query, key, value: layer(query, key, value)  # noqa: E731
    assert probes.parity(unmasked, reference=torchs, inputs=(x, x, x))


def test_a_module_is_compared_between_its_own_projections():
    class ValuesFromKeys(SelfAttention):
        def forward(self, query, key, value, allowed=None):
            q, k, v = self.to_query(query), self.to_key(key), self.to_key(value)
            return scaled_dot_product_attention(q, k, v, allowed)

    class NotProjected(MultiHeadAttention):
        def forward(self, *args):
            output, weights = super().forward(*args)
            return torch.linalg.solve(self.to_output.weight, (output - self.to_output.bias).mT).mT, weights

    assert probes.parity(SelfAttention(6)) and probes.parity(MultiHeadAttention(6, 2))
    assert not probes.parity(ValuesFromKeys(6))
    assert not probes.parity(NotProjected(6, 2))
    assert probes.parity(OneSequence()).holds is None


def test_neither_the_callers_tensors_nor_torchs_dice_are_touched():
    inputs = tuple(torch.randn(5, 4) for _ in range(3))
    copies = [x.clone() for x in inputs]
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    probes.run(written_in_place, inputs=inputs)
    assert torch.rand(1) == expected
    assert all(torch.equal(x, y) for x, y in zip(inputs, copies, strict=True))


def test_what_the_function_prints_is_not_repeated(capsys):
    def talking(query, key, value, allowed=None):
        print("shape", query.shape)
        return scaled_dot_product_attention(query, key, value, allowed)

    assert probes.run(talking)
    assert capsys.readouterr().out == ""


# --- how it reads -------------------------------------------------------------------------------------


def test_a_verdict_reads_in_one_line_and_does_not_change():
    good, bad = probes.causality(scaled_dot_product_attention), probes.causality(a_little_of_the_future)
    assert repr(good) == "✓ causality: changing a key or a value changes no row before it"
    assert repr(bad).startswith("✗ causality: row ")
    assert good and not bad
    assert repr(bad) == repr(probes.causality(a_little_of_the_future))
    with pytest.raises(dataclasses.FrozenInstanceError):
        good.holds = False


def test_several_probes_make_a_table():
    table = probes.run(not_scaled, probes.causality, probes.parity)
    lines = repr(table).splitlines()
    assert [line[0] for line in lines] == ["✓", "✗"]
    assert lines[0].index("changing") == lines[1].index("weights[")
    assert not table and probes.run(not_scaled, probes.causality)
    assert len(probes.run(not_scaled)) == len(probes.ALL)


def test_a_probe_says_what_it_asks():
    import inspect

    for probe in probes.ALL:
        assert probe.__doc__ and probe.__name__ in NAMES
        assert list(inspect.signature(probe).parameters)[:2] == ["attention", "inputs"]
    assert "reference" in inspect.signature(probes.parity).parameters


def test_probes_need_no_widgets():
    heavy = "{'matplotlib', 'ipywidgets', 'anywidget', 'IPython'}"
    code = f"import sys, attention_core.probes; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_mask_that_probes_use_is_ours():
    seen = []

    def spy(query, key, value, allowed=None):
        seen.append(allowed)
        return scaled_dot_product_attention(query, key, value, allowed)

    probes.causality(spy)
    assert all(torch.equal(mask, causal_mask(5)) for mask in seen) and seen


# ---------------------------------------------------------------- rounding is not a fault


def in_dtype(dtype):
    def attention(query, key, value, allowed=None):
        return scaled_dot_product_attention(query.to(dtype), key.to(dtype), value.to(dtype), allowed)

    return attention


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_function_in_half_precision_has_every_property_that_can_be_asked_of_it(dtype):
    verdicts = probes.run(in_dtype(dtype))
    assert verdicts, verdicts


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_and_its_mistakes_are_found_all_the_same(dtype):
    def over_queries(query, key, value, allowed=None):
        weights = (query @ key.T / 2).to(dtype).softmax(-2)
        return weights @ value.to(dtype), weights

    def looks_ahead(query, key, value, allowed=None):
        return in_dtype(dtype)(query, key, value)

    assert not probes.rows_sum_to_one(over_queries)
    assert not probes.causality(looks_ahead) and not probes.fully_masked_row(looks_ahead)


@pytest.mark.parametrize("scale", [10, 100])
def test_large_numbers_are_allowed_their_last_bits(scale):
    """Scores of thousands, as an untrained model's may be: an order of the sums is no order of the words."""

    def otherwise(query, key, value, allowed=None):  # right, and rounded at other places
        scores = (query / 2 @ key.transpose(-2, -1)).flip(-1).flip(-1)
        scores = scores if allowed is None else scores.masked_fill(~allowed, -math.inf)
        weights = (scores - scores.amax(-1, keepdim=True)).exp()
        weights = (weights / weights.sum(-1, keepdim=True)).nan_to_num(0)
        return (weights.flip(-1) @ value.flip(-2)), weights

    inputs = tuple(scale * torch.randn(6, 4, generator=torch.Generator().manual_seed(i)) for i in range(3))
    assert probes.parity(otherwise, inputs=inputs), probes.parity(otherwise, inputs=inputs)
    assert probes.permutation_equivariance(otherwise, inputs=inputs)
    assert probes.cached_equals_uncached(otherwise, inputs=inputs)
    assert probes.convex_hull(otherwise, inputs=inputs)


def test_a_module_with_large_parameters_is_allowed_its_last_bits():
    torch.manual_seed(0)
    layer = MultiHeadAttention(16, 4)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(10)
    x = torch.randn(2, 40, 16)
    verdicts = probes.run(
        layer,
        probes.permutation_equivariance,
        probes.causality,
        probes.cached_equals_uncached,
        inputs=(x, x, x),
    )
    assert verdicts, verdicts


def test_a_module_that_has_lost_its_numbers_is_answered_in_words():
    layer = MultiHeadAttention(8, 2)
    with torch.no_grad():
        layer.to_query.weight.fill_(math.nan)
    assert "nan" in repr(probes.run(layer)).lower()


class Leaky(nn.Module):
    """Attends without its mask, and has a table beside, as a model has of its words or positions."""

    def __init__(self, dim: int, rows: int):
        super().__init__()
        self.dim, self.inside = dim, MultiHeadAttention(dim, 2)
        self.table = nn.Parameter(torch.randn(rows, dim))

    def forward(self, query, key, value, allowed=None):
        return self.inside(query, key, value)


@pytest.mark.parametrize("rows", [8, 512, 30_000])
@pytest.mark.parametrize("dim", [8, 64])
def test_a_large_table_beside_hides_no_leak(dim, rows):
    torch.manual_seed(0)
    leaky = Leaky(dim, rows)
    assert not probes.causality(leaky) and not probes.cached_equals_uncached(leaky)


def test_numbers_that_are_not_finite_make_nothing_true():
    def looks_ahead(query, key, value, allowed=None):
        return scaled_dot_product_attention(query, key, value)

    for bad in (math.inf, 3e38, math.nan):
        inputs = [torch.randn(5, 4, generator=torch.Generator().manual_seed(i)) for i in range(3)]
        inputs[2][4, 0] = bad
        assert not probes.causality(looks_ahead, inputs=tuple(inputs)), bad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_buys_no_row_of_five_percent_too_much(dtype):
    def too_much(query, key, value, allowed=None):
        output, weights = scaled_dot_product_attention(query, key, value, allowed)
        return output, (1.05 * weights).to(dtype)

    def half_beside(query, key, value, allowed=None):
        output, weights = scaled_dot_product_attention(query, key, value, allowed)
        return output.to(dtype), 1.0005 * weights

    assert not probes.rows_sum_to_one(too_much) and not probes.rows_sum_to_one(half_beside)


def test_weights_of_more_columns_than_keys_are_refused_though_their_rows_sum_to_one():
    def doubled(query, key, value):
        output, weights = scaled_dot_product_attention(query, key, value)
        return output, torch.cat((weights, weights), dim=-1) / 2

    verdict = probes.rows_sum_to_one(doubled)
    assert verdict.holds is False and "weights should have shape (…, 5, 5), not (5, 10)" in verdict.evidence


def test_a_mask_that_is_taken_by_place_only_is_given_by_place():
    def by_place_only(query, key, value, allowed=None, /):
        return scaled_dot_product_attention(query, key, value, allowed)

    assert probes.causality(by_place_only)


def test_of_two_that_differ_by_rounding_the_first_is_the_largest():
    largest = torch.tensor([0.5, 1.0, 1.0 + 1e-6])
    assert largest.argmax() == 2 and first_largest(largest) == 1


def test_a_small_number_is_said_with_two_digits_that_count_and_not_as_0():
    said = [number(x) for x in (0, 0.001234, -0.5, 0.01, math.nan, -math.inf)]
    assert said == ["0.00", "0.0012", "−0.50", "0.01", "NaN", "−∞"]


# --- models that translate ----------------------------------------------------------------------------

SOURCE = torch.tensor([[3, 1, 4, 0, 0], [2, 7, 1, 8, 6], [9, 2, 0, 0, 0]])
TARGET = torch.tensor([[1, 6, 1, 8], [2, 7, 3, 5], [4, 4, 1, 2]])
LETTERS = (SOURCE != 0)[:, None]


def translator(**options) -> EncoderDecoder:
    torch.manual_seed(0)
    return EncoderDecoder(10, 10, 16, 2, positions=SinusoidalEncoding(16), **options).eval()


@pytest.mark.parametrize("name", padded._MODELS)
def test_a_sentence_is_answered_alone_as_in_a_batch_by_right_models_only(name):
    model = made(padded._MODELS[name])
    verdict = probes.alone_as_in_a_batch(model, SOURCE, TARGET)
    assert verdict.holds is name.startswith("a right model"), verdict
    if not verdict:  # the numbers that it names are so
        said = re.search(
            r"sentence (\d), at place (\d) of its target, is (\S+) off when (\d)", verdict.evidence
        )
        i, place, off, rest = int(said[1]), int(said[2]), said[3], int(said[4])
        alone = model(SOURCE[i : i + 1, : 5 - rest], TARGET[i : i + 1])[0][0, place]
        together = model(SOURCE, TARGET, LETTERS)[0][i, place]
        assert number((alone - together).detach().abs().max()) == off and not SOURCE[i, 5 - rest :].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_rounding_is_no_padding_heard(dtype):
    model = translator(num_layers=2).to(dtype)
    verdict = probes.alone_as_in_a_batch(model, SOURCE, TARGET)
    assert verdict and repr(verdict) == (
        "✓ alone as in a batch: each of 2 sentences that are filled up gets the logits that it gets alone"
    )


def test_another_padding_than_0_and_a_batch_without_any():
    model, source = translator(), SOURCE.where(SOURCE != 0, 5)
    one = probes.alone_as_in_a_batch(model, source[:1], TARGET[:1], pad=5)
    assert one and "the sentence that is filled up gets" in one.evidence
    verdict = probes.alone_as_in_a_batch(model, SOURCE[1:2], TARGET[1:2])
    assert verdict.holds is None and "no sentence of this batch is filled up with 0" in verdict.evidence
    assert probes.alone_as_in_a_batch(lambda x, y: model(x, y), SOURCE, TARGET).holds is None
    assert probes.alone_as_in_a_batch(model.train(), SOURCE, TARGET).holds  # it has no dropout


def test_a_model_looks_at_its_source_or_its_weights_are_made_without_it():
    model = translator()
    assert probes.looks_at_the_source(model, SOURCE, TARGET, LETTERS)
    assert probes.looks_at_the_source(model, SOURCE, TARGET)

    def blind(source, target, allowed=None):  # weights of the place alone, over what the encoder made
        logits, _ = model(source, target, allowed)
        allowed = torch.ones_like(source).bool()[:, None] if allowed is None else allowed
        scores = (target[..., None] * torch.arange(source.shape[-1]) / 7).masked_fill(~allowed, -math.inf)
        return logits, scores.softmax(-1)

    for allowed in (None, LETTERS):
        verdict = probes.looks_at_the_source(blind, SOURCE, TARGET, allowed)
        assert verdict.holds is False and "its logits change all the same" in verdict.evidence
    deaf = lambda x, y, allowed=None: blind(torch.ones_like(x), y, allowed)  # noqa: E731
    assert "the same logits, too" in probes.looks_at_the_source(deaf, SOURCE, TARGET, LETTERS).evidence


def test_a_look_up_is_asked_with_the_same_states():
    """A state that knows the source by another way would hide that the look-up does not look."""
    states, memory = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    looks = lambda s, m, allowed=None: scaled_dot_product_attention(s, m, m, allowed)  # noqa: E731
    assert probes.looks_at_the_source(looks, states, memory)
    assert probes.looks_at_the_source(looks, states, memory, torch.ones(2, 1, 5).bool())
    places = torch.randn(4, 5)
    counts = lambda s, m, allowed=None: (s, (s @ places).softmax(-1))  # noqa: E731
    verdict = probes.looks_at_the_source(counts, states, memory)
    assert verdict.holds is False and "another memory for the same states, and the same" in verdict.evidence
    assert probes.looks_at_the_source(looks, states, torch.ones(2, 5, 4)).holds is None
    for bad in (lambda s, m: None, lambda s, m: (s, s), lambda s, m: 1 / 0, lambda s, m: (s, s @ s.mT / 0)):
        assert probes.looks_at_the_source(bad, states, memory).holds is False


def test_what_cannot_be_asked_of_a_translator_is_said():
    model = translator()
    same, one = torch.full((2, 4), 3), torch.tensor([[3], [4]])
    for source, words in ((same, "all letters of the source are the same"), (one, "a source of one letter")):
        verdict = probes.looks_at_the_source(model, source, TARGET[:2])
        assert verdict.holds is None and words in verdict.evidence
    silent = lambda x, y, allowed=None: (model(x, y, allowed)[0], None)  # noqa: E731
    assert probes.looks_at_the_source(silent, SOURCE, TARGET).holds is None
    assert probes.alone_as_in_a_batch(silent, SOURCE, TARGET)


TRANSLATES_NOTHING = {
    "nothing": None,
    "a number": 3,
    "raises": lambda x, y, allowed=None: 1 / 0,
    "a tensor": lambda x, y, allowed=None: torch.zeros(3, 4, 10),
    "other shapes": lambda x, y, allowed=None: (torch.zeros(3, 10), x),
    "weights of another shape": lambda x, y, allowed=None: (torch.zeros(len(x), 4, 10), torch.zeros(2, 2)),
    "NaN": lambda x, y, allowed=None: (
        torch.full((len(x), 4, 10), math.nan),
        torch.full((len(x), 4, 5), math.nan),
    ),
    "dice": lambda x, y, allowed=None: (torch.randn(len(x), 4, 10), torch.rand(len(x), 4, x.shape[-1])),
}


@pytest.mark.parametrize("model", TRANSLATES_NOTHING.values(), ids=TRANSLATES_NOTHING)
@pytest.mark.parametrize("probe", [probes.alone_as_in_a_batch, probes.looks_at_the_source])
def test_no_probe_of_a_translator_raises_for_what_it_does(probe, model):
    verdict = probe(model, SOURCE, TARGET)
    assert not verdict and verdict.evidence and "\n" not in repr(verdict)


# --- policies that see objects --------------------------------------------------------------------------

ROOMS = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(2))  # the agent's row, and 4 objects


class Looks(torch.nn.Module):
    """A policy of one layer; with positions it knows which object comes first."""

    def __init__(self, positions=None, dim=8):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.layer = nn.Linear(4, dim), MultiHeadAttention(dim, 2)
        self.to_logits, self.positions = nn.Linear(dim, 3), positions

    def forward(self, observation):
        x = self.embedding(observation)
        x = x if self.positions is None else self.positions.embed(x)
        seen, weights = self.layer(x[:, :1], x[:, 1:], x[:, 1:])
        return self.to_logits((x[:, :1] + seen)[:, 0]), weights


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_policy_ignores_the_order_of_objects_in_any_precision(dtype):
    verdict = probes.ignores_order(Looks().to(dtype), ROOMS.to(dtype))
    assert repr(verdict) == "✓ ignores order: 4 objects in 3 other orders: the same logits"


def test_a_policy_that_follows_the_order_is_told_by_how_much_and_in_which():
    policy = Looks(SinusoidalEncoding(8))
    verdict = probes.ignores_order(policy, ROOMS)
    said = re.match(
        r"a logit of room (\d) changed by (\S+) when its objects came as \[(.*)\]", verdict.evidence
    )
    order = [0, *(1 + int(i) for i in said[3].split(", "))]
    off = (policy(ROOMS[:, order])[0] - policy(ROOMS)[0])[int(said[1])].abs().max()
    assert number(off.detach()) == said[2]
    orders = ([0, 4, 3, 2, 1], [0, 4, 1, 2, 3], [0, 2, 1, 3, 4])
    assert off == max((policy(ROOMS[:, x])[0] - policy(ROOMS)[0]).abs().max() for x in orders)
    rolled = probes.ignores_order(lambda rooms: policy(rooms)[0] + torch.randn(3, 3), ROOMS)
    assert "is dropout, or another dice, on?" in rolled.evidence


def test_a_policy_whose_choice_turns_is_told_so_and_the_probe_finds_what_turns_none():
    first = probes.ignores_order(lambda rooms: rooms[:, 1, :2] * torch.tensor([1.0, -1]), ROOMS)
    assert "and the choice turns from " in first.evidence
    small = probes.ignores_order(lambda rooms: rooms.sum((1, 2))[:, None] + 1e-3 * rooms[:, -1, :1], ROOMS)
    assert small.holds is False and "the choice" not in small.evidence


def test_a_policy_for_which_some_orders_are_the_same_is_found_by_another():
    in_a_ring = lambda rooms: (rooms[:, 1:] * rooms[:, 1:].roll(1, 1)).sum(1)  # noqa: E731
    in_a_line = lambda rooms: (rooms[:, 2:] * rooms[:, 1:-1]).sum(1)  # noqa: E731
    assert torch.allclose(in_a_ring(ROOMS), in_a_ring(ROOMS[:, [0, 4, 3, 2, 1]]))
    assert probes.ignores_order(in_a_ring, ROOMS).holds is False
    assert probes.ignores_order(in_a_line, ROOMS).holds is False
    of_two = probes.ignores_order(lambda rooms: rooms[:, 1:].sum(1), ROOMS[:, :3])
    assert of_two.evidence == "2 objects in 1 other order: the same logits"


def test_rows_that_are_the_agents_own_stay():
    assert probes.ignores_order(lambda rooms: rooms[:, 0], ROOMS)
    assert not probes.ignores_order(lambda rooms: rooms[:, 0], ROOMS, own=0)
    assert probes.ignores_order(lambda rooms: rooms[:, 0] + rooms[:, 1], ROOMS, own=2)
    assert probes.ignores_order(lambda rooms: rooms[:, :2].sum(1), ROOMS, own=0).holds is False


def test_what_cannot_be_asked_of_a_policy_is_said():
    assert "1 object cannot be shuffled" in probes.ignores_order(Looks(), ROOMS[:, :2]).evidence
    same = ROOMS[:, :1].expand(-1, 4, -1)
    assert probes.ignores_order(Looks(), same).holds is None
    for bad in (ROOMS[0], [[1.0]], None):
        with pytest.raises(ValueError, match=r"^observation must have shape \(batch, rows, features\), got "):
            probes.ignores_order(Looks(), bad)
    with pytest.raises(ValueError, match=r"^own must be a whole number from 0 to 5, got 6"):
        probes.ignores_order(Looks(), ROOMS, own=6)


@pytest.mark.parametrize(
    "policy",
    [
        None,
        3,
        lambda rooms: None,
        lambda rooms: 1 / 0,
        lambda rooms: (),
        lambda rooms: rooms,
        lambda rooms: rooms[0],
        lambda rooms: torch.full((3, 2), math.nan),
        lambda rooms: torch.randn(3, 2),
        lambda rooms: rooms[:, 0] > 0,
    ],
)
def test_the_probe_of_a_policy_does_not_raise_for_what_it_does(policy):
    verdict = probes.ignores_order(policy, ROOMS)
    assert verdict.holds is False and verdict.evidence and "\n" not in repr(verdict)


# ---------------------------------------------------------------- what is remembered


class Scheme(RotaryEncoding):
    """Takes an offset, and forgets it."""

    def rotate(self, query, key, *, offset=0):
        return super().rotate(query, key)


class NewestFirst(KeyValueCache):
    def append(self, key, value):
        return tuple(x.flip(-2) for x in super().append(key, value))


class Forgetful(KeyValueCache):
    def append(self, key, value):
        keys, values = super().append(key, value)
        return torch.cat((torch.zeros_like(keys[..., :-1, :]), keys[..., -1:, :]), -2), values


def layer(positions=None, **options):
    torch.manual_seed(0)
    return MultiHeadAttention(8, 2, positions=positions, **options)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("positions", [None, RotaryEncoding(4), ALiBi(2)])
def test_any_cutting_of_a_right_layer_gives_the_same(positions, groups):
    verdict = probes.any_cutting(layer(positions, num_key_value_heads=groups))
    assert verdict and verdict.evidence == "5 words cut in 3 ways give the 5 rows of one run"
    assert probes.any_cutting(SelfAttention(8))
    assert probes.parity(layer(num_key_value_heads=groups))


@pytest.mark.parametrize(
    ("attention", "options", "said"),
    [
        (layer(Scheme(4)), {}, "when the words came as"),
        (layer(), {"cache": Forgetful}, "when the words came as"),
        (layer(RotaryEncoding(4)), {"cache": NewestFirst}, "when the words came as"),
        (layer(), {"cache": list}, "TypeError"),
        (layer(), {"cache": "hello"}, "this is a str"),
        (layer(), {"cache": lambda key, value: key}, "missing 2 required positional arguments"),
        (layer(), {"cache": lambda: None}, "returns nothing yet"),
        (layer(), {"cache": exit}, "SystemExit"),
    ],
)
def test_what_a_cut_changes_is_said(attention, options, said):
    verdict = probes.any_cutting(attention, **options)
    assert verdict.holds is False and said in verdict.evidence


def test_what_takes_no_cache_is_not_asked():
    assert (
        probes.any_cutting(scaled_dot_product_attention).evidence
        == "it takes no cache, so it remembers nothing"
    )
    assert probes.any_cutting not in probes.ALL
