"""Training decoders; nothing that explains imports it."""
