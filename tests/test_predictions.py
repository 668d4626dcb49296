"""Predictions: locked by the answer, kept for a later kernel, compared, the same for strict nbval."""

import base64
import io
import itertools
import json
from html import escape

import anywidget
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import need_chromium, running_chromium
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from attention_core.live.linked import linked
from attention_core.practice import Prediction, predict, predictions
from attention_core.practice.prediction import Predictions, recorded

QUESTION = "Which word does “it” look at most?"


@pytest.fixture(autouse=True)
def forgotten():
    predictions.reset()
    yield
    predictions.reset()


def ask(**changes) -> Prediction:
    return predict(QUESTION, ["cat", "mat", "it"], **{"why": "It asks for a living thing.", **changes})


# --- choosing -----------------------------------------------------------------------------------------


def test_before_a_choice():
    p = ask()
    assert (p.chosen, p.right, p.revealed) == (None, None, False)
    assert repr(p) == f'Prediction("{QUESTION}": not answered)'


def test_a_choice_may_be_changed_until_the_answer_is_out():
    p = ask()
    p.choose("cat")
    assert p.chosen == "cat" and repr(p) == f'Prediction("{QUESTION}": “cat”)'
    assert p._frame["open"]
    p.choose("mat")
    assert p.chosen == "mat" and p._frame["chosen"] == 1
    p.reveal("cat")
    p.choose("cat")
    assert p.chosen == "mat" and p.right is False and not p._frame["open"]
    assert "before its run" in p._frame["said"] and "✗ you said “mat”" in p._frame["said"]


def test_a_choice_that_is_no_option_is_refused_with_the_options():
    p = ask()
    with pytest.raises(ValueError, match=r"no option: 'dog'.*'cat', 'mat', 'it'"):
        p.choose("dog")
    assert p.chosen is None


def test_after_the_reveal_it_is_too_late():
    p = ask()
    p.reveal("cat")
    p.choose("cat")
    assert p.chosen is None and p.right is None
    assert "before its run" in p._frame["said"]


@pytest.mark.parametrize(
    ("options", "problem"), [(["one"], "2 options or more, got 1"), ([1, "1"], "'1' is there twice")]
)
def test_a_question_needs_two_options_that_differ(options, problem):
    with pytest.raises(ValueError, match=problem):
        predict("?", options)
    assert len(predictions) == 0


# --- revealing -----------------------------------------------------------------------------------------


def test_right():
    p = ask()
    p.choose("cat")
    outcome = p.reveal("cat")
    assert p.right is True and outcome.right is True
    assert outcome.text == "✓ right: it was “cat”, as you said. It asks for a living thing."
    assert repr(p).endswith("“cat”, right)")


def test_wrong():
    p = ask()
    p.choose("mat")
    assert p.reveal("cat").text == "✗ you said “mat”; it was “cat”. It asks for a living thing."
    assert p.right is False and repr(p).endswith("“mat”, wrong)")


def test_a_long_outcome_breaks_between_words():
    outcome = Prediction(QUESTION, ["cat", "mat"], why="because it asks for a living thing " * 4).reveal(
        "cat"
    )
    lines = repr(outcome).split("\n")
    assert len(lines) == 2 and max(map(len, lines)) <= 96
    assert " ".join(lines) == outcome.text


def test_unanswered():
    p = ask()
    outcome = p.reveal("cat")
    assert repr(outcome) == "○ you made no prediction; it was “cat”. It asks for a living thing."
    assert recorded(repr(outcome)) == []
    assert repr(p) == f'Prediction("{QUESTION}": not answered)'


@pytest.mark.parametrize("options", [["cat", "mat"], [1, 2], ['a “b”, "c" | d', "prediction: {\nx"]])
def test_the_text_of_the_reveal_says_in_one_form_what_became_of_a_choice(options):
    """Whoever collects notebooks reads it; the page shows the sentence alone."""
    for chosen, right in zip(options, (True, False), strict=True):
        p = predict('“What” | "is"\nit? ' * 20, options, why="long " * 50)
        p.choose(chosen)
        outcome = p.reveal(options[0])
        what = {"question": p.question, "chosen": str(chosen), "computed": str(options[0]), "right": right}
        assert recorded(f"before\n{outcome!r}\nafter") == [what]
        assert "prediction:" not in outcome._repr_html_().replace(escape(outcome.text), "")
        predictions.reset()


