"""Answers to `rollout(weights)`: a list of layers `(heads, n, n)` to `(n, n)`."""

import torch

from answers import known, right, unlisted


@right
def layer_by_layer(weights):
    n = weights[0].shape[-1]
    rolled = torch.eye(n)
    for layer in weights:
        a = (layer.mean(dim=0) + torch.eye(n)) / 2
        a = a / a.sum(dim=-1, keepdim=True)
        rolled = a @ rolled
    return rolled


@right
def added_and_divided(weights):
    identity = torch.eye(weights[0].shape[-1])
    rolled = identity
    for layer in weights:
        a = layer.mean(0) + identity
        rolled = torch.matmul(a / a.sum(-1, keepdim=True), rolled)
    return rolled


@right
def from_the_last_layer_on(weights):
    rolled = None
    for layer in reversed(weights):
        a = 0.5 * layer.mean(0) + 0.5 * torch.eye(layer.shape[-1])
        a = torch.nn.functional.normalize(a, p=1, dim=-1)
        rolled = a if rolled is None else rolled @ a
    return rolled


@right
def stacked(weights):
    a = torch.stack(weights).mean(dim=1)  # (layers, n, n)
    a = (a + torch.eye(a.shape[-1])) / 2
    a /= a.sum(dim=-1, keepdim=True)
    if len(a) == 1:
        return a[0]
    return torch.linalg.multi_dot(list(a.flip(0)))


@right
def written_into_the_diagonal(weights):
    steps = []
    for layer in weights:
        a = layer.sum(0) / layer.shape[0]
        a.diagonal().add_(1)
        steps.append(a / a.sum(1)[:, None])
    rolled = steps[0]
    for a in steps[1:]:
        rolled = torch.einsum("ij,jk->ik", a, rolled)
    return rolled


@right
def into_the_layers_themselves(weights):
    for layer in weights:
        layer += torch.eye(layer.shape[-1])
        layer /= layer.sum(-1, keepdim=True)
    rolled = weights[0].mean(0)
    for layer in weights[1:]:
        rolled = layer.mean(0) @ rolled
    return rolled


def mixed(layer):
    a = (layer.mean(0) + torch.eye(layer.shape[-1])) / 2
    return a / a.sum(-1, keepdim=True)


def multiplied(steps):
    rolled = steps[0]
    for a in steps[1:]:
        rolled = a @ rolled
    return rolled


# --- the identity ------------------------------------------------------------------------------------------


@known("no-identity")
def weights_alone(weights):
    rolled = torch.eye(weights[0].shape[-1])
    for layer in weights:
        rolled = layer.mean(0) @ rolled
    return rolled


@known("identity-not-halved")
def added_and_not_halved(weights):
    rolled = torch.eye(weights[0].shape[-1])
    for layer in weights:
        a = layer.mean(0) + torch.eye(layer.shape[-1])
        rolled = a @ rolled
    return rolled


@known("only-identity-halved")
def brackets_forgotten(weights):
    rolled = torch.eye(weights[0].shape[-1])
    for layer in weights:
        a = layer.mean(0) + torch.eye(layer.shape[-1]) / 2
        rolled = a @ rolled
    return rolled


@known("ones-for-identity")
def one_everywhere(weights):
    rolled = torch.eye(weights[0].shape[-1])
    for layer in weights:
        a = (layer.mean(0) + 1) / 2
        a = a / a.sum(-1, keepdim=True)
        rolled = a @ rolled
    return rolled


@known("identity-subtracted")
def minus(weights):
    rolled = torch.eye(weights[0].shape[-1])
    for layer in weights:
        a = (layer.mean(0) - torch.eye(layer.shape[-1])) / 2
        rolled = a @ rolled
    return rolled


@known("identity-at-the-end")
def mixed_in_at_the_end(weights):
    rolled = multiplied([layer.mean(0) for layer in weights])
    return (rolled + torch.eye(len(rolled))) / 2


@known("identity-once-more")
def mixed_in_again(weights):
    rolled = multiplied([mixed(layer) for layer in weights])
    return (rolled + torch.eye(len(rolled))) / 2


# --- rows --------------------------------------------------------------------------------------------------


@known("normalised-over-columns")
def columns(weights):
    rolled = torch.eye(weights[0].shape[-1])
    for layer in weights:
        a = (layer.mean(0) + torch.eye(layer.shape[-1])) / 2
        a = a / a.sum(dim=0, keepdim=True)
        rolled = a @ rolled
    return rolled


@known("keepdim-forgotten")
def as_in_a_well_known_library(weights):
    rolled = torch.eye(weights[0].shape[-1])
    for layer in weights:
        a = (layer.mean(0) + torch.eye(layer.shape[-1])) / 2
        a = a / a.sum(dim=-1)
        rolled = a @ rolled
    return rolled


@known("not-normalised")
def halves_only(weights):
    rolled = torch.eye(weights[0].shape[-1])
    for layer in weights:
        rolled = (layer.mean(0) + torch.eye(layer.shape[-1])) / 2 @ rolled
    return rolled


@known("normalised-at-the-end")
def divided_at_the_end(weights):
    rolled = halves_only(weights)
    return rolled / rolled.sum(-1, keepdim=True)


@known("normalised-before")
def divided_too_early(weights):
    rolled = torch.eye(weights[0].shape[-1])
    for layer in weights:
        a = layer.mean(0)
        a = a / a.sum(-1, keepdim=True)
        rolled = (a + torch.eye(len(a))) / 2 @ rolled
    return rolled


