"""Centrings for the weights that travel with the library; ``zsxai centring`` made them (docs/models/tiny.md)."""
