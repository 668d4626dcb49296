"""The tiny transformer: its shapes, its order of things, and what it learns, on three seeds each."""

import copy
import functools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_core import (
    ALiBi,
    KeyValueCache,
    LearnedEncoding,
    MultiHeadAttention,
    PositionalEncoding,
    RelativeEncoding,
    RotaryEncoding,
    SinusoidalEncoding,
    causal_mask,
    padding_mask,
    probes,
    scaled_dot_product_attention,
    sinusoidal_table,
)
from attention_core.agreement import agree
from attention_core.tasks import Repeat, Reverse, Sort, accuracy
from attention_core.transformer import TinyTransformer, TransformerBlock

SCHEMES = {
    "none": lambda: None,
    "sinusoidal": lambda: SinusoidalEncoding(8),
    "learned": lambda: LearnedEncoding(9, 8),
    "rotary": lambda: RotaryEncoding(4),
    "alibi": lambda: ALiBi(2),
    "relative": lambda: RelativeEncoding(4, 3),
}
SEEDS = (0, 1, 2)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def make(positions: PositionalEncoding | None = None, **options) -> TinyTransformer:
    """In float64: there a small mistake stands out of what rounding explains."""
    return TinyTransformer(6, dim=8, num_heads=2, num_layers=2, positions=positions, **options).double()


def tokens(*shape: int, vocabulary: int = 6, seed: int = 0) -> Tensor:
    return torch.randint(vocabulary, shape, generator=torch.Generator().manual_seed(seed))


def same(one, other, dim=8, n=7, size=2 * 5):
    """Logits of at most two blocks: the largest score, times the largest entry, is the size.

    A block is a norm, projections, scores, softmax, mixture, projection, norm, and two linear layers.
    """
    block = dim, dim, dim, n, n, dim, dim, dim, 4 * dim
    return agree(one, other, *2 * block, dim, dim, size=size)  # then come the last norm and the logits


# ---------------------------------------------------------------- broken on purpose, in one step each


class MergedWithoutTranspose(MultiHeadAttention):
    def merge(self, x):
        batch, heads, n, d_k = x.shape
        return x.reshape(batch, n, heads * d_k)


