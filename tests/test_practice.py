"""The checks: every mistake is rejected and named, every right answer passes, and nothing raises."""

import html
import linecache
import math
import re
from html.parser import HTMLParser

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import shifted
from mutation_table import ROWS, Plain, _Three, judge, main
from torch import nn

from attention_core import probes, scaled_dot_product_attention
from attention_core.agreement import attention_rounding
from attention_core.live.call import Unusable, call_attention
from attention_core.practice import check, multi_head, recipes, single_head, suspects, training
from attention_core.practice.exercise import Bug, Exercise, parts, same
from attention_core.practice.result import Result
from attention_core.practice.source import line_to_look_at

EXERCISES = [thing for thing in vars(check).values() if isinstance(thing, Exercise)]
CLASSIC = {  # the fifteen of the lesson plan
    "no scale": ("attention", "no-scale"),
    "1/d_k": ("attention", "one-over-d-k"),
    "√d_model": ("attention", "sqrt-d-model"),
    "√num_heads": ("multi_head", "sqrt-num-heads"),
    "softmax over queries": ("attention", "over-queries"),
    "argmax": ("attention", "argmax"),
    "mask inverted": ("attention", "mask-inverted"),
    "causal diagonal off by one": ("attention", "diagonal-off-by-one"),
    "mask after softmax": ("attention", "mask-after-softmax"),
    "mask multiplied into scores": ("attention", "mask-multiplied"),
    "−1e9 fill": ("attention", "minus-1e9"),
    "split without transpose": ("multi_head", "split-without-transpose"),
    "merge without transpose": ("multi_head", "merge-without-transpose"),
    "V from W_K": ("self_attention", "value-from-key"),
    "W_O forgotten": ("multi_head", "output-not-projected"),
}


def cell(source: str, **names) -> dict:
    """Run source as a notebook cell runs: in no file, with its lines known to linecache."""
    name = f"<ipython-input-{abs(hash(source))}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    space = {"torch": torch, "nn": nn, "math": math, **names}
    exec(compile(source, name, "exec"), space)
    return space


# --- the table ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.exercise}-{row.answer.__name__}")
def test_every_row_of_the_mutation_table_is_right(row):
    result, problem = judge(row)
    assert not problem, f"{problem}\n{result}"
    assert bool(result) == (row.status == "passed")


@pytest.mark.parametrize("name", CLASSIC)
def test_the_classic_mistakes_are_in_the_table(name):
    exercise, bug = CLASSIC[name]
    assert [row for row in ROWS if (row.exercise, row.bug) == (exercise, bug)]


def test_there_are_ten_unlisted_mistakes_and_four_styles_of_each_main_exercise():
    unlisted = [row for row in ROWS if row.exercise == "attention" and row.status == "wrong" and not row.bug]
    assert len(unlisted) >= 10 and all(row.true for row in unlisted)
    for exercise in ("softmax", "causal_mask", "attention", "self_attention", "multi_head"):
        assert sum(row.exercise == exercise and row.status == "passed" for row in ROWS) >= 4


def test_the_table_command_prints_every_row_and_fails_when_one_is_wrong(capsys, monkeypatch):
    rows = [row for row in ROWS if row.exercise == "causal_mask"]
    monkeypatch.setattr("mutation_table.ROWS", rows)
    assert main() == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == f"{len(rows)} of {len(rows)} rows are right"
    assert all(line.rstrip().endswith("yes") for line in printed[1:-1]) and len(printed) == len(rows) + 2
    monkeypatch.setattr("mutation_table.ROWS", [r for r in ROWS if r.label == "ones and zeros"][:1])
    monkeypatch.setattr(single_head, "_MASK_BUGS", ())
    monkeypatch.setattr(check, "causal_mask", check.attention)
    assert main() == 1


# --- the tables of known mistakes are sound -----------------------------------------------------------


def _singles(exercise: Exercise) -> list[Bug]:
    return [bug for bug in exercise.bugs if " + " not in bug.name]


def _first(exercise: Exercise) -> tuple:
    if exercise is check.self_attention:
        return single_head._one_head(Plain)[1]
    if exercise is check.multi_head:
        from mutation_table import FromTheFunctions

        return multi_head._several_heads(FromTheFunctions)[1]
    if exercise is check.pre_norm:
        from mutation_table import TwoSums

        return training._made(TwoSums)[1]
    return ()


