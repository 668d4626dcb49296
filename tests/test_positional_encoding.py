"""Positional schemes, each against a derivation that shares no code with it."""

import cmath
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_core import (
    ALiBi,
    LearnedEncoding,
    MultiHeadAttention,
    PositionalEncoding,
    RelativeEncoding,
    RotaryEncoding,
    SinusoidalEncoding,
    alibi_slopes,
    causal_mask,
    rotate_by_position,
    sinusoidal_table,
)
from attention_core.agreement import agree, rounding
from attention_core.positional_encoding import (
    frequencies,
    interleaved_to_half,
    quarter_turn,
    rotary_table,
)

DIM, HEADS, HEAD_DIM = 16, 4, 4
SCHEMES = {
    "none": PositionalEncoding,
    "sinusoidal": lambda: SinusoidalEncoding(DIM),
    "learned": lambda: LearnedEncoding(32, DIM),
    "rotary, interleaved": lambda: RotaryEncoding(HEAD_DIM, base=100.0),
    "rotary, half": lambda: RotaryEncoding(HEAD_DIM, base=100.0, pairing="half"),
    "alibi": lambda: ALiBi(HEADS),
    "relative": lambda: RelativeEncoding(HEAD_DIM, 3),
}
every_scheme = pytest.mark.parametrize("name", SCHEMES)
every_dtype = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
even = st.integers(1, 12).map(lambda half: 2 * half)
bases = st.sampled_from([2.0, 100.0, 10000.0, 1e6])


def draw(*size, seed=0, dtype=torch.float64):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def layer_with(name, dtype=torch.float64):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MultiHeadAttention(DIM, HEADS, positions=SCHEMES[name]()).to(dtype)


def alike(one, other, n=9):
    """The sums of a layer on up to n words: projections, scores, a softmax, a mixture, a projection.

    Scores and their biases are below 8, what is projected below 5.
    """
    return agree(one, other, DIM, HEAD_DIM, n, n, DIM, size=8 * 5)


def longest(x):
    return x.norm(dim=-1).max().item()


def is_toeplitz(scores, *sums, size):
    return all(
        agree(diagonal, diagonal[:1].expand_as(diagonal), *sums, size=size)
        for diagonal in (scores.diagonal(k) for k in range(1 - scores.shape[0], scores.shape[1]))
    )


# ---------------------------------------------------------------- sinusoids


# An angle of a radians errs by some eps · a, and its sine and cosine by as much and by their own rounding:
# wherever something is turned, size is 1 + a times its length. No pair turns by more than its position.


