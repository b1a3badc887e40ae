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
    wordings: Path,
    dataset: str,
    shard: str,
    teacher: str,
    llm: Llm,
    transport: Transport | None,
    weights: list[Path],
    answers: str,
    out: Out,
) -> None:
    """Write the lab rationale R^t of every sample of a shard (equation 3)."""
    from functools import partial

    from clinragen.llm.ask import LanguageModel
    from clinragen.rationale.checks import check_lab
    from clinragen.rationale.claims import read_wordings
    from clinragen.rationale.generate import Files, Shard, lab_rationales
    from clinragen.rationale.prompts import read_examples, read_lab_prompt
    from clinragen.schemas.rationale import RATIONALES

    files = Files(samples, courses, labels, examples, captions, notes)
    model = LanguageModel(teacher, llm, transport, Path(answers), weights)
    ask = partial(model.ask, data=dataset, inputs=files.texts, check=partial(check_lab, read_wordings(wordings)))
    cases = files.read(Shard.named(shard), llm.max_note_characters)
    table, facts = lab_rationales(cases, read_lab_prompt(prompt), read_examples(examples), ask)
    context.note(facts)
    RATIONALES.write(table, out)


if __name__ == "__main__":
    run(rationale_labs)
