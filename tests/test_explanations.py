"""Explanations: each on a case worked out by hand, on our models and a learner's, and what is refused."""

import inspect
import math

import pytest
import torch
from explained import Plain, one_head, two_heads
from torch import nn
from torch.nn import functional as F

from attention_core import (
    GridEncoding,
    LearnedEncoding,
    MultiHeadAttention,
    PatchTransformer,
    RotaryEncoding,
    SelfAttention,
    TinyTransformer,
    causal_mask,
    explain,
    merge_heads,
    split_heads,
)
from attention_core.agreement import agree, rounding
from attention_core.explain.reading import answers, entering, read

THREE = torch.tensor([0, 1, 2])
FROM_VALUES = ("norms", "value zeroing")


def close(made, by_hand, size=1.0):
    assert made.shape == (len(by_hand),)
    assert agree(made, torch.tensor(by_hand).to(made), 4, 4, 4, size=size)


def tiny(n=6, *, layers=2, seed=0, **options):
    torch.manual_seed(seed)
    options = {"positions": LearnedEncoding(n, 8), "dim": 8, "num_heads": 2, **options}
    return TinyTransformer(9, num_layers=layers, **options).double().eval()


def seeing(readout, seed=0, **options):
    torch.manual_seed(seed)
    model = PatchTransformer(
        (4, 6), 2, 5, dim=8, num_heads=2, num_layers=2, positions=GridEncoding(2, 3, 8), readout=readout
    )
    if readout == "each":
        model.reads = 4
    return model.double().eval()


