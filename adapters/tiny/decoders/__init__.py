"""Decoders of LMAC-ZS that come with ``tiny``: a folder per domain."""
