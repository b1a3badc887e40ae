"""The estimate as text."""

from collections.abc import Iterable

import pyarrow as pa

from clinragen.schemas.costs import STAND_IN

HEADER = ("stage", "dataset", "llm", "requests", "answered", "calls", "tokens in", "tokens out", "dollars", "hours")


def lines(table: pa.Table, budgets: Iterable[tuple[str, float, float]]) -> list[str]:
    """Return the lines of an aligned table of ESTIMATE: its sum, the basis of its numbers, the remaining budgets.

    Stand-ins cost nothing and share one line.
    """
    every = table.to_pylist()
    rows = [row for row in every if row["remark"] != STAND_IN]
    lines = [*_aligned(rows), f"Total: {_total(rows)}"]
    if number := len(every) - len(rows):
        lines.append(f"* answered by a stand-in, which costs nothing: {number} more of {len(every)} stages")
    places: dict[str, list[str]] = {}
    for row in rows:
        for text in _basis(row):
            places.setdefault(text, []).append(_place(row))
    lines += [f"* {', '.join(stages)}: {text}" for text, stages in places.items()]
    for name, budget, spent in budgets:
        remaining = [row for row in rows if row["llm"] == name]
        verdict = "enough" if _sum(remaining) <= budget - spent else "NOT enough"
        state = f"${spent:.2f} of ${budget:.2f} spent, {verdict} for {_dollars(remaining)} more"
        lines.append(f"* llm_transport.{name}.budget: {state}")
    return lines


def _aligned(rows: list[dict]) -> list[str]:
    """Return the lines of the table and an empty line; nothing without rows."""
    cells = [HEADER, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(_padded(i, c, widths[i]) for i, c in enumerate(row)).rstrip() for row in cells]
    return [*lines, ""] if rows else []


def _total(rows: list[dict]) -> str:
    """Return the sum as text, and the number of stages that are missing in it."""
    unknown = sum(row["dollars"] is None for row in rows)
    if unknown and unknown == len(rows):
        return f"unknown, because each of the {unknown} stages lacks a price or a size"
    more = f", and {unknown} of {len(rows)} stages whose price or size is unknown" if unknown else ""
    return f"{_dollars(rows)}{more}"


def _dollars(rows: list[dict]) -> str:
    """Return the sum as text, `at most` if every row is an upper bound."""
    bound = all(row["bound"] and row["dollars"] is not None for row in rows)
    return f"{'at most' if bound else 'about'} ${_sum(rows):.2f}"


def _sum(rows: list[dict]) -> float:
    return sum(row["dollars"] or 0 for row in rows)


def _padded(column: int, text: str, width: int) -> str:
    return text.ljust(width) if column < 3 else text.rjust(width)


def _cells(row: dict) -> tuple[str, ...]:
    numbers = [_number(row[name]) for name in ("requests", "answered", "calls", "input_tokens", "output_tokens")]
    money, hours = (("-" if row[n] is None else f"{row[n]:,.2f}") for n in ("dollars", "hours"))
    return (row["stage"], row["dataset"] or "-", row["llm"], *numbers, money, hours)


def _basis(row: dict) -> list[str]:
    """Return the basis of a row's numbers, and its remark."""
    basis = []
    if row["calls"]:
        basis.append(f"tokens in: {row['counted_with']}; tokens out: {row['output_from']}")
    return basis + ([row["remark"]] if row["remark"] else [])


def _place(row: dict) -> str:
    return " ".join(part for part in (row["stage"], row["dataset"], row["llm"]) if part)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