def picture(seed=0):
    return torch.rand(1, 1, 4, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sentence(n=6, seed=0):
    return torch.randint(9, (1, n), generator=torch.Generator().manual_seed(seed))


class OwnReadout(nn.Module):
    """A learner's model that puts a word of its own in front, and has one answer for the sentence."""

    reads = "class"

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.inner = tiny(7)
        self.blocks = self.inner.blocks

    def forward(self, tokens, allowed=None):
        if allowed is not None:
            allowed = F.pad(allowed, (1, 0), value=True)
        logits, weights = self.inner(F.pad(tokens, (1, 0), value=0), allowed)
        return logits[:, 0], weights


def with_reads(where):
    model = tiny()
    model.reads = where
    return model


MODELS = {
    "sentences": (tiny, sentence),
    "causal": (lambda: tiny(causal=True, positions=RotaryEncoding(4)), sentence),
    "read at 1": (lambda: with_reads(1), sentence),
    "read as a mean": (lambda: with_reads("mean"), sentence),
    "grouped": (lambda: tiny(attention=grouped), sentence),
    "one head": (lambda: tiny(attention=single), sentence),
    "a word of its own in front": (OwnReadout, sentence),
    "class": (lambda: seeing("class"), picture),
    "mean": (lambda: seeing("mean"), picture),
    "each": (lambda: seeing("each"), picture),
}


def grouped(dim, num_heads, positions=None):
    return MultiHeadAttention(dim, 4, positions=positions, num_key_value_heads=2)


def single(dim, num_heads, positions=None):
    return SelfAttention(dim, bias=True)


models = pytest.mark.parametrize("name", MODELS)
every = pytest.mark.parametrize("explanation", explain.EXPLANATIONS.values(), ids=explain.EXPLANATIONS)


# ---------------------------------------------------------------- by hand


def test_weights_by_hand():
    """Head 0 looks by 1 : 2 : 5, head 1 by 4 : 3 : 1, in eighths: the means are 5, 5 and 6 sixteenths."""
    model = Plain(torch.eye(4).tolist(), one_head(torch.zeros(4, 4).tolist()), two_heads())
    close(explain.weights(model, THREE), [5 / 16, 5 / 16, 6 / 16])


def test_rollout_by_hand():
    """One layer: half of (5, 5, 6) / 16, and half of itself. Another in front that looks at all alike:

    row i is (1/6, 1/6, 1/6) and 1/2 at i; the last row of the product is (5, 5, 6) / 32 + (0, 0, 1/2) of
    these rows, so at words 0 and 1 it is 1/6 + 5/64, and at 2 it is 1/6 + 11/32.
    """
    model = Plain(torch.eye(4).tolist(), two_heads())
    close(explain.rollout_of(model, THREE), [5 / 32, 5 / 32, 22 / 32])
    model = Plain(torch.eye(4).tolist(), one_head(torch.zeros(4, 4).tolist()), two_heads())
    close(explain.rollout_of(model, THREE), [1 / 6 + 5 / 64, 1 / 6 + 5 / 64, 1 / 6 + 11 / 32])


def test_norms_by_hand():
    """Each head's value by its weight, side by side, then by W_O, in which the heads are summed:

    word 0: (.125, 0 | 0, 1) → (.125, −1, 0, 0); word 1: (0, .25 | .375, 0) → (.375, .25, .375, 0);
    word 2: (1.25, 1.25 | .25, .25) → (1.5, 1, .25, 0).
    """
    model = Plain(torch.eye(4).tolist(), two_heads())
    squares = [0.125**2 + 1, 2 * 0.375**2 + 0.25**2, 1.5**2 + 1 + 0.25**2]
    close(explain.norms(model, THREE), [math.sqrt(x) for x in squares], size=10)


def test_norms_count_the_bias_of_the_value_and_not_that_of_the_output():
    """With b_V = (0, 0 | 0, −2), of which head 1 sends half, three eighths and an eighth:

    word 0: (.125, 0 | 0, 0) → (.125, 0, 0, 0); word 1: (0, .25 | .375, −.75) → (.375, 1, .375, 0);
    word 2: (1.25, 1.25 | .25, 0) → (1.5, 1.25, .25, 0).
    """
    model = Plain(torch.eye(4).tolist(), two_heads((0, 0, 0, -2)))
    squares = [0.125**2, 2 * 0.375**2 + 1, 1.5**2 + 1.25**2 + 0.25**2]
    close(explain.norms(model, THREE), [math.sqrt(x) for x in squares], size=10)


def test_norms_of_a_block_that_writes_into_what_the_attention_gave():
    class AddsInPlace(nn.Module):
        def __init__(self, attention):
            super().__init__()
            self.attention = attention

        def forward(self, x, allowed=None):
            attended, weights = self.attention(x, allowed=allowed)
            return attended.add_(x), weights

    model = Plain(torch.eye(4).tolist(), two_heads())
    right = explain.norms(model, THREE)
    model.blocks[0] = AddsInPlace(model.blocks[0].attention)
    assert torch.equal(explain.norms(model, THREE), right)


def test_norms_of_one_head_have_no_output_matrix():
    """α v by shares 1 : 3: word 0 sends (3, 4) / 4, of length 5/4; word 1 (0, 2) · 3/4."""
    model = Plain(torch.eye(2).tolist(), one_head([[3.0, 4.0], [0.0, 2.0]], [1, 3]))
    close(explain.norms(model, torch.tensor([0, 1])), [1.25, 1.5], size=5)


def test_value_zeroing_by_hand():
    """Both words look at both alike. Word 1 leaves as (0, 1) + (2, 0)/2 + (0, 2)/2 = (1, 2).

    Without the value of word 0 it is (0, 2), at a cosine of 2/√5, without its own (1, 1), at one of 3/√10.
    """
    model = Plain(torch.eye(2).tolist(), one_head([[2.0, 0.0], [0.0, 2.0]]))
    a, b = 1 - 2 / math.sqrt(5), 1 - 3 / math.sqrt(10)
    # the cosines are off by their rounding, and so, at 1/(a + b) times that, are the shares
    close(explain.value_zeroing(model, torch.tensor([0, 1])), [a / (a + b), b / (a + b)], size=1 / (a + b))


def test_value_zeroing_sees_what_turns_a_word_by_very_little():
    """Values a hundred times smaller: word 1 leaves as (.01, 1.01), or as (0, 1.01), or as (.01, 1).

    Unit vectors that lie .01 apart are known to a hundredth of what they are rounded by.
    """
    model = Plain(torch.eye(2).tolist(), one_head([[0.02, 0.0], [0.0, 0.02]]))
    whole = math.hypot(0.01, 1.01)
    a, b = 1 - 1.01 / whole, 1 - (0.01 * 0.01 + 1.01) / (whole * math.hypot(0.01, 1))
    close(explain.value_zeroing(model, torch.tensor([0, 1])), [a / (a + b), b / (a + b)], size=100)


@pytest.mark.parametrize("seed", range(5))
def test_value_zeroing_of_what_cannot_be_seen_is_nothing(seed):
    """Of later words a causal model gets at word 1 what rounding a cosine leaves, and never less than 0."""
    model = tiny(12, causal=True, seed=seed).float()
    model.reads = 1
    made = explain.value_zeroing(model, sentence(12, seed))
    assert (made >= 0).all() and agree(made[2:], torch.zeros(10), 8, 12, size=1e3)
    assert agree(made[:2].sum(), torch.tensor(1.0), 8, 12, size=1e3)


def test_value_zeroing_goes_through_all_layers_and_a_layer_without_values_keeps_all():
    """Where no value is sent, none that is 0 changes anything, and each word keeps itself whole."""
    layer, dead = one_head([[2.0, 0.0], [0.0, 2.0]]), one_head([[0.0, 0.0], [0.0, 0.0]])
    right = explain.value_zeroing(Plain(torch.eye(2).tolist(), layer), torch.tensor([0, 1]))
    for layers in ((layer, dead), (dead, layer), (dead, layer, dead)):
        made = explain.value_zeroing(Plain(torch.eye(2).tolist(), *layers), torch.tensor([0, 1]))
        assert agree(made, right, 2, 2)
    made = explain.value_zeroing(Plain(torch.eye(2).tolist(), dead), torch.tensor([0, 1]))
    assert made.tolist() == [0, 1]


@pytest.mark.parametrize("causal", [False, True])
def test_value_zeroing_against_one_block_and_one_word_at_a_time(causal):
    """Each block by its parts: the weights as they were, a value of 0, and the rest of the block again."""
    model, x = tiny(causal=causal), sentence()
    h, through, least = model.positions.embed(model.embedding(x)), torch.eye(6).double(), 1.0
    mask = causal_mask(6) if causal else None
    with torch.no_grad():
        for block in model.blocks:
            attention, z = block.attention, block.norm_1(h)
            value, (whole, weights) = split_heads(attention.to_value(z), 2), block(h, mask)
            turns = torch.zeros(6, 6).double()
            for j in range(6):
                rest = value.clone()
                rest[:, :, j] = 0
                y = h + attention.to_output(merge_heads(weights @ rest))
                y = y + block.feed_forward(block.norm_2(y))
                turns[:, j] = 1 - F.cosine_similarity(whole, y, dim=-1)[0]
            least = min(least, float(turns.sum(-1).min()))
            through = (turns / turns.sum(-1, keepdim=True)) @ through
            h = whole
    made = explain.value_zeroing(model, x)
    assert least > 1e-3  # so that the rounding of a cosine, divided by it, stays small
    assert agree(made, through[-1], *[32] * 6, size=1 / least)


def test_gradient_times_input_by_hand():
    """All look at all three alike: at feature 0 word 2 gets a third of what tokens send, 6, −3 and 3.

    Logit 0 is feature 0, so that word by word gradient · input is 2, −1, 1. Logit 1 is twice that and feature
    2, at which word 2 is itself with 1: 4, −2, 2 + 1.
    """
    values = [[6.0, 0, 0], [-3.0, 0, 0], [3.0, 0, 0]]
    model = Plain([[1.0, 0, 0], [2.0, 0, 1]], one_head(values))
    close(explain.gradient_times_input(model, THREE, 0), [2, 1, 1], size=6)
    close(explain.gradient_times_input(model, THREE, 1), [4, 2, 3], size=6)
    close(explain.gradient_times_input(model, THREE), [4, 2, 3], size=6)  # logits 2 and 5: 1 is predicted


@models
def test_gradient_times_input_is_what_a_word_does_when_it_grows(name):
    """The slope by differences: a word's vector is made longer and shorter, by a ten-thousandth."""
    make, of = MODELS[name]
    model, x, step = make(), of(), 1e-4
    made, before = explain.gradient_times_input(model, x), read(model, x).before
    for j in range(6):
        logits = []
        for scale in (1 + step, 1 - step):

            def longer(vectors, *_, scale=scale, **__):
                vectors = vectors.clone()
                vectors[:, j + before] *= scale  # noqa: B023
                return vectors

            with torch.no_grad(), entering((model.blocks[0], longer)):
                logits.append(answers(model, x)[0, read(model, x).target])
        # the error is the third derivative by step²/6, 2e-9 of it, and rounding by 1/step
        assert abs(abs(float(logits[0] - logits[1])) / (2 * step) - float(made[j])) < 1e-6


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def one_question():
    """The difference of the two logits is the mean of what is looked at: 6 of token 0, 0 of 1, −3 of 2."""
    return Plain([[1.0, 0, 0], [0.0, 0, 0]], one_head([[6.0, 0, 0], [0.0, 0, 0], [-3.0, 0, 0]]))


def test_leave_one_out_by_hand():
    """With all words it is (6 + 0 − 3) / 3 = 1, without word 0 it is −1.5, without word 1 it is 1.5."""
    by_hand = [sigmoid(1) - sigmoid(-1.5), sigmoid(1.5) - sigmoid(1), 0]  # it is read at word 2
    for target in (None, 0, 1):  # of two classes both change by the same
        close(explain.leave_one_out(one_question(), THREE, target), by_hand, size=3)
    model = one_question()
    model.reads = 0  # its own vector adds 1 there; the mean is 1.5 without word 1, 3 without word 2
    by_hand = [0, sigmoid(2.5) - sigmoid(2), sigmoid(4) - sigmoid(2)]
    close(explain.leave_one_out(model, THREE), by_hand, size=3)


def test_the_target_is_the_predicted_class_unless_it_is_given():
    model, x = tiny(), sentence()
    predicted = int(model(x)[0][0, -1].argmax())
    other = (predicted + 1) % 9
    for name, explanation in explain.EXPLANATIONS.items():
        made = explanation(model, x)
        assert torch.equal(explanation(model, x, predicted), made)
        asked = name in ("gradient × input", "leave one out")
        assert torch.equal(explanation(model, x, other), made) is not asked


# ---------------------------------------------------------------- on many models


@models
@every
def test_one_number_for_each_word_of_the_input(explanation, name):
    make, of = MODELS[name]
    made = explanation(make(), of())
    assert made.shape == (6,) and made.dtype == torch.float64 and (made >= 0).all() and not made.requires_grad
    assert (made > 0).sum() >= 5  # all but the one at which it is read


@models
def test_what_all_words_send_is_what_the_layer_gives(name):
    """And the norms are theirs: those of one layer without the others' influence, by its parts."""
    make, of = MODELS[name]
    model, x, given = make(), of(), []
    attention, alone = model.blocks[-1].attention, []
    with torch.no_grad(), entering((attention, lambda *z, **named: given.append((z, named)))):
        model(x)
    (((z, *_), named),) = given
    bias = 0 if name == "one head" else attention.to_output.bias
    n_all = z.shape[1]
    for j in range(n_all):  # what the layer gives where only one word has a value
        kept = torch.zeros(n_all, 1).double()
        kept[j] = 1
        handle = attention.to_value.register_forward_hook(lambda _, __, v, kept=kept: v * kept)
        alone.append(attention(z, **named)[0][0].detach() - bias)
        handle.remove()
    reading = read(model, x)
    alone = torch.stack(alone)  # (from j, at i, dim)
    wanted = reading.of_query(alone).norm(dim=-1)[reading.before :]
    assert agree(explain.norms(model, x), wanted, 8, 8, 8, 8)


@models
def test_rows_that_are_shares_sum_to_one(name):
    make, of = MODELS[name]
    model, x = make(), of()
    before = read(model, x).before
    for name in ("weights", "rollout", "value zeroing"):
        total = float(explain.EXPLANATIONS[name](model, x).sum())
        assert total < 1 - 1e-6 if before else abs(total - 1) <= rounding(torch.float64, 8, 8, 8)


def test_tokens_alone_are_a_batch_of_one():
    model, x = tiny(), sentence()
    for explanation in explain.EXPLANATIONS.values():
        assert torch.equal(explanation(model, x[0]), explanation(model, x))


def test_where_a_model_is_read():
    last, first, mean = tiny(), with_reads(-6), with_reads("mean")
    x = sentence()
    (logits,), layers = last(x)
    weights = layers[-1][0].mean(0)
    for model, row in (last, -1), (first, 0):
        assert torch.equal(read(model, x).logits, logits[row])
        assert torch.equal(explain.weights(model, x), weights[row])
    assert agree(read(mean, x).logits, logits.mean(0), 6)
    assert agree(explain.weights(mean, x), weights.mean(0), 6, 6)
    model = seeing("class")
    assert torch.equal(explain.weights(model, picture()), model(picture())[1][-1][0].mean(0)[0, 1:])
    model = seeing("each")
    assert torch.equal(read(model, picture()).logits, model(picture())[0][0, 4])
    assert read(model, picture()).removable.tolist() == [True] * 4 + [False, True]
    for model in (seeing("class"), seeing("mean")):
        assert read(model, picture()).removable.all()


@pytest.mark.parametrize("readout", ["class", "mean", "each"])
def test_leave_one_out_of_a_picture_is_its_mask(readout):
    model, x = seeing(readout), picture()
    made = explain.leave_one_out(model, x)
    reading = read(model, x)
    for j in reading.removable.nonzero()[:, 0].tolist():
        logits = model(x, torch.arange(6) != j)[0]
        p = (logits[:, 4] if readout == "each" else logits).softmax(-1)[0, reading.target]
        assert agree(made[j], (p - reading.logits.softmax(-1)[reading.target]).abs(), *[8] * 6)


def test_a_mean_of_words_leaves_out_the_one_that_is_taken_away():
    model, x = with_reads("mean"), sentence()
    kept = torch.arange(6) != 2
    logits = model(x, kept[None])[0][0]
    p, whole = (z.mean(0).softmax(-1) for z in (logits[kept], model(x)[0][0]))
    made = explain.leave_one_out(model, x)[2]
    assert agree(made, (p - whole)[whole.argmax()].abs(), *[8] * 6)


@pytest.mark.parametrize(
    "form",
    [lambda w: w, lambda w: w[0], lambda w: torch.stack(w), lambda w: (w[0][0],), lambda w: w[0][0]],
)
def test_a_learners_weights_may_be_a_list_one_layer_or_all_stacked(form):
    class Own(nn.Module):
        inner = tiny(layers=1)

        def forward(self, tokens):
            logits, weights = self.inner(tokens)
            return logits, form(weights)

    assert torch.equal(explain.weights(Own(), sentence()), explain.weights(Own.inner, sentence()))


# ---------------------------------------------------------------- nothing is changed


class Restless(nn.Module):
    """Drops half of its numbers while it trains, and casts dice whenever it is called."""

    def __init__(self, fails_after=None):
        super().__init__()
        self.inner, self.drop = tiny(), nn.Dropout()
        self.blocks, self.called, self.fails_after = self.inner.blocks, 0, fails_after

    def forward(self, tokens, allowed=None):
        torch.rand(3)
        self.called += 1
        if self.called == self.fails_after:
            self.inner(tokens, allowed)
            raise RuntimeError("no more")
        logits, weights = self.inner(tokens, allowed)
        return self.drop(logits), weights


def state(model):
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    return [m.training for m in model.modules()], hooks, grads, torch.get_rng_state().tolist()


@every
@pytest.mark.parametrize("fails_after", [None, 1, 2])
def test_a_model_is_left_as_it_was(explanation, fails_after):
    model = Restless(fails_after)
    model.inner(sentence())[0].sum().backward()
    model.train()
    model.inner.blocks[0].eval()
    before, numbers = state(model), [p.detach().clone() for p in model.parameters()]
    if fails_after:
        model.called = 0
        with pytest.raises(RuntimeError, match="no more"):
            for _ in range(2):  # some call it once
                explanation(model, sentence())
    else:
        assert torch.equal(explanation(model, sentence()), explanation(model.inner, sentence()))
    after = state(model)
    assert after[:2] == before[:2] and after[3] == before[3]
    assert all(map(torch.equal, after[2], before[2])) and all(map(torch.equal, numbers, model.parameters()))


def test_a_gradient_is_found_where_none_is_kept():
    model = tiny()
    right = explain.gradient_times_input(model, sentence())
    with torch.no_grad():
        assert torch.equal(explain.gradient_times_input(model, sentence()), right)
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="do not depend on what enters"):
        explain.gradient_times_input(CallsBlocks(1, used=False).requires_grad_(False), sentence())
    assert torch.equal(explain.gradient_times_input(model, sentence()), right)
    assert not any(p.requires_grad for p in model.parameters())