def test_what_was_computed_must_be_an_option():
    p = ask()
    with pytest.raises(ValueError, match="what was computed is no option: 'sat'"):
        p.reveal("sat")
    assert not p.revealed
    with pytest.raises(ValueError, match="give reveal"):
        p.reveal()


def test_the_answer_may_be_a_function_of_the_run():
    calls = []
    p = ask()
    p.choose("cat")
    assert p.reveal(lambda: calls.append(1) or "cat").right and calls == [1]


def test_an_answer_given_beforehand_is_computed_when_one_has_chosen():
    calls = []
    p = ask(answer=lambda: calls.append(1) or "mat")
    assert calls == [] and not p.revealed
    p.choose("mat")
    assert p.right is True and calls == [1]
    assert ask(answer="it").reveal().computed == "it"


def test_numbers_out_of_tensors_and_arrays_are_found_among_the_options():
    p = predict("how many?", [1, 2, 3])
    assert p.reveal(torch.tensor(2)).computed == 2
    assert p.reveal(np.int64(3)).computed == 3
    assert p.reveal("1").computed == 1
    truth = predict("is it?", [True, False])
    truth.choose(False)
    assert truth.reveal(torch.tensor(False)).right
    both = predict("which?", [1, True])
    assert both.reveal(True).computed is True and both.reveal(1).computed == 1
    nothing = predict("what?", ["something", None])
    nothing.choose(None)
    assert nothing.reveal(None).right and repr(nothing).endswith("“None”, right)")


def test_a_second_run_is_compared_anew():
    p = ask()
    p.choose("cat")
    assert not p.reveal("mat").right
    assert p.reveal("cat").right and p.right


# --- the score ------------------------------------------------------------------------------------------


def test_the_summary_of_a_lesson_nobody_answered():
    ask().reveal("cat")
    predict("And then?", ["a", "b"])
    assert repr(predictions.summary()) == (
        f"0 of 2 answered\n  ○ {QUESTION} Not answered; it was “cat”.\n  ○ And then? Not answered."
    )


def test_the_summary_counts_what_was_right():
    one, two, three = ask(), predict("two?", ["a", "b"]), predict("three?", ["a", "b"])
    predict("four?", ["a", "b"])
    one.choose("cat")
    one.reveal("cat")
    two.choose("a")
    two.reveal("b")
    three.choose("b")
    assert repr(predictions.summary()).splitlines() == [
        "1 of 4 right",
        f"  ✓ {QUESTION} You said “cat”.",
        "  ✗ two? You said “a”; it was “b”.",
        "  ● three? You said “b”, not revealed yet.",
        "  ○ four? Not answered.",
    ]


def test_running_a_cell_again_takes_no_choice_back():
    first = ask()
    first.choose("mat")
    assert ask() is first and len(predictions) == 1
    assert predict(QUESTION, ["other", "options"]) is not first and len(predictions) == 1


def test_the_same_question_again_takes_the_place_of_the_first():
    ask()
    predict("another?", ["a", "b"])
    ask()
    assert len(predictions) == 2
    assert next(iter(predictions)).question == QUESTION and repr(predictions.summary()).startswith("0 of 2")
    predictions.reset()
    assert repr(predictions.summary()) == "0 of 0 answered"


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from(["a", "b", None])), max_size=6))
def test_the_score_is_the_number_of_right_ones(turns):
    book = Predictions()
    for i, (choice, answer) in enumerate(turns):
        p = book.add(Prediction(f"question {i}", ["a", "b"]))
        if choice:
            p.choose(choice)
        if answer:
            p.reveal(answer)
    right = sum(choice == answer for choice, answer in turns if choice and answer)
    score = f"{right} of {len(turns)} right" if any(c for c, _ in turns) else f"0 of {len(turns)} answered"
    assert book.summary().score == score and len(book.summary().lines) == len(turns)


def test_the_summary_escapes_what_is_in_a_question():
    predict("<script>?", ["<b>", "&"]).choose("<b>")
    page = predictions.summary()._repr_html_()
    assert "<script" not in page and "<b>" not in page and "&lt;script&gt;?" in page


