"""Answers to `norms(weights, values, to_output)`: ‖Σ_heads α v W_O‖ for each word, `(n,)`."""

import torch

from answers import known, right, unlisted

WEIGHTS = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.25, 0.0]])
VALUES = torch.tensor([[[3.0, 4.0], [1.0, 0.0], [5.0, 5.0]], [[-3.0, -4.0], [0.0, 2.0], [5.0, 5.0]]])
ADDS = torch.eye(2).repeat(1, 2)


@right
def merged_as_in_the_layer(weights, values, to_output):
    weighted = weights[..., None] * values
    merged = weighted.transpose(0, 1).flatten(1)
    return (merged @ to_output.T).norm(dim=-1)


@right
def head_by_head(weights, values, to_output):
    heads, n, d_k = values.shape
    sent = torch.zeros(n, len(to_output))
    for h in range(heads):
        block = to_output[:, h * d_k : (h + 1) * d_k]
        sent = sent + weights[h][:, None] * (values[h] @ block.T)
    return (sent**2).sum(-1).sqrt()


@right
def in_one_einsum(weights, values, to_output):
    blocks = to_output.unflatten(1, (len(weights), -1))
    sent = torch.einsum("hn,hnd,ohd->no", weights, values, blocks)
    return torch.linalg.vector_norm(sent, dim=1)


@right
def word_by_word(weights, values, to_output):
    made = []
    for j in range(values.shape[1]):
        merged = torch.cat([weights[h, j] * values[h, j] for h in range(len(values))])
        made.append(torch.linalg.norm(to_output @ merged))
    return torch.stack(made)


@right
def values_mixed_first(weights, values, to_output):
    blocks = torch.stack(to_output.chunk(values.shape[0], dim=1))
    mixed = values @ blocks.transpose(1, 2)
    sent = (weights.unsqueeze(-1) * mixed).sum(dim=0)
    return sent.pow(2).sum(dim=-1) ** 0.5


@right
def in_plain_numbers(weights, values, to_output):
    w, v, o = weights.tolist(), values.tolist(), to_output.tolist()
    made = []
    for j in range(len(w[0])):
        merged = [w[h][j] * x for h in range(len(w)) for x in v[h][j]]
        sent = [sum(a * b for a, b in zip(row, merged, strict=True)) for row in o]
        made.append(sum(x * x for x in sent) ** 0.5)
    return torch.tensor(made)


def merged(weights, values):
    return (weights[..., None] * values).transpose(0, 1).flatten(1)


@known("no-output-matrix")
def without_w_o(weights, values, to_output):
    return merged(weights, values).norm(dim=-1)


@known("weights-left-out")
def values_alone(weights, values, to_output):
    return (values.transpose(0, 1).flatten(1) @ to_output.T).norm(dim=-1)


@known("one-weight-for-all-heads")
def mean_weight_times_norm(weights, values, to_output):
    sent = values.transpose(0, 1).flatten(1) @ to_output.T
    return weights.mean(0) * sent.norm(dim=-1)


@known("one-weight-for-all-heads")
def one_weight_for_all_heads(weights, values, to_output):
    alpha = weights.mean(dim=0)
    return (merged(alpha.expand_as(weights), values) @ to_output.T).norm(dim=-1)


@known("one-value-for-all")
def value_of_the_query(weights, values, to_output):
    of_query = values[:, -1:].expand_as(values)
    return (merged(weights, of_query) @ to_output.T).norm(dim=-1)


@known("merged-without-transpose")
def reshaped_at_once(weights, values, to_output):
    n = values.shape[1]
    flat = (weights[..., None] * values).reshape(n, -1)
    return (flat @ to_output.T).norm(dim=-1)


@known("features-before-heads")
def heads_last(weights, values, to_output):
    weighted = weights[..., None] * values
    return (weighted.permute(1, 2, 0).flatten(1) @ to_output.T).norm(dim=-1)


@known("heads-reversed")
def last_head_first(weights, values, to_output):
    return (merged(weights.flip(0), values.flip(0)) @ to_output.T).norm(dim=-1)


@known("output-matrix-transposed")
def not_transposed(weights, values, to_output):
    joined = merged(weights, values)
    return (joined @ to_output).norm(dim=-1)


@known("heads-summed-early")
def heads_summed_first(weights, values, to_output):
    return ((weights[..., None] * values).sum(dim=0) @ to_output.T).norm(dim=-1)


@known("weights-without-axis")
def an_axis_too_few(weights, values, to_output):
    weighted = weights * values
    return (weighted.transpose(0, 1).flatten(1) @ to_output.T).norm(dim=-1)


@known("one-head")
def the_first_head(weights, values, to_output):
    d_k = values.shape[-1]
    return (weights[0][:, None] * values[0] @ to_output[:, :d_k].T).norm(dim=-1)


@known("absolute-values")
def nothing_cancels(weights, values, to_output):
    return (merged(weights, values).abs() @ to_output.T).norm(dim=-1)


@known("squared")
def no_root(weights, values, to_output):
    sent = merged(weights, values) @ to_output.T
    return (sent**2).sum(dim=-1)


