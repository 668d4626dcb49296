"""What a probe asks of a policy that sees objects: what was seen, in words."""

from collections.abc import Callable

import torch
from torch import Tensor

from attention_core._asking import CannotAsk, Fails
from attention_core._calling import Failed, Part, call, formed
from attention_core._checks import check_whole, shape
from attention_core._model_probes import near
from attention_core._saying import in_words, number


def ignores_order(policy: Callable, observation: Tensor, own: int) -> str:
    """The same objects in other orders. Raises: Fails, CannotAsk; ValueError for no observation."""
    if not isinstance(observation, Tensor) or observation.ndim != 3:
        got = shape(observation) if isinstance(observation, Tensor) else type(observation).__name__
        raise ValueError(f"observation must have shape (batch, rows, features), got {got}")
    own = check_whole("own", own, 0, observation.shape[1])
    objects = torch.arange(own, observation.shape[-2])
    n = len(objects)
    if n < 2:
        raise CannotAsk(f"{n} object{'s' * (n != 1)} cannot be shuffled: give an observation of more")
    if torch.equal(observation[:, own:], observation[:, own : own + 1].expand_as(observation[:, own:])):
        raise CannotAsk("the objects of a room are all the same: give some that differ")
    first, before = _logits(policy, observation), _logits(policy, observation)
    same, worst = near(policy, before, *observation.shape[-2:]), None
    if not (first - before).abs().nan_to_num(0).max() <= same:
        off = number((first - before).abs().nan_to_num(0).max())
        raise Fails(f"the same room gives logits {off} apart: is dropout, or another dice, on?")
    orders = [objects.flip(0), objects.roll(1), objects[[1, 0, *range(2, n)]]]
    orders = list(dict.fromkeys(tuple(order.tolist()) for order in orders))
    for order in orders:
        after = _logits(policy, observation[:, [*range(own), *order]])
        off = (after - before).abs().nan_to_num(torch.inf).amax(-1)  # (batch,)
        if not off.max() <= same and (worst is None or off.max() > worst[0]):
            worst = off.max(), int(off.argmax()), [i - own for i in order], after
    if worst is None:
        return f"{n} objects in {len(orders)} other order{'s' * (len(orders) > 1)}: the same logits"
    off, room, order, after = worst
    if not off.isfinite():
        raise Fails(f"a logit of room {room} is NaN or ∞ when its objects come as {order}")
    was, now = (int(x[room].argmax()) for x in (before, after))
    turns = f", and the choice turns from {was} to {now}" if was != now else ""
    raise Fails(f"a logit of room {room} changed by {number(off)} when its objects came as {order}{turns}")


def _logits(policy: Callable, observation: Tensor) -> Tensor:
    """Those of each room, whatever comes with them. Raises: Fails."""
    try:
        with torch.no_grad():
            answer = call(policy, observation).answer
        if isinstance(answer, tuple | list) and answer:
            answer = answer[0]
        (logits,) = formed(answer, Part("logits", (len(observation), "actions")))
    except Failed as failure:
        raise Fails(in_words(failure)) from failure
    return logits.detach() if logits.is_floating_point() else logits.detach().float()
