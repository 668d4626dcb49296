"""Two small worlds in which an agent must look back, or about: Gymnasium's, and whole batches in torch.

    world = Room(render_mode="rgb_array")
    objects, _ = world.reset(seed=0)  # (num_objects + 1, 10): the agent's row, then one for each object
    objects, reward, terminated, truncated, _ = world.step(3)

    rooms = Rooms.sample(128, generator=torch.Generator().manual_seed(0))  # what an agent is trained in
    rooms, rewards = rooms.step(actions)  # 128 of each

What happens is written once, in `Corridors` and `Rooms`; `Corridor` and `Room` step a batch of one. To import
this registers them, as "AttentionCore/Corridor-v0" and "AttentionCore/Room-v0".
"""

import gymnasium

from attention_core.worlds.corridor import Corridor, Corridors
from attention_core.worlds.room import COLOURS, KINDS, MOVES, Room, Rooms

__all__ = ["COLOURS", "KINDS", "MOVES", "Corridor", "Corridors", "Room", "Rooms"]

# each ends its own episodes, so that Gymnasium need not count steps
gymnasium.register("AttentionCore/Corridor-v0", "attention_core.worlds:Corridor")
gymnasium.register("AttentionCore/Room-v0", "attention_core.worlds:Room")
