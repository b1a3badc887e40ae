"""Typed settings: one module per section of config.yaml, so that a stage imports only what it uses."""
