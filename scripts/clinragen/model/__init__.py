"""The student: series encoder, knowledge-augmented attention, small language model, text formats."""