class SplitWithoutTranspose(MultiHeadAttention):
    def split(self, x):
        batch, n, dim = x.shape
        return x.reshape(batch, self.num_heads, n, dim // self.num_heads)


class SoftmaxOverQueries(MultiHeadAttention):
    def attend(self, q, k, v, *_):
        weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(dim=-2)
        return weights @ v, weights


class KeysAsValues(MultiHeadAttention):
    def project(self, query, key, value):
        return self.to_query(query), self.to_key(key), self.to_key(value)


class OutputForgotten(MultiHeadAttention):
    def output(self, x):
        return x


class NoScale(MultiHeadAttention):
    def attend(self, q, k, v, allowed, *_):
        return scaled_dot_product_attention(q, k, v, allowed, scale=1.0)


class AlongTheBatch(PositionalEncoding):
    def embed(self, x, *, offset=0):
        return x + sinusoidal_table(x.shape[0], x.shape[-1])[:, None]  # (batch, 1, dim)


class PostNorm(TransformerBlock):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(x, allowed=allowed, need_weights=need_weights)
        x = self.norm_1(x + attended)
        return self.norm_2(x + self.feed_forward(x)), weights


# ---------------------------------------------------------------- the block


def test_a_block_is_its_formula():
    block = TransformerBlock(8, 2).double()
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    allowed = causal_mask(5)
    out, weights = block(x, allowed)
    attended, expected = block.attention(F.layer_norm(x, (8,)), allowed=allowed)
    y = x + attended
    up, _, down = block.feed_forward
    y = y + down(F.gelu(up(F.layer_norm(y, (8,)))))
    assert same(out, y)
    assert torch.equal(weights, expected)
    assert up.out_features == 32
    assert TransformerBlock(8, 2, hidden=5).feed_forward[0].out_features == 5


def test_a_block_whose_parts_say_nothing_changes_nothing():
    """Pre-norm: post-norm would normalise the sum, and change it."""
    assert off_identity(TransformerBlock(8, 2)) == 0
    assert off_identity(PostNorm(8, 2)) > 1


def off_identity(block: TransformerBlock) -> float:
    block = copy.deepcopy(block)
    for last in (block.attention.to_output, block.feed_forward[-1]):
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    x = 3 * torch.randn(1, 5, block.norm_1.normalized_shape[0])
    return (block(x)[0] - x).abs().max().item()


# ---------------------------------------------------------------- the model


@pytest.mark.parametrize("causal", [False, True])
def test_a_model_is_its_parts_in_this_order(causal):
    model = make(SinusoidalEncoding(8), causal=causal)
    for parameter in model.norm.parameters():
        nn.init.normal_(parameter)
    x = tokens(2, 7)
    logits, weights = model(x)
    y = model.positions.embed(model.embedding(x))
    for block, of_block in zip(model.blocks, weights, strict=True):
        y, expected = block(y, causal_mask(7) if causal else None)
        assert torch.equal(of_block, expected)
    assert same(logits, model.to_logits(model.norm(y)))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", SCHEMES)
def test_shapes_rows_and_the_fast_path(name, causal):
    model = make(SCHEMES[name](), causal=causal)
    x = tokens(3, 7)
    logits, weights = model(x)
    assert logits.shape == (3, 7, 6)
    assert [tuple(w.shape) for w in weights] == [(3, 2, 7, 7)] * 2
    for w in weights:
        assert agree(w.sum(-1), torch.ones_like(w[..., 0]), 7, 7)  # in the softmax, and here
        assert (w.triu(1).sum() == 0) == causal
    fast, nothing = model(x, need_weights=False)
    assert nothing is None
    assert same(fast, logits)


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_reaches_the_model(name):
    """Without one, shuffled words give shuffled logits; with any, they do not."""
    model = make(SCHEMES[name]())
    x, order = tokens(2, 7), torch.tensor([3, 0, 6, 2, 5, 1, 4])
    assert same(model(x)[0][:, order], model(x[:, order])[0]) == (name == "none")


@pytest.mark.parametrize("name", SCHEMES)
def test_every_parameter_learns(name):
    model = make(SCHEMES[name](), causal=True)
    F.cross_entropy(model(tokens(4, 7))[0].flatten(0, 1), tokens(4, 7, seed=1).flatten()).backward()
    asleep = [p for p, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    # a bias of the keys adds the same to all of a row's scores, which softmax does not see
    assert [p for p in asleep if not p.endswith("to_key.bias")] == []


@pytest.mark.parametrize("name", SCHEMES)
def test_a_causal_model_does_not_see_the_future(name):
    model = make(SCHEMES[name](), causal=True)
    x = tokens(2, 7)
    logits = model(x)[0]
    for last in range(1, 8):
        assert same(model(x[:, :last])[0], logits[:, :last])


def test_an_encoder_sees_all_of_it():
    x = tokens(1, 7)
    changed = x.clone()
    changed[0, -1] = (x[0, -1] + 1) % 6
    model = make()
    assert not same(model(x)[0][0, 0], model(changed)[0][0, 0])


@pytest.mark.parametrize("causal", [False, True])
def test_padding_is_not_looked_at(causal):
    model = make(SinusoidalEncoding(8), causal=causal)
    x = tokens(2, 7)
    logits, weights = model(x, padding_mask([4, 7]))
    assert same(logits[0, :4], model(x[:1, :4])[0][0])
    assert same(logits[1], model(x[1:])[0][0])
    assert all(w[0, :, :, 4:].sum() == 0 for w in weights)


def test_another_attention_can_be_put_in():
    class Counting(MultiHeadAttention):
        calls = 0

        def forward(self, *given, **named):
            Counting.calls += 1
            return super().forward(*given, **named)

    positions = RotaryEncoding(4)
    model = make(positions, attention=Counting)
    model(tokens(1, 3))
    assert Counting.calls == 2
    assert all(block.attention.positions is positions for block in model.blocks)


def test_generation_appends_the_likeliest_token():
    model = make(RotaryEncoding(4), causal=True)
    x = tokens(2, 3)
    longer = model.generate(x, 4)
    assert longer.shape == (2, 7)
    assert torch.equal(longer[:, :3], x)
    for n in range(3, 7):
        assert torch.equal(longer[:, n], model(longer[:, :n])[0][:, -1].argmax(-1))
    assert torch.equal(model.generate(x, 0), x)


# ---------------------------------------------------------------- what was read before is remembered


SHARED = functools.partial(MultiHeadAttention, num_key_value_heads=1)


@pytest.fixture
def appended(monkeypatch):
    """Which caches were given something, and how many positions each time."""
    given, append = [], KeyValueCache.append
    monkeypatch.setattr(
        KeyValueCache, "append", lambda self, k, v: given.append((self, k.shape[-2])) or append(self, k, v)
    )
    return given


@pytest.mark.parametrize("attention", [MultiHeadAttention, SHARED])
@pytest.mark.parametrize("name", SCHEMES)
def test_generation_with_a_cache_gives_the_same_tokens_and_reads_each_once(name, attention, appended):
    for seed in range(5):
        torch.manual_seed(seed)
        model = make(SCHEMES[name](), causal=True, attention=attention)
        x = tokens(3, 1 + seed % 4, seed=seed)
        steps = 9 - x.shape[1]
        without = model.generate(x, steps, cached=False)
        assert not appended
        assert torch.equal(model.generate(x, steps), without)
        caches = list({id(cache): cache for cache, _ in appended}.values())
        assert len(caches) == 2 and [len(cache) for cache in caches] == [8, 8]  # the last token is not read
        assert [n for _, n in appended] == [x.shape[1]] * 2 + [1] * 2 * (steps - 1)
        appended.clear()


@pytest.mark.parametrize("cuts", [(), (1, 2, 3, 4, 5, 6), (3,), (2, 4), (0, 6)])
@pytest.mark.parametrize("name", SCHEMES)
def test_logits_of_a_text_in_pieces_are_those_of_the_whole(name, cuts):
    model, x = make(SCHEMES[name](), causal=True), tokens(2, 7)
    for allowed in (None, padding_mask([7, 5]), torch.ones(7, 7, dtype=torch.bool).tril(-1)):
        whole, maps = model(x, allowed)
        caches, logits, n = [KeyValueCache(), KeyValueCache()], [], 0
        for end in (*cuts, 7):
            own = None if allowed is None else allowed.expand(*allowed.shape[:-2], 7, 7)[..., n:end, :end]
            part, weights = model(x[:, n:end], own, caches=caches)
            assert [w.shape for w in weights] == [(2, 2, end - n, end)] * 2
            for ours, right in zip(weights, maps, strict=True):
                assert same(ours, right[:, :, n:end, :end])
            logits.append(part)
            n = end
        assert same(torch.cat(logits, 1), whole)


class NoCache(MultiHeadAttention):
    """As a learner's class may be: its forward knows nothing of caches."""

    def forward(self, query, key=None, value=None, allowed=None, *, need_weights=True):
        return super().forward(query, key, value, allowed, need_weights=need_weights)


class NoOffset(SinusoidalEncoding):
    def embed(self, x):
        return super().embed(x)


class OwnBlock(TransformerBlock):
    def forward(self, x, allowed=None, *, need_weights=True):
        return super().forward(x, allowed, need_weights=need_weights)


class OwnModel(TinyTransformer):
    def forward(self, tokens, allowed=None, *, need_weights=True):
        return super().forward(tokens, allowed, need_weights=need_weights)


def own_block():
    model = make(causal=True)
    model.blocks[1] = OwnBlock(8, 2).double()
    return model


@pytest.mark.parametrize(
    "make_it",
    [
        lambda: make(causal=True, attention=NoCache),
        lambda: make(NoOffset(8), causal=True),
        own_block,
        lambda: OwnModel(6, dim=8, causal=True).double(),
    ],
    ids=["attention", "positions", "block", "model"],
)
def test_a_part_that_cannot_go_on_is_asked_as_before(make_it, appended):
    model, x = make_it(), tokens(2, 3)
    longer = model.generate(x, 4)
    assert not appended
    for n in range(3, 7):
        assert torch.equal(longer[:, n], model(longer[:, :n])[0][:, -1].argmax(-1))


@pytest.mark.parametrize(
    ("caches", "message"),
    [
        (
            lambda: [KeyValueCache()],
            "each of the 2 layers needs a cache of its own, got 1 of them in a list of 1",
        ),
        (lambda: [KeyValueCache()] * 2, "got 1 of them in a list of 2"),
        (lambda: [KeyValueCache() for _ in range(3)], "got 3 of them in a list of 3"),
    ],
)
def test_caches_are_one_a_layer(caches, message):
    with pytest.raises(ValueError, match=message):
        make(causal=True)(tokens(1, 2), caches=caches())


def test_caches_remember_the_same_tokens_or_none_is_given_more():
    model, caches = make(LearnedEncoding(4, 8), causal=True), [KeyValueCache(), KeyValueCache()]
    model(tokens(1, 3), caches=caches)
    for wrong, allowed, message in (
        (tokens(1, 2), None, "max_length=4"),
        (tokens(1, 1), torch.ones(1, 1).bool().expand(1, 3), "does not fit 1 queries × 4 keys"),
    ):
        with pytest.raises(ValueError, match=message):
            model(wrong, allowed, caches=caches)
        assert [len(cache) for cache in caches] == [3, 3]
    caches[1].append(*torch.zeros(2, 1, 2, 1, 4).double())
    with pytest.raises(ValueError, match=r"must remember the same tokens, but they hold \[3, 4\] positions"):
        model(tokens(1, 1), caches=caches)


def test_an_encoder_may_read_on_too_but_sees_what_is_there():
    model, x = make(), tokens(1, 4)
    caches = [KeyValueCache(), KeyValueCache()]
    model(x[:, :3], caches=caches)
    _, weights = model(x[:, 3:], caches=caches)
    assert all((w > 0).all() and w.shape == (1, 2, 1, 4) for w in weights)


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: TinyTransformer(0), "vocabulary must be a whole number, 1 or more, got 0"),
        (lambda: TinyTransformer(6, dim=0), "dim must be a whole number, 1 or more, got 0"),
        (lambda: TinyTransformer(6, num_layers=0), "num_layers must be a whole number, 1 or more, got 0"),
        (lambda: TinyTransformer(6, dim=10, num_heads=4), "dim=10 is not divisible by num_heads=4"),
        (lambda: TransformerBlock(8, 2, hidden=0), "hidden must be a whole number, 1 or more, got 0"),
        (lambda: make()(tokens(7)), r"tokens must have shape \(batch, n\), got \(7,\)"),
        (lambda: make()(torch.zeros(1, 7)), "tokens must be whole numbers, got torch.float32"),
        (lambda: make()([1, 2]), "tokens must be whole numbers, got list"),
        (lambda: make()(torch.tensor([[0, 6]])), "tokens must be from 0 to 5, got 0 to 6"),
        (lambda: make()(torch.tensor([[-1, 2]])), "tokens must be from 0 to 5, got -1 to 2"),
        (lambda: make()(tokens(2, 7), torch.ones(7, 5, dtype=torch.bool)), r"allowed has shape \(7, 5\)"),
        (lambda: make(causal=True)(tokens(2, 7), torch.ones(7, 5, dtype=torch.bool)), r"has shape \(7, 5\)"),
        (lambda: make(LearnedEncoding(4, 8))(tokens(1, 5)), "max_length=4"),
        (lambda: make().generate(tokens(1, 2), 1), "only a causal model can continue a sequence"),
        (lambda: make(causal=True).generate(tokens(1, 0), 1), r"a token to begin with, got \(1, 0\)"),
        (
            lambda: make(causal=True).generate(tokens(1, 2), -1),
            "steps must be a whole number, 0 or more, got -1",
        ),
    ],
)
def test_errors_in_words(make_it, message):
    with pytest.raises(ValueError, match=message):
        make_it()


