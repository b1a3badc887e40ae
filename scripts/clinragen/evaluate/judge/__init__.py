"""Language models as judges of rationales (figure 6a): what is rated, the question, the answers, their summary."""
