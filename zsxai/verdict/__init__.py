"""Whether to believe an explanation: does the model hear the sound at all, and does the map say where."""
