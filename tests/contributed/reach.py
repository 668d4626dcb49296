"""An explorer as a contributor writes one: this file, and nothing else."""

import ipywidgets as widgets
import torch
import traitlets

from attention_core import causal_mask, scaled_dot_product_attention, window_mask, words
from attention_core._calling import call_attention
from attention_core.live import AttentionHeatmap, AttentionMap, Curve, Curves, SentenceExplorer, Strip, Words
from attention_core.live.controls import button, slider, tick, whole
from attention_core.live.remarks import row_remark


class ReachExplorer(SentenceExplorer):
    """How far each word looks, when it may look only so many words to each side.

    Traits: `sentence`; `window`, in words; `sharpness`, which multiplies the scores; `ahead`, whether it may
    look ahead; `attention`. To be read: `weights` `(n, n)`, and `reach` `(n,)`, each word's mean distance.
    """

    window = traitlets.Int(3, min=1).tag(control=whole("Window", 1, 9))
    sharpness = traitlets.Float(1.0).tag(control=slider("Sharpness", (0.25, 0.5, 1.0, 2.0, 4.0)))
    ahead = traitlets.Bool(True).tag(control=tick("may look ahead"))
    attention = traitlets.Callable(scaled_dot_product_attention)
    reach = traitlets.Any(None, allow_none=True).tag(computed=True)

    @button("wider")
    def widen(self) -> None:
        self.window += 1

    def views(self) -> dict[str, widgets.Widget]:
        return {"heatmap": AttentionHeatmap(None), "by_word": Strip(), "profile": Curves()}

    def compute(self, sentence, window, sharpness, ahead, attention):
        tokens = self.tokens(sentence)
        query, key, value = words.query_key_value(tokens)
        allowed = window_mask(len(tokens), width=window)
        if not ahead:
            allowed &= causal_mask(len(tokens))
        _, weights = call_attention(attention, sharpness * query, key, value, allowed)
        n = torch.arange(len(tokens))
        reach = (weights * (n[:, None] - n).abs()).sum(-1)  # (n,)
        return {
            "heatmap": AttentionMap(weights, tokens, allowed=allowed),
            "message": row_remark(weights, tokens, allowed),
            "by_word": Words(
                f"Mean distance: **{reach.mean():.2f}** words. Each word’s share of {window}:",
                tokens, (reach / window).tolist(),
            ),
            "profile": [Curve("reach, in words", n.tolist(), reach.tolist(), xlabel="position →")],
            "reach": reach,
        }  # fmt: skip
