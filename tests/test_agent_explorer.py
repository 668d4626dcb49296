"""The explorer of agents: agents of known weights, their way, its hand, and what it says of bad ones."""

import re
from dataclasses import replace

import gymnasium
import pytest
import torch
import traitlets
from torch import nn

from attention_core.live import AgentExplorer, acting
from attention_core.worlds import COLOURS, MOVES, Corridor, Corridors, Room, Rooms

UP, DOWN, LEFT, RIGHT = range(len(MOVES))


def goes(rooms):
    """Looks at the first object of the wanted colour and goes there, rows first."""
    wanted, objects = rooms[0, 0, 1:5], rooms[0, 1:]
    at = int((objects[:, 1:5] @ wanted).argmax())
    rows, columns = (5 * objects[at, -2:]).round().int().tolist()
    action = (DOWN if rows > 0 else UP) if rows else (RIGHT if columns > 0 else LEFT)
    weights = torch.full((1, len(objects)), 0.2 / max(1, len(objects) - 1))
    weights[0, at] = 0.8
    return 3.0 * nn.functional.one_hot(torch.tensor([action]), 4), weights


def remembers(past):
    """Looks at the cue and answers it: left if there is none."""
    cue = past[0, :, :2]  # (steps, 2)
    at = int(cue.sum(-1).argmax())
    weights = torch.zeros(1, len(cue), len(cue))
    weights[0, :, at] = 1
    return torch.tensor([[0.0, 4.0 if cue[at, 1] else -4.0]]), weights


def a_room(**other):
    """The agent in the middle; two cells above a blue disc, two to the right an orange square, wanted."""
    objects = torch.tensor([[[0, 2, 0, 0], [2, 4, 1, 1]]])
    given = {"agents": torch.tensor([[2, 2]]), "objects": objects, "wanted": torch.tensor([1]), **other}
    return Rooms(5, **given)


def in_a_room(agent=goes, **traits):
    return AgentExplorer(agent, Room(5, 2), state=traits.pop("state", a_room()), **traits)


def in_a_corridor(agent=remembers, length=4, pays=1, **traits):
    state = Corridors(torch.tensor([pays]), torch.full((1, length), 0.5))
    return AgentExplorer(agent, Corridor(length), state=state, **traits)


def cell(explorer, row: int, column: int) -> int:
    return row * explorer.scene.content.grid[1] + column


def click(explorer, row: int, column: int) -> None:
    explorer.scene._heard(None, {"chosen": cell(explorer, row, column)}, [])


def drag(explorer, start, end, *, begun=True) -> None:
    explorer.scene._heard(
        None, {"dragged": [cell(explorer, *start), cell(explorer, *end)], "begun": begun}, []
    )


def places(explorer) -> list:
    return explorer.now.places[0].tolist()


# ---------------------------------------------------------------- what is shown


def test_lines_go_from_the_agent_to_what_it_looks_at_as_thick_as_the_weights():
    explorer = in_a_room()
    shown = explorer.scene.content
    assert (
        shown.looker == 12
        and shown.weights[2] == pytest.approx(0.2)
        and shown.weights[14] == pytest.approx(0.8)
    )
    assert [w for i, w in enumerate(shown.weights) if i not in (2, 14) and w == w] == []
    thin, thick = (line[-1] for line in shown.lines)
    assert thick == pytest.approx(4 * thin)
    assert explorer.looked.tolist() == pytest.approx([0.2, 0.8])
    assert explorer.heatmap.map.keys == ("blue ●", "orange ■")
    assert (
        shown.names[12].endswith("the agent")
        and shown.said == "It wants **orange**"
        and shown.names[14].endswith("orange square")
    )


def test_what_it_would_do_is_said_with_probabilities():
    explorer = in_a_room()
    words = explorer.verdict.content
    assert explorer.action == RIGHT and "**right**" in words.said and list(words.words) == [*MOVES]
    assert list(words.shares) == pytest.approx(explorer.probabilities.tolist())
    assert words.shares[RIGHT] == pytest.approx(torch.tensor([0.0, 0, 0, 3]).softmax(0)[3].item())


