"""Metrics: pure functions by theme, and one record for each figure that says how to compute and how to read it."""

from zsxai.metrics.base import (
    AbsentMaps,
    BudgetCurve,
    ConceptScores,
    HeardPrompts,
    JudgedMaps,
    MaskedScores,
    Metric,
    MixtureConcepts,
    MixtureMaps,
    PromptMaps,
    RandomisedMaps,
    RetrievedAnswers,
    SceneMaps,
    TaggedClasses,
)
from zsxai.metrics.frechet import frechet_bias, frechet_distance
from zsxai.metrics.functional import Summary, summarise
from zsxai.metrics.loading import load_metric, metrics_of, of

__all__ = [
    "AbsentMaps",
    "BudgetCurve",
    "ConceptScores",
    "HeardPrompts",
    "JudgedMaps",
    "MaskedScores",
    "Metric",
    "MixtureConcepts",
    "MixtureMaps",
    "PromptMaps",
    "RandomisedMaps",
    "RetrievedAnswers",
    "SceneMaps",
    "Summary",
    "TaggedClasses",
    "frechet_bias",
    "frechet_distance",
    "load_metric",
    "metrics_of",
    "of",
    "summarise",
]
