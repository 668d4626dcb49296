"""Activation patching: by hand, everything patched is the clean run, and what is refused."""

import pytest
import torch
from explained import Plain, one_head
from test_explanations import MODELS, Restless, picture, sentence, state, tiny

from attention_core import explain
from attention_core.agreement import agree
from attention_core.explain.patching import patched_logits
from attention_core.explain.reading import answers

CLEAN, OTHER = torch.tensor([0, 1, 4]), torch.tensor([2, 3, 4])


def question(*more):
    """Tokens 0 to 4 send a third of 6, 2, −2, −2 and 0 to feature 0: in all 8/3 clean, −4/3 otherwise."""
    values = torch.zeros(5, 5)
    values[:, 0] = torch.tensor([6.0, 2, -2, -2, 0])
    to_logits = torch.zeros(2, 5)
    to_logits[0, 0] = 1
    return Plain(to_logits.tolist(), one_head(values.tolist()), *more)


def close(made, by_hand):
    assert made.shape == (len(by_hand), len(by_hand[0]))
    assert agree(made, torch.tensor(by_hand).to(made), 5, 5, 5, size=8)


def test_by_hand():
    """From −4/3 to 8/3 it is 12 thirds: token 0 in place of 2 brings 8 of them, 1 in place of 3 brings 4.

    After the layer only what is read, word 2, has any effect, and it has all of it.
    """
    close(explain.patch(question(), CLEAN, OTHER), [[2 / 3, 1 / 3, 0], [0, 0, 1]])
    close(explain.patch(question(), CLEAN[None], OTHER[None]), [[2 / 3, 1 / 3, 0], [0, 0, 1]])
    close(explain.patch(question(), OTHER, CLEAN), [[2 / 3, 1 / 3, 0], [0, 0, 1]])  # it is linear
    close(explain.patch(question(), CLEAN, OTHER, (1, 0)), [[2 / 3, 1 / 3, 0], [0, 0, 1]])


def test_by_hand_through_a_second_layer():
    """It sends on three times a third of what is at feature 0, where the first layer put a.

    Word 2 ends with a + a + a + a, one from each word and its own, and with 1 more of the clean run, where
    word 0 is token 0, which is feature 0. With a of 8/3 or −4/3 that is 35/3 or −16/3, 17 apart. Between the
    layers word 0 brings 4 + 1 of these back, word 1 brings 4, word 2 brings 8. From the start token 0 brings
    4 · 8/3 + 1, token 1 brings 4 · 4/3.
    """
    thrice = torch.zeros(5, 5)
    thrice[0, 0] = 3
    made = explain.patch(question(one_head(thrice.tolist())), CLEAN, OTHER)
    first = [(32 / 3 + 1) / 17, (16 / 3) / 17, 0]
    close(made, [first, [5 / 17, 4 / 17, 8 / 17], [0, 0, 1]])


def test_only_what_differs_has_an_effect():
    clean = sentence(seed=1)
    corrupted = clean.clone()
    corrupted[0, 2] = (clean[0, 2] + 1) % 9
    made = explain.patch(tiny(), clean, corrupted, (0, 1))
    assert made.shape == (3, 6)
    assert agree(made[0], torch.eye(6)[2].double(), *[32] * 6, size=float(made.abs().max()) * 10)
    assert (made[1].abs() > 1e-6).all()  # by now every word has heard of it
    assert agree(made[2], torch.eye(6)[5].double(), *[32] * 6, size=float(made.abs().max()) * 10)


@pytest.mark.parametrize("name", MODELS)
def test_everything_patched_is_the_clean_run_and_nothing_is_the_corrupted_one(name):
    make, of = MODELS[name]
    model, clean, corrupted = make(), of(seed=1), of(seed=2)
    with torch.no_grad():
        at_clean, at_corrupted = (answers(model, x)[0] for x in (clean, corrupted))
    assert not agree(at_clean, at_corrupted, *[32] * 6)
    stages, n_all = explain.patch(model, clean, corrupted, (0, 1)).shape
    where = torch.zeros(stages, n_all, dtype=torch.bool)
    assert agree(patched_logits(model, clean, corrupted, where), at_corrupted, *[32] * 6)
    assert agree(patched_logits(model, clean, corrupted, ~where), at_clean, *[32] * 6)
    for stage in range(stages):
        whole = where.clone()
        whole[stage] = True
        assert agree(patched_logits(model, clean, corrupted, whole), at_clean, *[32] * 6)