def test_the_way_is_the_worlds_own():
    explorer, state, paid = in_a_room(), a_room(), 0.0
    assert explorer.last == 2
    for at in range(3):
        explorer.at = at
        assert explorer.now.agents.equal(state.agents) and explorer.paid == pytest.approx(paid)
        assert explorer.weights is not None and len(explorer.weights) == min(at + 1, 2)
        if at < 2:
            state, reward = state.step(torch.tensor([RIGHT]))
            paid += float(reward)
    assert "there" in explorer.verdict.content.plain and explorer.action is None and explorer.looked is None
    assert explorer.paid == pytest.approx(0.96)


def test_a_room_has_a_time_limit_and_says_so():
    explorer = in_a_room(
        lambda rooms: torch.tensor([[9.0, 0, 0, 0]]), state=a_room(agents=torch.tensor([[4, 0]]))
    )
    explorer.at = explorer.last
    assert explorer.last == 10 and "time is up" in explorer.verdict.content.plain


def test_a_corridor_opens_at_its_junction_and_looks_back():
    explorer = in_a_corridor()
    assert (explorer.at, explorer.last) == (5, 6)
    shown = explorer.scene.content
    assert (
        shown.grid == (3, 6)
        and shown.looker == 11
        and shown.weights[6] == 1
        and shown.weights[0] != shown.weights[0]
    )
    assert explorer.heatmap.map.keys == ("cue ↓", "1", "2", "3", "4", "junction")
    assert explorer.weights.tolist() == [[1, 0, 0, 0, 0, 0]] and explorer.action == 1
    explorer.at = 2
    assert explorer.weights.shape == (1, 3) and "walks on" in explorer.verdict.content.plain
    explorer.at = 6
    assert "chose right, which pays." in explorer.verdict.content.plain
    assert explorer.scene.content.looker == 17  # in the right arm, which is below
    assert explorer.weights.tolist() == [[1, 0, 0, 0, 0, 0]] and explorer.scene.content.lines == []


def test_an_agent_that_chooses_wrongly_is_paid_nothing():
    explorer = in_a_corridor(lambda past: torch.tensor([[1.0, 0.0]]), at=6)
    assert "left, which pays nothing" in explorer.verdict.content.plain and explorer.paid == 0


@pytest.mark.parametrize(
    "as_rows",
    [lambda w: w[:, -1], lambda w: w, lambda w: w[:, None].expand(1, 3, -1, -1), lambda w: [0 * w, w]],
)
def test_weights_may_be_a_row_or_a_map_with_heads_or_layers(as_rows):
    explorer = in_a_corridor(lambda past: (remembers(past)[0], as_rows(remembers(past)[1])))
    assert explorer.weights.tolist() == [[1, 0, 0, 0, 0, 0]]


def test_a_corridors_last_row_is_the_agents():
    def agent(past):
        weights = torch.eye(past.shape[1])[None].roll(-1, -1)  # each step looks at the one before
        return torch.zeros(1, 2), weights

    assert in_a_corridor(agent).looked.tolist() == [0, 0, 0, 0, 1, 0]


def test_heads_are_averaged_and_a_rooms_first_row_is_the_agents():
    def agent(rooms):
        n = rooms.shape[1]
        weights = torch.zeros(1, 2, n, n)
        weights[0, 0, 0, 1] = weights[0, 1, 0, 2] = 1
        weights[0, :, 1:, 0] = 1
        return torch.zeros(1, 4), weights, torch.zeros(1)  # a value, too

    explorer = in_a_room(agent)
    assert explorer.looked.tolist() == [0.5, 0.5]
    assert explorer.heatmap.map.keys[0] == "itself" and explorer.weights[0].tolist() == [0, 0.5, 0.5]


def test_logits_of_each_step_are_read_at_the_last():
    explorer = in_a_corridor(
        lambda past: torch.arange(2.0 * past.shape[1]).view(1, -1, 2) * torch.tensor([1, -1.0])
    )
    assert explorer.action == 0 and explorer.probabilities[0] > 0.99


