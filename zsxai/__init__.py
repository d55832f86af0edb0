"""Explain any zero-shot audio classifier: which sounds in the recording made the score.

Importing this package imports neither torch nor transformers; they come with the first call.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsxai.api import Classification, classify, explain
    from zsxai.auditing.api import audit
    from zsxai.auditing.audit import Audit
    from zsxai.batch.api import explain_folder
    from zsxai.clip import Clip, Relevance
    from zsxai.comparison.api import compare
    from zsxai.comparison.comparison import Comparison
    from zsxai.concepts.api import explain_concepts
    from zsxai.concepts.explanation import ConceptExplanation
    from zsxai.concepts.use import classify_concepts
    from zsxai.errors import InputError, MissingExtraError, ZsxaiError
    from zsxai.explainer import Explainer, ExplainerCard
    from zsxai.explanation import Explanation
    from zsxai.many import explain_many
    from zsxai.model import AudioSpec, ModelCard, SpectralModel, ZeroShotModel
    from zsxai.plugins import load_explainer, load_model, register_explainer, register_model
    from zsxai.registry import list_datasets, list_explainers, list_metrics, list_models, list_tasks
    from zsxai.target import Contrast, Probability, Similarity, Target
    from zsxai.timelines.api import timeline
    from zsxai.timelines.timeline import Timeline

__version__ = "0.1.0"

_ROOMS = {
    "api": ("Classification", "classify", "explain"),
    "batch.api": ("explain_folder",),
    "many": ("explain_many",),
    "auditing.api": ("audit",),
    "auditing.audit": ("Audit",),
    "clip": ("Clip", "Relevance"),
    "comparison.api": ("compare",),
    "comparison.comparison": ("Comparison",),
    "concepts.api": ("explain_concepts",),
    "concepts.explanation": ("ConceptExplanation",),
    "concepts.use": ("classify_concepts",),
    "errors": ("InputError", "MissingExtraError", "ZsxaiError"),
    "explainer": ("Explainer", "ExplainerCard"),
    "explanation": ("Explanation",),
    "model": ("AudioSpec", "ModelCard", "SpectralModel", "ZeroShotModel"),
    "plugins": ("load_explainer", "load_model", "register_explainer", "register_model"),
    "registry": ("list_datasets", "list_explainers", "list_metrics", "list_models", "list_tasks"),
    "target": ("Contrast", "Probability", "Similarity", "Target"),
    "timelines.api": ("timeline",),
    "timelines.timeline": ("Timeline",),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "AudioSpec",
    "Audit",
    "Classification",
    "Clip",
    "Comparison",
    "ConceptExplanation",
    "Contrast",
    "Explainer",
    "ExplainerCard",
    "Explanation",
    "InputError",
    "MissingExtraError",
    "ModelCard",
    "Probability",
    "Relevance",
    "Similarity",
    "SpectralModel",
    "Target",
    "Timeline",
    "ZeroShotModel",
    "ZsxaiError",
    "__version__",
    "audit",
    "classify",
    "classify_concepts",
    "compare",
    "explain",
    "explain_concepts",
    "explain_folder",
    "explain_many",
    "list_datasets",
    "list_explainers",
    "list_metrics",
    "list_models",
    "list_tasks",
    "load_explainer",
    "load_model",
    "register_explainer",
    "register_model",
    "timeline",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zsxai' has no attribute {name!r}")
    return getattr(import_module(f"zsxai.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
