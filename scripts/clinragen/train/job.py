"""What every training needs, also as groups of command-line arguments; imports no PyTorch."""

from dataclasses import dataclass
from pathlib import Path

from clinragen.config.student import Parts, Texts
from clinragen.config.train import Launch, Optimizer, Phase
from clinragen.model.files import Files, StudentInputs


@dataclass(frozen=True)
class Job:
    """What all trainings need: data, settings, seed, and the directory for checkpoints of a run in progress."""

    files: Files
    phase: Phase
    optimizer: Optimizer
    launch: Launch
    seed: int
    checkpoints: Path
    fingerprint: str


@dataclass(frozen=True)
class Setup:
    """Arguments of every training step."""

    optimizer: Optimizer
    launch: Launch
    seed: int
    checkpoints: str
    """A string, because a path would be an input file."""

    def job(self, files: Files, phase: Phase, fingerprint: str) -> Job:
        """Return the training on these files; checkpoints of another fingerprint are not resumed."""
        checkpoints = Path(self.checkpoints)
        return Job(files, phase, self.optimizer, self.launch, self.seed, checkpoints, fingerprint)


@dataclass(frozen=True)
class OneStage(StudentInputs):
    """Arguments of steps that train a row in one stage: its samples, and the parts in front of its language model."""

    base: Path
    """The language model; for `train_frozen` it may be a student of phase 1."""
    targets: Path
    texts: Texts
    parts: Parts
    vocabulary: Path | None
    """Of the attention; None for rows without it."""
    text_encoder: Path | None
    """Source of the Q-Former's layers; None for rows without one."""
