"""The brief hospital course: found, cut out, cleaned."""

import pyarrow as pa
import pytest
from raw_folders import RESOURCES, open_raw, write_raw

from clinragen.benchmark.course import NEGATIONS, clean_course, find_course, select_courses
from clinragen.config.benchmark import Course
from clinragen.config.extract import Notes
from clinragen.extract.layout import LAYOUTS
from clinragen.extract.notes import select_notes
from clinragen.registry.stop_words import read_stop_words
from clinragen.schemas.benchmark import COURSES, HEADINGS
from clinragen.schemas.extract import NOTES

STOP_WORDS = read_stop_words(RESOURCES / "stop_words.txt")
PLAIN = Course(min_characters=25, remove_digits=False, remove_stop_words=False, keep_negation=False)
USUAL = Course(min_characters=25, remove_digits=True, remove_stop_words=True, keep_negation=False)
BODY = "The patient was admitted with pneumonia and improved."


def course(text: str, minimum: int = 25) -> str | None:
    found = find_course(text, minimum)
    return found and found[1]


HEADINGS_FOUND = [
    "Brief Hospital Course:",
    "BRIEF HOSPITAL COURSE:",
    "brief hospital course",
    "HOSPITAL COURSE:",
    "Hospital Course",
    "  Hospital Course :",
    "BRIEF SUMMARY OF HOSPITAL COURSE:",
    "SUMMARY OF HOSPITAL COURSE:",
    "CONCISE SUMMARY OF HOSPITAL COURSE:",
    "DETAILS OF HOSPITAL COURSE:",
    "REVIEW OF HOSPITAL COURSE BY SYSTEMS:",
    "HISTORY OF HOSPITAL COURSE BY SYSTEMS:",
    "HOSPITAL COURSE BY SYSTEM:",
    "HOSPITAL COURSE BY ISSUE/SYSTEM:",
    "Hospital Course by Issue:",
    "BRIEF HOSPITAL COURSE BY PROBLEM:",
    "HOSPITAL COURSE BY SYSTEMS INCLUDING PERTINENT\nLABORATORY DATA:",
    "ICU COURSE:",
    "MICU Course:",
    "SICU course:",
    "ED COURSE:",
    "ER Course:",
    "OR COURSE:",
    "Clinic course:",
    "Post-op course:",
    "Floor Course:",
    "CCU HOSPITAL COURSE:",
    "Course:",
    "HOSPITAL COURSE BY SYSTEM/PROBLEM:",
]


@pytest.mark.parametrize("heading", HEADINGS_FOUND)
def test_headings_that_introduce_the_course(heading):
    name, body = find_course(f"History of Present Illness:\nfever\n\n{heading}\n{BODY}\n", 25)
    assert name == " ".join(heading.lower().replace(":", " ").split()) and body == BODY


@pytest.mark.parametrize(
    "line",
    [
        "The hospital course was long and eventful.",
        "Her hospital course: see below",
        "hospital course was uneventful",
        "Hospital Course Summary by the family",
        "Of course:",
        "Racecourse:",
    ],
)
def test_lines_that_are_no_heading(line):
    assert course(f"{line}\n{BODY}\n") is None


def test_the_text_may_follow_on_the_line_of_the_heading():
    assert course(f"HOSPITAL COURSE:  {BODY}\nmore") == f"{BODY}\nmore"


ENDS = [
    "Medications on Admission:",
    "Admission Medications:",
    "Discharge Medications:",
    "MEDICATIONS ON DISCHARGE:",
    "Discharge Disposition:",
    "DISPOSITION:",
    "Facility:",
    "Discharge Diagnosis:",
    "DISCHARGE DIAGNOSES:",
    "FINAL DISCHARGE DIAGNOSES:",
    "Discharge Diagnoses  1. Acute renal failure",
    "Discharge Condition:",
    "CONDITION ON DISCHARGE: Stable",
    "CONDITION AT DISCHARGE:",
    "DISCHARGE STATUS:",
    "Discharge Instructions:",
    "Followup Instructions:",
    "Follow-up Instructions:",
    "FOLLOW UP PLANS:",
    "Pending Results:",
    "Dictated By:",
    "Completed by:",
]


@pytest.mark.parametrize("heading", ENDS)
def test_headings_that_end_the_course(heading):
    assert course(f"Brief Hospital Course:\n{BODY}\n\n{heading}\nAcute renal failure\n") == BODY


