"""Reasons to run again, from a record and from what a job would be given today."""

import json
import os
from pathlib import Path

import pytest
import tiny_tree

from clinragen.provenance.digest import code_digest, code_files
from clinragen.provenance.record import describe, read_record, record_path, write_record
from clinragen.workflow.why import Job, Setting, explain, reasons

COURSE = {"min_characters": 25, "remove_digits": True}


@pytest.fixture
def job(tmp_path):
    """A job whose output has a record with one input; facts of the record and of the job may be given."""
    used, output = tmp_path / "words.txt", tmp_path / "courses.parquet"

    def made(record=None, course=COURSE, **facts):
        used.write_text("and or\n", encoding="utf-8")
        output.touch()
        facts_of_record = {"code": code_files("benchmark_courses"), "settings": {"settings": COURSE, "number": 11}}
        tiny_tree.made(str(output), "benchmark_courses", [str(used)], **facts_of_record | (record or {}))
        given = {"settings": Setting("benchmark.course", json.dumps(course)), "number": Setting("number", "11")}
        plain = {"rule": "benchmark_courses", "outputs": (str(output),), "inputs": (str(used),), "settings": given}
        return Job(**plain | facts)

    made.used = used
    return made


def test_nothing_differs(job):
    assert reasons(job()) == []


def test_modules_that_changed_came_and_went_are_named(job):
    now = code_files("benchmark_courses")
    before = {p: d for p, d in now.items() if p != "clinragen/schemas/schema.py"}
    before |= {"clinragen/benchmark/course.py": "other", "clinragen/benchmark/old.py": "other"}
    assert reasons(job({"code_digest": "other", "code": before})) == [
        "scripts/clinragen/benchmark/course.py changed",
        "scripts/clinragen/benchmark/old.py is no longer imported",
        "scripts/clinragen/schemas/schema.py is now imported",
    ]


def test_a_key_is_named_with_its_old_and_new_value(job):
    course = {"min_characters": 30, "remove_digits": True, "keep_negation": False}
    assert reasons(job(course=course)) == [
        "benchmark.course.min_characters: 25 → 30",
        "benchmark.course.keep_negation: nothing → False",
    ]


def test_of_lists_only_the_difference_is_named_and_long_values_are_cut(job):
    one, two = {"row": "A", "seeds": [1]}, {"row": "B" * 300}
    course = {"min_characters": 25, "remove_digits": True, "rows": [one, "same"]}
    before = {"settings": {"settings": course, "number": 11}}
    (line,) = reasons(job(before, course=course | {"rows": ["same", two]}))
    assert line.startswith(f"benchmark.course.rows: without {one}, with {{'row': 'BBB")
    assert line.endswith(" ...") and len(line) < 300 and "same" not in line


def test_a_file_is_named_with_its_old_and_new_size_and_hash(job):
    changed = job(newer=(str(job.used),))
    before = describe(job.used)["sha256"][:12]
    job.used.write_text("and or not\n", encoding="utf-8")
    now = describe(job.used)["sha256"][:12]
    assert reasons(changed) == [f"{job.used}: 7 bytes (sha256 {before}) → 11 bytes (sha256 {now})"]


def test_files_that_are_read_now_or_no_longer_are_named(job):
    assert reasons(job(inputs=("other.txt",))) == ["it now reads other.txt", f"it no longer reads {job.used}"]


def test_a_missing_output_another_command_and_another_environment_are_named(job):
    facts = {"missing": ("a.csv",), "command_changed": True, "environment_changed": True}
    assert reasons(job(**facts)) == [
        "a.csv is missing",
        "the command of the rule changed (rules/benchmark.smk)",
        "the environment changed (`--sdm conda` switched on or off, or the rule's file in envs/)",
    ]


def test_a_record_that_cannot_be_used_and_none_are_named(job):
    old = job()
    record = record_path(Path(old.outputs[0]))
    record.write_text(record.read_text().replace('"schema": 4', '"schema": 1'))
    assert reasons(old) == [f"{record} has record version 1, not 4; regenerate the output that it describes"]
    record.unlink()
    assert reasons(old) == []
    assert reasons(Job("benchmark_courses", old.outputs, missing=old.outputs)) == ["it has not run yet"]
    assert reasons(Job("benchmark_courses", old.outputs, words="Params have changed")) == [
        "it has no record; Snakemake says: Params have changed"
    ]
    assert reasons(Job("benchmark_courses", old.outputs, planned=False)) == [f"{old.outputs[0]} has no record"]


def test_a_resource_with_other_content_is_named_whatever_its_time(job):
    changed = job(words="Params have changed since last execution")
    before = describe(job.used)["sha256"][:12]
    job.used.write_text("and nor\n", encoding="utf-8")
    os.utime(job.used, (0, 0))
    now = describe(job.used)["sha256"][:12]
    assert reasons(changed) == [f"{job.used}: 7 bytes (sha256 {before}) → 8 bytes (sha256 {now})"]


@pytest.mark.parametrize(
    ("limit", "why"), [(1_000_000, "Snakemake has no checksum of it"), (3, "is too large for Snakemake to compare")]
)
def test_a_newer_file_with_the_same_content_is_called_large_only_if_it_is(job, limit, why):
    same = job(newer=(str(job.used),), checksum_limit=limit)
    assert reasons(same) == [f"{job.used} is newer, with the same content, and {why}"]


def test_a_job_that_snakemake_does_not_plan_is_explained_by_its_record(job):
    unplanned = job({"code_digest": "other", "code": {}}, planned=False, settings={"number": Setting("number", "12")})
    output = Path(unplanned.outputs[0])
    (line,) = explain([unplanned])
    assert line.startswith("benchmark_courses, 1 job by the records (--forcerun benchmark_courses): scripts/")
    assert line.endswith("number: 11 → 12")
    write_record(output, read_record(output) | {"code_digest": code_digest("benchmark_courses")})
    assert explain([job(planned=False)]) == []
    same = job(planned=False)
    output.unlink()
    assert reasons(same) == [f"{output} is missing"]


def test_an_input_made_by_a_job_is_compared_by_its_record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_tree.build()
    reader = Job("train_phase1", ("results/x/model",), ("results/x/stays",), planned=False)
    assert not [reason for reason in reasons(reader) if "stays" in reason]
    tiny_tree.make("results/x/stays", "extract_stays", ["raw/a.csv"], "other")
    assert any(reason.startswith("results/x/stays: 48 bytes") for reason in reasons(reader))


def test_jobs_with_equal_reasons_are_one_line_and_name_the_cause_that_they_wait_for():
    new = {"words": "Forced"}
    jobs = [
        Job("train_phase2", ("a/phase2",), waits_for=(2,)),
        Job("train_phase2", ("b/phase2",), waits_for=(2,)),
        Job("benchmark_captions", ("captions",), **new),
        Job("train_phase3", ("a/phase3",), waits_for=(0, 1), **new),
    ]
    reason = "it has no record; Snakemake says: Forced"
    assert explain(jobs) == [
        f"benchmark_captions, 1 job: {reason}",
        f"train_phase2, 2 jobs: {reason} (through benchmark_captions)",
        f"train_phase3, 1 job: {reason}",
    ]
    assert explain(jobs, "train_phase2") == explain(jobs)[1:2]
    assert explain([]) == []
