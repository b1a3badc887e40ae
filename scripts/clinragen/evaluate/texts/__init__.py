"""Measures of rationales: against the teacher's, the captions and series, the labels and the note."""