# ---------------------------------------------------------------- what it learns, on three seeds


def train(model: nn.Module, batches, lr: float = 3e-3) -> tuple[Tensor, Tensor]:
    """Losses and accuracies, one a step."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr)
    record = []
    for x, y in batches:
        logits, _ = model(x, need_weights=False)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        record.append((loss.item(), accuracy(logits, y)))
    return tuple(torch.tensor(record).T)


def reverser(seed: int, positions: PositionalEncoding | None = None, **options) -> TinyTransformer:
    torch.manual_seed(seed)
    return TinyTransformer(10, dim=32, num_heads=2, positions=positions, **options)


@pytest.mark.parametrize("seed", SEEDS)
def test_reversing_needs_positions(seed):
    task = Reverse(8)
    model = reverser(seed, SinusoidalEncoding(32))
    _, right = train(model, task.batches(200, 64, seed))
    assert right[-20:].mean() > 0.99
    bag = reverser(seed)
    _, right = train(bag, task.batches(200, 64, seed))
    # the best guess without positions is the commonest of the seven other digits
    ((x, _),) = task.batches(1, 4000, seed)
    ceiling = (F.one_hot(x[:, 1:], 10).sum(1).amax(-1) / 7).mean()
    assert abs(right[-50:].mean() - ceiling) < 0.03


@pytest.mark.parametrize("seed", SEEDS)
def test_sorting_is_learnt(seed):
    _, right = train(reverser(seed, SinusoidalEncoding(32)), Sort(8).batches(250, 64, seed))
    assert right[-20:].mean() > 0.95


# ---------------------------------------------------------------- induction: the jump and the stripe


def stripe(weights: Tensor, x: Tensor) -> float:
    """Mean weight `(batch, heads, n, n)` on whatever followed an earlier copy of the query's token."""
    n = x.shape[-1]
    after = torch.zeros(len(x), n, n, dtype=torch.bool)
    after[..., 1:] = x[:, :, None] == x[:, None, :-1]  # the key before this one is the query's token
    after &= torch.ones(n, n, dtype=torch.bool).tril()
    found = after.any(-1)  # (batch, n)
    return (weights * after[:, None]).sum(-1).transpose(0, 1)[:, found].mean().item()


