"""When two wordings are one term: fixed points, whatever the text, and whatever the order of the documents."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinragen.errors import UserError
from clinragen.knowledge.abbreviations import WORDS, defined, long_forms, read_abbreviations
from clinragen.knowledge.wording import canonical, singular, written_form
from clinragen.registry.stop_words import read_stop_words

RESOURCES = Path(__file__).parents[2] / "resources"
TABLE = read_abbreviations(RESOURCES / "knowledge/abbreviations.csv")
LONG = long_forms([], TABLE)
WORD = st.text(alphabet="aceiorstuxyz", min_size=1, max_size=9)
NAMES = st.lists(
    st.sampled_from(["acute", "mitral", "renal", "failure", "cell", "ards", "arf"]), min_size=2, max_size=4
)
SHORT = st.sampled_from(["ARDS", "ARF", "MRF", "RC", "ACF"])
TEXT = st.builds(lambda words, short, rest: f"{' '.join(words)} ({short}) {rest}", NAMES, SHORT, st.text(max_size=20))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Beta-blockers", "beta blocker"),
        ("COPD exacerbations", "exacerbation"),
        ("Crohn’s disease", "Crohn disease"),
        ("PVCs", "premature ventricular contraction"),
        ("C-reactive protein", "CRP"),
        ("metastases", "metastasis"),
        ("arteries", "artery"),
        ("viruses", "virus"),
        ("causes", "cause"),
        ("abscesses", "abscess"),
        ("headaches", "headache"),
        ("stenoses", "stenosis"),
        ("edemas", "edema"),
        ("bacterias", "bacterium"),
    ],
)
def test_spellings_of_one_term_have_one_wording(one, other):
    if one.startswith("COPD"):
        other = f"chronic obstructive pulmonary disease {other}"
    assert canonical(one, LONG) == canonical(other, LONG)


@pytest.mark.parametrize(
    "word", ["sepsis", "ascites", "diabetes", "pancreas", "virus", "abscess", "dose", "gas", "dies"]
)
def test_words_that_are_no_plurals_stay(word):
    assert singular(word) in (word, "die")


@given(WORD)
def test_the_base_form_of_a_base_form_is_itself(word):
    assert singular(singular(word)) == singular(word)
    assert singular(singular(word + "s")) == singular(word + "s")


@given(st.one_of(st.text(), st.sampled_from(sorted(TABLE)), TEXT), st.lists(TEXT, max_size=3))
def test_wording_is_a_fixed_point(text, texts):
    known = long_forms(texts, TABLE)
    once = canonical(text, known)
    assert canonical(once, known) == once and written_form(once) == once


@given(st.lists(TEXT, max_size=5), st.randoms())
def test_long_forms_do_not_depend_on_the_order_of_the_documents(texts, random):
    mixed = texts[:]
    random.shuffle(mixed)
    assert long_forms(texts, TABLE) == long_forms(mixed, TABLE)


def test_documents_come_before_the_table_and_most_documents_count():
    texts = ["mitral insufficiency (MI)."] * 2 + ["Mobile index (MI)."]
    assert long_forms(texts, TABLE)["mi"] == "mitral insufficiency"
    assert long_forms(texts[1:], TABLE)["mi"] == "mitral insufficiency"  # a tie: by name
    assert LONG["mi"] == "myocardial infarction"


def test_definitions_in_a_text():
    text = "Patients with acute respiratory distress syndrome (ARDS), acute kidney injuries (AKIs),\na fall (see 2)."
    assert defined(text) == {
        ("ards", "acute respiratory distress syndrome"),
        ("aki", "acute kidney injury"),
    }


@pytest.mark.parametrize(
    "text", ["shock (Cold)", "we saw an (AN)", "nothing (XYZ)", "(ARDS)", "ARDS (ARDS)", "liver failure (2021)"]
)
def test_texts_without_a_definition(text):
    assert defined(text) == set()


def test_an_abbreviation_within_a_long_form_is_left_out_not_expanded_twice():
    assert "nstemi" not in long_forms([], {"mi": "myocardial infarction", "nstemi": "non ST elevation MI"})


def test_every_abbreviation_of_the_table_can_be_replaced():
    assert LONG.keys() == TABLE.keys()
    assert not (WORDS | read_stop_words(RESOURCES / "stop_words.txt")) & TABLE.keys()


@pytest.mark.parametrize("row", ["x-ray,image", "AS,aortic stenosis", "MI,", "MI,one\nmi,two"])
def test_a_wrong_row_of_the_table_is_named(row, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"abbreviation,long_form\n{row}\n", encoding="utf-8")
    with pytest.raises(UserError, match=row.split(",", maxsplit=1)[0].lower()):
        read_abbreviations(path)
