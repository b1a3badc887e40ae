"""Shared, content-neutral infrastructure of every step."""
