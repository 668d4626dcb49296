"""The table of numbers, and the walk from one word to another, without a browser."""

import json
import math
import threading
from itertools import pairwise

import pytest
import torch
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg

from attention_core import scaled_dot_product_attention, words
from attention_core.live import Cells, Table, WalkExplorer
from attention_core.live.table import ABOVE, BELOW, FULLEST, MOST, tidy
from attention_core.live.widget import View

THING, LIVING = 0, 1
PRONOUN = words.FEATURES.index("pronoun")


def cells(**changed) -> Cells:
    return Cells(**{"rows": ["a", "b"], "columns": ["x"], "values": [[1.0], [-2.0]], **changed})


# ---------------------------------------------------------------- Table


def test_a_table_sends_names_texts_and_shares():
    table = Table(cells(said="**Two** rows", values=[[0.2], [-2.0]], marked=[1], marked_columns={0}))
    assert table._frame == {
        "said": "**Two** rows", "rows": ["a", "b"], "columns": ["x"], "texts": [["0.2"], ["−2"]],
        "shares": [[0.1], [-1.0]], "marked": [1], "markedColumns": [0],
    }  # fmt: skip
    json.dumps(table._frame)
    assert repr(table) == "Table(Two rows; 2 rows × 1 columns)"
    table.show(None)
    assert table._frame["rows"] == [] and table.values == [] and repr(table) == "Table()"


