"""Vocabularies made from tags with counts: the three constructions of arXiv 2504.14076, and names of an ontology."""