@settings(deadline=None)
@given(n=st.integers(0, 20), dim=even, base=bases, offset=st.integers(0, 1000))
def test_the_table_is_the_papers_formula(n, dim, base, offset):
    table = sinusoidal_table(n, dim, base, offset=offset, dtype=torch.float64)
    assert table.shape == (n, dim)
    for row in range(n):
        for i in range(dim // 2):
            angle = (offset + row) / base ** (2 * i / dim)
            expected = torch.tensor([math.sin(angle), math.cos(angle)], dtype=torch.float64)
            assert agree(table[row, 2 * i : 2 * i + 2], expected, size=1 + angle)


@settings(deadline=None)
@given(p=st.integers(0, 500), k=st.integers(0, 500), dim=even, base=bases)
def test_k_positions_on_is_a_rotation_that_does_not_depend_on_the_position(p, k, dim, base):
    rotation = torch.zeros(dim, dim, dtype=torch.float64)
    for i in range(dim // 2):
        angle = k / base ** (2 * i / dim)
        c, s = math.cos(angle), math.sin(angle)
        rotation[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = torch.tensor([[c, s], [-s, c]], dtype=torch.float64)
    here = sinusoidal_table(1, dim, base, offset=p, dtype=torch.float64)
    there = sinusoidal_table(1, dim, base, offset=p + k, dtype=torch.float64)
    assert agree(here @ rotation.T, there, 2, size=1 + p + k)  # of the sums over dim all but two are zeros
    assert agree(rotate_by_position(here, -k, base), there, 2, size=1 + p + k)


@pytest.mark.parametrize(("dim", "growth"), [(48, 1.468), (64, 1.334), (8, 10.0)])
def test_wavelengths_grow_by_base_to_the_2_over_dim(dim, growth):
    sin, cos = sinusoidal_table(2, dim, dtype=torch.float64)[1].unflatten(0, (-1, 2)).T
    wavelengths = 2 * math.pi / torch.atan2(sin, cos)  # measured in the table, one step on
    assert wavelengths[0].item() == pytest.approx(2 * math.pi)
    ratios = wavelengths[1:] / wavelengths[:-1]
    assert [round(ratio, 3) for ratio in ratios.tolist()] == [growth] * (dim // 2 - 1)
    turns = wavelengths * frequencies(dim) / (2 * math.pi)
    assert agree(turns, torch.ones_like(turns), 1)


def test_sinusoids_are_relative_by_themselves_but_not_through_a_matrix():
    table = sinusoidal_table(12, 16, dtype=torch.float64)
    assert is_toeplitz(table @ table.T, 16, size=(1 + 11) * 16)
    assert not is_toeplitz(table @ draw(16, 16) @ table.T, 16, 16, size=(1 + 11) * 16 * 16)


def test_similarity_is_the_mean_of_the_cosines_of_all_turns():
    table = sinusoidal_table(30, 16, dtype=torch.float64)
    for k in (0, 1, 7):
        cosines = [math.cos(k / 10000 ** (2 * i / 16)) for i in range(8)]
        assert (table[5] @ table[5 + k] / 8).item() == pytest.approx(sum(cosines) / 8)


# ---------------------------------------------------------------- rotary


def turned(x, position, base, pairing):
    """RoPE with complex numbers, one pair after the other."""
    dim, y = len(x), [0.0] * len(x)
    for i in range(dim // 2):
        a, b = (2 * i, 2 * i + 1) if pairing == "interleaved" else (i, i + dim // 2)
        z = complex(x[a], x[b]) * cmath.exp(1j * position / base ** (2 * i / dim))
        y[a], y[b] = z.real, z.imag
    return y


@settings(deadline=None)
@given(dim=even, base=bases, offset=st.integers(0, 300), pairing=st.sampled_from(["interleaved", "half"]))
def test_rotation_is_multiplication_by_a_complex_number(dim, base, offset, pairing):
    query, key = draw(2, 3, dim), draw(2, 5, dim, seed=1)
    q, k = RotaryEncoding(dim, base=base, pairing=pairing).rotate(query, key, offset=offset)
    for x, y, first in (
        (query, q, offset + 2),
        (key, k, offset),
    ):  # the queries are the last 3 of 5 positions
        for row in range(x.shape[1]):
            expected = turned(x[1, row].tolist(), first + row, base, pairing)
            expected = torch.tensor(expected, dtype=torch.float64)
            assert agree(y[1, row], expected, 2, size=(1 + first + row) * longest(x))


@settings(deadline=None)
@given(
    p=st.integers(0, 400), q=st.integers(0, 400), shift=st.integers(0, 400), dim=even, base=bases,
    pairing=st.sampled_from(["interleaved", "half"]), seed=st.integers(0, 1000),
)  # fmt: skip
def test_a_rotary_score_depends_on_the_distance_only_for_random_projections(
    p, q, shift, dim, base, pairing, seed
):
    w_query, w_key = draw(dim, dim, seed=seed), draw(dim, dim, seed=seed + 1)
    query, key = draw(1, dim, seed=seed + 2) @ w_query, draw(1, dim, seed=seed + 3) @ w_key

    def score(p, q):
        return rotate_by_position(query, p, base, pairing) @ rotate_by_position(key, q, base, pairing).T

    size = (1 + max(p, q) + shift) * longest(query) * longest(key)
    assert agree(score(p + shift, q + shift), score(p, q), 2, dim, size=size)


@pytest.mark.parametrize("pairing", ["interleaved", "half"])
def test_a_table_of_the_other_pairing_is_not_relative(pairing):
    other = "half" if pairing == "interleaved" else "interleaved"
    query, key = draw(8).expand(10, 8), draw(8, seed=1).expand(10, 8)

    def scores(table_pairing):
        cos, sin = rotary_table(torch.arange(10), 8, 100.0, table_pairing)
        q, k = (x * cos + quarter_turn(x, pairing) * sin for x in (query, key))
        return q @ k.T

    size = (1 + 9) * longest(query) * longest(key)
    assert is_toeplitz(scores(pairing), 2, 8, size=size)
    assert not is_toeplitz(scores(other), 2, 8, size=size)


@settings(deadline=None)
@given(dim=even, n=st.integers(1, 9), base=bases)
def test_the_two_pairings_are_one_permutation_apart(dim, n, base):
    x, y, order, positions = draw(n, dim), draw(n, dim, seed=1), interleaved_to_half(dim), torch.arange(n)
    assert sorted(order.tolist()) == list(range(dim))
    interleaved = [rotate_by_position(z, positions, base, "interleaved") for z in (x, y)]
    half = [rotate_by_position(z[:, order], positions, base, "half") for z in (x, y)]
    for one, other in zip(interleaved, half, strict=True):
        assert agree(one[:, order], other, 2, size=n * max(longest(x), longest(y)))
    scores = [query @ key.T for query, key in (interleaved, half)]
    assert agree(*scores, 2, dim, size=n * longest(x) * longest(y))


def test_the_order_converts_a_layers_weights_from_one_pairing_to_the_other():
    ours, theirs = layer_with("rotary, interleaved"), layer_with("rotary, half")
    rows = (torch.arange(HEADS)[:, None] * HEAD_DIM + interleaved_to_half(HEAD_DIM)).flatten()
    x = draw(2, 6, DIM)
    assert not torch.allclose(ours(x)[1], theirs(x)[1], atol=1e-3)  # mixed: wrong
    with torch.no_grad():
        for projection in (theirs.to_query, theirs.to_key):
            projection.weight.copy_(projection.weight[rows])
            projection.bias.copy_(projection.bias[rows])
    assert alike(ours(x)[1], theirs(x)[1])


def test_rotation_keeps_lengths_and_the_first_position_as_it_is():
    x = draw(3, 7, 8)
    y = rotate_by_position(x, torch.arange(7))
    assert agree(x.norm(dim=-1), y.norm(dim=-1), 2, 8)  # whatever the angles: cos² + sin² is 1
    assert torch.equal(x[:, 0], y[:, 0])


def test_far_out_float32_still_gives_relative_scores():
    query, key = draw(1, 64, dtype=torch.float32), draw(1, 64, seed=1, dtype=torch.float32)
    near, far = (rotate_by_position(query, p + 3) @ rotate_by_position(key, p).T for p in (0, 1_000_000))
    # angles are float64, so that they count for nothing here; in float32 they would be off by 0.03 radians
    assert agree(far, near, 2, 64, size=longest(query) * longest(key))


# ---------------------------------------------------------------- ALiBi


@pytest.mark.parametrize(
    ("num_heads", "slopes"),
    [
        (1, [2**-8]),
        (2, [2**-4, 2**-8]),
        (4, [2**-2, 2**-4, 2**-6, 2**-8]),
        (8, [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]),  # section 3, page 5
        (16, [2 ** (-k / 2) for k in range(1, 17)]),  # 1/2^0.5, 1/2^1, 1/2^1.5, …, 1/2^8
        (3, [2**-4, 2**-8, 2**-2]),
        (6, [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3]),
        (12, [2**-k for k in range(1, 9)] + [2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]),
    ],
)
def test_slopes_are_the_papers(num_heads, slopes):
    assert alibi_slopes(num_heads).tolist() == pytest.approx(slopes, rel=rounding(torch.float32))


def test_the_bias_is_the_papers_figure_3():
    below = [[0, 0, 0, 0, 0], [-1, 0, 0, 0, 0], [-2, -1, 0, 0, 0], [-3, -2, -1, 0, 0], [-4, -3, -2, -1, 0]]
    bias = ALiBi(8).bias(5, 5)
    for head, slope in enumerate([2.0**-k for k in range(1, 9)]):
        assert torch.equal(bias[head].tril(), slope * torch.tensor(below, dtype=torch.float32))
        assert torch.equal(bias[head], bias[head].T)  # ahead counts as behind, where nothing masks it


@settings(deadline=None)
@given(n_q=st.integers(0, 6), n_k=st.integers(0, 6), heads=st.integers(1, 20), offset=st.integers(0, 9))
def test_alibi_aligns_the_queries_at_the_end(n_q, n_k, heads, offset):
    bias = ALiBi(heads).bias(n_q, n_k, offset=offset)
    assert bias.shape == (heads, n_q, n_k)
    for row in range(n_q):
        for column in range(n_k):
            distance = abs((n_k - n_q + row) - column)
            expected = (-alibi_slopes(heads) * distance).tolist()
            assert bias[:, row, column].tolist() == pytest.approx(expected, rel=rounding(torch.float32))


# ---------------------------------------------------------------- relative


@settings(deadline=None)
@given(n_q=st.integers(1, 6), n_k=st.integers(1, 6), farthest=st.integers(0, 4), offset=st.integers(0, 9))
def test_relative_scores_are_shaws_equation_4(n_q, n_k, farthest, offset):
    scheme = RelativeEncoding(HEAD_DIM, farthest).double()
    query, key = draw(2, HEADS, n_q, HEAD_DIM), draw(2, HEADS, n_k, HEAD_DIM, seed=1)
    bias = scheme.bias(n_q, n_k, offset=offset, query=query)
    scores = query @ key.transpose(-2, -1) / math.sqrt(HEAD_DIM) + bias
    size = longest(query) * (longest(key) + longest(scheme.table)) / math.sqrt(HEAD_DIM)
    for row in range(n_q):
        for column in range(n_k):
            distance = max(-farthest, min(farthest, column - (n_k - n_q + row)))
            moved = key[:, :, column] + scheme.table[farthest + distance]
            expected = (query[:, :, row] * moved).sum(-1) / math.sqrt(HEAD_DIM)
            assert agree(scores[:, :, row, column], expected, HEAD_DIM, HEAD_DIM, size=size)


# ---------------------------------------------------------------- all of them, in a layer


@every_scheme
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_shuffled_words_give_shuffled_outputs_without_positions_and_not_with_them(name, data):
    n = data.draw(st.integers(3, 8))
    order = data.draw(st.permutations(range(n)).filter(lambda order: order[0] != 0 and order[-1] != 0))
    layer, x = layer_with(name), draw(2, n, DIM)

    def run(x):
        return layer(layer.positions.embed(x))[0]

    shuffled_before, shuffled_after = run(x[:, order]), run(x)[:, order]
    difference = (shuffled_before - shuffled_after).abs().max().item()
    if name == "none":
        assert alike(shuffled_before, shuffled_after)
    # a distance-only scheme keeps its outputs when the order is merely turned round: ALiBi is symmetric
    elif name != "alibi" or list(order) != list(range(n))[::-1]:
        assert difference > 1e-6


@every_scheme
@pytest.mark.parametrize("fused", [False, True])
def test_decoding_with_a_cache_equals_doing_it_all_at_once(name, fused):
    layer, x, n = layer_with(name), draw(2, 9, DIM), 9
    embedded = layer.positions.embed(x)
    whole = layer(embedded, allowed=causal_mask(n))[0]
    cache = x[:, :0]
    for t, step in ((0, 1), (1, 1), (2, 3), (5, 4)):  # one word, or several at a time
        new = layer.positions.embed(x[:, t : t + step], offset=t)
        cache = torch.cat((cache, new), dim=1)
        seen = causal_mask(step, t + step)
        output = layer(new, cache, allowed=seen, need_weights=not fused)[0]
        assert alike(output, whole[:, t : t + step])


@every_scheme
@settings(deadline=None)
@given(offset=st.integers(0, 20), forgotten=st.integers(0, 4))
def test_a_window_that_forgot_its_first_keys_gives_the_same_scores(name, offset, forgotten):
    scheme = layer_with(name).positions
    query, key = draw(2, HEADS, 3, HEAD_DIM), draw(2, HEADS, 7, HEAD_DIM, seed=1)

    def scores(key, offset):
        q, k = scheme.rotate(query, key, offset=offset)
        bias = scheme.bias(3, key.shape[-2], offset=offset, query=q)
        return q @ k.transpose(-2, -1) + (0 if bias is None else bias)

    kept = scores(key[:, :, forgotten:], offset + forgotten)
    size = (1 + offset + 7) * longest(query) * longest(key)
    assert agree(kept, scores(key, offset)[..., forgotten:], 2, HEAD_DIM, size=size)


@every_scheme
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("n_q", "n_k"), [(6, 6), (2, 6), (6, 3)])
def test_the_fused_path_says_the_same(name, masked, n_q, n_k):
    layer, x, y = layer_with(name), draw(2, n_q, DIM), draw(2, n_k, DIM, seed=1)
    allowed = causal_mask(n_q, n_k) if masked else None
    explicit, fused = (layer(x, y, allowed=allowed, need_weights=need)[0] for need in (True, False))
    seen = slice(n_q - n_k, None) if masked and n_q > n_k else slice(None)
    assert alike(explicit[:, seen], fused[:, seen])


@every_scheme
@every_dtype
def test_every_dtype_is_kept_and_close_to_float64(name, dtype):
    layer, x = layer_with(name), draw(2, 8, DIM)
    exact = layer(layer.positions.embed(x))[0]
    layer = layer.to(dtype)
    embedded = layer.positions.embed(x.to(dtype))
    output, weights = layer(embedded)
    assert embedded.dtype == output.dtype == weights.dtype == dtype
    # Two sums are given 16 roundings of eps / 2 to half precision, and there are 16 on the way: words,
    # positions, their sum, W_Q, queries, turned ones, scaled ones, scores, with bias, weights, W_V, values,
    # heads, W_O, biases, output. Scores are below 4, and what they err changes a weight by half of that.
    assert agree(output, exact, DIM + HEAD_DIM + 8, 8 + DIM, size=4 / 2)


@every_scheme
def test_a_float32_scheme_does_not_change_the_dtype_of_what_it_is_given(name):
    scheme = SCHEMES[name]()  # float32, and given half precision
    x, heads = draw(2, 5, DIM, dtype=torch.bfloat16), draw(2, HEADS, 5, HEAD_DIM, dtype=torch.bfloat16)
    assert scheme.embed(x).dtype == torch.bfloat16
    assert {part.dtype for part in scheme.rotate(heads, heads)} == {torch.bfloat16}
    bias = scheme.bias(5, 5, query=heads)
    assert bias is None or bias.dtype == torch.bfloat16


@every_scheme
@pytest.mark.parametrize("n", [0, 1, 2, 32])
def test_any_length_goes_and_a_batch_is_not_a_sequence(name, n):
    layer = layer_with(name)
    same = draw(1, n, DIM).expand(3, n, DIM)
    output = layer(layer.positions.embed(same), allowed=causal_mask(n))[0]
    assert output.shape == (3, n, DIM)
    # positions added along the batch axis would differ here
    assert alike(output[0], output[2], n)


@pytest.mark.parametrize("name", ["sinusoidal", "learned"])
def test_added_positions_are_the_same_in_each_sequence_and_differ_along_it(name):
    added = layer_with(name).positions.embed(torch.zeros(3, 6, DIM, dtype=torch.float64))
    assert torch.equal(added[0], added[2])
    assert torch.pdist(added[0]).min() > 0.1


@pytest.mark.parametrize("name", [name for name in SCHEMES if name not in ("learned", "none")])
def test_without_a_table_there_is_no_longest_sequence(name):
    layer, x = layer_with(name, torch.float32), draw(1, 600, DIM, dtype=torch.float32)
    output, weights = layer(layer.positions.embed(x))
    assert output.isfinite().all()
    assert agree(weights.sum(-1), torch.ones(1, HEADS, 600), 600, 600)  # in the softmax, and here


def test_no_positions_hand_back_what_they_were_given():
    scheme, x, y = PositionalEncoding(), draw(2, 3, 4), draw(2, 5, 4)
    assert scheme.embed(x, offset=3) is x
    query, key = scheme.rotate(x, y, offset=3)
    assert query is x and key is y
    assert scheme.bias(3, 3, offset=3, query=x) is None


def test_what_is_learned_is_trained_and_saved_with_the_layer():
    for name, row in (("relative", None), ("learned", 5)):
        layer = layer_with(name)
        layer(layer.positions.embed(draw(2, 5, DIM)))[0].sum().backward()
        assert layer.positions.table.grad.abs().max() > 0
        if row:  # rows beyond the training length are never touched: they stay as they were drawn
            assert layer.positions.table.grad[row:].abs().max() == 0
        assert "positions.table" in layer.state_dict()
    for name in ("sinusoidal", "rotary, half", "alibi"):
        assert not layer_with(name).positions.state_dict()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SinusoidalEncoding(7), "dim must be even, 2 or more.* got 7"),
        (lambda: sinusoidal_table(3, 0), "dim must be even.* got 0"),
        (lambda: sinusoidal_table(-1, 4), "n must be a whole number, 0 or more, got -1"),
        (lambda: sinusoidal_table(3, 4, offset=-2), "offset must be a whole number, 0 or more, got -2"),
        (lambda: sinusoidal_table(3, 4, 0.0), "base must be a number above 0, got 0.0"),
        (lambda: sinusoidal_table(3, 4, math.nan), "base must be a number above 0, got nan"),
        (lambda: SinusoidalEncoding(8).embed(draw(2, 3, 6)), "x has 6 features but this .* has dim=8"),
        (lambda: SinusoidalEncoding(8).embed(torch.arange(8)), r"x must be floating point.* got \(8,\)"),
        (
            lambda: LearnedEncoding(8, 4).embed(draw(2, 9, 4)),
            "positions 0 to 8 but the learned table has max_length=8: its last position is 7",
        ),
        (
            lambda: LearnedEncoding(8, 4).embed(draw(2, 2, 4), offset=7),
            "positions 7 to 8 but the learned table has max_length=8",
        ),
        (lambda: LearnedEncoding(8, 4).embed(draw(2, 2, 5)), "x has 5 features but this .* has dim=4"),
        (lambda: LearnedEncoding(8, 4).embed(draw(2, 2, 4), offset=-1), "offset must be a whole number"),
        (lambda: LearnedEncoding(0, 4), "max_length must be a whole number, 1 or more, got 0"),
        (lambda: RotaryEncoding(5), "head_dim must be even.* got 5"),
        (lambda: RotaryEncoding(4, base=-1), "base must be a number above 0, got -1"),
        (lambda: RotaryEncoding(4, pairing="both"), "one of interleaved, half, got 'both'"),
        (lambda: RotaryEncoding(4).rotate(draw(3, 4), draw(3, 6)), "key has 6 features .* head_dim=4"),
        (lambda: RotaryEncoding(4).rotate(draw(3, 6), draw(3, 4)), "query has 6 features .* head_dim=4"),
        (lambda: RotaryEncoding(4).rotate(draw(3, 4), draw(3, 4), offset=0.5), "offset .* got 0.5"),
        (lambda: rotate_by_position(draw(3, 4), torch.arange(5)), "x has 3 positions but 5 were given"),
        (lambda: rotate_by_position(torch.ones(3, 4, dtype=torch.int64), 1), "x must be floating point"),
        (lambda: quarter_turn(draw(3, 4), "mixed"), "got 'mixed'"),
        (lambda: interleaved_to_half(3), "must be even"),
        (lambda: alibi_slopes(0), "num_heads must be a whole number, 1 or more, got 0"),
        (lambda: ALiBi(True), "num_heads must be a whole number, 1 or more, got True"),
        (lambda: ALiBi(4).bias(3, 3, query=draw(1, 2, 3, 4)), "query has 2 heads but .* num_heads=4"),
        (lambda: ALiBi(4).bias(-1, 3), "n_q must be a whole number, 0 or more, got -1"),
        (lambda: RelativeEncoding(4, -1), "max_distance must be a whole number, 0 or more, got -1"),
        (lambda: RelativeEncoding(4, 2).bias(3, 3), "give query="),
        (lambda: RelativeEncoding(4, 2).bias(3, 3, query=draw(1, 1, 3, 5)), "query has 5 features"),
        (lambda: RelativeEncoding(4, 2).bias(2, 3, query=draw(1, 1, 3, 4)), "3 positions but n_q is 2"),
    ],
)
def test_bad_input_is_refused_with_its_numbers(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_scheme_prints_its_facts():
    assert repr(RotaryEncoding(8, pairing="half")) == (
        "RotaryEncoding(head_dim=8, base=10000, pairing='half')"
    )
    assert repr(SinusoidalEncoding(8)) == "SinusoidalEncoding(dim=8, base=10000)"


@pytest.mark.parametrize("pairing", ["interleaved", "half"])
def test_positions_of_each_sequence_are_read_by_batch_whatever_stands_between(pairing):
    x = draw(3, 3, 5, 4)  # as many heads as sequences: nothing but the order tells them apart
    positions = torch.tensor([[0, 1, 2, 3, 4], [7, 8, 9, 10, 11], [5, 5, 5, 5, 5]])
    one_by_one = [rotate_by_position(a, p, pairing=pairing) for a, p in zip(x, positions, strict=True)]
    for of_each in (positions, positions[:, None]):
        assert torch.equal(rotate_by_position(x, of_each, pairing=pairing), torch.stack(one_by_one))
    deeper = rotate_by_position(x[:, None], positions, pairing=pairing)
    assert torch.equal(deeper[:, 0], torch.stack(one_by_one))
    assert torch.equal(rotate_by_position(x[0], positions, pairing=pairing)[1],
                       rotate_by_position(x[0, 1], positions[1], pairing=pairing))  # fmt: skip
    for wrong in (positions[:2], positions[None, None, None], positions[:, None, None]):
        with pytest.raises(ValueError, match="do not fit x"):
            rotate_by_position(x, wrong, pairing=pairing)


def test_alibi_s_slopes_are_float32_whatever_the_default():
    torch.set_default_dtype(torch.float64)
    try:
        assert alibi_slopes(3).dtype == ALiBi(3).bias(2, 2).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
