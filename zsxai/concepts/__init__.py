"""Concept explanations: what a model hears, in words."""
