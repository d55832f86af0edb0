"""Several explanations of one recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zsxai.explanation import Explanation


class ExplanationList(list["Explanation"]):
    """A list of explanations, one for each prompt, that a notebook shows as a grid."""

    def _repr_html_(self) -> str:
        from zsxai.show.page import notebook_grid

        return notebook_grid(self)
