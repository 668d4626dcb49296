"""One sentence attends to itself."""

import math
from collections.abc import Callable, Mapping

import torch
import traitlets

from attention_core import causal_mask, scaled_dot_product_attention, window_mask, words
from attention_core._calling import call_attention
from attention_core.live.controls import choice, slider
from attention_core.live.explorer import SentenceExplorer
from attention_core.live.map import AttentionMap
from attention_core.live.remarks import row_remark, unlisted

MASKS: Mapping[str, Callable[[int], torch.Tensor] | None] = {
    "none": None,
    "causal": causal_mask,
    "window": window_mask,
}
TEMPERATURES = [step / 20 for step in range(1, 61)]  # 0.05 to 3.00
COLDEST = 1e-6


class SelfAttentionExplorer(SentenceExplorer):
    """One sentence attends to itself: type, slide, and the map follows.

    Args:
        sentence: the words, with white space between them.
        attention: the function that is called, `(query, key, value[, allowed]) -> (output, weights)`;
            the learner's own after the exercise. It is given 5 wishes a word as query and key, and 8
            features as value (see `attention_core.words`), and a mask only when one is chosen. The
            temperature and √d_k reach it through the query, so that it needs no further argument.

    Traits, each of which can be set and observed: `sentence`; `temperature`, COLDEST or more; `scaled`, False
    takes √d_k out; `mask`, one of "none", "causal", "window"; `attention`; and, to be read, `weights`
    `(n, n)` and `output` `(n, 8)`, both None when the function is unfinished, fails, or returns
    something else, which the page then says in words.

    Raises:
        traitlets.TraitError: for a temperature or a mask that cannot be; the old one stays.
    """

    temperature = traitlets.Float(1.0).tag(control=slider("Temperature", TEMPERATURES))
    scaled = traitlets.Bool(True).tag(control=choice("÷ √d_k", {"on": True, "off": False}))
    mask = traitlets.Enum(list(MASKS), default_value="none").tag(control=choice("Mask", MASKS.keys()))
    attention = traitlets.Callable(scaled_dot_product_attention)
    output = traitlets.Any(None, allow_none=True).tag(computed=True)

    @traitlets.validate("temperature")
    def _check_temperature(self, proposal) -> float:
        return checked_temperature(proposal.value)

    def compute(self, sentence, temperature, scaled, mask, attention):
        tokens = self.tokens(sentence)
        query, key, value = words.query_key_value(tokens)  # (n, 5), (n, 5), (n, 8)
        d_k = query.shape[-1]
        allowed = MASKS[mask](len(tokens)) if MASKS[mask] else None
        sharpness = (1 if scaled else math.sqrt(d_k)) / temperature
        output, weights = call_attention(attention, query * sharpness, key, value, allowed)
        factors = [(f"÷ √{d_k}", 1 / math.sqrt(d_k))] if scaled else []
        factors.append((f"÷ temperature {temperature:.2f}", 1 / temperature))
        shown = AttentionMap(
            weights,
            tokens,
            allowed=allowed,
            scores=query @ key.T * math.prod(factor for _, factor in factors),  # for the arithmetic
            steps=factors,
            terms=(words.WISHES, query, key),
        )
        remark = row_remark(weights, tokens, allowed) or unlisted(tokens)
        return {"heatmap": shown, "message": remark, "output": output}


def checked_temperature(temperature: float) -> float:
    """The temperature; raises traitlets.TraitError for one that turns float32 scores into infinities."""
    if not COLDEST <= temperature < math.inf:
        raise traitlets.TraitError(f"temperature must be a number from {COLDEST} up, got {temperature}")
    return temperature
