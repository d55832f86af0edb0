"""How ``tiny`` is made and evaluated, from a checkout: ``python -m zsxai.adapters.tiny.training.train`` and ``.evaluate``."""
