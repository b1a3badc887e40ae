"""Predictions from the answers of a language model about cases of the test split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clinragen.asked.answers import parse_answer
from clinragen.asked.prompts import (
    diagnosis_rationale_request,
    diagnosis_request,
    read_diagnosis_prompt,
    read_diagnosis_rationale_prompt,
)
from clinragen.config.asked import Question
from clinragen.llm.request import WITHOUT_TEXT, Answer, Check, Request
from clinragen.model.target_codec import Parsed
from clinragen.rationale.checks import check_lab, check_note
from clinragen.rationale.claims import Wordings
from clinragen.rationale.generate import WHOLE, Sample, gather
from clinragen.rationale.prompts import lab_request, note_request, read_examples, read_lab_prompt, read_note_prompt
from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS, SAMPLES
from clinragen.schemas.predictions import CASES, PREDICTIONS

Ask = Callable[[list[Request], Check], list[Answer]]
UNREADABLE = "no diagnoses can be read from it"
NO_RATIONALE = "it has no rationale"


@dataclass(frozen=True)
class Files:
    """Inputs of the questions."""

    samples: Path
    courses: Path
    captions: Path
    labels: Path
    cases: list[Path]
    """The table of selected samples; none for the whole test split."""
    examples: list[Path]
    """The file of worked examples, if the prompts need one."""

    @property
    def texts(self) -> list[Path]:
        """The files that supply the text of questions."""
        return [self.samples, self.courses, self.captions, self.labels, *self.examples]


@dataclass(frozen=True)
class Written:
    """The answers about one case; `parsed` is None if the model was given the diagnoses."""

    sample: Sample
    answers: list[Answer]
    parsed: Parsed | None
    note_rationale: str | None = None
    lab_rationale: str | None = None


def read_cases(files: Files, max_note_characters: int | None) -> list[Sample]:
    """Return the selected cases, sorted by stay, with notes of at most `max_note_characters`."""
    samples = SAMPLES.read(files.samples)
    samples = samples.filter(pc.equal(samples["split"], "test"))
    for path in files.cases:
        samples = samples.filter(pc.is_in(samples["stay_id"], CASES.read(path)["stay_id"].combine_chunks()))
    tables = (samples, COURSES.read(files.courses), LABELS.read(files.labels))
    return gather(*tables, WHOLE, max_note_characters, captions=CAPTIONS.read(files.captions))


def predict(
    cases: Sequence[Sample],
    question: Question,
    prompts: Sequence[Path],
    examples: Sequence[Path],
    phenotypes: Sequence[str],
    wordings: Wordings,
    ask: Ask,
) -> pa.Table:
    """Return the answers about all cases (PREDICTIONS); `prompts` are those of the questions, in their order."""
    if question.task == "diagnose":
        written = _diagnosed(cases, question, prompts[0], phenotypes, ask)
    elif question.given_diagnoses:
        written = _explained(cases, prompts, examples[0], wordings, ask)
    else:
        written = _diagnosed_and_explained(cases, question, prompts, examples[0], phenotypes, wordings, ask)
    return pa.Table.from_pylist([_row(each) for each in written], schema=PREDICTIONS.schema)


def _diagnosed(
    cases: Sequence[Sample], question: Question, prompt: Path, phenotypes: Sequence[str], ask: Ask
) -> list[Written]:
    """Ask for D in one question."""
    template = read_diagnosis_prompt(prompt)
    requests = [diagnosis_request(template, case, phenotypes, question.label_list) for case in cases]
    answers = ask(requests, check_diagnosis)
    return [Written(c, [a], parse_answer(a.text, phenotypes)) for c, a in zip(cases, answers, strict=True)]


def _explained(
    cases: Sequence[Sample], prompts: Sequence[Path], examples: Path, wordings: Wordings, ask: Ask
) -> list[Written]:
    """Ask for R^m, then R^t, with the teacher's questions (equations 2 and 3)."""
    prompt, shown = read_note_prompt(prompts[0]), read_examples(examples)
    requests = [note_request(prompt, shown, c.note, c.diagnoses) for c in cases]
    notes = ask(requests, partial(check_note, wordings))
    rationales = [replace(c, note_rationale=a.text.strip()) for c, a in zip(cases, notes, strict=True)]
    labs = _ask_about_labs(rationales, prompts[1], examples, wordings, ask)
    return [
        Written(c, [note, lab], None, c.note_rationale, lab.text.strip())
        for c, note, lab in zip(rationales, notes, labs, strict=True)
    ]


