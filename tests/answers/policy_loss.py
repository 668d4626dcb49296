"""Answers to `policy_loss(logits, actions, returns, values, alive)`: one number, to be made smaller."""

import torch
from torch.nn import functional as F

from answers import known, right, unlisted

G = torch.Generator().manual_seed(5)
LOGITS, ACTIONS = torch.randn(2, 3, 4, generator=G), torch.tensor([[0, 3, 1], [2, 2, 0]])
RETURNS, VALUES = torch.randn(2, 3, generator=G), torch.randn(2, 3, generator=G)
ALIVE = torch.tensor([[1, 1, 1], [1, 1, 0]]).bool()
GIVEN = LOGITS, ACTIONS, RETURNS, VALUES, ALIVE


def taken(logits, actions):
    return logits.log_softmax(-1).gather(-1, actions[..., None])[..., 0]


@right
def gathered(logits, actions, returns, values, alive):
    every = logits.log_softmax(dim=-1)
    chosen = every.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    advantage = (returns - values).detach()
    return -(chosen * advantage)[alive].mean()


@right
def by_a_distribution(logits, actions, returns, values, alive):
    log_p = torch.distributions.Categorical(logits=logits).log_prob(actions)
    with torch.no_grad():
        advantage = returns - values
    return -(log_p * advantage * alive).sum() / alive.sum()


@right
def by_cross_entropy(logits, actions, returns, values, alive):
    surprise = F.cross_entropy(logits[alive], actions[alive], reduction="none")
    return (surprise * (returns - values.detach())[alive]).mean()


@right
def one_hot_and_einsum(logits, actions, returns, values, alive):
    weights = (returns - values.detach()) * alive / alive.sum()
    picked = F.one_hot(actions, logits.shape[-1]).float()
    return -torch.einsum("bta,bta,bt->", picked, logits.softmax(-1).log(), weights)


@right
def step_by_step(logits, actions, returns, values, alive):
    loss, n = 0, 0
    for i in range(len(logits)):
        for t in range(logits.shape[1]):
            if alive[i, t]:
                log_p = logits[i, t, actions[i, t]] - logits[i, t].logsumexp(0)
                loss = loss - log_p * (returns[i, t] - values[i, t]).item()
                n += 1
    return loss / n


@right
def filled_with_nothing(logits, actions, returns, values, alive):
    losses = -(returns - values).data * taken(logits, actions)
    return losses.where(alive, torch.nan).nanmean()


@known("uphill")
def without_a_minus(logits, actions, returns, values, alive):
    advantage = (returns - values).detach()
    return (taken(logits, actions) * advantage)[alive].mean()


@known("uphill")
def values_minus_returns(logits, actions, returns, values, alive):
    advantage = (values - returns).detach()
    return -(taken(logits, actions) * advantage)[alive].mean()


@known("advantage-not-detached")
def values_learn_too(logits, actions, returns, values, alive):
    advantage = returns - values
    return -(taken(logits, actions) * advantage)[alive].mean()


@known("ended-steps-counted")
def alive_ignored(logits, actions, returns, values, alive):
    return -(taken(logits, actions) * (returns - values).detach()).mean()


@known("mean-over-all-steps")
def hidden_and_averaged(logits, actions, returns, values, alive):
    return -(taken(logits, actions) * (returns - values).detach() * alive).mean()


@known("alive-inverted")
def after_the_end(logits, actions, returns, values, alive):
    terms = taken(logits, actions) * (returns - values).detach()
    return -(terms * ~alive).sum() / (~alive).sum()


@known("no-logarithm")
def the_probability(logits, actions, returns, values, alive):
    share = logits.softmax(-1).gather(-1, actions[..., None])[..., 0]
    return -(share * (returns - values).detach())[alive].mean()


@known("logit-itself")
def no_softmax(logits, actions, returns, values, alive):
    chosen = logits.gather(-1, actions[..., None])[..., 0]
    return -(chosen * (returns - values).detach())[alive].mean()


@known("softmax-twice")
def cross_entropy_of_shares(logits, actions, returns, values, alive):
    surprise = F.cross_entropy(logits.softmax(-1)[alive], actions[alive], reduction="none")
    return (surprise * (returns - values).detach()[alive]).mean()


@known("softmax-elsewhere")
def over_the_steps(logits, actions, returns, values, alive):
    chosen = logits.log_softmax(1).gather(-1, actions[..., None])[..., 0]
    return -(chosen * (returns - values).detach())[alive].mean()


