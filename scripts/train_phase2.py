"""Command line of rule train_phase2."""

from pathlib import Path

from clinragen.config.student import Fusion
from clinragen.config.train import Launch, Optimizer, Phase
from clinragen.step import Context, Out, run


def train_phase2(
    context: Context,
    phase1: Path,
    vocabulary: Path,
    labels: Path,
    targets: Path,
    series: list[Path],
    fusion: Fusion,
    steps: int,
    instruction: bool,
    phase: Phase,
    optimizer: Optimizer,
    launch: Launch,
    seed: int,
    checkpoints: str,
    model: Out,
) -> None:
    """Distil rationales from labs through the knowledge-augmented attention."""
    from clinragen.model.inputs import Files
    from clinragen.train import phases
    from clinragen.train.trainer import Job

    files = Files(labels, None, targets, series)
    job = Job(files, phase, optimizer, launch, seed, Path(checkpoints), context.fingerprint())
    start = {"phase1": phase1, "fusion": fusion, "steps": steps, "vocabulary": vocabulary}
    context.after_commit(phases.train_phase2(job, **start, instruction=instruction, folder=model.path))


if __name__ == "__main__":
    run(train_phase2)
