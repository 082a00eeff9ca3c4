"""Kingpost."""
