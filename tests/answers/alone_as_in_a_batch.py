"""Answers to `alone_as_in_a_batch(model)`: the same logits alone as in a batch, filled up with padding?"""

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from answers import known, right, unlisted
from attention_core import padding_mask
from attention_core.positional_encoding import SinusoidalEncoding
from attention_core.transformer import EncoderDecoder

SHORT, LONG = [3, 1, 4], [2, 7, 1, 8, 6]
TARGET = torch.tensor([[1, 6, 1, 8]])
BATCH = torch.tensor([[*SHORT, 0, 0], LONG])
ALLOWED = padding_mask([3, 5])


def _logits(model, source, target, allowed=None):
    with torch.no_grad():
        return model(torch.as_tensor(source), target.expand(len(source), -1), allowed)[0]


def _both(model):
    return _logits(model, [SHORT], TARGET)[0], _logits(model, BATCH, TARGET, ALLOWED)[0]


@right
def short_beside_long(model):
    source = torch.tensor([[5, 2, 9, 0, 0, 0], [1, 2, 3, 4, 5, 6]])
    target = torch.tensor([[1, 2, 3], [4, 5, 6]])
    together, _ = model(source, target, allowed=(source != 0)[:, None])
    alone, _ = model(source[:1, :3], target[:1])
    return torch.allclose(together[:1], alone, atol=1e-5)


@right
def largest_difference(model):
    alone, together = _both(model)
    return bool((alone - together).abs().max() < 1e-6)


@right
def each_sentence_in_turn(model):
    sentences = [torch.arange(1, n + 1) for n in (2, 4, 7)]
    source, n = pad_sequence(sentences, batch_first=True), [2, 4, 7]
    target = torch.randint(1, 10, (3, 5))
    with torch.no_grad():
        batch = model(source, target, padding_mask(n))[0]
        for i, x in enumerate(sentences):
            alone = model(x[None], target[i : i + 1], torch.ones(1, 1, n[i], dtype=torch.bool))[0]
            if not torch.allclose(alone[0], batch[i]):
                return False
    return True


@right
def with_targets_of_two_lengths(model):
    target = torch.tensor([[4, 4, 0, 0], [1, 2, 3, 4]])
    one, other = model(torch.tensor([[7, 7]]), target[:1, :2])[0], model(BATCH, target, ALLOWED)[0]
    alone = model(torch.tensor([SHORT]), target[:1, :2])[0]
    return one.shape == alone.shape and torch.isclose(alone[0], other[0, :2], atol=1e-5).all()


@right
def in_numpy(model):
    alone, together = (x.numpy() for x in _both(model))
    return np.abs(alone - together).max() < 1e-5


@right
def by_probabilities_of_its_logits(model):
    alone, together = (x.log_softmax(-1) for x in _both(model))
    return torch.allclose(alone, together, atol=1e-5)


@known("no-padding")
def two_of_one_length(model):
    source = torch.tensor([[1, 2, 3], [4, 5, 6]])
    return torch.allclose(_logits(model, source, TARGET)[0], _logits(model, source[:1], TARGET)[0])


@known("no-padding")
def nothing_to_hide(model):
    source = torch.tensor([[1, 2, 3], [4, 5, 6]])
    allowed = torch.ones(2, 1, 3, dtype=torch.bool)
    return torch.allclose(_logits(model, source, TARGET, allowed)[0], _logits(model, source[:1], TARGET)[0])


@known("allowed-not-given")
def batch_without_a_mask(model):
    return torch.allclose(_logits(model, BATCH, TARGET)[0], _logits(model, [SHORT], TARGET)[0], atol=1e-5)


@known("goes-by-weights")
def shares_compared(model):
    together, alone = model(BATCH, TARGET.expand(2, -1), ALLOWED)[1], model(BATCH[:1, :3], TARGET)[1]
    if isinstance(alone, dict):
        together, alone = together["cross"][-1], alone["cross"][-1]
    return torch.allclose(together[0][..., :3], alone[0], atol=1e-5)


@known("goes-by-weights")
def padding_gets_no_weight(model):
    weights = model(BATCH, TARGET.expand(2, -1), ALLOWED)[1]
    if isinstance(weights, dict):
        weights = weights["cross"][0]
    return bool((weights[0, ..., 3:] == 0).all())


@known("small-leak")
def likeliest_letters(model):
    alone, together = _both(model)
    return torch.equal(alone.argmax(-1), together.argmax(-1))


@known("small-leak")
def a_tenth_is_nothing(model):
    alone, together = _both(model)
    return bool((alone - together).abs().max() < 0.1)


@known("always-true")
def shapes_compared(model):
    alone, together = _both(model)
    return alone.shape == together.shape


@known("never-alone")
def the_filled_up_one_twice(model):
    return torch.allclose(*(_logits(model, BATCH, TARGET, ALLOWED)[0] for _ in range(2)))


@known("never-alone")
def the_filled_up_one_without_its_mask(model):
    return torch.allclose(_logits(model, BATCH, TARGET, ALLOWED)[0], _logits(model, BATCH[:1], TARGET)[0])


@known("long-only")
def the_long_one(model):
    return torch.allclose(_logits(model, BATCH, TARGET, ALLOWED)[1], _logits(model, [LONG], TARGET)[0])


@known("long-only")
def the_last_row_though_both_were_asked(model):
    alone = [_logits(model, [x], TARGET)[0] for x in (SHORT, LONG)]
    return torch.allclose(alone[-1], _logits(model, BATCH, TARGET, ALLOWED)[-1], atol=1e-5)


@known("exact")
def to_the_last_bit(model):
    alone, together = _both(model)
    return torch.equal(alone, together)


@known("exact")
def every_number_the_same(model):
    alone, together = _both(model)
    return bool((alone == together).all())


