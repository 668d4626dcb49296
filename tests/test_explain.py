"""Rollout: what is known of it by hand, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_core import GridEncoding, PatchTransformer
from attention_core.agreement import agree, rounding
from attention_core.explain import rollout


def maps(layers=2, heads=3, n=4, seed=0, dtype=torch.float64):
    made = torch.randn(
        layers, heads, n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return (2 * made).softmax(-1).to(dtype)


def test_by_hand():
    """Layer 0: word 0 looks at word 1 only, word 1 at itself. Layer 1: both look at word 0."""
    first, second = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]), torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    assert rollout([first]).tolist() == [[0.5, 0.5], [0, 1]]
    assert rollout([second]).tolist() == [[1, 0], [0.5, 0.5]]
    assert rollout([first, second]).tolist() == [[0.5, 0.5], [0.25, 0.75]]
    assert rollout([second, first]).tolist() == [[0.75, 0.25], [0.5, 0.5]]


def test_heads_are_averaged_in_each_layer():
    a, b = torch.tensor([[1.0, 0], [1, 0]]), torch.tensor([[0.0, 1], [1, 0]])
    two = torch.stack((a, b))  # the average: [[.5, .5], [1, 0]]
    assert rollout([two]).tolist() == [[0.75, 0.25], [0.5, 0.5]]
    assert rollout([two, two]).tolist() == [[0.6875, 0.3125], [0.625, 0.375]]


@settings(deadline=None, max_examples=50)
@given(layers=st.integers(1, 5), heads=st.integers(1, 4), n=st.integers(1, 6), seed=st.integers(0, 99))
def test_it_follows_every_path_through_the_layers(layers, heads, n, seed):
    """The same by walking: of all ways from a word back to another, the product of what each step takes."""
    weights = maps(layers, heads, n, seed)
    steps = [(layer.mean(0) + torch.eye(n)) / 2 for layer in weights]
    walked = torch.zeros(n, n, dtype=torch.float64)
    for start in range(n):
        at = {start: 1.0}
        for step in reversed(steps):
            at = {to: sum(p * float(step[of, to]) for of, p in at.items()) for to in range(n)}
        walked[start] = torch.tensor([at[i] for i in range(n)], dtype=torch.float64)
    made = rollout(list(weights))
    assert agree(made, walked, *[heads, n] * layers)
    assert agree(made.sum(-1), torch.ones(n).double(), *[heads, n] * layers)
    assert (made >= 0).all()


def test_a_batch_of_one_and_one_stacked_tensor_are_the_same():
    weights = maps()
    right = rollout(list(weights))
    for given_ in (weights, weights[:, None], tuple(weights), [layer[None] for layer in weights]):
        assert torch.equal(rollout(given_), right)
    mixed = rollout([weights[0], weights[1][:1]])  # as many heads are not asked for
    assert mixed.shape == (4, 4)


def test_a_word_that_looks_nowhere_keeps_itself():
    weights = maps(1)
    weights[:, :, 2] = 0
    made = rollout(weights)
    assert made[2].tolist() == [0, 0, 1, 0]
    assert agree(made.sum(-1), torch.ones(4).double(), 3, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_and_rows(dtype):
    made = rollout(maps(6, 4, 50, dtype=dtype))
    assert made.dtype == dtype
    assert (made.double().sum(-1) - 1).abs().max() <= rounding(dtype, *[4, 50] * 6) + 25 * torch.finfo(
        dtype
    ).eps
    assert (made.double() - rollout(maps(6, 4, 50))).abs().max() <= 8 * torch.finfo(dtype).eps


def test_gradients_go_through_it():
    weights = maps().requires_grad_()
    assert torch.autograd.gradcheck(lambda w: rollout(w.softmax(-1)), weights)
    assert torch.equal(weights.detach(), maps())


def test_of_a_models_own_weights():
    torch.manual_seed(0)
    model = PatchTransformer(8, 2, 3, dim=8, num_heads=2, num_layers=3, positions=GridEncoding(4, 4, 8))
    _, weights = model(torch.rand(1, 1, 8, 8))
    made = rollout(weights)
    assert made.shape == (17, 17) and agree(made.sum(-1), torch.ones(17), *[2, 17] * 3)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([], "there are no layers: weights is empty"),
        (torch.zeros(0, 2, 3, 3), "there are no layers"),
        (torch.eye(3)[None], r"layer 0 must have shape \(heads, n, n\), got \(3, 3\)"),
        ([torch.eye(3)[None], torch.ones(1, 3, 2) / 2], r"layer 1 must have .*, got \(1, 3, 2\)"),
        ([torch.eye(3)[None], torch.eye(4)[None]], r"all layers .* equally many words, .* have \[3, 4\]"),
        ([torch.eye(3).expand(2, 1, 3, 3)], r"layer 0 has shape \(2, 1, 3, 3\): rollout is of one picture"),
        ([torch.eye(3).long()[None]], "layer 0 must be a floating point tensor, got torch.int64"),
        ([np.eye(3)[None]], "layer 0 must be a floating point tensor, got ndarray"),
        ([None], "layer 0 must be a floating point tensor, got NoneType"),
        ([torch.eye(3)[:0].reshape(0, 3, 3)[:0]], "layer 0 must have shape"),
        ([torch.eye(3)[None], 2 * torch.eye(3)[None]], "layer 1 has a row that sums to 2: these are no"),
        ([torch.tensor([[[0.5, 0.5], [0.5, 0.3]]]).mT], "layer 0 has a row that sums to 0.8"),
        ([torch.tensor([[[1.5, -0.5], [0.5, 0.5]]])], "layer 0 has a weight of -0.5: these are no weights"),
        ([torch.full((1, 2, 2), float("nan"))], "layer 0 has a row that sums to nan"),
    ],
)  # fmt: skip
def test_errors_in_words(weights, message):
    with pytest.raises(ValueError, match=message):
        rollout(weights)