# --- kept for a later kernel ------------------------------------------------------------------------------


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """As a Jupyter server tells a kernel which notebook it belongs to."""
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "01_lesson.ipynb"))
    return tmp_path / ".predictions" / "01_lesson.json"


def restarted() -> None:
    """Nothing is known any more but what was kept."""
    predictions._asked.clear()


def test_a_choice_outlives_its_kernel_and_can_still_be_changed(notebook):
    ask().choose("mat")
    restarted()
    p = ask()
    assert p.chosen == "mat" and p._frame["chosen"] == 1 and p._frame["open"]
    assert p._frame["said"] == "This is what you chose before."
    p.choose("cat")
    restarted()
    assert ask().reveal("cat").right is True


def test_what_was_answered_stays_answered(notebook):
    p = ask()
    p.choose("mat")
    p.reveal("cat")
    restarted()
    p = ask()
    p.choose("cat")
    assert p.chosen == "mat" and not p._frame["open"] and "before its run" in p._frame["said"]
    assert p.reveal("cat").right is False


def test_each_question_and_each_notebook_has_its_own(notebook, monkeypatch):
    ask().choose("mat")
    predict("another?", ["a", "b"]).choose("b")
    restarted()
    assert predict("another?", ["a", "b"]).chosen == "b" and ask().chosen == "mat"
    restarted()
    assert predict(QUESTION, ["cat", "mat", "other"]).chosen is None
    restarted()
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook.parents[1] / "02_lesson.ipynb"))
    assert ask().chosen is None


def test_another_window_takes_nothing_away(notebook):
    mine, theirs = Predictions(), Predictions()
    for book, question in ((mine, "one?"), (theirs, "two?"), (mine, "three?")):
        book.add(Prediction(question, ["a", "b"])).choose("b")
    assert {q: Predictions().add(Prediction(q, ["a", "b"])).chosen for q in ("one?", "two?", "three?")} == {
        "one?": "b",
        "two?": "b",
        "three?": "b",
    }
    assert [path.name for path in notebook.parent.iterdir()] == [notebook.name]  # nothing half written


def test_to_forget_is_to_forget_all(notebook):
    ask().choose("mat")
    predictions.reset()
    assert ask().chosen is None and not notebook.exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"%s": 3}', '{"%s": {"options": ["cat", "mat"]}}', "\udcff"]
)
def test_a_file_that_says_nothing_keeps_nothing(notebook, text):
    notebook.parent.mkdir()
    notebook.write_bytes(text.replace("%s", QUESTION).encode(errors="surrogateescape"))
    p = ask()
    assert p.chosen is None
    p.choose("it")
    restarted()
    assert ask().chosen == "it"


def test_where_nothing_can_be_written_a_choice_lives_as_long_as_its_kernel(notebook):
    notebook.parent.write_text("a file where the folder would be")
    p = ask()
    p.choose("it")
    assert p.chosen == "it" and ask() is p
    predictions.reset()


