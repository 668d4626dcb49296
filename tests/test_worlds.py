"""The worlds of lesson 08: rules worked by hand, one world as many, Gymnasium's checks, errors in words."""

import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from attention_core.worlds import COLOURS, KINDS, MOVES, Corridor, Corridors, Room, Rooms

WORLDS = {"Corridor": Corridor, "Room": Room}
UP, DOWN, LEFT, RIGHT = range(4)
BLUE, ORANGE, GREEN, PINK = range(4)


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def room(agent, objects, wanted=BLUE, size=3, steps=None):
    """One room, of plain numbers; objects are (row, column, colour, kind)."""
    steps = None if steps is None else torch.tensor([steps])
    return Rooms(size, torch.tensor([agent]), torch.tensor([objects]), torch.tensor([wanted]), steps)


def act(states, *actions):
    """Steps a batch of one; the state then, and each reward."""
    rewards = []
    for action in actions:
        states, reward = states.step(torch.tensor([action]))
        rewards.append(round(float(reward), 4))
    return states, rewards


# ---------------------------------------------------------------- the corridor, by hand


def two_corridors(**more):
    return Corridors(torch.tensor([0, 1]), torch.tensor([[0.5, 0.25], [0.0, 1.0]]), **more)


def test_what_is_seen_in_a_corridor():
    assert two_corridors().episode.tolist() == [
        [[1, 0, 0, 0], [0, 0, 0, 0.5], [0, 0, 0, 0.25], [0, 0, 1, 0]],
        [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]],
    ]


def test_a_second_cue_says_the_same_and_takes_the_place_of_noise():
    seen = two_corridors(cues=(0, 2)).episode
    assert seen[:, 2].tolist() == seen[:, 0].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]
    assert seen[:, 1].tolist() == [[0, 0, 0, 0.5], [0, 0, 0, 0]]
    assert two_corridors(cues=(1,)).episode[:, 0].eq(0).all()  # the cue may come late


def test_a_corridor_is_walked_whatever_is_done_and_the_arm_that_pays_gives_1():
    corridors = two_corridors()
    for position in range(3):
        assert corridors.position == position
        assert torch.equal(corridors.observation, corridors.episode[:, position])
        assert torch.equal(corridors.past, corridors.episode[:, : position + 1])
        assert not corridors.over.any()
        corridors, rewards = corridors.step(torch.tensor([position % 2, 1]))
        assert rewards.tolist() == [0, 0]
    for arms, paid in (([0, 1], [1, 1]), ([1, 0], [0, 0]), ([0, 0], [1, 0]), ([1, 1], [0, 1])):
        after, rewards = corridors.step(torch.tensor(arms))
        assert rewards.tolist() == paid and after.chosen.tolist() == arms
        assert after.terminated.all() and not after.truncated.any()
        again, rewards = after.step(1 - after.chosen)
        assert rewards.tolist() == [0, 0] and torch.equal(again.chosen, after.chosen)
        assert torch.equal(again.observation, corridors.episode[:, -1])  # the junction


def test_half_of_the_corridors_pay_left_and_noise_can_be_switched_off():
    drawn = Corridors.sample(4000, 3, generator=dice())
    assert abs(int(drawn.pays.sum()) - 2000) < 5 * 1000**0.5  # five standard deviations
    assert drawn.noise.unique().numel() > 11000 and drawn.noise.min() >= 0 and drawn.noise.max() < 1
    quiet = Corridors.sample(4000, 3, noise=False, generator=dice())
    assert torch.equal(quiet.pays, drawn.pays) and not quiet.noise.any()
    assert drawn.episode.shape == (4000, 5, 4) and drawn.episode.dtype == torch.float32


# ---------------------------------------------------------------- the room, by hand


