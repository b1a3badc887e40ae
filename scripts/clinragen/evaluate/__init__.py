"""Stage evaluate: predictions, scores, and the paper's tables beside ours."""
