"""Answers to `same_word(weights, tokens)`: one number."""

import torch

from answers import known, right, unlisted

TOKENS = ["the", "cat", "the", "mat", "the"]
WEIGHTS = torch.arange(1.0, 26).reshape(5, 5) / torch.arange(1.0, 26).reshape(5, 5).sum(-1, keepdim=True)


def measured(f):
    return float(torch.as_tensor(f(WEIGHTS.clone(), [*TOKENS])))


def differs(f):
    each = [float(WEIGHTS[i, [j for j in (0, 2, 4) if j != i]].sum()) for i in (0, 2, 4)]
    return abs(measured(f) - sum(each) / 3) > 1e-3


@right
def row_by_row(weights, tokens):
    found = []
    for i, token in enumerate(tokens):
        others = [j for j, other in enumerate(tokens) if other == token and j != i]
        if others:
            found.append(weights[i, others].sum())
    return sum(found) / len(found) if found else 0.0


@right
def a_mask_of_pairs(weights, tokens):
    alike = torch.tensor([[a == b for a in tokens] for b in tokens])
    alike.fill_diagonal_(False)
    rows = alike.any(-1)
    return (weights * alike).sum(-1)[rows].mean() if rows.any() else 0


@right
def two_loops(weights, tokens):
    total, rows = 0.0, 0
    for i in range(len(tokens)):
        if tokens.count(tokens[i]) > 1:
            rows += 1
            for j in range(len(tokens)):
                if j != i and tokens[j] == tokens[i]:
                    total += weights[i, j].item()
    return total / rows if rows else 0.0


@right
def numbers_for_words(weights, tokens):
    names = {word: k for k, word in enumerate(dict.fromkeys(tokens))}
    ids = torch.tensor([names[word] for word in tokens])
    alike = (ids[:, None] == ids).float() - torch.eye(len(ids))
    return (weights * alike).sum() / alike.sum(-1).clamp(max=1).sum().clamp(min=1)


@right
def itself_taken_away(weights, tokens):
    twice = [i for i, word in enumerate(tokens) if tokens.count(word) > 1]
    each = [weights[i][[word == tokens[i] for word in tokens]].sum() - weights[i, i] for i in twice]
    return torch.stack(each).mean() if each else torch.tensor(0.0)


def scored(weights, tokens, counts, read=torch.sum, rows=None):
    """The mean over rows with a column that counts."""
    n = len(tokens)
    places = [[j for j in range(n) if counts(i, j)] for i in range(n)]
    each = [read(weights[i, of]) for i, of in enumerate(places) if of]
    return sum(each) / (rows or len(each)) if each else 0.0


def other(tokens):
    return lambda i, j: tokens[i] == tokens[j] and i != j


@known("itself-counted")
def the_same_place_too(weights, tokens):
    return scored(weights, tokens, lambda i, j: tokens[i] == tokens[j] and tokens.count(tokens[i]) > 1)


@known("itself-counted")
def every_word_is_itself(weights, tokens):
    return scored(weights, tokens, lambda i, j: tokens[i] == tokens[j])


@known("all-rows-counted")
def divided_by_n(weights, tokens):
    total = 0.0
    for i in range(len(tokens)):
        for j in range(len(tokens)):
            if tokens[i] == tokens[j] and i != j:
                total += weights[i, j]
    return total / len(tokens)


@known("sum")
def not_divided(weights, tokens):
    return scored(weights, tokens, other(tokens), rows=1)


@known("copies-averaged")
def means_of_rows(weights, tokens):
    return scored(weights, tokens, other(tokens), torch.mean)


@known("copies-averaged")
def all_pairs_in_one_heap(weights, tokens):
    found = []
    for i in range(len(tokens)):
        for j in range(len(tokens)):
            if i != j and tokens[i] == tokens[j]:
                found.append(weights[i, j])
    return sum(found) / len(found) if found else 0.0


@known("largest-copy")
def the_largest(weights, tokens):
    return scored(weights, tokens, other(tokens), torch.max)


@known("one-copy")
def stopped_at_the_first(weights, tokens):
    found = []
    for i, token in enumerate(tokens):
        for j, word in enumerate(tokens):
            if word == token and i != j:
                found.append(weights[i, j])
                break
    return sum(found) / len(found) if found else 0.0