@known("other-logarithm")
def in_bits(logits, actions, returns, values, alive):
    chosen = logits.softmax(-1).log2().gather(-1, actions[..., None])[..., 0]
    return -(chosen * (returns - values).detach())[alive].mean()


@known("all-actions")
def every_action(logits, actions, returns, values, alive):
    every = logits.log_softmax(-1).mean(-1)
    return -(every * (returns - values).detach())[alive].mean()


@known("likeliest-action")
def the_largest(logits, actions, returns, values, alive):
    best = logits.log_softmax(-1).max(-1).values
    return -(best * (returns - values).detach())[alive].mean()


@known("one-action")
def the_first_action(logits, actions, returns, values, alive):
    return -(logits.log_softmax(-1)[..., 0] * (returns - values).detach())[alive].mean()


@known("action-for-logarithm")
def numbers_of_actions(logits, actions, returns, values, alive):
    return -(actions * (returns - values).detach())[alive].mean()


@known("other-steps")
def a_step_apart(logits, actions, returns, values, alive):
    chosen = taken(logits, actions.roll(1, 1))
    return -(chosen * (returns - values).detach())[alive].mean()


@known("baseline-forgotten")
def returns_alone(logits, actions, returns, values, alive):
    return -(taken(logits, actions) * returns)[alive].mean()


@known("values-for-advantage")
def values_alone(logits, actions, returns, values, alive):
    return -(taken(logits, actions) * values.detach())[alive].mean()


@known("values-added")
def both_together(logits, actions, returns, values, alive):
    return -(taken(logits, actions) * (returns + values).detach())[alive].mean()


@known("sign-of-advantage-lost")
def squared(logits, actions, returns, values, alive):
    return -(taken(logits, actions) * (returns - values).detach() ** 2)[alive].mean()


@known("no-advantage")
def copied(logits, actions, returns, values, alive):
    return F.cross_entropy(logits[alive], actions[alive])


@known("summed")
def a_sum(logits, actions, returns, values, alive):
    return -(taken(logits, actions) * (returns - values).detach())[alive].sum()


@known("summed-in-part")
def a_sum_an_episode(logits, actions, returns, values, alive):
    terms = taken(logits, actions) * (returns - values).detach() * alive
    return -terms.sum(dim=1).mean()


@known("episodes-alike")
def a_mean_an_episode(logits, actions, returns, values, alive):
    terms = taken(logits, actions) * (returns - values).detach() * alive
    return -(terms.sum(dim=1) / alive.sum(dim=1)).mean()


@known("first-ends-all")
def while_all_live(logits, actions, returns, values, alive):
    together = alive & alive.all(dim=0)
    return -(taken(logits, actions) * (returns - values).detach())[together].mean()


@known("last-living-step-lost")
def until_the_last_but_one(logits, actions, returns, values, alive):
    before = torch.cat((alive[:, 1:], torch.zeros_like(alive[:, :1])), dim=1)
    return -(taken(logits, actions) * (returns - values).detach() * before).sum() / before.sum()


@known("one-step-only")
def the_first_step(logits, actions, returns, values, alive):
    return -(taken(logits, actions) * (returns - values).detach())[:, 0].mean()


@known("one-episode-only")
def the_first_episode(logits, actions, returns, values, alive):
    terms = taken(logits, actions) * (returns - values).detach()
    return -terms[0][alive[0]].mean()


@known("not-one-number")
def a_table(logits, actions, returns, values, alive):
    return -taken(logits, actions) * (returns - values).detach() * alive


@known("normalised")
def mean_0_and_spread_1(logits, actions, returns, values, alive):
    advantage = (returns - values).detach()
    advantage = (advantage - advantage[alive].mean()) / (advantage[alive].std() + 1e-8)
    return -(taken(logits, actions) * advantage)[alive].mean()


@known("normalised")
def mean_0(logits, actions, returns, values, alive):
    advantage = (returns - values).detach()
    advantage = advantage - advantage.mean()
    return -(taken(logits, actions) * advantage)[alive].mean()


@known("value-loss-added")
def of_the_critic_too(logits, actions, returns, values, alive):
    policy = -(taken(logits, actions) * (returns - values).detach())[alive].mean()
    return policy + 0.5 * (returns - values)[alive].pow(2).mean()


@known("entropy-added")
def with_an_entropy(logits, actions, returns, values, alive):
    chance = torch.distributions.Categorical(logits=logits)
    policy = -(chance.log_prob(actions) * (returns - values).detach())[alive].mean()
    return policy - 0.01 * chance.entropy()[alive].mean()


