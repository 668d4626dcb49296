"""What moves on the page: the heatmap, and the explorers that join it to an attention function."""

from attention_core.live.back_row import projector
from attention_core.live.explorers import Experiment, Explorer, SelfAttentionExplorer
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.look_up import LookUpExplorer
from attention_core.live.multi_head import MultiHeadExplorer
from attention_core.live.plane import Plane
from attention_core.live.position import PositionExplorer
from attention_core.live.sinusoids import SinusoidExplorer
from attention_core.live.training import TrainingView

__all__ = [
    "AttentionHeatmap",
    "Experiment",
    "Explorer",
    "LookUpExplorer",
    "MultiHeadExplorer",
    "Plane",
    "PositionExplorer",
    "SelfAttentionExplorer",
    "SinusoidExplorer",
    "TrainingView",
    "projector",
]
