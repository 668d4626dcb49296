"""Three attention functions from three code reviews. Each looks right; each lacks a property."""

import math

import torch
from torch import Tensor


def suspect_a(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None):
    """Attention whose scores are brought to one size first, so that no softmax starts out too sharp."""
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (..., n_q, n_k)
    scores = scores / scores.square().mean(dim=(-2, -1), keepdim=True).sqrt()
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -math.inf)
        scores = scores.masked_fill(~allowed.any(dim=-1, keepdim=True), 0)
    weights = scores.softmax(dim=-1)
    if allowed is not None:
        weights = weights.masked_fill(~allowed, 0)
    return weights @ value, weights


def suspect_b(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None):
    """Attention with its softmax written out, shifted by the largest score so that nothing overflows."""
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (..., n_q, n_k)
    shares = torch.exp(scores - scores.amax(dim=(-2, -1), keepdim=True))
    if allowed is not None:
        shares = shares * allowed
    weights = shares / shares.sum(dim=-2, keepdim=True).clamp(min=1e-9)
    return weights @ value, weights


def suspect_c(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None):
    """Attention as most tutorials have it."""
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (..., n_q, n_k)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -1e9)
    weights = scores.softmax(dim=-1)
    return weights @ value, weights
