"""Answers to `choose(agent, objects, attention, to_logits)`: `(logits, weights)`."""

import torch

from answers import known, right, unlisted
from attention_core import probes
from attention_core.attention import scaled_dot_product_attention

ROOMS = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(8))  # the agent's row, and 5 objects
MATRIX = torch.randn(4, 3, generator=torch.Generator().manual_seed(9))


def attend(query, key, value):
    return scaled_dot_product_attention(query, 2 * key, value - 1)


def to_logits(x):
    return x.tanh() @ MATRIX


def asked(f, rooms=ROOMS):
    return f(rooms[:, 0], rooms[:, 1:], attend, to_logits)


@right
def one_query_a_room(agent, objects, attention, to_logits):
    seen, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent + seen[:, 0]), weights[:, 0]


@right
def room_by_room(agent, objects, attention, to_logits):
    logits, every = [], []
    for me, things in zip(agent, objects, strict=True):
        output, weights = attention(me.unsqueeze(0), things, things)
        logits.append(to_logits(me + output.squeeze(0)))
        every.append(weights.squeeze(0))
    return torch.stack(logits), torch.stack(every)


@right
def all_ask_and_the_own_is_read(agent, objects, attention, to_logits):
    mine = torch.arange(len(agent))
    output, weights = attention(agent, objects, objects)  # (batch, batch, dim): each agent in each room
    return to_logits(agent + output[mine, mine]), weights[mine, mine]


@right
def squeezed_at_the_end(agent, objects, attention, to_logits):
    query = agent.reshape(agent.shape[0], 1, agent.shape[1])
    output, weights = attention(query, objects, objects)
    return to_logits(query + output).squeeze(1), weights.squeeze(1)


@right
def sorted_first(agent, objects, attention, to_logits):
    order = objects[..., 0].argsort(dim=1)
    output, weights = attention(agent[:, None], *[objects.take_along_dim(order[..., None], 1)] * 2)
    return to_logits(torch.add(agent, output.sum(1))), weights[:, 0].take_along_dim(order.argsort(1), 1)


@right
def in_a_list(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None, :], objects, objects)
    both = torch.einsum("bod->bd", output) + agent
    return [to_logits(both), weights.flatten(1)]


@known("agent-without-axis")
def the_first_agent_asks(agent, objects, attention, to_logits):
    output, weights = attention(agent, objects, objects)
    return to_logits(agent + output[:, 0]), weights[:, 0]


@known("agent-without-axis")
def no_axis_at_all(agent, objects, attention, to_logits):
    output, weights = attention(agent, objects, objects)
    return to_logits(agent + output), weights


@known("objects-ask")
def they_look_at_each_other(agent, objects, attention, to_logits):
    output, weights = attention(objects, objects, objects)
    return to_logits(agent + output.mean(dim=1)), weights.mean(dim=1)


@known("first-object-read")
def row_0_of_the_objects(agent, objects, attention, to_logits):
    output, weights = attention(objects, objects, objects)
    return to_logits(agent + output[:, 0]), weights[:, 0]


@known("first-object-read")
def the_first_as_it_is(agent, objects, attention, to_logits):
    _, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent + objects[:, 0]), weights[:, 0]


@known("roles-exchanged")
def the_agent_answers(agent, objects, attention, to_logits):
    output, weights = attention(objects, agent[:, None], agent[:, None])
    return to_logits(agent + output.mean(1)), weights[..., 0]


@known("looks-at-itself")
def itself_among_them(agent, objects, attention, to_logits):
    rows = torch.cat((agent[:, None], objects), dim=1)
    output, weights = attention(agent[:, None], rows, rows)
    return to_logits(agent + output[:, 0]), weights[:, 0, 1:]


@known("pooled-before-looking")
def the_mean_is_looked_at(agent, objects, attention, to_logits):
    crowd = objects.mean(dim=1, keepdim=True)
    output, weights = attention(agent[:, None], crowd, crowd)
    return to_logits(agent + output[:, 0]), weights[:, 0]


@known("pooled-before-looking")
def the_mean_is_taken(agent, objects, attention, to_logits):
    n = objects.shape[1]
    return to_logits(agent + objects.mean(1)), torch.ones(len(agent), n) / n


@known("pooled-before-looking")
def the_largest_of_each_feature(agent, objects, attention, to_logits):
    weights = attention(agent[:, None], objects, objects)[1]
    return to_logits(agent + objects.max(dim=1).values), weights[:, 0]


@known("agent-left-out")
def only_what_is_seen(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    return to_logits(output[:, 0]), weights[:, 0]


@known("objects-left-out")
def with_eyes_closed(agent, objects, attention, to_logits):
    _, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent), weights[:, 0]


@known("places-added")
def numbered(agent, objects, attention, to_logits):
    objects = objects + torch.arange(objects.shape[1])[:, None]
    output, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent + output[:, 0]), weights[:, 0]


