"""Errors with one clear line each: what was wrong and what to do."""


class ZsxaiError(Exception):
    """Base of every error this library raises on purpose."""


class InputError(ZsxaiError, ValueError):
    """The caller's mistake; the command line prints its one line and exits with 2."""


class MissingExtraError(InputError, ImportError):
    """A plugin needs a package that is not installed; the message holds the exact ``pip install``."""
