"""Arguments of the steps that let a trained student write about the test split; imports no PyTorch."""

from dataclasses import dataclass
from pathlib import Path

from clinragen.config.evaluate import Decoding
from clinragen.model.files import StudentInputs


@dataclass(frozen=True)
class StudentStep(StudentInputs):
    """A checkpoint, what it reads, and how it decodes."""

    checkpoint: Path
    base: Path | None
    """Language model behind a checkpoint that holds adapters alone."""
    phenotypes: Path
    decoding: Decoding
    batch: int
    seed: int
    parts: str
    """Directory for decoded batches, which an interrupted job resumes from; a string, because a path would be input."""