def _diagnosed_and_explained(
    cases: Sequence[Sample],
    question: Question,
    prompts: Sequence[Path],
    examples: Path,
    phenotypes: Sequence[str],
    wordings: Wordings,
    ask: Ask,
) -> list[Written]:
    """Ask for D and R^m in one question, then for R^t of the diagnoses that the model named."""
    prompt, shown = read_diagnosis_rationale_prompt(prompts[0]), read_examples(examples)
    requests = [diagnosis_rationale_request(prompt, shown, c, phenotypes, question.label_list) for c in cases]
    notes = ask(requests, partial(check_diagnosis_rationale, wordings))
    parsed = [parse_answer(answer.text, phenotypes) for answer in notes]
    with_answers = [
        replace(c, diagnoses=[*p.phenotypes, *p.unknown], note_rationale=p.note_rationale or "")
        for c, p in zip(cases, parsed, strict=True)
    ]
    labs = _ask_about_labs(with_answers, prompts[1], examples, wordings, ask)
    return [
        Written(c, [note, lab], p, p.note_rationale, lab.text.strip())
        for c, p, note, lab in zip(cases, parsed, notes, labs, strict=True)
    ]


def _ask_about_labs(
    cases: Sequence[Sample], prompt: Path, examples: Path, wordings: Wordings, ask: Ask
) -> list[Answer]:
    template, shown = read_lab_prompt(prompt), read_examples(examples)
    requests = [lab_request(template, shown, c.note, c.captions, c.diagnoses, c.note_rationale) for c in cases]
    return ask(requests, partial(check_lab, wordings))


def check_diagnosis(request: Request, text: str) -> list[str]:
    """Return the problems of an answer that names diagnoses."""
    return [] if parse_answer(text, request.slots["phenotypes"]).readable else [UNREADABLE]


def check_diagnosis_rationale(wordings: Wordings, request: Request, text: str) -> list[str]:
    """Return the problems of an answer that names diagnoses and explains them."""
    parsed = parse_answer(text, request.slots["phenotypes"])
    problems = [] if parsed.readable else [UNREADABLE]
    if parsed.note_rationale is None:
        return [*problems, NO_RATIONALE]
    named = {"diagnoses": [*parsed.phenotypes, *parsed.unknown]}
    return problems + check_note(wordings, replace(request, slots=request.slots | named), parsed.note_rationale)


def _end(reasons: Sequence[str]) -> str | None:
    """Return why the texts of a case end; None if the server does not report it."""
    if "length" in reasons:
        return "limit"
    return "end_mark" if reasons and set(reasons) == {"stop"} else None


def _row(written: Written) -> dict[str, object]:
    parsed, statuses = written.parsed, [answer.status for answer in written.answers]
    problems = dict.fromkeys(problem for answer in written.answers for problem in answer.problems)
    worst = [s for s in statuses if s in WITHOUT_TEXT] + [s for s in statuses if s != "good"]
    return {
        "stay_id": written.sample.stay_id,
        "output": "\n".join(answer.text.strip() for answer in written.answers),
        "end": _end([answer.finish_reason for answer in written.answers]),
        "tokens": None,
        "predicted": parsed.phenotypes if parsed else [],
        "unknown": parsed.unknown if parsed else [],
        "readable": parsed.readable if parsed else None,
        "note_rationale": written.note_rationale or None,
        "lab_rationale": written.lab_rationale or None,
        "status": worst[0] if worst else "good",
        "problems": "; ".join(problems) or None,
        "requests": [answer.request for answer in written.answers],
        "note_cut": written.sample.note_cut,
        "true": written.sample.diagnoses,
    }
