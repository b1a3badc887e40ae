"""Command line of rule train_frozen."""

from pathlib import Path

from clinragen.config.student import Parts, Texts
from clinragen.config.train import Launch, Optimizer, Phase
from clinragen.step import Context, Out, run


def train_frozen(
    context: Context,
    start: Path,
    tuned: bool,
    vocabulary: list[Path],
    text_encoder: list[Path],
    labels: Path,
    notes: Path,
    captions: list[Path],
    series: list[Path],
    targets: Path,
    texts: Texts,
    parts: Parts,
    phase: Phase,
    optimizer: Optimizer,
    launch: Launch,
    seed: int,
    checkpoints: str,
    model: Out,
) -> None:
    """Let the parts before a frozen language model learn."""
    from clinragen.model.inputs import Files
    from clinragen.train import phases
    from clinragen.train.trainer import Job

    files = Files(labels, notes, targets, series, *captions)
    job = Job(files, phase, optimizer, launch, seed, Path(checkpoints), context.fingerprint())
    new = phases.New(parts, next(iter(vocabulary), None), next(iter(text_encoder), None))
    context.after_commit(phases.train_frozen(job, start, tuned, texts, new, model.path))


if __name__ == "__main__":
    run(train_frozen)
