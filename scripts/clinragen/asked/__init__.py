"""Stage asked: predictions of language models that are asked, not trained."""
