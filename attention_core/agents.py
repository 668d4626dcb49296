"""What an agent that learns from rewards needs besides its network: four small functions of plain tensors."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attention_core._checks import check_whole, shape


def returns(rewards: Tensor, done: Tensor, discount: float) -> Tensor:
    """What is still to come of its episode's reward at each step, the later the less: `(batch, steps)`.

    G[t] = r[t] + γ · G[t + 1], and r[t] alone where done[t].

    Args: rewards: `(batch, steps)`. done: as large, boolean; True at the last step of an episode. discount:
    γ, from 0 to 1.

    Raises: ValueError for other shapes, or a discount that is none.

    Source: Sutton and Barto 2018, "Reinforcement Learning", section 3.3.
    """
    if rewards.ndim != 2 or done.shape != rewards.shape or done.dtype != torch.bool:
        raise ValueError(
            "rewards and done must be (batch, steps), done boolean; "
            f"got {shape(rewards)} and {shape(done)} of {done.dtype}"
        )
    if not 0 <= discount <= 1:
        raise ValueError(f"discount must be from 0 to 1, got {discount}")
    made, total = torch.empty_like(rewards), torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        total = rewards[:, t] + discount * total * ~done[:, t]
        made[:, t] = total
    return made


def policy_loss(logits: Tensor, actions: Tensor, returns: Tensor, values: Tensor, alive: Tensor) -> Tensor:
    """One number, to be made smaller: actions that went better than expected become likelier.

    The mean over living steps of −log π(a) · (returns − values), where the values learn nothing from it.

    Args: logits: `(batch, steps, actions)`. actions: those that were taken, `(batch, steps)`; as large:
    returns, what came of them; values, what was expected; alive, boolean: False after an episode's end.

    Raises: ValueError for other shapes, or when no step is alive.

    Source: Williams 1992, "Simple Statistical Gradient-Following Algorithms", section 4.
    """
    others = {"actions": actions, "returns": returns, "values": values, "alive": alive}
    for name, x in others.items():
        if x.shape != logits.shape[:-1]:
            raise ValueError(f"logits are {shape(logits)}, but {name} {shape(x)}")
    if alive.dtype != torch.bool or not alive.any():
        raise ValueError(f"alive must be boolean, and somewhere True; got {alive.dtype}")
    taken = logits.log_softmax(dim=-1).gather(-1, actions[..., None])[..., 0]
    return -(taken * (returns - values).detach())[alive].mean()


def choose(
    agent: Tensor, objects: Tensor, attention: nn.Module, to_logits: Callable
) -> tuple[Tensor, Tensor]:
    """The agent asks with one query, the objects answer, and what was seen is added to the agent.

    Args: agent: `(batch, dim)`. objects: `(batch, n, dim)`, any n, in any order. attention: a layer such as
    `SelfAttention(dim)`. to_logits: takes `(batch, dim)`.

    Returns: what `to_logits` makes, and the agent's weights on the objects, `(batch, n)`.

    Raises: ValueError for shapes that do not fit together.
    """
    if objects.ndim != 3 or agent.shape != (objects.shape[0], objects.shape[2]):
        raise ValueError(
            f"agent must be (batch, dim) and objects (batch, n, dim), got {shape(agent)} and {shape(objects)}"
        )
    output, weights = attention(agent[:, None], objects, objects)  # (batch, 1, dim), (batch, 1, n)
    return to_logits(agent + output[:, 0]), weights[:, 0]


def cover(policy: Callable, observations: Tensor, step: int) -> Tensor:
    """How much less likely each episode's choice is when one step cannot be seen, `(batch,)`; below 0: more.

    Args: policy: observations → logits `(batch, actions)`. observations: `(batch, steps, features)`, which
    stay as they are. step: the one whose features are 0 in a copy.

    Raises: ValueError for other shapes, or a step that is not there.
    """
    if observations.ndim != 3:
        raise ValueError(f"observations must be (batch, steps, features), got {shape(observations)}")
    step = check_whole("step", step, 0, observations.shape[1] - 1)
    covered = observations.clone()
    covered[:, step] = 0
    before, after = policy(observations).softmax(dim=-1), policy(covered).softmax(dim=-1)
    chosen = before.argmax(dim=-1, keepdim=True)
    return (before - after).gather(-1, chosen)[:, 0]