SUB_HEADINGS = [
    "# Acute renal failure: resolved with fluids",
    "TRANSITIONAL ISSUES:",
    "ACTIVE ISSUES",
    "CHRONIC ISSUES:",
    "1. Cardiovascular:",
    "- Hypertension:",
    "Neuro: intact",
    "facility was found by the case manager",
    "disposition was discussed with her family",
]


@pytest.mark.parametrize("line", SUB_HEADINGS)
def test_sub_headings_and_wrapped_prose_do_not_end_the_course(line):
    body = f"{BODY}\n{line}\nShe then recovered."
    assert course(f"Brief Hospital Course:\n{body}\nDischarge Medications:\naspirin\n") == body


def test_a_course_without_a_further_heading_goes_to_the_end():
    assert course(f"Brief Hospital Course:\n{BODY}\n\nlast line") == f"{BODY}\n\nlast line"


def test_the_longest_of_several_courses_is_taken():
    text = f"ICU Course:\nShe was intubated for two days.\nBrief Hospital Course:\n{BODY} {BODY}\nFacility:\nHome\n"
    assert find_course(text, 25) == ("brief hospital course", f"{BODY} {BODY}")


HISTORY = (
    """History of Present Illness:
She fell at home.
{line}
She was given fluids and antibiotics in the emergency room for some hours.
Past Medical History:
"""
    + "Hypertension and diabetes for years. " * 20
)
UNITS = ["ED Course:", "ER course:", "In brief\nMICU course:", "SICU Course", "OR COURSE:", "Clinic course:", "Course:"]


@pytest.mark.parametrize("line", UNITS)
def test_the_course_of_a_unit_in_the_history_is_not_the_hospital_course(line):
    text = f"{HISTORY.format(line=line)}\nBrief Hospital Course:\n{BODY}\nFacility:\nHome\n"
    assert find_course(text, 25) == ("brief hospital course", BODY)


@pytest.mark.parametrize("line", UNITS)
def test_the_course_of_a_unit_is_part_of_the_hospital_course(line):
    body = f"{BODY}\n\n{line}\nShe was intubated.\n\nFloor Course:\nShe walked again. Past Medical History: none"
    assert course(f"Brief Hospital Course:\n{body}\n\nDischarge Medications:\naspirin\n") == body


# Headings over the names of diseases end a hospital course too.
ANSWERS = [
    "FINAL DIAGNOSES:",
    "Final diagnoses:",
    "PRINCIPAL DIAGNOSIS:",
    "PRIMARY DISCHARGE DIAGNOSIS:",
    "Secondary Diagnoses",
    "DIAGNOSES:",
    "DIAGNOSES AT DISCHARGE:",
    "ADMISSION DIAGNOSIS:",
    "Past Medical History:",
    "PAST MEDICAL HISTORY",
]


@pytest.mark.parametrize("heading", ANSWERS)
def test_the_names_of_the_diseases_are_no_part_of_the_course(heading):
    assert course(f"HOSPITAL COURSE:\n{BODY}\n\n{heading}\n1. Acute renal failure\n2. Pneumonia\n" * 2) == BODY


def test_prose_about_a_diagnosis_does_not_end_the_course():
    body = f"{BODY}\nThe working\ndiagnosis was pneumonia, and the\nfinal diagnosis of the biopsy came late."
    assert course(f"Hospital Course:\n{body}\nDischarge Medications:\naspirin") == body


@pytest.mark.parametrize(
    ("heading", "recorded"),
    [
        ("Brief Hospital Course (by problem):", "brief hospital course"),
        ("Hospital Course - by problem:", "hospital course"),
        ("HOSPITAL COURSE AND TREATMENT:", "hospital course"),
        ("HOSPITAL COURSE BY ORGAN SYSTEM:", "hospital course"),
        ("HOSPITAL COURSE BY PROBLEM LIST:", "hospital course"),
        ("HOSPITAL COURSE;", "hospital course"),
        ("Hospital course by Dr. Planted:", "hospital course"),
    ],
)
def test_a_heading_may_go_on_but_its_own_words_are_not_recorded(heading, recorded):
    assert find_course(f"{heading}\n{BODY}\nDischarge Medications:", 25) == (recorded, BODY)


