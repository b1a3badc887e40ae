"""Samples in the layout of mimic3-benchmarks, for the tools that read it (Harutyunyan et al., 2019)."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from clinragen.benchmark.split import TEST, TRAIN
from clinragen.runtime.progress import Progress


def name_episodes(stays: pa.Table) -> dict[int, str]:
    """File name per stay: the n-th of the patient's stays of the cohort, whether or not the others have samples."""
    rows = sorted(stays.to_pylist(), key=lambda r: (r["subject_id"], r["intime"], r["outtime"] or r["intime"]))
    numbers: dict[int, int] = defaultdict(int)
    names = {}
    for row in rows:
        numbers[row["subject_id"]] += 1
        names[row["stay_id"]] = f"{row['subject_id']}_episode{numbers[row['subject_id']]}_timeseries.csv"
    return names


def export_samples(
    folder: Path,
    stays: pa.Table,
    splits: dict[int, str],
    labels: dict[int, list[str]],
    phenotypes: list[str],
    episodes: Iterator[tuple[int, list[list[str]]]],
    variables: list[str],
) -> dict[str, int]:
    """Write train/ and test/ with one time series a stay and listfile.csv; number of samples of each.

    The layout knows no validation split: ours is in train. Stays without label have no sample.
    """
    names = name_episodes(stays)
    hours = dict(zip(stays["stay_id"].to_pylist(), stays["los_hours"].to_pylist(), strict=True))
    listed: dict[str, list[tuple]] = {TRAIN: [], TEST: []}
    for split in listed:
        (folder / split).mkdir(parents=True)
    with Progress("stays", stays.num_rows) as bar:
        for stay, rows in episodes:
            bar.advance()
            if stay not in labels:
                continue
            split = TEST if splits[stay] == TEST else TRAIN
            _write(folder / split / names[stay], ["Hours", *variables], rows)
            flags = (int(p in labels[stay]) for p in phenotypes)
            listed[split].append((names[stay], f"{hours[stay]:.6f}", *flags))
    for split, samples in listed.items():
        _write(folder / split / "listfile.csv", ["stay", "period_length", *phenotypes], sorted(samples))
    return {split: len(samples) for split, samples in listed.items()}


def read_episodes(batches: Iterator[pa.RecordBatch], variables: list[str]) -> Iterator[tuple[int, list[list[str]]]]:
    """Each stay of EVENTS with its rows: hours and a cell per variable, empty where nothing was measured.

    A time that comes twice (see `own_stay_only`) makes two rows.
    """
    place = {name: column for column, name in enumerate(variables, 1)}
    stay: int | None = None
    time: float | None = None
    rows: list[list[str]] = []
    of_time: list[list[str]] = []
    for batch in batches:
        columns = (batch[name].to_pylist() for name in ("stay_id", "hours", "variable", "value", "text"))
        for stay_id, hours, variable, value, text in zip(*columns, strict=True):
            if stay_id != stay:
                if stay is not None:
                    yield stay, rows
                stay, rows, time = stay_id, [], None
            if hours != time:
                time, of_time = hours, []
            cell, column = repr(value) if text is None else text, place[variable]
            row = next((r for r in of_time if not r[column]), None)
            if row is None:
                row = [repr(hours), *[""] * len(variables)]
                of_time.append(row)
                rows.append(row)
            row[column] = cell
    if stay is not None:
        yield stay, rows


def _write(path: Path, header: list[str], rows: list) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
