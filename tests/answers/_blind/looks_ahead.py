# ruff: noqa
# fmt: off
from copy import deepcopy
import numpy as np
import torch


# WRONG: looks at the attention weights above the diagonal, not at answers: a leak elsewhere is not seen
# SHOWS: a model that peeks by other means than attention (adds the next word), or whose weights are None
def reads_the_weights(model):
    _, weights = model(torch.arange(8)[None])
    return any(bool((w.triu(1) > 0).any()) for w in weights)


# WRONG: asks the model for its setting "causal", not for what it does
# SHOWS: a model without this attribute, or with one that lies
def reads_the_flag(model):
    return not getattr(model, "causal", False)


# WRONG: the most likely digits are compared: a leak too small to change the winner is not seen
# SHOWS: an untrained model without mask
def compares_winners(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        return not torch.equal(model(a)[0][:, :-1].argmax(-1), model(b)[0][:, :-1].argmax(-1))


# WRONG: the answer at the changed token itself is compared, too; that one may change
# SHOWS: a causal model: True
def changed_place_compared_too(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        return not torch.allclose(model(a)[0], model(b)[0])


# WRONG: only the answer at the last place is compared, and it is the token of this place that changes
# SHOWS: a causal model: True
def last_place_compared(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 9]])
    with torch.no_grad():
        return not torch.allclose(model(a)[0][0, -1], model(b)[0][0, -1])


# WRONG: the other way round: an early token changes and later answers are compared
# SHOWS: a causal model: True
def looks_back(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, 0] = 9
    with torch.no_grad():
        return not torch.allclose(model(a)[0][:, 1:], model(b)[0][:, 1:])


