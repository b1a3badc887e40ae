"""Additions to Snakemake itself: output on the screen, retries. No step imports it."""