def _answers(exercise: Exercise, function) -> list:
    answers = []
    for case in exercise.cases(*_first(exercise)):
        try:
            answers.append(parts(function(*_first(exercise), *case.inputs)))
        except Exception:
            answers.append(None)
    return answers


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_each_known_mistake_is_seen_by_the_cases_and_no_two_are_the_same(exercise):
    right = _answers(exercise, exercise.reference)
    assert None not in right
    seen: list[tuple[str, list]] = []
    for bug in _singles(exercise):
        for function in bug.functions:
            wrong = _answers(exercise, function)
            off = [w is not None and not same(w, r) for w, r in zip(wrong, right, strict=True)]
            assert any(off), f"{bug.name} passes every case"
            for other, answers in seen:
                both = zip(wrong, answers, strict=True)
                alike = all(x is not None and y is not None and same(x, y) for x, y in both)
                assert other == bug.name or not alike, f"{bug.name} and {other} cannot be told apart"
            seen.append((bug.name, wrong))


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_each_known_mistake_is_in_the_mutation_table(exercise):
    name = next(name for name, thing in vars(check).items() if thing is exercise)
    named = {row.bug for row in ROWS if row.exercise == name}
    shared = {slip.name for slip in recipes.SLIPS} | {slip.name for slip in single_head.PROJECTION_SLIPS}
    by_others = {row.bug for row in ROWS}
    for bug in _singles(exercise):
        inherited = name in ("self_attention", "multi_head") and bug.name in shared
        assert bug.name in (by_others if inherited else named), bug.name


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_messages_are_short_and_end_as_sentences_do(exercise):
    for bug in _singles(exercise):
        assert len(bug.words) <= 100 and not bug.words.endswith("."), bug.words
        assert not bug.why or (len(bug.why) <= 100 and bug.why.endswith((".", "!"))), bug.why
        assert all(re.compile(pattern) for pattern in bug.look_at)


# --- not started, not finished ------------------------------------------------------------------------


def stub(query, key, value, allowed=None):
    """What it should do."""
    ...  # your lines here


def stub_that_returns(*arguments):
    return ...


def stub_that_passes(scores):
    pass


class Stub(nn.Module):
    def __init__(self, dim):
        super().__init__()
        ...

    def forward(self, x, allowed=None):
        """x (..., n, dim)"""
        ...


class StubOfALine(_Three):
    def forward(self, x, allowed=None):
        output = weights = ...
        return output, weights


class NoForward(nn.Module):
    def __init__(self, dim):
        super().__init__()


@pytest.mark.parametrize("answer", [..., None, stub, stub_that_returns, stub_that_passes, lambda *a: ...])
@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_an_untouched_stub_is_not_started_yet(exercise, answer):
    result = exercise(answer)
    assert (result.status, result.bug, bool(result)) == ("not started", None, False)
    assert (
        repr(result)
        == f"○ {exercise.name}: not started yet. Replace the ... above, run that cell, then this one."
    )


@pytest.mark.parametrize("answer", [Stub, NoForward, StubOfALine])
def test_an_untouched_class_is_not_started_yet(answer):
    result = check.self_attention(answer)
    assert result.status == "not started", result


def test_no_argument_is_not_started_either():
    assert check.attention().status == "not started"


def test_a_stub_of_several_lines_says_which_is_still_to_be_written():
    space = cell(
        "def attention(query, key, value, allowed=None):\n"
        "    scores = query @ key.mT  # = ...\n"
        "    weights = ...\n"
        "    return weights @ value, weights\n"
        "def pair(query, key, value, allowed=None):\n"
        "    output, weights = ..., ...\n"
        "    return output, weights\n"
    )
    result = check.attention(space["attention"])
    assert result.status == "not started"
    assert repr(result).splitlines() == [
        "○ attention: not finished yet: a line is still to be written",
        "  Look at line 3: weights = ...",
    ]
    assert check.attention(space["pair"]).where == (6, "output, weights = ..., ...")


def test_dots_that_are_no_stub_are_not_taken_for_one():
    def indexed(scores):
        shifted = scores[..., :] - scores.amax(-1, keepdim=True)[...]
        return shifted.softmax(-1)

    assert check.softmax(indexed)
    assert check.softmax(lambda s: None if s.ndim > 9 else s.exp()).bug == "not-normalised"


