"""The bridges to `torch.nn.MultiheadAttention`: one implementation, found in both places."""

import numpy as np
import pytest
import torch
from torch import nn

from attention_core import ALiBi, MultiHeadAttention, causal_mask, interop, masks, padding_mask
from attention_core.agreement import agree

DIM, HEADS, N = 8, 2, 5


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def x():
    return torch.randn(3, N, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def close(one, other):
    return agree(one, other, DIM, DIM, N, N, DIM, size=32)


def same_parameters(ours, theirs):
    packed = (ours.to_query, ours.to_key, ours.to_value)
    pairs = [
        (torch.cat([p.weight for p in packed]), theirs.in_proj_weight),
        (ours.to_output.weight, theirs.out_proj.weight),
    ]
    if theirs.in_proj_bias is not None:
        pairs += [
            (torch.cat([p.bias for p in packed]), theirs.in_proj_bias),
            (ours.to_output.bias, theirs.out_proj.bias),
        ]
    return all(torch.equal(a, b) for a, b in pairs)


def torchs(bias=True, **options):
    module = nn.MultiheadAttention(DIM, HEADS, bias=bias, batch_first=True, **options)
    with torch.no_grad():
        for parameter in module.parameters():  # torch starts biases at 0
            parameter.normal_()
    return module


@pytest.mark.parametrize(
    "name", ["to_attn_mask", "from_attn_mask", "to_key_padding_mask", "from_key_padding_mask"]
)
def test_converters_of_masks_are_the_same_in_both_places(name):
    assert getattr(masks, name) is getattr(interop, name)
    assert getattr(interop, name).__module__ == "attention_core.interop"
    assert name in masks.__all__


def test_converters_of_layers_are_the_same_in_both_places():
    assert MultiHeadAttention.from_torch.__func__ is interop.layer_from_torch
    assert MultiHeadAttention.to_torch is interop.layer_to_torch
    for place in (MultiHeadAttention.from_torch, MultiHeadAttention.to_torch):
        assert "copy of" in place.__doc__


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_layer_from_torch_has_its_parameters_and_the_way_back_too(bias, dtype):
    theirs = torchs(bias).to(dtype)
    for ours in (
        MultiHeadAttention.from_torch(theirs),
        interop.layer_from_torch(MultiHeadAttention, theirs),
    ):
        assert type(ours) is MultiHeadAttention and (ours.dim, ours.num_heads) == (DIM, HEADS)
        assert {p.dtype for p in ours.parameters()} == {dtype}
        assert (ours.to_query.bias is not None) == bias == (ours.to_output.bias is not None)
        assert same_parameters(ours, theirs)
        for back in (ours.to_torch(), interop.layer_to_torch(ours)):
            assert same_parameters(ours, back) and back.batch_first
            assert {p.dtype for p in back.parameters()} == {dtype}
            assert all(p.requires_grad for p in (*back.parameters(), *ours.parameters()))


def test_they_are_copies_that_do_not_follow_one_another():
    theirs = torchs()
    ours = MultiHeadAttention.from_torch(theirs)
    back = ours.to_torch()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.zero_()
    assert all(p.any() for module in (theirs, back) for p in module.parameters())


def test_a_layer_answers_as_torchs_does_given_the_same_mask():
    ours = MultiHeadAttention(DIM, HEADS).double()
    theirs = ours.to_torch()
    allowed = {
        "shared": causal_mask(N),
        "per sequence": torch.rand(3, N, N) > 0.3,
        "per head": torch.rand(3, HEADS, N, N) > 0.3,
    }
    for mask in allowed.values():
        mask[..., 0] = True  # torch's answers NaN for a row that may look nowhere
        converted = interop.to_attn_mask(mask, HEADS)
        answer = theirs(x(), x(), x(), attn_mask=converted, average_attn_weights=False)
        for a, b in zip(ours(x(), allowed=mask), answer, strict=True):
            assert close(a, b)
    padding = padding_mask([5, 3, 1])
    answer = theirs(x(), x(), x(), key_padding_mask=interop.to_key_padding_mask(padding))[0]
    assert close(ours(x(), allowed=padding)[0], answer)


def test_a_subclass_stays_itself():
    class Reversed(MultiHeadAttention):
        """Its constructor takes what it is called with; one step is its own."""

        def __init__(self, *sizes, **options):
            super().__init__(*sizes, **options)
            self.given = sizes, options

        def merge(self, x):
            return super().merge(x).flip(-1)

    theirs = torchs(bias=False).double()
    for ours in (Reversed.from_torch(theirs), interop.layer_from_torch(Reversed, theirs)):
        assert type(ours) is Reversed and ours.given == ((DIM, HEADS), {"bias": False})
        assert same_parameters(ours, theirs)
        assert not close(ours(x())[0], MultiHeadAttention.from_torch(theirs)(x())[0])


@pytest.mark.parametrize(
    "options", [{"kdim": 3}, {"vdim": 3}, {"add_bias_kv": True}, {"add_zero_attn": True}]
)
def test_what_our_layer_does_not_have_is_refused(options):
    theirs = nn.MultiheadAttention(DIM, HEADS, **options)
    for convert in (MultiHeadAttention.from_torch, lambda m: interop.layer_from_torch(MultiHeadAttention, m)):
        with pytest.raises(ValueError) as refusal:
            convert(theirs)
        assert str(refusal.value) == "kdim, vdim, add_bias_kv and add_zero_attn have no counterpart here"


def test_what_torchs_does_not_have_is_refused():
    layer = MultiHeadAttention(DIM, HEADS, positions=ALiBi(HEADS))
    for convert in (layer.to_torch, lambda: interop.layer_to_torch(layer)):
        with pytest.raises(ValueError, match=r"^torch.nn.MultiheadAttention has no positions$"):
            convert()


def test_the_number_of_heads_may_be_numpys():
    allowed = torch.rand(3, HEADS, N, N) > 0.5
    converted = interop.to_attn_mask(allowed, np.int64(HEADS))
    assert torch.equal(converted, interop.to_attn_mask(allowed, HEADS))
    assert torch.equal(interop.from_attn_mask(converted, np.int64(HEADS)), allowed)


@pytest.mark.filterwarnings("error")
def test_a_module_that_takes_the_batch_second_is_warned_of():
    theirs = nn.MultiheadAttention(DIM, HEADS)
    with pytest.warns(UserWarning, match=r"\(n, batch, dim\)") as told:
        ours = MultiHeadAttention.from_torch(theirs)
    assert told[0].filename == __file__  # where the caller reads it
    y = x().float()
    wanted, _ = theirs(*[y.transpose(0, 1)] * 3)
    assert close(ours(y)[0], wanted.transpose(0, 1))
    MultiHeadAttention.from_torch(
        nn.MultiheadAttention(DIM, HEADS, batch_first=True)
    )  # and no word of others


def test_what_is_frozen_stays_frozen():
    theirs = nn.MultiheadAttention(DIM, HEADS, batch_first=True).requires_grad_(False)
    theirs.out_proj.bias.requires_grad_(True)
    ours = MultiHeadAttention.from_torch(theirs)
    learns = {name for name, p in ours.named_parameters() if p.requires_grad}
    assert learns == {"to_output.bias"}
    back = ours.to_torch()
    assert {name for name, p in back.named_parameters() if p.requires_grad} == {"out_proj.bias"}
    ours.to_key.weight.requires_grad_(True)  # a third of a matrix, which is kept or frozen as a whole
    back = ours.to_torch()
    learns = {name for name, p in back.named_parameters() if p.requires_grad}
    assert learns == {"out_proj.bias", "in_proj_weight"}


def test_only_torch_s_attention_is_taken():
    with pytest.raises(ValueError, match=r"takes a torch\.nn\.MultiheadAttention, got Linear"):
        MultiHeadAttention.from_torch(nn.Linear(2, 2))