def test_an_agent_without_weights_acts_and_says_that_it_has_none():
    explorer = in_a_room(lambda rooms: goes(rooms)[0])
    assert explorer.weights is None and "gives no weights" in explorer.heatmap.message
    assert explorer.action == RIGHT and explorer.scene.content.lines == [] and explorer.last == 2


def test_two_objects_that_look_alike_are_told_apart():
    objects = torch.tensor([[[0, 2, 1, 1], [2, 4, 1, 1], [4, 4, 0, 2]]])
    assert in_a_room(state=a_room(objects=objects)).heatmap.map.keys == ("orange ■ 1", "orange ■ 2", "blue ◆")


def test_a_world_that_has_been_reset_is_shown_as_it_is_and_not_stepped():
    world = gymnasium.make("AttentionCore/Room-v0", num_objects=3)
    world.reset(seed=5)
    before = world.unwrapped.state
    explorer = AgentExplorer(goes, world)
    assert explorer.state is before
    explorer.at = explorer.last
    assert world.unwrapped.state is before


def test_a_long_corridor_fits_the_page():
    explorer = AgentExplorer(None, Corridor(100))
    assert explorer.scene.content.image.shape == (3, 15, 510) and explorer.last == 102


# ---------------------------------------------------------------- the hand


def test_an_object_is_dragged_and_the_agent_follows_at_once():
    explorer = in_a_room()
    drag(explorer, (2, 4), (4, 2))
    assert places(explorer) == [[0, 2], [4, 2]] and explorer.action == DOWN
    drag(explorer, (4, 2), (0, 2))  # there is another one: they change places
    assert places(explorer) == [[4, 2], [0, 2]] and explorer.action == UP


def test_what_is_dragged_passes_over_others_and_over_the_agent():
    explorer = in_a_room()
    drag(explorer, (0, 2), (1, 2))
    for start, end in (((1, 2), (2, 2)), ((2, 2), (2, 3)), ((2, 3), (2, 4)), ((2, 4), (3, 4))):
        drag(explorer, start, end, begun=False)
    assert places(explorer) == [[3, 4], [2, 4]] and explorer.now.agents.tolist() == [[2, 2]]


def test_another_room_is_not_touched_by_a_hand_that_carries_something():
    explorer = in_a_room()
    drag(explorer, (0, 2), (1, 2))
    explorer.another()
    new = explorer.state
    drag(explorer, (1, 2), (1, 3), begun=False)
    kept = explorer.state.objects[0, :, 2:]
    assert kept.equal(new.objects[0, :, 2:]) and int(explorer.state.wanted) == int(new.wanted)


def test_the_agent_is_dragged():
    explorer = in_a_room()
    drag(explorer, (2, 2), (0, 4))
    assert explorer.now.agents.tolist() == [[0, 4]] and explorer.action == DOWN


def test_a_drag_of_nothing_changes_nothing():
    explorer = in_a_room()
    before = explorer.state
    drag(explorer, (4, 4), (4, 3))
    drag(explorer, (0, 2), (0, 2))
    assert explorer.state is before


def test_while_it_acts_a_change_begins_a_new_way_from_there():
    explorer = in_a_room(at=1)
    drag(explorer, (2, 4), (0, 3))
    assert explorer.at == 0 and explorer.now.agents.tolist() == [[2, 3]] and int(explorer.now.steps) == 0
    assert explorer.action == UP and explorer.last == 2


def test_a_click_recolours_an_object_or_what_the_agent_wants():
    explorer = in_a_room()
    click(explorer, 0, 2)
    assert explorer.now.colours.tolist() == [[1, 1]]
    click(explorer, 2, 2)
    assert int(explorer.now.wanted) == 2 and "wants **green**" in explorer.scene.content.said
    for _ in COLOURS:
        click(explorer, 2, 2)
    assert int(explorer.now.wanted) == 2
    before = explorer.state
    click(explorer, 4, 4)
    assert explorer.state is before


def test_a_click_adds_an_object_to_a_free_cell_only():
    explorer = in_a_room(tool="add")
    click(explorer, 4, 4)
    assert places(explorer)[-1] == [4, 4] and explorer.weights.shape == (1, 3)
    before = explorer.state
    for where in ((4, 4), (2, 2)):
        click(explorer, *where)
    assert explorer.state is before


