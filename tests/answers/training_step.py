"""Answers to `training_step(model, optimiser, x, y)`: one step of training; the loss."""

import torch
from torch.nn import functional as F

from answers import known, right, unlisted
from attention_core.transformer import TinyTransformer


def _loss(model, x, y, **options):
    return F.cross_entropy(model(x)[0].flatten(0, 1), y.flatten(), **options)


@right
def the_usual_five_lines(model, optimiser, x, y):
    loss = _loss(model, x, y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@right
def cleared_first_and_a_number_back(model, optimiser, x, y):
    optimiser.zero_grad(set_to_none=False)
    logits, _ = model(x, need_weights=False)
    loss = F.cross_entropy(logits.transpose(1, 2), y)
    loss.backward()
    optimiser.step()
    return loss.item()


@right
def by_log_softmax(model, optimiser, x, y):
    log = model(x)[0].log_softmax(-1)
    asked = y >= 0
    loss = -log[asked].gather(-1, y[asked][:, None]).mean()
    model.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.detach()


@known("no-zero-grad")
def gradients_add_up(model, optimiser, x, y):
    loss = _loss(model, x, y)
    loss.backward()
    optimiser.step()
    return loss


@known("nothing-moves")
def no_backward(model, optimiser, x, y):
    loss = _loss(model, x, y)
    optimiser.zero_grad()
    optimiser.step()
    return loss


@known("nothing-moves")
def cleared_after_backward(model, optimiser, x, y):
    loss = _loss(model, x, y)
    loss.backward()
    optimiser.zero_grad()
    optimiser.step()
    return loss


@known("loss-of-weights")
def softmax_before_cross_entropy(model, optimiser, x, y):
    loss = F.cross_entropy(model(x)[0].softmax(-1).flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@known("loss-of-everything")
def undetermined_answers_count(model, optimiser, x, y):
    return the_usual_five_lines(model, optimiser, x, y.clamp(min=0))


@known("loss-summed")
def the_sum_of_all_losses(model, optimiser, x, y):
    loss = _loss(model, x, y, reduction="sum")
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@known("answers-out-of-order")
def words_before_batch(model, optimiser, x, y):
    loss = F.cross_entropy(model(x)[0].transpose(0, 1).flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


def _one_step(answer):
    """The loss before a step with the answer, and the loss as it tells it."""
    torch.manual_seed(0)
    model = TinyTransformer(5, dim=8, num_heads=1, causal=True)
    x = torch.tensor([[1, 2, 3, 4]])
    before = _loss(model, x, x).item()
    told = answer(model, torch.optim.SGD(model.parameters(), lr=0.1), x, x)
    return before, float(torch.as_tensor(told).detach())


def _tells_too_little(answer):
    before, told = _one_step(answer)
    return told < 0.6 * before


@unlisted("not right yet: losses differ", _tells_too_little)
def half_the_loss(model, optimiser, x, y):
    loss = _loss(model, x, y) / 2
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@known("nothing-moves")
def step_before_backward(model, optimiser, x, y):
    loss = _loss(model, x, y)
    optimiser.step()
    loss.backward()
    return loss


@known("no-return")
def no_loss_returned(model, optimiser, x, y):
    the_usual_five_lines(model, optimiser, x, y)


def _usual(loss_of, back=lambda loss: loss.backward()):
    """The usual five lines with another loss, or another way back."""

    def answer(model, optimiser, x, y):
        loss = loss_of(model(x)[0], x, y)
        optimiser.zero_grad()
        back(loss)
        optimiser.step()
        return loss

    return answer


def _flat(logits, x, y):
    return F.cross_entropy(logits.flatten(0, 1), y.flatten())


# --- what is right where every answer is determined, as in the lesson's loop


@right
def gathered_by_hand(model, optimiser, x, y):
    loss = -model(x)[0].log_softmax(-1).gather(-1, y[..., None]).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@right
def a_sum_over_their_number(model, optimiser, x, y):
    def loss(logits, x, y):
        return F.cross_entropy(logits.mT, y, reduction="sum") / y.numel()

    return _usual(loss)(model, optimiser, x, y)


@right
def each_place_alone(model, optimiser, x, y):
    logits, _ = model(x)
    loss = sum(F.cross_entropy(logits[:, i], y[:, i]) for i in range(y.shape[1])) / y.shape[1]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@right
def each_sequence_alone(model, optimiser, x, y):
    optimiser.zero_grad()
    total = 0.0
    for one, its in zip(x.split(1), y.split(1), strict=True):
        loss = _loss(model, one, its) / len(x)
        loss.backward()
        total += loss.item()
    optimiser.step()
    return total


@right
def a_closure(model, optimiser, x, y):
    def closure():
        optimiser.zero_grad()
        loss = _loss(model, x, y)
        torch.autograd.backward(loss)
        return loss

    return optimiser.step(closure)


@right
def gradients_put_in_by_hand(model, optimiser, x, y):
    loss = _loss(model, x, y)
    every = list(model.parameters())
    for parameter, slope in zip(every, torch.autograd.grad(loss, every, allow_unused=True), strict=True):
        parameter.grad = slope
    optimiser.step()
    return loss


# --- half precision: the logits are rounded, and so is all that follows from them


@right
def in_bfloat16(model, optimiser, x, y):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = _loss(model, x, y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@right
def logits_in_bfloat16_and_the_loss_in_float32(model, optimiser, x, y):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, _ = model(x, need_weights=False)
    loss = F.cross_entropy(logits.float().flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


@known("nothing-moves")
def in_bfloat16_without_a_step(model, optimiser, x, y):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = _loss(model, x, y)
    optimiser.zero_grad()
    loss.backward()
    return loss


@unlisted("not right yet: losses differ", lambda f: _one_step(f)[1] != _one_step(the_usual_five_lines)[1])
def in_bfloat16_with_half_of_the_words(model, optimiser, x, y):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = _loss(model, x[:, -2:], y[:, -2:])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


# --- the order of the calls


@known("cleared-afterwards")
def cleared_only_after_the_step(model, optimiser, x, y):
    loss = _loss(model, x, y)
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    return loss


@known("nothing-moves")
def step_without_brackets(model, optimiser, x, y):
    loss = _loss(model, x, y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step  # noqa: B018
    return loss


@known("nothing-moves")
def a_step_every_fourth_time(model, optimiser, x, y, calls=[]):  # noqa: B006
    calls.append(1)
    loss = _loss(model, x, y)
    loss.backward()
    if len(calls) % 4 == 0:
        optimiser.step()
        optimiser.zero_grad()
    return loss


@known("nothing-moves")
def cut_off(model, optimiser, x, y):
    return _usual(lambda *given: _flat(*given).detach().requires_grad_())(model, optimiser, x, y)


@known("cut-off")
def asked_under_no_grad(model, optimiser, x, y):
    with torch.no_grad():
        loss = _loss(model, x, y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@known("cut-off")
def back_from_a_number(model, optimiser, x, y):
    loss = _loss(model, x, y).item()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@known("stepped-twice")
def two_steps(model, optimiser, x, y):
    loss = the_usual_five_lines(model, optimiser, x, y)
    optimiser.step()
    return loss


@known("stepped-twice")
def a_step_for_each_sequence(model, optimiser, x, y):
    losses = [the_usual_five_lines(model, optimiser, x[i : i + 1], y[i : i + 1]) for i in range(len(x))]
    return torch.stack(losses).mean()


@known("optimiser-not-used")
def a_step_by_hand(model, optimiser, x, y):
    loss = _loss(model, x, y)
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= optimiser.param_groups[0]["lr"] * parameter.grad
    return loss


@known("backward-twice")
def back_twice(model, optimiser, x, y):
    def both(loss):
        loss.backward(retain_graph=True)
        loss.backward()

    return _usual(_flat, both)(model, optimiser, x, y)


@known("scaled-step")
def twice_the_loss(model, optimiser, x, y):
    return _usual(_flat, lambda loss: (2 * loss).backward())(model, optimiser, x, y)


@known("uphill")
def uphill(model, optimiser, x, y):
    loss = _loss(model, x, y)
    optimiser.zero_grad()
    (-loss).backward()
    optimiser.step()
    return loss


@known("loss-after-the-step")
def told_after_the_step(model, optimiser, x, y):
    the_usual_five_lines(model, optimiser, x, y)
    return _loss(model, x, y)


# --- the loss


@known("loss-of-logits")
def nll_of_logits(model, optimiser, x, y):
    return _usual(lambda logits, x, y: F.nll_loss(logits.mT, y))(model, optimiser, x, y)


@known("no-logarithm")
def nll_of_probabilities(model, optimiser, x, y):
    return _usual(lambda logits, x, y: F.nll_loss(logits.softmax(-1).mT, y))(model, optimiser, x, y)


@known("softmax-elsewhere")
def softmax_over_the_places(model, optimiser, x, y):
    return _usual(lambda logits, x, y: F.nll_loss(logits.log_softmax(1).mT, y))(model, optimiser, x, y)


@known("squared-error")
def squares(model, optimiser, x, y):
    def loss(logits, x, y):
        return F.mse_loss(logits, F.one_hot(y, logits.shape[-1]).float())

    return _usual(loss)(model, optimiser, x, y)


@known("share-of-answers")
def share_of_wrong_answers(model, optimiser, x, y):
    def loss(logits, x, y):
        return (logits.argmax(-1) != y).float().mean().requires_grad_()

    return _usual(loss)(model, optimiser, x, y)


@known("input-as-answer")
def learns_to_copy(model, optimiser, x, y):
    return _usual(lambda logits, x, y: _flat(logits, x, x))(model, optimiser, x, y)


@known("x-and-y-exchanged")
def the_wrong_way_round(model, optimiser, x, y):
    return the_usual_five_lines(model, optimiser, y, x)


@known("one-place-apart")
def as_for_the_next_token(model, optimiser, x, y):
    return _usual(lambda logits, x, y: _flat(logits[:, :-1], x, y[:, 1:]))(model, optimiser, x, y)


@known("one-place-only")
def the_last_place_only(model, optimiser, x, y):
    return _usual(lambda logits, x, y: F.cross_entropy(logits[:, -1], y[:, -1]))(model, optimiser, x, y)


@known("one-sequence-only")
def the_first_sequence_only(model, optimiser, x, y):
    return _usual(lambda logits, x, y: F.cross_entropy(logits[0], y[0]))(model, optimiser, x, y)


@known("zero-left-out")
def zero_as_padding(model, optimiser, x, y):
    def loss(logits, x, y):
        return F.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=0)

    return _usual(loss)(model, optimiser, x, y)


@known("loss-summed-in-part")
def summed_over_the_places(model, optimiser, x, y):
    def loss(logits, x, y):
        return F.cross_entropy(logits.mT, y, reduction="sum") / len(y)

    return _usual(loss)(model, optimiser, x, y)


@known("answers-out-of-order")
def answers_by_columns(model, optimiser, x, y):
    return _usual(lambda logits, x, y: _flat(logits, x, y.T))(model, optimiser, x, y)


@known("scores-mixed")
def reshaped_and_not_transposed(model, optimiser, x, y):
    def loss(logits, x, y):
        return F.cross_entropy(logits.reshape(len(x), -1, x.shape[1]), y)

    return _usual(loss)(model, optimiser, x, y)


@unlisted("not right yet: losses differ", lambda f: _one_step(f)[1] != _one_step(the_usual_five_lines)[1])
def smoothed_labels(model, optimiser, x, y):
    def loss(logits, x, y):
        return F.cross_entropy(logits.mT, y, label_smoothing=0.1)

    return _usual(loss)(model, optimiser, x, y)


# --- what stops, and what comes back


@known("not-flattened")
def not_flattened(model, optimiser, x, y):
    return _usual(lambda logits, x, y: F.cross_entropy(logits, y))(model, optimiser, x, y)


@known("not-unpacked")
def not_unpacked(model, optimiser, x, y):
    logits = model(x)
    loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@known("sizes-written-in")
def sizes_written_in(model, optimiser, x, y):
    def loss(logits, x, y):
        return F.cross_entropy(logits.view(64 * 8, 10), y.view(64 * 8))

    return _usual(loss)(model, optimiser, x, y)


@known("sizes-written-in")
def divided_by_the_lessons_sizes(model, optimiser, x, y):
    def loss(logits, x, y):
        return F.cross_entropy(logits.mT, y, reduction="sum") / 512

    return _usual(loss)(model, optimiser, x, y)


@known("not-the-loss-alone")
def the_logits_too(model, optimiser, x, y):
    return the_usual_five_lines(model, optimiser, x, y), model(x)[0]


@known("not-one-number")
def a_loss_for_each_answer(model, optimiser, x, y):
    def back(loss):
        loss.mean().backward()

    every = _usual(lambda logits, x, y: F.cross_entropy(logits.mT, y, reduction="none"), back)
    return every(model, optimiser, x, y)


@known("wrong-signature")
def without_the_answers(model, optimiser, x):
    return the_usual_five_lines(model, optimiser, x, x)
