"""Train, validation and test splits, by patient."""

import csv
import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from clinragen.config.benchmark import Split
from clinragen.disclosure import shown_parts
from clinragen.errors import UserError
from clinragen.schemas.attrition import Attrition
from clinragen.schemas.benchmark import SPLIT, SPLITS, TEST, TRAIN, VALIDATION

log = logging.getLogger("split")


def split_subjects(subjects: Iterable[int], settings: Split) -> dict[int, str]:
    """Return the split of every patient; the same patients and seed give the same splits on any machine.

    Patients are ordered by a keyed hash; the first `test` share is the test split, the next
    `validation` share of the others the validation split.
    """
    ordered = _shuffled(subjects, settings.seed)
    tests = round(len(ordered) * settings.test)
    return dict.fromkeys(ordered[:tests], TEST) | _without_test(ordered[tests:], settings)


def split_by_lists(
    subjects: Iterable[int], tests: dict[int, bool], validations: dict[int, bool] | None, settings: Split
) -> dict[int, str]:
    """Return the split of every patient by published lists, such as the benchmark's; unlisted patients are in train.

    Without a list of the validation split, it is drawn from the others by the default rule.
    """
    ordered = _shuffled(subjects, settings.seed)
    splits = {s: TEST for s in ordered if tests.get(s)}
    others = [s for s in ordered if s not in splits]
    if validations is None:
        return splits | _without_test(others, settings)
    return splits | {s: VALIDATION if validations.get(s) else TRAIN for s in others}


def read_list(path: Path) -> dict[int, bool]:
    """Read a list of the benchmark (testset.csv, valset.csv): lines `SUBJECT_ID,flag`, no header; flag 1 is in it."""
    flags: dict[int, bool] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if len(row) != 2 or not row[0].strip().isdigit() or row[1].strip() not in ("0", "1"):
                raise UserError(f"{path}, line {number}: expected a subject_id and 0 or 1, such as 123,1")
            if int(row[0]) in flags:
                raise UserError(f"{path}, line {number}: the patient is already listed on an earlier line")
            flags[int(row[0])] = row[1].strip() == "1"
    if not any(flags.values()):
        raise UserError(f"{path}: no patient has flag 1")
    return flags


def split_stays(stays: pa.Table, settings: Split, lists: list[Path]) -> tuple[pa.Table, pa.Table]:
    """Return the split of every stay of the cohort (SPLIT), by patient, and the size of each split (ATTRITION).

    `lists` is empty, or the list of the test split, or that and the list of the validation split.
    """
    rows = stays.select(["stay_id", "subject_id", "hadm_id"]).to_pylist()
    subjects = {r["subject_id"] for r in rows}
    tests, validations = [*map(read_list, lists), None, None][:2]
    log.info("split by %s", " and ".join(map(str, lists)) or f"the default rule, seed {settings.seed} (no list given)")
    splits = (
        split_subjects(subjects, settings) if tests is None else split_by_lists(subjects, tests, validations, settings)
    )
    table = pa.Table.from_pylist([r | {"split": splits[r["subject_id"]]} for r in rows], schema=SPLIT.schema)
    attrition = [count_splits("split", table)]
    if tests is not None:
        unnamed = Attrition("patients whom the list does not name")
        unnamed.add("in the train split", **count_rows([r for r in rows if r["subject_id"] not in tests]))
        attrition.append(unnamed.to_table())
    return table, pa.concat_tables(attrition)


def count_splits(table: str, stays: pa.Table) -> pa.Table:
    """Return the size of each split (ATTRITION), empty where it would reveal few patients, also by subtraction."""
    groups = [[r for r in stays.to_pylist() if r["split"] == name] for name in SPLITS]
    visible = shown_parts([{r["subject_id"] for r in group} for group in groups])
    sizes = Attrition(table)
    for name, group, seen in zip(SPLITS, groups, visible, strict=True):
        sizes.add(f"{name} split", **(count_rows(group) if seen else {}))
    return sizes.to_table()


def count_rows(rows: list[dict]) -> dict[str, int]:
    """Count stays, admissions and patients in rows of SPLIT or SAMPLES."""
    columns = {"stays": "stay_id", "admissions": "hadm_id", "subjects": "subject_id"}
    return {name: len({r[column] for r in rows}) for name, column in columns.items()}


def _shuffled(subjects: Iterable[int], seed: int) -> list[int]:
    return sorted(set(subjects), key=lambda s: hashlib.sha256(f"{seed}:{s}".encode()).digest())


def _without_test(ordered: list[int], settings: Split) -> dict[int, str]:
    validations = round(len(ordered) * settings.validation)
    return {s: VALIDATION if n < validations else TRAIN for n, s in enumerate(ordered)}