def test_a_click_removes_an_object_but_not_the_last():
    explorer = in_a_room(tool="remove")
    click(explorer, 0, 2)
    assert places(explorer) == [[2, 4]]
    click(explorer, 2, 4)
    assert places(explorer) == [[2, 4]]


def test_a_covered_step_is_hidden_from_the_agent():
    explorer = in_a_corridor()
    click(explorer, 1, 0)
    assert explorer.covered == (0,) and explorer.action == 0
    assert explorer.scene.content.hidden == (6,) and explorer.heatmap.map.keys[0] == "(cue ↓)"
    click(explorer, 1, 0)
    assert explorer.covered == () and explorer.action == 1
    click(explorer, 0, 2)  # a wall
    assert explorer.covered == ()


def test_the_cue_is_turned_by_a_click_on_it_or_on_an_arm():
    explorer = in_a_corridor(tool="turn")
    click(explorer, 1, 0)
    assert int(explorer.state.pays) == 0 and explorer.action == 0 and explorer.at == 5
    for _ in range(2):
        click(explorer, 2, 5)
        assert int(explorer.state.pays) == 1 and explorer.action == 1
    click(explorer, 0, 5)
    assert int(explorer.state.pays) == 0
    before = explorer.state
    click(explorer, 1, 2)
    assert explorer.state is before


def test_a_cue_is_put_and_taken_but_not_the_last():
    explorer = in_a_corridor(tool="cue")
    click(explorer, 1, 3)
    assert explorer.state.cues == (0, 3)
    click(explorer, 1, 0)
    assert explorer.state.cues == (3,) and explorer.weights.tolist() == [[0, 0, 0, 1, 0, 0]]
    for column in (3, 5):  # the only one; the junction
        click(explorer, 1, column)
    assert explorer.state.cues == (3,)


def test_the_agent_of_a_corridor_is_dragged_along_its_way():
    explorer = in_a_corridor()
    drag(explorer, (1, 5), (1, 2))
    assert explorer.at == 2
    drag(explorer, (1, 2), (0, 4))
    assert explorer.at == 2
    handle = explorer.scene.content.handle  # which the page moves by itself
    assert list(handle.cells) == [8] and handle.control is explorer.dials["at"].widget
    assert list(handle.values) == [None] * 6 + [0, 1, 2, 3, 4, 5] + [None] * 6


def test_where_an_agent_has_not_come_it_cannot_be_dragged():
    def tires(past):
        return remembers(past) if past.shape[1] < 4 else None

    assert list(in_a_corridor(tires).scene.content.handle.values)[6:12] == [0, 1, 2, 3, None, None]


def test_another_episode_and_back():
    explorer = in_a_room(at=1)
    drag(explorer, (2, 4), (0, 3))
    before = explorer.state
    explorer.another()
    assert explorer.at == 0 and explorer.seed == 1 and not explorer.state.objects.equal(before.objects)
    new = explorer.state
    explorer.seed = 2
    assert not explorer.state.objects.equal(new.objects)
    explorer.seed = 1
    assert explorer.state.objects.equal(new.objects)
    explorer.start_over()
    assert places(explorer) == [[0, 2], [2, 4]] and explorer.at == 1


def test_a_state_that_is_given_with_a_seed_stays():
    state = a_room()
    assert in_a_room(state=state, seed=7).state is state
    drawn = AgentExplorer(goes, seed=7)
    other = AgentExplorer(goes)
    other.seed = 7
    assert repr(drawn.state) == repr(other.state) != repr(AgentExplorer(goes).state)


def test_what_was_covered_is_seen_again_in_another_episode():
    explorer = in_a_corridor(covered=[0])
    explorer.at = 2
    explorer.another()
    assert explorer.covered == () and explorer.at == 5
    explorer.start_over()
    assert explorer.covered == (0,)


# ---------------------------------------------------------------- what cannot be, and what is broken