AFTER_HISTORY = [
    "Past Medical History:",
    "PMH:",
    "PAST MEDICAL HISTORY",
    "Social History:",
    "FAMILY HISTORY:",
    "Physical Exam:",
    "PHYSICAL EXAMINATION ON ADMISSION:",
    "Pertinent Results:",
    "Admission labs:",
    "LABORATORY DATA:",
    "Imaging:",
    "Allergies:",
    "Review of Systems:",
    "Home medications:",
    "Final diagnoses:",
]


@pytest.mark.parametrize("heading", AFTER_HISTORY)
def test_without_a_hospital_course_that_of_a_unit_ends_where_the_history_does(heading):
    text = f"ED Course:\n{BODY}\nimaging was clear\n{heading}\n" + "Hypertension for years. " * 20
    assert find_course(text, 25) == ("ed course", f"{BODY}\nimaging was clear")
    in_the_hospital_course = course(text.replace("ED Course", "Hospital Course"))
    assert (heading in in_the_hospital_course) == (heading not in ANSWERS)


def test_a_hospital_course_that_is_too_short_leaves_that_of_a_unit():
    text = f"MICU Course:\n{BODY}\nHospital Course:\nAs above.\nFacility:\nHome\n"
    assert find_course(text, 25) == ("micu course", BODY)


@pytest.mark.parametrize(("minimum", "kept"), [(12, True), (13, False), (25, False)])
def test_a_body_that_is_too_short_is_none(minimum, kept):
    assert (course("Hospital Course:\n  Uneventful..\n\nFacility:\nHome, with services and much text\n", minimum) == (
        "Uneventful.." if kept else None
    ))  # fmt: skip


@pytest.mark.parametrize("text", ["", "No heading at all.", "Brief Hospital Course:", "Brief Hospital Course:\n\n\n"])
def test_a_note_without_a_course_has_none(text):
    assert find_course(text, 1) is None


CLEANING = [
    ("placeholder of MIMIC-III", "seen on [**2100-1-5**] by [**Doctor Last Name 12**]", "seen on by"),
    ("placeholder over lines", "at [**Hospital\n 1 18**] ward", "at ward"),
    ("two placeholders", "[**A**] kept [**B**]", "kept"),
    ("placeholder of MIMIC-IV", "Mr. ___ was seen at ___.", "Mr. was seen at ."),
    ("white space", "a\n\n  b\t c ", "a b c"),
    ("single underscore", "a_b", "a_b"),
]


@pytest.mark.parametrize(("text", "cleaned"), [c[1:] for c in CLEANING], ids=[c[0] for c in CLEANING])
def test_placeholders_go_and_white_space_collapses(text, cleaned):
    assert clean_course(text, PLAIN, STOP_WORDS) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("pressure 120/80 mmHg", "pressure mmHg"),
        ("sodium 138, potassium 4.5.", "sodium potassium"),
        ("at 10:30 on 1/2/2100", "at on"),
        ("ejection fraction 55%", "ejection fraction"),
        ("B12 and T4", "B and T"),
        ("no digits here", "no digits here"),
    ],
)
def test_digits_go_when_asked_for(text, cleaned):
    settings = PLAIN.model_copy(update={"remove_digits": True})
    assert clean_course(text, settings, STOP_WORDS).split() == cleaned.split()
    assert clean_course(text, PLAIN, STOP_WORDS) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("The patient was admitted with the flu", "patient admitted flu"),
        ("She was stable, and (the) fever: gone.", "stable, fever: gone."),
        ("AND THE Fever", "Fever"),
        ("- pneumonia # anemia *", "pneumonia anemia"),
        ("potassium > and + edema; “the” flu/cough", "potassium edema; flu/cough"),
        ("thermal andrology", "thermal andrology"),
    ],
)
def test_stop_words_go_whatever_their_case_and_punctuation(text, cleaned):
    settings = PLAIN.model_copy(update={"remove_stop_words": True})
    assert clean_course(text, settings, STOP_WORDS) == cleaned


@pytest.mark.parametrize("word", sorted(NEGATIONS))
def test_negations_are_stop_words_that_can_be_kept(word):
    text = f"{word} fever, {word.capitalize()}: chills"
    assert clean_course(text, USUAL, STOP_WORDS) == "fever, chills"
    keeping = USUAL.model_copy(update={"keep_negation": True})
    assert clean_course(text, keeping, STOP_WORDS) == text
    assert word in STOP_WORDS