def inducer(seed: int, num_layers: int = 2, **options) -> TinyTransformer:
    torch.manual_seed(seed)
    return TinyTransformer(
        16, dim=32, num_heads=1, num_layers=num_layers, positions=RotaryEncoding(32), **options
    )


def without_head(model: TinyTransformer, layer: int) -> TinyTransformer:
    model = copy.deepcopy(model)
    nn.init.zeros_(model.blocks[layer].attention.to_output.weight)
    return model


@pytest.mark.parametrize("seed", SEEDS)
def test_an_induction_head_forms_as_the_accuracy_jumps(seed):
    task, model = Repeat(), inducer(seed, causal=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    record = []
    for x, y in task.batches(180, 64, seed):
        logits, weights = model(x)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        record.append((accuracy(logits, y), stripe(weights[1].detach(), x)))
    right, striped = torch.tensor(record).T.unfold(-1, 10, 1).mean(-1)  # means of ten steps
    assert right[0] < 0.2 and striped[0] < 0.3
    assert right[-1] > 0.97 and striped[-1] > 0.8

    def halfway(curve: Tensor) -> int:
        return int((curve > (curve[0] + curve[-1]) / 2).int().argmax())

    assert abs(halfway(right) - halfway(striped)) <= 25

    ((x, y),) = task.batches(1, 256, seed + 1000)
    for layer in (0, 1):  # the head that finds the token before, and the one that finds what followed
        assert accuracy(without_head(model, layer)(x)[0], y) < 0.35
    ((x, y),) = Repeat(length=30, shortest=11, longest=14).batches(1, 128, 7)  # periods it never saw
    assert accuracy(model(x)[0], y) > 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_one_layer_makes_no_induction_head(seed):
    _, right = train(inducer(seed, num_layers=1, causal=True), Repeat().batches(180, 64, seed))
    assert right[-20:].mean() < 0.45


# ---------------------------------------------------------------- the loss falls, and the code is wrong


def shuffling_shuffles(model: TinyTransformer) -> bool:
    x, order = tokens(2, 8, vocabulary=10), torch.tensor([3, 0, 6, 2, 5, 1, 7, 4])
    return same(model(x)[0][:, order], model(x[:, order])[0], 32, 8, size=4 * 8)  # also after training


def asleep(model: TinyTransformer) -> set[str]:
    """Layers that no gradient reaches."""
    x = tokens(2, 8, vocabulary=10)
    F.cross_entropy(model(x)[0].flatten(0, 1), x.flatten()).backward()
    return {name.split(".")[-2] for name, p in model.named_parameters() if p.grad is None}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("attention", "exposed_by"),
    [
        (MultiHeadAttention, None),
        (MergedWithoutTranspose, probes.permutation_equivariance),
        (SplitWithoutTranspose, probes.permutation_equivariance),
        (SoftmaxOverQueries, probes.rows_sum_to_one),
        (KeysAsValues, probes.parity),
        (OutputForgotten, probes.parity),
    ],
)
def test_broken_attention_that_learns_all_the_same(attention, exposed_by, seed):
    layer = attention(32, 2)
    failing = [verdict.name for verdict in probes.run(layer) if verdict.holds is False]
    assert (exposed_by is None) == (failing == [])
    assert exposed_by is None or not exposed_by(layer)
    model = reverser(seed, SinusoidalEncoding(32), attention=attention)
    sleeping = {KeysAsValues: {"to_value"}, OutputForgotten: {"to_output"}}
    assert asleep(model) == sleeping.get(attention, set())
    model.zero_grad(set_to_none=True)
    _, right = train(model, Reverse(8).batches(250, 64, seed))
    assert right[-20:].mean() > 0.97


