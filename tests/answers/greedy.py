"""Answers to `greedy(model, source, start, end, steps, allowed=None)`: written tokens, (batch, m ≤ steps)."""

import torch
from torch.nn import functional as F

from answers import known, right, unlisted
from attention_core.practice import check


@right
@torch.no_grad()
def the_usual_loop(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    ended = torch.zeros(len(source), dtype=torch.bool)
    for _ in range(steps):
        logits, _ = model(source, read, allowed)
        following = logits[:, -1].argmax(-1)
        following[ended] = end
        ended |= following == end
        read = torch.cat((read, following[:, None]), dim=1)
        if ended.all():
            break
    return read[:, 1:]


@right
def filled_up_afterwards(model, source, start, end, steps, allowed=None):
    read = source.new_full((source.shape[0], 1), start)
    with torch.no_grad():
        for _ in range(steps):
            read = torch.cat([read, model(source, read, allowed=allowed)[0][:, -1:].argmax(-1)], 1)
    written = read[:, 1:]
    before = (written == end).cumsum(1) - (written == end).int()
    return torch.where(before > 0, end, written)


@right
def sentence_by_sentence(model, source, start, end, steps, allowed=None):
    rows = []
    for i in range(len(source)):
        row = []
        while len(row) < steps and end not in row:
            may = None if allowed is None else allowed[i : i + 1]
            logits = model(source[i : i + 1], torch.tensor([[start, *row]]), may)[0]
            row.append(int(logits[0, -1].argmax()))
        rows.append(row)
    longest = max(map(len, rows))
    return torch.tensor([row + [end] * (longest - len(row)) for row in rows])


@right
def with_room_for_all(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), steps + 1), end)
    read[:, 0] = start
    for i in range(steps):
        over = (read[:, 1 : i + 1] == end).any(1)
        likeliest = model(source, read, allowed)[0][:, i].softmax(-1).max(-1).indices
        read[:, i + 1] = likeliest.where(~over, end)
    return read[:, 1:]


@right
def without_its_padding(model, source, start, end, steps, allowed=None):
    lengths = [source.shape[1]] * len(source) if allowed is None else allowed.sum((1, 2)).tolist()
    written = torch.full((len(source), steps), end)
    for row, x, n in zip(written, source, lengths, strict=True):
        read = [start]
        for i in range(steps):
            row[i] = model(x[None, :n], torch.tensor([read]))[0][0, -1].argmax()
            read.append(int(row[i]))
            if row[i] == end:
                break
    return written


def _loop(*given, **changes):
    """What several wrong answers have in common: everything but one line."""
    model, source, start, end, steps, allowed = given
    read, ended = torch.full((len(source), 1), start), torch.zeros(len(source)).bool()
    for _ in range(steps):
        shown = changes["shown"](read, source) if "shown" in changes else read
        logits, weights = model(source, shown, allowed)
        following = changes["pick"](logits, weights) if "pick" in changes else logits[:, -1].argmax(-1)
        following = following.masked_fill(ended, end)
        ended = ended | (following == end)
        read = torch.cat((read, following[:, None]), -1)
        if ended.all():
            break
    return changes["give"](read) if "give" in changes else read[:, 1:]


@known("reads-only-start")
def the_same_again_and_again(model, source, start, end, steps, allowed=None):
    begin = torch.full((len(source), 1), start)
    written = []
    for _ in range(steps):
        logits, _ = model(source, begin, allowed)
        written.append(logits[:, -1].argmax(-1))
    return torch.stack(written, 1)


@known("reads-only-the-last")
def as_a_recurrent_decoder(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, allowed, shown=lambda read, source: read[:, -1:])


@known("reads-only-the-last")
def one_token_at_a_time(model, source, start, end, steps, allowed=None):
    token, written, ended = torch.full((len(source), 1), start), [], torch.zeros(len(source), 1).bool()
    for _ in range(steps):
        logits, _ = model(source, token, allowed)
        token = logits[:, -1:].argmax(-1).masked_fill(ended, end)
        ended = ended | (token == end)
        written.append(token)
        if ended.all():
            break
    return torch.cat(written, 1)