# ---------------------------------------------------------------- refusals


class Returns(nn.Module):
    def __init__(self, answer, **parts):
        super().__init__()
        self.answer = answer
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.answer


EVEN = torch.full((1, 1, 3, 3), 1 / 3)
LOGITS = torch.zeros(1, 3, 2)


def without(*names):
    model = tiny()
    owner = model
    for name in names[:-1]:
        owner = owner[name] if isinstance(name, int) else getattr(owner, name)
    delattr(owner, names[-1])
    return model


class Halves(MultiHeadAttention):
    def output(self, x):
        return super().output(x) / 2


class Unused(MultiHeadAttention):
    def project(self, query, key, value):
        return self.to_query(query), self.to_key(key), self.to_query(value)


class Flat(MultiHeadAttention):
    def project(self, query, key, value):
        q, k = self.to_query(query), self.to_key(key)
        return q, k, self.to_value(value.flatten(0, 1)).unflatten(0, value.shape[:2])


class Thrice(MultiHeadAttention):
    def forward(self, *given, **named):
        output, weights = super().forward(*given, **named)
        return output, weights[:, :1].expand(-1, 3, -1, -1)


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = tiny(layers=1)
        self.blocks = self.inner.blocks

    def forward(self, tokens):
        x, weights = self.blocks[0](x=self.inner.embedding(tokens))
        return self.inner.to_logits(x), [weights]


