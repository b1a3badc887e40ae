"""Measurements of the cohort, rule by rule."""

import gzip

import pyarrow as pa
import pytest
from event_rows import (
    DBP,
    FIO2,
    HEART,
    HEIGHT_CM,
    HEIGHT_INCH,
    ITEMS,
    MEAN,
    RESPIRATION,
    SBP,
    SPO2,
    TEMPERATURE_C,
    TEMPERATURE_F,
    WEIGHT_KG,
    WEIGHT_LB,
    WEIGHT_OZ,
    chart,
    lab,
    read,
    repairs,
    select,
    stays,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_folders import open_raw, write_raw

from clinragen.errors import UserError
from clinragen.extract.events import CONVERSIONS, _without_ties, read_items
from clinragen.registry.raw import raw_path

CLEANING = [
    ("plain", HEART, "88", 88),
    ("padded", HEART, " 88.5 ", 88.5),
    ("no leading zero", FIO2, ".5", 0.5),
    ("more than", RESPIRATION, ">60/minute", None),
    ("word", HEART, "error", None),
    ("empty", HEART, "", None),
    ("blank", HEART, "  ", None),
    ("negative", HEART, "-5", None),
    ("exponent", HEART, "1e2", 100),
    ("not a number", HEART, "NaN", None),
    ("systolic of a pair", SBP, "120/80", 120),
    ("diastolic of a pair", DBP, "120/80", 80),
    ("pair with blanks", DBP, "120 / 80", 80),
    ("half a pair, systolic", SBP, "80/xx", None),
    ("half a pair, diastolic", DBP, "80/xx", None),
    ("a pair elsewhere", MEAN, "120/80", None),
    ("FiO2 in percent", FIO2, "50", 0.5),
    ("FiO2 as fraction", FIO2, "0.5", 0.5),
    ("FiO2 one", FIO2, "1", 1.0),
    ("FiO2 hundred", FIO2, "100", 1.0),
    ("FiO2 implausible", FIO2, "5", None),
    ("SpO2 in percent", SPO2, "98", 98),
    ("SpO2 as fraction", SPO2, "0.98", 98),
    ("SpO2 one", SPO2, "1", 100),
    ("SpO2 above 150", SPO2, "980", None),
    ("Celsius", TEMPERATURE_C, "37", 37),
    ("Fahrenheit", TEMPERATURE_F, "98.6", 37),
    ("Fahrenheit in a Celsius item", TEMPERATURE_C, "98.6", 37),
    ("Celsius in a Fahrenheit item", TEMPERATURE_F, "37", 37),
    ("temperature implausible", TEMPERATURE_C, "60", None),
    ("kilograms", WEIGHT_KG, "80", 80),
    ("pounds", WEIGHT_LB, "100", 45.3592),
    ("ounces", WEIGHT_OZ, "160", 4.53592),
    ("weight implausible", WEIGHT_KG, "900", None),
    ("inches", HEIGHT_INCH, "70", 177.8),
    ("centimetres", HEIGHT_CM, "178", 178),
    ("eyes, MetaVision", 220739, "To Speech", 3),
    ("eyes, CareVue", 184, "3 To speech", 3),
    ("eyes, the text None", 220739, "None", 0),
    ("eyes, unknown", 220739, "Sometimes", None),
    ("eyes, a bare number", 220739, "3", None),
    ("motor", 223901, "Localizes Pain", 5),
    ("motor, CareVue", 454, "6 Obeys Commands", 6),
    ("verbal, intubated", 223900, "No Response-ETT", 1),
    ("verbal, CareVue", 723, "1.0 ET/Trach", 1),
    ("GCS total", 198, "11", 11),
    ("GCS total, with decimals", 198, "11.0", 11),
    ("GCS total, impossible", 198, "2", None),
    ("capillary refill, normal", 115, "Normal <3 secs", 0),
    ("capillary refill, MetaVision's words", 115, "Abnormal >3 Seconds", 1),
    ("capillary refill, brisk", 8377, "Brisk", 0),
    ("capillary refill, delayed", 3348, "Delayed", 1),
    ("capillary refill, other", 115, "Other/Remarks", None),
    ("an item of no variable", 220046, "88", None),
    ("FiO2 set, which the benchmark does not map", 190, "0.5", None),
]


@pytest.mark.parametrize(("itemid", "text", "value"), [c[1:] for c in CLEANING], ids=[c[0] for c in CLEANING])
def test_cleaning(itemid, text, value, tmp_path):
    rows, _ = select(tmp_path, [chart(text, itemid)])
    assert [r[3] for r in rows] == ([] if value is None else [pytest.approx(value, rel=1e-9)])


LABS = [
    ("glucose in blood", 50931, "120", "Glucose"),
    ("glucose in urine", 51478, "120", None),
    ("glucose above the range of the device", 50931, ">500", None),
    ("pH in blood", 50820, "7.38", "pH"),
    ("pH in urine", 51491, "7.0", None),
    ("pH of another fluid", 50831, "7.2", None),
    ("a lab of no variable", 50912, "1.1", None),
]


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
@pytest.mark.parametrize(("itemid", "text", "variable"), [c[1:] for c in LABS], ids=[c[0] for c in LABS])
def test_labs(itemid, text, variable, dataset, tmp_path):
    rows, _ = select(tmp_path, labs=[lab(text, itemid)], dataset=dataset)
    assert rows == ([] if variable is None else [(100, 1.0, variable, float(text))])


ATTRIBUTION = [
    ("names its stay", chart("88"), [100]),
    ("names no stay", chart("88", icustay_id=""), [100]),
    ("names another stay of the patient", chart("88", icustay_id=101), []),
    ("names a stay that is not in the cohort", chart("88", icustay_id=999), []),
    ("names another admission", chart("88", hadm_id=11, icustay_id=""), []),
    ("names an admission that is not in the cohort", chart("88", hadm_id=99), []),
    ("names no admission", chart("88", hadm_id=""), [100]),
    ("names neither", chart("88", hadm_id="", icustay_id=""), [100]),
    ("names neither, at another time", chart("88", hadm_id="", icustay_id="", hours=30), []),
    ("names neither, in the later stay", chart("88", hadm_id="", icustay_id="", hours=40 * 24 + 2), [101]),
    ("names no admission and another stay", chart("88", hadm_id="", icustay_id=101), []),
]


@pytest.mark.parametrize(("row", "expected"), [c[1:] for c in ATTRIBUTION], ids=[c[0] for c in ATTRIBUTION])
def test_to_which_stay_a_row_belongs(row, expected, tmp_path):
    assert [r[0] for r in select(tmp_path, [row])[0]] == expected


LAB_TIMES = [
    ("with admission, during the stay", {}, [100]),
    ("with admission, before the stay", {"hours": -1}, []),
    ("with admission, after the stay", {"hours": 25}, []),
    ("without admission, during the stay", {"hadm_id": ""}, [100]),
    ("without admission, before the stay", {"hadm_id": "", "hours": -1}, []),
    ("without admission, after the stay", {"hadm_id": "", "hours": 25}, []),
    ("of another patient without admission", {"hadm_id": "", "subject_id": 2}, [200]),
    ("of a patient without stay", {"hadm_id": "", "subject_id": 3}, []),
]


@pytest.mark.parametrize(("place", "expected"), [c[1:] for c in LAB_TIMES], ids=[c[0] for c in LAB_TIMES])
def test_labs_name_no_stay_and_belong_to_the_one_under_way(place, expected, tmp_path):
    assert [r[0] for r in select(tmp_path, labs=[lab("120", **place)])[0]] == expected


@pytest.mark.parametrize(
    ("hours", "kept"), [(0, True), (-1 / 3600, False), (24, True), (24 + 1 / 3600, False), (23.5, True)]
)
def test_the_borders_of_the_stay_belong_to_it(hours, kept, tmp_path):
    rows, _ = select(tmp_path, [chart("88", hours=hours)])
    assert [r[1] for r in rows] == ([pytest.approx(hours)] if kept else [])


def test_a_stay_without_length_has_no_events_and_a_row_without_time_none_either(tmp_path):
    assert select(tmp_path, [chart("88")], cohort=stays(s100=None))[0] == []
    assert select(tmp_path, [chart("88", charttime=""), chart("70")])[0] == [(100, 1.0, "Heart Rate", 70.0)]


def test_of_several_values_at_one_time_the_largest_number_stays(tmp_path):
    rows = [chart("98"), chart("100"), chart("9"), chart("150", hours=2), chart("95", itemid=211)]
    assert select(tmp_path, rows)[0] == [(100, 1.0, "Heart Rate", 100.0), (100, 2.0, "Heart Rate", 150.0)]


def test_events_come_in_the_order_of_stay_time_and_variable(tmp_path):
    second = {"subject_id": 2, "hadm_id": 20, "icustay_id": 200}
    rows = [chart("1", hours=h, **w) for h in (9, 10, 2) for w in (second, {})]
    rows += [chart("37", TEMPERATURE_C, hours=2), chart("120", SBP, hours=2)]
    found, _ = select(tmp_path, rows)
    assert [r[:3] for r in found] == sorted(r[:3] for r in found) and len(found) == 8


def test_the_attrition_counts_every_rule(tmp_path):
    charts = [
        chart("88"),
        chart("90"),  # same time
        chart("error", hours=2),
        chart("999", hours=3),
        chart("88", hours=-1),
        chart("88", hadm_id=99),
        chart("88", itemid=220046),
        chart(""),
        chart("NaN", hours=4),
        chart("88", icustay_id=999),
    ]
    rows, counts = select(tmp_path, charts, [lab("120"), lab("", hours=2)])
    assert counts == [9, 8, 7, 6, 5, 4, 3, 2] and len(rows) == 2
    steps = read(tmp_path)[1]
    assert [(s["step"], s["rows"]) for s in steps if s["table"] == "unreadable values"] == [
        ("Glucose", 0),
        ("Heart Rate", 1),
    ]


@pytest.mark.parametrize("style", [{"newline": "\r\n"}, {"upper": True}, {"packed": False}])
@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_the_form_of_the_raw_files_does_not_matter(dataset, style, tmp_path):
    charts = [chart("88", dataset=dataset), chart('say "90", twice\nor so', hours=2, dataset=dataset)]
    charts += [chart("70", hours=3, dataset=dataset)]
    plain = select(tmp_path / "plain", charts, [lab("120")], dataset)
    assert select(tmp_path / "other", charts, [lab("120")], dataset, **style) == plain
    assert [r[3] for r in plain[0]] == [120.0, 88.0, 70.0]


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
@pytest.mark.parametrize("table", ["chartevents", "labevents"])
def test_truncated_files_and_missing_columns_name_the_file(dataset, table, tmp_path):
    charts = [chart(str(i % 100), hours=i / 100, dataset=dataset) for i in range(2000)]
    select(tmp_path, charts, [lab(str(i), hours=i / 100) for i in range(2000)], dataset)
    path = raw_path(dataset, tmp_path, table)
    whole = path.read_bytes()
    for data in (
        whole[:-30],
        whole[: len(whole) // 2],
        gzip.compress(gzip.decompress(whole).replace(b",value,", b",v,")),
    ):
        path.write_bytes(data)
        with pytest.raises(UserError) as error:
            read(tmp_path, dataset)
        assert str(path) in str(error.value)


def test_a_missing_raw_table_is_a_user_error(tmp_path):
    write_raw(tmp_path, "mimic3", "chartevents", [])
    with pytest.raises(UserError, match="LABEVENTS"):
        open_raw(tmp_path, "mimic3", "chartevents", "labevents")


def test_items_of_other_fluids_and_of_the_other_dataset_are_not_read():
    three, four = (set(read_items(ITEMS, d, blood_only=True)["itemid"].to_pylist()) for d in ("mimic3", "mimic4"))
    assert 51478 not in three | four and 190 not in three | four
    assert 211 in three and 211 not in four and HEART in three & four


def test_texts_of_levels_are_kept_with_their_score(tmp_path):
    write_raw(
        tmp_path,
        "mimic3",
        "chartevents",
        [chart("4 Spontaneously", 184), chart("Spontaneously", 220739, hours=2), chart("88")],
    )
    write_raw(tmp_path, "mimic3", "labevents", [])
    rows, _ = read(tmp_path)
    assert [(r["value"], r["text"]) for r in rows] == [(4.0, "4 Spontaneously"), (88.0, None), (4.0, "Spontaneously")]


def test_conversions_are_counted(tmp_path):
    charts = [
        chart("120/80", SBP),
        chart("120/80", DBP),
        chart("50", FIO2),
        chart("0.98", SPO2),
        chart("98.6", TEMPERATURE_F),
    ]
    charts += [chart("160", WEIGHT_OZ), chart("100", WEIGHT_LB, hours=2), chart("70", HEIGHT_INCH), chart("88")]
    write_raw(tmp_path, "mimic3", "chartevents", charts)
    write_raw(tmp_path, "mimic3", "labevents", [])
    _, steps = read(tmp_path)
    counted = {s["step"]: (s["rows"], s["subjects"]) for s in steps if s["table"] == "conversions"}
    assert counted == dict.fromkeys(CONVERSIONS, (1, 1))


@pytest.mark.parametrize("missing", ["NA", "NaN", "null", "N/A", "nan", "-1.#IND"])
def test_texts_that_mean_a_missing_value_are_none_in_either_mode(missing, tmp_path):
    for rules in (repairs(), repairs(False)):
        assert select(tmp_path, [chart(missing, 220739), chart("88")], rules=rules)[0] == [
            (100, 1.0, "Heart Rate", 88.0)
        ]


def test_the_unit_of_the_row_counts_before_that_of_the_item(tmp_path):
    rows = [
        chart("70", HEIGHT_INCH, valueuom="cm"),
        chart("70", HEIGHT_INCH, valueuom="Inch", hours=2),
        chart("70", HEIGHT_INCH, hours=3),
    ]
    assert [r[3] for r in select(tmp_path, rows)[0]] == [70, pytest.approx(177.8), pytest.approx(177.8)]


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1)), max_size=30),
    size=st.integers(1, 7),
)
def test_of_rows_that_agree_the_last_stays_wherever_a_batch_ends(rows, size):
    rows = sorted(rows)
    table = pa.table({"stay_id": [r[0] for r in rows], "hours": [float(r[1]) for r in rows], "copy": [0] * len(rows),
                      "variable": pa.array([f"v{r[2]}" for r in rows]).dictionary_encode(),
                      "value": [float(n) for n in range(len(rows))]})  # fmt: skip
    kept = [v for b in _without_ties(iter(table.to_batches(max_chunksize=size))) for v in b["value"].to_pylist()]
    assert kept == list({row: float(n) for n, row in enumerate(rows)}.values())
