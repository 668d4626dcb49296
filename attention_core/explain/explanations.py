"""What an answer came from: six ways to say how much each word matters, each `(model, x, target) -> (n,)`.

All take one input x, with a batch dimension of 1 or as tokens `(n,)`, and the class `target` to explain,
the predicted one unless given; `reading.read` says where in the input a model reads its answer. All return
one number, 0 or more, for each of the n words of the input: a class token, which is none of them, is left
out. All raise ValueError for an input or a model that they cannot explain, and leave the model as it was.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_core._checks import shape
from attention_core.agreement import agree, rounding
from attention_core.attention import SelfAttention
from attention_core.explain import rolled
from attention_core.explain.reading import (
    answers,
    blocks,
    entering,
    hooked,
    part,
    probability,
    read,
    undisturbed,
)


@torch.no_grad()
def weights(model: nn.Module, x: Tensor, target: int | None = None) -> Tensor:
    """How much the word at which the answer is read looks at each: the last layer's weights, heads averaged.

    `target` changes nothing. Returns: `(n,)`.

    Source: Jain and Wallace 2019, "Attention is not Explanation", which asks whether this is one.
    """
    with undisturbed(model):
        reading = read(model, x, target)
    return reading.of_input(reading.of_query(reading.weights[-1].mean(dim=0)))


@torch.no_grad()
def norms(model: nn.Module, x: Tensor, target: int | None = None) -> Tensor:
    """How long the vector is that each word sends where the answer is read: ‖Σ_heads α v W_O‖, last layer.

    The heads' vectors are summed before the norm is taken, as the layer sums them. A value has its bias, v =
    x W_V + b_V, since it is sent with its weight; the bias of W_O comes from no word and is left out.
    `target` changes nothing. It needs `model.blocks[-1].attention` with `to_value` and `to_output` as
    `MultiHeadAttention` has them, or a `SelfAttention`, which has no W_O.

    Returns: `(n,)`. Raises: ValueError, too, for a layer whose answer is not the sum of these vectors.

    Source: Kobayashi et al. 2020, "Attention is Not Only a Weight: Analyzing Transformers with Vector
    Norms": their ‖αf(x)‖.
    """
    attention, to_value = (part(model, "blocks", -1, "attention", *name) for name in ((), ("to_value",)))
    to_output = None if isinstance(attention, SelfAttention) else _linear(model)
    seen = {}
    notes = (
        (to_value, lambda values: seen.update(values=values[0].clone())),
        (attention, lambda output: seen.update(output=output[0].clone())),
    )
    with undisturbed(model), hooked(*notes):
        reading = read(model, x, target)
    if "values" not in seen:
        raise ValueError("norms needs an attention that calls its to_value, but the last layer's does not")
    mix, bias = (None, 0) if to_output is None else (to_output.weight, to_output.bias)
    sent = _sent(reading.of_query(reading.weights[-1]), seen["values"], mix)  # (n_all, dim)
    whole, size = sent.sum(dim=0) + (0 if bias is None else bias), float(sent.abs().sum(dim=0).max())
    if not agree(whole, reading.of_query(seen["output"]), *sent.shape, len(sent), size=size + 1):
        raise ValueError(
            "norms needs an attention whose output is Σ α v W_O + b, but the last layer's is not"
        )
    return reading.of_input(sent.norm(dim=-1))


@torch.no_grad()
def rollout_of(model: nn.Module, x: Tensor, target: int | None = None) -> Tensor:
    """How much of each word is in the one at which the answer is read: that row of `rollout`.

    `target` changes nothing. Returns: `(n,)`.

    Source: Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3.
    """
    with undisturbed(model):
        reading = read(model, x, target)
    return reading.of_input(reading.of_query(rolled.rollout(reading.weights)))


@torch.no_grad()
def value_zeroing(model: nn.Module, x: Tensor, target: int | None = None) -> Tensor:
    """How far what a layer makes of a word turns when the value of another one is 0, through all layers.

    In each layer the value of word j is set to 0, for all heads, nothing else, and word i leaves the whole
    block as another vector: their cosine distance, as a share of its row, is the entry (i, j). As what is
    beside the attention is inside the block, layers are multiplied as they are, later ones on the left. A
    word that no value turns keeps itself whole. `target` changes nothing. It needs `model.blocks`, each with
    an `attention.to_value`.

    Returns: `(n,)`.

    Source: Mohebbi et al. 2023, "Quantifying Context Mixing in Transformers", with its product over the
    layers.
    """
    layers, calls = blocks(model), []
    to_values = [part(model, "blocks", i, "attention", "to_value") for i in range(len(layers))]
    notes = [(block, lambda *given, **named: calls.append((given, named))) for block in layers]
    with undisturbed(model):
        with entering(*notes):
            reading = read(model, x, target)
        if len(calls) != len(layers):
            raise ValueError(f"the model has {len(layers)} blocks but makes {len(calls)} calls of them")
        through = torch.eye(calls[0][0][0].shape[-2]).to(reading.logits)
        for block, to_value, (given, named) in zip(layers, to_values, calls, strict=True):
            through = _turned(block, to_value, *given, **named) @ through
    return reading.of_input(reading.of_query(through))


def gradient_times_input(model: nn.Module, x: Tensor, target: int | None = None) -> Tensor:
    """|Σ_features gradient · input|: by how much logit `target` would fall, at this slope, without the word.

    The input is the vector of a word as it enters the first layer, with its position. It needs
    `model.blocks`.

    Returns: `(n,)`.

    Source: Shrikumar et al. 2017, "Not Just a Black Box", which names it; for words: Denil et al. 2014,
    "Extraction of Salient Sentences from Labelled Documents".
    """
    first, entered = blocks(model)[0], []

    def as_leaf(vectors: Tensor, *_, **__) -> Tensor:
        entered.append(vectors.detach().clone().requires_grad_())
        return entered[0]

    with undisturbed(model):
        with torch.no_grad():
            reading = read(model, x, target)
        with torch.enable_grad(), entering((first, as_leaf)):
            logit = answers(model, reading.x)[0, reading.target]
        if len(entered) != 1:
            raise ValueError(f"the model calls its blocks[0] {len(entered)} times: it must be once")
        depends = logit.requires_grad
        slope = torch.autograd.grad(logit, entered, allow_unused=True)[0] if depends else None
    if slope is None:
        raise ValueError("the logits do not depend on what enters blocks[0]: there is no gradient")
    return reading.of_input((slope * entered[0].detach()).sum(dim=-1).abs()[0])


@torch.no_grad()
def leave_one_out(model: nn.Module, x: Tensor, target: int | None = None) -> Tensor:
    """By how much the probability of `target` changes, up or down, when one word is taken away.

    Taken away is what nobody may look at, in no layer, by the model's `allowed`. The word at which the answer
    is read cannot be: it gets 0.

    Returns: `(n,)`, each from 0 to 1.

    Source: Li et al. 2016, "Understanding Neural Networks through Representation Erasure".
    """
    with undisturbed(model):
        reading = read(model, x, target)
        one_each = torch.eye(reading.n, dtype=torch.bool, device=reading.logits.device)
        p = probability(model, reading, one_each[reading.removable])
        change = torch.zeros_like(reading.logits[:1]).repeat(reading.n)
        change[reading.removable] = (reading.logits.softmax(-1)[reading.target] - p).abs()
    return change


EXPLANATIONS = {
    "weights": weights,
    "norms": norms,
    "rollout": rollout_of,
    "value zeroing": value_zeroing,
    "gradient × input": gradient_times_input,
    "leave one out": leave_one_out,
}


def _linear(model: nn.Module) -> nn.Linear:
    """W_O of the last layer."""
    to_output = part(model, "blocks", -1, "attention", "to_output")
    if not isinstance(to_output, nn.Linear):
        got = type(to_output).__name__
        raise ValueError(f"model.blocks[-1].attention.to_output must be a torch.nn.Linear, got {got}")
    return to_output


def _sent(alpha: Tensor, values: Tensor, mix: Tensor | None) -> Tensor:
    """Σ_heads α v W_O for each word, `(n, dim)`.

    Args: alpha: `(heads, n)`. values: `(n, features)`, of all heads, or of fewer that are shared in groups.
    mix: W_O as torch keeps it, `(dim, heads · d_k)`; None: there is none.
    """
    heads, features = len(alpha), values.shape[-1]
    width = features if mix is None else mix.shape[-1]
    d_k, rest = divmod(width, heads)
    if rest or features % d_k or heads % (features // d_k):
        raise ValueError(
            f"values of {features} features and a W_O that takes {width} do not fit weights of {heads} heads"
        )
    of_heads = values.unflatten(-1, (-1, d_k)).repeat_interleave(heads * d_k // features, dim=1)
    weighted = (alpha.T[..., None] * of_heads).flatten(1)  # (n, heads · d_k)
    return weighted if mix is None else weighted @ mix.T


def _turned(block: nn.Module, to_value: nn.Module, x: Tensor, *others, **named) -> Tensor:
    """How far each word of a block's output turns for each value that is 0: `(n, n)`, rows sum to 1."""
    n, each, seen = x.shape[-2], torch.arange(x.shape[-2], device=x.device), []

    def without(values: Tensor) -> Tensor:
        seen.append(shape(values)[:2])
        values = values.clone()
        if seen == [(n + 1, n)]:
            values[each, each] = 0  # of word j in copy j; the last copy keeps all
        return values

    with hooked((to_value, without)):
        made = block(x.expand(n + 1, -1, -1), *others, **named)
    if seen != [(n + 1, n)]:
        raise ValueError(
            "value zeroing needs an attention that calls its to_value once, on (batch, n, dim): for "
            f"{(n + 1, n)} it gave values of {seen}"
        )
    made = made[0] if isinstance(made, tuple) else made  # (n + 1, n, dim)
    made = F.normalize(made, dim=-1)
    # of unit vectors 1 − cosine is half the square of what lies between, in which nothing large cancels
    far = (made[:-1] - made[-1:]).square().sum(dim=-1).T / 2  # (n, n): word i, the value of word j
    sums = far.sum(dim=-1, keepdim=True)
    unturned = sums <= n * rounding(far.dtype, made.shape[-1]) ** 2
    return torch.where(unturned, torch.eye(n).to(far), far / sums.masked_fill(unturned, 1))
