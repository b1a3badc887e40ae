"""Rows of CHARTEVENTS and LABEVENTS of a small cohort, and what the extraction makes of them."""

import datetime as dt

import pyarrow as pa
from raw_folders import RESOURCES, STAY, open_raw, write_raw

from clinragen.config.extract import Events
from clinragen.extract.events import read_items, select_events
from clinragen.extract.layout import LAYOUTS
from clinragen.registry.variables import read_variables
from clinragen.schemas.extract import ATTRITION, EVENTS
from clinragen.schemas.extract import STAYS as STAYS_TABLE

ITEMS = RESOURCES / "items.csv"
VARIABLES = read_variables(RESOURCES / "variables.csv")
NOON = dt.datetime(2100, 1, 1, 12)
# Stay 100 lasts a day from noon; 200 is of another patient; 101 is a later stay of the first patient.
HEART, LAB_GLUCOSE = 220045, 50931


def stays(**lengths: float | None) -> pa.Table:
    """The cohort; the length in hours of a stay may be given as `s<stay_id>`."""
    rows = [
        {"subject_id": s, "hadm_id": h, "stay_id": i, "intime": NOON + dt.timedelta(days=d), "age": 50.0, "gender": "F"}
        for s, h, i, d in ((1, 10, 100, 0), (1, 11, 101, 40), (2, 20, 200, 0))
    ]
    for row in rows:
        row["los_hours"] = lengths.get(f"s{row['stay_id']}", 24.0)
        row["outtime"] = row["intime"] + dt.timedelta(days=1)
    return pa.Table.from_pylist(rows, schema=STAYS_TABLE.schema)


def chart(value, itemid=HEART, hours=1.0, dataset="mimic3", **values):
    """A row of CHARTEVENTS, `hours` after noon."""
    usual = {"subject_id": 1, "hadm_id": 10, STAY[dataset]: 100, "itemid": itemid}
    return usual | {"charttime": NOON + dt.timedelta(hours=hours), "value": value} | values


def lab(value, itemid=LAB_GLUCOSE, hours=1.0, **values):
    """A row of LABEVENTS, `hours` after noon."""
    usual = {"subject_id": 1, "hadm_id": 10, "itemid": itemid}
    return usual | {"charttime": NOON + dt.timedelta(hours=hours), "value": value} | values


def repairs(on: bool = True, **others: bool) -> Events:
    """Settings with all repairs on or off, except those named."""
    return Events(**(dict.fromkeys(Events.model_fields, on) | others))


def read(directory, dataset="mimic3", cohort=None, rules=None) -> tuple[list[dict], list[dict]]:
    """Rows of the events and of the attrition, from raw files that exist."""
    raw, rules, batches = open_raw(directory, dataset, "chartevents", "labevents"), rules or repairs(), []
    items = read_items(ITEMS, dataset, rules.blood_only)
    steps = select_events(raw, LAYOUTS[dataset], cohort or stays(), items, VARIABLES, rules, batches.append)
    rows = [r for b in batches for r in EVENTS.check(pa.Table.from_batches([b]), "test").to_pylist()]
    return rows, ATTRITION.check(steps, "test").to_pylist()


def select(directory, charts=(), labs=(), dataset="mimic3", cohort=None, rules=None, **style):
    """Stay, hours, variable and value of each event; rows remaining after each step."""
    write_raw(directory, dataset, "chartevents", list(charts), **style)
    write_raw(directory, dataset, "labevents", list(labs), **style)
    rows, steps = read(directory, dataset, cohort, rules)
    return [tuple(r.values())[:4] for r in rows], [s["rows"] for s in steps if s["table"] == "events"]


SBP, DBP, FIO2, SPO2, TEMPERATURE_C, TEMPERATURE_F = 220179, 220180, 223835, 220277, 223762, 223761
WEIGHT_KG, WEIGHT_LB, WEIGHT_OZ, HEIGHT_INCH, HEIGHT_CM = 226512, 226531, 3582, 226707, 226730
RESPIRATION, MEAN = 220210, 220181
