"""Command line of rule rationale_labs."""

from pathlib import Path

from clinragen.config.llms import Llm, Transport
from clinragen.step import Context, Out, run


def rationale_labs(
    context: Context,
    samples: Path,
    courses: Path,
    labels: Path,
    captions: Path,
    notes: Path,
    prompt: Path,
    examples: Path,
    dataset: str,
    teacher: str,
    llm: Llm,
    transport: Transport | None,
    weights: list[Path],
    answers: str,
    out: Out,
) -> None:
    """Lab rationale R^t of every sample (equation 3)."""
    from clinragen.llm.ask import LanguageModel
    from clinragen.llm.request import Answer, Request
    from clinragen.rationale.checks import check_lab
    from clinragen.rationale.generate import gather, lab_rationales
    from clinragen.rationale.prompts import read_examples, read_lab_prompt
    from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS, SAMPLES
    from clinragen.schemas.rationale import RATIONALES

    texts = [samples, courses, labels, captions, notes]
    model = LanguageModel(teacher, llm, transport, Path(answers), weights)

    def ask_teacher(requests: list[Request]) -> list[Answer]:
        found, facts = model.ask(requests, dataset, texts, check_lab)
        context.note(facts)
        return found

    table = lab_rationales(
        gather(
            SAMPLES.read(samples),
            COURSES.read(courses),
            LABELS.read(labels),
            CAPTIONS.read(captions),
            RATIONALES.read(notes),
        ),
        read_lab_prompt(prompt),
        read_examples(examples),
        ask_teacher,
    )
    RATIONALES.write(table, out.path)


if __name__ == "__main__":
    run(rationale_labs)
