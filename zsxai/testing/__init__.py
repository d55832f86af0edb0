"""The conformance kit: what a model and an explainer must keep to, as checks that plugin authors run.

``check_model(model).raise_if_failed()`` is a whole test; ``docs/testing-your-plugin.md`` says what each check does and
how to mend what it finds.
"""

from __future__ import annotations

from zsxai.report import Check, CheckFailedError, Report
from zsxai.testing.explainer import check_explainer
from zsxai.testing.model import check_model

__all__ = ["Check", "CheckFailedError", "Report", "check_explainer", "check_model"]
