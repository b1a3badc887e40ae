"""Each repair of the benchmark switched off: its quirk, cell for cell."""

import math

import pytest
from event_rows import FIO2, HEIGHT_CM, HEIGHT_INCH, RESPIRATION, TEMPERATURE_C, chart, lab, read, repairs
from raw_folders import write_raw


def cells(directory, charts=(), labs=(), **switched):
    """(hours, value, text) of the events under the quirk, or quirks, named."""
    write_raw(directory, "mimic3", "chartevents", list(charts))
    write_raw(directory, "mimic3", "labevents", list(labs))
    rows, _ = read(directory, rules=repairs(**dict.fromkeys(switched.get("off", ()), False)))
    return [(r["hours"], r["value"], r["text"]) for r in rows]


def test_quirk_rows_without_admission_are_dropped(tmp_path):
    assert cells(tmp_path, [chart("88", hadm_id="")]) == [(1.0, 88.0, None)]
    assert cells(tmp_path, [chart("88", hadm_id="")], off=["admission_by_time"]) == []


def test_quirk_every_oxygen_is_divided_but_those_in_torr(tmp_path):
    rows = [chart("50", FIO2), chart("0.5", FIO2, hours=2), chart("0.5", FIO2, hours=3, valueuom="torr")]
    assert [c[1] for c in cells(tmp_path, rows)] == [0.5, 0.5, 0.5]
    assert [c[1] for c in cells(tmp_path, rows, off=["fio2_by_value", "plausible_only"])] == [0.5, 0.005, 0.5]


def test_quirk_heights_are_whole_centimetres_rounded_to_even(tmp_path):
    # 70 inches are 177.8 cm; 61.2204724409 inches are 155.5.
    rows = [chart("70", HEIGHT_INCH), chart("178.4", HEIGHT_CM, hours=2), chart("12.5", HEIGHT_INCH, hours=3)]
    assert [c[1] for c in cells(tmp_path, rows, off=["heights_unrounded"])] == [178.0, 178.4, 32.0]


def test_quirk_of_texts_at_one_time_the_last_in_their_order_stays(tmp_path):
    rows = [
        chart("98"),
        chart("100"),
        chart("4 Spontaneously", 184),
        chart("None", 220739),
        chart("37", TEMPERATURE_C),
        chart("4", TEMPERATURE_C),
    ]
    texts = {c[2]: c[1] for c in cells(tmp_path, rows, off=["largest_number", "plausible_only"])}
    assert texts == {"98": 98.0, "None": 0.0, None: 37.0}, "temperatures are numbers to the benchmark too"


def test_quirk_in_a_file_of_numbers_alone_they_are_numbers(tmp_path):
    assert cells(tmp_path, [chart("98"), chart("100")], off=["largest_number"]) == [(1.0, 100.0, "100")]
    # Any text in an admission of the cohort will do, of whatever item.
    text = [chart("98"), chart("100"), chart("sinus rhythm", itemid=220048, hours=30)]
    assert cells(tmp_path, text, off=["largest_number"]) == [(1.0, 98.0, "98")]
    elsewhere = [chart("98"), chart("100"), chart("sinus rhythm", itemid=220048, hadm_id=99)]
    assert cells(tmp_path, elsewhere, off=["largest_number"]) == [(1.0, 100.0, "100")]


def test_quirk_texts_of_uncleaned_variables_stay_as_they_are(tmp_path):
    rows = [chart(">60/minute", RESPIRATION), chart("Sometimes", 220739), chart("error", TEMPERATURE_C)]
    found = cells(tmp_path, rows, off=["numbers_only"])
    assert [(math.isnan(v), t) for _, v, t in found] == [(True, "Sometimes"), (True, ">60/minute")]


@pytest.mark.parametrize("text", ["-7.4", "7.4e0", "+7.4"])
def test_quirk_a_laboratory_value_with_a_sign_or_exponent_is_none(text, tmp_path):
    assert cells(tmp_path, labs=[lab(text, 50820)], off=["numbers_only", "plausible_only"]) == []


def test_quirk_other_fluids_are_read(tmp_path):
    assert cells(tmp_path, labs=[lab("120", 51478)]) == []
    assert cells(tmp_path, labs=[lab("120", 51478)], off=["blood_only"]) == [(1.0, 120.0, None)]


def test_quirk_implausible_values_are_kept(tmp_path):
    assert cells(tmp_path, [chart("999")]) == []
    assert cells(tmp_path, [chart("999")], off=["plausible_only"]) == [(1.0, 999.0, None)]


def test_quirk_what_another_stay_recorded_meanwhile_is_read_too(tmp_path):
    # Stay 101 recorded while 100 was under way, once at a time of its records only, once at a time of both.
    other = {"hadm_id": 11, "icustay_id": 101}
    rows = [
        chart("88", hours=1),
        chart("90", hours=2),
        chart("37", TEMPERATURE_C, hours=2, **other),
        chart("99", hours=3, **other),
    ]
    write_raw(tmp_path, "mimic3", "chartevents", rows)
    write_raw(tmp_path, "mimic3", "labevents", [])
    own = [(r["stay_id"], r["hours"], r["value"]) for r in read(tmp_path)[0]]
    assert own == [(100, 1.0, 88.0), (100, 2.0, 90.0)]
    every = [(r["stay_id"], r["hours"], r["value"]) for r in read(tmp_path, rules=repairs(own_stay_only=False))[0]]
    # At hour 2 two stays have the time, so the benchmark writes the row of all values twice.
    twice = [(100, 2.0, 90.0), (100, 2.0, 37.0)]
    assert sorted(every) == sorted([(100, 1.0, 88.0), *twice, *twice, (100, 3.0, 99.0)])