@known("softmax-again")
def softmax_of_weights(weights):
    steps = [(layer.mean(0) + torch.eye(layer.shape[-1])).div(2).softmax(-1) for layer in weights]
    return multiplied(steps)


# --- heads -------------------------------------------------------------------------------------------------


@known("first-head")
def one_head(weights):
    return multiplied([mixed(layer[:1]) for layer in weights])


@known("largest-head")
def maximum(weights):
    steps = []
    for layer in weights:
        a = (layer.max(dim=0).values + torch.eye(layer.shape[-1])) / 2
        steps.append(a / a.sum(-1, keepdim=True))
    return multiplied(steps)


@known("heads-added")
def sums(weights):
    steps = []
    for layer in weights:
        a = layer.sum(0) + torch.eye(layer.shape[-1])
        steps.append(a / a.sum(-1, keepdim=True))
    return multiplied(steps)


@known("heads-multiplied")
def products(weights):
    steps = []
    for layer in weights:
        a = layer.prod(0) + torch.eye(layer.shape[-1])
        steps.append(a / a.sum(-1, keepdim=True))
    return multiplied(steps)


@known("heads-averaged-after")
def heads_apart(weights):
    heads = []
    for h in range(len(weights[0])):
        heads.append(multiplied([mixed(layer[h : h + 1]) for layer in weights]))
    return torch.stack(heads).mean(0)


@known("layers-for-heads")
def the_layers_averaged(weights):
    rolled = torch.eye(weights[0].shape[-1])
    for a in torch.stack(weights).mean(0):
        a = (a + torch.eye(len(a))) / 2
        rolled = a / a.sum(-1, keepdim=True) @ rolled
    return rolled


@known("heads-averaged-after")
def all_heads_at_once(weights):
    n = weights[0].shape[-1]
    rolled = torch.eye(n)
    for layer in weights:
        rolled = (layer + torch.eye(n)) / 2 @ rolled
    return rolled.mean(0)


# --- layers ------------------------------------------------------------------------------------------------


@known("order")
def on_the_right(weights):
    rolled = torch.eye(weights[0].shape[-1])
    for layer in weights:
        rolled = rolled @ mixed(layer)
    return rolled


@known("last-layer-only")
def last_layer(weights):
    return mixed(weights[-1])


@known("first-layer-only")
def first_layer(weights):
    return mixed(weights[0])


@known("a-layer-left-out")
def from_the_second_on(weights):
    rolled = torch.eye(weights[0].shape[-1])
    for layer in weights[1:] if len(weights) > 1 else weights:
        rolled = mixed(layer) @ rolled
    return rolled


@known("a-layer-left-out")
def as_if_the_first_were_in_already(weights):
    rolled = torch.eye(weights[0].shape[-1])
    for layer in weights[1:]:
        rolled = mixed(layer) @ rolled
    return rolled


@known("a-layer-twice")
def begins_with_the_first_and_takes_it_again(weights):
    rolled = mixed(weights[0])
    for layer in weights:
        rolled = mixed(layer) @ rolled
    return rolled


@known("one-layer-again")
def always_the_first(weights):
    return torch.linalg.matrix_power(mixed(weights[0]), len(weights))


@known("layers-averaged")
def average_of_layers(weights):
    return torch.stack([mixed(layer) for layer in weights]).mean(0)


@known("layers-added")
def sum_of_layers(weights):
    return sum(mixed(layer) for layer in weights)


@known("entry-by-entry")
def with_an_asterisk(weights):
    rolled = torch.ones_like(weights[0][0])
    for layer in weights:
        rolled = mixed(layer) * rolled
    return rolled


# --- what comes back ---------------------------------------------------------------------------------------


@known("transposed")
def on_its_side(weights):
    return layer_by_layer(weights).T


@known("one-row")
def row_of_the_class_token(weights):
    return layer_by_layer(weights)[0]


@known("axis-too-many")
def with_a_batch(weights):
    return layer_by_layer(weights)[None]


@known("layers-in-a-list")
def a_list_for_a_tensor(weights):
    a = weights.mean(1)
    return multiplied(list(a))


@known("heads-left")
def never_averaged(weights):
    n = weights[0].shape[-1]
    rolled = torch.eye(n)
    for layer in weights:
        rolled = (layer + torch.eye(n)) / 2 @ rolled
    return rolled


# --- in no table -------------------------------------------------------------------------------------------


LAYER = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])


@unlisted("a single layer", lambda f: f([LAYER])[0, 0] != 0.5)
def nine_tenths_of_itself(weights):
    n = weights[0].shape[-1]
    return multiplied([0.1 * layer.mean(0) + 0.9 * torch.eye(n) for layer in weights])


@unlisted("several layers", lambda f: f([LAYER])[0, 0] == 0.5 and f([LAYER, LAYER])[0, 0] != 0.25)
def of_two_at_most(weights):
    rolled = mixed(weights[0])
    for layer in weights[1:]:
        rolled = (mixed(layer) @ rolled + rolled) / 2
    return rolled


@unlisted("rows sum to 1", lambda f: f([LAYER]).sum(-1)[0] != 1)
def divided_by_three(weights):
    n = weights[0].shape[-1]
    return multiplied([(layer.mean(0) + torch.eye(n)) / 3 for layer in weights])