def test_up_down_left_right_and_the_walls():
    start = room((1, 1), [(0, 0, BLUE, 0)])
    ends = {name: act(start, i)[0].agents[0].tolist() for i, name in enumerate(MOVES)}
    assert ends == {"up": [0, 1], "down": [2, 1], "left": [1, 0], "right": [1, 2]}
    corner = room((2, 2), [(0, 0, BLUE, 0)])
    after, rewards = act(corner, DOWN, RIGHT)
    assert after.agents.tolist() == [[2, 2]] and rewards == [-0.02, -0.02] and after.steps.tolist() == [2]


def test_the_wanted_one_gives_1_and_ends_the_episode():
    after, rewards = act(room((0, 0), [(2, 2, ORANGE, 0), (0, 2, BLUE, 1)]), RIGHT, RIGHT)
    assert rewards == [-0.02, 0.98]
    assert after.terminated.item() and not after.truncated.item() and after.over.item()
    later, rewards = act(after, DOWN, LEFT)
    assert rewards == [0, 0] and later.agents.tolist() == [[0, 2]] and later.steps.tolist() == [2]


def test_another_one_costs_and_the_episode_goes_on():
    start = room((0, 0), [(0, 1, ORANGE, 0), (0, 2, BLUE, 0)])
    after, rewards = act(start, RIGHT, UP, RIGHT)  # onto the orange one, against the wall there, on
    assert rewards == [-0.22, -0.22, 0.98] and after.terminated.item()


def test_the_wanted_is_a_colour_whatever_its_kind_and_however_many():
    for kind in range(len(KINDS)):
        two = [(0, 1, GREEN, kind), (1, 0, GREEN, 0), (2, 2, PINK, kind)]
        for action in (RIGHT, DOWN):
            assert act(room((0, 0), two, wanted=GREEN), action)[1] == [0.98]
        assert act(room((0, 0), two, wanted=PINK), DOWN)[1] == [-0.22]


def test_time_is_up_after_twice_the_size_unless_the_agent_is_there():
    start = room((0, 0), [(0, 1, BLUE, 0)])
    late, _ = act(start, *[UP] * 5)
    assert late.limit == 6 and not late.over.item()
    missed, rewards = act(late, UP, RIGHT)
    assert missed.truncated.item() and not missed.terminated.item()
    assert rewards == [-0.02, 0] and missed.agents.tolist() == [[0, 0]]
    there, rewards = act(late, RIGHT)
    assert there.terminated.item() and not there.truncated.item() and rewards == [0.98]


def test_what_is_seen_in_a_room():
    seen = room((2, 0), [(0, 1, PINK, 2), (2, 2, ORANGE, 0)], wanted=ORANGE, size=4).observation
    assert seen.tolist() == [
        [
            [1, 0, 1, 0, 0, 0, 0, 0, 0, 0],  # the agent wants orange
            [0, 0, 0, 0, 1, 0, 0, 1, -0.5, 0.25],  # a pink diamond, two rows up, one column right
            [0, 0, 1, 0, 0, 1, 0, 0, 0, 0.5],  # an orange disc, two columns right
        ]
    ]
    assert list(COLOURS)[ORANGE] == "orange" and KINDS[2] == "diamond"


def test_objects_in_another_order_are_rows_in_another_order_and_nothing_else():
    rooms = Rooms.sample(50, 4, 6, generator=dice())
    order = torch.randperm(6, generator=dice(1))
    other = replace(rooms, objects=rooms.objects[:, order])
    assert torch.equal(other.observation[:, 1:], rooms.observation[:, 1:][:, order])
    actions = torch.randint(4, (50,), generator=dice(2))
    (after, rewards), (other, others) = rooms.step(actions), other.step(actions)
    assert torch.equal(rewards, others) and torch.equal(after.over, other.over)


def test_the_distance_is_to_the_nearest_wanted_one():
    assert room((0, 0), [(0, 1, PINK, 0), (2, 1, BLUE, 0), (2, 2, BLUE, 0)]).distance.tolist() == [3]
    assert room((0, 0), [(0, 1, PINK, 0)]).distance.tolist() == [float("inf")]


