"""The human study of figure 6b: forms for raters, import of their ratings, scores and page."""