@known("some-objects-only")
def four_at_most(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects[:, :4], objects[:, :4])
    return to_logits(agent + output[:, 0]), weights[:, 0]


@known("largest-only")
def the_best_one(agent, objects, attention, to_logits):
    weights = attention(agent[:, None], objects, objects)[1][:, 0]
    best = objects[range(len(objects)), weights.argmax(-1)]
    return to_logits(agent + best), weights


@known("objects-for-values")
def weights_times_objects(agent, objects, attention, to_logits):
    _, weights = attention(agent[:, None], objects, objects)
    seen = weights @ objects
    return to_logits(agent + seen[:, 0]), weights[:, 0]


@known("multiplied")
def agent_times_seen(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent * output[:, 0]), weights[:, 0]


@known("seen-by-all")
def output_as_it_is(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent + output), weights[:, 0]


@known("axis-left")
def weights_of_three_axes(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent + output[:, 0]), weights


@known("axes-squeezed")
def all_ones_squeezed(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent + output.squeeze()), weights.squeeze()


@known("one-room-read")
def room_0_for_all(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent + output[0]), weights[:, 0]


@known("probabilities")
def a_softmax_at_the_end(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent + output[:, 0]).softmax(-1), weights[:, 0]


@known("choice-for-logits")
def the_choice(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent + output[:, 0]).argmax(-1), weights[:, 0]


@known("softmax-again")
def weights_shared_out_twice(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent + output[:, 0]), weights[:, 0].softmax(-1)


@known("other-order")
def weights_first(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    return weights[:, 0], to_logits(agent + output[:, 0])


@known("one-part-alone")
def logits_alone(agent, objects, attention, to_logits):
    output, _ = attention(agent[:, None], objects, objects)
    return to_logits(agent + output[:, 0])


@known("slots")
def end_to_end(agent, objects, attention, to_logits):
    _, weights = attention(agent[:, None], objects, objects)
    return to_logits(objects.flatten(1)), weights[:, 0]


@known("side-by-side")
def agent_beside_seen(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    both = torch.cat((agent, output[:, 0]), dim=-1)
    return to_logits(both), weights[:, 0]


@known("wrong-signature")
def without_a_layer(agent, objects, to_logits):
    return to_logits(agent + objects.mean(1)), None


@known("no-return")
def nothing_comes_back(agent, objects, attention, to_logits):
    output, _ = attention(agent[:, None], objects, objects)
    to_logits(agent + output[:, 0])


@known("no-gradient")
def nothing_learns(agent, objects, attention, to_logits):
    with torch.no_grad():
        output, weights = attention(agent[:, None], objects, objects)
        return to_logits(agent + output[:, 0]), weights[:, 0]


def _follows_the_order(f):
    return not probes.ignores_order(lambda rooms: asked(f, rooms), ROOMS)


@unlisted("ignores order", _follows_the_order)
def later_ones_count_less(agent, objects, attention, to_logits):
    faded = objects * 0.5 ** torch.arange(objects.shape[1])[:, None]
    output, weights = attention(agent[:, None], faded, faded)
    return to_logits(agent + output[:, 0]), weights[:, 0]


@unlisted("ignores order", _follows_the_order)
def each_sees_what_came_before(agent, objects, attention, to_logits):
    so_far = objects.cumsum(1)
    output, weights = attention(agent[:, None], so_far, so_far)
    return to_logits(agent + output[:, 0]), weights[:, 0]


@unlisted("ignores order", _follows_the_order)
def values_of_their_neighbours(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects.roll(1, 1))
    return to_logits(agent + output[:, 0]), weights[:, 0]


def _hears_other_rooms(f):
    return not torch.allclose(asked(f)[0][:1], asked(f, ROOMS[:1])[0])


@unlisted("each room for itself", _hears_other_rooms)
def all_rooms_together(agent, objects, attention, to_logits):
    every = objects.flatten(0, 1)
    output, weights = attention(agent, every, every)
    return to_logits(agent + output), weights[:, : objects.shape[1]]


@unlisted("each room for itself", _hears_other_rooms)
def beside_the_mean_agent(agent, objects, attention, to_logits):
    output, weights = attention((agent - agent.mean(0))[:, None], objects, objects)
    return to_logits(agent + output[:, 0]), weights[:, 0]


@unlisted("rows sum to one", lambda f: not torch.allclose(asked(f)[1].sum(-1), torch.ones(3)))
def twice_the_weights(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent + output[:, 0]), 2 * weights[:, 0]


@unlisted(
    "not right yet: logits differ", lambda f: not torch.allclose(asked(f)[0], asked(one_query_a_room)[0])
)
def seen_twice(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    return to_logits(agent + 2 * output[:, 0]), weights[:, 0]


@known("arguments-changed")
def added_in_place(agent, objects, attention, to_logits):
    output, weights = attention(agent[:, None], objects, objects)
    agent += output[:, 0]
    return to_logits(agent), weights[:, 0]
