"""A rehearsal in miniature: raw files at a tiny share of the real size, through the workflow to a table."""

import csv

import pyarrow.parquet as pq
import pytest
from runs import overlay, path_with, records, snakemake, succeeded

pytestmark = pytest.mark.slow

SHARE = 0.001
ABSENT = ("clinragen-large", "without-know", "without-reasoning", "clinical-cot", "clinical-cot-tse", "frozen")
ABSENT += ("flan-t5", "ehr-knowgen", "promptehr", "llama-ft")
ASKED = ("chatgpt-zero-shot", "llama-zero-shot", "mistral-five-shot", "llama2-five-shot", "llama3-five-shot")
FEWER = {
    "models": dict.fromkeys(ABSENT),
    "asked": dict.fromkeys(ASKED),
    "datasets": {"mimic4": None},
    "demo": {"share": SHARE},
    "benchmark": {"series": {"max_steps": 48}},
    "student": {"texts": {"max_note_tokens": 96, "max_target_tokens": 48}},
    "seeds": [1],
    "evaluate": {"decoding": {"beams": 1, "max_new_tokens": 24}},
}


@pytest.fixture(scope="module")
def results(fork_python, tmp_path_factory):
    """Table 2 of a finished rehearsal, with two of its rows."""
    directory = tmp_path_factory.mktemp("rehearsal")
    tree = overlay(directory / "fewer.yaml", directory / "results", **FEWER)
    arguments = (
        "--cores",
        "2",
        "--quiet",
        "rules",
        "--show-failed-logs",
        "--",
        directory / "results/tables/table2.csv",
    )
    overlays = ("config/rehearsal.yaml", tree)
    succeeded(snakemake("--configfile", *overlays, *arguments, PATH=path_with(fork_python.parent)))
    return directory / "results"


def test_the_table_has_the_values_of_the_rows_that_ran(results):
    with (results / "tables/table2.csv").open(encoding="utf-8", newline="") as file:
        ours = {row["model"] for row in csv.DictReader(file) if row["ours_mean"]}
    assert ours == {"ClinRaGen", "w/o LAB&KNOW"}


def test_the_raw_files_have_their_share_and_everything_is_labelled(results):
    found = records(results)
    charts = next(record for path, record in found.items() if path.endswith("CHARTEVENTS.csv.gz"))
    assert charts["settings"]["share"] == str(SHARE)
    table = next(record for path, record in found.items() if path.endswith("table2.csv"))
    assert {"synthetic cohort", "template LLM", "tiny language model"} <= set(table["stand_ins"])


def test_most_of_the_cohort_has_a_course_and_labels(results):
    stays = pq.read_table(results / "mimic3/extract/stays.parquet").num_rows
    samples = pq.read_table(results / "mimic3/benchmark/samples.parquet").num_rows
    assert 0.4 < samples / stays < 0.95
