"""The translator: equal to torch's layers, blind to padding and to the future, each sentence to its end."""

import pytest
import torch
from torch import nn

from attention_core import (
    ALiBi,
    DecoderBlock,
    EncoderDecoder,
    LearnedEncoding,
    MultiHeadAttention,
    RelativeEncoding,
    RotaryEncoding,
    SinusoidalEncoding,
    TransformerBlock,
    causal_mask,
    padding_mask,
)
from attention_core.agreement import agree
from attention_core.transformer import greedy_decode, shift_right

SCHEMES = (
    None,
    SinusoidalEncoding(16),
    LearnedEncoding(20, 16),
    RotaryEncoding(8),
    ALiBi(2),
    RelativeEncoding(8, 4),
)
START, END = 1, 2


def model(seed: int = 0, **changes) -> EncoderDecoder:
    torch.manual_seed(seed)
    return EncoderDecoder(12, 7, 16, 2, **{"positions": SinusoidalEncoding(16)} | changes).double()


def tokens(*shape: int, below: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- equal to torch's layers


def _copied(ours: nn.Module, theirs: nn.Module, pairs: dict[str, str]) -> None:
    for mine, other in pairs.items():
        ours.get_submodule(mine).load_state_dict(theirs.get_submodule(other).state_dict())


@pytest.mark.parametrize("hidden", [None, 5])
def test_a_block_is_torchs_encoder_layer(hidden):
    torch.manual_seed(0)
    theirs = nn.TransformerEncoderLayer(
        16, 2, 4 * 16 if hidden is None else hidden, 0.0, "gelu", norm_first=True, batch_first=True
    ).double()
    ours = TransformerBlock(16, 2, hidden=hidden).double()
    ours.attention = MultiHeadAttention.from_torch(theirs.self_attn)
    names = {"norm_1": "norm1", "norm_2": "norm2", "feed_forward.0": "linear1", "feed_forward.2": "linear2"}
    _copied(ours, theirs, names)
    x, allowed = torch.randn(3, 6, 16, dtype=torch.float64), padding_mask([6, 4, 1], 6)
    got, _ = ours(x, allowed)
    assert agree(got, theirs(x, src_key_padding_mask=~allowed[:, 0]), *[16] * 4)


@pytest.mark.parametrize("hidden", [None, 5])
def test_a_decoder_block_is_torchs_decoder_layer(hidden):
    torch.manual_seed(0)
    theirs = nn.TransformerDecoderLayer(
        16, 2, 4 * 16 if hidden is None else hidden, 0.0, "gelu", norm_first=True, batch_first=True
    ).double()
    ours = DecoderBlock(16, 2, hidden=hidden).double()
    ours.attention = MultiHeadAttention.from_torch(theirs.self_attn)
    ours.cross_attention = MultiHeadAttention.from_torch(theirs.multihead_attn)
    names = {f"norm_{i}": f"norm{i}" for i in (1, 2, 3)}
    _copied(ours, theirs, names | {"feed_forward.0": "linear1", "feed_forward.2": "linear2"})
    y, memory = (torch.randn(3, n, 16, dtype=torch.float64) for n in (4, 6))
    causal, allowed = causal_mask(4), padding_mask([6, 4, 1], 6)
    got, _, cross = ours(y, memory, causal, allowed)
    assert agree(got, theirs(y, memory, ~causal, memory_key_padding_mask=~allowed[:, 0]), *[16] * 6)
    middle = y + theirs.self_attn(*[theirs.norm1(y)] * 3, attn_mask=~causal)[0]
    hidden = {"key_padding_mask": ~allowed[:, 0], "average_attn_weights": False}
    _, wanted = theirs.multihead_attn(theirs.norm2(middle), memory, memory, **hidden)
    assert agree(cross, wanted, *[16] * 4)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_the_whole_is_torchs_transformer():
    """Two layers a half, with torch's own embedding of the pieces: memory normed once, logits at the end."""
    torch.manual_seed(0)
    theirs = nn.Transformer(16, 2, 2, 2, 64, 0.0, "gelu", norm_first=True, batch_first=True).double()
    ours = model(num_layers=2)
    for block, layer in zip(ours.encoder, theirs.encoder.layers, strict=True):
        block.attention = MultiHeadAttention.from_torch(layer.self_attn)
        _copied(block, layer, {"norm_1": "norm1", "norm_2": "norm2", "feed_forward.0": "linear1"})
        _copied(block, layer, {"feed_forward.2": "linear2"})
    for block, layer in zip(ours.decoder, theirs.decoder.layers, strict=True):
        block.attention = MultiHeadAttention.from_torch(layer.self_attn)
        block.cross_attention = MultiHeadAttention.from_torch(layer.multihead_attn)
        _copied(block, layer, {f"norm_{i}": f"norm{i}" for i in (1, 2, 3)})
        _copied(block, layer, {"feed_forward.0": "linear1", "feed_forward.2": "linear2"})
    _copied(ours, theirs, {"memory_norm": "encoder.norm", "norm": "decoder.norm"})
    source, target, allowed = tokens(3, 6, below=12), tokens(3, 4, below=7), padding_mask([6, 4, 1], 6)
    got, _ = ours(source, target, allowed)
    hidden = ~allowed[:, 0]
    wanted = theirs(
        ours.positions.embed(ours.source_embedding(source)),
        ours.positions.embed(ours.target_embedding(target)),
        tgt_mask=~causal_mask(4),
        src_key_padding_mask=hidden,
        memory_key_padding_mask=hidden,
    )
    assert agree(got, ours.to_logits(wanted), *[16] * 16)


# ---------------------------------------------------------------- what each place may know


@pytest.mark.parametrize("positions", SCHEMES, ids=repr)
def test_shapes_and_rows_with_every_scheme(positions):
    translator = model(positions=positions, num_layers=2, num_decoder_layers=1)
    source, target, allowed = tokens(3, 6, below=12), tokens(3, 4, below=7), padding_mask([6, 4, 1], 6)
    logits, weights = translator(source, target, allowed)
    assert logits.shape == (3, 4, 7)
    shapes = {name: [tuple(w.shape) for w in layers] for name, layers in weights.items()}
    assert shapes == {"encoder": [(3, 2, 6, 6)] * 2, "decoder": [(3, 2, 4, 4)], "cross": [(3, 2, 4, 6)]}
    for layers in weights.values():
        for of_layer in layers:
            assert agree(of_layer.sum(-1), torch.ones_like(of_layer[..., 0]), 6)
    hidden = ~allowed[:, None]
    for layer in (*weights["encoder"], *weights["cross"]):
        assert not layer.masked_select(hidden.expand_as(layer)).any()
    without, none = translator(source, target, allowed, need_weights=False)
    assert none is None
    assert agree(without, logits, *[16] * 8)


@pytest.mark.parametrize("positions", SCHEMES, ids=repr)
def test_logits_up_to_a_change_of_the_target_stay_and_those_after_move(positions):
    translator, source, target = model(positions=positions), tokens(1, 6, below=12), tokens(1, 5, below=7)
    before, _ = translator(source, target)
    for t in range(5):
        changed = target.clone()
        changed[0, t] = (changed[0, t] + 1) % 7
        moved = (translator(source, changed)[0] - before)[0].abs().amax(-1) > 1e-9
        assert moved.tolist() == [i >= t for i in range(5)]


def test_every_letter_of_the_source_counts_at_every_place():
    translator, source, target = model(), tokens(1, 6, below=12), tokens(1, 5, below=7)
    before, _ = translator(source, target)
    for j in range(6):
        changed = source.clone()
        changed[0, j] = (changed[0, j] + 1) % 12
        assert ((translator(changed, target)[0] - before).abs().amax(-1) > 1e-9).all()


@pytest.mark.parametrize("positions", SCHEMES, ids=repr)
def test_alone_as_in_a_batch(positions):
    translator, lengths = model(positions=positions, num_layers=2), (6, 4, 1)
    source, target = tokens(3, 6, below=12), tokens(3, 5, below=7)
    batch, _ = translator(source, target, padding_mask(lengths, 6))
    written = translator.generate(source, START, END, 8, padding_mask(lengths, 6))
    for i, n in enumerate(lengths):
        assert agree(translator(source[i : i + 1, :n], target[i : i + 1])[0], batch[i : i + 1], *[16] * 8)
        alone = translator.generate(source[i : i + 1, :n], START, END, 8)[0]
        assert written[i, : len(alone)].tolist() == alone.tolist()
        assert (written[i, len(alone) :] == END).all()


def test_without_the_mask_padding_is_seen():
    translator, source, target = model(), tokens(1, 6, below=12), tokens(1, 5, below=7)
    alone, padded = translator(source[:, :4], target)[0], translator(source, target)[0]
    assert (alone - padded).abs().max() > 1e-3


def test_what_the_decoder_reads():
    y = torch.tensor([[5, 6, 2], [7, 2, 0]])
    assert shift_right(y, 1).tolist() == [[1, 5, 6], [1, 7, 2]] and y[0, 0] == 5
    assert shift_right(y[:, :1], 1).tolist() == [[1], [1]] and shift_right(y[:, :0], 1).shape == (2, 0)
    for bad in (y[0], y.float(), y > 3, [[1]]):
        with pytest.raises(ValueError, match="y must be whole numbers"):
            shift_right(bad, 1)


# ---------------------------------------------------------------- greedy


def test_generate_writes_the_likeliest_of_what_it_has_written_itself():
    translator, source = model(), tokens(4, 6, below=12)
    written = translator.generate(source, START, None, 6)
    assert written.shape == (4, 6)
    read = torch.cat((torch.full((4, 1), START), written[:, :-1]), 1)
    assert torch.equal(translator(source, read)[0].argmax(-1), written)


def test_each_sentence_of_a_batch_ends_by_itself():
    translator, source = model(3), tokens(40, 6, below=12)
    translator.to_logits.bias.data[END] += 0.4  # so that an end is written now and then
    free = translator.generate(source, START, None, 9)
    ended = translator.generate(source, START, END, 9)
    lengths = set()
    for mine, other in zip(ended.tolist(), free.tolist(), strict=True):
        n = other.index(END) if END in other else 9
        assert mine[:n] == other[:n]  # up to its own end as if nothing ended, whatever the others do
        assert set(mine[n:]) <= {END}
        lengths.add(n)
    assert len(lengths) > 2, lengths  # or this test says nothing


def test_any_translator_writes_as_ours_does():
    translator, source, allowed = model(3), tokens(9, 6, below=12), padding_mask([6, 4, 1] * 3, 6)
    translator.to_logits.bias.data[END] += 0.4
    asked = []

    def other(*arguments):
        asked.append(arguments[1].shape[1])
        return translator(*arguments)

    wanted = translator.generate(source, START, END, 9, allowed)
    assert torch.equal(greedy_decode(other, source, START, END, 9, allowed), wanted)
    assert asked == list(range(1, len(asked) + 1))


def test_after_its_end_a_sentence_has_only_ends_whatever_the_model_would_write():
    def counts(source, target, allowed=None):  # 3, 4, 5 … from each sentence's own number on, round to 0
        following = (source[:, :1] + torch.arange(target.shape[1])) % 7
        return nn.functional.one_hot(following, 7).float(), None

    source = torch.tensor([[5], [2], [3]])
    written = greedy_decode(counts, source, START, END, 6)
    assert written.tolist() == [[5, 6, 0, 1, END, END], [END] * 6, [3, 4, 5, 6, 0, 1]]


def test_it_stops_when_all_have_ended():
    translator = model()
    translator.to_logits.bias.data[END] += 100
    assert translator.generate(tokens(3, 6, below=12), START, END, 50).tolist() == [[END]] * 3
    assert translator.generate(tokens(3, 6, below=12), START, END, 0).shape == (3, 0)


def test_generate_leaves_no_gradient_and_the_dice_alone():
    translator, state = model(), torch.get_rng_state()
    assert not translator.generate(tokens(1, 6, below=12), START, END, 4).requires_grad
    assert torch.equal(state, torch.get_rng_state())


# ---------------------------------------------------------------- small and wrong


def test_an_empty_sentence_and_a_single_letter():
    translator, target = model(), tokens(2, 3, below=7)
    for n in (0, 1):
        logits, weights = translator(tokens(2, n, below=12), target)
        assert logits.isfinite().all() and weights["cross"][0].shape == (2, 2, 3, n)
        assert translator.generate(tokens(2, n, below=12), START, END, 4).shape[0] == 2
    logits, weights = translator(tokens(2, 4, below=12), tokens(2, 0, below=7))
    assert logits.shape == (2, 0, 7) and weights["cross"][0].shape == (2, 2, 0, 4)
    assert translator.generate(tokens(0, 4, below=12), START, END, 4).shape[0] == 0


def test_an_encoder_without_layers_gives_the_words_as_they_are():
    translator = model(num_layers=0)
    assert len(translator.encoder) == 0 and len(translator.decoder) == 1
    source = tokens(1, 5, below=12)
    memory, weights = translator.encode(source)
    wanted = translator.memory_norm(translator.positions.embed(translator.source_embedding(source)))
    assert weights == [] and torch.equal(memory, wanted)


S, T, S2, T2 = tokens(1, 3, below=12), tokens(1, 2, below=7), tokens(2, 3, below=12), tokens(2, 2, below=7)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: m(S + 12, T), "source must be from 0 to 11"),
        (lambda m: m(S, T - 7), "target must be from 0 to 6"),
        (lambda m: m(torch.rand(1, 3), T), "source must be whole numbers, got torch.float32"),
        (lambda m: m("abc", T), "source must be whole numbers, got str"),
        (lambda m: m(S[0], T), r"source must have shape \(batch, n\), got \(3,\)"),
        (lambda m: m(S2, T), "source has 2 sentences but target 1"),
        (
            lambda m: m(S2, T2, padding_mask([2, 3], 4)),
            r"allowed has shape \(2, 1, 4\), which does not fit 1 queries × 3 keys",
        ),
        (
            lambda m: m(S2, T2, padding_mask([2, 3, 1], 3)),
            r"allowed has shape \(3, 1, 3\); for this source it should be \(2, 1, 3\)",
        ),
        (
            lambda m: m(S2, T2, causal_mask(3)),
            r"allowed has shape \(3, 3\), which does not fit 1 queries × 3 keys",
        ),
        (
            lambda m: m(S2, T2, torch.ones(2, 1, 3)),
            "allowed must be a boolean tensor",
        ),
        (lambda m: m.generate(S, 7, 2, 4), "start must be a whole number from 0 to 6, got 7"),
        (lambda m: m.generate(S, 1, -1, 4), "end must be a whole number from 0 to 6, got -1"),
        (lambda m: m.generate(S, 1, 2, -1), "steps must be a whole number, 0 or more, got -1"),
        (lambda m: EncoderDecoder(12, 7, 10, 4), "dim=10 is not divisible by num_heads=4"),
        (lambda m: EncoderDecoder(0, 7, 16, 2), "source_vocabulary must be a whole number, 1 or more"),
        (lambda m: EncoderDecoder(12, 0, 16, 2), "target_vocabulary must be a whole number, 1 or more"),
        (lambda m: EncoderDecoder(12, 7, 16, 2, num_layers=-1), "num_layers must be a whole"),
        (lambda m: EncoderDecoder(12, 7, 16, 2, num_decoder_layers=0), "num_decoder_layers must be a whole"),
        (lambda m: EncoderDecoder(12, 7, 16, 2, positions=3), "positions must be a scheme"),
        (lambda m: DecoderBlock(16, 2, hidden=0), "hidden must be a whole number, 1 or more"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call(model())
