"""A file of worked examples: the shipped one is valid, and problems of others are reported with place and remedy."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from clinragen.benchmark.captions import caption
from clinragen.rationale.examples import CAPTION, problems_of_examples

ROOT = Path(__file__).resolve().parents[2]
RESOURCES = ROOT / "resources"
OURS = RESOURCES / "prompts/examples.yaml"
LONG = "Based on the medical notes, " + "the cough and the fever are in keeping with it " * 3


@pytest.fixture
def examples() -> list[dict]:
    return yaml.safe_load(OURS.read_text(encoding="utf-8"))


def problems(examples: object, directory: Path) -> list[str]:
    path = directory / "theirs.yaml"
    path.write_text(yaml.safe_dump(examples), encoding="utf-8")
    return problems_of_examples(path, RESOURCES)


def test_the_shipped_examples_are_valid_and_name_their_authors():
    assert problems_of_examples(OURS, RESOURCES) == []
    head = OURS.read_text(encoding="utf-8").partition("- note")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    for words in ("Ours", "from no patient", "clinicians", "make examples FILE="):
        assert words in head


CASES = {
    "few words": ("note", "cough fever", "note: it has 2 words; write 10 to 300"),
    "many words": ("note", "cough " * 301, "note: it has 301 words; write 10 to 300"),
    "other captions": ("captions", "Heart Rate is high.", "'Heart Rate is high.' is not in the wording"),
    "a variable of another name": ("captions", "Pulse is normal all the time.", "'Pulse is normal all the time.'"),
    "numbers in words": ("captions", "pH is lower than normal two times.", "write a variable of resources"),
    "no such diagnosis": ("diagnoses", ["Flu"], "'Flu' is not one of the 25 names in resources/phenotypes.csv"),
    "twice": ("diagnoses", [*["Pneumonia (except that caused by tuberculosis or sexually transmitted disease)"] * 2],
              "diagnoses: one of them is named twice"),
    "other beginning": ("note_rationale", f"{LONG} pneumonia".replace("Based", "Founded"), "it must start"),
    "other claim": ("note_rationale", f"{LONG} pneumonia and shock", "was not given: Shock; reword it"),
    "two sentences": ("lab_rationale", "Lab test shows a fever. It is high.", "lab_rationale: it must be one sentence"),
}  # fmt: skip


@pytest.mark.parametrize(("key", "value", "words"), CASES.values(), ids=CASES.keys())
def test_each_fault_is_named_once_with_its_place(examples, tmp_path, key, value, words):
    examples[0][key] = value
    lines = problems(examples, tmp_path)
    expected = [line for line in lines if words in line]
    assert len(expected) == 1 and expected[0].startswith(f"{tmp_path}/theirs.yaml: example 1, {key}: ")
    # Another diagnosis also contradicts the rationales.
    assert lines == expected or key == "diagnoses"


def test_all_faults_come_together(examples, tmp_path):
    examples[1]["note"], examples[3]["lab_rationale"] = "short", "wrong"
    lines = problems(examples[:4], tmp_path)
    assert [line.partition("theirs.yaml: ")[2][:10] for line in lines] == [
        "it has 4 e",
        "example 2,",
        *["example 4,"] * 2,
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"- note: [\n", "line 2: not a YAML file"),
        (b"\xff\xfe", "not a YAML file in UTF-8"),
        (b"", "expected a list"),
        (b"- {note: x}", "example 1 must have exactly the keys"),
    ],
)
def test_an_unreadable_file_is_named(tmp_path, content, words):
    (tmp_path / "theirs.yaml").write_bytes(content)
    (line,) = problems_of_examples(tmp_path / "theirs.yaml", RESOURCES)
    assert line.startswith(f"{tmp_path}/theirs.yaml") and words in line
    (line,) = problems_of_examples(tmp_path / "absent.yaml", RESOURCES)
    assert "absent.yaml: No such file" in line and "rationale.examples" in line


@pytest.mark.parametrize("counts", [(0, 0), (3, 0), (0, 1), (2, 12)])
def test_the_wording_of_captions_is_that_of_the_benchmark(counts):
    assert CAPTION.fullmatch(caption("Heart Rate", *counts))["variable"] == "Heart Rate"


def test_the_command(examples, tmp_path):
    def run(path: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "scripts/examples.py", path]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    fine = run(OURS)
    assert fine.returncode == 0 and "can be used" in fine.stdout
    examples[0]["diagnoses"] = ["Flu"]
    path = tmp_path / "theirs.yaml"
    path.write_text(yaml.safe_dump(examples), encoding="utf-8")
    broken = run(path)
    assert broken.returncode == 1 and not broken.stderr
    assert broken.stdout.splitlines() == problems_of_examples(path, RESOURCES)
