"""Concept explanations: an embedding as a sparse non-negative mix of words."""
