"""Answers to `looks_ahead(model)`: does an answer depend on later tokens?"""

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
    model(torch.tensor([[1, 2, 3, 4]]))[0][0, :-1].sum().backward()
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