# --- exceptions ---------------------------------------------------------------------------------------


def test_an_exception_is_shown_with_the_learners_line_in_the_cell():
    space = cell(
        "# a first line\n"
        "def softmax(scores):\n"
        "    shifted = scores - scores.max()\n"
        "    return torch.softmaxx(shifted, dim=-1)\n"
    )
    result = check.softmax(space["softmax"])
    assert (result.status, result.bug) == ("error", None)
    assert result.where == (4, "return torch.softmaxx(shifted, dim=-1)")
    text = repr(result)
    assert text.startswith(
        "✗ softmax: it stopped with AttributeError: module 'torch' has no attribute 'softmaxx'"
    )
    assert "It was called with 2 rows of 3 scores." in text and "dim=-1" in text.splitlines()[-1]


def test_the_line_is_the_learners_even_when_our_code_or_torchs_raised():
    space = cell(
        "def attention(query, key, value, allowed=None):\n"
        "    mask = causal_mask('three')\n"
        "    return value, mask\n"
        "def other(query, key, value, allowed=None):\n"
        "    return torch.cat([query, key], dim=-1), value\n",
        causal_mask=check.causal_mask.reference,
    )
    assert check.attention(space["attention"]).where == (2, "mask = causal_mask('three')")
    assert check.attention(space["other"]).where[0] == 5
    with pytest.raises(Unusable, match=r"in line 2: mask = causal_mask\('three'\)"):
        call_attention(space["attention"], *(torch.ones(2, 2),) * 3)


def test_a_call_that_fails_before_the_function_begins_shows_no_line_of_ours():
    result = check.softmax(lambda: 1)
    assert result.status == "error" and "TypeError" in result.headline and result.where is None
    with pytest.raises(Unusable) as caught:
        call_attention(lambda: 1, *(torch.ones(2, 2),) * 3)
    assert "in line" not in str(caught.value)


def test_a_hint_on_shapes_comes_with_an_error_of_shapes_and_not_with_a_misspelling():
    batch_only = check.attention(lambda q, k, v, a=None: (q @ k.permute(*range(k.ndim)[::-1]), v))
    assert "query @ key.transpose(-2, -1)" in repr(check.attention(lambda q, k, v, a=None: (q @ k, v)))
    assert batch_only.status == "wrong"
    misspelt = check.attention(lambda q, k, v, a=None: undefined)  # noqa: F821
    assert misspelt.details == ("It was called with 2 queries × 3 keys.",)


def test_an_error_in_a_late_stage_does_not_hide_an_early_mistake():
    def attention(query, key, value, allowed=None):
        if allowed is not None:
            raise KeyError("later")
        weights = (query @ key.mT).softmax(-1)
        return weights @ value, weights

    assert check.attention(attention).bug == "no-scale"


def test_making_a_module_can_fail_too():
    class Fails(Plain):
        def __init__(self, dim):
            super().__init__(dim)
            self.width = dim / 0

    result = check.self_attention(Fails)
    assert result.status == "error" and "ZeroDivisionError" in result.headline
    assert result.where[1] == "self.width = dim / 0"
    assert "dim = 4" in repr(result)


def test_a_failure_of_the_check_itself_is_not_blamed_on_the_learner():
    def broken(*_):
        raise RuntimeError("ours")

    exercise = Exercise("broken", ("x",), broken, check.softmax.cases, (), "")
    result = exercise(lambda scores: scores)
    assert result.status == "error" and "the check itself failed" in result.headline


class Strange:
    """Calls itself a function, and answers whatever it holds."""

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, *arguments):
        return self.answer