@pytest.mark.parametrize(("size", "num_objects"), [(2, 1), (2, 3), (3, 8), (5, 4)])
def test_rooms_are_drawn_apart_with_one_wanted_object(size, num_objects):
    rooms = Rooms.sample(300, size, num_objects, generator=dice())
    cells = torch.cat((rooms.agents[:, None], rooms.places), dim=1)
    cells = cells[..., 0] * size + cells[..., 1]
    assert all(len(set(row)) == num_objects + 1 for row in cells.tolist())
    assert set(cells[:, 0].tolist()) == set(cells.flatten().tolist()) == set(range(size**2))
    assert rooms.is_wanted.sum(-1).eq(1).all()
    assert rooms.is_wanted.any(0).all()  # it may be any of them
    assert rooms.wanted.unique().tolist() == [0, 1, 2, 3] and rooms.kinds.unique().tolist() == [0, 1, 2]
    assert rooms.steps.eq(0).all() and not rooms.over.any()


# ---------------------------------------------------------------- one as many


BATCHES = {
    "corridors": lambda: (Corridor(4), Corridors.sample(20, 4, generator=dice())),
    "two cues, no noise": lambda: (
        Corridor(6, cues=(0, 3), noise=False),
        Corridors.sample(20, 6, cues=(0, 3), noise=False, generator=dice()),
    ),
    "rooms": lambda: (Room(), Rooms.sample(20, generator=dice())),
    "full rooms": lambda: (Room(3, 7), Rooms.sample(20, 3, 7, generator=dice())),
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_is_as_many_single_worlds(name):
    (world, states), worlds, generator = BATCHES[name](), [], dice(3)
    for i in range(len(states)):
        worlds.append(type(world)(**arguments(world)))
        worlds[i].reset(seed=i)
        worlds[i].state = states[i]
    over = [False] * len(worlds)
    while not all(over):
        actions = torch.randint(states.num_actions, (len(worlds),), generator=generator)
        states, rewards = states.step(actions)
        for i, one in enumerate(worlds):
            if over[i]:
                assert rewards[i] == 0
                continue
            seen, reward, terminated, truncated, info = one.step(int(actions[i]))
            assert type(reward) is float and type(terminated) is type(truncated) is bool and info == {}
            assert (reward, terminated, truncated) == (rewards[i], states.terminated[i], states.truncated[i])
            np.testing.assert_array_equal(seen, states.observation[i].numpy())
            assert one.observation_space.contains(seen)
            over[i] = terminated or truncated
            assert over[i] == states.over[i]


def arguments(world):
    names = ("length", "cues", "noise") if isinstance(world, Corridor) else ("size", "num_objects")
    return {name: getattr(world, name) for name in names}


@pytest.mark.parametrize(
    "make", [lambda g: Corridors.sample(9, 5, generator=g), lambda g: Rooms.sample(9, generator=g)]
)
def test_the_same_seed_draws_the_same_and_a_step_changes_nothing_that_was(make):
    states = make(dice(5))
    assert torch.equal(states.observation, make(dice(5)).observation)
    assert not torch.equal(states.observation, make(dice(6)).observation)
    before = states.observation.clone()
    states.step(torch.ones(9, dtype=torch.long))
    assert torch.equal(states.observation, before)


@pytest.mark.parametrize("make", WORLDS.values())
def test_a_seed_begins_a_sequence_of_episodes(make):
    def episodes():
        world = make()
        for seed in (7, None, None):
            world.reset(seed=seed)
            yield world.state.episode if make is Corridor else world.state.observation

    first, second = list(episodes()), list(episodes())
    assert all(map(torch.equal, first, second))
    assert not torch.equal(first[0], first[1]) and not torch.equal(first[1], first[2])


# ---------------------------------------------------------------- Gymnasium


@pytest.mark.parametrize("name", WORLDS)
def test_gymnasiums_own_check_is_silent(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = gymnasium.make(f"AttentionCore/{name}-v0").unwrapped
        assert type(made) is WORLDS[name]
        check_env(made)
        check_env(WORLDS[name](), skip_render_check=True)
        check_env(WORLDS[name](render_mode="rgb_array"), skip_render_check=True)


def test_the_ids_take_arguments_and_an_episode_is_cut_off_once():
    made = gymnasium.make("AttentionCore/Room-v0", size=3, num_objects=2)
    assert made.observation_space.shape == (3, 10) and made.spec.max_episode_steps is None
    made.reset(seed=0)
    made.unwrapped.state = room((0, 0), [(2, 2, BLUE, 0), (1, 1, PINK, 0)])
    ends = [made.step(UP)[2:4] for _ in range(6)]
    assert ends == [(False, False)] * 5 + [(False, True)]


@pytest.mark.parametrize("make", WORLDS.values())
def test_a_picture_shows_what_changes(make):
    world = make(render_mode="rgb_array")
    world.reset(seed=0)
    first = world.render()
    height, width = (72, 288) if make is Corridor else (120, 120)
    assert first.shape == (height, width, 3) and first.dtype == np.uint8
    pictures = [first]
    for action in (DOWN, UP) if make is Room and world.state.agents[0, 0] < 4 else (UP, DOWN):
        pictures.append((world.step(action % int(world.action_space.n)), world.render())[1])
    assert not np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[1], pictures[2])
    assert make.metadata == {"render_modes": ["rgb_array"], "render_fps": 4}


def colours_of(picture, row, column):
    cell = picture[24 * row : 24 * row + 24, 24 * column : 24 * column + 24]
    return {"#" + bytes(pixel).hex() for pixel in cell.reshape(-1, 3).tolist()}


def test_a_picture_of_a_room_shows_colours_where_they_are():
    drawn = Rooms.sample(3, 4, 5, generator=dice())
    for i in range(3):
        picture, inks = drawn.picture(i), set(COLOURS.values())
        held = {tuple(cell[:2]): list(COLOURS.values())[cell[2]] for cell in drawn.objects[i].tolist()}
        held[tuple(drawn.agents[i].tolist())] = list(COLOURS.values())[int(drawn.wanted[i])]
        for cell in np.ndindex(4, 4):
            assert colours_of(picture, *cell) & inks == ({held[cell]} if cell in held else set())


def test_the_kinds_are_drawn_differently():
    pictures = [room((0, 0), [(1, 1, BLUE, kind)]).picture() for kind in range(len(KINDS))]
    assert len({picture.tobytes() for picture in pictures}) == len(KINDS)


def test_a_picture_of_a_corridor_shows_cue_pay_and_agent():
    corridors = two_corridors(cues=(0, 2))
    for i, pays in enumerate((0, 2)):
        picture = corridors.picture(i)
        assert [c for c in range(4) if "#0072b2" in colours_of(picture, 1, c)] == [0, 2]
        assert [r for r in range(3) if "#f0e442" in colours_of(picture, r, 3)] == [pays]
        assert [c for c in range(4) if "#1c1e21" in colours_of(picture, 1, c)] == [0]
    assert not np.array_equal(*(corridors.picture(i)[24:48, :24] for i in range(2)))  # where the cue points
    middle = two_corridors().picture(1)[36, 36:72:24, 0]  # of steps 1 and 2, with noise 0 and 1
    assert middle[0] > middle[1]
    there = two_corridors(position=3, chosen=torch.tensor([1, 0]))
    assert "#1c1e21" in colours_of(there.picture(0), 2, 3) and "#1c1e21" in colours_of(there.picture(1), 0, 3)


def test_without_a_render_mode_nothing_is_drawn_and_one_is_told():
    world = Room()
    world.reset(seed=0)
    with pytest.warns(UserWarning, match=r'Room\(render_mode="rgb_array"\)'):
        assert world.render() is None


# ---------------------------------------------------------------- what a live explorer needs


def test_a_state_can_be_taken_changed_and_put_back():
    world = Room(3, 2)
    world.reset(seed=0)
    world.state = room((0, 0), [(2, 2, ORANGE, 0), (0, 1, PINK, 1)])
    objects = world.state.objects.clone()
    objects[0, 1, 2] = BLUE
    recoloured = replace(world.state, objects=objects)
    assert world.step(RIGHT)[1] == pytest.approx(-0.22)
    world.state = recoloured
    assert world.step(RIGHT)[1:3] == (pytest.approx(0.98), True)
    world.state = recoloured  # a step back
    more = replace(recoloured, objects=torch.cat((recoloured.objects, torch.tensor([[[1, 1, GREEN, 2]]])), 1))
    assert more.observation.shape == (1, 4, 10)
    with pytest.raises(ValueError, match="num_objects=2, but the state has size=3 and num_objects=3"):
        world.state = more


def test_a_state_says_in_a_line_what_it_is():
    assert repr(Rooms.sample(6, 4, 3)) == "Rooms(6 of size=4, num_objects=3)"
    assert repr(two_corridors(cues=(0, 1))) == "Corridors(2 of length=2, cues=(0, 1), position=0)"


def test_some_of_a_batch_are_a_batch():
    rooms = Rooms.sample(6, generator=dice())
    assert len(rooms) == 6 and len(rooms[2:5]) == 3 and len(rooms[4]) == 1
    assert torch.equal(rooms[4].observation, rooms.observation[4:5])
    assert torch.equal(two_corridors(cues=(0, 1))[1].episode, two_corridors(cues=(0, 1)).episode[1:])
    with pytest.raises(ValueError, match="from 0 to 5, got 6"):
        rooms[6]


# ---------------------------------------------------------------- errors in words

BAD = {
    "length must be a whole number, 1 or more, got 0": lambda: Corridor(0),
    "batch_size must be a whole number, 1 or more, got 0": lambda: Corridors.sample(0),
    "each of the cues must be a whole number from 0 to 10, got 11": lambda: Corridor(10, cues=(11,)),
    "cues must be one step or more, each once, got (2, 2)": lambda: Corridor(10, cues=(2, 2)),
    "cues must be one step or more, each once, got ()": lambda: Corridors.sample(2, 10, cues=()),
    "pays must be from 0 to 1, got 0 to 2": lambda: Corridors(torch.tensor([0, 2]), torch.zeros(2, 3)),
    "noise must be from 0 to 1, got 0 to 1.5": lambda: Corridors(torch.tensor([0]), torch.tensor([[0, 1.5]])),
    "noise must be from 0 to 1, got nan to nan": lambda: Corridors(
        torch.tensor([0]), torch.tensor([[0, torch.nan]])
    ),
    "noise must be a tensor of torch.float32, got torch.int64": lambda: Corridors(
        torch.tensor([0]), torch.tensor([[0]])
    ),
    "noise must have shape (2, length), got (3, 4)": lambda: Corridors(
        torch.tensor([0, 1]), torch.zeros(3, 4)
    ),
    "position must be a whole number from 0 to 3, got 4": lambda: two_corridors(position=4),
    "chosen must be from -1 to 1, got 0 to 2": lambda: two_corridors(position=3, chosen=torch.tensor([0, 2])),
    "chosen at the junction, which is step 3, but this is step 2": lambda: two_corridors(
        position=2, chosen=torch.tensor([0, -1])
    ),
    "size must be a whole number, 2 or more, got 1": lambda: Room(1),
    "num_objects must be a whole number, 1 or more, got 0": lambda: Room(5, 0),
    "9 objects and an agent do not fit into 3 × 3 = 9 cells": lambda: Room(3, 9),
    "render_mode must be None or one of rgb_array, got 'human'": lambda: Room(render_mode="human"),
    "agents must be from 0 to 2, got 0 to 3": lambda: room((0, 3), [(0, 0, 0, 0)]),
    "objects' places must be from 0 to 2, got 0 to 3": lambda: room((0, 0), [(0, 3, 0, 0)]),
    "objects' colours must be from 0 to 3, got 4 to 4": lambda: room((0, 0), [(0, 3, 4, 0)], size=5),
    "objects' kinds must be from 0 to 2, got 3 to 3": lambda: room((0, 0), [(0, 1, 0, 3)]),
    "wanted must be from 0 to 3, got 4 to 4": lambda: room((0, 0), [(0, 1, 0, 0)], wanted=4),
    "steps must be from 0 to 6, got 7 to 7": lambda: room((0, 0), [(0, 1, 0, 0)], steps=7),
    "the number of objects must be a whole number, 1 or more, got 0": lambda: Rooms(
        3, torch.zeros(1, 2).long(), torch.zeros(1, 0, 4).long(), torch.zeros(1).long()
    ),
    "in room 0 the objects 1 and 2 share the cell (1, 2)": lambda: room(
        (0, 0), [(0, 1, 0, 0), (1, 2, 0, 0), (1, 2, 1, 0)]
    ),
    "objects must have shape (1, n, 4), got (1, 1, 3)": lambda: room((0, 0), [(0, 1, 0)]),
    "agents must be a tensor of whole numbers (torch.int64), got torch.float32": lambda: room(
        (0.0, 1.0), [(0, 1, 0, 0)]
    ),
    "actions must be from 0 to 3, got 4 to 4": lambda: Rooms.sample(1).step(torch.tensor([4])),
    "actions must have shape (2,), got (1,)": lambda: two_corridors().step(torch.tensor([0])),
    "actions must be a tensor of whole numbers (torch.int64), got list": lambda: two_corridors().step([0, 1]),
}


@pytest.mark.parametrize("said", BAD)
def test_bad_input_is_refused_in_words(said):
    with pytest.raises(ValueError) as refused:
        BAD[said]()
    assert said in str(refused.value)


@pytest.mark.parametrize("make", WORLDS.values())
def test_an_action_that_is_none_and_a_state_of_another_world(make):
    world = make()
    world.reset(seed=0)
    most = 1 if make is Corridor else 3
    for action in (-1, most + 1, 0.5, True, None):
        with pytest.raises(ValueError, match=f"action must be a whole number from 0 to {most}, got"):
            world.step(action)
    foreign = Rooms.sample(1) if make is Corridor else Corridors.sample(1)
    with pytest.raises(ValueError, match=f"got {type(foreign).__name__}"):
        world.state = foreign
    many = Corridors.sample(2) if make is Corridor else Rooms.sample(2)
    with pytest.raises(ValueError, match="a batch of one, got a batch of 2"):
        world.state = many
    with pytest.raises(
        ValueError, match="length=10, but the state has 7" if make is Corridor else "size=5 and"
    ):
        world.state = Corridors.sample(1, 7) if make is Corridor else Rooms.sample(1, 4)


@pytest.mark.parametrize("make", WORLDS.values())
def test_a_step_before_the_reset_or_after_the_end(make):
    world = make(render_mode="rgb_array")
    for early in (lambda: world.step(0), world.render, lambda: world.state):
        with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
            early()
    world.reset(seed=0)
    steps = 0
    while world.step(0)[2:4] == (False, False):
        steps += 1
        assert steps < 12
    with pytest.raises(gymnasium.error.ResetNeeded, match="has ended: call reset"):
        world.step(0)
    world.reset()
    world.step(0)


def test_one_world_says_all_of_itself_and_many_how_many_they_are():
    objects = torch.tensor([[[0, 2, 0, 0], [2, 4, 1, 1]]])
    room = Rooms(5, torch.tensor([[2, 3]]), objects, torch.tensor([1]))
    assert repr(room) == (
        "Rooms(1 of size=5, num_objects=2; the agent at (2, 3) wants orange; "
        "blue disc at (0, 2); orange square at (2, 4))"
    )
    assert repr(Rooms.sample(3)) == "Rooms(3 of size=5, num_objects=4)"
    corridor = Corridors(torch.tensor([1]), torch.zeros(1, 2))
    assert repr(corridor) == "Corridors(1 of length=2, cues=(0,), position=0, pays=1, chosen=-1)"
    assert repr(Corridors.sample(3)) == "Corridors(3 of length=10, cues=(0,), position=0)"
