"""The line a check points at: of answers as text, as learners write them, the one that holds the mistake."""

import itertools
import linecache
import math

import pytest
import torch

from attention_core.practice import check

_HERE = "  # <-"
_NUMBERS = itertools.count()

TABLES = [
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None]
    omega = base ** (torch.arange(0, dim, 2) / dim)  # <-
    table = torch.empty(n, dim)
    table[:, 0::2] = (positions * omega).sin()
    table[:, 1::2] = (positions * omega).cos()
    return table
""",
    ),
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = positions / omega  # <-
    table = torch.empty(n, dim)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()
    return table
""",
    ),
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None].float()
    omega = 1.0 / base ** (torch.arange(0, dim, 2).float() / dim)
    table = torch.empty(n, dim)
    table[:, 0::2] = torch.sin(positions / omega)  # <-
    table[:, 1::2] = torch.cos(positions / omega)
    return table
""",
    ),
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None].float()
    angles = positions * base ** (torch.arange(0, dim, 2) / dim)  # <-
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(1)
""",
    ),
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    for p in range(n):
        for i in range(dim // 2):
            table[p, 2 * i] = math.sin(p * base ** (2 * i / dim))  # <-
            table[p, 2 * i + 1] = math.cos(p * base ** (2 * i / dim))
    return table
""",
    ),
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    for p in range(n):
        for i in range(dim // 2):
            angle = p * base ** (2 * i / dim)  # <-
            table[p, 2 * i] = math.sin(angle)
            table[p, 2 * i + 1] = math.cos(angle)
    return table
""",
    ),
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None]
    omega = torch.exp(torch.arange(0, dim, 2) * math.log(base) / dim)  # <-
    table = torch.empty(n, dim)
    table[:, 0::2] = (positions * omega).sin()
    table[:, 1::2] = (positions * omega).cos()
    return table
""",
    ),
    (
        "cosine-first",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    table = torch.empty(n, dim)
    table[:, 0::2] = (positions * omega).cos()  # <-
    table[:, 1::2] = (positions * omega).sin()
    return table
""",
    ),
    (
        "concatenated",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    table = torch.empty(n, dim)
    half = dim // 2
    table[:, :half] = (positions * omega).sin()  # <-
    table[:, half:] = (positions * omega).cos()
    return table
""",
    ),
    (
        "counted-from-1",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(1, n + 1)[:, None]  # <-
    i = torch.arange(0, dim, 2)
    omega = base ** (-i / dim)
    table = torch.empty(n, dim)
    table[:, 0::2] = (positions * omega).sin()
    table[:, 1::2] = (positions * omega).cos()
    return table
""",
    ),
    (
        "no-pairs",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None]
    i = torch.arange(dim)
    omega = base ** (-i / dim)  # <-
    angles = positions * omega
    table = torch.zeros(n, dim)
    table[:, 0::2] = angles[:, 0::2].sin()
    table[:, 1::2] = angles[:, 1::2].cos()
    return table
""",
    ),
    (
        "power-first",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    p = torch.arange(n).unsqueeze(1)
    i = torch.arange(0, dim, 2)
    angles = p / base ** i / dim  # <-
    table = torch.zeros(n, dim)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()
    return table
""",
    ),
    (
        "cosine-of-the-sine",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    p = torch.arange(n).unsqueeze(1)
    i = torch.arange(0, dim, 2)
    angles = p / base ** (i / dim)
    table = torch.zeros(n, dim)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = table[:, 0::2].cos()  # <-
    return table
""",
    ),
]
ROTATIONS = [
    (
        "one-sign",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(0, dim, 2) / dim)
    a, b = x[..., 0::2], x[..., 1::2]
    first = a * angles.cos() + b * angles.sin()  # <-
    second = a * angles.sin() + b * angles.cos()
    return torch.stack((first, second), dim=-1).flatten(-2)
""",
    ),
    (
        "one-sign",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(0, dim, 2) / dim)
    a, b = x[..., 0::2], x[..., 1::2]
    first = a * angles.cos() - b * angles.sin()
    second = a * angles.sin() - b * angles.cos()  # <-
    return torch.stack((first, second), dim=-1).flatten(-2)
