"""What the Snakefile and `make check` need before jobs exist; no step imports it."""
