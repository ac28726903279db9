"""Choices in an experiment: all of their combinations, or a search for the best by validation."""
