"""The making of ``tiny``, from a checkout: ``python -m zsxai.adapters.tiny.training.train`` and ``.evaluate``."""
