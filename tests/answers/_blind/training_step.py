# ruff: noqa
# fmt: off
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.functional import cross_entropy


# WRONG: gradients are cleared between backward and step: there is nothing left to step with
# SHOWS: no parameter moves
def cleared_before_the_step(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    loss.backward()
    optimiser.zero_grad()
    optimiser.step()
    return loss


# WRONG: gradients are never cleared; from the second step on the old ones are added
# SHOWS: two steps in a row, or gradients left over from before
def never_cleared(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    loss.backward()
    optimiser.step()
    return loss


# WRONG: clears only after the step: what was left in the gradients before the first call is added
# SHOWS: a model with gradients from an earlier backward
def cleared_only_afterwards(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    return loss


# WRONG: step without its brackets: it is named, not called
# SHOWS: no parameter moves
def step_not_called(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step
    return loss


# WRONG: backward is forgotten, there are no gradients
# SHOWS: no parameter moves
def no_backward(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    optimiser.step()
    return loss


# WRONG: the loss is detached and told to need a gradient; backward runs and reaches nothing
# SHOWS: no parameter moves
def detached_loss(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten()).detach().requires_grad_()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: logits (batch, n, 10) are not flattened: cross_entropy takes n for the classes and raises an error
# SHOWS: x, y (64, 8)
def not_flattened(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits, y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: classes are brought to axis 1 by reshape, not transpose: scores of different places are mixed
# SHOWS: the loss differs; it runs
def reshaped_not_transposed(model, optimiser, x, y):
    logits, _ = model(x)
    batch, n, classes = logits.shape
    loss = cross_entropy(logits.reshape(batch, classes, n), y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: answers are flattened in another order than logits: columns first
# SHOWS: batch and n above 1: the loss belongs to other words
def answers_in_another_order(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.T.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: a softmax before cross_entropy, which makes one of its own
# SHOWS: the loss; it cannot fall below 1.46
def softmax_twice(model, optimiser, x, y):
    logits, _ = model(x)
    probabilities = logits.softmax(dim=-1)
    loss = cross_entropy(probabilities.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: nll_loss wants logarithms of probabilities and gets raw logits
# SHOWS: the loss falls below 0 without end
def nll_of_raw_logits(model, optimiser, x, y):
    logits, _ = model(x)
    loss = F.nll_loss(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: the losses of all places are summed, so that the step grows with the batch
# SHOWS: the loss is batch · n times as large; with SGD the step, too
def summed_loss(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum")
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: only the last place of each sequence is learned
# SHOWS: answers at other places have no influence on loss and step
def last_place_only(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits[:, -1], y[:, -1])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: shifted by one as for a language model: the answer here stands at the same place
# SHOWS: the loss; y at place 0 has no influence
def shifted_by_one(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits[:, :-1].flatten(0, 1), y[:, 1:].flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: the input is taken for the answer: the model learns to copy
# SHOWS: y has no influence
def input_as_answer(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), x.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: the share of wrong answers as the loss: argmax has no gradient
# SHOWS: no parameter moves
def share_of_wrong_answers(model, optimiser, x, y):
    logits, _ = model(x)
    loss = (logits.argmax(dim=-1) != y).float().mean().requires_grad_()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: squared error to one-hot answers, not cross-entropy
# SHOWS: the loss
def squared_error(model, optimiser, x, y):
    logits, _ = model(x)
    loss = F.mse_loss(logits, F.one_hot(y, logits.shape[-1]).to(logits.dtype))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: two steps with the same gradients
# SHOWS: parameters move twice as far (SGD)
def stepped_twice(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    optimiser.step()
    return loss


# WRONG: backward twice: gradients are doubled
# SHOWS: parameters move twice as far (SGD)
def backward_twice(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward(retain_graph=True)
    loss.backward()
    optimiser.step()
    return loss


# WRONG: makes an optimiser of its own, new in each step; the given one is not used
# SHOWS: with SGD given, or momentum: parameters move otherwise
def optimiser_of_its_own(model, optimiser, x, y):
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: steps with the gradients of the batch before: step stands first, before the model is asked
# SHOWS: the first call moves nothing, the second one by the first batch
def one_batch_late(model, optimiser, x, y):
    optimiser.step()
    optimiser.zero_grad()
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    loss.backward()
    return loss


# WRONG: the returned loss is measured again after the step, it is not the one that was learned from
# SHOWS: compare with the loss before the step
def loss_after_the_step(model, optimiser, x, y):
    def measure():
        return cross_entropy(model(x)[0].flatten(0, 1), y.flatten())

    loss = measure()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return measure()


# WRONG: ten steps on the batch, not one
# SHOWS: parameters move ten times
def ten_steps(model, optimiser, x, y):
    for _ in range(10):
        logits, _ = model(x)
        loss = cross_entropy(logits.flatten(0, 1), y.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return loss


# WRONG: a step for each sequence of the batch
# SHOWS: batch of 2: the optimiser steps twice
def step_for_each_sequence(model, optimiser, x, y):
    total = 0
    for one_x, one_y in zip(x, y):
        logits, _ = model(one_x[None])
        loss = cross_entropy(logits[0], one_y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.detach()
    return total / len(x)


# WRONG: sizes of the lesson's batch are written in: 64 sequences of 8
# SHOWS: x, y (4, 5): an error
def sizes_written_in(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.view(64 * 8, 10), y.reshape(64 * 8))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: the loss is not returned
# SHOWS: returns None
def nothing_returned(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


# WRONG: the logits are returned, too: a pair in place of the loss
# SHOWS: the type of what is returned
def pair_returned(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return logits, loss


# WRONG: the model's answer is not unpacked: (logits, weights) is used as if it were the logits
# SHOWS: an error (a tuple has no flatten)
def not_unpacked(model, optimiser, x, y):
    logits = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: ignore_index=0, a habit from padded texts: here 0 is a digit like others, and is never learned
# SHOWS: y with zeros in it: the loss
def zero_taken_for_padding(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=0)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: gradients are clipped, nobody asked for that
# SHOWS: gradients with a norm above 0.1, SGD
def gradients_clipped(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    optimiser.step()
    return loss


class _Counter:
    calls = 0


# WRONG: gradients are collected over four batches, and only then there is a step
# SHOWS: a single call moves nothing
def step_every_fourth_time(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    (loss / 4).backward()
    _Counter.calls += 1
    if _Counter.calls % 4 == 0:
        optimiser.step()
        optimiser.zero_grad()
    return loss


# WRONG: the model is asked under no_grad: backward raises an error
# SHOWS: any input
def asked_without_gradients(model, optimiser, x, y):
    with torch.no_grad():
        logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: a new tensor from the number of the loss: no way back to the parameters
# SHOWS: no parameter moves
def loss_made_anew(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    loss = torch.tensor(loss.item(), requires_grad=True)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# WRONG: goes uphill: the loss is negated before backward
# SHOWS: the loss of the batch grows; the returned one is right
def uphill(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    (-loss).backward()
    optimiser.step()
    return loss


# WRONG: the scores of each place are averaged over the places first: one loss for a sequence
# SHOWS: the loss; order does not matter any more
def averaged_over_places(model, optimiser, x, y):
    logits, _ = model(x)
    mean = logits.mean(dim=1, keepdim=True).expand_as(logits)
    loss = cross_entropy(mean.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# RIGHT: the five lines, with the loss as a number
def five_lines_loss_as_number(model, optimiser, x, y):
    logits, _ = model(x, need_weights=False)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


# RIGHT: classes brought to axis 1 by transpose, no flattening; clears first of all
def transposed(model, optimiser, x, y):
    optimiser.zero_grad()
    logits, _weights = model(x)
    loss = nn.CrossEntropyLoss()(logits.transpose(1, 2), y)
    loss.backward()
    optimiser.step()
    return loss


# RIGHT: the loss by hand: log_softmax and gather
def by_hand(model, optimiser, x, y):
    logits = model(x)[0]
    log_p = torch.log_softmax(logits, dim=-1)
    loss = -log_p.gather(-1, y.unsqueeze(-1)).mean()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return loss.detach()


# RIGHT: works in bfloat16, too: the loss is measured in float32
def loss_in_float32(model, optimiser, x, y):
    logits, _ = model(x)
    scores = logits.float().reshape(-1, logits.shape[-1])
    loss = (scores.logsumexp(dim=-1) - scores[torch.arange(len(scores)), y.reshape(-1)]).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# RIGHT: torch.autograd.grad, gradients set by hand: nothing to clear
def gradients_set_by_hand(model, optimiser, x, y):
    logits, _ = model(x)
    loss = cross_entropy(logits.flatten(0, 1), y.flatten())
    parameters = [p for p in model.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    for p, gradient in zip(parameters, gradients):
        p.grad = gradient
    optimiser.step()
    return loss


# RIGHT: a closure, which the optimiser calls itself
def closure(model, optimiser, x, y):
    def measure():
        optimiser.zero_grad()
        loss = cross_entropy(model(x)[0].flatten(0, 1), y.flatten())
        loss.backward()
        return loss

    return optimiser.step(measure)


# RIGHT: the gradients are taken away from the parameters one by one; model.train() first
def grad_none(model, optimiser, x, y):
    model.train()
    for parameter in model.parameters():
        parameter.grad = None
    out = model(x)
    loss = F.nll_loss(F.log_softmax(out[0], -1).reshape(y.numel(), -1), y.reshape(-1))
    loss.backward()
    optimiser.step()
    return loss


# RIGHT: gradients set to zero, not to None, and helper functions
def helpers_and_zeros(model, optimiser, x, y):
    def measure(logits):
        return F.cross_entropy(torch.movedim(logits, -1, 1), y, reduction="sum") / y.numel()

    def downhill(loss):
        model.zero_grad(set_to_none=False)
        loss.backward()
        optimiser.step()

    logits, _ = model(x)
    loss = measure(logits)
    downhill(loss)
    return loss


# RIGHT: one-hot answers as probabilities, einsum
def one_hot_and_einsum(model, optimiser, x, y):
    logits, _ = model(x)
    wanted = F.one_hot(y, logits.size(-1)).to(logits.dtype)
    loss = -torch.einsum("bnc,bnc->bn", wanted, logits.log_softmax(-1)).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# RIGHT: one place after the other, losses averaged
def place_by_place(model, optimiser, x, y):
    logits, _ = model(x)
    losses = [cross_entropy(logits[:, p], y[:, p]) for p in range(x.shape[1])]
    loss = sum(losses) / len(losses)
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    optimiser.step()
    return loss


# RIGHT: gradients of the single sequences collected by backward, one step at the end
def collected_sequence_by_sequence(model, optimiser, x, y):
    optimiser.zero_grad()
    total = 0.0
    for one_x, one_y in zip(x.split(1), y.split(1)):
        logits, _ = model(one_x)
        part = cross_entropy(logits[0], one_y[0]) / len(x)
        part.backward()
        total += part.item()
    optimiser.step()
    return total
