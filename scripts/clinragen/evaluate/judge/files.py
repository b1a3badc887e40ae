"""Rationales for a judge, read from the tables of the other stages."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clinragen.config.judge import Question
from clinragen.evaluate.judge.items import Item, Texts, build_items, choose_cases
from clinragen.evaluate.rated_files import RatedFiles
from clinragen.rationale.generate import WHOLE, gather
from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS, SAMPLES
from clinragen.schemas.predictions import CASES


def read_items(
    files: RatedFiles, question: Question, max_note_characters: int | None, unwritten: Mapping[str, Texts] | None = None
) -> list[Item]:
    """Return what a judge rates (`build_items`), with notes cut to `max_note_characters`.

    `unwritten` are placeholder texts of systems that have not written theirs yet.
    """
    stays = chosen_cases(files.cases, question)
    samples = SAMPLES.read(files.samples)
    samples = samples.filter(pc.is_in(samples["stay_id"], pa.array(stays, pa.int64())))
    tables = (samples, COURSES.read(files.courses), LABELS.read(files.labels))
    cases = gather(*tables, WHOLE, max_note_characters, captions=CAPTIONS.read(files.captions))
    return build_items(cases, files.patients(), {**files.texts(), **(unwritten or {})}, question)


def chosen_cases(path: Path, question: Question) -> list[int]:
    """Return the rated stays among the selected cases in the table at `path`."""
    return choose_cases(CASES.read(path)["stay_id"].to_pylist(), question.cases, question.seed)