def unsaid(readout):
    model = seeing(readout)
    del model.reads
    return model


@pytest.mark.parametrize(
    ("explanation", "model", "x", "message"),
    [
        ("weights", tiny(), sentence().expand(2, 6), r"x must be one input, .* 1, got \(2, 6\)"),
        ("weights", tiny(), torch.zeros(1, 0, dtype=torch.long), r"x must be one input, .* got \(1, 0\)"),
        ("weights", tiny(), [1, 2], "x must be one input, a tensor, got list"),
        ("weights", len, sentence(), "model must be a torch module, got builtin_function_or_method"),
        ("weights", Returns(LOGITS), THREE, r"must return \(logits, weights\), got Tensor"),
        ("weights", Returns((LOGITS, None)), THREE, "weights must be a list of layers, got NoneType"),
        ("weights", Returns((LOGITS, {})), THREE, "weights must be a list of layers, got dict"),
        ("weights", Returns((LOGITS, [])), THREE, "returned no weights: its list of layers is empty"),
        ("weights", Returns((LOGITS, [2 * EVEN])), THREE, "layer 0 has a row that sums to 2: these are no"),
        ("rollout", Returns((LOGITS, [EVEN, EVEN[..., :2, :2] * 1.5])), THREE, r"equally many .*\[3, 2\]"),
        ("weights", Returns((LOGITS, [EVEN])), THREE[:2], "x has 2 words but the weights are of 3"),
        ("weights", Returns((LOGITS[0, 0], [EVEN])), THREE, r"logits must be .*, got \(2,\)"),
        ("weights", Returns((LOGITS[:, 0], [EVEN])), THREE, "does not say where it reads it: set"),
        ("weights", Returns((LOGITS, [EVEN]), reads=3), THREE, "reads must be .* from -3 to 2, got 3"),
        ("weights", Returns((LOGITS, [EVEN]), reads=-4), THREE, "reads must be .* from -3 to 2, got -4"),
        ("weights", Returns((LOGITS, [EVEN]), reads="last"), THREE, 'a place, "mean" or .*got .last.'),
        ("weights", Returns((LOGITS, [EVEN]), reads=True), THREE, 'must be a place, "mean" or .*got True'),
        ("weights", unsaid("each"), picture(), "answers at every patch: say at which .* model.reads = 4"),
        ("norms", Returns((LOGITS, [EVEN])), THREE, "needs the part model.blocks, which Returns has not"),
        ("norms", Returns((LOGITS, [EVEN]), blocks=nn.ModuleList()), THREE, r"needs .* model.blocks\[-1\]"),
        ("norms", without("blocks", 1, "attention"), sentence(), r"part model.blocks\[-1\].attention"),
        ("norms", without("blocks", 1, "attention", "to_value"), sentence(), r"\.attention\.to_value, which"),
        ("norms", without("blocks", 1, "attention", "to_output"), sentence(), r"attention\.to_output"),
        ("norms", tiny(attention=Halves), sentence(), r"is Σ α v W_O \+ b, but the last layer's"),
        ("norms", tiny(attention=Thrice), sentence(), "of 8 features and a W_O that takes 8 .* of 3 heads"),
        ("value zeroing", tiny(attention=Unused), sentence(), r"for \(7, 6\) it gave values of \[\]"),
        ("value zeroing", tiny(attention=Flat), sentence(), r"for \(7, 6\) it gave values of \[\(42, 8\)\]"),
        ("value zeroing", Named(), sentence(), r"its vectors by place, block\(x\), not as \['x'\]"),
        ("gradient × input", Named(), sentence(), r"its vectors by place, block\(x\), not as \['x'\]"),
        ("norms", tiny(attention=Unused), sentence(), "calls its to_value, but the last layer's does not"),
        ("value zeroing", Returns((LOGITS, [EVEN]), blocks=3), THREE, r"the part model.blocks\[0\]"),
        ("value zeroing", without("blocks", 0, "attention", "to_value"), sentence(), r"\[0\].*to_value"),
        ("gradient × input", Returns((LOGITS, [EVEN])), THREE, "needs the part model.blocks, which Returns"),
        ("leave one out", Returns((LOGITS, [EVEN])), THREE, "by `allowed`, but .* none: .*Returns"),
    ],
)  # fmt: skip
def test_errors_in_words(explanation, model, x, message):
    with pytest.raises(ValueError, match=message):
        explain.EXPLANATIONS[explanation](model, x)


