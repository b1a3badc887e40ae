"""Stage evaluate: predictions, scores, and our values next to the paper's."""
