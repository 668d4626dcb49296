"""Answers to `alibi_bias(num_heads, n)`: each head's price of a distance."""

import torch

import attention_core
from answers import known, right, unlisted
from attention_core.practice import check


def _apart(n):
    return (torch.arange(n)[:, None] - torch.arange(n)).abs()


@right
def slopes_times_distance(num_heads, n):
    slopes = 2.0 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    return -slopes[:, None, None] * _apart(n)


@right
def from_the_library(num_heads, n):
    return attention_core.ALiBi(num_heads).bias(n, n)


@right
def with_einsum_and_a_first_slope(num_heads, n):
    first = 2.0 ** (-8 / num_heads)
    slopes = first ** torch.arange(1, num_heads + 1)
    return torch.einsum("h,qk->hqk", -slopes, _apart(n).float())


@right
def with_three_loops(num_heads, n):
    return torch.tensor(
        [
            [[-abs(p - q) * 2 ** (-8 * h / num_heads) for q in range(n)] for p in range(n)]
            for h in range(1, num_heads + 1)
        ]
    )


@known("price-as-gift")
def with_a_plus(num_heads, n):
    return -slopes_times_distance(num_heads, n)


@known("slopes-reversed")
def steepest_last(num_heads, n):
    return slopes_times_distance(num_heads, n).flip(0)


@known("slopes-inverted")
def two_to_the_plus(num_heads, n):
    return -(2.0 ** (8 * torch.arange(1, num_heads + 1) / num_heads))[:, None, None] * _apart(n)


@known("heads-from-0")
def first_slope_of_1(num_heads, n):
    return -(2.0 ** (-8 * torch.arange(num_heads) / num_heads))[:, None, None] * _apart(n)


@known("eight-forgotten")
def without_the_eight(num_heads, n):
    return -(2.0 ** (-torch.arange(1, num_heads + 1) / num_heads))[:, None, None] * _apart(n)


@known("number-of-heads-forgotten")
def two_to_the_minus_h(num_heads, n):
    return -(2.0 ** -torch.arange(1, num_heads + 1))[:, None, None] * _apart(n)


@known("one-slope")
def the_same_for_all_heads(num_heads, n):
    return -_apart(n).expand(num_heads, n, n).float()


@known("signed-distance")
def the_future_is_rewarded(num_heads, n):
    slopes = 2.0 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    return -slopes[:, None, None] * (torch.arange(n)[:, None] - torch.arange(n))


@known("squared-distance")
def distance_squared(num_heads, n):
    return slopes_times_distance(num_heads, n) * _apart(n)


@unlisted("the slope of each head", lambda f: f(2, 2)[:, 0, 1].tolist() == [-1, -0.5])
def slopes_in_a_line(num_heads, n):
    slopes = 1 - torch.arange(num_heads) / num_heads
    return -slopes[:, None, None] * _apart(n)


@known("mask-inside")
def the_future_hidden_too(num_heads, n):
    return slopes_times_distance(num_heads, n).masked_fill(torch.ones(n, n).triu(1).bool(), -torch.inf)


@right
def slopes_multiplied_up(num_heads, n):
    slopes = torch.full((num_heads,), 2.0 ** (-8 / num_heads)).cumprod(0)
    return -slopes.view(-1, 1, 1) * _apart(n)


@right
def filled_head_by_head(num_heads, n):
    bias = torch.empty(num_heads, n, n, dtype=torch.float64)
    for h in range(num_heads):
        bias[h] = -(2 ** (-8 * (h + 1) / num_heads)) * _apart(n)
    return bias


def _priced(slopes, distance):
    return -slopes[:, None, None] * distance


def _heads(num_heads):
    return torch.arange(1, num_heads + 1)


@known("slopes-reversed")
def heads_from_the_last(num_heads, n):
    slopes = 2.0 ** (-8 * torch.arange(num_heads, 0, -1) / num_heads)
    return _priced(slopes, _apart(n))


@known("number-of-heads-forgotten")
def the_slopes_of_eight_heads(num_heads, n):
    slopes = torch.tensor([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256])
    bias = torch.empty(num_heads, n, n)
    for h in range(num_heads):
        bias[h] = -slopes[h] * _apart(n)
    return bias


@known("eight-over-h")
def upside_down(num_heads, n):
    return _priced(2.0 ** (-8 / _heads(num_heads)), _apart(n))


@known("eight-times-h")
def not_divided(num_heads, n):
    return _priced(2.0 ** (-8 * _heads(num_heads)), _apart(n))


@known("by-the-words")
def divided_by_words(num_heads, n):
    return _priced(2.0 ** (-8 * _heads(num_heads) / n), _apart(n))


