"""Samples in the layout of mimic3-benchmarks, for the tools that read it (Harutyunyan et al., 2019)."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from clinragen.benchmark.split import TEST, TRAIN
from clinragen.runtime.progress import Progress


def name_episodes(stays: pa.Table) -> dict[int, str]:
    """Return the file name per stay, numbered over all stays of the patient in the cohort, samples or not."""
    rows = sorted(stays.to_pylist(), key=lambda r: (r["subject_id"], r["intime"], r["outtime"] or r["intime"]))
    numbers: dict[int, int] = defaultdict(int)
    names = {}
    for row in rows:
        numbers[row["subject_id"]] += 1
        names[row["stay_id"]] = f"{row['subject_id']}_episode{numbers[row['subject_id']]}_timeseries.csv"
    return names


def export_samples(
    directory: Path,
    stays: pa.Table,
    splits: dict[int, str],
    labels: dict[int, list[str]],
    phenotypes: list[str],
    episodes: Iterator[tuple[int, list[list[str]]]],
    variables: list[str],
) -> dict[str, int]:
    """Write train/ and test/, each with listfile.csv and a time series per stay; return their numbers of samples.

    The layout has no validation split: it becomes part of train. Stays without a label are not exported.
    """
    names = name_episodes(stays)
    hours = dict(zip(stays["stay_id"].to_pylist(), stays["los_hours"].to_pylist(), strict=True))
    listed: dict[str, list[tuple]] = {TRAIN: [], TEST: []}
    for split in listed:
        (directory / split).mkdir(parents=True)
    with Progress("stays", stays.num_rows) as bar:
        for stay, rows in episodes:
            bar.advance()
            if stay not in labels:
                continue
            split = TEST if splits[stay] == TEST else TRAIN
            _write(directory / split / names[stay], ["Hours", *variables], rows)
            flags = (int(p in labels[stay]) for p in phenotypes)
            listed[split].append((names[stay], f"{hours[stay]:.6f}", *flags))
    for split, samples in listed.items():
        _write(directory / split / "listfile.csv", ["stay", "period_length", *phenotypes], sorted(samples))
    return {split: len(samples) for split, samples in listed.items()}


def read_episodes(batches: Iterator[pa.RecordBatch], variables: list[str]) -> Iterator[tuple[int, list[list[str]]]]:
    """Yield each stay of EVENTS with its rows: hours and a cell per variable, empty where nothing was measured.

    A time that occurs twice (see `own_stay_only`) makes two rows.
    """
    column_of = {name: column for column, name in enumerate(variables, 1)}
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
            cell, column = repr(value) if text is None else text, column_of[variable]
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
