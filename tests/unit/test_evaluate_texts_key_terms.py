"""Key terms in rationales and notes: equivalent wordings, and exclusion of generic terms."""

import pyarrow as pa
import pytest
from raw_folders import RESOURCES

from clinragen.evaluate.texts.faithful import term_counts
from clinragen.evaluate.texts.key_terms import specific_terms
from clinragen.rationale.claims import read_wordings
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.registry.stop_words import read_stop_words
from clinragen.schemas.knowledge import TERMS

PHENOTYPES = read_phenotypes(RESOURCES / "phenotypes.csv")
STOP, ORDINARY = (read_stop_words(RESOURCES / name) for name in ("stop_words.txt", "rationale_words.txt"))
WORDINGS = read_wordings(RESOURCES / "phenotype_wordings.csv")
NOTES = ["dyspnea orthopnea bilateral infiltrates", "shortness breath vancomycin pressors", *["dyspnea nothing"] * 1]


def terms(*named: tuple[str, int], notes=NOTES):
    """Return key terms; each is given with the number of phenotypes that it belongs to."""
    rows = [
        {"phenotype": name, "term": term, "rank": rank + 1, "forms": [term, f"{term}s"], "documents": 1}
        | {"pubmed": 1, "wikipedia": 0, "round": 1}
        for rank, (term, number) in enumerate(named)
        for name in PHENOTYPES[:number]
    ]
    # Every phenotype has at least one term.
    rows += [rows[0] | {"phenotype": name, "term": f"of {name}", "forms": ["zzz"]} for name in PHENOTYPES]
    return specific_terms(pa.Table.from_pylist(rows, TERMS.schema), STOP, ORDINARY, WORDINGS, notes)


def test_wordings_are_compared_without_case_plural_stop_words_and_digits():
    known = terms(("shortness of breath", 1), ("infiltrate", 1), ("vancomycin", 1), notes=[*NOTES, *["x"] * 9])
    text = "Based on the medical notes, Shortness of Breath, bilateral infiltrates and 2 doses of vancomycin."
    assert known.stated(text) == {"shortness of breath", "infiltrate", "vancomycin"}
    assert known.in_note("vancomycin shortness breath") == {"shortness of breath", "vancomycin"}
    counts = term_counts([text, None], known, ["vancomycin shortness breath", ""])
    assert counts.numbers["terms"].tolist() == [3, 0] and counts.numbers["in_note"].tolist() == [2, 0]
    (against,) = counts.against
    assert (against.case, against.kind, against.what) == (0, "note", "infiltrate") and "bilateral" in against.text


@pytest.mark.parametrize(
    ("term", "phenotypes", "why"),
    [
        ("medical support", 1, "ordinary words alone"),
        ("ventilation", 6, "of more than a fifth of the 25 phenotypes"),
        ("dyspnea", 1, "in more than a fifth of the notes"),
        ("heart failure", 1, "in the name of a disease"),
    ],
)
def test_general_terms_do_not_count(term, phenotypes, why):
    known = terms((term, phenotypes), ("orthopnea", 5), notes=[*NOTES, *["x"] * 6])
    text = f"The medical notes show {term} of congestive heart failure, and orthopnea."
    assert known.stated(text) == {"orthopnea"}, why


def test_ordinary_words_are_not_findings():
    """Even as key terms of one phenotype they do not count."""
    known = terms(*((word, 1) for word in sorted(ORDINARY)), notes=["x"])
    assert known.stated(f"The notes support this by {' '.join(sorted(ORDINARY))}.") == set()