""",
    ),
    (
        "clockwise",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(0, dim, 2) / dim)
    a, b = x[..., 0::2], x[..., 1::2]
    cos, sin = angles.cos(), angles.sin()
    turned = torch.empty_like(x)
    turned[..., 0::2] = a * cos + b * sin  # <-
    turned[..., 1::2] = b * cos - a * sin
    return turned
""",
    ),
    (
        "clockwise",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    cos, sin = (p * omega).cos(), -(p * omega).sin()  # <-
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "clockwise",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = -p * omega  # <-
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "sine-and-cosine-exchanged",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    sin, cos = (p * omega).cos(), (p * omega).sin()  # <-
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "overwritten",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    cos, sin = (p * omega).cos(), (p * omega).sin()
    a, b = x[..., 0::2], x[..., 1::2]
    a = a * cos - b * sin
    b = a * sin + b * cos  # <-
    return torch.stack((a, b), -1).flatten(-2)
""",
    ),
    (
        "overwritten",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    cos, sin = (p * omega).cos(), (p * omega).sin()
    y = x.clone()
    y[..., 0::2] = y[..., 0::2] * cos - y[..., 1::2] * sin
    y[..., 1::2] = y[..., 0::2] * sin + y[..., 1::2] * cos  # <-
    return y
""",
    ),
    (
        "base-over",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (torch.arange(0, dim, 2) / dim)  # <-
    cos, sin = (p * omega).cos(), (p * omega).sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "base-over",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    w = base ** (-torch.arange(0, dim, 2) / dim)
    angles = p / w  # <-
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "base-over",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = p / omega  # <-
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "base-over",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    angles = p * base ** (torch.arange(0, dim, 2) / dim)  # <-
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "base-over",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = 1 / base ** (torch.arange(0, dim, 2) / dim)
    angles = p / omega  # <-
    a, b = x[..., 0::2], x[..., 1::2]
    first = a * angles.cos() - b * angles.sin()
    second = a * angles.sin() + b * angles.cos()
    return torch.stack((first, second), -1).flatten(-2)
""",
    ),
    (
        "not-taking-turns",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = p * omega
    a, b = x[..., 0::2], x[..., 1::2]
    first = a * angles.cos() - b * angles.sin()
    second = a * angles.sin() + b * angles.cos()
    return torch.cat((first, second), -1)  # <-
""",
    ),
    (
        "read-as-halves",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = p * omega
    a, b = x.chunk(2, dim=-1)  # <-
    first = a * angles.cos() - b * angles.sin()
    second = a * angles.sin() + b * angles.cos()
    return torch.stack((first, second), -1).flatten(-2)
""",
    ),
    (
        "reflected",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = p * omega
    a, b = x[..., 0::2], x[..., 1::2]
    first = a * angles.cos() + b * angles.sin()  # <-
    second = a * angles.sin() - b * angles.cos()
    return torch.stack((first, second), -1).flatten(-2)
""",
    ),
    (
        "one-sign",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    out = torch.zeros_like(x)
    for p in range(n):
        for i in range(dim // 2):
            t = p / base ** (2 * i / dim)
            c, s = math.cos(t), math.sin(t)
            a, b = x[..., p, 2 * i], x[..., p, 2 * i + 1]
            out[..., p, 2 * i] = a * c + b * s  # <-
            out[..., p, 2 * i + 1] = a * s + b * c
    return out
""",
    ),
    (
        "base-over",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    out = torch.zeros_like(x)
    for p in range(n):
        for i in range(dim // 2):
            t = p * base ** (2 * i / dim)  # <-
            c, s = math.cos(t), math.sin(t)
            a, b = x[..., p, 2 * i], x[..., p, 2 * i + 1]
            out[..., p, 2 * i] = a * c - b * s
            out[..., p, 2 * i + 1] = a * s + b * c
    return out
""",
    ),
]


