"""Each view, found and not listed: a page, a still twin that says the same, a line of facts."""

import math

import pytest
import torch
from matplotlib.figure import Figure
from test_known import VIEWS

from attention_core.live import AttentionMap, Curve, Curves, Explorer, Strip, Words, still
from attention_core.live.clocks import Clocks
from attention_core.live.heads import Heads, HeadSwitches
from attention_core.live.linked import PAGE, linked
from attention_core.live.panel import TrainingPanel
from attention_core.live.plane import Placed, Plane
from attention_core.live.widget import Pictured, View

KINDS = [kind for kind in VIEWS if issubclass(kind, View) and kind is not View]


def texts(figure: Figure) -> str:
    return " | ".join(text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_has_a_page_module_of_its_own_and_a_still_twin(kind):
    pages = [path.name for path in PAGE.glob("*.js") if "\nexport default " in path.read_text("utf-8")]
    own = [name for name in pages if linked(name) == kind._esm]
    assert len(own) == 1, f"{kind.__name__} is drawn by {own}"
    assert kind.figure is not Pictured.figure and kind.__repr__ is not object.__repr__
    assert not issubclass(kind, Explorer)


def test_a_strip_says_its_sentence_its_words_and_their_numbers():
    strip = Strip(Words("With **one** head:", ["the", "<b>", "猫"], [0.125, math.nan, 2.0]))
    assert strip._frame == {
        "said": "With **one** head:", "words": ["the", "<b>", "猫"], "shares": [0.125, None, 2.0],
    }  # fmt: skip
    drawn = texts(strip.figure())
    assert "With one head:" in drawn and "the 0.12" in drawn and "<b> NaN" in drawn and "猫 2.00" in drawn
    assert repr(strip) == "Strip(With one head:; the 0.12, <b> NaN, 猫 2.00)"
    strip.show(None)
    assert strip._frame["words"] == [] and repr(strip) == "Strip()"
    with pytest.raises(ValueError, match="there are 2 words but 1 shares"):
        Words("", ["a", "b"], [0.1])


def test_a_long_strip_breaks_its_lines_within_the_picture():
    words = [f"word{i}" for i in range(60)]
    figure = Strip(Words("A sentence. " * 20, words, [0.5] * 60)).figure()
    figure.draw_without_rendering()
    right = figure.get_window_extent().x1
    for text in figure.texts:
        box = text.get_window_extent()
        assert box.x1 <= right and box.y0 >= 0, text.get_text()


def test_curves_send_what_they_draw():
    curve = Curve("loss", [0, 1, 2], [1.0, math.nan, 0.5], [0, 0, 0], [2, 2, 2], at=2, xlabel="step →")
    curves = Curves([curve])
    (frame,) = curves._frame
    assert (frame["name"], frame["at"], frame["xlabel"], frame["reach"]) == ("loss", 2, "step →", [0.0, 1.0])
    assert [len(frame[part]) for part in ("x", "y", "low", "high")] == [12, 12, 12, 12]
    figure = curves.figure()
    assert "loss" in texts(figure) and "step →" in texts(figure)
    assert figure.axes[0].lines[1].get_xydata().tolist() == [[2, 0.5]]  # the point that is looked at
    assert repr(curves) == "Curves(loss: 3 points)"
    assert len(Curves([curve] * 4).figure().axes) == 4
    for wrong in ({"y": [1]}, {"low": [1], "high": [1]}, {"low": [0, 0, 0]}):
        with pytest.raises(ValueError, match="a curve of 3 points needs as many heights"):
            Curve(**{"name": "", "x": [0, 1, 2], "y": [1, 1, 1], **wrong})


def test_switches_show_the_heads_that_are_off_and_their_distances():
    switches = HeadSwitches(Heads("**2 heads**", 2, [0.125, math.nan]))
    switches.off = [1]
    assert switches._frame["distances"] == [0.125, None] and switches._frame["count"] == 2
    drawn = texts(switches.figure())
    assert "2 heads" in drawn and "head 0 0.12" in drawn and "head 1 (off) NaN" in drawn
    assert repr(switches) == "HeadSwitches(2 heads, off: [1], alone: None)"


def test_clocks_show_another_table():
    clocks = Clocks()
    clocks.show(torch.ones(4, 6))
    clocks.position, clocks.distance = 1, 2
    assert (
        clocks._frame["shape"] == [4, 6] and repr(clocks) == "Clocks(4 positions × 6 dimensions, at 1 and 3)"
    )
    assert len(clocks.figure().axes) == 3
    clocks.show(None)
    clocks.position = clocks.distance = 0
    assert clocks.figure()


def test_a_plane_moves_and_sizes_what_its_content_names():
    plane = Plane({"a": (0, 0), "b": (1, 1)}, movable=["a"])
    moved = []
    plane.on_move(lambda: moved.append(plane.points["a"]))
    plane.show(Placed({"a": (1, 0)}, {"b": None}))
    assert plane.points == {"a": (1, 0), "b": (1, 1)} and plane._sizes == {"b": None} and moved == [(1, 0)]
    plane.show(Placed({"a": (1, 0)}, {}))
    assert len(moved) == 1  # it is there already
    plane.show(None)
    assert plane._sizes == {"a": 0, "b": 0}


def test_a_panel_says_its_note():
    panel = TrainingPanel(_fixed={})
    panel.show({"note": "Not trained yet."})
    assert "Not trained yet." in texts(panel.figure()) and repr(panel) == "TrainingPanel(Not trained yet.)"


def test_two_says_a_number_in_two_digits_whatever_it_is():
    said = [still.two(x) for x in (0.125, 0.375, -0.001, -1.5, math.nan, math.inf, -math.inf)]
    assert said == ["0.12", "0.38", "0.00", "−1.50", "NaN", "∞", "−∞"]


def test_a_map_is_what_its_heatmap_shows():
    from attention_core.live import AttentionHeatmap

    heatmap, map = AttentionHeatmap(None), AttentionMap(torch.eye(2), ["a", "b"])
    heatmap.show(map)
    assert heatmap.map is map and heatmap.facts() == map.facts()
