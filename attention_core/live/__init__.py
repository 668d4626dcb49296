"""What moves on the page: the heatmap, and the explorers that join it to an attention function."""

from attention_core.live.explorers import Experiment, Explorer, SelfAttentionExplorer
from attention_core.live.heatmap import AttentionHeatmap

__all__ = ["AttentionHeatmap", "Experiment", "Explorer", "SelfAttentionExplorer"]
