"""Rationales compared: with the teacher's, with the captions and series, with the labels and the note."""
