"""Maps of a whole model, in every form that people have them."""

from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from attention_core.live.layers import Layers, order, shared_out

torch.manual_seed(0)
MAPS = torch.randn(3, 2, 5, 5).softmax(-1)  # layers, heads, queries, keys
HF = tuple(layer[None] for layer in MAPS)
CACHE = {f"blocks.{i}.attn.hook_pattern": MAPS[i % 3][None] for i in range(12)}
CACHE |= {f"blocks.{i}.attn.hook_attn_scores": torch.randn(1, 2, 5, 5) for i in range(12)}
CACHE |= {"hook_embed": torch.randn(1, 5, 8)}


@pytest.mark.parametrize(
    "maps",
    [
        MAPS, MAPS[None], MAPS[:, None], [*MAPS], tuple(MAPS), HF, list(HF), MAPS.numpy(), MAPS.tolist(),
        [layer.numpy() for layer in HF], MAPS.double(), MAPS.clone().requires_grad_(),
        SimpleNamespace(attentions=HF), OrderedDict((f"layer {i}", HF[i]) for i in range(3)),
    ],
    ids=str.__class__.__name__.format,
)  # fmt: skip
def test_each_form_is_taken(maps):
    layers = Layers(maps)
    assert layers.shape == (3, 2, 5, 5)
    for i in range(3):
        for j in range(2):
            assert layers.of(i, j).dtype == torch.float32 and torch.allclose(layers.of(i, j), MAPS[i, j])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_made_whole_one_map_at_a_time(dtype):
    brought = MAPS.to(dtype)
    assert Layers(tuple(brought)).of(2, 1).equal(brought[2, 1].float())


def test_queries_need_not_be_as_many_as_keys():
    assert Layers(torch.rand(2, 3, 4, 7)).shape == (2, 3, 4, 7)


def test_layers_of_a_cache_go_by_their_numbers_and_scores_are_no_patterns():
    layers = Layers(CACHE)
    assert layers.shape == (12, 2, 5, 5)
    for i in range(12):  # 10 comes after 9, not after 1
        assert layers.of(i, 1).equal(MAPS[i % 3, 1])


def test_what_is_shown_is_a_copy_and_what_was_brought_is_none():
    brought = MAPS.clone()
    layers = Layers(brought)
    layers.of(0, 0).zero_()
    assert brought.equal(MAPS)
    brought[0, 0] = 0.5
    assert layers.of(0, 0).eq(0.5).all(), "kept, not copied: 12 × 12 maps of 512 words are 150 MB"


@pytest.mark.parametrize(
    "maps, said",
    [
        (torch.rand(8, 2, 5, 5, 1, 1), r"maps must be \(layers, heads, n_q, n_k\), got \(8, 2, 5, 5, 1, 1\)"),
        (torch.rand(3, 8, 2, 5, 5), r"got \(3, 8, 2, 5, 5\): pick one sequence, maps\[:, 0\]"),
        (torch.rand(2, 5, 5), r"got \(2, 5, 5\): of one layer, write \[maps\]"),
        ([torch.rand(8, 2, 5, 5)], r"8 sequences: show one, \[layer\[0\] for layer in maps\]"),
        ([torch.rand(5, 5)], r"maps\[0\] must be \(heads, n_q, n_k\), got \(5, 5\)"),
        (
            [torch.rand(2, 5, 5), torch.rand(2, 6, 6)],
            r"\(2, 5, 5\) in layer 0.*\(2, 6, 6\) in layer 1.*\[:1\]",
        ),
        ((None, None), "maps hold None, no numbers: a model of transformers"),
        (
            SimpleNamespace(attentions=None),
            "are a SimpleNamespace without maps: a model of transformers",
        ),
        (SimpleNamespace(cross_attentions=HF, decoder_attentions=HF), "show one, maps.decoder_attentions"),
        (
            ((HF[0], HF[1]), (HF[0], HF[1])),
            r"2 × 2 layers, as of a model that writes.*one step, maps\[0\]",
        ),
        ({"hook_embed": torch.rand(5, 8)}, "no layer is .* it holds 'hook_embed'"),
        ([], "maps hold no layer"),
        (torch.rand(0, 2, 5, 5), "maps hold no layer"),
        (torch.rand(2, 2, 0, 5), r"maps hold nothing: \(layers, heads, n_q, n_k\) is \(2, 2, 0, 5\)"),
        (
            torch.rand(40, 32, 2, 2),
            r"40 × 32 heads, and the most is 1024: show some .* maps\[:32\]",
        ),
        ("attention", "maps must be a tensor or an array of numbers, got str"),
        (MAPS.to("meta"), "on the device “meta”"),
        (MAPS * 1j, "complex"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_write(maps, said):
    with pytest.raises(ValueError, match=said):
        Layers(maps)


def test_layers_that_are_alike_can_be_shown_as_the_refusal_says():
    several = [torch.rand(2, 5, 5), torch.rand(2, 5, 5), torch.rand(2, 6, 6)]
    with pytest.raises(ValueError, match=r"maps\[:2\]"):
        Layers(several)
    assert Layers(several[:2]).shape == (2, 2, 5, 5)


# ---------------------------------------------------------------- at a glance


def colour(tiles: np.ndarray, row: int, column: int) -> list[int]:
    return (tiles[:, row, column] * 255).round().astype(int).tolist()


DARK, BRIGHT = [68, 1, 84], [253, 231, 37]  # the ends of viridis


def test_each_map_is_coloured_by_its_own_largest_weight():
    maps = torch.zeros(1, 2, 2, 2)
    maps[0, 0, 0, 1], maps[0, 1, 1, 0] = 1.0, 0.01
    tiles = Layers(maps).tiles()
    assert tiles.shape == (3, 48, 96) and tiles.dtype == np.float32
    assert colour(tiles, 5, 40) == BRIGHT and colour(tiles, 40, 5) == DARK
    assert colour(tiles, 40, 48 + 5) == BRIGHT and colour(tiles, 5, 48 + 40) == DARK


def test_of_more_weights_than_pixels_the_largest_is_seen():
    maps = torch.zeros(2, 1, 500, 500)
    maps[1, 0, 3, 499] = 0.2
    tiles = Layers(maps).tiles()
    assert tiles.shape == (3, 96, 48)
    assert colour(tiles, 48, 47) == BRIGHT and (tiles[:, :48] == tiles[:, :1, :1]).all()


@pytest.mark.parametrize("layers, heads", [(1, 1), (6, 12), (12, 12), (48, 20), (2, 512)])
def test_all_of_them_fit_into_one_picture(layers, heads):
    _, height, width = Layers(torch.rand(layers, heads, 3, 3)).tiles().shape
    assert height % layers == 0 and width % heads == 0 and max(height, width) <= 512


def test_numbers_that_are_none_leave_a_dark_place():
    maps = torch.eye(3).expand(1, 1, 3, 3).clone()
    maps[0, 0, 0, 2], maps[0, 0, 1, 2] = torch.nan, torch.inf
    tiles = Layers(maps).tiles()
    assert colour(tiles, 0, 47) == DARK and colour(tiles, 24, 47) == DARK and colour(tiles, 0, 0) == BRIGHT


# ---------------------------------------------------------------- sorted, shared out


def test_heads_are_sorted_and_what_has_no_score_is_left_out():
    scores = torch.tensor([[0.1, torch.nan], [0.9, 0.1]])
    assert order(scores) == [2, 0, 3] and order(None) == []


def test_a_row_is_shared_out_and_one_of_nothing_stays():
    x = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
    assert shared_out(x, torch.ones(2, 1)).tolist() == [[0.25, 0.75], [0, 0]]
