"""A slider that follows the hand whatever the kernel does: stopped, busy, or answering late."""

import json
import os
import random
import re
import signal

import pytest
from lab import Notebook, until
from playwright.sync_api import expect

CELLS = [
    """
import os, time, torch
from attention_core import scaled_dot_product_attention
from attention_core.live import MultiHeadExplorer, SelfAttentionExplorer, bank
bank.MOST_SECONDS = 10  # on a busy machine, too, there is time for all frames: of the bound is test_bank.py
one = SelfAttentionExplorer("the cat sat on the mat because it was tired")
one
""",
    "heads = MultiHeadExplorer(); heads",
    "SelfAttentionExplorer('nobody touched this')",
]
STATE = "[one.sentence, one.mask, one.scaled, one.temperature, one.weights.flatten().tolist()]"
FRAMES = "map => Number(map.dataset.frames)"


@pytest.fixture(scope="module")
def book(lab, open_notebook):
    notebook = open_notebook(lab.write("banks.ipynb", CELLS))
    notebook.run_all()
    assert notebook.cell_errors() == []
    yield notebook
    assert notebook.errors == []
    notebook.page.close()  # its kernel has gone by now


def said(book: Notebook, expression: str):
    """What the kernel says to this, as JSON has it."""
    return json.loads(book.execute(f"import json; print(json.dumps({expression}))"))


def ready(book: Notebook, explorer: str, dial: int, least: int) -> None:
    """Wait until the page has the frames of this dial, all of them."""
    held: list[int] = [0]

    def more() -> bool:
        held.append(said(book, f"{explorer}._bank._held.get({dial}, 0)"))
        book.page.wait_for_timeout(400)  # what was sent last has arrived
        return held[-2] != held[-1] or held[-1] <= least

    until(more, lambda goes_on: not goes_on)


def box(book: Notebook, n: int):
    return book.widget(".jp-OutputArea-output:has(.attention-explorer)", n)


def test_a_slider_follows_the_hand_while_the_kernel_stands_still_and_both_agree_afterwards(book):
    temperature = box(book, 0).get_by_role("slider", name="Temperature")
    temperature.focus()  # from then on frames are asked for
    ready(book, "one", 1, 1000)
    process, shown = said(book, "os.getpid()"), []
    map_, say = box(book, 0).locator(".ah").first, box(book, 0).locator(".ah-say")
    before = map_.evaluate(FRAMES)
    os.kill(process, signal.SIGSTOP)
    try:
        for n in range(1, 20):
            book.page.keyboard.press("ArrowLeft")
            until(lambda: map_.evaluate(FRAMES), lambda frames, n=n: frames >= before + n)
            shown.append(say.inner_text())
    finally:
        os.kill(process, signal.SIGCONT)
    assert len(set(shown)) >= 10  # 1.00 is 1.00 for several
    until(lambda: said(book, "one.temperature"), lambda now: now == pytest.approx(0.05, abs=0.01), seconds=60)
    weight = said(book, "float(one.weights[7].max())")
    expect(say).to_contain_text(f"{weight:.2f}")
    book.page.wait_for_timeout(500)
    assert say.inner_text() == shown[-1]  # late answers to earlier moves have changed nothing


def test_choices_and_heads_follow_as_well(book):
    masks = box(book, 0).get_by_role("group", name="Mask").get_by_role("button")
    masks.first.focus()
    ready(book, "one", 3, 100)
    process = said(book, "os.getpid()")
    os.kill(process, signal.SIGSTOP)
    try:
        masks.nth(1).click()
        expect(box(book, 0).locator(".ah-masked")).to_be_visible()
    finally:
        os.kill(process, signal.SIGCONT)
    until(lambda: said(book, "one.mask"), lambda mask: mask == "causal")
    alone = box(book, 1).get_by_role("button", name="only head 2")
    alone.focus()
    ready(book, "heads", 4, 100)
    os.kill(process, signal.SIGSTOP)
    try:
        alone.click()
        expect(box(book, 1).locator(".ws-said")).to_contain_text("head 2 alone")
    finally:
        os.kill(process, signal.SIGCONT)
    until(lambda: said(book, "heads.solo"), lambda solo: solo == 2)