@pytest.mark.parametrize("name", MODELS)
def test_each_effect_is_one_patch(name):
    """Stage by stage and word by word; the measure from the logits: how much of the difference came back."""
    make, of = MODELS[name]
    model, clean, corrupted = make(), of(seed=1), of(seed=2)
    made = explain.patch(model, clean, corrupted, (3, 1))
    with torch.no_grad():
        end, start = (float(answers(model, x)[0, 3] - answers(model, x)[0, 1]) for x in (clean, corrupted))
    for stage in range(len(made)):
        for j in range(made.shape[1]):
            where = torch.zeros(made.shape, dtype=torch.bool)
            where[stage, j] = True
            logits = patched_logits(model, clean, corrupted, where)
            effect = (float(logits[3] - logits[1]) - start) / (end - start)
            assert agree(
                made[stage, j],
                torch.tensor(effect, dtype=torch.float64),
                *[32] * 6,
                size=4 / abs(end - start),
            )


def test_the_classes_are_what_the_two_runs_answer():
    model = tiny()
    clean, corrupted = sentence(seed=1), sentence(seed=5)
    of, against = (int(model(x)[0][0, -1].argmax()) for x in (clean, corrupted))
    assert of != against
    made = explain.patch(model, clean, corrupted)
    assert torch.equal(made, explain.patch(model, clean, corrupted, (of, against)))
    assert not torch.equal(made, explain.patch(model, clean, corrupted, (of, (against + 1) % 9)))


@pytest.mark.parametrize("fails_after", [None, 1, 2, 3])
def test_a_model_is_left_as_it_was(fails_after):
    model = Restless(fails_after).train()
    model.inner.blocks[0].eval()
    before, clean, corrupted = state(model), sentence(seed=1), sentence(seed=2)
    if fails_after:
        with pytest.raises(RuntimeError, match="no more"):
            explain.patch(model, clean, corrupted, (0, 1))
    else:
        made, wanted = (explain.patch(m, clean, corrupted, (0, 1)) for m in (model, model.inner))
        assert torch.equal(made, wanted)
    assert state(model) == before


class WritesOver(torch.nn.Module):
    """A model that works in place, as a learner's may: what was noted on the way must not change with it."""

    def __init__(self):
        super().__init__()
        self.inner = tiny()
        self.blocks = torch.nn.ModuleList(InPlace(block) for block in self.inner.blocks)

    def forward(self, tokens):
        x, weights = self.inner.embedding(tokens), []
        for block in self.blocks:
            x, of_block = block(x)
            weights.append(of_block)
        return self.inner.to_logits(x), weights


class InPlace(torch.nn.Module):
    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x):
        made, weights = self.block(x)
        return x.copy_(made), weights


def test_a_model_that_writes_over_its_own_vectors():
    model, (clean, corrupted) = WritesOver(), (sentence(seed=1), sentence(seed=2))
    with torch.no_grad():
        at_clean = answers(model, clean)[0]
    for stage in range(3):
        where = torch.zeros(3, 6, dtype=torch.bool)
        where[stage] = True
        assert agree(patched_logits(model, clean, corrupted, where), at_clean, *[32] * 6)


TWICE = tiny()
TWICE.blocks.append(TWICE.blocks[0])  # one block, twice


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: explain.patch(m, CLEAN, OTHER[:2]), r"must have one shape, got \(1, 3\) and \(1, 2\)"),
        (lambda m: explain.patch(m, CLEAN.expand(2, 3), OTHER), r"clean must be one input, .* got \(2, 3\)"),
        (lambda m: explain.patch(m, CLEAN, [1]), "corrupted must be one input, a tensor, got list"),
        (lambda m: explain.patch(m, CLEAN, CLEAN), "two classes must differ, but both are 0: give inputs"),
        (lambda m: explain.patch(m, CLEAN, OTHER, (1, 1)), "two classes must differ, but both are 1"),
        (lambda m: explain.patch(m, CLEAN, CLEAN, (0, 1)), "both have logits that differ by 2.67"),
        (lambda m: explain.patch(m, CLEAN, OTHER, (0, 2)), "a class must be a whole .* 0 to 1, got 2"),
        (lambda m: explain.patch(m, CLEAN, OTHER, (0, 1, 1)), r"classes must be two, .*got \(0, 1, 1\)"),
        (lambda m: explain.patch(m, CLEAN, OTHER, 0), "classes must be two, .*got 0"),
        (lambda m: explain.patch(torch.nn.Identity(), CLEAN, OTHER), "model.blocks, which Identity has not"),
        (lambda m: explain.patch(TWICE, sentence(), sentence(seed=1)), "3 blocks but makes .* calls of them"),
        (lambda m: patched_logits(m, CLEAN, OTHER, torch.ones(2, 3)), r"must be boolean, of shape \(2, 3\)"),
        (lambda m: patched_logits(m, CLEAN, OTHER, torch.ones(3, 3).bool()), r"got \(3, 3\) of torch.bool"),
        (lambda m: patched_logits(m, CLEAN, OTHER, None), "where must be boolean, .*got NoneType"),
        (lambda m: explain.patch(m, CLEAN[None, None, None], picture()), "must have one shape"),
    ],
)  # fmt: skip
def test_errors_in_words(make, message):
    with pytest.raises(ValueError, match=message):
        make(question())
