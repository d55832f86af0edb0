"""Metrics of :class:`ConceptScores` and :class:`MixtureConcepts`: what words keep of a clip, and what moves them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from zsxai.metrics.base import Array, ConceptScores, Metric, MixtureConcepts
from zsxai.metrics.functional import Values

_metric = partial(Metric, evidence=ConceptScores, bounds=(0.0, 1.0), reference="this project")
_of_mixtures = partial(Metric, evidence=MixtureConcepts, bounds=(0.0, 1.0), reference="this project")

_PAPER = "Zhang, Thomaz, Lu, arXiv 2504.14076"
_LEAKS = "words that are the classes: see the controls without labels"
_NO_WORDS = "never: without words the clip counts as wrong"


def _same(one: Array, other: Array) -> Values:
    return np.asarray(one == other, dtype=np.float64)


def _as_it_is(values: Array) -> Values:
    return np.asarray(values, dtype=np.float64)


def _cosine(weights: Array, other: Array) -> Values:
    products = np.linalg.norm(weights, axis=1) * np.linalg.norm(other, axis=1)
    inner = (weights * other).sum(axis=1)
    found = np.where(products > 0, inner / np.where(products > 0, products, 1.0), 0.0)
    return np.where(weights.any(axis=1), found, np.nan)


def _fall(p: Array, p_removed: Array, p_other: Array) -> Values:
    return np.asarray((p - p_removed) - (p - p_other), dtype=np.float64)


def _both(classes: Array, first: Array) -> Values:
    found = (classes[:, :, None] == first[:, None, :]).any(axis=2).all(axis=1)
    return np.asarray(found, dtype=np.float64)


def _mean_size(sizes: Sequence[Array]) -> Values:
    return np.array([float(each.mean()) if len(each) else np.nan for each in sizes])


def _largest_size(sizes: Sequence[Array]) -> Values:
    return np.array([float(each.max()) if len(each) else np.nan for each in sizes])


def _falls_most(removed: Array, weights: Array, weights_rest: Array) -> Values:
    rows, falls = np.arange(len(removed)), weights - weights_rest
    own = falls[rows, removed]
    others = falls.copy()
    others[rows, removed] = -np.inf
    return np.where(weights[rows, removed] > 0, own > others.max(axis=1), np.nan)


CONCEPT_ACCURACY = _metric(
    name="concept-accuracy",
    symbol="right",
    summary="Whether the class whose prompt is nearest to the mix of concepts is the clip's.",
    better="higher",
    needs=("label", "predicted"),
    compute=_same,
    formula="`[argmax_c <r, t_c> = y]`: r the mix, `t_c` the prompts, centred as the words are",
    reference=_PAPER,
    sensitive_to="the vocabulary, the centring, the penalty; the model's own accuracy (`dense`)",
    gamed_by=_LEAKS,
    invalid=_NO_WORDS,
)

CONCEPT_AGREEMENT = _metric(
    name="concept-agreement",
    symbol="as dense",
    summary="Whether the class nearest to the mix of concepts is the one nearest to the embedding itself.",
    better="higher",
    needs=("predicted", "predicted_dense"),
    compute=_same,
    formula="`[argmax_c <r, t_c> = argmax_c <z, t_c>]`",
    sensitive_to="the vocabulary, the centring, the penalty",
    gamed_by=_LEAKS,
    invalid=_NO_WORDS,
)

CONCEPT_WORDS = _metric(
    name="concept-words",
    symbol="words",
    summary="Words with a weight above 0.",
    better="neither",
    bounds=(0.0, float("inf")),
    needs=("counts",),
    compute=_as_it_is,
    formula="`#{i: w_i > 0}`",
    reference=_PAPER,
    sensitive_to="the penalty, or the number asked for; the vocabulary",
    gamed_by="nothing: it sets the other figures in context",
)

CONCEPT_GROUPS = _metric(
    name="concept-groups",
    symbol="concepts",
    summary="Concepts: words with a weight above 0, near-synonyms as one.",
    better="neither",
    bounds=(0.0, float("inf")),
    needs=("groups",),
    compute=_as_it_is,
    formula="words in the order of their weights join the first group whose strongest word is near enough, "
    "or begin one; `#groups`",
    sensitive_to="the text cosine from which on words are one concept",
    gamed_by="nothing: it sets the other figures in context",
)

CONCEPT_COSINE = _metric(
    name="concept-cosine",
    symbol="cosine",
    summary="Cosine of the embedding and the mix of concepts, where they are decomposed.",
    better="higher",
    needs=("cosine",),
    compute=_as_it_is,
    formula="`<z, C'w / |C'w|>`",
    reference=_PAPER,
    sensitive_to="the centring: each one's cosines are of another space",
    gamed_by="more words, of any meaning: a random dictionary has a cosine too",
)

WORDS_SAY = _metric(
    name="words-say",
    symbol="words say",
    summary="Part of the embedding's energy that the words say: the squared cosine.",
    better="higher",
    needs=("cosine",),
    compute=np.square,
    formula="`<z, C'w / |C'w|>^2`",
    sensitive_to="the centring: each one's cosines are of another space",
    gamed_by="more words, of any meaning: a random dictionary says a part too",
)

CONCEPT_KKT = _metric(
    name="concept-kkt",
    symbol="KKT",
    summary="How far the weights are from the minimum: the optimality residual of Karush, Kuhn and Tucker.",
    better="lower",
    bounds=(0.0, float("inf")),
    needs=("kkt",),
    compute=_as_it_is,
    formula="`max_i |2 <C_i, z - C'w> - lambda|` over words in use, `max(0, .)` over others",
    reference="zsxai.concepts.solver",
    sensitive_to="the precision of the solver, and steps that ran out",
    gamed_by="nothing: it is of the solver",
)

STABILITY_NOISE = _metric(
    name="stability-noise",
    symbol="stable, noise",
    summary="Cosine of the weights of all words on the clip and on the clip under white noise, at the clip's penalty.",
    better="higher",
    needs=("weights", "weights_noise"),
    compute=_cosine,
    formula="`<w(x), w(x + n)> / (|w(x)| |w(x + n)|)`",
    sensitive_to="the noise, 20 dB under the clip; the model: an embedding that moves moves its words",
    gamed_by="one word for everything; near-synonyms count as other words",
    invalid="the clip has no words",
)

STABILITY_SHIFT = _metric(
    name="stability-shift",
    symbol="stable, shift",
    summary="Cosine of the weights of all words on the clip and on the clip turned by half a second, at its penalty.",
    better="higher",
    needs=("weights", "weights_shift"),
    compute=_cosine,
    formula="`<w(x), w(x')> / (|w(x)| |w(x')|)`, x' the clip turned",
    sensitive_to="the shift, circular: a sound that it cuts is another one",
    gamed_by="one word for everything; near-synonyms count as other words",
    invalid="the clip has no words",
)

CONCEPT_REMOVAL = _metric(
    name="concept-removal",
    symbol="removal",
    summary="How much more the predicted class's probability falls without the strongest concept than without as much "
    "of a random other one of the clip: a check of the arithmetic, since both are taken out of the same sum.",
    better="higher",
    bounds=(-1.0, 1.0),
    needs=("p", "p_removed", "p_other"),
    compute=_fall,
    formula="`(p - p_strongest) - (p - p_other)`, all of the class predicted from the whole mix",
    sensitive_to="the logit scale; how many concepts there are",
    gamed_by="a mix of one concept's near-synonyms and nothing else: say it beside the number of concepts",
    invalid="the clip has fewer than two concepts",
)

BOTH_SOURCES = _of_mixtures(
    name="both-sources",
    symbol="both sources",
    summary="Whether both sounds of a mixture are among the classes of the first five concepts; of `dense`, among the "
    "five nearest prompts.",
    better="higher",
    needs=("sources", "first"),
    compute=_both,
    formula="`[{a, b} within {class(g_1), ..., class(g_5)}]`, groups g by weight, a group's class that of "
    "its strongest word in the table",
    sensitive_to="the table of words and classes; the bound of the groups; the model (`both-prompts` is its ceiling)",
    gamed_by="the same five classes for every mixture, as far as `both-absent` is high too",
    invalid="never: a mixture without words counts as not found",
)

BOTH_PROMPTS = _of_mixtures(
    name="both-prompts",
    symbol="both prompts",
    summary="Whether the prompts of both sounds of a mixture are among the five nearest to its embedding: what the "
    "model itself hears.",
    better="higher",
    needs=("sources", "nearest"),
    compute=_both,
    formula="`[{a, b} within the five largest <z, t_c>]`",
    sensitive_to="the model alone",
    gamed_by="nothing: it sets `both-sources` in context",
    invalid="never",
)

BOTH_ABSENT = _of_mixtures(
    name="both-absent",
    symbol="both absent",
    summary="`both-sources` of two classes that are not in the mixture, drawn by its name: chance.",
    better="lower",
    needs=("absent", "first"),
    compute=_both,
    formula="as `both-sources`, of two other classes",
    sensitive_to="how many of the first five concepts have a class at all",
    gamed_by="no concept with a class: read it beside `both-sources`",
    invalid="never",
)

GROUP_SIZE = _of_mixtures(
    name="group-size",
    symbol="words a concept",
    summary="Mean number of words of the first five concepts.",
    better="neither",
    bounds=(1.0, float("inf")),
    needs=("sizes",),
    compute=_mean_size,
    formula="`mean |g_k|`, k up to 5",
    sensitive_to="the bound of the groups",
    gamed_by="nothing: it sets `both-sources` in context",
    invalid="no words",
)

LARGEST_GROUP = _of_mixtures(
    name="largest-group",
    symbol="largest concept",
    summary="Number of words of the largest of the first five concepts.",
    better="neither",
    bounds=(1.0, float("inf")),
    needs=("sizes",),
    compute=_largest_size,
    formula="`max |g_k|`, k up to 5",
    sensitive_to="the bound of the groups",
    gamed_by="nothing: groups that take in everything would be seen here",
    invalid="no words",
)

SOURCE_REMOVAL = _of_mixtures(
    name="source-removal",
    symbol="falls most",
    summary="Whether the weight of a sound's words falls more than that of every other class's when the sound is taken "
    "out of the mixture.",
    better="higher",
    needs=("removed", "weights", "weights_rest"),
    compute=_falls_most,
    formula="`[w_a(mix) - w_a(rest) > max_c (w_c(mix) - w_c(rest))]`, c over all classes but a; w sums over the words "
    "that the table gives a class",
    sensitive_to="the table of words and classes; which mixtures have the sound's words at all: n without invalid",
    gamed_by="words for the loudest sound alone, whose weight can only fall",
    invalid="the removed sound's words have no weight in the mixture",
)
