"""Diagnoses that a rationale claims although they were not given: recall and precision."""

from pathlib import Path

import pytest
from claims import CLAIMS, PHENOTYPES, SILENT

from clinragen.errors import UserError
from clinragen.rationale.claims import read_wordings
from clinragen.registry.phenotypes import read_phenotypes

RESOURCES = Path(__file__).resolve().parents[2] / "resources"
WORDINGS = read_wordings(RESOURCES / "phenotype_wordings.csv")
# "Without doubt" is an exception: "without" nearly always denies the following words.
MISSED = {"Without doubt, the patient had bacteremia."}


def claimed(text: str, given: str = "") -> set[str]:
    """Return the phenotypes that a text claims in addition to those given, by their short names in the table."""
    wordings = WORDINGS.claimed(text, [PHENOTYPES[name] for name in given.split()])
    return set().union(*(WORDINGS.phenotypes[wording] for wording in wordings))


def names(short: str) -> set[str]:
    return {PHENOTYPES[name] for name in short.split()}


def test_claims_in_the_table_are_found_and_nothing_else():
    """Precision 1 and recall 33/34 on sentences by the author of the rule: an upper bound for other texts."""
    assert len(CLAIMS) == 34 and len(SILENT) == 40
    missed = {text for given, text, expected in CLAIMS if claimed(text, given) != names(expected)}
    false_alarms = {text: wrong for given, text in SILENT if (wrong := claimed(text, given))}
    assert missed == MISSED and not false_alarms


def test_every_phenotype_is_claimed_by_its_name_and_only_by_that_of_another():
    every = read_phenotypes(RESOURCES / "phenotypes.csv")
    assert set(PHENOTYPES.values()) == set(every)
    assert set().union(*WORDINGS.phenotypes.values()) == set(every)
    for name in every:
        for wording in (name, name.upper(), name.replace(";", ",")):
            sentence = f"The patient was diagnosed with {wording}."
            assert WORDINGS.claimed(sentence, []) == [name] and WORDINGS.claimed(sentence, [name]) == []
            assert not claimed(f"There was no sign of {wording}.")


def test_given_diagnoses_are_not_claims():
    every = read_phenotypes(RESOURCES / "phenotypes.csv")
    text = f"Based on the medical notes, the patient was diagnosed with {', '.join(every)}."
    assert WORDINGS.claimed(text, every) == []
    for left_out in every:
        others = [name for name in every if name != left_out]
        assert WORDINGS.claimed(text, others) == [left_out]


@pytest.mark.parametrize("first", PHENOTYPES.values())
def test_the_name_of_a_phenotype_neither_denies_nor_affirms_those_after_it(first):
    """As "without complication" would, and "(except in labor)" after a denial."""
    others = [name for name in PHENOTYPES.values() if name != first]
    text = f"The patient was diagnosed with {first}, {', '.join(others[:8])} and {others[8]}."
    assert WORDINGS.claimed(text, []) == [first, *others[:9]]
    assert WORDINGS.claimed(f"There was no sign of {first} or {others[0]}.", []) == []


def test_a_wording_counts_once_and_as_a_whole_word():
    assert WORDINGS.claimed("Sepsis was treated; the sepsis resolved.", []) == ["sepsis"]
    assert WORDINGS.claimed("Asepsis and preshock and pneumoniae are words, urosepsis too.", []) == []
    assert WORDINGS.claimed("Sepsis\nfollowed\theart  failure.", []) == ["sepsis", "heart failure"]


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "wording,phenotype\n,Shock\n", "wording\nshock\n"])
def test_a_file_without_wordings_is_named(tmp_path, text):
    path = tmp_path / "wordings.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"wordings\.csv: expected the columns"):
        read_wordings(path)