def test_a_new_sentence_is_never_shown_with_frames_of_the_old_one(book):
    sentence = box(book, 0).get_by_label("Sentence")
    temperature = box(book, 0).get_by_role("slider", name="Temperature")
    temperature.focus()
    ready(book, "one", 1, 1000)
    process = said(book, "os.getpid()")
    os.kill(process, signal.SIGSTOP)
    try:
        sentence.fill("a dog ran")
        before = box(book, 0).locator(".ah-say").inner_text()
        temperature.focus()
        for _ in range(4):
            book.page.keyboard.press("ArrowRight")
        book.page.wait_for_timeout(300)
        assert box(book, 0).locator(".ah-say").inner_text() == before
    finally:
        os.kill(process, signal.SIGCONT)
    grid = box(book, 0).get_by_role("grid")
    expect(grid).to_have_attribute("aria-colcount", "3")
    sentence.fill("the cat sat on the mat because it was tired")
    expect(grid).to_have_attribute("aria-colcount", "10")


def test_the_page_says_why_there_are_no_frames(book):
    word = box(book, 0).locator(".attention-bank")
    expect(word).to_have_text("")
    book.execute("""
def told(query, key, value, allowed=None):
    print("here")
    return scaled_dot_product_attention(query, key, value, allowed)
one.attention = told""")
    box(book, 0).get_by_role("slider", name="Temperature").focus()
    expect(word).to_have_text("The map follows the kernel, not the hand: its function prints.")
    book.execute("one.attention = scaled_dot_product_attention")
    expect(word).to_have_text("")


def test_after_200_moves_of_any_kind_page_and_python_agree(book):
    """In bursts, with the kernel free, busy with a cell, or standing still for a moment."""
    chance, process = random.Random(0), said(book, "os.getpid()")
    first = box(book, 0)
    hands = [
        lambda: (first.get_by_role("slider", name="Temperature").focus(), press("ArrowLeft", "ArrowRight")),
        lambda: (
            first.get_by_role("group", name="Mask").get_by_role("button").nth(chance.randrange(3)).click()
        ),
        lambda: (
            first.get_by_role("group", name="÷ √d_k").get_by_role("button").nth(chance.randrange(2)).click()
        ),
        lambda: first.get_by_label("Sentence").fill(
            chance.choice(["the cat sat", "it was tired", "a dog ran"])
        ),
    ]

    def press(*keys):
        for _ in range(chance.randrange(1, 6)):
            book.page.keyboard.press(chance.choice(keys))

    for burst in range(20):
        how = ("free", "busy", "still")[burst % 3]
        if how == "busy":
            book.page.evaluate("() => { kernel().requestExecute({ code: 'sum(range(10**7))' }); }")
        if how == "still":
            os.kill(process, signal.SIGSTOP)
        try:
            for _ in range(10):
                chance.choice([hands[0], *hands])()
        finally:
            os.kill(process, signal.SIGCONT)
        first.get_by_role("slider", name="Temperature").focus()
        until(lambda: (said(book, STATE), *on_page(first)), agreed, seconds=60)


def test_a_kernel_that_has_gone_is_asked_nothing(book):
    book.page.evaluate("() => panel().sessionContext.shutdown()")
    expect(box(book, 2).locator(".ah-message")).to_contain_text("Run its cell again.")
    box(book, 2).get_by_role("slider", name="Temperature").focus()
    book.page.wait_for_timeout(2 * 300)  # of quiet: it would be asked by now
    assert book.errors == []


def on_page(explorer) -> tuple[list, list[float]]:
    """Where the controls stand, and the weights that are painted."""
    pressed = explorer.locator(".widget-toggle-button.mod-active, .widget-toggle-button.jp-mod-active")
    stands = [explorer.get_by_label("Sentence").input_value(), *reversed(pressed.all_inner_texts())]
    return [*stands, explorer.locator(".widget-readout").inner_text()], painted(explorer)


def agreed(told) -> bool:
    """Whether Python and the page say the same; the last of many messages may still be on its way."""
    (sentence, mask, scaled, temperature, weights), stands, shown = told
    same = stands == [sentence, mask, "on" if scaled else "off", f"{temperature:.2f}"]
    return same and shown == pytest.approx(weights, abs=0.006)


def painted(explorer) -> list[float]:
    """The weights that the page names, cell by cell, with two digits; 0 where a word may not look."""
    names = explorer.locator(".ah-target").evaluate_all(
        "all => all.map(one => one.getAttribute('aria-label'))"
    )
    numbers = (re.search(r"gives (\d\.\d+)", name or "") for name in names)
    return [float(found[1]) if found else 0.0 for found in numbers]