def test_a_reach_is_the_largest_number_unless_it_is_given():
    assert cells(reach=4.0).shares() == [[0.25], [-0.5]]
    assert cells(reach=1.0).shares() == [[1.0], [-1.0]]
    assert cells(values=[[None], [math.nan]]).shares() == [[0.0], [0.0]]
    assert cells(values=[[0.0], [math.inf]]).shares() == [[0.0], [1.0]]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"values": [[1.0]]}, "2 rows and 1 columns need as many numbers, got rows of 1"),
        ({"values": [[1.0], [1.0, 2.0]]}, "got rows of 1, 2"),
        ({"values": []}, "got rows of none"),
        ({"marked": [2]}, "there is no row 2 among 2"),
        ({"marked_columns": [-1]}, "there is no column -1 among 1"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_words(wrong, why):
    with pytest.raises(ValueError, match=why):
        cells(**wrong)


def test_a_step_changes_one_number_and_tells():
    table, told = Table(cells(), editable=True), []
    table.on_edit(lambda: told.append(table.values))
    table.step(0, 0, 1)
    table.step(1, 0, -1)
    assert told == [[[2.0], [-2.0]], [[2.0], [-3.0]]] and table._frame["texts"] == [["2"], ["−3"]]
    table.step(0, 0, 99)
    table.step(1, 0, -99)
    assert table.values == [[MOST], [-MOST]]
    table.values[0][0] = 0.0  # a copy
    assert table.values == [[MOST], [-MOST]]


class Held(WalkExplorer):
    """Computes nothing before it may, once it is `held`."""

    held = False

    def compute(self, sentence, asks, offers, to_query):
        if self.held:
            self._inside.release()
            assert self._go_on.acquire(timeout=10)
        return super().compute(sentence, asks, offers, to_query)


@pytest.mark.parametrize("press", ["a step", "a button"])
def test_presses_that_arrive_in_other_threads_all_count(press):
    """JupyterLab may send one to the main thread, and the next to its subshell."""
    walk = Held()
    walk._inside, walk._go_on, walk._pressed = threading.Semaphore(0), threading.Semaphore(0), 0
    Held.held = True

    def more():
        seen = walk._pressed
        walk.to_query = walk.to_query + 0.1  # which computes, and so waits
        walk._pressed = seen + 1

    walk.start_again = more
    hear = {
        "a step": lambda: walk.asking._handle_custom_msg({"step": [4, 1, -1]}, []),
        "a button": lambda: walk.controls["start_again"].click(),
    }[press]
    presses = [threading.Thread(target=hear) for _ in range(3)]
    try:
        presses[0].start()
        assert walk._inside.acquire(timeout=10)
        presses[1].start()
        presses[1].join(0.2)  # it would be done with what it does before it computes
        walk._go_on.release()
        assert walk._inside.acquire(timeout=10)  # the first is shown, and the second computes
        presses[2].start()
        presses[2].join(0.2)
        walk._go_on.release(9)
        for thread in presses:
            thread.join(10)
    finally:
        Held.held = False
    if press == "a step":
        assert walk.to_query[4, 1] == walk.asking.values[4][1] == words.W_QUERY[4, 1] - 3
    else:
        assert walk._pressed == 3


@pytest.mark.parametrize("said", [{}, {"step": [2, 0, 1]}, {"step": [0, 1, 1]}, {"step": [-1, 0, 1]}])
def test_a_step_in_no_cell_is_none(said):
    table = Table(cells(), editable=True)
    table._handle_custom_msg(said, [])
    assert table.values == [[1.0], [-2.0]]
    if said:
        with pytest.raises(ValueError, match=r"there is no row .* in Table"):
            table.step(*said["step"])


def test_only_an_editable_table_follows_the_page():
    fixed, moving = Table(cells()), Table(cells(), editable=True)
    for table in (fixed, moving):
        table._handle_custom_msg({"step": [0, 0, 2]}, [])
    assert fixed.values == [[1.0], [-2.0]] and moving.values == [[3.0], [-2.0]]
    moving.show(cells(values=[[None], [1.0]]))
    moving._handle_custom_msg({"step": [0, 0, 2]}, [])  # there is nothing to change
    assert moving.values == [[None], [1.0]]


def test_numbers_are_written_with_the_digits_they_need():
    numbers = [5.0, 0.2, -3.0, 0.25, 0.126, 100.0, -0.001, 0.0, math.nan, math.inf, None]
    assert [tidy(x) for x in numbers] == ["5", "0.2", "−3", "0.25", "0.13", "100", "0", "0", "NaN", "∞", ""]


def test_a_still_table_says_the_same():
    table = Table(cells(said="**Two** rows", values=[[1.0], [None]], marked=[0]))
    drawn = [text.get_text() for text in table.figure().findobj(lambda a: hasattr(a, "get_text"))]
    assert {"Two rows", "a", "b", "x", "1"} <= set(drawn)


def luminance(rgb) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return sum(part * c for part, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colour", [ABOVE, BELOW])
def test_numbers_can_be_read_on_the_fullest_tint(colour):
    full = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    tint = [FULLEST * c + 1 - FULLEST for c in full]
    assert (luminance(tint) + 0.05) / 0.05 > 4.5
    assert colour in Table._css and f"* {FULLEST})" in Table._css  # as on the page


# ---------------------------------------------------------------- WalkExplorer


def test_it_walks_to_cat_as_worked_by_hand():
    """“it”, a pronoun, asks for 3 of thing and 5 of living; “cat”, noun and animate, offers 1 of each."""
    walk = WalkExplorer()
    asks, offers, product = walk.walk.values
    assert asks[:5] == pytest.approx([3, 5, 0.2, 0, 0.2]) and asks[5] is None
    assert offers == [1, 1, 0, 0, 0, None]
    assert product == [3 * 1, 5 * 1, 0, 0, 0, 8]
    assert walk.walk.content.said == "“it” · “cat” = **8** → weight **0.72**"
    assert words.explain("it", "cat") == "“it” asks “cat”: thing 3.0 × 1.0 + living 5.0 × 1.0 = 8.0"
    assert repr(walk) == (
        "WalkExplorer(“it” · “cat” = 8 → weight 0.72; 10 queries × 10 keys, row sums 1.00, "
        "largest 0.72: “it” → “cat”)"
    )
    query, key, value = words.query_key_value(words.split(walk.sentence))
    assert torch.equal(walk.weights, scaled_dot_product_attention(query, key, value)[1])


def test_its_tables_are_the_two_maps_with_the_rows_that_count_marked():
    walk = WalkExplorer(offers="mat")
    assert torch.equal(torch.tensor(walk.asking.values), words.W_QUERY) and walk.asking.editable
    assert torch.equal(torch.tensor(walk.offering.values), words.W_KEY) and not walk.offering.editable
    names = lambda table: [table.content.rows[i] for i in table.content.marked]  # noqa: E731
    assert names(walk.asking) == ["0.2 × animate", "1 × pronoun"] and names(walk.offering) == ["1 × noun"]
    assert list(walk.asking.content.columns) == list(words.WISHES)
    assert walk.walk.content.columns == [*words.WISHES, "sum"]


def test_an_edited_entry_moves_query_score_and_map():
    walk = WalkExplorer()
    for _ in range(5):
        walk.asking._handle_custom_msg({"step": [PRONOUN, LIVING, -1]}, [])
    assert walk.to_query[PRONOUN].tolist() == [3, 0, 0, 0, 0] and walk.to_query.dtype == torch.float32
    assert walk.walk.values[2] == [3, 0, 0, 0, 0, 3] and walk.asking.values[PRONOUN][LIVING] == 0
    it, cat, mat = 7, 1, 5
    assert walk.weights[it, cat] == walk.weights[it, mat]  # a thing is a thing
    x = words.embed(words.split(walk.sentence))
    expected = scaled_dot_product_attention(x @ walk.to_query, x @ words.W_KEY, x @ words.W_VALUE)[1]
    assert torch.equal(walk.weights, expected)
    assert words.W_QUERY[PRONOUN, LIVING] == 5  # the lesson's own is as it was
    walk.controls["start_again"].click()
    assert torch.equal(walk.to_query, words.W_QUERY) and f"{walk.weights[it, cat]:.2f}" == "0.72"


def test_w_q_is_copied_and_may_be_given():
    mine = torch.zeros(8, 5, dtype=torch.float64)
    walk = WalkExplorer(to_query=mine)
    mine[0, 0] = 1
    assert not walk.to_query.any() and walk.to_query.dtype == torch.float32
    assert torch.allclose(walk.weights, torch.full((10, 10), 0.1))
    with pytest.raises(traitlets.TraitError, match="got None"):
        walk.to_query = None
    walk.to_query = words.W_QUERY.tolist()
    assert f"{walk.weights[7, 1]:.2f}" == "0.72"
    walk.to_query[0] = 9.0
    walk.controls["start_again"].click()
    assert not walk.to_query.any() and words.W_QUERY[0, 0] == 0


@pytest.mark.parametrize(
    ("wrong", "got"),
    [
        ("W", "got 'W'"), ([1, 2], "got 2"), (torch.zeros(5, 8), "got 5 × 8"),
        (torch.full((8, 5), math.nan), "got 8 × 5"), (torch.full((8, 5), 9.5), "got 8 × 5"),
    ],
)  # fmt: skip
def test_what_is_no_w_q_is_refused_and_the_old_one_stays(wrong, got):
    walk = WalkExplorer()
    with pytest.raises(traitlets.TraitError, match=f"to_query must be 8 × 5 numbers from −9 to 9, {got}"):
        walk.to_query = wrong
    assert torch.equal(walk.to_query, words.W_QUERY)
    with pytest.raises(traitlets.TraitError, match="to_query must be"):
        WalkExplorer(to_query=wrong)


def test_choices_follow_the_sentence():
    walk = WalkExplorer()
    assert list(walk.controls) == ["sentence", "asks", "offers", "start_again"]
    asks, offers = walk.controls["asks"], walk.controls["offers"]
    assert list(asks.options) == ["the", "cat", "sat", "on", "mat", "because", "it", "was", "tired"]
    assert (asks.value, offers.value) == ("it", "cat")
    offers.value = "mat"
    assert walk.offers == "mat" and "“it” · “mat” = **3**" in walk.walk.content.said
    walk.asks = "sat"
    assert asks.value == "sat" and walk.heatmap.pinned == [2]
    walk.sentence = "a robot sat"
    assert (walk.asks, walk.offers) == ("sat", "sat") and list(asks.options) == ["a", "robot", "sat"]
    assert (asks.value, offers.value) == ("sat", "sat")


def test_a_word_that_is_being_typed_stays_meant():
    walk = WalkExplorer("the cat saw it", asks="it", offers="cat")
    for typed in ("the ca saw it", "the c saw it", "the d saw it", "the do saw it", "the dog saw it"):
        walk.sentence = typed
        assert (walk.asks, walk.offers) == ("it", typed.split()[1])
    walk.sentence = "because the dog saw it"
    assert (walk.offers, walk.asks, walk.heatmap.pinned) == ("dog", "it", [4])
    walk.sentence = ""
    assert walk.weights is None and repr(walk) == "WalkExplorer(nothing to show: Type a word or two.)"
    assert walk.asking.values == [] and walk.figure() and walk.asks == "it"
    walk.sentence = "the dog saw it"
    assert (walk.asks, walk.controls["asks"].value) == ("it", "it")
    empty = WalkExplorer("")
    empty.sentence = "the dog"
    empty.controls["start_again"].click()
    assert (empty.sentence, empty.weights) == ("", None)


def test_a_word_that_is_not_there_is_refused():
    walk = WalkExplorer()
    with pytest.raises(traitlets.TraitError, match=r"asks must be a word of .* the, cat, .*; got 'dog'"):
        walk.asks = "dog"
    assert walk.asks == "it"
    with pytest.raises(traitlets.TraitError, match="offers must be a word of the sentence: a, b; got 'c'"):
        WalkExplorer("a b", offers="c")
    assert WalkExplorer("a dog").asks == "dog"  # what is not given falls back


@pytest.mark.parametrize("sentence", ["a", "zxq vlorp zxq", "“It” was , . wet", "猫 sat", "<b> & it"])
def test_any_sentence_is_walked_through(sentence):
    walk = WalkExplorer(sentence)
    n = len(sentence.split())
    assert walk.weights.shape == (n, n) and walk.figure() and "\n" not in repr(walk)
    score = walk.walk.values[2][5]
    assert score == pytest.approx(sum(walk.walk.values[2][:5]), abs=1e-5)


def test_the_still_picture_shows_all_of_it():
    walk = WalkExplorer()
    drawn = {text.get_text() for text in walk.figure().findobj(lambda a: hasattr(a, "get_text"))}
    assert {"1 × pronoun", "1 × noun", "“it” asks", "asks × offers", "8", ".72", "because"} <= drawn
    assert all(isinstance(view, View) or view is walk.heatmap for view in walk._views.values())


@pytest.mark.parametrize("columns", [["seed 0"], ["weight", "need of that place"], ["30 steps"] * 7])
def test_a_stored_table_has_room_for_its_title_and_its_names(columns):
    said = "With your functions, right or wrong"
    table = Table(Cells(said, ["leave one out"], columns, [[0.5] * len(columns)]))
    figure = table.figure()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    seen = figure.findobj(lambda a: hasattr(a, "get_text") and a.get_visible() and a.get_text())
    boxes = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in seen]
    assert {said, *columns} <= {text for text, _ in boxes}
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for _, box in boxes)
    names = sorted((box.x0, box.x1) for text, box in boxes if text in columns)
    assert all(end < start for (_, end), (start, _) in pairwise(names))
