"""Explaining many recordings into one folder: a table, a page that lists them, and each one's own explanation."""
