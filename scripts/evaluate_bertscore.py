"""Command line of rule evaluate_bertscore."""

from pathlib import Path

from clinragen.config.evaluate import BertScore, ComparedRuns
from clinragen.step import Context, Out, run


def evaluate_bertscore(
    context: Context,
    cases: Path,
    samples: Path,
    predictions: list[Path],
    runs: ComparedRuns,
    notes: Path,
    labs: Path,
    encoder: Path,
    settings: BertScore,
    scores: Out,
) -> None:
    """Compute the BERTScore of every rationale of the cases against the teacher's."""
    from clinragen.evaluate.texts.bertscore import Scorer, bertscores
    from clinragen.evaluate.texts.runs import gather_cases, read_run, read_teacher
    from clinragen.runtime.context import Facts
    from clinragen.schemas.benchmark import SAMPLES
    from clinragen.schemas.predictions import CASES
    from clinragen.schemas.texts import BERTSCORES

    compared = gather_cases(CASES.read(cases), SAMPLES.read(samples))
    texts = [read_run(path, row, compared) for path, row in zip(predictions, runs.runs, strict=True)]
    scorer = Scorer(encoder, settings)
    BERTSCORES.write(bertscores(texts, read_teacher(notes, labs, compared, []), compared, scorer), scores)
    context.note(Facts({"texts longer than the encoder takes": {str(scorer.cut)}}))


if __name__ == "__main__":
    run(evaluate_bertscore)
