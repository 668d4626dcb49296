"""How a result is shown: the name of the mistake, the smallest example, the line, as text and as a page."""

import html
import re
from html.parser import HTMLParser

import torch
from answers.self_attention import NotScaled, Plain
from cells import cell

from attention_core import probes, scaled_dot_product_attention
from attention_core.agreement import attention_rounding
from attention_core.practice import check
from attention_core.practice.result import Example, Result
from attention_core.practice.source import line_to_look_at


def _without_scale():
    source = (
        "def attention(query, key, value, allowed=None):\n"
        '    """query @ key in a docstring is no line to look at"""\n'
        "    # neither is query @ key in a comment\n"
        "    scores = query @ key.transpose(-2, -1)  # (n_q, n_k) <b>\n"
        "    weights = torch.softmax(scores, dim=-1)\n"
        "    return weights @ value, weights\n"
    )
    return cell(source)["attention"]


def test_the_name_the_smallest_example_and_the_line():
    answer = _without_scale()
    result = check.attention(answer)
    assert result.bug == "no-scale"
    lines = repr(result).splitlines()
    assert lines[0] == "✗ attention: these are the weights without ÷ √d_k"
    assert "expected" in lines[3] and "got" in lines[3]
    assert lines[-2] == "  Look at line 4: scores = query @ key.transpose(-2, -1)"
    assert lines[-1] == "  To try these numbers yourself: attention(*check.attention.inputs)"
    assert result.example.got.numel() == 6 and result.example.expected.shape == result.example.got.shape
    _, weights = answer(*result.inputs)  # what it says to try gives what it shows
    _, off = attention_rounding(*result.inputs, scale=1)
    assert torch.allclose(weights, result.example.got, rtol=0, atol=off)
    shown = [float(x) for x in re.findall(r"\d\.\d\d", "\n".join(lines[4:6]))]
    assert shown == [
        round(x, 2)
        for pair in zip(result.example.expected, result.example.got, strict=True)
        for r in pair
        for x in r.tolist()
    ]


def test_the_line_is_of_the_body_and_of_the_method_that_is_called():
    def softmax_of(scores, dim=-2):
        shares = scores.softmax(dim)
        return shares

    class Both(Plain):
        def __init__(self, dim):
            super().__init__(dim)
            self.names = ("to_key", "to_value")

        def forward(self, x, allowed=None):
            q, k, v = self.to_query(x), self.to_key(x), self.to_key(x)
            return scaled_dot_product_attention(q, k, v, allowed)

    assert check.softmax(softmax_of).where[1] == "shares = scores.softmax(dim)"
    assert line_to_look_at(Both, "to_key")[1].startswith("q, k, v = ")
    assert check.self_attention(Both).where == line_to_look_at(Both, "to_key")
    assert line_to_look_at(softmax_of, "nothing like it") is None
    assert line_to_look_at(_without_scale(), "query @ key") == (4, "scores = query @ key.transpose(-2, -1)")
    assert line_to_look_at(_without_scale(), "docstring", "comment", "^$") is None


def test_the_line_that_makes_an_empty_cache_is_not_the_one_to_look_at():
    class Cache:
        def __init__(self):
            self.keys = self.values = None

        def __len__(self):
            return 0 if self.keys is None else self.keys.shape[2]

        def append(self, key, value):
            if self.keys is not None:
                key = torch.cat((self.keys, key), dim=2)
            self.keys, self.values = key, value
            return key, value

    result = check.remember(Cache)
    assert result.bug == "values-forgotten" and result.where[1] == "self.keys, self.values = key, value"


def test_a_modules_parameters_are_large_enough_for_a_mistake_to_show():
    result = check.self_attention(NotScaled)
    assert result.example.expected.max() - result.example.expected.min() > 0.6  # with torch's own start, 0.2


def test_a_module_is_asked_with_parameters_of_ours_so_no_call_is_said_to_repeat_it():
    result = check.self_attention(NotScaled)
    assert result.example.again == "" and result.inputs == ()
    assert "To try these numbers yourself" not in repr(result)


def test_two_numbers_that_differ_are_not_shown_as_the_same():
    result = check.softmax(lambda scores: scores.softmax(-1) + 0.0003)
    lines = repr(result).splitlines()
    expected, got = lines[-2].split()[-6:-3], lines[-2].split()[-3:]
    assert expected != got and expected[0].startswith("0.")


def test_of_a_batch_only_the_part_that_differs_is_shown():
    def wrong_in_the_second(query, key, value, allowed=None):
        output, weights = scaled_dot_product_attention(query, key, value, allowed)
        if weights.ndim == 4:
            weights[1, 2] = 0.5
        return output, weights

    result = check.attention(wrong_in_the_second)
    assert result.example.words.startswith("weights[1, 2], for a batch of 2 × 3")
    assert result.example.got.ndim == 2 and (result.example.got == 0.5).all()


class _Text(HTMLParser):
    """The text of a page, and the tags that are in it."""

    def __init__(self):
        super().__init__()
        self.text, self.tags, self.styles = "", [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.styles += [value for name, value in attrs if name == "style"]

    def handle_data(self, data):
        self.text += data


def _page(result) -> _Text:
    page = _Text()
    page.feed(result._repr_html_())
    return page


def test_the_html_says_what_the_text_says():
    result = check.attention(_without_scale())
    page = _page(result)
    for part in (result.headline, *result.details, result.example.words, result.where[1], "expected", "got"):
        assert part in page.text
    for cells in (result.example.expected, result.example.got):
        assert all(f"{x:.2f}" in page.text for x in cells.flatten().tolist())


def test_what_the_learner_wrote_is_text_and_never_html():
    space = cell(
        "def softmax(scores):\n"
        "    if scores.ndim < 99: raise ValueError('<script>alert(1)</script> & <img src=x onerror=y>')\n"
    )
    result = check.softmax(space["softmax"])
    page = _page(result)
    assert not {"script", "img"} & set(page.tags)
    assert "<script>alert(1)</script> & <img src=x onerror=y>" in page.text
    assert html.escape("<script>") in result._repr_html_()


def test_every_field_is_escaped():
    nasty = "<i>&"
    verdict = probes.Verdict(nasty, False, nasty)
    example = Example(nasty, torch.ones(2, 2), "text", ((nasty, torch.ones(1)),), (), nasty)
    result = Result(nasty, "wrong", nasty, nasty, (nasty,), (verdict,), example, (1, nasty))
    page = _page(result)
    assert "i" not in page.tags
    assert page.text.count(nasty) == 9


def test_colours_follow_the_theme_and_are_never_alone():
    results = [check.softmax(f) for f in (..., lambda s: s.softmax(-1), lambda s: s, lambda s: s.no)]
    assert [r.status for r in results] == ["not started", "passed", "wrong", "error"]
    for result in results:
        for style in _page(result).styles:
            for colour in re.findall(r"(?:color|border-left): ([^;]+)", style):
                assert "var(--jp-" in colour or "none" in colour
    assert [repr(r)[0] for r in results] == ["○", "✓", "✗", "✗"]
