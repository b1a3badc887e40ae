"""Command line of rule rationale_notes."""

from pathlib import Path

from clinragen.config.llms import Llm, Transport
from clinragen.step import Context, Out, run


def rationale_notes(
    context: Context,
    samples: Path,
    courses: Path,
    labels: Path,
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
    """Note rationale R^m of every sample (equation 2)."""
    from clinragen.llm.ask import LanguageModel
    from clinragen.llm.request import Answer, Request
    from clinragen.rationale.checks import check_note
    from clinragen.rationale.generate import gather, note_rationales
    from clinragen.rationale.prompts import read_examples, read_note_prompt
    from clinragen.schemas.benchmark import COURSES, LABELS, SAMPLES
    from clinragen.schemas.rationale import RATIONALES

    texts = [samples, courses, labels]
    model = LanguageModel(teacher, llm, transport, Path(answers), weights)

    def ask_teacher(requests: list[Request]) -> list[Answer]:
        found, facts = model.ask(requests, dataset, texts, check_note)
        context.note(facts)
        return found

    table = note_rationales(
        gather(SAMPLES.read(samples), COURSES.read(courses), LABELS.read(labels)),
        read_note_prompt(prompt),
        read_examples(examples),
        ask_teacher,
    )
    RATIONALES.write(table, out.path)


if __name__ == "__main__":
    run(rationale_notes)