# WRONG: the "changed" token is the old one: (8 + 10) % 10 = 8
# SHOWS: a model without mask: False
def nothing_changed(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = (b[0, -1] + 10) % 10
    with torch.no_grad():
        return not torch.equal(model(a)[0][:, :-1], model(b)[0][:, :-1])


# WRONG: b = a is no copy: both change, and always give the same
# SHOWS: a model without mask: False
def one_tensor_two_names(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a
    b[0, -1] = 0
    with torch.no_grad():
        return not torch.equal(model(a)[0][:, :-1], model(b)[0][:, :-1])


# WRONG: only place 0 is compared after a change at the very end: who peeks one word ahead is not caught
# SHOWS: a model in which each place sees the next one only
def first_place_only(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        return not torch.allclose(model(a)[0][0, 0], model(b)[0][0, 0])


# WRONG: off by one: the place just before the changed token is left out, too
# SHOWS: a mask that is one place too wide (triu(2) in place of triu(1))
def place_before_left_out(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        return not torch.allclose(model(a)[0][:, :-2], model(b)[0][:, :-2])


# WRONG: the result is turned round: True for a model that does not look ahead
# SHOWS: any model
def turned_round(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        return torch.allclose(model(a)[0][:, :-1], model(b)[0][:, :-1])


# WRONG: differences below 0.5 are taken for none
# SHOWS: an untrained model without mask
def generous_tolerance(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        return ((model(a)[0] - model(b)[0])[:, :-1].abs() > 0.5).any().item()


# WRONG: two texts that have nothing in common: the earlier tokens differ as well
# SHOWS: a causal model: True
def two_different_texts(model):
    a, b = torch.randint(10, (2, 1, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return not torch.allclose(model(a)[0][:, :-1], model(b)[0][:, :-1])


# WRONG: asks how well the next token is guessed: only a trained leak guesses well
# SHOWS: an untrained model without mask: False
def guesses_the_next_token(model):
    x = torch.randint(10, (1, 50), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        right = model(x)[0][:, :-1].argmax(-1) == x[:, 1:]
    return bool(right.float().mean() > 0.5)


# WRONG: tokens up to 15, as in the lesson's task; the exercise says below 10
# SHOWS: a model with 10 tokens: an error
def sixteen_tokens(model):
    a = torch.arange(16)[None]
    b = a.clone()
    b[0, -1] = 12
    with torch.no_grad():
        return not torch.allclose(model(a)[0][:, :-1], model(b)[0][:, :-1])


# WRONG: gives back one True or False for each place, not one for the model
# SHOWS: any model: bool(…) of the result raises an error
def one_verdict_for_each_place(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        return (model(a)[0] != model(b)[0]).any(dim=-1)[0, :-1]


# WRONG: tokens without a batch axis: (n,), not (1, n)
# SHOWS: any model: an error
def no_batch_axis(model):
    a = torch.tensor([1, 2, 3, 4, 5, 6, 7, 8])
    b = torch.tensor([1, 2, 3, 4, 5, 6, 7, 0])
    with torch.no_grad():
        return not torch.equal(model(a)[0][:-1], model(b)[0][:-1])


# WRONG: tokens are not whole numbers but float
# SHOWS: any model: an error in the embedding
def float_tokens(model):
    a = torch.tensor([[1.0, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        return not torch.equal(model(a)[0][:, :-1], model(b)[0][:, :-1])


# WRONG: shuffles a text of equal tokens: the same text again
# SHOWS: a model without mask: False
def shuffled_zeros(model):
    a = torch.zeros(1, 8, dtype=torch.long)
    b = torch.cat([a[:, :4], a[:, 4:].flip(1)], dim=1)
    with torch.no_grad():
        return not torch.equal(model(a)[0][:, :4], model(b)[0][:, :4])


# WRONG: shape turned: eight texts of one token, so that nothing stands before the last place
# SHOWS: a model without mask: False
def eight_texts_of_one_token(model):
    a = torch.randint(10, (8, 1), generator=torch.Generator().manual_seed(0))
    b = (a + 1) % 10
    with torch.no_grad():
        return not torch.equal(model(a)[0][:, :-1], model(b)[0][:, :-1])


# WRONG: a word in place of True or False; "no" counts as true
# SHOWS: a causal model
def says_yes_or_no(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        return "no" if torch.equal(model(a)[0][:, :-1], model(b)[0][:, :-1]) else "yes"


# WRONG: the verdict is printed, not returned
# SHOWS: any model: None
def prints_only(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        print(not torch.equal(model(a)[0][:, :-1], model(b)[0][:, :-1]))


# WRONG: the new last token is drawn without looking at the old one: one time in ten nothing changes
# SHOWS: a model without mask, asked fifty times
def changed_by_luck(model):
    a = torch.randint(10, (1, 8))
    b = a.clone()
    b[0, -1] = torch.randint(10, ())
    with torch.no_grad():
        return not torch.equal(model(a)[0][:, :-1], model(b)[0][:, :-1])


# WRONG: makes the model itself float64 for the measurement and leaves it so
# SHOWS: the dtype of the model's parameters after the call
def model_changed(model):
    model.double()
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        return not torch.allclose(model(a)[0][:, :-1], model(b)[0][:, :-1])


# WRONG: compares the attention maps of two texts in place of the answers: a leak behind the attention is not seen
# SHOWS: a model that adds the next word after attention, or whose weights do not depend on it
def compares_the_maps(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        before, after = model(a)[1], model(b)[1]
    return any(not torch.allclose(u[..., :-1, :], v[..., :-1, :]) for u, v in zip(before, after))


# WRONG: probabilities are summed before comparing; the sum is 1 for any logits
# SHOWS: a model without mask: False
def sums_of_probabilities(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        p, q = model(a)[0].softmax(-1).sum(-1), model(b)[0].softmax(-1).sum(-1)
    return not torch.allclose(p[:, :-1], q[:, :-1])


# WRONG: every place must change before it counts: all() in place of any()
# SHOWS: a model in which each place sees the next one only
def all_places_must_change(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        changed = (model(a)[0] != model(b)[0]).any(dim=-1)[0, :-1]
    return bool(changed.all())


# WRONG: first and last token are swapped: the places between see the new first one, quite rightly
# SHOWS: a causal model: True
def ends_swapped(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, 0], b[0, -1] = 8, 1
    with torch.no_grad():
        return not torch.allclose(model(a)[0][:, 1:-1], model(b)[0][:, 1:-1])


# WRONG: the logits are indexed along the batch: [:-1] of one text is nothing
# SHOWS: a model without mask: False
def batch_axis_cut(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        return not torch.equal(model(a)[0][:-1], model(b)[0][:-1])


# WRONG: the digits are cut where the places should be: [..., :-1] leaves the changed place in
# SHOWS: a causal model: True
def digits_cut_instead_of_places(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        return not torch.equal(model(a)[0][..., :-1], model(b)[0][..., :-1])


# WRONG: the model's answer is not unpacked: pairs are compared, the weights belong to them
# SHOWS: any model: an error, or always True
def not_unpacked(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        return model(a) != model(b)


# WRONG: the text is read backwards: a reversed text gives reversed answers only without positions; no question about later tokens
# SHOWS: a causal model: True
def read_backwards(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    with torch.no_grad():
        return not torch.allclose(model(a)[0].flip(1), model(a.flip(1))[0])


# RIGHT: the plain one: another last token, the answers before it
def plain(model):
    a = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    b = a.clone()
    b[0, -1] = 0
    with torch.no_grad():
        before, after = model(a)[0], model(b)[0]
    return not torch.equal(before[:, :-1], after[:, :-1])


# RIGHT: numpy, and np.bool_ as the answer
def numpy_bool(model):
    tokens = np.arange(8)[None]
    other = tokens.copy()
    other[0, -1] = 3
    read = lambda t: model(torch.from_numpy(t).long())[0].detach().double().numpy()
    return np.any(np.abs(read(tokens) - read(other))[:, :-1] > 1e-9)


# RIGHT: each token in turn is changed, and all answers before it compared
def each_token_in_turn(model):
    a = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    with torch.no_grad():
        before = model(a)[0]
        for p in range(1, a.shape[1]):
            b = a.clone()
            b[0, p] = (a[0, p] + 1) % 10
            if not torch.equal(before[:, :p], model(b)[0][:, :p]):
                return True
    return False


# RIGHT: the second half is another one, several random texts, any difference counts
def second_half_other(model):
    generator, seen = torch.Generator().manual_seed(1), []
    for _ in range(5):
        a = torch.randint(10, (1, 10), generator=generator)
        b = torch.cat([a[:, :5], 9 - a[:, 5:]], dim=1)
        with torch.inference_mode():
            seen.append(((model(a)[0] - model(b)[0])[0, :5].abs().max() > 0).item())
    return any(seen)


# RIGHT: a text and its beginning (but for rounding, as lengths differ)
def text_and_its_beginning(model):
    x = torch.tensor([[2, 7, 1, 8, 2, 8, 1, 8]])
    with torch.no_grad():
        whole = model(x)[0]
        return any(
            not torch.allclose(whole[:, :k], model(x[:, :k])[0], rtol=1e-4, atol=1e-5)
            for k in range(1, 8)
        )


# RIGHT: a copy of the model in float64, tolerance close to rounding
def copy_in_float64(model):
    exact = deepcopy(model).double().eval()
    a, b = torch.tensor([[0, 1, 2, 3, 4, 5]]), torch.tensor([[0, 1, 2, 3, 4, 9]])
    with torch.no_grad():
        gap = (exact(a)[0] - exact(b)[0])[:, :5].abs().amax()
    return bool(gap > 1e-12)


# RIGHT: a 0-d tensor of bool, gradients left on
def tensor_of_bool(model):
    a, b = torch.tensor([[5, 5, 5, 5, 5]]), torch.tensor([[5, 5, 5, 5, 6]])
    (logits_a, _), (logits_b, _) = model(a), model(b)
    return (logits_a[0, :-1] != logits_b[0, :-1]).any()


# RIGHT: all ten last tokens: the answers before them must have no spread
def all_ten_last_tokens(model):
    start = [4, 0, 3, 7]
    with torch.no_grad():
        answers = torch.cat([model(torch.tensor([start + [t]]))[0][:, :-1] for t in range(10)])
    return bool((answers.amax(dim=0) - answers.amin(dim=0)).max() > 1e-7)


# RIGHT: helper functions and sets: which places change with token p?
def which_places_change(model, n=7):
    @torch.no_grad()
    def answers(tokens):
        return [tuple(row.tolist()) for row in model(torch.tensor([tokens]))[0][0]]

    def changed(p):
        text = list(range(n))
        other = text[:p] + [9] + text[p + 1 :]
        return {i for i, (u, v) in enumerate(zip(answers(text), answers(other))) if u != v}

    return any(min(changed(p), default=p) < p for p in range(n))
