"""Half precision, autocast, and another default dtype: right answers, or a clear refusal."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from attention_core import ALiBi, MultiHeadAttention, SelfAttention, causal_mask, scaled_dot_product_attention

HALF = (torch.float16, torch.bfloat16)
N, DIM = 48, 32


def drawn(*shape, seed=0, dtype=torch.float32, size=1.0):
    made = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (size * made).to(dtype)


# ---------------------------------------------------------------- half precision


@pytest.mark.parametrize("size", [1.0, 4.0, 30.0])
@pytest.mark.parametrize("extra", ["nothing", "a mask", "a bias"])
@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("seed", range(3))
def test_half_precision_errs_no_more_than_twice_as_much_as_torch_s_kernel(dtype, extra, size, seed):
    query, key, value = (
        drawn(2, 4, N, DIM, seed=10 * seed + i, dtype=dtype, size=size if i < 2 else 1) for i in range(3)
    )
    allowed = causal_mask(N) if extra == "a mask" else None
    bias = drawn(4, N, N, seed=seed + 7, dtype=dtype) if extra == "a bias" else None
    exact, _ = scaled_dot_product_attention(
        *(x.double() for x in (query, key, value)), allowed, bias=None if bias is None else bias.double()
    )
    mask = allowed if bias is None else bias[None]
    theirs = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    output, weights = scaled_dot_product_attention(query, key, value, allowed, bias=bias)
    assert output.dtype == weights.dtype == dtype
    ours, torchs = ((x.double() - exact).abs().max() for x in (output, theirs))
    assert ours <= 2 * torchs


def test_scores_beyond_float16_are_no_nan():
    query = torch.eye(5, dtype=torch.float16) * 600
    assert (query.double() @ query.double().T).max() / 5**0.5 > 65504
    output, weights = scaled_dot_product_attention(query, query, drawn(5, 4, seed=1, dtype=torch.float16))
    assert output.isfinite().all()
    assert torch.equal(weights.double(), torch.eye(5, dtype=torch.float64))  # each is most like itself


# ---------------------------------------------------------------- autocast


@pytest.mark.parametrize("dtypes", [(torch.float32, torch.bfloat16), (torch.bfloat16, torch.float32)])
@pytest.mark.parametrize("kind", [SelfAttention, lambda dim: MultiHeadAttention(dim, 4)])
def test_cross_attention_of_two_dtypes_works_under_autocast_as_torch_does(kind, dtypes):
    torch.manual_seed(0)
    layer = kind(DIM)
    query, key = (drawn(2, N, DIM, seed=i, dtype=dtype) for i, dtype in enumerate(dtypes))
    exact, _ = layer(query.float(), key.float())
    with torch.autocast("cpu", torch.bfloat16):
        output, weights = layer(query, key)
        fused, _ = layer(query, key, need_weights=False)
    assert output.dtype == weights.dtype == fused.dtype == torch.bfloat16
    off, torchs = ((x - exact).abs().max() for x in (output, fused))
    assert off <= 2 * torchs
    with pytest.raises(ValueError, match="but key is"):
        layer(query.float(), key.bfloat16())  # without autocast as before


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_bias_is_taken_under_autocast_whatever_its_dtype(dtype):
    query, key, value = (drawn(2, N, DIM, seed=i) for i in range(3))
    bias = drawn(N, N, seed=4)
    exact, _ = scaled_dot_product_attention(query, key, value, bias=bias)
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = scaled_dot_product_attention(query, key, value, bias=bias.to(dtype))
        theirs = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(dtype))
    assert output.dtype == theirs.dtype == torch.bfloat16
    assert (output - exact).abs().max() <= 2 * (theirs - exact).abs().max()


def test_autocast_leaves_float64_alone_and_its_state_as_it_was():
    query, key, value = (drawn(N, DIM, seed=i, dtype=torch.float64) for i in range(3))
    exact = scaled_dot_product_attention(query, key, value)
    with torch.autocast("cpu", torch.bfloat16):
        for one, other in zip(exact, scaled_dot_product_attention(query, key, value), strict=True):
            assert torch.equal(one, other)
        assert torch.is_autocast_enabled("cpu")
        with pytest.raises(ValueError, match=r"query is torch\.float64 but key is torch\.bfloat16"):
            scaled_dot_product_attention(query, key.float(), value)


def test_positions_work_under_autocast():
    torch.manual_seed(0)
    layer = MultiHeadAttention(DIM, 4, positions=ALiBi(4))
    with torch.autocast("cpu", torch.bfloat16):
        output, weights = layer(drawn(2, N, DIM))
        fused, _ = layer(drawn(2, N, DIM), need_weights=False)
    assert weights.sum(-1).sub(1).abs().max() < N * torch.finfo(torch.bfloat16).eps
    assert (output - fused).abs().max() <= 4 * torch.finfo(torch.bfloat16).eps * output.abs().max()


# ---------------------------------------------------------------- another default dtype

ALL = """
import torch
torch.set_default_dtype(torch.float64)
from found import found_exercises, found_explorers
from attention_core import SelfAttention, alibi_slopes, probes, scaled_dot_product_attention
import answers
exercises = found_exercises()
assert alibi_slopes(6).dtype == torch.float32
assert probes.run(scaled_dot_product_attention), probes.run(scaled_dot_product_attention)
module = probes.run(SelfAttention(8))
assert all(verdict.holds is not False for verdict in module), module
wrong = []
for row in answers.ROWS:
    result = exercises[row.exercise](row.answer)
    if (result.status == "passed") != (row.status == "passed"):
        wrong.append((row.label, result))
assert not wrong, wrong
import attention_core.live
for name, code in found_explorers().items():
    *lines, last = code.strip().splitlines()
    names = vars(attention_core.live) | {"torch": torch}
    exec("\\n".join(lines), names)
    made = eval(last, names)
    assert "message" not in dir(made) or not made.heatmap.message, name
"""


def test_checks_probes_and_explorers_work_when_the_default_dtype_is_float64():
    command = [sys.executable, "-c", ALL]
    here = Path(__file__).parent
    done = subprocess.run(command, cwd=here, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", [SelfAttention, lambda dim: MultiHeadAttention(dim, 2)])
def test_probes_ask_a_module_in_its_own_dtype(kind, dtype):
    from attention_core import probes

    torch.manual_seed(0)
    verdicts = probes.run(kind(8).to(dtype))
    assert [verdict for verdict in verdicts if verdict.holds is False] == []


# ---------------------------------------------------------------- something else in a projection's place


def test_a_layer_in_whose_place_there_is_another_without_a_weight_works():
    layer = MultiHeadAttention(8, 2)
    layer.to_query = nn.Identity()
    layer.to_key = nn.Sequential(nn.Linear(8, 8), nn.Tanh())
    output, _ = layer(drawn(3, 8))
    fused, _ = layer(drawn(3, 8), need_weights=False)
    torch.testing.assert_close(output, fused)
    with pytest.raises(ValueError, match=r"four nn\.Linear"):
        layer.to_torch()
