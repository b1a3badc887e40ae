"""The front page of the results: what was asked, what came out, and all pages."""
