"""Answers to `looks_ahead(model)`: does an answer depend on later tokens?"""

import random

import numpy as np
import torch

from answers import known, right, unlisted
from attention_core.transformer import TinyTransformer


def _moves(model, place, new=0, n=8):
    tokens = (torch.arange(n)[None] % 9) + 1
    changed = tokens.clone()
    changed[0, place] = new
    with torch.no_grad():
        return (model(tokens)[0] - model(changed)[0]).abs().amax(-1)[0] > 1e-5  # (n,)


@right
def the_last_token_changed(model):
    return bool(_moves(model, -1)[:-1].any())


@right
def every_token_in_turn(model):
    return any(bool(_moves(model, i)[:i].any()) for i in range(8))


@right
def cut_short_instead_of_changed(model):
    tokens = torch.tensor([[1, 2, 3, 4, 5, 6]])
    with torch.no_grad():
        return not torch.allclose(model(tokens)[0][:, :4], model(tokens[:, :4])[0], atol=1e-5)


@right
def by_its_gradient(model):
    x = model.embedding(torch.tensor([[1, 2, 3, 4]])).detach().requires_grad_()
    hook = model.embedding.register_forward_hook(lambda *_: x)
    logits = model(torch.tensor([[1, 2, 3, 4]]))[0][0, :-1]
    (logits * torch.arange(1, 11).sin()).sum().backward()  # each counts otherwise: a plain sum may cancel
    hook.remove()
    return bool(x.grad[0, -1].abs().max() > 0)


@known("true-of-all")
def the_changed_place_counts(model):
    return bool(_moves(model, -1).any())


@known("true-of-all")
def only_the_last_answer(model):
    return bool(_moves(model, -1)[-1])


@known("true-of-all")
def the_first_token_changed(model):
    return bool(_moves(model, 0)[1:].any())


@known("too-far")
def only_the_first_answer(model):
    return bool(_moves(model, -1)[0])


@known("negated")
def true_for_a_right_model(model):
    return not the_last_token_changed(model)


@known("always-false")
def the_same_tokens_twice(model):
    tokens = torch.tensor([[1, 2, 3]])
    return not torch.equal(model(tokens)[0], model(tokens.clone())[0])


@unlisted(
    "the probe should return True or False; it returned a tensor of shape (7,)",
    lambda f: getattr(f(TinyTransformer(10)), "shape", None) == (7,),
)
def not_a_verdict(model):
    return _moves(model, -1)[:-1]


@known("true-of-all")
def any_model_moves_a_little(model):
    tokens = torch.randint(10, (1, 8))
    return not torch.equal(model(tokens)[0], model(torch.randint(10, (1, 8)))[0])


@unlisted(
    "the probe should return True or False; it returned a float",
    lambda f: isinstance(f(TinyTransformer(10)), float),
)
def how_far_it_moves(model):
    tokens = torch.tensor([[1, 2, 3, 4]])
    before, after = model(tokens)[0], model(tokens * torch.tensor([1, 1, 1, 0]))[0]
    return (after - before)[0, :-1].abs().max().item()


@right
def in_numpy(model):
    tokens = np.arange(8)[None]
    changed = tokens.copy()
    changed[0, -1] = 3
    before, after = (model(torch.from_numpy(x))[0].detach().numpy() for x in (tokens, changed))
    return np.any(np.abs(before - after)[:, :-1] > 1e-9)


@right
def at_random_but_never_the_same(model):
    tokens = torch.randint(10, (1, 8))
    changed = tokens.clone()
    changed[0, -1] = (tokens[0, -1] + torch.randint(1, 10, ())) % 10
    with torch.no_grad():
        return not torch.equal(model(tokens)[0][:, :-1], model(changed)[0][:, :-1])


@right
def in_evaluation_mode(model):
    model.eval()
    return the_last_token_changed(model)


@right
def with_its_forward(model):
    with torch.inference_mode():
        one, two = (model.forward(torch.tensor([[5, 5, 5, x]]), need_weights=False)[0] for x in (5, 6))
    return (one[0, :-1] != two[0, :-1]).any()


@known("by-luck")
def a_token_that_may_be_the_old_one(model):
    return bool(_moves(model, -1, torch.randint(10, ()))[:-1].any())


@known("by-luck")
def by_another_dice(model):
    return bool(_moves(model, -1, random.randrange(10))[:-1].any())


@known("model-changed")
def made_double(model):
    return the_last_token_changed(model.double())


@known("model-changed")
def left_in_training_mode(model):
    return the_last_token_changed(model.train())