@known("start-dropped")
def written_alone_is_read(model, source, start, end, steps, allowed=None):
    written = torch.empty(len(source), 0).long()
    ended = torch.zeros(len(source), 1).bool()
    for _ in range(steps):
        read = written if written.numel() else torch.full((len(source), 1), start)
        following = model(source, read, allowed)[0][:, -1:].argmax(-1).masked_fill(ended, end)
        written, ended = torch.cat((written, following), 1), ended | (following == end)
        if ended.all():
            break
    return written


@known("one-token-behind")
def all_but_the_last(model, source, start, end, steps, allowed=None):
    return _loop(
        model,
        source,
        start,
        end,
        steps,
        allowed,
        shown=lambda read, source: read[:, : max(1, len(read[0]) - 1)],
    )


@known("all-at-once")
def in_one_go(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), steps), start)
    written = model(source, read, allowed)[0].argmax(-1)
    over = (written == end).cumsum(1) - (written == end).long() > 0
    return written.masked_fill(over, end)


@known("reads-the-source")
def the_source_twice(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, allowed, shown=lambda read, source: source)


@known("reads-the-source")
def goes_on_where_the_source_ends(model, source, start, end, steps, allowed=None):
    read, n = source, source.shape[1]
    ended = torch.zeros(len(source), dtype=torch.bool)
    for _ in range(steps):
        following = model(source, read, allowed)[0][:, -1].argmax(-1).masked_fill(ended, end)
        ended |= following == end
        read = torch.cat((read, following[:, None]), 1)
        if ended.all():
            break
    return read[:, n:]


@known("start-not-read")
def begins_with_zeros(model, source, start, end, steps, allowed=None):
    return _loop(model, source, 0, end, steps, allowed)


@known("new-in-front")
def the_wrong_way_round(model, source, start, end, steps, allowed=None):
    read, ended = torch.full((len(source), 1), start), torch.zeros(len(source)).bool()
    for _ in range(steps):
        following = model(source, read, allowed)[0][:, -1].argmax(-1).masked_fill(ended, end)
        ended |= following == end
        read = torch.cat((following[:, None], read), 1)
        if ended.all():
            break
    return read[:, :-1]


@known("first-logits")
def logits_of_the_first_place(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, allowed, pick=lambda x, w: x[:, 0].argmax(-1))


@known("reads-what-is-empty")
def room_for_all_and_its_last_place(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), steps + 1), 0)
    read[:, 0] = start
    for i in range(steps):
        over = (read[:, 1 : i + 1] == end).any(1) & (i > 0)
        read[:, i + 1] = model(source, read, allowed)[0][:, -1].argmax(-1).masked_fill(over, end)
    return read[:, 1:]


@known("over-places")
def axis_one(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, allowed, pick=lambda x, w: x.argmax(dim=1)[:, -1])


@known("over-the-batch")
def no_axis(model, source, start, end, steps, allowed=None):
    pick = lambda logits, w: torch.full((len(logits),), int(logits[:, -1].argmax()))  # noqa: E731
    return _loop(model, source, start, end, steps, allowed, pick=pick)


@known("least-likely")
def the_smallest(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, allowed, pick=lambda x, w: x[:, -1].argmin(-1))


@known("weights-for-logits")
def the_second_thing(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, allowed, pick=lambda x, w: w[:, -1].argmax(-1))


