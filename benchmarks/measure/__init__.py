"""Measurements of this library itself, run from a checkout: ``python -m zsxai.benchmarks.measure.speed`` and others."""
