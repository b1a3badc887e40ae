"""What resources/ declares: phenotypes, variables, raw tables."""
