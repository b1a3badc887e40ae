"""Language models as judges of rationales (figure 6a): items, question, ratings, their summary and page."""