@known("first-place")
def by_index(weights, tokens):
    found = [weights[i, tokens.index(token)] for i, token in enumerate(tokens) if tokens.count(token) > 1]
    return sum(found) / len(found) if found else 0.0


@known("first-place")
def by_index_but_not_itself(weights, tokens):
    return scored(weights, tokens, lambda i, j: j == tokens.index(tokens[i]) and i != j)


@known("earlier-only")
def looking_back(weights, tokens):
    return scored(weights, tokens, lambda i, j: tokens[i] == tokens[j] and j < i)


@known("later-only")
def looking_ahead(weights, tokens):
    return scored(weights, tokens, lambda i, j: tokens[i] == tokens[j] and j > i)


@known("after-the-copy")
def induction(weights, tokens):
    return scored(weights, tokens, lambda i, j: 0 < j <= i and j - 1 < i and tokens[j - 1] == tokens[i])


@known("after-the-copy")
def one_to_the_right(weights, tokens):
    return scored(weights, tokens, lambda i, j: j > 0 and i != j - 1 and tokens[j - 1] == tokens[i])


@right
def turned(weights, tokens):
    # the same words the other way round: over all pairs the same sum
    return scored(weights.T, tokens, other(tokens))


@known("other-words")
def not_the_same(weights, tokens):
    return scored(weights, tokens, lambda i, j: tokens[i] != tokens[j])


@known("part-of-a-word")
def in_for_equal(weights, tokens):
    return scored(weights, tokens, lambda i, j: tokens[i] in tokens[j] and i != j)


@known("one-row-a-word")
def each_word_once(weights, tokens):
    found = []
    for word in dict.fromkeys(tokens):
        places = [i for i, token in enumerate(tokens) if token == word]
        if len(places) > 1:
            found.append(weights[places[0], places[1:]].sum())
    return sum(found) / len(found) if found else 0.0


@known("counted")
def how_often_the_largest(weights, tokens):
    rows = [i for i, word in enumerate(tokens) if tokens.count(word) > 1]
    hits = [int(weights[i].argmax()) for i in rows]
    return sum(tokens[j] == tokens[i] and i != j for i, j in zip(rows, hits, strict=True)) / max(1, len(rows))


@known("not-averaged")
def a_number_for_each(weights, tokens):
    alike = torch.tensor([[a == b for a in tokens] for b in tokens]).fill_diagonal_(False)
    return (weights * alike).sum(-1)[alike.any(-1)]


@known("nan-of-none")
def a_mean_of_none(weights, tokens):
    alike = torch.tensor([[a == b for a in tokens] for b in tokens]).fill_diagonal_(False)
    return (weights * alike).sum(-1)[alike.any(-1)].mean()


@known("itself-counted + sum")
def two_mistakes(weights, tokens):
    return scored(weights, tokens, lambda i, j: tokens[i] == tokens[j], rows=1)


@known("wrong-signature")
def without_tokens(weights):
    return weights.mean()


@known("no-return")
def nothing_comes_back(weights, tokens):
    row_by_row(weights, tokens)


@known("not-a-number")
def a_list(weights, tokens):
    return [row_by_row(weights, tokens)]


@unlisted("by hand", differs)
def squared(weights, tokens):
    return scored(weights.square(), tokens, other(tokens))


@unlisted("by hand", lambda f: float(torch.as_tensor(f(torch.full((3, 3), 1 / 3), ["a", "b", "a"]))) > 0.34)
def itself_left_out_of_the_row(weights, tokens):
    rest = weights - torch.diag(weights.diag())
    return scored(rest / rest.sum(-1, keepdim=True).clamp(min=1e-9), tokens, other(tokens))


@unlisted("from 0 to 1", lambda f: measured(f) > 1)
def in_per_cent(weights, tokens):
    return 100 * row_by_row(weights, tokens)


@unlisted("ZeroDivisionError", None, status="error")
def divided_by_none(weights, tokens):
    found = [weights[i, j] for i in range(len(tokens)) for j in range(len(tokens)) if other(tokens)(i, j)]
    rows = len([word for word in tokens if tokens.count(word) > 1])
    return sum(found) / rows
