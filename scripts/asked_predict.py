"""Command line of rule asked_predict."""

from pathlib import Path

from clinragen.asked.predict import Files
from clinragen.config.asked import Question
from clinragen.config.llms import Llm, Transport
from clinragen.step import Context, Out, run


def asked_predict(
    context: Context,
    files: Files,
    phenotypes: Path,
    wordings: Path,
    prompts: list[Path],
    dataset: str,
    question: Question,
    name: str,
    llm: Llm,
    transport: Transport | None,
    weights: list[Path],
    answers: str,
    predictions: Out,
) -> None:
    """Write the answers of a language model about the test split."""
    from clinragen.asked.predict import predict, read_cases
    from clinragen.llm.ask import LanguageModel, counted
    from clinragen.llm.request import Answer, Check, Request
    from clinragen.rationale.claims import read_wordings
    from clinragen.rationale.generate import notes_cut
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.runtime.context import Facts
    from clinragen.schemas.predictions import PREDICTIONS

    model = LanguageModel(name, llm, transport, Path(answers), weights)

    def ask(requests: list[Request], check: Check) -> list[Answer]:
        texts, facts = model.ask(requests, dataset, files.texts, check)
        del facts.values["statuses"]  # of one question; the sums over all follow
        context.note(facts)
        return texts

    selected = read_cases(files, llm.max_note_characters)
    names = read_phenotypes(phenotypes)
    table = predict(selected, question, prompts, files.examples, names, read_wordings(wordings), ask)
    context.note(Facts({"statuses": counted(model.statuses)} | notes_cut(selected)))
    PREDICTIONS.write(table, predictions)


if __name__ == "__main__":
    run(asked_predict)
