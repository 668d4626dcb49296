"""Many maps in one still picture: what is drawn, where, and with how little."""

import base64
import io
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from attention_core import causal_mask
from attention_core.live import AttentionHeatmap, mosaic, still
from attention_core.live.map import AttentionMap

PALETTE = np.frombuffer(still.palette(), np.uint8).reshape(256, 4)[:, :3].astype(int)
PALE = 0.75 * 255


def random_weights(*shape, seed=0):
    return (3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))).softmax(-1)


def pixels(figure):
    """The figure as matplotlib draws it, `(height, width, 3)`, in numbers from 0 to 255."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].astype(int)


def tile(image, where, head):
    """The pixels of one map."""
    x, y = where.corner(head)
    return image[y : y + where.height, x : x + where.width]


def centres(image, where, head, n_q, n_k):
    """The pixel in the middle of each cell of one map, `(n_q, n_k, 3)`."""
    rows = ((np.arange(n_q) + 0.5) * where.height / n_q).astype(int)
    columns = ((np.arange(n_k) + 0.5) * where.width / n_k).astype(int)
    return tile(image, where, head)[np.ix_(rows, columns)]


def of_palette(weights):
    return PALETTE[np.floor(np.asarray(weights) * 255.999).astype(int).clip(0, 255)]


def where_in(heatmap):
    heading = [part for part in (heatmap.title, heatmap.message) if part]
    return mosaic.tiles(heatmap.map, len(heading))


# ---------------------------------------------------------------- with how little


def test_a_model_of_144_maps_is_one_image_and_few_words():
    figure = AttentionHeatmap(random_weights(144, 64, 64)).figure()
    assert len(figure.axes) == 2  # all maps, and the scale: 145 would take half a minute
    assert len(figure.axes[0].images) == 1
    assert len(figure.axes[0].texts) <= 144 + 12 * 8 + 12 * 8 + 1
    assert len(figure.axes[0].collections) + len(figure.axes[0].patches) == 0


def test_no_number_of_heads_makes_more_names_than_can_be_drawn_in_a_moment():
    figure = AttentionHeatmap(random_weights(1000, 4, 4)).figure()
    names = [text for text in figure.axes[0].texts if text.get_text().startswith("head")]
    assert 20 < len(names) <= 1.2 * mosaic.MOST_CAPTIONS


def test_a_few_maps_are_drawn_as_ever():
    figure = AttentionHeatmap(random_weights(still.MANY - 1, 4, 4)).figure()
    assert len(figure.axes) == still.MANY
    assert len(AttentionHeatmap(random_weights(still.MANY, 4, 4)).figure().axes) == 2


# ---------------------------------------------------------------- colour


@pytest.mark.parametrize("per_row", [False, True])
@pytest.mark.parametrize(("heads", "n_q", "n_k"), [(144, 64, 64), (12, 10, 10), (10, 3, 7), (25, 40, 2)])
def test_each_cell_of_each_map_has_the_palettes_colour_of_its_weight(heads, n_q, n_k, per_row):
    weights = random_weights(heads, n_q, n_k)
    heatmap = AttentionHeatmap(weights, per_row=per_row, title="Title")
    image, where = pixels(heatmap.figure()), where_in(heatmap)
    shown = weights / weights.amax(-1, keepdim=True) if per_row else weights
    for head in {0, 1, heads // 2, heads - 1}:
        assert (centres(image, where, head, n_q, n_k) == of_palette(shown[head])).all()
    if not per_row:  # the colours of few maps and of many are the same
        few = AttentionHeatmap(weights[:1]).figure().axes[0].images[0]
        drawn = few.cmap(few.norm(few.get_array()), bytes=True)[..., :3].astype(int)
        assert np.abs(centres(image, where, 0, n_q, n_k) - drawn).max() <= 3


def test_the_map_fills_its_tile_to_the_last_pixel_and_nothing_else():
    heatmap = AttentionHeatmap(torch.full((12, 5, 5), 0.2))
    image, where = pixels(heatmap.figure()), where_in(heatmap)
    assert image.shape[1] == where.end()[0] + round(0.75 * mosaic.DPI)  # a pixel is a pixel
    for head in (0, 7, 11):
        assert (tile(image, where, head) == of_palette(0.2)).all()
        x, y = where.corner(head)
        assert (image[y : y + where.height, x + where.width] == 255).all()
        assert (image[y + where.height, x : x + where.width] == 255).all()


def near(image, colour, within):
    wanted = np.array(colors.to_rgb(colour)) * 255
    return (np.abs(image - wanted).max(-1) <= within).mean()


def test_forbidden_cells_are_hatched_and_not_merely_dark():
    allowed = causal_mask(8).repeat(12, 1, 1)
    allowed[5] = True
    heatmap = AttentionHeatmap(torch.zeros(12, 8, 8), allowed=allowed)
    image, where = pixels(heatmap.figure()), where_in(heatmap)
    height, width = where.height // 8, where.width // 8
    forbidden, zero = tile(image, where, 3)[:height, -width:], tile(image, where, 3)[-height:, :width]
    lines, ground = near(forbidden, "#8a9097", 1), near(forbidden, "white", 0)
    assert 0.1 < lines < 0.6 and lines + ground == 1
    assert (zero == PALETTE[0]).all()
    assert (tile(image, where, 5) == PALETTE[0]).all()  # each map has its own mask


def test_not_a_number_has_its_colour_in_the_stored_picture_too():
    weights = random_weights(12, 10, 10)
    weights[4, 2, 3] = math.nan
    heatmap = AttentionHeatmap(weights)
    where = where_in(heatmap)
    stored = base64.b64decode(heatmap._repr_mimebundle_()[0]["image/png"])
    for image in (
        pixels(heatmap.figure()),
        np.array(Image.open(io.BytesIO(stored)).convert("RGB")).astype(int),
    ):
        cells = centres(image, where, 4, 10, 10)
        assert (cells[2, 3] == still.rgb(still.NOT_A_NUMBER)).all()
        cells[2, 3] = 0
        wanted = of_palette(weights[4].nan_to_num())
        wanted[2, 3] = 0
        assert np.abs(cells - wanted).max() <= 4
        assert (image[1, -2] == 255).all()  # the ground stays white


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("weight", "shade"), [(math.inf, 255), (-math.inf, 0), (-1.0, 0), (1.7, 255)])
def test_what_is_no_share_is_drawn_at_the_end_of_the_scale(weight, shade):
    heatmap = AttentionHeatmap(torch.full((12, 2, 2), weight))
    image = pixels(heatmap.figure())
    assert (tile(image, where_in(heatmap), 1) == PALETTE[shade]).all()


def test_blank_cells_are_empty():
    blank = torch.zeros(12, 2, 2, dtype=torch.bool)
    blank[:, 0, 1] = True
    heatmap = AttentionHeatmap(random_weights(12, 2, 2), allowed=causal_mask(2), blank=blank)
    image, where = pixels(heatmap.figure()), where_in(heatmap)
    assert (centres(image, where, 3, 2, 2)[0, 1] == 255).all()
    assert (centres(image, where, 3, 2, 2)[1, 0] != 255).any()


def test_heads_that_are_faded_are_pale():
    weights = random_weights(12, 6, 6)
    heatmap = AttentionHeatmap(weights, faded=[2, 50])
    image, where = pixels(heatmap.figure()), where_in(heatmap)
    wanted = 0.25 * of_palette(weights[2]) + PALE
    assert np.abs(centres(image, where, 2, 6, 6) - wanted).max() <= 1
    assert (centres(image, where, 3, 6, 6) == of_palette(weights[3])).all()


def test_pinned_rows_are_framed_in_every_map_and_rows_that_are_gone_are_not():
    heatmap = AttentionHeatmap(random_weights(12, 6, 6))
    heatmap.pinned = [4, 9]
    figure, where = heatmap.figure(), where_in(heatmap)
    [frames] = figure.axes[0].collections
    boxes = [path.get_extents() for path in frames.get_paths()]
    assert len(boxes) == 12
    image = pixels(figure)
    for head in (0, 6, 11):
        x, y = where.corner(head)
        cell = where.height / 6
        assert boxes[head].extents == pytest.approx((x, y + 4 * cell, x + where.width, y + 5 * cell))
        assert near(image[round(y + 4 * cell) - 1 : round(y + 4 * cell) + 1, x + 9], still.PIN, 60) > 0
    heatmap.pinned = [9]
    assert not heatmap.figure().axes[0].collections


# ---------------------------------------------------------------- words


def words_of(heatmap):
    return [(text.get_text(), text.get_position()) for text in heatmap.figure().axes[0].texts]


def test_words_captions_and_names_stand_where_they_belong():
    heads = [f"layer {i // 4}, head {i % 4}" for i in range(12)]
    heatmap = AttentionHeatmap(
        random_weights(12, 3, 2), ["a", "b", "c"], ["$x$", "y\n"], heads=heads, title="Title", message="Look:"
    )
    figure, where = heatmap.figure(), where_in(heatmap)
    words = words_of(heatmap)
    assert not any(text.get_parse_math() for text in figure.axes[0].texts)
    for head, name in enumerate(heads):
        x, y = where.corner(head)
        [(at_x, at_y)] = [at for text, at in words if text == name]
        assert at_x == x and y - where.pitch[1] < at_y < y
    for row, label in enumerate("abc"):  # at the left of each row of maps
        places = [at for text, at in words if text == label]
        assert [y for _, y in places] == pytest.approx(
            [where.corner(h)[1] + (row + 0.5) * where.height / 3 for h in (0, 4, 8)]
        )
        assert all(x < where.left for x, _ in places)
    for column, label in enumerate(("$x$", "y·")):  # above the first row
        places = [at for text, at in words if text == label]
        assert [x for x, _ in places] == pytest.approx(
            [where.corner(h)[0] + (column + 0.5) * where.width / 2 for h in range(4)]
        )
        assert all(y < where.top for _, y in places)
    assert figure.get_supxlabel() == "Each row is one query; its weights sum to 1."
    assert figure.get_suptitle() == "Title\nLook:"
    bars = [AttentionHeatmap(random_weights(12, 3, 3), per_row=p).figure().axes[1] for p in (False, True)]
    assert [bar.get_ylabel() for bar in bars] == ["weight", "share of the row’s largest"]
    assert bars[0].get_ylim() == (0, 1)


@pytest.mark.parametrize("name", ["h{}", "layer {}, head 11", "a very long name of a head, the {}th"])
@pytest.mark.parametrize("heads", [12, 48, 144])
def test_names_are_thinned_until_none_overlaps_another(heads, name):
    heatmap = AttentionHeatmap(random_weights(heads, 8, 8), heads=[name.format(h) for h in range(heads)])
    figure = heatmap.figure()
    FigureCanvasAgg(figure).draw()
    start = name.split("{")[0][:5]
    boxes = [
        text.get_window_extent()
        for text in figure.axes[0].texts
        if text.get_text().startswith(start) and text.get_rotation() == 0
    ]
    boxes = sorted((round(box.y0), box.x0, box.x1) for box in boxes)
    assert len(boxes) >= heads / 4
    for (y, _, end), (next_y, start, _) in pairwise(boxes):
        assert y != next_y or end < start + 2


@pytest.mark.parametrize("heads", [12, 144])
@pytest.mark.parametrize("labels", ["word{}", "{}", "a long word {}", "猫{}猫猫"])
def test_words_are_inside_the_picture_and_do_not_touch_the_names(heads, labels):
    n = 64
    heatmap = AttentionHeatmap(random_weights(heads, n, n), [labels.format(i) for i in range(n)])
    figure, where = heatmap.figure(), where_in(heatmap)
    canvas = FigureCanvasAgg(figure)
    with still._quiet():
        canvas.draw()
        texts = [(text, text.get_window_extent()) for text in figure.axes[0].texts]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for _, box in texts)
    words = [box for text, box in texts if text.get_rotation() == still.SLANT]
    names = [box for text, box in texts if text.get_text().startswith("head")]
    above = [box for box in names if box.y0 > figure.bbox.height - where.top]
    assert len(words) >= 2 * where.across and len(above) >= 4
    assert max(box.y1 for box in words) <= min(box.y0 for box in above) + 3
    rows = sorted(
        box.y0
        for text, box in texts
        if text.get_ha() == "right" and box.y0 > figure.bbox.height - where.top - where.height
    )
    assert min(b - a for a, b in pairwise(rows)) > 0.9 * mosaic.LINE * mosaic.DPI


# ---------------------------------------------------------------- size


@pytest.mark.parametrize(
    ("heads", "across"), [(12, 4), (16, 4), (24, 6), (72, 12), (96, 12), (144, 12), (13, 4)]
)
def test_each_layer_of_a_model_begins_a_row(heads, across):
    assert mosaic.tiles(AttentionMap(torch.zeros(heads, 2, 2)), 0).across == across


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "shape",
    [
        (10, 1, 1), (11, 1, 40), (12, 40, 1), (13, 300, 2), (144, 64, 64), (400, 5, 5), (2000, 2, 3),
        (12, 512, 512),
    ],
)  # fmt: skip
def test_every_shape_has_a_picture_that_is_not_wider_than_the_page(shape):
    weights = random_weights(*shape)
    heatmap = AttentionHeatmap(weights, ["a" * 30] * shape[1], ["b" * 30] * shape[2], show_sums=True)
    _, metadata = heatmap._repr_mimebundle_()
    size = metadata["image/png"]
    assert 300 < size["width"] <= 100 * mosaic.PAGE + 1 and 100 < size["height"] < 3000
    where = where_in(heatmap)
    corners = {where.corner(head) for head in range(shape[0])}
    assert len(corners) == shape[0] and where.pitch[0] > where.width and where.pitch[1] > where.height


def test_it_is_saved_as_svg_too(tmp_path):
    AttentionHeatmap(random_weights(12, 4, 4), ["<b>", "&", "$x$", ""]).save(tmp_path / "many.svg")
    assert "<image" in (tmp_path / "many.svg").read_text("utf-8")


def test_all_colours_fit_in_one_palette():
    assert len(mosaic.colours()) <= 256
