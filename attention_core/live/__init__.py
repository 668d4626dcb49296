"""What moves on the page: the heatmap, and the explorers that join it to an attention function."""

from attention_core.live.curves import Curve, Curves
from attention_core.live.explorer import Explorer, SentenceExplorer
from attention_core.live.explorers.experiment import Experiment
from attention_core.live.explorers.explanation import ExplanationExplorer
from attention_core.live.explorers.look_up import LookUpExplorer
from attention_core.live.explorers.model import ModelExplorer
from attention_core.live.explorers.multi_head import MultiHeadExplorer
from attention_core.live.explorers.nearest import NearestExplorer, shared_letters, shared_words
from attention_core.live.explorers.picture import PictureExplorer
from attention_core.live.explorers.position import PositionExplorer
from attention_core.live.explorers.self_attention import SelfAttentionExplorer
from attention_core.live.explorers.sinusoids import SinusoidExplorer
from attention_core.live.explorers.tiling import TilingExplorer
from attention_core.live.explorers.training import TrainingView
from attention_core.live.explorers.translation import TranslationExplorer
from attention_core.live.explorers.walk import WalkExplorer
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.map import AttentionMap
from attention_core.live.picture import Picture, Pixels
from attention_core.live.plane import Plane
from attention_core.live.reading import SHADES, Reading
from attention_core.live.strip import Strip, Words
from attention_core.live.table import Cells, Table
from attention_core.live.widget import projector

__all__ = [
    "SHADES",
    "AgentExplorer",
    "AttentionHeatmap",
    "AttentionMap",
    "Cells",
    "Curve",
    "Curves",
    "Experiment",
    "ExplanationExplorer",
    "Explorer",
    "LookUpExplorer",
    "ModelExplorer",
    "MultiHeadExplorer",
    "NearestExplorer",
    "Picture",
    "PictureExplorer",
    "Pixels",
    "Plane",
    "PositionExplorer",
    "Reading",
    "SelfAttentionExplorer",
    "SentenceExplorer",
    "SinusoidExplorer",
    "Strip",
    "Table",
    "TilingExplorer",
    "TrainingView",
    "TranslationExplorer",
    "WalkExplorer",
    "Words",
    "projector",
    "shared_letters",
    "shared_words",
]


def __getattr__(name: str):
    """The explorer of agents when it is asked for: it brings Gymnasium, which nobody else needs."""
    if name == "AgentExplorer":
        from attention_core.live.explorers.agent import AgentExplorer

        return AgentExplorer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