ODD = st.one_of(
    st.integers(), st.text(), st.floats(), st.booleans(), st.binary(),
    st.lists(st.integers(), max_size=3), st.dictionaries(st.text(), st.integers(), max_size=2),
    st.builds(lambda n: torch.zeros([2] * n), st.integers(0, 4)),
    st.builds(lambda n: (torch.full([2] * n, math.nan), torch.ones([2] * n).bool()), st.integers(0, 4)),
    st.builds(lambda x: (x, ..., None), st.text()),
    st.just((torch.zeros(2, 5, dtype=torch.complex64), torch.zeros(2, 3, dtype=torch.complex64))),
    st.just((torch.zeros(2, 5).to_sparse(), torch.zeros(2, 3).to_sparse())),
    st.just((torch.zeros(2, 5, requires_grad=True), torch.zeros(0))),
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(answer=ODD, called=st.booleans(), which=st.sampled_from([e.name for e in EXERCISES]))
def test_no_answer_makes_a_check_raise_or_pass(answer, called, which):
    exercise = next(e for e in EXERCISES if e.name == which)
    result = exercise(Strange(answer) if called else answer)
    assert result.status in ("wrong", "error", "not started")
    assert repr(result) and result._repr_html_()
    assert "the check itself failed" not in repr(result), result


# --- what it does to the answer -----------------------------------------------------------------------


def test_writing_into_the_arguments_is_survived_and_remarked():
    row = next(row for row in ROWS if row.label == "written in place")
    result = check.attention(row.answer)
    assert result and "writes into its arguments" in repr(result)
    assert "writes into" not in repr(check.attention(scaled_dot_product_attention))


def test_what_the_answer_prints_does_not_bury_the_result(capsys):
    def talking(query, key, value, allowed=None):
        print("shape", query.shape)
        weights = (query @ key.mT).sigmoid()
        return weights @ value, weights

    assert check.attention(talking).evidence
    assert capsys.readouterr().out == ""


def test_a_sparse_tensor_is_refused_in_words():
    def sparse(query, key, value, allowed=None):
        output, weights = scaled_dot_product_attention(query, key, value, allowed)
        return output, weights.to_sparse()

    assert "a sparse one" in check.attention(sparse).headline


def test_torchs_dice_are_left_alone_and_a_module_is_not_changed():
    module = Plain(4)
    before = {name: p.clone() for name, p in module.named_parameters()}
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    assert check.self_attention(module)
    assert check.self_attention(Plain)
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(p, before[name]) for name, p in module.named_parameters())


def test_a_module_of_another_size_can_be_given_ready_made():
    from mutation_table import FromTheFunctions, RootOfTheHeads

    assert check.self_attention(Plain(10))
    assert check.multi_head(FromTheFunctions(12, 3))
    assert check.multi_head(RootOfTheHeads(12, 4)).bug == "sqrt-num-heads"


@pytest.mark.parametrize("row", ROWS[::7], ids=lambda row: row.answer.__name__)
def test_a_result_reads_the_same_each_time(row):
    first, second = (getattr(check, row.exercise)(row.answer) for _ in range(2))
    assert repr(first) == repr(second) and first._repr_html_() == second._repr_html_()
    assert not re.search(r"0x[0-9a-f]{6}", repr(first))


# --- what it shows ------------------------------------------------------------------------------------


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
    assert lines[-1] == "  To try these numbers yourself: attention(*_.inputs)"
    assert result.got.numel() == 6 and result.expected.shape == result.got.shape
    _, weights = answer(*result.inputs)  # what it says to try gives what it shows
    _, off = attention_rounding(*result.inputs, scale=1)
    assert torch.allclose(weights, result.got, rtol=0, atol=off)
    shown = [float(x) for x in re.findall(r"\d\.\d\d", "\n".join(lines[4:6]))]
    assert shown == [
        round(x, 2)
        for pair in zip(result.expected, result.got, strict=True)
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


def test_a_modules_parameters_are_large_enough_for_a_mistake_to_show():
    row = next(row for row in ROWS if row.exercise == "self_attention" and row.bug == "no-scale")
    result = check.self_attention(row.answer)
    assert result.expected.max() - result.expected.min() > 0.6  # with torch's own start, 0.2


def test_two_numbers_that_differ_are_not_shown_as_the_same():
    result = check.softmax(lambda scores: scores.softmax(-1) + 0.0003)
    left, right = (table for _, table in result._tables()[-2:])
    assert left != right and "0." in repr(left)


def test_of_a_batch_only_the_part_that_differs_is_shown():
    def wrong_in_the_second(query, key, value, allowed=None):
        output, weights = scaled_dot_product_attention(query, key, value, allowed)
        if weights.ndim == 4:
            weights[1, 2] = 0.5
        return output, weights

    result = check.attention(wrong_in_the_second)
    assert result.example.startswith("weights[1, 2], for a batch of 2 × 3")
    assert result.got.ndim == 2 and (result.got == 0.5).all()


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
    for part in (result.headline, *result.details, result.example, result.where[1], "expected", "got"):
        assert part in page.text
    for cells in (result.expected, result.got):
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
    result = Result(
        nasty, "wrong", nasty, nasty, (nasty,), (verdict,), nasty, ((nasty, torch.ones(1)),),
        torch.ones(2, 2), "text", (1, nasty), (), nasty,
    )  # fmt: skip
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


# --- more than one mistake ----------------------------------------------------------------------------


def test_mistakes_at_two_stages_are_told_one_after_the_other():
    def both(query, key, value, allowed=None):
        scores = query @ key.mT
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -1e9)
        return scores.softmax(-1) @ value, scores.softmax(-1)

    def one_left(query, key, value, allowed=None):
        return both(query * query.shape[-1] ** -0.5, key, value, allowed)

    assert check.attention(both).bug == "no-scale"
    assert check.attention(one_left).bug == "minus-1e9"


