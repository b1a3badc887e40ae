"""Stage evaluate: predictions, scores, and the paper's tables next to ours."""