@pytest.mark.parametrize("seed", SEEDS)
def test_post_norm_learns_all_the_same(seed):
    model = reverser(seed, SinusoidalEncoding(32))
    model.blocks = nn.ModuleList([PostNorm(32, 2)])
    _, right = train(model, Reverse(8).batches(250, 64, seed))
    assert right[-20:].mean() > 0.97
    assert off_identity(model.blocks[0]) > 1


@pytest.mark.parametrize("seed", SEEDS)
def test_positions_along_the_batch_are_none(seed):
    model = reverser(seed, AlongTheBatch())
    losses, right = train(model, Reverse(8).batches(200, 64, seed))
    assert losses[-20:].mean() < 0.8 * losses[0]  # it falls
    assert right[-20:].mean() < 0.4
    assert shuffling_shuffles(model) and not shuffling_shuffles(reverser(seed, SinusoidalEncoding(32)))
    x = tokens(2, 8, vocabulary=10)
    assert not torch.allclose(model(x)[0][0], model(x.flip(0))[0][1], atol=1e-2)  # its neighbour matters


@pytest.mark.parametrize("seed", SEEDS)
def test_without_the_scale_a_large_head_starts_saturated_and_learns_late(seed):
    right, sharpness = {}, {}
    ((x, _),) = Reverse(8).batches(1)
    for attention in (MultiHeadAttention, NoScale):
        torch.manual_seed(seed)
        model = TinyTransformer(
            10, dim=128, num_heads=1, hidden=64, positions=SinusoidalEncoding(128), attention=attention
        )
        sharpness[attention] = model(x)[1][0].amax(-1).mean().item()
        right[attention] = train(model, Reverse(8).batches(80, 32, seed))[1][-20:].mean()
    assert sharpness[NoScale] > 2 * sharpness[MultiHeadAttention]
    assert right[MultiHeadAttention] > 0.9 and right[NoScale] < 0.6