@pytest.mark.parametrize("name", ["", "console", "/somewhere/script.py"])
def test_without_a_notebook_nothing_is_kept(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JPY_SESSION_NAME", name)
    ask().choose("mat")
    restarted()
    assert ask().chosen is None and list(tmp_path.iterdir()) == []


# --- on the page ------------------------------------------------------------------------------------------


def test_a_press_is_a_choice_and_nonsense_is_none():
    p = ask()
    for content in ({}, {"choose": 7}, {"choose": -1}, {"choose": "cat"}, {"choose": None}, "cat", None):
        p._pressed(p, content, [])
    assert p.chosen is None
    p._pressed(p, {"choose": 1}, [])
    assert p.chosen == "mat" and p._frame["chosen"] == 1
    p._pressed(p, {"choose": 0}, [])
    assert p.chosen == "cat"


def test_a_press_never_raises_even_if_the_lesson_is_wrong():
    p = ask(answer=lambda: 1 / 0)
    p._pressed(p, {"choose": 0}, [])
    assert p.chosen == "cat" and "ZeroDivisionError" in p._frame["said"]


def test_the_reveal_reaches_the_page_too():
    p = ask()
    p.choose("mat")
    frames = []
    p.observe(lambda change: frames.append(change.new), "_frame")
    p.reveal("cat")
    assert frames[-1]["chosen"] == 1 and frames[-1]["answer"] == 0
    assert frames[-1]["said"] == "✗ you said “mat”; it was “cat”. It asks for a living thing."
    json.dumps(frames[-1])


def test_the_saved_page_has_text_and_a_picture_that_are_the_same_each_time():
    first, second = (Prediction(QUESTION, ["cat", "a " + "long " * 60 + "option", "$x_"]) for _ in range(2))
    bundles = [p._repr_mimebundle_() for p in (first, second)]
    data, metadata = bundles[0]
    assert data["text/plain"] == f'Prediction("{QUESTION}": not answered)'
    assert data["image/png"] == bundles[1][0]["image/png"]
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == first.model_id
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert image.format == "PNG" and metadata["image/png"]["width"] < 800
    assert (np.asarray(image.convert("L")) < 128).mean() > 0.002  # something is drawn


def test_the_picture_keeps_long_text_inside_and_marks_without_colour():
    p = Prediction("long " * 60, ["short", "word " * 90])
    figure = p.figure()
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    width, height = figure.get_size_inches() * figure.dpi
    assert all(box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height for box in boxes)
    assert all(upper.y0 > lower.y1 for upper, lower in itertools.pairwise(boxes))
    p.choose("short")
    assert p.figure().texts[1].get_text().startswith("●")
    p.reveal("word " * 90)
    assert [t.get_text()[0] for t in p.figure().texts[1:]] == ["✗", "✓"]


def test_it_is_a_widget_whose_files_are_its_own():
    assert issubclass(Prediction, anywidget.AnyWidget)
    assert Prediction._esm == linked("prediction.js")
    assert Prediction._css.startswith("/*")


PAGE = """<!doctype html><div id="here"></div><script type="module">
const listeners = {};
window.sent = [];
const drawn = () => new Promise((done) => requestAnimationFrame(done)); // after a view that asked before
window.model = {
  frame: FRAME,
  get: () => window.model.frame,
  on: (name, f) => (listeners[name] = f),
  off: (name) => delete listeners[name],
  send: (content) => window.sent.push(content),
  set: (frame) => { window.model.frame = frame; listeners["change:_frame"](); return drawn(); },
};
const { default: widget } = await import("data:text/javascript;base64,SCRIPT");
window.cleanup = widget.render({ model: window.model, el: document.getElementById("here") });
await drawn();
window.ready = true;
</script>"""


@pytest.fixture(scope="module")
def browser():
    need_chromium()
    with running_chromium() as chromium:
        yield chromium


def _open(browser, prediction: Prediction):
    script = base64.b64encode(linked("prediction.js").encode()).decode()
    page = browser.new_page()
    page.set_content(PAGE.replace("SCRIPT", script).replace("FRAME", json.dumps(prediction._frame)))
    page.wait_for_function("window.ready")
    return page


@pytest.mark.browser
def test_the_keyboard_is_enough_and_the_focus_stays(browser):
    p = predict("<i>what?</i>", ["<b>one</b>", "two"], why="so.")
    page = _open(browser, p)
    group = page.get_by_role("group", name="<i>what?</i>")
    assert [b.inner_text() for b in group.get_by_role("button").all()] == ["<b>one</b>", "two"]
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("window.sent") == [{"choose": 1}]
    p._pressed(p, page.evaluate("window.sent")[0], [])
    page.evaluate("frame => window.model.set(frame)", p._frame)
    two = page.get_by_role("button", name="● two")
    assert two.get_attribute("aria-pressed") == "true" and two.get_attribute("aria-disabled") == "false"
    assert two.evaluate("b => b === document.activeElement")
    p.reveal("<b>one</b>")
    page.evaluate("frame => window.model.set(frame)", p._frame)
    assert page.locator("[aria-disabled=true]").count() == 2
    names = [b.inner_text() for b in group.get_by_role("button").all()]
    assert names == ["✓ <b>one</b>", "✗ two"]
    assert page.get_by_role("status").inner_text() == "✗ you said “two”; it was “<b>one</b>”. so."
    assert two.count() == 0 and page.evaluate("document.activeElement.textContent") == "✗ two"
    page.keyboard.press("Space")
    assert page.evaluate("window.sent.length") == 2  # it is sent, and answered in words
    page.evaluate("window.cleanup()")
    page.close()