PICTURES = [
    (
        "to_patches",
        "column-order",
        """
def to_patches(images, size):
    batch, channels, height, width = images.shape
    rows, columns = height // size, width // size
    x = images.reshape(batch, channels, rows, size, columns, size)
    x = x.permute(0, 4, 2, 1, 3, 5)  # <-
    return x.flatten(3).flatten(1, 2)
""",
    ),
    (
        "to_patches",
        "grid-and-pixels-exchanged",
        """
def to_patches(images, size):
    batch, channels, height, width = images.shape
    rows, columns = height // size, width // size
    x = images.reshape(batch, channels, size, rows, size, columns)  # <-
    x = x.permute(0, 3, 5, 1, 2, 4)
    return x.reshape(batch, rows * columns, channels * size * size)
""",
    ),
    (
        "to_patches",
        "channels-last",
        """
def to_patches(images, size):
    batch, channels, height, width = images.shape
    rows, columns = height // size, width // size
    x = images.reshape(batch, channels, rows, size, columns, size)
    x = x.permute(0, 2, 4, 3, 5, 1)  # <-
    return x.reshape(batch, rows * columns, channels * size * size)
""",
    ),
    (
        "to_patches",
        "one-view",
        """
def to_patches(images, size):
    batch, channels, height, width = images.shape
    n = (height // size) * (width // size)
    x = images.reshape(batch, n, channels * size * size)  # <-
    return x
""",
    ),
    (
        "to_patches",
        "column-order",
        """
def to_patches(images, size):
    batch, channels, height, width = images.shape
    rows, columns = height // size, width // size
    patches = torch.zeros(batch, rows * columns, channels * size**2, dtype=images.dtype)
    for i in range(rows):
        for j in range(columns):
            square = images[:, :, i * size:(i + 1) * size, j * size:(j + 1) * size]
            patches[:, j * rows + i] = square.flatten(1)  # <-
    return patches
""",
    ),
    (
        "to_patches",
        "height-for-width",
        """
def to_patches(images, size):
    batch, channels, height, width = images.shape
    columns, rows = height // size, width // size  # <-
    x = images.reshape(batch, channels, rows, size, columns, size)
    x = x.permute(0, 2, 4, 1, 3, 5)
    return x.reshape(batch, rows * columns, -1)
""",
    ),
    (
        "to_patches",
        "channels-as-patches",
        """
def to_patches(images, size):
    x = images.unfold(2, size, size).unfold(3, size, size)
    x = x.flatten(2, 3)
    x = x.flatten(3)
    return x.flatten(1, 2)  # <-
""",
    ),
    (
        "to_patches",
        "pixels-transposed",
        """
def to_patches(images, size):
    patches = []
    for i in range(0, images.shape[2], size):
        for j in range(0, images.shape[3], size):
            square = images[:, :, i:i + size, j:j + size]
            square = square.transpose(2, 3)  # <-
            patches.append(square.flatten(1))
    return torch.stack(patches, dim=1)
""",
    ),
    (
        "rollout",
        "order",
        """
def rollout(weights):
    n = weights[0].shape[-1]
    rolled = torch.eye(n)
    for layer in weights:
        a = layer.mean(dim=0)
        a = (a + torch.eye(n)) / 2
        a = a / a.sum(dim=-1, keepdim=True)
        rolled = rolled @ a  # <-
    return rolled
""",
    ),
    (
        "rollout",
        "normalised-over-columns",
        """
def rollout(weights):
    n = weights[0].shape[-1]
    rolled = torch.eye(n)
    for layer in weights:
        a = layer.mean(dim=0)
        a = (a + torch.eye(n)) / 2
        a = a / a.sum(dim=0)  # <-
        rolled = a @ rolled
    return rolled
""",
    ),
    (
        "rollout",
        "identity-not-halved",
        """
def rollout(weights):
    n = weights[0].shape[-1]
    rolled = torch.eye(n)
    for layer in weights:
        a = layer.mean(dim=0)
        a = a + torch.eye(n)  # <-
        rolled = a @ rolled
    return rolled
""",
    ),
    (
        "rollout",
        "heads-averaged-after",
        """
def rollout(weights):
    n = weights[0].shape[-1]
    heads = []
    for h in range(len(weights[0])):
        rolled = torch.eye(n)
        for layer in weights:
            a = (layer[h] + torch.eye(n)) / 2  # <-
            a = a / a.sum(dim=-1, keepdim=True)
            rolled = a @ rolled
        heads.append(rolled)
    return torch.stack(heads).mean(dim=0)
""",
    ),
    (
        "read_patches",
        "class-token-last",
        """
def read_patches(features, class_token, positions, blocks):
    patches = features + positions
    first = class_token.expand(len(features), 1, -1)
    tokens = torch.cat((patches, first), dim=1)  # <-
    out = blocks(tokens)
    return tokens, out[:, -1]
""",
    ),
    (
        "read_patches",
        "positions-off-by-one",
        """
def read_patches(features, class_token, positions, blocks):
    first = class_token.expand(len(features), 1, -1)
    tokens = torch.cat((first, features), dim=1)
    tokens[:, :-1] += positions  # <-
    out = blocks(tokens)
    return tokens, out[:, 0]
""",
    ),
    (
        "read_patches",
        "last-word-read",
        """
def read_patches(features, class_token, positions, blocks):
    patches = features + positions
    first = class_token.expand(len(features), 1, -1)
    tokens = torch.cat((first, patches), dim=1)
    out = blocks(tokens)
    answer = out[:, -1]  # <-
    return tokens, answer
""",
    ),
    (
        "read_patches",
        "positions-along-the-batch",
        """
def read_patches(features, class_token, positions, blocks):
    positions = positions[:len(features)].unsqueeze(1)
    patches = features + positions  # <-
    first = class_token.expand(len(features), 1, -1)
    tokens = torch.cat((first, patches), dim=1)
    return tokens, blocks(tokens)[:, 0]
""",
    ),
]

