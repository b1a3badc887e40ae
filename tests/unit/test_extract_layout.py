"""The layouts of the datasets: their queries give the later steps the same columns."""

import pytest
from raw_folders import DECLARATION, open_raw, write_raw

from clinragen.extract.layout import LAYOUTS

TABLES = {
    "stays": ("icustays", "admissions", "patients"),
    "codes": ("diagnoses_icd",),
    "dictionary": ("d_icd_diagnoses",),
    "discharge_notes": ("noteevents",),
}


def columns(directory, dataset: str, query: str) -> list[tuple[str, str]]:
    """Names and types of the columns of a query, on raw tables with one empty row."""
    for table in TABLES[query]:
        write_raw(directory, dataset, table, [{}])
    raw = open_raw(directory, dataset, *TABLES[query])
    return [row[:2] for row in raw.rows(f"DESCRIBE {getattr(LAYOUTS[dataset], query)}")]


@pytest.mark.parametrize("query", TABLES)
def test_every_dataset_gives_the_same_columns(query, tmp_path):
    first, *others = (columns(tmp_path / dataset, dataset, query) for dataset in LAYOUTS)
    assert first and all(other == first for other in others)


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_the_named_columns_are_needed_ones_of_the_raw_tables(dataset):
    layout, tables = LAYOUTS[dataset], DECLARATION[dataset]["tables"]
    for table, column in [*layout.keys.items(), ("chartevents", layout.stay_id), ("noteevents", layout.note_id)]:
        assert column in tables[table]["needed"], (table, column)
    for table, years in layout.years.items():
        assert set(years) <= set(tables[table]["needed"]), table


def test_every_declared_dataset_has_a_layout():
    assert LAYOUTS.keys() == DECLARATION.keys()
