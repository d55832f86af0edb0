"""Figures for files: drawn by Agg, whatever window system or notebook the process was started from."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_IMPORTING = Lock()


def import_matplotlib() -> Any:
    """Import matplotlib even where ``MPLBACKEND`` names a backend that is not there, and give the module.

    A notebook sets the variable for every process that it starts, and matplotlib does not import where the backend is
    not installed. A backend that is there is set, as matplotlib itself does.
    """
    with _IMPORTING:
        if "matplotlib" not in sys.modules:
            backend = os.environ.pop("MPLBACKEND", "")
            try:
                import matplotlib
            finally:
                if backend:
                    os.environ["MPLBACKEND"] = backend
            if backend:
                with suppress(ValueError):
                    matplotlib.rcParams["backend"] = backend
    return sys.modules["matplotlib"]


def make_figure(**options: Any) -> Figure:
    """Make a figure that no window system knows of.

    Args:
        **options: As :class:`matplotlib.figure.Figure` takes them.
    """
    import_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(**options)
    FigureCanvasAgg(figure)
    return figure