AGENTS = [
    (
        "returns",
        "cut-a-step-early",
        """
def returns(rewards, done, discount):
    made, total = torch.zeros_like(rewards), torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        total = rewards[:, t] + discount * total  # <-
        made[:, t] = total
        total = total * ~done[:, t]
    return made
""",
    ),
    (
        "returns",
        "first-step-written-over",
        """
def returns(rewards, done, discount):
    columns, total = [], torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        total[done[:, t]] = 0  # <-
        total = rewards[:, t] + discount * total
        columns.insert(0, total)
    return torch.stack(columns, dim=1)
""",
    ),
    (
        "returns",
        "no-discount",
        """
def returns(rewards, done, discount):
    made = rewards.clone()
    for t in range(rewards.shape[1] - 2, -1, -1):
        later = made[:, t + 1] * ~done[:, t]  # <-
        made[:, t] = rewards[:, t] + later
    return made
""",
    ),
    (
        "policy_loss",
        "uphill",
        """
def policy_loss(logits, actions, returns, values, alive):
    log_p = torch.distributions.Categorical(logits=logits).log_prob(actions)
    advantage = (values - returns).detach()  # <-
    loss = -(log_p * advantage)[alive].mean()
    return loss
""",
    ),
    (
        "policy_loss",
        "advantage-not-detached",
        """
def policy_loss(logits, actions, returns, values, alive):
    log_p = torch.distributions.Categorical(logits=logits).log_prob(actions)
    advantage = returns - values  # <-
    return -(log_p * advantage * alive).sum() / alive.sum()
""",
    ),
    (
        "policy_loss",
        "mean-over-all-steps",
        """
def policy_loss(logits, actions, returns, values, alive):
    log_p = logits.log_softmax(-1).gather(-1, actions[..., None])[..., 0]
    advantage = (returns - values).detach()
    terms = log_p * advantage * alive
    return -terms.mean()  # <-
""",
    ),
    (
        "choose",
        "agent-without-axis",
        """
def choose(agent, objects, attention, to_logits):
    seen, weights = attention(agent, objects, objects)  # <-
    both = agent + seen[:, 0]
    return to_logits(both), weights[:, 0]
""",
    ),
    (
        "choose",
        "seen-by-all",
        """
def choose(agent, objects, attention, to_logits):
    seen, weights = attention(agent[:, None], objects, objects)
    both = agent + seen  # <-
    return to_logits(both), weights[:, 0]
""",
    ),
    (
        "choose",
        "side-by-side",
        """
def choose(agent, objects, attention, to_logits):
    seen, weights = attention(agent[:, None], objects, objects)
    both = torch.cat((agent, seen[:, 0]), dim=-1)  # <-
    return to_logits(both), weights[:, 0]
""",
    ),
    (
        "cover",
        "nothing-covered",
        """
def cover(policy, observations, step):
    covered = observations  # <-
    covered[:, step] = 0
    before, after = policy(observations).softmax(-1), policy(covered).softmax(-1)
    chosen = before.argmax(-1, keepdim=True)
    return (before - after).gather(-1, chosen)[:, 0]
""",
    ),
    (
        "cover",
        "step-removed",
        """
def cover(policy, observations, step):
    covered = torch.cat((observations[:, :step], observations[:, step + 1 :]), dim=1)  # <-
    before, after = policy(observations).softmax(-1), policy(covered).softmax(-1)
    chosen = before.argmax(-1, keepdim=True)
    return (before - after).gather(-1, chosen)[:, 0]
""",
    ),
    (
        "cover",
        "episode-covered",
        """
def cover(policy, observations, step):
    covered = observations.clone()
    covered[step] = 0  # <-
    before, after = policy(observations).softmax(-1), policy(covered).softmax(-1)
    chosen = before.argmax(-1, keepdim=True)
    return (before - after).gather(-1, chosen)[:, 0]
""",
    ),
]