@known("negated")
def true_for_a_difference(model):
    alone, together = _both(model)
    return not torch.allclose(alone, together, atol=1e-5)


@known("no-return")
def printed(model):
    alone, together = _both(model)
    print(torch.allclose(alone, together, atol=1e-5))


@known("target-too-short")
def only_start_is_read(model):
    target = torch.tensor([[1]])
    alone, together = _logits(model, [SHORT], target), _logits(model, BATCH, target, ALLOWED)
    return torch.allclose(alone[0], together[0], atol=1e-5)


@known("not-every-place")
def the_last_place(model):
    alone, together = _both(model)
    return torch.allclose(alone[-1], together[-1], atol=1e-5)


@known("not-every-place")
def the_first_place(model):
    alone, together = _both(model)
    return torch.allclose(alone[0], together[0], atol=1e-5)


@known("nothing-beside")
def filled_up_but_not_in_a_batch(model):
    together = _logits(model, BATCH[:1], TARGET, ALLOWED[:1])
    return torch.allclose(together, _logits(model, [SHORT], TARGET), atol=1e-5)


@known("other-target")
def another_target(model):
    alone, together = _logits(model, [SHORT], TARGET.flip(1)), _logits(model, BATCH, TARGET, ALLOWED)
    return torch.allclose(alone[0], together[0])


@known("allowed-turned-round")
def true_for_padding(model):
    alone, together = _logits(model, [SHORT], TARGET), _logits(model, BATCH, TARGET, (BATCH == 0)[:, None])
    return torch.allclose(alone[0], together[0])


@known("padding-not-hidden")
def all_allowed(model):
    together = _logits(model, BATCH, TARGET, torch.ones(2, 1, 5, dtype=torch.bool))
    return torch.allclose(_logits(model, [SHORT], TARGET)[0], together[0])


@known("letters-hidden")
def filled_up_with_nines(model):
    together = _logits(model, torch.tensor([[*SHORT, 9, 9], LONG]), TARGET, ALLOWED)
    return torch.allclose(_logits(model, [SHORT], TARGET)[0], together[0], atol=1e-5)


@known("model-not-asked")
def asked_for_its_name(model):
    return type(model) is EncoderDecoder


@known("model-changed")
def left_in_training_mode(model):
    return short_beside_long(model.train())


@known("by-luck")
def sentences_of_any_length(model):
    n = int(torch.randint(1, 3, ()))
    source = torch.tensor([[4, 6], [2, 7]])
    source[0, n:] = 0
    together = _logits(model, source, TARGET, (source != 0)[:, None])
    alone = _logits(model, source[:1, :n], TARGET)
    return torch.allclose(alone[0], together[0], atol=1e-5)


@known("not-unpacked")
def pairs_compared(model):
    source, target = torch.tensor([[*SHORT, 0, 0], LONG]), TARGET.expand(2, -1)
    return torch.allclose(model(source, target, ALLOWED)[0], model(source[:1, :3], TARGET)[:1])


@known("not-tokens")
def a_mask_without_its_axis(model):
    return torch.allclose(_both(model)[0], _logits(model, BATCH, TARGET, BATCH != 0)[0])


@known("always-false")
def two_models_would_differ(model):
    alone, together = _both(model)
    return torch.equal(alone.flip(0), together)


@known("wrong-signature")
def with_a_sentence_of_its_own(model, source):
    return torch.equal(*_both(model))


class _Says(torch.nn.Module):
    """Logits that are made of nothing but the source and what is allowed, as `of` makes them: (batch, n)."""

    def __init__(self, of):
        super().__init__()
        self.of = of

    def forward(self, source, target, allowed=None):
        allowed = torch.ones_like(source).bool()[:, None] if allowed is None else allowed
        each = self.of(source, allowed[:, 0]).double()[:, None, None]  # (batch, 1, 1)
        signs = torch.tensor([1.0, -1.0]).double()
        return (5 + each * signs * torch.ones(*target.shape, 1)).float(), None


def _width(source, allowed):
    return source.new_full((len(source),), source.shape[-1])


def _calls_right(of):
    """Whether a probe says True of a model that hears the padding in this way."""
    return lambda probe: bool(probe(_Says(of)))


_WRONG = "not right yet: verdict differs"


@unlisted(_WRONG, _calls_right(_width))
def sums_compared(model):
    alone, together = _both(model)
    return bool((alone.sum(-1) - together.sum(-1)).abs().max() < 1e-4)


def _lower(probe):
    """Whether a probe says True where padding makes logits smaller, and not where it makes them larger."""
    below, above = (_Says(lambda x, _, sign=sign: sign * _width(x, _).clamp(max=10)) for sign in (1, -1))
    return bool(probe(below)) or bool(probe(above))


@unlisted(_WRONG, _lower)
def without_the_size_of_a_difference(model):
    alone, together = _both(model)
    return bool((alone - together)[:, 0].max() < 1e-5)


@unlisted(
    "the probe should return True or False; it returned a tensor of shape (4, 10)",
    lambda f: getattr(f(EncoderDecoder(10, 10, 4, positions=SinusoidalEncoding(4))), "shape", ()) == (4, 10),
)
def not_a_verdict(model):
    alone, together = _both(model)
    return torch.isclose(alone, together)


@known("not-every-logit")
def one_letter_only(model):
    alone, together = _both(model)
    return bool((alone[:, 1] - together[:, 1]).abs().max() < 1e-5)


@known("padding-in-front")
def the_padding_first(model):
    batch = torch.tensor([[0, 0, *SHORT], LONG])
    together = _logits(model, batch, TARGET, (batch != 0)[:, None])
    return torch.allclose(_logits(model, [SHORT], TARGET)[0], together[0], atol=1e-5)