@pytest.mark.parametrize(
    "given, message",
    [
        ({"state": a_room()}, "state must be a Corridors, got Rooms"),
        ({"state": Corridors.sample(2, 4)}, "a batch of one, got a batch of 2"),
        ({"tool": "add"}, "tool must be one of cover, turn, cue; got 'add'"),
        ({"covered": 3}, "covered must be steps, from 0; got 3"),
        ({"covered": [-1]}, "covered must be steps"),
        ({"covered": ["cue"]}, "covered must be steps"),
        ({"at": -1}, "at"),
    ],
)
def test_what_cannot_be_is_refused_and_the_old_stays(given, message):
    explorer = in_a_corridor()
    ((name, value),) = given.items()
    before = getattr(explorer, name)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)
    assert getattr(explorer, name) is before and explorer.action == 1


@pytest.mark.parametrize(
    "world, message",
    [
        (Corridor(121), "length=121 is too long to be seen: the most is 120"),
        (Room(31), "a room of 31 × 31 cells is too large to be seen: the most is 30"),
    ],
)
def test_what_is_too_large_to_be_seen_is_refused_at_once(world, message):
    with pytest.raises(traitlets.TraitError, match=message):
        AgentExplorer(lambda seen: pytest.fail("it was asked"), world)


def test_where_it_is_over_before_it_begins_nobody_was_asked():
    explorer = in_a_room(state=a_room(agents=torch.tensor([[2, 4]])))
    assert "It is there" in explorer.verdict.content.plain
    assert "nothing was looked at" in explorer.heatmap.message and "weights" not in explorer.heatmap.message


def test_an_agent_walks_its_way_once():
    calls = []

    def counted(rooms):
        calls.append(1)
        return goes(rooms)

    explorer = in_a_room(counted)
    assert len(calls) == 2
    explorer.at = 1
    explorer.tool = "add"
    assert len(calls) == 2


def test_only_our_worlds_can_be_drawn():
    with pytest.raises(traitlets.TraitError, match="world must be a Corridor or a Room, got str"):
        AgentExplorer(None, "a room")


def test_a_step_beyond_the_end_is_the_last():
    explorer = in_a_room()
    explorer.at = 99
    assert explorer.at == 2


def broken(rooms):
    raise ValueError("no such thing")


@pytest.mark.parametrize(
    "agent, message",
    [
        (broken, "The agent stopped with ValueError: no such thing"),
        (lambda rooms: None, "Not finished yet: the agent returns nothing"),
        (
            lambda rooms: "left",
            r"The agent should return \(logits, weights\), or logits alone; it returned a str",
        ),
        (lambda rooms: torch.zeros(1, 5), r"Logits should have shape \(1, 4\); it has \(1, 5\)"),
        (
            lambda rooms: (torch.zeros(1, 4), torch.zeros(1, 9)),
            "the weights are of 9 keys, but the number of objects is 2",
        ),
        (
            lambda rooms: (torch.zeros(1, 4), torch.zeros(9)),
            r"Weights should have shape \(1, keys\); it has \(9,\)",
        ),
        (lambda rooms: (torch.zeros(1, 4), "none"), "Weights should be a tensor; it is a str"),
    ],
)
def test_an_agent_that_fails_is_told_of_and_the_room_stays(agent, message):
    explorer = in_a_room(agent)
    assert explorer.weights is None
    assert re.search(message, explorer.heatmap.message, re.IGNORECASE), explorer.heatmap.message
    assert explorer.scene.content.looker == 12 and explorer.action is None
    explorer.agent = goes
    assert explorer.action == RIGHT


def test_weights_of_another_number_of_steps_are_refused():
    explorer = in_a_corridor(lambda past: (torch.zeros(1, 2), torch.ones(1, 2) / 2))
    explorer.at = 0
    assert "the weights are of 2 keys, but the number of steps is 1" in explorer.heatmap.message.lower()


def test_an_agent_that_stops_on_its_way_has_gone_so_far():
    def tires(rooms):
        if float(rooms[0, 2, -1]) < 0.3:  # one column from the orange square
            raise RuntimeError("tired")
        return goes(rooms)

    explorer = in_a_room(tires)
    assert explorer.last == 1 and explorer.action == RIGHT
    explorer.at = 1
    assert "tired" in explorer.heatmap.message and explorer.now.agents.tolist() == [[2, 3]]