EXPLANATIONS = [
    (
        "leave_one_out",
        "several-at-once",
        """
def leave_one_out(probabilities, tokens):
    before = probabilities(tokens)
    answer, fall = before.argmax(), torch.zeros(len(tokens))
    allowed = torch.ones(len(tokens), dtype=torch.bool)
    for i in range(len(tokens)):
        allowed[i] = False  # <-
        fall[i] = before[answer] - probabilities(tokens, allowed)[answer]
    return fall
""",
    ),
    (
        "leave_one_out",
        "new-answer-followed",
        """
def leave_one_out(probabilities, tokens):
    before, fall = probabilities(tokens), torch.zeros(len(tokens))
    for i in range(len(tokens)):
        allowed = torch.arange(len(tokens)) != i
        after = probabilities(tokens, allowed)
        answer = after.argmax()  # <-
        fall[i] = before[answer] - after[answer]
    return fall
""",
    ),
    (
        "leave_one_out",
        "word-cut-out",
        """
def leave_one_out(probabilities, tokens):
    before, fall = probabilities(tokens), torch.zeros(len(tokens))
    answer = before.argmax()
    for i in range(len(tokens)):
        rest = torch.cat((tokens[:i], tokens[i + 1 :]))  # <-
        fall[i] = before[answer] - probabilities(rest)[answer]
    return fall
""",
    ),
    (
        "norms",
        "norms-per-head",
        """
def norms(weights, values, to_output):
    d_k, made = values.shape[-1], 0
    for h in range(len(values)):
        sent = weights[h][:, None] * values[h] @ to_output[:, h * d_k : (h + 1) * d_k].T
        made = made + sent.norm(dim=-1)  # <-
    return made
""",
    ),
    (
        "norms",
        "merged-without-transpose",
        """
def norms(weights, values, to_output):
    weighted = weights[..., None] * values
    merged = weighted.reshape(values.shape[1], -1)  # <-
    sent = merged @ to_output.T
    return sent.norm(dim=-1)
""",
    ),
    (
        "norms",
        "squared",
        """
def norms(weights, values, to_output):
    weighted = weights[..., None] * values
    sent = weighted.transpose(0, 1).flatten(1) @ to_output.T
    return (sent**2).sum(dim=-1)  # <-
""",
    ),
    (
        "comprehensiveness",
        "least-important",
        """
def comprehensiveness(probabilities, tokens, explanation, k):
    order = explanation.argsort()
    allowed = torch.ones(len(tokens), dtype=torch.bool)
    allowed[order[:k]] = False  # <-
    before, after = probabilities(tokens), probabilities(tokens, allowed)
    answer = before.argmax()
    return before[answer] - after[answer]
""",
    ),
    (
        "comprehensiveness",
        "sufficiency",
        """
def comprehensiveness(probabilities, tokens, explanation, k):
    order = explanation.argsort(descending=True)
    allowed = torch.zeros(len(tokens), dtype=torch.bool)
    allowed[order[:k]] = True  # <-
    before, after = probabilities(tokens), probabilities(tokens, allowed)
    answer = before.argmax()
    return before[answer] - after[answer]
""",
    ),
    (
        "comprehensiveness",
        "order-for-ranks",
        """
def comprehensiveness(probabilities, tokens, explanation, k):
    order = explanation.argsort(descending=True)
    allowed = order >= k  # <-
    before, after = probabilities(tokens), probabilities(tokens, allowed)
    answer = before.argmax()
    return before[answer] - after[answer]
""",
    ),
    (
        "patch",
        "stays-patched",
        """
def patch(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = corrupted  # <-
        patched[i] = clean[i]
        effect[i] = (rest(patched) - bad) / (good - bad)
    return effect
""",
    ),
    (
        "patch",
        "wrong-direction",
        """
def patch(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = clean.clone()  # <-
        patched[i] = corrupted[i]
        effect[i] = (rest(patched) - bad) / (good - bad)
    return effect
""",
    ),
    (
        "patch",
        "divided-by-another",
        """
def patch(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = corrupted.clone()
        patched[i] = clean[i]
        effect[i] = (rest(patched) - bad) / good  # <-
    return effect
""",
    ),
]


