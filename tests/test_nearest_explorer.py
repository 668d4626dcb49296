"""The explorer of sentences nearest in meaning: by whom, in which order, and what it refuses."""

import weakref

import pytest
import torch
import traitlets

from attention_core.live import NearestExplorer, shared_letters, shared_words

LIST = ["a red car", "a blue car", "the sea"]
LENGTHS = {"a red car": (3.0, 0.0), "a blue car": (1.0, 1.0), "the sea": (-1.0, 1.0), "red": (5.0, 0.0)}


def by_table(sentences):
    return torch.tensor([LENGTHS.get(sentence, (0.0, 0.0)) for sentence in sentences])


def test_the_nearest_come_first_whatever_the_rows_lengths():
    explorer = NearestExplorer(by_table, LIST, "red")
    assert torch.allclose(explorer.cosines, torch.tensor([1, 0.5**0.5, -(0.5**0.5)]))
    assert explorer.order == (0, 1, 2) and explorer.weights.shape == (4, 4)
    assert torch.allclose(explorer.weights, explorer.weights.T) and explorer.weights[1, 3] < 0
    assert explorer.nearest.content.words[0] == "a red car" and explorer.nearest.content.shares[0] == 1
    assert explorer.heatmap.map.queries == ("red", *LIST)
    explorer.sentence = "the sea"
    assert explorer.order == (2, 1, 0) and explorer.heatmap.map.keys[0] == "the sea"


def test_a_rival_has_another_idea_and_both_can_be_chosen():
    explorer = NearestExplorer(by_table, LIST, "red")
    assert explorer.names == ("meaning", "shared words") and explorer.by == "meaning"
    explorer.by = "shared words"
    assert torch.allclose(explorer.cosines, torch.tensor([3**-0.5, 0, 0]))
    assert "**shared words**" in explorer.nearest.content.said
    assert list(explorer.controls["by"].options) == ["meaning", "shared words"]
    with pytest.raises(traitlets.TraitError, match="by must be one of meaning, shared words, got 'luck'"):
        explorer.by = "luck"
    assert explorer.by == "shared words"
    explorer.rivals = {"table": by_table}
    assert explorer.by == "meaning" and explorer.order == (0, 1, 2)
    explorer.encode = shared_letters  # what it is called is what it is
    assert explorer.names == ("shared letters", "table") and explorer.by == "shared letters"
    assert NearestExplorer().names == ("shared letters", "shared words")


def test_words_are_shared_whatever_their_case_order_and_stops():
    rows = shared_words(["The cat, the dog.", "the DOG the cat", "nobody"])
    assert rows.shape == (3, 4096) and rows.sum(-1).tolist() == [4, 4, 1]
    assert rows[0].equal(rows[1]) and rows[0] @ rows[2] == 0


def test_letters_are_shared_by_words_that_are_not_the_same():
    rows = shared_letters(["it sleeps", "IT sleep", "no"])
    assert rows.sum(-1).tolist() == [8, 7, 2]  # " it", "it ", " sl", "sle", "lee", "eep", "eps", "ps "
    assert rows[0] @ rows[1] == 6 and rows[0] @ rows[2] == 0


def test_where_nothing_is_shared_nothing_is_near():
    explorer = NearestExplorer(sentences=LIST, sentence="Zug")
    assert explorer.nearest.content.words == [] and "nothing in common" in explorer.nearest.content.said
    assert explorer.cosines.tolist() == [0, 0, 0]


def test_the_listed_ones_are_encoded_once_until_it_is_told_of_a_change():
    asked = []

    def counting(sentences):
        asked.append(len(sentences))
        return by_table(sentences)

    explorer = NearestExplorer(counting, LIST, "red")
    explorer.sentence = "the sea"
    assert asked == [1, 3, 1]
    explorer.sentences = LIST[:2]
    assert asked[3:] == [1, 2] and len(explorer.cosines) == 2
    explorer.update()
    assert asked[5:] == [1, 2]


