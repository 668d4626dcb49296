"""Exercises that name the bug, and predictions that are scored: what makes a lesson more than reading."""

from attention_core.practice import check
from attention_core.practice.prediction import Prediction, predict, predictions

__all__ = ["Prediction", "check", "predict", "predictions"]
