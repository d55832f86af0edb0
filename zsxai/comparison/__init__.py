"""Explanations side by side: prompts x explainers x models, where their maps agree, and how they move with wording."""
