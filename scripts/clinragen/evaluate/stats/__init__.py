"""Statistics of scores and ratings: pure functions of arrays."""
