"""What was measured, as tables, intervals, comparisons and files."""
