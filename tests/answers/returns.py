"""Answers to `returns(rewards, done, discount)`: what is still to come, `(batch, steps)`."""

import numpy as np
import torch

from answers import known, right, unlisted

REWARDS = torch.tensor([[1.0, 2, 5, 3, 4], [2, 0, 1, 1, 3]])
DONE = torch.tensor([[0, 1, 0, 0, 1], [0, 0, 0, 0, 0]]).bool()


@right
def from_the_last_step(rewards, done, discount):
    made, total = torch.empty_like(rewards), torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        total = rewards[:, t] + discount * total * ~done[:, t]
        made[:, t] = total
    return made


@right
def nothing_behind_an_end(rewards, done, discount):
    total, columns = 0 * rewards[:, 0], []
    for t in range(rewards.shape[1] - 1, -1, -1):
        total = torch.where(done[:, t], 0, total)
        total = rewards[:, t] + discount * total
        columns.append(total)
    return torch.stack(columns[::-1], dim=1)


@right
def with_plain_numbers(rewards, done, discount):
    rows = []
    for reward, ends in zip(rewards.tolist(), done.tolist(), strict=True):
        row = []
        for r, end in zip(reversed(reward), reversed(ends), strict=True):
            row.insert(0, r if end or not row else r + discount * row[0])
        rows.append(row)
    return torch.tensor(rows)


@right
def as_a_matrix(rewards, done, discount):
    n = rewards.shape[1]
    episode = done.cumsum(1) - done.long()
    ahead = torch.arange(n) - torch.arange(n)[:, None]
    counts = (ahead >= 0) & (episode[:, :, None] == episode[:, None])
    return torch.einsum("btk,bk->bt", counts * discount ** ahead.clamp(min=0), rewards)


@right
def by_turned_sums(rewards, done, discount):
    powers = discount ** torch.arange(rewards.shape[1])
    to_come = (rewards * powers).flip(1).cumsum(1).flip(1)
    ends = (done * (to_come - rewards * powers)).flip(1)
    for t in range(1, ends.shape[1]):
        ends[:, t] = torch.where(done.flip(1)[:, t], ends[:, t], ends[:, t - 1])
    return (to_come - ends.flip(1)) / powers


@right
def in_numpy(rewards, done, discount):
    made = rewards.numpy().copy()
    for t in range(made.shape[1] - 2, -1, -1):
        made[:, t] += np.where(done[:, t].numpy(), 0, discount * made[:, t + 1])
    return torch.from_numpy(made)


@right
def until_nothing_changes(rewards, done, discount):
    made = rewards
    for _ in range(rewards.shape[1]):
        later = torch.nn.functional.pad(made[:, 1:], (0, 1))
        made = rewards + discount * later.masked_fill(done, 0)
    return made


@known("not-cut")
def ends_ignored(rewards, done, discount):
    made, total = torch.zeros_like(rewards), 0
    for t in reversed(range(rewards.shape[1])):
        total = rewards[:, t] + discount * total
        made[:, t] = total
    return made


@known("not-cut")
def summed_and_turned(rewards, done, discount):
    powers = discount ** torch.arange(rewards.shape[1])
    return (rewards * powers).flip(1).cumsum(1).flip(1) / powers


