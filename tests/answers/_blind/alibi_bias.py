# ruff: noqa
# fmt: off
import math
import numpy as np
import torch


# WRONG: heads are counted from 0: the first head pays 1 in place of 2^(−8/H), every price is one head late
# SHOWS: num_heads=8, n=2
def heads_from_zero(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(num_heads) / num_heads)
    pos = torch.arange(n)
    return -slopes[:, None, None] * (pos[:, None] - pos).abs()


# WRONG: the sign: far words are rewarded
# SHOWS: num_heads=8, n=2: the entries off the diagonal are positive
def far_words_rewarded(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    return slopes[:, None, None] * (pos[:, None] - pos).abs()


# WRONG: the bars around p − q are missing: later words are rewarded
# SHOWS: num_heads=8, n=2: above the diagonal the sign is wrong
def distance_with_sign(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    return -slopes[:, None, None] * (pos[:, None] - pos[None, :])


# WRONG: only earlier words cost something, later ones are free (0 above the diagonal)
# SHOWS: num_heads=8, n=2: entry (0, 1) is 0
def later_words_free(num_heads, n):
    bias = torch.zeros(num_heads, n, n)
    for h in range(num_heads):
        for p in range(n):
            for q in range(p + 1):
                bias[h, p, q] = -(2 ** (-8 * (h + 1) / num_heads)) * (p - q)
    return bias


# WRONG: a causal mask was put into it: −inf above the diagonal
# SHOWS: num_heads=8, n=2: entry (0, 1) is −inf
def causal_mask_inside(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    bias = -slopes[:, None, None] * (pos[:, None] - pos).abs()
    return bias.masked_fill(torch.ones(n, n).triu(1).bool(), float("-inf"))


# WRONG: slopes 2^(−h), which holds for eight heads only
# SHOWS: num_heads=4: the first head must pay 1/4, not 1/2
def eight_heads_only(num_heads, n):
    slopes = torch.tensor([0.5**h for h in range(1, num_heads + 1)])
    pos = torch.arange(n)
    return -slopes.view(-1, 1, 1) * (pos[:, None] - pos).abs()


# WRONG: a list of the eight slopes of the text, cut to the number of heads; 16 heads raise an error
# SHOWS: num_heads=16, n=2
def list_of_eight_slopes(num_heads, n):
    slopes = torch.tensor([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256])
    bias = torch.empty(num_heads, n, n)
    pos = torch.arange(n)
    for h in range(num_heads):
        bias[h] = -slopes[h] * (pos[:, None] - pos).abs()
    return bias


# WRONG: integer division: −8h // H is rounded down to a whole number
# SHOWS: num_heads=16, n=2: heads 1 and 2 have the same price; up to 8 heads it is right
def integer_division(num_heads, n):
    pos = torch.arange(n)
    distance = (pos[:, None] - pos).abs()
    return torch.stack([-(2.0 ** (-8 * h // num_heads)) * distance for h in range(1, num_heads + 1)])


# WRONG: the square of the distance
# SHOWS: num_heads=8, n=3: entry (0, 2); n=2 is right
def squared_distance(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    return -slopes[:, None, None] * (pos[:, None] - pos) ** 2


# WRONG: the order of the heads is reversed: the last one is the steepest
# SHOWS: num_heads=2, n=2
def flattest_head_first(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(num_heads, 0, -1) / num_heads)
    pos = torch.arange(n)
    return -slopes[:, None, None] * (pos[:, None] - pos).abs()


# WRONG: heads lie along the last axis: (n, n, num_heads)
# SHOWS: num_heads=8, n=2: the shape; num_heads = n: the values
def heads_last(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    return -(pos[:, None] - pos).abs()[..., None] * slopes


# WRONG: the own word costs something, too: the distance is counted from 1
# SHOWS: num_heads=8, n=1: must be 0
def own_word_costs(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    return -slopes[:, None, None] * ((pos[:, None] - pos).abs() + 1)


# WRONG: the 8 in the exponent is missing: 2^(−h/H), slopes from nearly 1 to 1/2
# SHOWS: num_heads=2, n=2
def eight_forgotten(num_heads, n):
    slopes = 2 ** (-torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    return -slopes[:, None, None] * (pos[:, None] - pos).abs()


# WRONG: fraction upside down: 2^(−8/h) with the number of heads left out
# SHOWS: num_heads=8, n=2: head 1 pays 1/256
def eight_over_h(num_heads, n):
    slopes = 2 ** (-8 / torch.arange(1, num_heads + 1))
    pos = torch.arange(n)
    return -slopes[:, None, None] * (pos[:, None] - pos).abs()


# WRONG: minus sign of the exponent lost: slopes from 2 to 256
# SHOWS: num_heads=8, n=2
def slopes_above_one(num_heads, n):
    slopes = 2 ** (8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    return -slopes[:, None, None] * (pos[:, None] - pos).abs()


# WRONG: e in place of 2 as the base
# SHOWS: num_heads=8, n=2: head 1 pays 1/e
def base_e(num_heads, n):
    slopes = torch.exp(-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    return -slopes[:, None, None] * (pos[:, None] - pos).abs()


# WRONG: slopes evenly spaced from 1/2 to 1/256, not halved from head to head
# SHOWS: num_heads=8, n=2: head 2
def evenly_spaced_slopes(num_heads, n):
    slopes = torch.linspace(1 / 2, 1 / 256, num_heads)
    pos = torch.arange(n)
    return -slopes[:, None, None] * (pos[:, None] - pos).abs()


# WRONG: exponents spread from 1 to 8 for any number of heads (the text says "from 1/2 down to 1/256" of eight heads)
# SHOWS: num_heads=4, n=2: head 1 pays 1/2 in place of 1/4
def exponents_from_one_to_eight(num_heads, n):
    slopes = 2 ** -torch.linspace(1, 8, num_heads)
    pos = torch.arange(n)
    return -slopes[:, None, None] * (pos[:, None] - pos).abs()


# WRONG: what attention is multiplied by, e^(−m d), and not what is added to the scores
# SHOWS: num_heads=8, n=1: 1 in place of 0
def factor_not_bias(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    return torch.exp(-slopes[:, None, None] * (pos[:, None] - pos).abs())


# WRONG: an axis of batch in front: (1, heads, n, n)
# SHOWS: num_heads=8, n=2: the shape
def batch_axis_in_front(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    return -slopes.view(1, -1, 1, 1) * (pos[:, None] - pos).abs()


# WRONG: written into a tensor of whole numbers: every price below 1 is cut off
# SHOWS: num_heads=8, n=2: all 0
def whole_numbers(num_heads, n):
    pos = torch.arange(n)
    distance = (pos[:, None] - pos).abs()
    bias = torch.zeros_like(distance).repeat(num_heads, 1, 1)
    for h in range(num_heads):
        bias[h] = -(2 ** (-8 * (h + 1) / num_heads)) * distance
    return bias


# WRONG: squeezes axes of length 1 away: one head has (n, n)
# SHOWS: num_heads=1, n=3: the shape
def squeezed(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    return (-slopes[:, None, None] * (pos[:, None] - pos).abs()).squeeze()


# WRONG: all heads get the price of the first one
# SHOWS: num_heads=2, n=2: head 2; one head is right
def one_price_for_all(num_heads, n):
    slope = 2 ** (-8 * 1 / num_heads)
    pos = torch.arange(n)
    return (-slope * (pos[:, None] - pos).abs()).expand(num_heads, n, n)


# WRONG: the distance is a share of the length, |p − q| / n
# SHOWS: num_heads=8, n=2
def share_of_the_length(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n) / n
    return -slopes[:, None, None] * (pos[:, None] - pos).abs()


# WRONG: the values are right, but they are nested lists, no tensor
# SHOWS: any input: cannot be added to scores
def nested_lists(num_heads, n):
    return [
        [[-(2 ** (-8 * h / num_heads)) * abs(p - q) for q in range(n)] for p in range(n)]
        for h in range(1, num_heads + 1)
    ]


# WRONG: the same row for all queries, as in the code of the paper, where a causal mask follows: −m (n − 1 − q)
# SHOWS: num_heads=8, n=2: row 0; the last row is right
def seen_from_the_last_word(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    row = torch.arange(n) - (n - 1)
    return (slopes[:, None, None] * row).expand(num_heads, n, n)


# WRONG: always 12 words, as in the lesson's map
# SHOWS: num_heads=8, n=3: the shape
def always_twelve_words(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(12)
    return -slopes[:, None, None] * (pos[:, None] - pos).abs()


# WRONG: one and the same tensor is multiplied in place and collected: all heads show the product of all slopes
# SHOWS: num_heads=2, n=2; one head is right
def one_tensor_for_all_heads(num_heads, n):
    pos = torch.arange(n)
    bias, heads = -(pos[:, None] - pos).abs().float(), []
    for h in range(1, num_heads + 1):
        bias *= 2 ** (-8 * h / num_heads)
        heads.append(bias)
    return torch.stack(heads)


# WRONG: slopes and distances are joined along the wrong axis: every query has a price of its own, not every head
# SHOWS: num_heads = n = 4; other sizes raise an error
def price_for_each_query(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    bias = -slopes[:, None] * (pos[:, None] - pos).abs()
    return bias.expand(num_heads, n, n)


# WRONG: the loops leave out the last word
# SHOWS: num_heads=8, n=3: last row and column are 0
def last_word_left_out(num_heads, n):
    bias = torch.zeros(num_heads, n, n)
    for h in range(num_heads):
        for p in range(n - 1):
            for q in range(n - 1):
                bias[h, p, q] = -(2 ** (-8 * (h + 1) / num_heads)) * abs(p - q)
    return bias


# WRONG: near words are rewarded with m (n − 1 − d): a softmax is the same, what is added is not
# SHOWS: num_heads=8, n=2: the diagonal is not 0
def near_words_rewarded(num_heads, n):
    slopes = 2 ** (-8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n)
    return slopes[:, None, None] * (n - 1 - (pos[:, None] - pos).abs())


# RIGHT: three loops
def three_loops(num_heads, n):
    bias = torch.zeros(num_heads, n, n)
    for h in range(1, num_heads + 1):
        for p in range(n):
            for q in range(n):
                bias[h - 1, p, q] = -(2 ** (-8 * h / num_heads)) * abs(p - q)
    return bias


# RIGHT: einsum of slopes and distances
def einsum(num_heads, n):
    slopes = torch.pow(2.0, -8 * torch.arange(1, num_heads + 1) / num_heads)
    pos = torch.arange(n, dtype=slopes.dtype)
    return torch.einsum("h,pq->hpq", -slopes, torch.abs(pos[:, None] - pos[None]))


# RIGHT: numpy inside, float32 at the end
def numpy_inside(num_heads, n):
    m = 2.0 ** (-8 * np.arange(1, num_heads + 1) / num_heads)
    distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    return torch.tensor(np.multiply.outer(-m, distance), dtype=torch.float32)


# RIGHT: float64 from beginning to end
def double_all_the_way(num_heads, n):
    m = torch.tensor([2 ** (-8 * (h + 1) / num_heads) for h in range(num_heads)], dtype=torch.float64)
    pos = torch.arange(n, dtype=torch.float64)
    return -m.reshape(-1, 1, 1) * (pos.reshape(-1, 1) - pos).abs()


# RIGHT: slopes as a geometric series, the way of the paper's code
def geometric_series(num_heads, n):
    start = 2 ** (-(2 ** -(math.log2(num_heads) - 3)))
    slopes = torch.tensor([start * start**i for i in range(num_heads)])
    pos = torch.arange(n)
    return (pos[None, :] - pos[:, None]).abs().mul(-1) * slopes.unsqueeze(1).unsqueeze(1)


# RIGHT: distances by cdist
def distances_by_cdist(num_heads, n):
    pos = torch.arange(n, dtype=torch.float32).unsqueeze(1)
    slopes = torch.exp2(-8 * torch.arange(1, num_heads + 1) / num_heads)
    return -torch.cdist(pos, pos, p=1) * slopes[:, None, None]


# RIGHT: the smaller of p − q and q − p, no abs
def smaller_of_two(num_heads, n):
    signed = torch.arange(n).view(n, 1) - torch.arange(n).view(1, n)
    m = torch.logspace(-8 / num_heads, -8, num_heads, base=2)
    return m.view(-1, 1, 1) * torch.minimum(signed, -signed)


# RIGHT: a list of heads with a lambda, stacked
def lambda_and_stack(num_heads, n):
    price = lambda h: 2 ** (-8 * h / num_heads)
    p, q = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    return torch.stack([-price(h) * (p - q).abs() for h in range(1, num_heads + 1)])


# RIGHT: lower triangle by sums, mirrored
def triangle_and_mirror(num_heads, n):
    lower = torch.ones(n, n).tril(-1).flip(-1).cumsum(-1).flip(-1).tril(-1)
    distance = lower + lower.T
    slopes = 0.5 ** (8 / num_heads * torch.arange(1, num_heads + 1))
    return -slopes[:, None, None] * distance


# RIGHT: halved from head to head by cumprod, distances by indexing one long row
def cumprod_and_index(num_heads, n):
    slopes = torch.full((num_heads,), 2 ** (-8 / num_heads)).cumprod(0)
    row = torch.arange(-n + 1, n).abs()  # distance −(n−1) … n−1
    index = torch.arange(n)[:, None] - torch.arange(n) + n - 1
    return -(slopes[:, None] * row)[:, index]