@known("model-changed")
def other_parameters(model):
    with torch.no_grad():
        model.embedding.weight.normal_()
    return the_last_token_changed(model)


@known("model-not-asked")
def asked_for_its_attribute(model):
    return not model.causal


@known("goes-by-weights")
def weights_above_the_diagonal(model):
    return any(bool(w.triu(1).any()) for w in model(torch.arange(8)[None])[1])


@known("goes-by-weights")
def weights_compared(model):
    one, two = (model(torch.tensor([[1, 2, 3, x]]))[1] for x in (4, 5))
    return any(not torch.equal(a[..., :-1, :], b[..., :-1, :]) for a, b in zip(one, two, strict=True))


@known("small-leak")
def likeliest_digits(model):
    one, two = (model(torch.tensor([[1, 2, 3, 4, 5, 6, 7, x]]))[0].argmax(-1) for x in (8, 0))
    return not torch.equal(one[:, :-1], two[:, :-1])


@known("small-leak")
def half_a_logit(model):
    one, two = (model(torch.tensor([[1, 2, 3, 4, 5, 6, 7, x]]))[0] for x in (8, 0))
    return bool(((one - two)[:, :-1].abs() > 0.5).any())


@known("too-far")
def each_place_must_move(model):
    return bool(_moves(model, -1)[:-1].all())


@known("first-token-changed")
def backwards(model):
    tokens = torch.arange(1, 9)[None]
    with torch.no_grad():
        return not torch.allclose(model(tokens)[0].flip(1), model(tokens.flip(1))[0])


@known("always-false")
def sums_of_probabilities(model):
    one, two = (model(torch.tensor([[1, 2, 3, x]]))[0].softmax(-1).sum(-1) for x in (4, 5))
    return not torch.allclose(one[:, :-1], two[:, :-1])


@known("always-false")
def one_token_each(model):
    tokens = torch.arange(8)[:, None]
    return not torch.equal(model(tokens)[0][:, :-1], model(9 - tokens)[0][:, :-1])


@known("not-tokens")
def no_batch(model):
    return bool(model(torch.arange(8))[0].any())


@known("not-unpacked")
def pairs_compared(model):
    return model(torch.tensor([[1, 2, 3]])) != model(torch.tensor([[1, 2, 4]]))


@known("wrong-signature")
def with_tokens_of_its_own(model, tokens):
    return bool(model(tokens)[0].any())


@known("no-return")
def nothing_for_a_right_model(model):
    if the_last_token_changed(model):
        return True


@known("no-return")
def nothing_for_a_wrong_model(model):
    if not the_last_token_changed(model):
        return False


def _differences(model):
    """Of all logits but the last place's, when the last token is changed."""
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    changed = tokens.clone()
    changed[0, -1] = 0
    with torch.no_grad():
        return model(tokens)[0][0, :-1] - model(changed)[0][0, :-1]


class _Leaking(torch.nn.Module):
    """Logits `(batch, n, 2)` out of nothing but the tokens, as `of` makes them."""

    def __init__(self, of):
        super().__init__()
        self.of = of

    def forward(self, tokens):
        return self.of(tokens.float()), None


def _misses(of):
    """Whether a probe does not see that these logits look ahead."""
    return lambda probe: not probe(_Leaking(of))


def _signed(sign):
    return lambda x: sign * (x + x.sum(-1, keepdim=True))[..., None].expand(-1, -1, 2)


_WRONG = "not right yet: verdict differs"


@unlisted(_WRONG, lambda f: _misses(_signed(1))(f) != _misses(_signed(-1))(f))
def without_the_size_of_a_difference(model):
    return bool(_differences(model).max() > 1e-5)


def _sum_to_0(x):
    """A leak of which two logits tell the opposite."""
    both = torch.stack((x.sum(-1), -x.sum(-1)), -1)  # (batch, 2)
    return both[:, None].expand(-1, x.shape[1], 2)


@unlisted(_WRONG, _misses(_sum_to_0))
def differences_that_cancel(model):
    return bool(_differences(model).sum(-1).abs().max() > 1e-4)


@unlisted(
    _WRONG, _misses(lambda x: (x + x.roll(-2, -1) * (torch.arange(x.shape[1]) < x.shape[1] - 2))[..., None])
)
def two_tokens_only(model):
    with torch.no_grad():
        one, two = (model(torch.tensor([[3, last]]))[0][0, 0] for last in (1, 7))
    return bool((one - two).abs().max() > 1e-5)


@known("too-far")
def the_first_place_only(model):
    return bool(_differences(model)[0].abs().max() > 1e-5)