@known("first-sentence-for-all")
def a_number_for_the_batch(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    for _ in range(steps):
        following = model(source, read, allowed)[0][0, -1].argmax().item()
        read = F.pad(read, (0, 1), value=following)
        if following == end:
            break
    return read[:, 1:]


@known("one-end-stops-all")
def any_for_all(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    for _ in range(steps):
        following = model(source, read, allowed)[0][:, -1].argmax(-1)
        read = torch.cat((read, following[:, None]), -1)
        if (following == end).any():
            break
    return read[:, 1:]


@known("one-end-stops-all")
def the_first_sentence_decides(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    ended = torch.zeros(len(source)).bool()
    for _ in range(steps):
        following = model(source, read, allowed)[0][:, -1].argmax(-1).masked_fill(ended, end)
        ended |= following == end
        read = torch.cat((read, following[:, None]), -1)
        if following[0] == end:
            break
    return read[:, 1:]


@known("end-not-written")
def stops_before_it_is_written(model, source, start, end, steps, allowed=None):
    read, ended = torch.full((len(source), 1), start), torch.zeros(len(source)).bool()
    for _ in range(steps):
        following = model(source, read, allowed)[0][:, -1].argmax(-1).masked_fill(ended, end)
        ended |= following == end
        if ended.all():
            break
        read = torch.cat((read, following[:, None]), -1)
    return read[:, 1:]


@known("never-ends")
def as_many_as_steps(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    for _ in range(steps):
        read = torch.cat((read, model(source, read, allowed)[0][:, -1:].argmax(-1)), -1)
    return read[:, 1:]


@known("goes-on-after-its-end")
def until_all_end_together(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    for _ in range(steps):
        following = model(source, read, allowed)[0][:, -1].argmax(-1)
        read = torch.cat((read, following[:, None]), -1)
        if (following == end).all():
            break
    return read[:, 1:]


@known("goes-on-after-its-end")
def until_each_has_had_one(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    for _ in range(steps):
        following = model(source, read, allowed)[0][:, -1:].argmax(-1)
        read = torch.cat((read, following), -1)
        if (read[:, 1:] == end).any(1).all():
            break
    return read[:, 1:]


@known("end-forgotten")
def ended_only_just_now(model, source, start, end, steps, allowed=None):
    read, ended = torch.full((len(source), 1), start), torch.zeros(len(source)).bool()
    for _ in range(steps):
        likeliest = model(source, read, allowed)[0][:, -1].argmax(-1)
        following = torch.where(ended, end, likeliest)
        ended = likeliest == end
        read = torch.cat((read, following[:, None]), -1)
    return read[:, 1:]


@known("filled-with-something-else")
def zeros_after_the_end(model, source, start, end, steps, allowed=None):
    read, ended = torch.full((len(source), 1), start), torch.zeros(len(source)).bool()
    for _ in range(steps):
        following = model(source, read, allowed)[0][:, -1].argmax(-1) * ~ended
        ended |= following == end
        read = torch.cat((read, following[:, None]), -1)
        if ended.all():
            break
    return read[:, 1:]


@known("start-kept")
def all_that_was_read(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, allowed, give=lambda read: read)


@known("token-lost")
def without_both_ends(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, allowed, give=lambda read: read[:, 1:-1])


@known("token-lost")
def two_taken_off(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, allowed, give=lambda read: read[:, 2:])


@known("token-lost")
def a_last_column(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, allowed, give=lambda read: read[:, -1:])


@known("one-step-more")
def one_more(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps + 1, allowed)


@known("one-step-fewer")
def from_one(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps - 1, allowed)


@known("steps-ignored")
def eleven_letters(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, 11, allowed)


@known("steps-ignored")
def as_long_as_it_takes(model, source, start, end, steps, allowed=None):
    read, ended = torch.full((len(source), 1), start), torch.zeros(len(source)).bool()
    while not ended.all():
        following = model(source, read, allowed)[0][:, -1].argmax(-1).masked_fill(ended, end)
        ended |= following == end + 1000
        read = torch.cat((read, following[:, None]), -1)
    return read[:, 1:]


@known("no-batch-axis")
def squeezed(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, allowed, give=lambda read: read[:, 1:].squeeze())


@known("allowed-not-handed-on")
def without_the_mask(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, None)


@known("allowed-turned-round")
def padding_instead(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, None if allowed is None else ~allowed)


@known("not-whole")
def in_a_table_of_floats(model, source, start, end, steps, allowed=None):
    table = torch.zeros(len(source), steps)
    for i, column in enumerate(_loop(model, source, start, end, steps, allowed).T):
        table[:, i:] = column[:, None]
    return table


@known("not-unpacked")
def a_pair_for_the_logits(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    return model(source, read, allowed)[:, -1].argmax(-1)


@known("one-start-for-all")
def a_single_start(model, source, start, end, steps, allowed=None):
    read = torch.tensor([[start]])
    for _ in range(steps):
        following = model(source, read, allowed)[0][:, -1:].argmax(-1)
        read = torch.cat((read, following), -1)
        if (following == end).all():
            break
    return read[:, 1:]


@known("batch-of-one")
def asks_the_batch_as_one(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    for _ in range(steps):
        following = model(source, read, allowed)[0][:, -1].argmax(-1)
        read = torch.cat((read, following[:, None]), -1)
        if following == end:
            break
    return read[:, 1:]


@known("nothing-to-read")
def begins_with_nothing(model, source, start, end, steps, allowed=None):
    read = torch.empty(len(source), 0).long()
    return model(source, read, allowed)[0].argmax(-1)


@known("not-tokens")
def reads_floats(model, source, start, end, steps, allowed=None):
    read = torch.ones(len(source), 1) * start
    return model(source, read, allowed)[0].argmax(-1)


@known("wrong-signature")
def without_allowed(model, source, start, end, steps):
    return _loop(model, source, start, end, steps, None)


@known("not-repeatable")
def drawn_by_its_probabilities(model, source, start, end, steps, allowed=None):
    draw = lambda logits, w: logits[:, -1].softmax(-1).multinomial(1)[:, 0]  # noqa: E731
    return _loop(model, source, start, end, steps, allowed, pick=draw)


@known("not-a-tensor")
def a_list_of_lists(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, allowed).tolist()


def _misses(says):
    """Whether the answer differs from ours in the first case of which `says` is so, of ours."""

    def true(answer):
        for case in check.greedy.cases():
            expected, got = check.greedy.reference(*case.inputs), answer(*case.inputs)
            if says(case, expected) and not torch.equal(
                got[:, : expected.shape[1]], expected[:, : got.shape[1]]
            ):
                return True
        return False

    return true


@unlisted("likeliest token", _misses(lambda case, right: True))
def the_likeliest_but_one_at_the_second_step(model, source, start, end, steps, allowed=None):
    third = lambda logits, w: logits[:, -1].sort(-1, descending=True).indices[:, 2]  # noqa: E731
    return _loop(model, source, start, end, steps, allowed, pick=third)


@unlisted("reads what it wrote", _misses(lambda case, right: right.shape[1] > 2))
def reads_the_last_two(model, source, start, end, steps, allowed=None):
    return _loop(model, source, start, end, steps, allowed, shown=lambda read, source: read[:, -2:])


@unlisted("begins with start", _misses(lambda case, right: True))
def begins_with_two(model, source, start, end, steps, allowed=None):
    return _loop(model, source, 5 if start != 5 else 6, end, steps, allowed)


def _never_asks(answer):
    model, *others = check.greedy.cases()[0].inputs
    asked = []
    model.register_forward_pre_hook(lambda *_: asked.append(True))
    answer(model, *others)
    return not asked


@unlisted("asks the model", _never_asks)
def nothing_but_ends(model, source, start, end, steps, allowed=None):
    return torch.full((len(source), steps), end)


@known("all-places-added")
def the_last_place_not_taken_out(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    for _ in range(steps):
        read = torch.cat((read, model(source, read, allowed)[0].argmax(-1)), 1)
    return read[:, 1:]


@known("one-step-only")
def returned_in_the_loop(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    for _ in range(steps):
        read = torch.cat((read, model(source, read, allowed)[0][:, -1:].argmax(-1)), 1)
        return read[:, 1:]


@known("values-and-places")
def max_for_argmax(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    following = model(source, read, allowed)[0][:, -1].max(-1)
    return torch.cat((read, following[:, None]), 1)


@known("no-axis-to-join")
def a_row_beside_a_table(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    return torch.cat((read, model(source, read, allowed)[0][:, -1].argmax(-1)), 1)


@known("rows-added")
def joined_below(model, source, start, end, steps, allowed=None):
    read = torch.full((len(source), 1), start)
    for _ in range(steps):
        read = torch.cat((read, model(source, read, allowed)[0][:, -1:].argmax(-1)))
    return read


@unlisted("padding hidden", _misses(lambda case, right: case.inputs[5] is not None))
def told_at_first_only(model, source, start, end, steps, allowed=None):
    read, ended = torch.full((len(source), 1), start), torch.zeros(len(source)).bool()
    for _ in range(steps):
        following = model(source, read, allowed)[0][:, -1].argmax(-1).masked_fill(ended, end)
        ended, allowed = ended | (following == end), None
        read = torch.cat((read, following[:, None]), 1)
        if ended.all():
            break
    return read[:, 1:]
