"""Reasons to run again, from a record and from what a job would be given today."""

import json

import pytest

from clinragen.audit.why import Job, Setting, explain, reasons
from clinragen.provenance.digest import code_digest, code_files
from clinragen.provenance.record import SCHEMA, describe, write_record

COURSE = {"min_characters": 25, "remove_digits": True}


@pytest.fixture
def job(tmp_path):
    """A job whose output was made of one input as its record tells; facts of the record and of the job may be given."""
    used, output = tmp_path / "words.txt", tmp_path / "courses.parquet"

    def made(record=None, course=COURSE, **facts):
        used.write_text("and or\n", encoding="utf-8")
        output.touch()
        common = {
            "rule": "benchmark_courses",
            "schema": SCHEMA,
            "code_digest": code_digest("benchmark_courses"),
            "code": code_files("benchmark_courses"),
            "settings": {"settings": COURSE, "number": 11},
            "inputs": [describe(used)],
        }
        write_record(output, common | (record or {}))
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


def test_a_file_is_named_with_its_old_and_new_size_and_hash(job):
    changed = job(newer=(str(job.used),))
    before = describe(job.used)["sha256"][:12]
    job.used.write_text("and or not\n", encoding="utf-8")
    now = describe(job.used)["sha256"][:12]
    assert reasons(changed) == [f"{job.used}: 7 bytes (sha256 {before}) → 11 bytes (sha256 {now})"]


def test_files_that_are_read_now_or_no_longer_are_named(job):
    assert reasons(job(inputs=("other.txt",))) == ["it reads other.txt now", f"it no longer reads {job.used}"]


def test_a_missing_output_another_command_and_another_environment_are_told(job):
    facts = {"missing": ("a.csv",), "command_changed": True, "environment_changed": True}
    assert reasons(job(**facts)) == [
        "a.csv is not there",
        "the command of the rule changed (rules/benchmark.smk)",
        "the environment changed (`--sdm conda` switched on or off, or the rule's file in envs/)",
    ]


def test_an_older_record_or_none_tells_what_is_known(job, tmp_path):
    old = job({"code_digest": "other"})
    record = tmp_path / ".records/courses.parquet.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"schema": 1}))
    assert reasons(old) == []
    record.unlink()
    assert reasons(old) == []
    assert reasons(job()) == [] and record.exists()
    record.unlink()
    assert reasons(Job("benchmark_courses", old.outputs, missing=old.outputs)) == ["it has not run yet"]
    assert reasons(Job("benchmark_courses", old.outputs, words="Params have changed")) == [
        "it has no record; Snakemake says: Params have changed"
    ]


def test_jobs_with_equal_reasons_are_one_line_and_name_the_cause_that_they_wait_for():
    new = {"words": "Forced"}
    jobs = [
        Job("train_phase2", ("a/phase2",), waits_for=(2,)),
        Job("train_phase2", ("b/phase2",), waits_for=(2,)),
        Job("benchmark_captions", ("captions",), **new),
        Job("train_phase3", ("a/phase3",), waits_for=(0, 1), **new),
    ]
    told = "it has no record; Snakemake says: Forced"
    assert explain(jobs) == [
        f"benchmark_captions, 1 job: {told}",
        f"train_phase2, 2 jobs: {told} (through benchmark_captions)",
        f"train_phase3, 1 job: {told}",
    ]
    assert explain(jobs, "train_phase2") == explain(jobs)[1:2]
    assert explain([]) == []
