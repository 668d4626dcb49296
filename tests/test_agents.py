"""Four functions of agents, by hand and against the checks that learners meet."""

import pytest
import torch

from attention_core import SelfAttention, agents
from attention_core.practice import check


def ending(*row):
    return torch.tensor([row], dtype=torch.bool)


@pytest.mark.parametrize("name", ["returns", "policy_loss", "choose", "cover"])
def test_ours_passes_the_learners_check(name):
    result = getattr(check, name)(getattr(agents, name))
    assert result.status == "passed", result


def test_returns_by_hand():
    rewards = torch.tensor([[1.0, 2.0, 4.0, 8.0]])
    made = agents.returns(rewards, ending(False, True, False, True), 0.5)
    assert made.tolist() == [[2.0, 2.0, 8.0, 8.0]]


def test_the_loss_of_a_coin_is_its_advantage_times_log_two():
    one = torch.ones(1, 1)
    loss = agents.policy_loss(torch.zeros(1, 1, 2), one.long(), 3 * one, one, one.bool())
    assert loss.item() == pytest.approx(2 * torch.tensor(2.0).log().item(), rel=1e-6)  # float32


REFUSED = {
    "done that is no boolean": (lambda: agents.returns(torch.ones(1, 2), torch.ones(1, 2), 0.9), "float32"),
    "done of another shape": (lambda: agents.returns(torch.ones(1, 2), ending(True), 0.9), r"\(1, 1\)"),
    "a discount above 1": (lambda: agents.returns(torch.ones(1, 1), ending(True), 1.1), "1.1"),
    "actions of another shape": (
        lambda: agents.policy_loss(torch.ones(1, 2, 3), *[torch.ones(1, 1)] * 4),
        r"actions \(1, 1\)",
    ),
    "nobody alive": (
        lambda: agents.policy_loss(torch.ones(1, 1, 3), *[torch.zeros(1, 1).long()] * 3, ending(False)),
        "somewhere True",
    ),
    "objects of another width": (
        lambda: agents.choose(torch.ones(1, 4), torch.ones(1, 3, 5), SelfAttention(4), lambda x: x),
        r"\(1, 3, 5\)",
    ),
    "one episode's steps alone": (lambda: agents.cover(lambda x: x, torch.ones(3, 4), 0), r"\(3, 4\)"),
    "a step beyond the end": (lambda: agents.cover(lambda x: x, torch.ones(1, 3, 4), 3), "step"),
    "a step before the first": (lambda: agents.cover(lambda x: x, torch.ones(1, 3, 4), -1), "-1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_refused_with_its_numbers(what):
    ask, said = REFUSED[what]
    with pytest.raises(ValueError, match=said):
        ask()