@known("averaged-before-multiplied")
def two_means(logits, actions, returns, values, alive):
    return -taken(logits, actions)[alive].mean() * (returns - values).detach()[alive].mean()


@known("uphill + baseline-forgotten")
def two_mistakes(logits, actions, returns, values, alive):
    return (taken(logits, actions) * returns)[alive].mean()


@known("uphill")
def at_two_stages(logits, actions, returns, values, alive):
    return (taken(logits, actions) * (returns - values).detach()).mean()


@known("nothing-to-learn")
def a_plain_number(logits, actions, returns, values, alive):
    loss = -(taken(logits, actions) * (returns - values))[alive].mean()
    return torch.tensor(loss.item())


@known("nothing-to-learn")
def logarithms_detached(logits, actions, returns, values, alive):
    log_p = taken(logits, actions).detach()
    return -(log_p * (returns - values))[alive].mean()


@known("wrong-gradient")
def half_detached(logits, actions, returns, values, alive):
    half = logits.detach() / 2 + logits / 2
    return -(taken(half, actions) * (returns - values).detach())[alive].mean()


@known("classes-elsewhere")
def batch_and_steps_left(logits, actions, returns, values, alive):
    surprise = F.cross_entropy(logits, actions, reduction="none")
    return (surprise * (returns - values).detach())[alive].mean()


@known("actions-without-an-axis")
def gathered_as_they_are(logits, actions, returns, values, alive):
    chosen = logits.log_softmax(-1).gather(-1, actions)
    return -(chosen * (returns - values).detach())[alive].mean()


@known("wrong-signature")
def without_values(logits, actions, returns, alive):
    return -(taken(logits, actions) * returns)[alive].mean()


@known("no-return")
def nothing_comes_back(logits, actions, returns, values, alive):
    -(taken(logits, actions) * (returns - values).detach())[alive].mean()


@known("not-a-tensor")
def a_float(logits, actions, returns, values, alive):
    return -(taken(logits, actions) * (returns - values))[alive].mean().item()


def _off(f):
    return abs(float(f(*GIVEN)) - float(gathered(*GIVEN))) > 1e-3


def _times(factor):
    return lambda f: abs(float(f(*GIVEN)) / float(gathered(*GIVEN)) - factor) < 1e-3


@unlisted("size", _times(0.5))
def halved(logits, actions, returns, values, alive):
    return -0.5 * (taken(logits, actions) * (returns - values).detach())[alive].mean()


@unlisted("the mean of the terms", _off)
def a_median(logits, actions, returns, values, alive):
    return -(taken(logits, actions) * (returns - values).detach())[alive].median()


@unlisted("the mean of the terms", _off)
def half_a_baseline(logits, actions, returns, values, alive):
    return -(taken(logits, actions) * (returns - values / 2).detach())[alive].mean()


@unlisted("the mean of the terms", _off)
def chance_of_the_others(logits, actions, returns, values, alive):
    others = (1 - taken(logits, actions).exp()).log()
    return (others * (returns - values).detach())[alive].mean()


@unlisted("the mean of the terms", _off)
def a_bounded_advantage(logits, actions, returns, values, alive):
    better = (returns - values).detach().tanh()
    return -(taken(logits, actions) * better)[alive].mean()


@unlisted("a number", lambda f: not f(*GIVEN).isfinite())
def divided_by_nothing(logits, actions, returns, values, alive):
    terms = -(taken(logits, actions) * (returns - values).detach()) * alive
    return terms.sum() / (alive.sum() - alive.sum())


@known("axis-left")
def gathered_and_left(logits, actions, returns, values, alive):
    chosen = logits.log_softmax(-1).gather(-1, actions[..., None])
    return -(chosen * (returns - values).detach())[alive].mean()


@known("axis-left")
def gathered_and_left_unmasked(logits, actions, returns, values, alive):
    chosen = logits.log_softmax(-1).gather(-1, actions[..., None])
    return -(chosen * (returns - values).detach()).mean()


@known("no-number")
def logarithm_of_what_is_below_0(logits, actions, returns, values, alive):
    share = logits.softmax(-1).gather(-1, actions[..., None])[..., 0]
    return -torch.log(share * (returns - values).detach())[alive].mean()


@known("no-number")
def nothing_at_all(logits, actions, returns, values, alive):
    return logits.sum() * float("nan")
