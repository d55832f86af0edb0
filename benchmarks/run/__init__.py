"""Carrying out a suite: from the suite to cells, and from cells to rows in a store."""