@known("whole-exponents")
def two_slashes(num_heads, n):
    return torch.stack([-(2.0 ** (-8 * h // num_heads)) * _apart(n) for h in range(1, num_heads + 1)])


@known("whole-exponents")
def eight_by_heads_whole(num_heads, n):
    return _priced(2.0 ** (-(8 // num_heads) * _heads(num_heads)), _apart(n))


@known("powers-of-e")
def e_to_the_power(num_heads, n):
    return _priced(torch.exp(-8 * _heads(num_heads) / num_heads), _apart(n))


@known("evenly-spaced")
def in_equal_steps(num_heads, n):
    return _priced(torch.linspace(1 / 2, 1 / 256, num_heads), _apart(n))


@known("exponents-from-1-to-8")
def from_1_to_8(num_heads, n):
    return _priced(2 ** -torch.linspace(1, 8, num_heads), _apart(n))


@known("one-slope")
def one_table_in_place(num_heads, n):
    bias, heads = -_apart(n).float(), []
    for h in range(1, num_heads + 1):
        bias *= 2 ** (-8 * h / num_heads)
        heads.append(bias)
    return torch.stack(heads)


@known("root-of-distance")
def root(num_heads, n):
    return _priced(2.0 ** (-8 * _heads(num_heads) / num_heads), _apart(n).sqrt())


@known("share-of-the-length")
def distance_by_n(num_heads, n):
    return slopes_times_distance(num_heads, n) / n


@known("share-of-the-length")
def distance_by_the_furthest(num_heads, n):
    distance = _apart(n) / max(1, n - 1)
    return _priced(2.0 ** (-8 * _heads(num_heads) / num_heads), distance)


@known("own-word-costs")
def distances_from_1(num_heads, n):
    return _priced(2.0 ** (-8 * _heads(num_heads) / num_heads), _apart(n) + 1)


@known("one-side-free")
def only_the_past_costs(num_heads, n):
    return slopes_times_distance(num_heads, n).tril()


@known("one-side-free")
def clamped(num_heads, n):
    distance = (torch.arange(n) - torch.arange(n)[:, None]).clamp(min=0)
    return _priced(2.0 ** (-8 * _heads(num_heads) / num_heads), distance)


@known("seen-from-the-last-word")
def one_row_for_all_queries(num_heads, n):
    slopes = 2.0 ** (-8 * _heads(num_heads) / num_heads)
    return (slopes[:, None, None] * torch.arange(1 - n, 1)).expand(num_heads, n, n)


@known("near-rewarded")
def a_gift_for_the_near(num_heads, n):
    return slopes_times_distance(num_heads, n) + (n - 1) * (2.0 ** (-8 * _heads(num_heads) / num_heads)).view(
        -1, 1, 1
    )


@known("a-factor")
def what_is_multiplied(num_heads, n):
    return slopes_times_distance(num_heads, n).exp()


@known("slope-of-each-word")
def a_slope_for_each_query(num_heads, n):
    slopes = 2.0 ** (-8 * _heads(num_heads) / num_heads)
    return (-slopes[:, None] * _apart(n)).expand(num_heads, n, n)


@known("slope-of-each-word")
def a_slope_for_each_key(num_heads, n):
    slopes = 2.0 ** (-8 * _heads(num_heads) / num_heads)
    return (-slopes * _apart(n)).expand(num_heads, n, n)


@known("heads-last")
def heads_behind(num_heads, n):
    return -_apart(n)[:, :, None] * 2.0 ** (-8 * _heads(num_heads) / num_heads)


@known("an-axis-too-many")
def with_a_batch(num_heads, n):
    return slopes_times_distance(num_heads, n)[None]


@known("squeezed")
def without_axes_of_size_1(num_heads, n):
    return slopes_times_distance(num_heads, n).squeeze()


@known("always-as-many")
def twelve_words(num_heads, n):
    return slopes_times_distance(num_heads, 12)


@known("whole-numbers")
def into_whole_numbers(num_heads, n):
    bias = torch.zeros(num_heads, n, n, dtype=torch.long)
    for h in range(num_heads):
        bias[h] = -(2 ** (-8 * (h + 1) / num_heads)) * _apart(n)
    return bias


@known("last-word-left-out")
def loops_too_short(num_heads, n):
    bias = torch.zeros(num_heads, n, n)
    for h in range(num_heads):
        for p in range(n - 1):
            for q in range(n - 1):
                bias[h, p, q] = -(2 ** (-8 * (h + 1) / num_heads)) * abs(p - q)
    return bias


@known("last-head-left-out")
def one_head_too_few(num_heads, n):
    bias = torch.zeros(num_heads, n, n)
    for h in range(1, num_heads):
        bias[h - 1] = -(2 ** (-8 * h / num_heads)) * _apart(n)
    return bias


@unlisted("a word itself costs nothing", lambda f: (f(2, 2)[:, 0, 0] == -1).all())
def one_more_for_all(num_heads, n):
    return slopes_times_distance(num_heads, n) - 1


@unlisted("both sides cost the same", lambda f: f(2, 2)[0, 0, 1] == 2 * f(2, 2)[0, 1, 0])
def the_future_costs_double(num_heads, n):
    bias = slopes_times_distance(num_heads, n)
    return bias + bias.triu()


@known("not-a-tensor")
def nested_lists(num_heads, n):
    return with_three_loops(num_heads, n).tolist()


@known("brackets-missing")
def two_to_the_minus_eight_alone(num_heads, n):
    return _priced(2.0**-8 * _heads(num_heads) / num_heads, _apart(n))


@known("brackets-missing")
def divided_after_the_power(num_heads, n):
    return _priced(2.0 ** (-8 * _heads(num_heads)) / num_heads, _apart(n))


@known("distance-forgotten")
def one_price_for_all_words(num_heads, n):
    return _priced(2.0 ** (-8 * _heads(num_heads) / num_heads), 1 - torch.eye(n))


@unlisted("the slope of each head", lambda f: "−0.0039" in repr(check.alibi_bias(f)))  # 1/256, not 0.00
def the_first_head_doubled(num_heads, n):
    bias = slopes_times_distance(num_heads, n)
    bias[0] *= 2
    return bias