@pytest.mark.parametrize("seed", SEEDS)
def test_a_leaking_mask_learns_too_well_and_cannot_continue(seed):
    task = Repeat()
    losses, continued = {}, {}
    for causal in (True, False):
        model = inducer(seed, causal=causal)
        pairs = ((x[:, :-1], x[:, 1:]) for x, _ in task.batches(180, 64, seed))  # each next token
        losses[causal] = train(model, pairs)[0][-20:].mean()
        ((x, _),) = Repeat(length=20, shortest=4, longest=6).batches(1, 128, 5)
        so_far = x[:, :12]
        for _ in range(8):
            so_far = torch.cat((so_far, model(so_far)[0][:, -1:].argmax(-1)), -1)
        continued[causal] = (so_far == x)[:, 12:].float().mean()
        changed = x.clone()
        changed[:, -1] = (x[:, -1] + 1) % 16
        before, after = (model(seen)[0][:, :-1] for seen in (x, changed))
        if causal:
            assert same(before, after, 32, 20, size=16 * 8)
        else:
            assert (before - after).abs().max() > 0.1
    # a period of p random tokens costs ln(16) + ln(15) + …, whoever guesses; nobody can know better
    least = sum(sum(math.log(16 - i) for i in range(1, p)) for p in range(4, 11)) / 7 / 19
    assert losses[True] > least and losses[False] < least / 2
    assert continued[True] > 0.9 and continued[False] < 0.6


