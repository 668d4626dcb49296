"""The live heatmap's Python side, and its still twin, down to the pixels."""

import base64
import io
import json
import math

import numpy as np
import pytest
import torch
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colors, pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from attention_core import causal_mask
from attention_core.live import AttentionHeatmap, SelfAttentionExplorer, still
from attention_core.live.linked import PAGE, linked

VIEW = "application/vnd.jupyter.widget-view+json"
WEIGHTS = torch.tensor([[0.25, 0.75], [1.0, 0.0]])


def random_weights(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).softmax(-1)


def frame_of(heatmap):
    """What the browser is sent, its bytes read as it reads them."""
    frame = dict(heatmap._frame)
    for name, kind in (("weights", np.float32), ("scores", np.float32), ("allowed", np.uint8)):
        if frame[name] is not None:
            frame[name] = np.frombuffer(frame[name], kind).reshape(frame["shape"])
    return frame


def pixels(figure):
    """The figure as matplotlib draws it, `(height, width, 3)`, in numbers from 0 to 255."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def cell_pixels(heatmap, row, column, inner=0.9, head=0):
    """The pixels of one cell of the still picture, without its rim."""
    figure = heatmap.figure()
    image = pixels(figure)
    ax = figure.axes[head]
    half = inner / 2
    corners = [(column - half, row - half), (column + half, row + half)]
    (x0, y0), (x1, y1) = ax.transData.transform(corners)
    height = image.shape[0]
    return image[height - round(max(y0, y1)) : height - round(min(y0, y1)), round(x0) : round(x1)]


def near(image, colour, within=12):
    """The share of pixels that have this colour."""
    wanted = np.array(colors.to_rgb(colour)) * 255
    return (np.abs(image.astype(float) - wanted).max(-1) <= within).mean()


# ---------------------------------------------------------------- what is shown


def test_a_learned_map_tells_no_weight_in_its_repr():
    trained = AttentionHeatmap(torch.full((2, 3, 4), 0.25), learned=True)
    assert repr(trained) == "AttentionHeatmap(3 queries × 4 keys, 2 heads, learned)"
    trained.weights = None
    assert repr(trained) == "AttentionHeatmap(nothing to show)"


def test_it_keeps_the_weights_in_float32_and_its_own_copy():
    assert AttentionHeatmap(WEIGHTS.double()).weights.dtype == torch.float32
    given_, array, allowed = WEIGHTS.clone(), WEIGHTS.clone().numpy(), causal_mask(2)
    heatmap = AttentionHeatmap(given_, scores=array, allowed=allowed)
    for mine in (given_, array, allowed):
        mine[:] = 0  # what the reader sees must not change behind the widget's back
    assert torch.equal(heatmap.weights, WEIGHTS) and torch.equal(heatmap.scores, WEIGHTS)
    assert torch.equal(heatmap.allowed, causal_mask(2))


@pytest.mark.parametrize(
    "make", [WEIGHTS.numpy, WEIGHTS.tolist, WEIGHTS.half, lambda: WEIGHTS.clone().requires_grad_()]
)
def test_anything_made_of_numbers_is_shown(make):
    assert torch.equal(AttentionHeatmap(make()).weights, WEIGHTS)


def test_setting_weights_repaints():
    heatmap = AttentionHeatmap(WEIGHTS, ["a", "b"])
    frames = []
    heatmap.observe(lambda change: frames.append(change.new), "_frame")
    heatmap.weights = WEIGHTS.flip(0)
    assert torch.equal(heatmap.weights, WEIGHTS.flip(0))
    assert len(frames) == 1  # one message, so that the page paints once
    assert frame_of(heatmap)["weights"].tolist() == [WEIGHTS.flip(0).tolist()]
    assert heatmap.query_labels == ["a", "b"]
    heatmap.weights = None
    assert heatmap.weights is None and heatmap._frame == {}
    heatmap.weights = WEIGHTS
    assert torch.equal(heatmap.weights, WEIGHTS)


def test_the_browser_gets_everything_it_draws():
    scores, allowed = torch.arange(6.0).reshape(2, 3), torch.tensor([[True, False, True]])
    query, key = torch.ones(2, 4), torch.ones(3, 4) * 2
    heatmap = AttentionHeatmap(
        random_weights(2, 3), ["a", "b"], ["x", "y", "z"], scores=scores, allowed=allowed,
        steps=[("÷ 2", 0.5)], terms=(["p", "q", "r", "s"], query, key), title="Title", show_sums=True,
    )  # fmt: skip
    frame = frame_of(heatmap)
    assert frame["shape"] == [1, 2, 3]
    assert torch.equal(torch.tensor(frame["weights"][0]), heatmap.weights)
    assert frame["scores"].tolist() == [scores.tolist()]
    assert frame["allowed"].tolist() == [[[1, 0, 1], [1, 0, 1]]]
    assert (frame["queries"], frame["keys"], frame["heads"]) == (["a", "b"], ["x", "y", "z"], ["head 0"])
    assert frame["steps"] == [["÷ 2", 0.5]]
    assert frame["terms"]["names"] == ["p", "q", "r", "s"]
    assert np.frombuffer(frame["terms"]["query"], np.float32).tolist() == [1.0] * 8
    assert np.frombuffer(frame["terms"]["key"], np.float32).tolist() == [2.0] * 12
    assert (heatmap.title, heatmap.message, heatmap.per_row, heatmap.show_sums) == ("Title", "", False, True)


def test_labels_are_numbers_unless_given_and_square_maps_share_them():
    assert AttentionHeatmap(WEIGHTS).query_labels == ["0", "1"]
    assert AttentionHeatmap(WEIGHTS, ["a", "b"]).key_labels == ["a", "b"]
    assert AttentionHeatmap(random_weights(2, 3), ["a", "b"]).key_labels == ["0", "1", "2"]
    assert AttentionHeatmap(WEIGHTS, keys=["x", "y"]).query_labels == ["0", "1"]
    assert AttentionHeatmap(WEIGHTS, [1, 2.5]).query_labels == ["1", "2.5"]
    three = AttentionHeatmap(random_weights(3, 2, 2), heads=["a", "b", "c"])
    assert three.head_labels == ["a", "b", "c"]
    assert AttentionHeatmap(random_weights(3, 2, 2)).head_labels == ["head 0", "head 1", "head 2"]


def test_labels_and_mask_stay_but_scores_go_with_their_weights():
    heatmap = AttentionHeatmap(
        WEIGHTS, ["a", "b"], scores=WEIGHTS, allowed=causal_mask(2), steps=[("÷ 2", 0.5)]
    )
    heatmap.weights = WEIGHTS.flip(0)
    assert heatmap.query_labels == ["a", "b"] and torch.equal(heatmap.allowed, causal_mask(2))
    assert heatmap.scores is None and heatmap._frame["steps"] == []
    heatmap.update(WEIGHTS, allowed=None, queries=["c", "d"], scores=WEIGHTS)
    assert heatmap.allowed is None and heatmap.query_labels == ["c", "d"]
    assert torch.equal(heatmap.scores, WEIGHTS)


def test_a_mask_of_one_head_is_every_heads():
    heatmap = AttentionHeatmap(random_weights(3, 2, 2), allowed=causal_mask(2))
    assert heatmap.allowed.shape == (3, 2, 2)
    assert (heatmap.allowed == causal_mask(2)).all()


def test_pinned_is_a_trait_of_one_or_two_rows():
    heatmap = AttentionHeatmap(WEIGHTS)
    assert heatmap.pinned == []
    heatmap.pinned = [1, 0]
    assert heatmap.pinned == [1, 0]
    for value in ([0, 1, 2], [-1], ["a"], 1):
        with pytest.raises(traitlets.TraitError):
            heatmap.pinned = value
    assert heatmap.pinned == [1, 0]
    assert "pinned" in heatmap.keys and "_frame" in heatmap.keys  # what the page shares


def test_large_maps_are_accepted():
    heatmap = AttentionHeatmap(random_weights(8, 512, 512))
    assert heatmap._frame["shape"] == [8, 512, 512] and len(heatmap._frame["weights"]) == 4 * 8 * 512 * 512
    figure = heatmap.figure()
    assert len(figure.axes) == 9  # eight heads and the scale
    assert max(figure.get_size_inches()) < 15
    assert repr(heatmap).startswith("AttentionHeatmap(512 queries × 512 keys, 8 heads, row sums 1.00")


@pytest.mark.parametrize("shape", [(512, 512), (30, 30), (13, 13), (4, 512, 512), (4, 24, 24), (2, 11, 11)])
def test_labels_are_thinned_until_none_overlaps_another(shape):
    figure = AttentionHeatmap(random_weights(*shape)).figure()
    FigureCanvasAgg(figure).draw()
    ax = figure.axes[0]
    box, per_inch = ax.get_window_extent(), figure.dpi
    for ticks, length, lean in (
        (ax.get_yticklabels(), box.height, 1.0),
        (ax.get_xticklabels(), box.width, math.sin(math.radians(still.SLANT))),
    ):
        pitch = length / shape[-1] * (int(ticks[1].get_text()) - int(ticks[0].get_text())) * lean
        assert pitch >= 0.85 * ticks[0].get_fontsize() / 72 * per_inch  # letters are lower than their line
        assert len(ticks) > 4


# ---------------------------------------------------------------- what is refused


REFUSED = {
    "one dimension": (
        dict(weights=torch.ones(3)),
        "weights must be (n_q, n_k) or (heads, n_q, n_k), got (3,)",
    ),
    "a batch": (
        dict(weights=torch.ones(4, 2, 3, 3)),
        "weights must be (n_q, n_k) or (heads, n_q, n_k), got (4, 2, 3, 3): pick one sequence or layer, "
        "weights[0], or show all at once, weights.reshape(-1, 3, 3)",
    ),
    "no heads": (dict(weights=torch.ones(0, 2, 2)), "weights have no head to show: the shape is (0, 2, 2)"),
    "words": (dict(weights="words"), "weights must be a tensor or an array of numbers, got str"),
    "ragged": (
        dict(weights=[[1, 2], [3]]),
        "weights must be a tensor or an array of numbers, got list: its rows have 2 and 1 numbers",
    ),
    "scores": (
        dict(weights=WEIGHTS, scores=torch.ones(2, 3)),
        "scores have shape (2, 3) but weights (2, 2)",
    ),
    "scores of words": (
        dict(weights=WEIGHTS, scores="words"),
        "scores must be a tensor or an array of numbers, got str",
    ),
    "a mask of numbers": (
        dict(weights=WEIGHTS, allowed=torch.ones(2, 2)),
        "allowed must be boolean (True means may look), got torch.float32",
    ),
    "a mask": (
        dict(weights=WEIGHTS, allowed=torch.ones(3, 2).bool()),
        "allowed has shape (3, 2), which does not fit weights (2, 2)",
    ),
    "queries": (dict(weights=WEIGHTS, queries=["a"]), "weights have 2 rows but queries has 1 labels"),
    "keys": (dict(weights=WEIGHTS, keys=list("abc")), "weights have 2 columns but keys has 3 labels"),
    "heads": (dict(weights=WEIGHTS, heads=list("ab")), "weights have 1 heads but heads has 2 labels"),
    "terms": (
        dict(weights=WEIGHTS, terms=(["a"], torch.ones(2, 1), torch.ones(2, 2))),
        "terms need query (2, 1) and key (2, 1), got (2, 1) and (2, 2)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_in_words_and_what_was_shown_stays(name):
    content, message = REFUSED[name]
    with pytest.raises(ValueError) as refusal:
        AttentionHeatmap(**content)
    assert str(refusal.value) == message
    heatmap = AttentionHeatmap(
        WEIGHTS, ["old", "labels"], scores=WEIGHTS, allowed=causal_mask(2), steps=[("÷ 2", 0.5)]
    )
    before, frame = repr(heatmap), heatmap._frame
    with pytest.raises(ValueError) as refusal:
        heatmap.update(**content)
    assert str(refusal.value) == message
    assert heatmap._frame is frame and repr(heatmap) == before
    assert torch.equal(heatmap.weights, WEIGHTS) and torch.equal(heatmap.scores, WEIGHTS)
    assert heatmap.query_labels == ["old", "labels"] and torch.equal(heatmap.allowed, causal_mask(2))


def test_new_weights_that_the_old_labels_do_not_fit_are_refused():
    heatmap = AttentionHeatmap(WEIGHTS, ["a", "b"])
    with pytest.raises(ValueError, match="weights have 3 rows but queries has 2 labels"):
        heatmap.weights = random_weights(3, 3)
    assert torch.equal(heatmap.weights, WEIGHTS)
    heatmap.update(random_weights(3, 3), queries=None)
    assert heatmap.query_labels == ["0", "1", "2"]


def test_an_unknown_argument_is_refused_by_name():
    heatmap = AttentionHeatmap(WEIGHTS)
    with pytest.raises(TypeError, match=r"update.. has no argument colour, labels"):
        heatmap.update(WEIGHTS, labels=["a", "b"], colour=1)


# ---------------------------------------------------------------- the line of facts


@pytest.mark.parametrize(
    ("heatmap", "expected"),
    [
        (lambda: AttentionHeatmap(None), "nothing to show"),
        (lambda: AttentionHeatmap(None, message="Wait.\n  Soon."), "nothing to show: Wait. Soon."),
        (lambda: AttentionHeatmap(torch.ones(0, 3)), "nothing to show"),
        (
            lambda: AttentionHeatmap(WEIGHTS, ["a", "b"], ["x", "y"]),
            "2 queries × 2 keys, row sums 1.00, largest 1.00: “b” → “x”",
        ),
        (
            lambda: AttentionHeatmap(torch.tensor([[0.0, 0.0], [0.5, 0.5]])),
            "2 queries × 2 keys, row sums 0.00 to 1.00, largest 0.50: “1” → “0”",
        ),
        (
            lambda: AttentionHeatmap(torch.stack((WEIGHTS / 2, WEIGHTS)), heads=["h", "i"]),
            "2 queries × 2 keys, 2 heads, row sums 0.50 to 1.00, largest 1.00: “1” → “0” in i",
        ),
        (
            lambda: AttentionHeatmap(torch.tensor([[math.nan, 0.5]])),
            "1 query × 2 keys, row sums nan, largest 0.50: “0” → “1”",
        ),
    ],
)
def test_repr_is_one_line_of_facts(heatmap, expected):
    assert repr(heatmap()) == f"AttentionHeatmap({expected})"


def test_a_tie_goes_to_the_first_cell_whatever_the_last_bits_say():
    first, second = torch.tensor([[0.5, 0.50001]]), torch.tensor([[0.50001, 0.5]])
    assert repr(AttentionHeatmap(first)) == repr(AttentionHeatmap(second))
    assert "“0” → “0”" in repr(AttentionHeatmap(first))


@settings(max_examples=50, deadline=None)
@given(n_q=st.integers(1, 5), n_k=st.integers(1, 5), heads=st.integers(1, 3), labels=st.data())
def test_repr_is_always_one_line_and_the_same_for_the_same(n_q, n_k, heads, labels):
    words = [
        labels.draw(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))) for _ in range(n_q)
    ]
    heatmaps = [AttentionHeatmap(random_weights(heads, n_q, n_k), words) for _ in range(2)]
    assert repr(heatmaps[0]) == repr(heatmaps[1])
    assert len(repr(heatmaps[0]).splitlines()) == 1


# ---------------------------------------------------------------- the mimebundle and the files


def test_the_bundle_has_text_a_real_picture_and_the_live_view():
    heatmap = AttentionHeatmap(WEIGHTS, ["a", "b"], title="Title")
    data, metadata = heatmap._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png", VIEW}
    assert data["text/plain"] == repr(heatmap)
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"], validate=True)))
    image.load()
    assert image.format == "PNG" and min(image.size) > 200
    size = metadata["image/png"]  # shown smaller than it is, for sharp text
    assert size["width"] * still.PIXELS == pytest.approx(image.width, abs=2)
    assert size["height"] * still.PIXELS == pytest.approx(image.height, abs=2)
    assert data[VIEW] == {"version_major": 2, "version_minor": 0, "model_id": heatmap.model_id}
    json.dumps(data)


def test_the_picture_is_of_what_is_shown_now():
    heatmap = AttentionHeatmap(WEIGHTS)
    first = heatmap._repr_mimebundle_()[0]["image/png"]
    assert heatmap._repr_mimebundle_()[0]["image/png"] == first
    heatmap.weights = WEIGHTS.flip(0)
    assert heatmap._repr_mimebundle_()[0]["image/png"] != first


def test_nothing_is_drawn_on_the_path_of_a_slider_move(monkeypatch):
    heatmap = AttentionHeatmap(WEIGHTS)
    monkeypatch.setattr(still, "heatmap_figure", lambda *_, **__: pytest.fail("a picture was made"))
    heatmap.weights = WEIGHTS.flip(0)
    heatmap.pinned = [0]
    repr(heatmap)


def test_the_picture_is_small_enough_to_be_stored():
    heatmap = AttentionHeatmap(random_weights(12, 12), [f"word{i}" for i in range(12)])
    assert len(heatmap._repr_mimebundle_()[0]["image/png"]) < 80_000


def test_figures_are_unknown_to_pyplot():
    before = pyplot.get_fignums()
    figure = AttentionHeatmap(WEIGHTS).figure()
    assert type(figure) is Figure
    assert pyplot.get_fignums() == before


def test_saving_writes_a_png_or_an_svg(tmp_path):
    heatmap = AttentionHeatmap(WEIGHTS, ["<b>&", "$x$"], title="Title")
    heatmap.save(tmp_path / "map.png")
    assert Image.open(tmp_path / "map.png").format == "PNG"
    heatmap.save(str(tmp_path / "map.SVG"))
    svg = (tmp_path / "map.SVG").read_text("utf-8")
    assert svg.startswith("<?xml") and "</svg>" in svg
    heatmap.save(tmp_path / "again.svg")
    for name in ("map.jpg", "map", "map.pdf"):
        with pytest.raises(ValueError) as refusal:
            heatmap.save(tmp_path / name)
        assert str(refusal.value) == f"a picture is saved as .png or .svg, not as {name!r}"
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_the_pages_buttons_get_the_file_they_ask_for(kind, start, monkeypatch):
    heatmap, sent = AttentionHeatmap(WEIGHTS), []
    monkeypatch.setattr(heatmap, "send", lambda content, buffers: sent.append((content, buffers)))
    heatmap._handle_custom_msg({"save": kind}, [])
    [(content, [file])] = sent
    assert content == {"save": kind, "type": {"png": "image/png", "svg": "image/svg+xml"}[kind]}
    assert bytes(file).startswith(start)
    heatmap._handle_custom_msg({"save": "exe"}, [])
    heatmap._handle_custom_msg({}, [])
    assert len(sent) == 1


def test_its_own_script_and_style_come_along():
    heatmap = AttentionHeatmap(WEIGHTS)
    assert heatmap._esm == linked("heatmap.js")
    sheets = ("explorer.css", "heatmap.css", "strip.css", "deck.css")
    assert heatmap._css == "".join((PAGE / name).read_text("utf-8") for name in sheets)


@pytest.mark.parametrize("name", sorted(path.name for path in PAGE.glob("*.[jc]s*")))
def test_no_script_or_style_asks_another_host(name):
    text = (PAGE / name).read_text("utf-8")
    addresses = {word for word in text.replace('"', " ").replace("'", " ").split() if "://" in word}
    assert addresses <= {"http://www.w3.org/2000/svg"}  # a name of a namespace, never fetched
    assert "@import" not in text and "innerHTML" not in text


# ---------------------------------------------------------------- colour


def test_the_palette_is_matplotlibs_viridis_in_the_browser_too():
    sent = np.frombuffer(AttentionHeatmap(WEIGHTS)._palette, np.uint8).reshape(256, 4)[:, :3]
    drawn = still.colours()(np.arange(256), bytes=True)[:, :3]
    assert np.abs(sent.astype(int) - drawn).max() <= 1
    assert still.colours().name == "viridis"


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.37, 0.62, 1.0])
def test_a_cell_has_the_palettes_colour_of_its_weight(weight):
    heatmap = AttentionHeatmap(torch.tensor([[weight, 1 - weight]]))
    sent = np.frombuffer(heatmap._palette, np.uint8).reshape(256, 4)[:, :3]
    expected = sent[still.shade(weight)]
    colour = np.median(cell_pixels(heatmap, 0, 0).reshape(-1, 3), axis=0)
    assert np.abs(colour - expected).max() <= 3


def test_the_scale_is_fixed_unless_each_row_has_its_own():
    weights = torch.tensor([[0.2, 0.1], [0.9, 0.1]])

    def colour(row, per_row):
        drawn = cell_pixels(AttentionHeatmap(weights, per_row=per_row), row, 0)
        return np.median(drawn.reshape(-1, 3), axis=0) / 255

    fixed, own = still.colours()(0.2)[:3], still.colours()(1.0)[:3]
    assert np.abs(colour(0, per_row=False) - fixed).max() < 0.02
    assert np.abs(colour(0, per_row=True) - own).max() < 0.02
    assert np.abs(colour(1, per_row=True) - own).max() < 0.02
    bars = [AttentionHeatmap(weights, per_row=p).figure().axes[-1].get_ylabel() for p in (False, True)]
    assert bars == ["weight", "share of the row’s largest"]


def test_a_row_of_zeros_on_its_own_scale_stays_dark():
    drawn = cell_pixels(AttentionHeatmap(torch.tensor([[0.0, 0.0], [0.5, 0.5]]), per_row=True), 0, 0)
    assert near(drawn, still.colours()(0.0)) > 0.9


def test_forbidden_cells_are_hatched_and_not_merely_dark():
    allowed = torch.tensor([[True, False], [True, True]])
    heatmap = AttentionHeatmap(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), allowed=allowed)
    forbidden, zero = cell_pixels(heatmap, 0, 1), cell_pixels(heatmap, 1, 1)
    lines, ground = near(forbidden, "#8a9097", 40), near(forbidden, "white", 20)
    assert 0.02 < lines < 0.6 and ground > 0.3 and lines + ground > 0.6
    assert near(forbidden, still.colours()(0.0)) == 0
    assert near(zero, still.colours()(0.0)) > 0.9
    unmasked = AttentionHeatmap(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    assert near(cell_pixels(unmasked, 0, 1), still.colours()(0.0)) > 0.9


def test_not_a_number_has_a_colour_that_the_map_does_not_contain():
    heatmap = AttentionHeatmap(torch.tensor([[math.nan, 0.5], [0.5, 0.5]]))
    drawn = cell_pixels(heatmap, 0, 0)
    assert near(drawn, still.NOT_A_NUMBER) > 0.5
    distance = np.abs(still.colours()(np.linspace(0, 1, 256))[:, :3] - colors.to_rgb(still.NOT_A_NUMBER))
    assert distance.max(-1).min() > 0.1
    assert near(cell_pixels(heatmap, 1, 0), still.NOT_A_NUMBER) == 0
    for per_row in (False, True):
        heatmap.per_row = per_row
        heatmap._repr_mimebundle_()


@pytest.mark.filterwarnings("error")
def test_nothing_but_nan_and_infinities_are_drawn_without_a_warning():
    for value in (math.nan, math.inf, -1.0):
        for per_row in (False, True):
            AttentionHeatmap(torch.full((2, 2), value), per_row=per_row, show_sums=True)._repr_mimebundle_()


# ---------------------------------------------------------------- words and numbers in the picture


def texts(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize(
    ("weight", "shown"),
    [
        (0.0, ""), (0.004, ""), (0.0051, ".01"), (0.07, ".07"), (0.5, ".50"), (0.994, ".99"), (0.995, "1.0"),
        (1.0, "1.0"), (1.005, "1.0"), (1.2, "1.2"), (-0.5, "−0.5"), (12.34, "12.3"), (math.nan, "NaN"),
    ],
)  # fmt: skip
def test_a_number_is_as_short_as_it_can_be_without_lying(weight, shown):
    assert still.number(weight) == shown


def test_numbers_stand_in_the_cells_where_they_fit():
    weights = torch.tensor([[0.07, 0.93], [0.0, 1.0]])
    allowed = torch.tensor([[True, True], [False, True]])
    assert texts(AttentionHeatmap(weights).figure().axes[0]) == [".07", ".93", "", "1.0"]
    assert texts(AttentionHeatmap(weights, allowed=allowed).figure().axes[0]) == [".07", ".93", "1.0"]
    assert texts(AttentionHeatmap(random_weights(30, 30)).figure().axes[0]) == []


def test_numbers_can_be_read_on_their_colour():
    heatmap = AttentionHeatmap(torch.tensor([[0.9, 0.1]]))
    assert [text.get_color() for text in heatmap.figure().axes[0].texts] == ["k", "w"]
    heatmap = AttentionHeatmap(torch.tensor([[0.2, 0.01]]), per_row=True)
    assert [text.get_color() for text in heatmap.figure().axes[0].texts] == ["k", "w"]


def test_sums_stand_beside_rows_and_below_columns():
    heatmap = AttentionHeatmap(WEIGHTS, show_sums=True)
    assert texts(heatmap.figure().axes[0])[4:] == ["1.00", "1.00", "1.25", "0.75"]
    heatmap.show_sums = False
    assert len(texts(heatmap.figure().axes[0])) == 4


def test_a_blank_cell_is_neither_hatched_nor_a_colour_and_has_no_sum():
    blank = torch.tensor([[False, False, True], [True, True, True], [False, True, True]])
    allowed = torch.tensor([[True, False, True]] * 3)
    heatmap = AttentionHeatmap(torch.zeros(3, 3), allowed=allowed, blank=blank, show_sums=True)
    assert near(cell_pixels(heatmap, 0, 0, 0.5), still.colours()(0.0)[:3]) > 0.9
    assert 0.5 < near(cell_pixels(heatmap, 0, 1, 0.5), "w") < 0.99
    assert near(cell_pixels(heatmap, 0, 2, 0.5), "w") == near(cell_pixels(heatmap, 1, 1, 0.5), "w") == 1
    assert [text for text in texts(heatmap.figure().axes[0]) if text] == ["0.00"] * 4  # two rows, two columns
    heatmap.update(torch.ones(3, 3) / 3)
    assert heatmap.map.blank is None and heatmap.allowed is not None


def test_a_part_is_outlined_and_all_else_is_paler_in_the_picture_too():
    weights = torch.full((4, 6), 0.5)
    heatmap, plain = AttentionHeatmap(weights, outlined=((1, 3), (2, 6))), AttentionHeatmap(weights)
    look = lambda shown, row, column: np.median(cell_pixels(shown, row, column, 0.8), (0, 1))  # noqa: E731
    usual = look(plain, 1, 3)
    assert np.abs(look(heatmap, 1, 3) - usual).max() < 3
    for row, column in ((0, 3), (3, 3), (1, 1), (0, 0)):
        assert np.abs(look(heatmap, row, column) - (255 + usual) / 2).max() < 3, (row, column)
    frame = heatmap.figure().axes[0].patches[-1]
    assert (frame.get_xy(), frame.get_width(), frame.get_height()) == ((1.5, 0.5), 4, 2)
    heatmap.outlined = [[2, 99], [0, 1]]  # it ends where the map does
    assert heatmap.figure().axes[0].patches[-1].get_height() == 2
    for nothing in ((), ((2, 2), (0, 1)), ((9, 12), (0, 1))):
        heatmap.outlined = nothing
        assert not heatmap.figure().axes[0].patches


@pytest.mark.parametrize(
    "part", [(1, 2), ((0, 1),), ((0, 1), (2, 1)), ((-1, 1), (0, 1)), ("ab", "cd"), (("a", 1), (0, 1))]
)
def test_a_part_that_cannot_be_is_refused(part):
    heatmap = AttentionHeatmap(WEIGHTS, outlined=((0, 1), (0, 2)))
    with pytest.raises(traitlets.TraitError, match=r"outlined must be \(\(first row, end\), "):
        heatmap.outlined = part
    assert heatmap.outlined == ((0, 1), (0, 2))


def test_heads_that_are_faded_are_pale_in_the_picture_too():
    heatmap = AttentionHeatmap(torch.full((2, 3, 3), 1 / 3), faded=[1])
    shown, faded = (cell_pixels(heatmap, 1, 1, head=head).mean() for head in (0, 1))
    assert faded > shown + 80


def test_axes_captions_title_and_message_are_there():
    heatmap = AttentionHeatmap(
        random_weights(2, 3), ["a", "b"], ["x", "y", "z"], title="Title", message="Look:"
    )
    figure = heatmap.figure()
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y", "z"]
    assert ax.get_ylabel() == "queries" and ax.get_title(loc="left") == "keys: looked at →"
    assert figure.get_supxlabel() == "Each row is one query; its weights sum to 1."
    assert figure.get_suptitle() == "Title\nLook:"
    assert ax.get_xlim() == (-0.5, 2.5) and ax.get_ylim() == (1.5, -0.5)  # the first query on top


def test_heads_have_a_map_and_a_name_each():
    figure = AttentionHeatmap(random_weights(5, 2, 2), heads=["a", "$b$", "c", "d", "e"]).figure()
    assert [ax.get_title() for ax in figure.axes[:5]] == ["a", "$b$", "c", "d", "e"]
    assert len(figure.axes) == 6


def test_pinned_rows_are_framed_and_rows_that_are_gone_are_not():
    heatmap = AttentionHeatmap(WEIGHTS)
    heatmap.pinned = [1, 7]
    patches = heatmap.figure().axes[0].patches
    assert [(patch.get_y(), patch.get_width()) for patch in patches] == [(0.5, 2)]
    rim = cell_pixels(heatmap, 1, 0, inner=1.1)
    assert near(rim, still.PIN, 30) > 0
    heatmap.pinned = []
    assert near(cell_pixels(heatmap, 1, 0, inner=1.1), still.PIN, 30) == 0


WEIRD = [
    "$x$",
    r"$\frac{",
    "<script>alert(1)</script>",
    "🐈‍⬛ 猫",
    "long" * 100,
    "",
    " ",
    "a\nb\tc\x00",
    "\u202e",
    "%s {}",
]


@pytest.mark.filterwarnings("error")
def test_weird_labels_are_only_text(tmp_path):
    n = len(WEIRD)
    heatmap = AttentionHeatmap(random_weights(n, n), WEIRD, title="$x$ {title", message="<b>$_{")
    assert heatmap.query_labels == heatmap.key_labels == WEIRD
    data, _ = heatmap._repr_mimebundle_()
    assert data["image/png"]
    heatmap.save(tmp_path / "weird.svg")
    assert "<script>" not in (tmp_path / "weird.svg").read_text("utf-8")
    figure = heatmap.figure()
    labels = figure.axes[0].get_yticklabels()
    assert [labels[i].get_text() for i in (0, 4, 7)] == ["$x$", "longlonglongl…", "a·b·c·"]
    assert not any(label.get_parse_math() for label in labels)
    assert figure.get_size_inches()[0] < 12


def test_a_long_label_does_not_squeeze_the_map():
    wide = AttentionHeatmap(WEIGHTS, ["a", "b"]).figure().get_size_inches()
    long = AttentionHeatmap(WEIGHTS, ["a" * 500, "b"]).figure().get_size_inches()
    assert long[0] < wide[0] + 1.5


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (300, 2), (3, 1, 1), (5, 20, 5)])
@pytest.mark.filterwarnings("error")
def test_every_shape_has_a_picture(shape):
    data, metadata = AttentionHeatmap(random_weights(*shape), show_sums=True)._repr_mimebundle_()
    assert data["image/png"]
    assert 60 < metadata["image/png"]["width"] < 1300 and 40 < metadata["image/png"]["height"] < 1300


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 0, 0)])
def test_a_map_without_cells_is_nothing_to_show(shape):
    heatmap = AttentionHeatmap(torch.zeros(shape))
    assert repr(heatmap) == "AttentionHeatmap(nothing to show)"
    assert heatmap.figure().texts[0].get_text() == "nothing to show yet"
    heatmap.message = "Type a word."
    assert heatmap.figure().texts[0].get_text() == "Type a word."


def test_the_caption_does_not_call_a_wrong_softmax_right():
    scores = torch.tensor([[0.0, 1.0], [3.0, -1.0]])
    captions = {dim: AttentionHeatmap(scores.softmax(dim)).figure().get_supxlabel() for dim in (-1, -2)}
    assert captions[-1] == "Each row is one query; its weights sum to 1."
    assert captions[-2] == "Each row is one query; here rows sum to 0.93 … 1.07."
    masked = AttentionHeatmap(torch.tensor([[0.0, 0.0], [0.5, 0.5]]))
    assert masked.figure().get_supxlabel() == captions[-1]


def test_a_reading_stays_with_other_numbers_and_goes_when_it_is_taken_away():
    reading = {"cell": "{query}, {key}: {number}", "row": "{query}", "caption": "Shades.", "number": "shade"}
    heatmap = AttentionHeatmap(WEIGHTS, reading=reading)
    heatmap.weights = WEIGHTS.flip(0)
    assert "largest: “0”, “0”: 1.00" in repr(heatmap) and heatmap._frame["reading"]["caption"] == "Shades."
    with pytest.raises(ValueError, match="a map with a reading has none"):
        heatmap.update(WEIGHTS, scores=WEIGHTS)
    heatmap.update(WEIGHTS, scores=WEIGHTS, reading=None)
    assert heatmap._frame["reading"] is None and "row sums 1.00" in repr(heatmap)
    with pytest.raises(AttributeError, match=r"no attribute reading to set: update\(weights, reading=…\)"):
        heatmap.reading = reading
    for heads in (2, 12):  # two ways to draw
        figure = AttentionHeatmap(WEIGHTS.expand(heads, 2, 2), reading=reading).figure()
        assert figure.get_supxlabel() == "Shades." and "shade" in [ax.get_ylabel() for ax in figure.axes]


# ---------------------------------------------------------------- many keys


def even(n: int) -> torch.Tensor:
    return torch.full((3, n), 1 / n)


def test_rows_of_many_keys_have_their_own_scale_until_someone_chooses():
    heatmap = AttentionHeatmap(even(127))
    assert heatmap.per_row is False
    for n, own in ((128, True), (10, False), (300, True)):
        heatmap.weights = even(n)
        assert heatmap.per_row is own
    heatmap.weights = None
    assert heatmap.per_row is True  # nothing is no reason
    heatmap.set_state({"per_row": False})  # the reader unticks the box
    for n in (300, 10, 200):
        heatmap.weights = even(n)
        assert heatmap.per_row is False


@pytest.mark.parametrize("own", [True, False])
def test_a_scale_that_is_given_stays(own):
    for heatmap in (AttentionHeatmap(even(10), per_row=own), AttentionHeatmap(even(200), per_row=own)):
        for n in (200, 10):
            heatmap.weights = even(n)
            assert heatmap.per_row is own
    heatmap = AttentionHeatmap(even(10))
    heatmap.per_row = own
    heatmap.weights = even(200)
    assert heatmap.per_row is own


def test_an_explorer_and_the_still_picture_have_the_same_scale():
    heatmap = SelfAttentionExplorer(" ".join(["cat"] * 130)).heatmap
    assert heatmap.per_row is True
    for heads in (None, 2, 12):
        shown = AttentionHeatmap(even(128) if heads is None else even(128).expand(heads, -1, -1))
        labels = [ax.get_ylabel() for ax in shown.figure().axes]
        assert "share of the row’s largest" in labels, heads
    assert "largest 0.0078: " in repr(AttentionHeatmap(even(128)))
