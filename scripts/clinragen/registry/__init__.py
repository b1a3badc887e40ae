"""Readers of resources/ (phenotypes, variables, raw tables) and of the small files of models."""
