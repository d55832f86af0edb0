"""Score over time: when in a recording of any length a model hears a prompt, one forward a window."""
