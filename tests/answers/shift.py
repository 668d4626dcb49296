"""Answers to `shift(y, start)`: start, and then y without its last token."""

import torch
from torch.nn import functional as F

from answers import known, right, unlisted

Y = torch.tensor([[5, 3, 8], [7, 9, 4]])


@right
def a_column_and_all_but_the_last(y, start):
    first = torch.full((y.shape[0], 1), start)
    return torch.cat((first, y[:, :-1]), dim=1)


@right
def rolled_and_mended(y, start):
    read = y.roll(1, dims=1)
    read[:, 0] = start
    return read


@right
def rolled_as_one_row_and_mended(y, start):
    read = torch.roll(y, 1)
    read[:, 0] = start
    return read


@right
def padded_with_start(y, start):
    return F.pad(y, (1, -1), value=start)


@right
def place_by_place(y, start):
    read = torch.empty_like(y)
    for i in range(len(y)):
        read[i, 0] = start
        for j in range(1, y.shape[1]):
            read[i, j] = y[i, j - 1]
    return read


@right
def with_lists(y, start):
    return torch.tensor([[start, *row[:-1]] for row in y.tolist()])


@right
def put_in_front_and_cut(y, start):
    long = torch.hstack((y.new_full((len(y), 1), start), y))
    return long[:, :-1]


@right
def backwards_in_place(y, start):
    read = y.clone()
    for j in reversed(range(1, y.shape[1])):
        read[:, j] = read[:, j - 1]
    read[:, 0] = start
    return read


@known("not-shifted")
def as_it_is(y, start):
    return y


@known("shifted-to-the-left")
def the_next_ones(y, start):
    return torch.cat((y[:, 1:], torch.full((len(y), 1), start)), dim=1)


@known("shifted-to-the-left")
def rolled_the_other_way(y, start):
    return y.roll(-1, 1)


@known("start-at-the-end")
def start_last(y, start):
    return torch.cat((y[:, :-1], torch.full((len(y), 1), start)), dim=1)


@known("start-for-the-first")
def the_first_replaced(y, start):
    read = y.clone()
    read[:, 0] = start
    return read


@known("start-for-the-first")
def the_first_dropped(y, start):
    return torch.cat((torch.full((len(y), 1), start), y[:, 1:]), dim=1)


@known("start-missing")
def only_cut(y, start):
    return y[:, :-1]


@known("first-token-repeated")
def the_first_twice(y, start):
    return torch.cat((y[:, :1], y[:, :-1]), dim=1)


@known("rolled")
def round_to_the_front(y, start):
    return torch.roll(y, shifts=1, dims=1)


@known("flattened")
def one_long_row(y, start):
    long = torch.cat((torch.tensor([start]), y.flatten()))
    return long[:-1].view_as(y)


@known("flattened")
def rolled_without_a_dimension(y, start):
    return y.roll(1)


@known("other-sentences")
def the_sentence_above(y, start):
    return torch.cat((torch.full((1, y.shape[1]), start), y[:-1]))


@known("row-for-column")
def the_first_row(y, start):
    read = y.roll(1, 1)
    read[0] = start
    return read


@known("not-cut")
def one_too_many(y, start):
    return F.pad(y, (1, 0), value=start)


@known("cut-too-far")
def two_are_cut(y, start):
    return torch.cat((torch.full((len(y), 1), start), y[:, :-2]), dim=1)


@known("shifted-by-two")
def two_places(y, start):
    read = y.roll(2, 1)
    read[:, :2] = start
    return read


@known("zeros-in-front")
def start_forgotten(y, start):
    return F.pad(y[:, :-1], (1, 0))


@known("start-built-in")
def always_1(y, start):
    return torch.cat((torch.ones(len(y), 1, dtype=torch.long), y[:, :-1]), dim=1)


@known("only-start")
def all_start(y, start):
    read = torch.full_like(y, start)
    for j in range(1, y.shape[1]):
        read[:, j] = read[:, j - 1]
    return read


@known("smeared")
def forwards_in_place(y, start):
    for j in range(1, y.shape[1]):
        y[:, j] = y[:, j - 1]
    y[:, 0] = start
    return y


@known("tokens-changed")
def start_added(y, start):
    return y + start


@known("reversed")
def backwards(y, start):
    return torch.cat((torch.full((len(y), 1), start), y.flip(1)[:, 1:]), dim=1)


@known("one-sentence")
def of_the_first_sentence(y, start):
    return torch.tensor([start, *y[0, :-1].tolist()])


@known("no-tokens")
def floats(y, start):
    return torch.cat((torch.ones(len(y), 1) * start, y[:, :-1]), dim=1)


@known("no-tokens")
def in_a_byte(y, start):
    return F.pad(y, (1, -1), value=start).to(torch.uint8)


@known("writes-into-y")
def y_itself_is_changed(y, start):
    y[:, 1:] = y[:, :-1].clone()
    y[:, 0] = start
    return y


@known("start-without-a-column")
def start_alone(y, start):
    return torch.cat((torch.tensor([[start]]), y[:, :-1]), dim=1)


@known("start-no-tensor")
def a_number(y, start):
    return torch.cat((start, y[:, :-1]), dim=1)


@known("not-a-tensor")
def as_lists(y, start):
    return [[start, *row[:-1]] for row in y.tolist()]


@known("no-return")
def nothing_comes_back(y, start):
    y = y.roll(1, 1)
    y[:, 0] = start


@unlisted("one place later", lambda f: not torch.equal(f(Y, 1)[:, 1:], Y[:, :-1]))
def in_order(y, start):
    return torch.cat((torch.full((len(y), 1), start), y[:, :-1].sort(1).values), dim=1)


@unlisted("start stands first", lambda f: bool((f(Y, 1)[:, 0] != 1).any()))
def one_more_than_start(y, start):
    return F.pad(y, (1, -1), value=start + 1)


@unlisted("read should have shape (2, 4); it has (4, 2)", lambda f: f(Y, 1).shape == (3, 2))
def turned(y, start):
    return F.pad(y, (1, -1), value=start).T


@known("last-sentence-dropped")
def a_sentence_for_a_token(y, start):
    return torch.cat((torch.full((len(y), 1), start), y[:-1]), dim=1)


@known("last-sentence-dropped")
def cut_in_the_wrong_dimension(y, start):
    return F.pad(y, (1, 0), value=start)[:-1]


@known("start-without-a-column")
def a_row_of_starts(y, start):
    return torch.cat((torch.full((len(y),), start), y[:, :-1]), dim=1)
