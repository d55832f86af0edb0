"""LMAC-ZS: a decoder that learns to say which sounds made a score (Paissan et al., NeurIPS 2024, arXiv 2405.17615).

The decoder reads a frozen model's feature maps and a prompt, and gives a mask. It is trained on recordings with
captions, without any truth about masks: the masked recording goes through the model again, and must still mean the
prompt.
"""

from __future__ import annotations
