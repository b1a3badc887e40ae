"""Stage train: the three phases of distillation."""