MODELS = [
    (
        "post_norm",
        "pre-norm",
        """
def post_norm(x, attention, feed_forward, norm_1, norm_2):
    x = x + attention(norm_1(x))[0]  # <-
    return x + feed_forward(norm_2(x))
""",
    ),
    (
        "post_norm",
        "what-is-said-normed",
        """
def post_norm(x, attention, feed_forward, norm_1, norm_2):
    attended, weights = attention(x)
    x = x + norm_1(attended)  # <-
    return x + norm_2(feed_forward(x))
""",
    ),
    (
        "post_norm",
        "norms-swapped",
        """
def post_norm(x, attention, feed_forward, norm_1, norm_2):
    attended, weights = attention(x)
    x = norm_2(x + attended)  # <-
    return norm_1(x + feed_forward(x))
""",
    ),
    (
        "post_norm",
        "attention-not-kept",
        """
def post_norm(x, attention, feed_forward, norm_1, norm_2):
    attended, _ = attention(x)
    y = norm_1(x + attended)
    thought = feed_forward(y)
    return norm_2(x + thought)  # <-
""",
    ),
    (
        "load_layer",
        "transposed",
        """
def load_layer(block, weights, i):
    start = f"encoder.layer.{i}."
    attention = block.attention
    pairs = [
        (attention.to_query, "attention.self.query"),
        (attention.to_key, "attention.self.key"),
        (attention.to_value, "attention.self.value"),
        (attention.to_output, "attention.output.dense"),
        (block.norm_1, "attention.output.LayerNorm"),
        (block.feed_forward[0], "intermediate.dense"),
        (block.feed_forward[2], "output.dense"),
        (block.norm_2, "output.LayerNorm"),
    ]
    with torch.no_grad():
        for part, name in pairs:
            x = weights[f"{start}{name}.weight"]
            part.weight.copy_(x.T if x.ndim > 1 else x)  # <-
            part.bias.copy_(weights[f"{start}{name}.bias"])
""",
    ),
    (
        "load_layer",
        "key-and-value-swapped",
        """
def load_layer(block, weights, i):
    start = f"encoder.layer.{i}."
    attention = block.attention
    pairs = [
        (attention.to_query, "attention.self.query"),
        (attention.to_key, "attention.self.value"),  # <-
        (attention.to_value, "attention.self.key"),
        (attention.to_output, "attention.output.dense"),
        (block.norm_1, "attention.output.LayerNorm"),
        (block.feed_forward[0], "intermediate.dense"),
        (block.feed_forward[2], "output.dense"),
        (block.norm_2, "output.LayerNorm"),
    ]
    with torch.no_grad():
        for part, name in pairs:
            part.weight.copy_(weights[f"{start}{name}.weight"])
            part.bias.copy_(weights[f"{start}{name}.bias"])
""",
    ),
    (
        "load_layer",
        "query-and-key-swapped",
        """
def load_layer(block, weights, i):
    start = f"encoder.layer.{i}."
    attention = block.attention
    pairs = [
        (attention.to_query, "attention.self.key"),  # <-
        (attention.to_key, "attention.self.query"),
        (attention.to_value, "attention.self.value"),
        (attention.to_output, "attention.output.dense"),
        (block.norm_1, "attention.output.LayerNorm"),
        (block.feed_forward[0], "intermediate.dense"),
        (block.feed_forward[2], "output.dense"),
        (block.norm_2, "output.LayerNorm"),
    ]
    with torch.no_grad():
        for part, name in pairs:
            part.weight.copy_(weights[f"{start}{name}.weight"])
            part.bias.copy_(weights[f"{start}{name}.bias"])
""",
    ),
    (
        "load_layer",
        "norms-swapped",
        """
def load_layer(block, weights, i):
    start = f"encoder.layer.{i}."
    attention = block.attention
    pairs = [
        (attention.to_query, "attention.self.query"),
        (attention.to_key, "attention.self.key"),
        (attention.to_value, "attention.self.value"),
        (attention.to_output, "attention.output.dense"),
        (block.norm_1, "output.LayerNorm"),  # <-
        (block.feed_forward[0], "intermediate.dense"),
        (block.feed_forward[2], "output.dense"),
        (block.norm_2, "attention.output.LayerNorm"),
    ]
    with torch.no_grad():
        for part, name in pairs:
            part.weight.copy_(weights[f"{start}{name}.weight"])
            part.bias.copy_(weights[f"{start}{name}.bias"])
""",
    ),
    (
        "load_layer",
        "always-layer-0",
        """
def load_layer(block, weights, i):
    start = "encoder.layer.0."  # <-
    attention = block.attention
    pairs = [
        (attention.to_query, "attention.self.query"),
        (attention.to_key, "attention.self.key"),
        (attention.to_value, "attention.self.value"),
        (attention.to_output, "attention.output.dense"),
        (block.norm_1, "attention.output.LayerNorm"),
        (block.feed_forward[0], "intermediate.dense"),
        (block.feed_forward[2], "output.dense"),
        (block.norm_2, "output.LayerNorm"),
    ]
    with torch.no_grad():
        for part, name in pairs:
            part.weight.copy_(weights[f"{start}{name}.weight"])
            part.bias.copy_(weights[f"{start}{name}.bias"])
""",
    ),
    (
        "load_layer",
        "layer-off-by-one",
        """
def load_layer(block, weights, i):
    start = f"encoder.layer.{i + 1}."  # <-
    attention = block.attention
    pairs = [
        (attention.to_query, "attention.self.query"),
        (attention.to_key, "attention.self.key"),
        (attention.to_value, "attention.self.value"),
        (attention.to_output, "attention.output.dense"),
        (block.norm_1, "attention.output.LayerNorm"),
        (block.feed_forward[0], "intermediate.dense"),
        (block.feed_forward[2], "output.dense"),
        (block.norm_2, "output.LayerNorm"),
    ]
    with torch.no_grad():
        for part, name in pairs:
            part.weight.copy_(weights[f"{start}{name}.weight"])
            part.bias.copy_(weights[f"{start}{name}.bias"])
""",
    ),
    (
        "load_layer",
        "aliased",
        """
def load_layer(block, weights, i):
    start = f"encoder.layer.{i}."
    attention = block.attention
    pairs = [
        (attention.to_query, "attention.self.query"),
        (attention.to_key, "attention.self.key"),
        (attention.to_value, "attention.self.value"),
        (attention.to_output, "attention.output.dense"),
        (block.norm_1, "attention.output.LayerNorm"),
        (block.feed_forward[0], "intermediate.dense"),
        (block.feed_forward[2], "output.dense"),
        (block.norm_2, "output.LayerNorm"),
    ]
    with torch.no_grad():
        for part, name in pairs:
            part.weight.data = weights[f"{start}{name}.weight"]  # <-
            part.bias.copy_(weights[f"{start}{name}.bias"])
""",
    ),
    (
        "load_layer",
        "needs-no-grad",
        """
def load_layer(block, weights, i):
    start = f"encoder.layer.{i}."
    attention = block.attention
    pairs = [
        (attention.to_query, "attention.self.query"),
        (attention.to_key, "attention.self.key"),
        (attention.to_value, "attention.self.value"),
        (attention.to_output, "attention.output.dense"),
        (block.norm_1, "attention.output.LayerNorm"),
        (block.feed_forward[0], "intermediate.dense"),
        (block.feed_forward[2], "output.dense"),
        (block.norm_2, "output.LayerNorm"),
    ]
    if True:
        for part, name in pairs:
            part.weight.copy_(weights[f"{start}{name}.weight"])  # <-
            part.bias.copy_(weights[f"{start}{name}.bias"])
""",
    ),
    (
        "load_layer",
        "no-such-name",
        """
def load_layer(block, weights, i):
    start = f"layer.{i}."
    attention = block.attention
    pairs = [
        (attention.to_query, "attention.self.query"),
        (attention.to_key, "attention.self.key"),
        (attention.to_value, "attention.self.value"),
        (attention.to_output, "attention.output.dense"),
        (block.norm_1, "attention.output.LayerNorm"),
        (block.feed_forward[0], "intermediate.dense"),
        (block.feed_forward[2], "output.dense"),
        (block.norm_2, "output.LayerNorm"),
    ]
    with torch.no_grad():
        for part, name in pairs:
            part.weight.copy_(weights[f"{start}{name}.weight"])  # <-
            part.bias.copy_(weights[f"{start}{name}.bias"])
""",
    ),
    (
        "previous",
        "next",
        """
def previous(weights, tokens):
    if len(tokens) < 2:
        return 0.0
    return weights.diagonal(1).mean()  # <-
""",
    ),
    (
        "previous",
        "first-row-counted",
        """
def previous(weights, tokens):
    total = 0.0
    for i in range(1, len(tokens)):
        total += weights[i, i - 1]
    return total / len(tokens)  # <-
""",
    ),
    (
        "previous",
        "sum",
        """
def previous(weights, tokens):
    below = weights.diagonal(-1)
    return below.sum()  # <-
""",
    ),
    (
        "same_word",
        "itself-counted",
        """
def same_word(weights, tokens):
    found = []
    for i, token in enumerate(tokens):
        places = [j for j, other in enumerate(tokens) if other == token]  # <-
        if len(places) > 1:
            found.append(weights[i, places].sum())
    return sum(found) / len(found) if found else 0.0
""",
    ),
    (
        "same_word",
        "earlier-only",
        """
def same_word(weights, tokens):
    found = []
    for i, token in enumerate(tokens):
        before = [j for j in range(i) if tokens[j] == token]  # <-
        if before:
            found.append(weights[i, before].sum())
    return sum(found) / len(found) if found else 0.0
""",
    ),
    (
        "same_word",
        "copies-averaged",
        """
def same_word(weights, tokens):
    found = []
    for i, token in enumerate(tokens):
        places = [j for j, other in enumerate(tokens) if other == token and i != j]
        if places:
            found.append(weights[i, places].mean())  # <-
    return sum(found) / len(found) if found else 0.0
""",
    ),
    (
        "same_word",
        "all-rows-counted",
        """
def same_word(weights, tokens):
    alike = torch.tensor([[a == b for a in tokens] for b in tokens]).fill_diagonal_(False)
    each = (weights * alike).sum(-1)
    return each.mean()  # <-
""",
    ),
    (
        "same_word",
        "after-the-copy",
        """
def same_word(weights, tokens):
    found = []
    for i, token in enumerate(tokens):
        after = [j + 1 for j in range(i) if tokens[j] == token]  # <-
        if after:
            found.append(weights[i, after].sum())
    return sum(found) / len(found) if found else 0.0
""",
    ),
]


def typed(text: str, name: str):
    """The function of this text, whose lines can be read, as those of a notebook's cell can."""
    place = f"<answer {next(_NUMBERS)}>"
    linecache.cache[place] = len(text), None, text.splitlines(keepends=True), place
    space = {"torch": torch, "math": math}
    exec(compile(text, place, "exec"), space)
    return space[name]


@pytest.mark.parametrize(
    "exercise, name, bug, text",
    [("sinusoidal_table", "my_sinusoidal_table", *row) for row in TABLES]
    + [("rotate", "rotate", *row) for row in ROTATIONS]
    + [(exercise, exercise, *row) for exercise, *row in (*PICTURES, *AGENTS, *EXPLANATIONS, *MODELS)],
    ids=lambda part: part if "\n" not in part else "",
)
def test_the_mistake_is_named_and_its_line_pointed_at(exercise, name, bug, text):
    text = text.lstrip()
    (line,) = [n for n, code in enumerate(text.splitlines(), 1) if code.endswith(_HERE)]
    result = getattr(check, exercise)(typed(text, name))
    assert result.bug == bug
    assert result.where and result.where[0] == line, result
