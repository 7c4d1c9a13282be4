"""Whole trainings in one call, from a configuration to a model for a reader."""
