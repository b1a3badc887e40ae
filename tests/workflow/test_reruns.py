"""After a change exactly what depends on it runs again: code, configuration, resources, prompts."""

import os

import pytest
from runs import copy_of_checkout, jobs, overlay, snakemake, succeeded

TARGETS = ["results/demo/mimic3/rationale/labs.parquet", "results/demo/mimic3/benchmark/series_train.arrow"]
AFTER_EVENTS = {"benchmark_samples", "benchmark_series", "benchmark_captions", "rationale_notes", "rationale_labs"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the repository in which everything up to the rationales of one dataset was made."""
    folder = copy_of_checkout(tmp_path_factory.mktemp("checkout"))
    overlay(folder / "small.yaml", "results/demo", demo={"patients": 40})
    succeeded(run(folder, "--cores", "2", "--quiet", "all"))
    assert "Nothing to be done" in succeeded(run(folder, "--dry-run"))
    return folder


def run(folder, *arguments):
    """Snakemake on the targets of this test."""
    return snakemake("--configfile", "config/demo.yaml", "small.yaml", *arguments, "--", *TARGETS, cwd=folder)


def rerun(folder) -> set[str]:
    """Rules of which jobs would run."""
    return set(jobs(succeeded(run(folder, "--dry-run"))))


@pytest.fixture
def change(checkout):
    """Replace text in a file of the copy, and put the file back afterwards."""
    originals = {}

    def replace(name, old, new):
        path = checkout / name
        originals.setdefault(path, path.read_text(encoding="utf-8"))
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    yield replace
    for path, text in originals.items():
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("scripts/clinragen/benchmark/captions.py", "all the time", "throughout",
         {"benchmark_captions", "rationale_labs"}),
        ("scripts/clinragen/benchmark/series.py", "1e-7", "1e-8", {"benchmark_series"}),
        ("scripts/clinragen/extract/events.py", "0.453592", "0.4536", {"extract_events"} | AFTER_EVENTS),
        ("scripts/benchmark_series.py", "cut(SPLIT", "(cut)(SPLIT", set()),
        ("scripts/clinragen/kernel/step.py", "done in", "finished in", set()),
        ("scripts/clinragen/evaluate/scores.py", "zero_division=0", "zero_division=1", set()),
        ("small.yaml", "patients: 40", "patients: 40\\nbenchmark: {captions: {fence_multiplier: 2.0}}",
         {"benchmark_captions", "rationale_labs"}),
        ("small.yaml", "patients: 40", "patients: 40\\ntrain: {phase1: {epochs: 3}}", set()),
        ("resources/prompts/lab_rationale.txt", "50 words", "60 words", {"rationale_labs"}),
        ("resources/prompts/terms.txt", "term", "key term", set()),
        ("resources/stop_words.txt", "although", "albeit",
         # Series and captions do not know which stays have a note.
         {"benchmark_courses"} | AFTER_EVENTS - {"benchmark_series", "benchmark_captions"}),
    ],
)  # fmt: skip
def test_a_change_reruns_what_depends_on_it(checkout, change, name, old, new, expected):
    change(name, old, new.replace("\\n", "\n"))
    assert rerun(checkout) == expected


def test_comments_docstrings_and_formatting_rerun_nothing(checkout, change):
    change("scripts/clinragen/benchmark/series.py", "def fill(", "# a comment\n\n\ndef fill(")
    change("scripts/clinragen/extract/stays.py", '"""The cohort:', '"""Changed words: the cohort:')
    change("scripts/clinragen/config/extract.py", "Youngest age", "Lowest age")
    change("scripts/extract_stays.py", "chosen, steps = select_stays(", "chosen, steps = select_stays(  ")
    assert rerun(checkout) == set()


def test_a_fresh_checkout_reruns_nothing(checkout):
    for path in [*checkout.glob("scripts/**/*.py"), *checkout.glob("rules/*"), *checkout.glob("resources/**/*.*")]:
        os.utime(path)
    assert rerun(checkout) == set()


def test_why_a_job_runs_is_told(checkout, change):
    change("scripts/clinragen/benchmark/series.py", "1e-7", "1e-8")
    assert "params have changed" in succeeded(run(checkout, "--dry-run")).lower()