@known("done-inverted")
def goes_on_where_it_ends(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        total = rewards[:, t] + discount * total * done[:, t]
        made[:, t] = total
    return made


@known("cut-a-step-early")
def emptied_after_the_end(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        total = rewards[:, t] + discount * total
        made[:, t] = total
        total = total.masked_fill(done[:, t], 0)
    return made


@known("cut-a-step-late")
def the_end_before(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        total = rewards[:, t] + discount * total * ~done[:, t - 1]
        made[:, t] = total
    return made


@known("last-reward-lost")
def all_of_it_cut(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        total = (rewards[:, t] + discount * total) * ~done[:, t]
        made[:, t] = total
    return made


@known("forwards")
def running_sum(rewards, done, discount):
    return rewards.cumsum(dim=1)


@known("forwards")
def from_the_first_step(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in range(rewards.shape[1]):
        total = rewards[:, t] + discount * total * ~done[:, t]
        made[:, t] = total
    return made


@known("own-reward-missing")
def kept_before_it_is_added(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        made[:, t] = total * ~done[:, t]
        total = rewards[:, t] + discount * total * ~done[:, t]
    return made


@known("reward-a-step-late")
def of_the_step_before(rewards, done, discount):
    return from_the_last_step(torch.nn.functional.pad(rewards, (1, -1)), done, discount)


@known("no-discount")
def all_alike(rewards, done, discount):
    return from_the_last_step(rewards, done, 1)


@known("discounted-from-the-start")
def by_its_time(rewards, done, discount):
    return from_the_last_step(rewards * discount ** torch.arange(rewards.shape[1]), done, 1)


@known("not-cut + discounted-from-the-start")
def by_its_time_without_an_end(rewards, done, discount):
    return (rewards * discount ** torch.arange(rewards.shape[1])).flip(1).cumsum(1).flip(1)


@known("discounted-from-the-end")
def the_last_counts_in_full(rewards, done, discount):
    powers = discount ** torch.arange(rewards.shape[1] - 1, -1, -1)
    return from_the_last_step(rewards * powers, done, 1)


@known("own-reward-discounted")
def also_at_once(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        total = discount * (rewards[:, t] + total * ~done[:, t])
        made[:, t] = total
    return made


@known("discounted-once")
def once_for_all(rewards, done, discount):
    to_come = from_the_last_step(rewards, done, 1)
    return rewards + discount * (to_come - rewards)


@known("discount-for-one-minus")
def the_rest_of_one(rewards, done, discount):
    return from_the_last_step(rewards, done, 1 - discount)


@known("order-not-turned-back")
def as_they_were_gathered(rewards, done, discount):
    total, columns = torch.zeros(len(rewards)), []
    for t in reversed(range(rewards.shape[1])):
        total = rewards[:, t] + discount * total * ~done[:, t]
        columns.append(total)
    return torch.stack(columns, dim=1)


@known("steps-first")
def stacked_in_front(rewards, done, discount):
    total, columns = torch.zeros(len(rewards)), []
    for t in reversed(range(rewards.shape[1])):
        total = rewards[:, t] + discount * total * ~done[:, t]
        columns.insert(0, total)
    return torch.stack(columns)


@known("a-step-left-out")
def step_0_left_out(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in range(rewards.shape[1] - 1, 0, -1):
        total = rewards[:, t] + discount * total * ~done[:, t]
        made[:, t] = total
    return made


@known("a-step-left-out")
def the_last_left_out(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in range(rewards.shape[1] - 2, -1, -1):
        total = rewards[:, t] + discount * total * ~done[:, t]
        made[:, t] = total
    return made


@known("cut-for-all")
def any_end_cuts(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        if done[:, t].any():
            total = torch.zeros(len(rewards))
        total = rewards[:, t] + discount * total
        made[:, t] = total
    return made


@known("whole-episode")
def the_sum_of_a_row(rewards, done, discount):
    return rewards.sum(dim=1, keepdim=True).expand_as(rewards)


@known("whole-episode")
def all_of_its_episode(rewards, done, discount):
    episode = done.cumsum(1) - done.long()
    return ((episode[:, :, None] == episode[:, None]) * rewards[:, None]).sum(-1)


@known("one-number-for-all")
def one_tensor_in_a_list(rewards, done, discount):
    total, columns = torch.zeros(len(rewards)), []
    for t in reversed(range(rewards.shape[1])):
        total *= discount * ~done[:, t]
        total += rewards[:, t]
        columns.append(total)
    return torch.stack(columns[::-1], dim=1)


@known("first-step-written-over")
def set_to_0_in_a_list(rewards, done, discount):
    total, columns = torch.zeros(len(rewards)), []
    for t in range(rewards.shape[1] - 1, -1, -1):
        total[done[:, t]] = 0
        total = rewards[:, t] + discount * total
        columns.insert(0, total)
    return torch.stack(columns, dim=1)


@known("one-step-ahead")
def the_next_one_only(rewards, done, discount):
    following = torch.nn.functional.pad(rewards[:, 1:], (0, 1))
    return rewards + discount * following * ~done


@known("rewards-as-they-are")
def as_they_came(rewards, done, discount):
    return rewards


@known("stops-at-the-first-end")
def one_episode_a_row(rewards, done, discount):
    alive = (done.cumsum(1) - done.long()) == 0
    return from_the_last_step(rewards, done, discount) * alive


@known("zero-at-the-end")
def nothing_at_the_end(rewards, done, discount):
    return from_the_last_step(rewards, done, discount).masked_fill(done, 0)


@known("normalised")
def mean_0(rewards, done, discount):
    made = from_the_last_step(rewards, done, discount)
    return made - made.mean()


@known("normalised")
def mean_0_and_spread_1(rewards, done, discount):
    made = from_the_last_step(rewards, done, discount)
    return (made - made.mean()) / (made.std() + 1e-8)


@known("averaged")
def a_mean_of_what_comes(rewards, done, discount):
    return from_the_last_step(rewards, done, discount) / torch.arange(rewards.shape[1], 0, -1)


@known("only-the-first")
def of_the_first_step(rewards, done, discount):
    return from_the_last_step(rewards, done, discount)[:, 0]


@known("one-row")
def of_the_first_row(rewards, done, discount):
    total, row = 0, []
    for r, end in zip(rewards[0].flip(0), done[0].flip(0), strict=True):
        total = r + discount * total * ~end
        row.insert(0, total)
    return torch.stack(row)


@known("over-the-batch")
def along_axis_0(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(rewards.shape[1])
    for i in reversed(range(len(rewards))):
        total = rewards[i] + discount * total * ~done[i]
        made[i] = total
    return made


@known("over-the-batch")
def running_sum_of_the_batch(rewards, done, discount):
    return rewards.cumsum(0)


@known("not-cut + no-discount")
def plainly_summed(rewards, done, discount):
    return rewards.flip(1).cumsum(1).flip(1)


@known("minus-of-a-mask")
def one_minus_done(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        total = rewards[:, t] + discount * total * (1 - done[:, t])
        made[:, t] = total
    return made


@known("truth-of-a-row")
def asked_with_if(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        if done[:, t]:
            total = 0
        total = rewards[:, t] + discount * total
        made[:, t] = total
    return made


@known("over-the-batch")
def a_row_for_a_step(rewards, done, discount):
    made, total = torch.zeros_like(rewards), 0
    for t in reversed(range(rewards.shape[1])):
        total = rewards[t] + discount * total
        made[t] = total
    return made


@known("wrong-signature")
def without_done(rewards, discount):
    return rewards


@known("no-return")
def nothing_comes_back(rewards, done, discount):
    rewards.flip(1).cumsum(1).flip(1)


@known("not-a-tensor")
def columns_in_a_list(rewards, done, discount):
    return list(from_the_last_step(rewards, done, discount).T)


def _last_is_off(f):
    return not torch.allclose(f(REWARDS, DONE, 0.5)[:, -1], REWARDS[:, -1])


def _step_is_off(f):
    made = f(REWARDS, DONE, 0.5)
    return not torch.allclose(made[1, :-1], REWARDS[1, :-1] + 0.5 * made[1, 1:])


@unlisted("one step back", _step_is_off)
def discounted_twice(rewards, done, discount):
    return from_the_last_step(rewards, done, discount**2)


@unlisted("one step back", _step_is_off)
def by_a_hyperbola(rewards, done, discount):
    n = rewards.shape[1]
    ahead = (torch.arange(n) - torch.arange(n)[:, None]).clamp(min=0)
    return (rewards[:, None] / (1 + ahead)).triu().sum(-1)


@unlisted("the last step", _last_is_off)
def one_more_at_the_end(rewards, done, discount):
    rewards = rewards.clone()
    rewards[:, -1] += 1
    return from_the_last_step(rewards, done, discount)


@unlisted("the last step", _last_is_off)
def something_expected_where_nothing_ends(rewards, done, discount):
    rewards = rewards.clone()
    rewards[:, -1] += discount * ~done[:, -1]
    return from_the_last_step(rewards, done, discount)


@unlisted("one step back", _step_is_off)
def the_best_that_comes(rewards, done, discount):
    return rewards.flip(1).cummax(1).values.flip(1)


@unlisted("one step back", _step_is_off)
def three_steps_only(rewards, done, discount):
    made = rewards.clone()
    for _ in range(2):
        later = torch.nn.functional.pad(made[:, 1:], (0, 1))
        made = rewards + discount * later * ~done
    return made


@unlisted("the last step", _last_is_off)
def squares(rewards, done, discount):
    return from_the_last_step(rewards**2, done, discount)