@known("other-norm")
def sum_of_sizes(weights, values, to_output):
    return (merged(weights, values) @ to_output.T).abs().sum(dim=-1)


@known("other-norm")
def root_of_the_mean(weights, values, to_output):
    return (merged(weights, values) @ to_output.T).square().mean(dim=-1).sqrt()


@known("summed-not-normed")
def entries_summed(weights, values, to_output):
    return (merged(weights, values) @ to_output.T).sum(dim=-1)


@known("over-words")
def the_other_axis(weights, values, to_output):
    return (merged(weights, values) @ to_output.T).norm(dim=0)


@known("one-number")
def of_all(weights, values, to_output):
    return (merged(weights, values) @ to_output.T).norm()


@known("axis-left")
def kept_axis(weights, values, to_output):
    return (merged(weights, values) @ to_output.T).norm(dim=-1, keepdim=True)


@known("vectors")
def no_norm(weights, values, to_output):
    return merged(weights, values) @ to_output.T


@known("normalised")
def shares(weights, values, to_output):
    made = merged_as_in_the_layer(weights, values, to_output)
    return made / made.sum()


@known("weighed-twice")
def squared_weights(weights, values, to_output):
    return merged_as_in_the_layer(weights * weights, values, to_output)


@known("softmax-again")
def softmax_of_weights(weights, values, to_output):
    return merged_as_in_the_layer(weights.softmax(dim=-1), values, to_output)


@known("weights-alone")
def only_weights(weights, values, to_output):
    return weights.mean(dim=0)


@known("norms-per-head")
def summed_after_the_norm(weights, values, to_output):
    heads, n, d_k = values.shape
    made = torch.zeros(n)
    for h in range(heads):
        sent = weights[h][:, None] * values[h] @ to_output[:, h * d_k : (h + 1) * d_k].T
        made = made + sent.norm(dim=-1)
    return made


@known("norms-per-head-without-output")
def heads_alone(weights, values, to_output):
    return (weights[..., None] * values).norm(dim=-1).sum(dim=0)


@known("output-matrix-transposed")
def blocks_of_rows(weights, values, to_output):
    made = torch.zeros(values.shape[1], to_output.shape[1])
    for h, (alpha, of_head) in enumerate(zip(weights, values, strict=True)):
        block = to_output[h * of_head.shape[1] : (h + 1) * of_head.shape[1]]
        made += alpha[:, None] * of_head @ block
    return made.norm(dim=-1)


@known("weights-left-out + squared")
def two_mistakes(weights, values, to_output):
    return values_alone(weights, values, to_output) ** 2


@known("wrong-signature")
def without_a_matrix(weights, values):
    return merged(weights, values).norm(dim=-1)


@known("no-return")
def nothing_comes_back(weights, values, to_output):
    merged_as_in_the_layer(weights, values, to_output)


@known("not-a-tensor")
def a_list(weights, values, to_output):
    return merged_as_in_the_layer(weights, values, to_output).tolist()


def _says(j, right, to_output):
    return lambda f: abs(float(f(WEIGHTS.clone(), VALUES.clone(), to_output.clone())[j]) - right) > 1e-3


@unlisted("an unseen word", _says(2, 0.0, ADDS))
def one_more_word(weights, values, to_output):
    return (merged(weights + 0.1, values) @ to_output.T).norm(dim=-1)


@unlisted("an unseen word", _says(2, 0.0, ADDS))
def with_the_value_itself(weights, values, to_output):
    return (merged(1 + weights, values) @ to_output.T).norm(dim=-1)


@unlisted("heads that cancel", _says(0, 0.0, ADDS))
def second_head_twice(weights, values, to_output):
    weights = weights.clone()
    weights[-1] *= 2
    return merged_as_in_the_layer(weights, values, to_output)


@unlisted("heads that cancel", _says(0, 0.0, ADDS))
def sizes_of_values(weights, values, to_output):
    return (merged(weights, values.relu()) @ to_output.T).norm(dim=-1)


@unlisted(
    "not right yet: norms differ",
    lambda f: (
        not torch.allclose(
            f(WEIGHTS[:1], VALUES[:1], torch.ones(3, 2)),
            head_by_head(WEIGHTS[:1], VALUES[:1], torch.ones(3, 2)),
        )
    ),
)
def no_more_rows_than_columns(weights, values, to_output):
    return merged_as_in_the_layer(weights, values, to_output[: to_output.shape[1]])


@unlisted("heads side by side", _says(1, 0.5**0.5, torch.eye(4)))
def twice_as_long(weights, values, to_output):
    return 2 * merged_as_in_the_layer(weights, values, to_output)


def _written_into(f):
    values = VALUES.clone()
    f(WEIGHTS.clone(), values, ADDS.clone())
    return not torch.equal(values, VALUES)


@unlisted("given as it was", _written_into)
def centred_in_place(weights, values, to_output):
    values -= values.mean(dim=1, keepdim=True)
    return merged_as_in_the_layer(weights, values, to_output)
