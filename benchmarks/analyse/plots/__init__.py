"""Plots of a run, made without pyplot."""