# ---------------------------------------------------------------- edges


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("need_weights", [True, False])
def test_a_model_compiles_as_one_graph_and_can_be_exported(name, need_weights):
    model = TinyTransformer(10, dim=8, num_heads=2, positions=SCHEMES[name](), causal=True).eval()
    tokens = torch.arange(8)[None]
    wanted = model(tokens, need_weights=need_weights)[0]
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert agree(compiled(tokens, need_weights=need_weights)[0], wanted, *(8,) * 8, size=8)
    exported = torch.export.export(model, (tokens,), {"need_weights": need_weights}).module()
    assert agree(exported(tokens, need_weights=need_weights)[0], wanted, *(8,) * 8, size=8)
    with pytest.raises(ValueError, match="from 0 to 9, got 3 to 12"):
        model(torch.tensor([[3, 12]]))  # and is as careful as before where numbers are known


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8])
def test_tokens_may_be_whole_numbers_of_any_kind(dtype):
    model = TinyTransformer(10, dim=8, causal=True)
    tokens = torch.tensor([[1, 2, 3]])
    assert torch.equal(model(tokens.to(dtype))[0], model(tokens)[0])
    longer = model.generate(tokens.to(dtype), 2)
    assert longer.dtype == dtype
    assert torch.equal(longer.long(), model.generate(tokens, 2))


def test_numpy_s_whole_numbers_are_sizes():
    sizes = {"dim": np.int64(8), "num_heads": np.int32(2), "num_layers": np.int64(2), "hidden": np.int16(4)}
    model = TinyTransformer(np.int64(10), causal=True, **sizes)
    assert model.generate(torch.tensor([[1]]), np.int64(3)).shape == (1, 4)


@pytest.mark.parametrize("positions", ["rope", RotaryEncoding, 3, nn.Embedding(4, 8)])
@pytest.mark.parametrize(
    "make", [MultiHeadAttention, TransformerBlock, lambda dim, heads, **p: TinyTransformer(4, dim=dim, **p)]
)
def test_positions_that_are_no_scheme_are_refused(make, positions):
    with pytest.raises(ValueError, match="positions must be a scheme of"):
        make(8, 2, positions=positions)