@every
@pytest.mark.parametrize("target", [9, -1, 1.5, True])
def test_there_is_no_such_class(explanation, target):
    with pytest.raises(ValueError, match="target must be a whole number from 0 to 8"):
        explanation(tiny(), sentence(), target)


class CallsBlocks(nn.Module):
    """A learner's model that has blocks and calls them as often as one says."""

    def __init__(self, times, used=True):
        super().__init__()
        self.inner, self.times, self.used = tiny(), times, used
        self.blocks = self.inner.blocks

    def forward(self, tokens, allowed=None):
        x = self.inner.embedding(tokens)
        weights = [torch.full((1, 1, 6, 6), 1 / 6)]
        for _ in range(self.times):
            x, _ = self.blocks[0](x.detach() if not self.used else x)
        logits = self.inner.to_logits(x if self.used else self.inner.embedding(tokens))
        return logits, weights


@pytest.mark.parametrize(
    ("explanation", "model", "message"),
    [
        ("value zeroing", CallsBlocks(1), "has 2 blocks but makes 1 calls of them"),
        ("value zeroing", CallsBlocks(3), "has 2 blocks but makes 3 calls of them"),
        ("gradient × input", CallsBlocks(0), r"calls its blocks\[0\] 0 times: it must be once"),
        ("gradient × input", CallsBlocks(2), r"calls its blocks\[0\] 2 times: it must be once"),
        ("gradient × input", CallsBlocks(1, used=False), "do not depend on what enters blocks.0."),
        ("norms", CallsBlocks(1), "calls its to_value, but the last layer's does not"),
    ],
)  # fmt: skip
def test_blocks_that_are_not_called_once_each(explanation, model, message):
    with pytest.raises(ValueError, match=message):
        explain.EXPLANATIONS[explanation](model, sentence())


def test_the_registry_names_each_once():
    assert len(set(explain.EXPLANATIONS.values())) == len(explain.EXPLANATIONS) == 6
    for explanation in explain.EXPLANATIONS.values():
        assert list(inspect.signature(explanation).parameters) == ["model", "x", "target"]
        assert getattr(explain, explanation.__name__) is explanation
