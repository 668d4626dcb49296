"""The picture view: what it sends to its page, what a hand tells it, and its still twin."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from attention_core.live import Picture, Pixels
from attention_core.live.linked import PAGE
from attention_core.live.picture import CHOSEN, FULLEST, LINE, MARK, THICKEST, TINT

GREY = torch.tensor([[0.0, 1.0], [0.5, 2.0]])


def drawn(picture) -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = picture.figure()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def has(image: np.ndarray, colour, most: int = 6) -> bool:
    return bool((np.abs(image.astype(int) - np.array(colour)).max(-1) <= most).any())


def rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


# ---------------------------------------------------------------- what is shown


def test_a_grey_picture_is_sent_as_bytes_of_three_colours():
    picture = Picture(Pixels(GREY, (1, 2), [0.25, float("nan")], hidden=[1], chosen=0, marked={1}))
    frame = picture._frame
    assert frame["size"] == [2, 2] and frame["grid"] == [1, 2]
    assert list(picture._pixels) == [0, 0, 0, 255, 255, 255, 128, 128, 128, 255, 255, 255]
    assert frame["weights"] == [0.25, None] and frame["names"] == ["patch 0", "patch 1"]
    assert (frame["hidden"], frame["chosen"], frame["marked"]) == ([1], 0, [1])


def test_pixels_are_not_sent_again_while_only_what_lies_over_them_changes():
    picture, sent = Picture(Pixels(GREY, (1, 2), chosen=0)), []
    picture.observe(lambda change: sent.append(change.name), ["_frame", "_pixels"])
    picture.show(Pixels(GREY, (1, 2), chosen=1))
    assert sent == ["_frame"]
    picture.show(Pixels(1 - GREY, (1, 2), chosen=1))
    assert sent == ["_frame", "_pixels"]


def test_a_coloured_picture_keeps_its_colours():
    image = torch.zeros(3, 2, 4)
    image[0, 0, 1], image[1, 1, 2] = 1, 0.5
    sent = np.frombuffer(Picture(Pixels(image))._pixels, np.uint8).reshape(2, 4, 3)
    assert sent[0, 1].tolist() == [255, 0, 0] and sent[1, 2].tolist() == [0, 128, 0] and sent.sum() == 383


@pytest.mark.parametrize(
    "image", [GREY[None], GREY[None, None], GREY.numpy(), GREY.tolist(), GREY.double(), GREY.bfloat16()]
)
def test_pictures_of_every_form(image):
    assert Picture(Pixels(image))._pixels == Picture(Pixels(GREY))._pixels


def test_what_is_shown_is_a_copy():
    image = GREY.clone()
    content = Pixels(image)
    image.zero_()
    assert content.image.max() == 2


def test_cells_lie_row_by_row_also_where_the_picture_is_no_square():
    content = Pixels(torch.zeros(6, 8), (3, 2))
    assert [content.box(i) for i in (0, 1, 2, 5)] == [
        (0, 0, 4, 2), (4, 0, 4, 2), (0, 2, 4, 2), (4, 4, 4, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "given, message",
    [
        ({"image": torch.zeros(2, 4, 4)}, r"1 or 3 channels, got \(2, 4, 4\)"),
        ({"image": torch.zeros(4)}, r"got \(4,\)"),
        ({"image": torch.zeros(2, 1, 4, 4)}, r"got \(2, 1, 4, 4\)"),
        ({"image": torch.zeros(0, 4)}, r"got \(0, 4\)"),
        ({"image": torch.full((2, 2), float("nan"))}, "has NaN or ∞"),
        ({"image": torch.zeros(513, 2)}, "513 × 2 pixels are too many: the most is 512 a side"),
        ({"image": "cat"}, "image must be a tensor or an array of numbers"),
        ({"grid": (3, 1)}, "a picture of 2 × 2 pixels cannot have 3 × 1 cells"),
        ({"grid": (0, 1)}, "cannot have 0 × 1 cells"),
        ({"image": torch.zeros(64, 64), "grid": (64, 64)}, "64 × 64 cells: the most is 1024"),
        ({"weights": [0.1, 0.2, 0.3]}, "there are 2 cells but 3 weights"),
        ({"names": ["a"]}, "there are 2 cells but 1 names"),
        ({"chosen": 2}, "chosen: there is no cell 2 among 2"),
        ({"hidden": [0, 5]}, "hidden: there is no cell 5 among 2"),
        ({"marked": [-1]}, "marked: there is no cell -1 among 2"),
        ({"looker": 2}, "looker: there is no cell 2 among 2"),
        ({"by": "hand"}, "by must be one of cell, pixel, got 'hand'"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(given, message):
    with pytest.raises(ValueError, match=message):
        Pixels(**{"image": GREY, "grid": (1, 2), **given})


def test_nothing_is_a_picture_too():
    picture = Picture(Pixels(GREY))
    picture.show(None)
    assert picture._frame == {} and repr(picture) == "Picture()" and picture.figure()


def test_its_line_says_what_there_is_and_no_weight():
    picture = Picture(Pixels(GREY, (1, 2), [0.7, 0.3], [0], 1, [1], said="**A** cat", marked_means="decides"))
    assert repr(picture) == (
        "Picture(A cat; 2 × 2 pixels; 1 × 2 cells; hidden: patch 0; decides: patch 1; chosen: patch 1)"
    )


# ---------------------------------------------------------------- lines in place of tints


def looking(looker, **weights) -> Pixels:
    """3 × 4 cells of 10 pixels, of which some are looked at from one."""
    by_cell = [float("nan")] * 12
    for name, weight in weights.items():
        by_cell[int(name[1:])] = weight
    return Pixels(torch.ones(30, 40), (3, 4), by_cell, looker=looker)


def test_lines_lead_from_who_looks_as_thick_as_the_weights():
    (down, thick), (slanting, thin) = (
        (line[:-1], line[-1]) for line in looking(0, c8=0.8, c5=0.2).lines[::-1]
    )
    assert thick == pytest.approx(4 * thin) and thick == pytest.approx(0.8 * THICKEST * 10)
    assert down == pytest.approx((5, 9, 5, 15, 5, 21))  # from rim to rim, two cells down
    assert slanting[2:4] == pytest.approx((10, 10)) and slanting[0] == pytest.approx(5 + 4 / np.sqrt(2))


def test_a_line_within_a_row_is_an_arc_above_it_and_within_the_picture():
    ((_, y0, _, bend, _, y1, _),) = looking(11, c8=1.0).lines
    assert bend < 25 and y0 < 25 and y1 < 25
    ((_, _, _, bend, *_),) = looking(3, c0=1.0).lines
    highest = 5 + (bend - 5) / 2
    assert 0 < highest < 5


@pytest.mark.parametrize("weight", [0.0, 0.004, float("nan"), -1.0])
def test_nobody_is_looked_at_with_a_weight_that_does_not_count(weight):
    assert looking(0, c5=weight).lines == []


def test_who_looks_at_itself_has_no_line_and_more_than_1_is_not_thicker():
    assert looking(5, c5=1.0).lines == []
    assert looking(0, c5=9.0).lines[0][-1] == looking(0, c5=1.0).lines[0][-1]


def test_lines_are_sent_and_drawn_and_nothing_is_tinted():
    content = looking(0, c5=1.0)
    frame = Picture(content)._frame
    assert frame["looker"] == 0
    assert [len(line) for line in frame["lines"]] == [7] and frame["weights"][1] is None
    assert Picture(Pixels(GREY, (1, 2), [0.5, 0.5]))._frame["lines"] is None
    image = drawn(Picture(content))
    line = 0.75 * np.array(rgb(LINE)) + 0.25 * 255
    assert has(image, line) and not has(drawn(Picture(looking(0))), line)
    assert not has(image, (1 - FULLEST) * 255 + FULLEST * np.array(rgb(TINT)))
    assert has(
        drawn(Picture(Pixels(torch.ones(2, 2), weights=[1.0]))),
        (1 - FULLEST) * 255 + FULLEST * np.array(rgb(TINT)),
    )


# ---------------------------------------------------------------- what a hand tells


def told(picture) -> list:
    heard = []
    picture.on_choose(lambda *given: heard.append(("chosen", *given)))
    picture.on_drag(lambda *given: heard.append(("dragged", *given)))
    picture.on_paint(lambda *given: heard.append(("painted", *given)))
    return heard


@pytest.mark.parametrize(
    "message, expected",
    [
        ({"chosen": 1}, [("chosen", 1)]),
        ({"dragged": [0, 1]}, [("dragged", 0, 1)]),
        ({"painted": [[0, 1], [1, 1]]}, [("painted", [(0, 1), (1, 1)])]),
        ({"painted": [[0, 1], [9, 1], [0, -1]]}, [("painted", [(0, 1)])]),  # the page is a picture behind
        ({"chosen": 2}, []),
        ({"dragged": [0, 2]}, []),
        ({"painted": [[5, 5]]}, []),
        ({}, []),
    ],
)
def test_what_a_hand_does_is_told(message, expected):
    picture = Picture(Pixels(GREY, (1, 2)))
    heard = told(picture)
    picture._heard(picture, message, [])
    assert heard == expected
    picture.show(None)
    picture._heard(picture, message, [])
    assert heard == expected


def test_two_threads_tell_what_a_hand_does_one_after_the_other():
    picture, painted = Picture(Pixels(GREY, (1, 2), by="pixel")), []

    def paint(pixels):
        before = list(painted)
        time.sleep(0.05)  # whoever is told meanwhile would go on from what there was
        painted[:] = [*before, *pixels]

    picture.on_paint(paint)
    hands = [
        threading.Thread(target=picture._heard, args=(None, {"painted": [[0, column]]}, []))
        for column in (0, 1)
    ]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert sorted(painted) == [(0, 0), (0, 1)]


def test_the_page_is_answered_whatever_comes_of_it(monkeypatch):
    picture, sent = Picture(Pixels(GREY, (1, 2))), []
    monkeypatch.setattr(type(picture), "send", lambda self, content, buffers=None: sent.append(content))
    picture.on_choose(lambda cell: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        picture._heard(picture, {"chosen": 0}, [])
    assert sent == [{"done": True}]


# ---------------------------------------------------------------- its still twin


def test_the_still_twin_tints_by_weight():
    dark = torch.zeros(4, 4)
    full = [round(FULLEST * x) for x in rgb(TINT)]
    assert has(drawn(Picture(Pixels(dark, (2, 2), [1.0, 0, 0, 0]))), full)
    half = [round(FULLEST / 2 * x) for x in rgb(TINT)]
    image = drawn(Picture(Pixels(dark, (2, 2), [0.5, 0, 0, 0])))
    assert has(image, half) and not has(image, full)
    assert not has(drawn(Picture(Pixels(dark, (2, 2)))), half)


def test_the_still_twin_has_the_chosen_cell_the_marks_and_the_hatching():
    dark = torch.zeros(4, 4)
    plain = drawn(Picture(Pixels(dark, (2, 2))))
    assert not has(plain, rgb(CHOSEN)) and not has(plain, rgb(MARK))
    assert has(drawn(Picture(Pixels(dark, (2, 2), chosen=3))), rgb(CHOSEN))
    assert has(drawn(Picture(Pixels(dark, (2, 2), marked=[2]))), rgb(MARK))
    ground = [round(255 * x) for x in (0.35, 0.37, 0.4)]
    assert has(drawn(Picture(Pixels(dark, (2, 2), hidden=[1]))), ground) and not has(plain, ground)


def test_the_still_twin_writes_the_numbers_of_what_is_not_hidden():
    picture = Picture(Pixels(GREY, (1, 2), [0.25, 0.75], hidden=[1], said="**so**"))
    texts = [text.get_text() for text in picture.figure().findobj(lambda a: hasattr(a, "get_text"))]
    assert ".25" in texts and ".75" not in texts and "so" in texts


def test_page_and_still_twin_have_the_same_colours():
    css = (PAGE / "picture.css").read_text("utf-8")
    for name, value in (("tint", TINT), ("fullest", FULLEST), ("chosen", CHOSEN), ("mark", MARK)):
        assert f"--pc-{name}: {value};" in css


def test_a_picture_is_made_into_pixels_once_and_what_is_reckoned_from_it_is_looked_at_anew():
    first = Pixels(np.full((1, 4, 6), 0.5), (2, 2))
    view = Picture(first)
    sent = view._pixels
    view.show(replace(first, chosen=3))
    assert view._pixels is sent and view._frame["chosen"] == 3
    with pytest.raises(ValueError, match="read-only"):
        first.image[0, 0, 0] = 1
    view.show(replace(first, image=1.5 * first.image))
    assert view._pixels == bytes([round(0.75 * 255)]) * (4 * 6 * 3)
    with pytest.raises(ValueError, match="finite"):
        Pixels(first.image * np.nan)
    with pytest.raises(ValueError, match="channels"):
        Pixels(first.image[0, 0])
    view.show(None)
    assert view._pixels == b""