def test_two_mistakes_at_one_stage_are_both_named():
    row = next(row for row in ROWS if row.bug == "no-scale + over-queries")
    result = check.attention(row.answer)
    assert "two things at once" in result.headline
    assert "÷ √d_k" in result.headline and "over the queries" in result.headline


# --- the bug hunt -------------------------------------------------------------------------------------


SOLVED = {
    "suspect_a": probes.causality,
    "suspect_b": probes.rows_sum_to_one,
    "suspect_c": probes.fully_masked_row,
}


def test_the_hunt_is_solved_by_three_different_probes_and_only_by_what_exposes():
    result = check.hunt(**SOLVED)
    assert result and all(result.evidence)
    for name, right in SOLVED.items():
        for probe in probes.ALL:
            exposes = probe(getattr(suspects, name)).holds is False and probe is not probes.parity
            one = check.hunt(**{**SOLVED, name: probe})
            assert bool(one) == exposes, (name, probe.__name__)
        others = [p for p in SOLVED.values() if p is not right]
        assert not any(check.hunt(**{**SOLVED, name: p}) for p in others)


def test_each_suspect_looks_right_without_a_probe():
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    for name in SOLVED:
        suspect = getattr(suspects, name)
        output, weights = suspect(x, x, x)
        assert output.shape == (5, 4) and weights.shape == (5, 5) and weights.isfinite().all()
        assert probes.permutation_equivariance(suspect) and probes.rectangular(suspect)
        assert not re.search("leak|wrong|bug|axis|queries", suspect.__doc__)


def test_the_hunt_before_and_on_the_way():
    assert check.hunt().status == "not started"
    assert check.hunt(**dict.fromkeys(SOLVED, ...)).status == "not started"
    result = check.hunt(suspect_a=probes.parity, suspect_b=probes.causality, suspect_c=...)
    assert result.status == "wrong" and "0 of 3" in result.headline
    said = [v.evidence for v in result.evidence]
    assert (
        "Which property" in said[0]
        and "not exposed: causality holds" in said[1]
        and said[2] == "still at large"
    )
    assert "this is an int" in repr(check.hunt(suspect_a=3))
    assert "without brackets" in repr(check.hunt(suspect_a=probes.causality(suspects.suspect_a)))
    assert "there is no suspect_d" in repr(check.hunt(suspect_d=probes.causality))


# ---------------------------------------------------------------- rounding is not a mistake


def test_right_answers_may_differ_by_what_rounding_explains_in_every_case():
    asked = 0
    for case in check.attention.cases():
        query, key, value = case.inputs[:3]
        asked += 1
        assert max(attention_rounding(query, key, value, dtype=torch.float32)) <= case.near, case.words
    assert asked >= 10


@pytest.mark.parametrize("by", [1, 3, 5])
def test_right_answers_pass_wherever_their_numbers_stand(by):
    """A quarter power on each side: the same scores, rounded otherwise, from numbers at odd places."""

    def attention(query, key, value, allowed=None):
        query, key, value = (shifted(x, by) for x in (query, key, value))
        root = query.shape[-1] ** 0.25
        scores = torch.einsum("...qd,...kd->...qk", query / root, key / root)
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -math.inf)
        weights = (scores.double() - scores.double().logsumexp(-1, keepdim=True)).exp().nan_to_num(0)
        return weights.to(value.dtype) @ value, weights.to(value.dtype)

    result = check.attention(attention)
    assert result.status == "passed", result