def test_a_slow_agent_goes_as_far_as_there_is_time(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(acting.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(acting, "LONGEST", 1.5)
    explorer = in_a_room()
    assert explorer.last == 1 and explorer.action == RIGHT
    explorer.at = 1
    assert "after 1.5 seconds it goes no further than step 1" in explorer.heatmap.message


def test_logits_that_are_no_numbers_go_nowhere():
    explorer = in_a_room(lambda rooms: torch.full((1, 4), float("nan")))
    assert explorer.last == 0 and explorer.action is None and "no numbers" in explorer.verdict.content.plain


def test_weights_that_do_not_sum_to_1_are_remarked_upon():
    explorer = in_a_room(lambda rooms: (goes(rooms)[0], 2 * goes(rooms)[1]))
    assert "sums to 2.00, not to 1" in explorer.heatmap.message


def test_an_agent_that_writes_into_what_it_sees_spoils_nothing():
    def writes(past):
        answer = remembers(past)
        past.zero_()
        return answer

    explorer = in_a_corridor(writes)
    assert explorer.action == 1 and float(explorer.now.noise.min()) == 0.5


def test_what_it_has_learned_since_is_seen():
    torch.manual_seed(0)
    layer = nn.Linear(10, 4)
    agent = nn.Module()
    agent.layer, agent.forward = layer, lambda rooms: layer(rooms[:, 0])
    explorer = in_a_room(agent)
    before = explorer.action
    with torch.no_grad():
        layer.bias.copy_(99.0 * nn.functional.one_hot(torch.tensor(3 - before), 4))
    explorer.tool = "add"  # anything at all
    assert explorer.action == 3 - before
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([99.0, 0, 0, 0]))
    explorer.agent = lambda rooms: layer(rooms[:, 0])  # no module: who has trained it says update()
    assert explorer.action == UP
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([0.0, 99, 0, 0]))
    explorer.update()
    assert explorer.action == DOWN


def test_it_does_not_draw_lots_of_anybody_else():
    torch.manual_seed(3)
    first = torch.rand(1)
    torch.manual_seed(3)
    AgentExplorer().another()
    assert torch.rand(1).equal(first)


def test_an_agent_in_training_is_asked_at_rest_and_goes_on_training():
    agent = nn.Sequential(nn.Flatten(), nn.Linear(30, 4), nn.Dropout(0.5))
    with torch.no_grad():
        agent[1].bias += 1  # none is 0, so that what is dropped is seen
    explorer = in_a_room(agent)
    at_rest = agent[:2](a_room().observation)[0].softmax(-1)
    assert explorer.probabilities.tolist() == pytest.approx(at_rest.tolist()) and agent.training


def test_its_line_is_the_same_on_every_machine():
    line = repr(in_a_room())
    assert (
        line
        == "AgentExplorer(5 × 5 cells, 2 objects, orange wanted; 0 steps done; 1 query × 2 keys, learned)"
    )
    assert repr(in_a_corridor(covered=[0])) == (
        "AgentExplorer(4 steps of noise, cue at 0: right pays; 5 steps done; covered: 0; "
        "1 query × 6 keys, learned)"
    )


def test_its_still_picture_has_world_map_and_words():
    for explorer in (
        in_a_room(),
        in_a_corridor(),
        in_a_room(broken),
        in_a_corridor(lambda past: torch.zeros(1, 2)),
    ):
        figure = explorer.figure()
        texts = [text.get_text() for text in figure.findobj(lambda x: hasattr(x, "get_text"))]
        assert any("pays" in text or "wants" in text for text in texts)


def test_a_state_is_replaced_and_never_changed():
    state = a_room()
    kept = replace(state, objects=state.objects.clone())
    explorer = in_a_room(state=state)
    click(explorer, 0, 2)
    explorer.state, explorer.tool = state, "add"
    click(explorer, 4, 4)
    drag(explorer, (2, 4), (1, 1))
    assert state.objects.equal(kept.objects) and state.agents.equal(kept.agents)
