"""Stage audit: what made which output. It reads records only, never another stage's code."""