def test_comments_in_the_list_of_stop_words_are_no_words(tmp_path):
    (tmp_path / "w.txt").write_text("# a comment\nthe\n\n  and \n")
    assert read_stop_words(tmp_path / "w.txt") == {"the", "and"}


def select(*notes: tuple[int, int, str], settings: Course = USUAL, patients: dict[int, int] | None = None):
    rows = [{"stay_id": s, "note_id": f"{s}-{r}", "rank": r, "text": t} for s, r, t in sorted(notes)]
    patients = patients or {s: s for s, _, _ in notes}
    courses, headings = select_courses(iter(rows), patients, settings, STOP_WORDS)
    found = {r["stay_id"]: (r["heading"], r["text"]) for r in COURSES.check(courses, "test").to_pylist()}
    return found, {r["heading"]: (r["stays"], r["share"]) for r in HEADINGS.check(headings, "test").to_pylist()}


def note(disease: str, heading: str = "Brief Hospital Course") -> str:
    return f"{heading}:\nThe patient was admitted with {disease}.\nDischarge Medications:\naspirin\n"


def test_the_first_note_with_a_course_counts():
    notes = [
        (1, 2, note("asthma")),
        (1, 3, note("gout")),
        (1, 1, "An interim summary without any heading."),
        (2, 1, "x"),
    ]
    courses, _ = select(*notes)
    assert courses == {1: ("brief hospital course", "patient admitted asthma.")}


def test_a_course_of_which_nothing_is_left_is_none():
    text = "Hospital Course:\nShe was not there and it was 12 34 56 78.\nFacility:\n"
    assert select((1, 1, text), (1, 2, note("gout")))[0] == {1: ("brief hospital course", "patient admitted gout.")}


def test_headings_are_counted_by_stay_with_the_share_of_stays_that_have_a_note():
    notes = [(n, 1, note("gout")) for n in range(11)] + [(n, 1, note("gout", "ICU Course")) for n in range(20, 33)]
    notes += [(n, rank, "nothing") for n in range(40, 56) for rank in (1, 2)]
    assert select(*notes)[1] == {"brief hospital course": (11, 0.275), "icu course": (13, 0.325), "(none)": (16, 0.4)}


def test_a_small_count_stays_hidden_and_the_next_larger_one_with_it():
    notes = [(n, 1, note("gout")) for n in range(11)] + [(n, 1, note("gout", "ICU Course")) for n in range(20, 30)]
    notes += [(n, 1, "nothing") for n in range(40, 52)]
    hidden = (None, None)
    assert select(*notes)[1] == {"brief hospital course": hidden, "icu course": hidden, "(none)": (12, 12 / 33)}


def test_headings_of_few_patients_with_many_stays_stay_hidden():
    notes = [(n, 1, note("gout")) for n in range(50)] + [(n, 1, "nothing") for n in range(50, 70)]
    assert select(*notes, patients={n: n // 5 for n in range(70)})[1] == {
        "brief hospital course": (None, None),
        "(none)": (None, None),
    }


def test_a_cohort_without_notes_has_no_courses():
    assert select() == ({}, {"(none)": (0, 0)})


def test_the_newest_report_with_a_course_is_read_whatever_newer_ones_contain(tmp_path):
    usual = {"subject_id": 1, "hadm_id": 10, "category": "Discharge summary", "description": "Report"}
    rows = [
        usual | {"row_id": 3, "chartdate": "2100-01-07", "text": "Interim summary without such a heading."},
        usual | {"row_id": 9, "chartdate": "2100-01-05", "text": note("asthma")},
        usual | {"row_id": 10, "chartdate": "2100-01-05", "text": note("gout")},
        usual | {"row_id": 99, "chartdate": "2100-01-09", "text": note("ulcer"), "description": "Addendum"},
    ]
    write_raw(tmp_path, "mimic3", "noteevents", rows)
    stays = pa.table({"stay_id": [1], "hadm_id": [10], "subject_id": [1]})
    raw = open_raw(tmp_path, "mimic3", "noteevents")
    with NOTES.writer(tmp_path / "notes.parquet") as out:
        select_notes(raw, LAYOUTS["mimic3"], stays, Notes(addenda=False), out.write)
    batches = NOTES.read_batches(tmp_path / "notes.parquet", NOTES.schema.names, rows=1)
    courses, _ = select_courses((r for b in batches for r in b.to_pylist()), {1: 1}, USUAL, STOP_WORDS)
    assert courses["text"].to_pylist() == ["patient admitted gout."]