@pytest.mark.parametrize(
    ("encode", "said"),
    [
        (lambda sentences: None, "Not finished yet"),
        (lambda sentences: torch.ones(7, 2), "(1, dim)"),
        (
            lambda sentences: torch.tensor([[float("nan"), 1.0]] * len(sentences)),
            "Its vectors hold NaN or ∞.",
        ),
        (lambda sentences: 1 / 0, "ZeroDivisionError"),
        (
            lambda sentences: torch.ones(len(sentences), 2 + len(sentences)),
            "The vector of what is typed has 3 numbers, those of the list have 5: as many are needed.",
        ),
    ],
)
def test_what_an_encoder_does_wrong_is_said_in_the_maps_place(encode, said):
    explorer = NearestExplorer(encode, LIST, "red")
    assert said in explorer.heatmap.message and explorer.weights is None and explorer.order is None
    assert explorer.names == ("meaning", "shared words") == tuple(explorer.controls["by"].options)
    explorer.encode = by_table
    assert explorer.order == (0, 1, 2) and not explorer.heatmap.message


def test_nothing_typed_and_nothing_listed():
    explorer = NearestExplorer(by_table, LIST, "red")
    explorer.sentence = "  "
    assert explorer.heatmap.message == "Type a sentence." and explorer.cosines is None
    assert explorer.names == ("meaning", "shared words")  # what can be chosen stays
    assert tuple(explorer.controls["by"].options) == explorer.names and explorer.controls["by"].index == 0
    explorer.controls["by"].index = 1
    assert explorer.by == "shared words"
    with pytest.raises(traitlets.TraitError):
        explorer.sentences = []
    assert explorer.sentences == LIST


def test_an_encoder_may_write_into_its_list():
    def empties(sentences):
        rows = by_table(sentences)
        sentences.clear()
        return rows

    explorer = NearestExplorer(empties, LIST, "red")
    assert explorer.order == (0, 1, 2) and explorer.sentences == LIST and not explorer.heatmap.message


def test_another_function_in_the_same_place_is_another_one():
    explorer = NearestExplorer(by_table, LIST, "red")
    kept = weakref.ref(made := lambda sentences: by_table(sentences))
    explorer.encode = made
    explorer.encode, made = by_table, None
    explorer.by = "shared words"
    explorer.by = "meaning"
    assert kept() is None  # only the one whose rows are there is kept
    explorer.rivals = {"other": (first := lambda sentences: by_table(sentences))}
    explorer.by = "other"
    there = weakref.ref(first)
    first = None
    explorer.by = "meaning"
    explorer.rivals = {"other": lambda sentences: -by_table(sentences)}
    assert there() is not None, "kept as long as its rows are: no other can come to have its id"
    explorer.by = "other"
    assert explorer.order == (0, 1, 2) and there() is None


def test_a_rival_has_a_name_of_its_own():
    with pytest.raises(traitlets.TraitError, match="a rival cannot be called 'meaning'"):
        NearestExplorer(by_table, LIST, "red", rivals={"meaning": shared_words})
    explorer = NearestExplorer(by_table, LIST, "red")
    with pytest.raises(traitlets.TraitError, match="that is what encode is called"):
        explorer.rivals = {"meaning": shared_words}
    assert explorer.names == ("meaning", "shared words")
    explorer = NearestExplorer(sentences=LIST, rivals={"meaning": by_table})
    with pytest.raises(traitlets.TraitError, match="a rival cannot be called 'meaning'"):
        explorer.encode = by_table
    assert explorer.encode is shared_letters and explorer.names == ("shared letters", "meaning")


def test_update_sees_a_rival_that_was_put_into_the_dict():
    explorer = NearestExplorer(by_table, LIST, "red", rivals={})
    explorer.rivals["mine"] = by_table
    explorer.update()
    assert explorer.names == ("meaning", "mine")


def test_long_sentences_are_cut_beside_the_map_and_whole_above():
    long = "the sea " * 10
    explorer = NearestExplorer(lambda sentences: torch.ones(len(sentences), 1), [long, "x" * 60], long + "!")
    labels = explorer.heatmap.map.keys
    assert labels == (long[:59] + "…", long[:59] + "…", "x" * 60) == explorer.heatmap.map.queries
    assert explorer.nearest.content.words[0] == long


def test_its_still_picture_names_the_sentence_and_the_nearest():
    explorer = NearestExplorer(by_table, LIST, "red")
    caption = explorer.figure().get_supxlabel()
    assert "“red”" in caption and caption.index("a red car") < caption.index("a blue car")
    assert repr(explorer) == "NearestExplorer(“red” among 3 sentences, by meaning)"
