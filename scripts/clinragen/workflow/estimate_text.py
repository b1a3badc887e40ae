"""The estimate as text for people."""

from collections.abc import Iterable

import pyarrow as pa

HEADER = ("stage", "dataset", "llm", "requests", "answered", "calls", "tokens in", "tokens out", "dollars", "hours")


def lines(table: pa.Table, budgets: Iterable[tuple[str, float, float]]) -> list[str]:
    """An aligned table of ESTIMATE with its sum, what its numbers rest on, and what is left of the budgets."""
    rows = table.to_pylist()
    cells = [HEADER, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    found = ["  ".join(_padded(i, c, widths[i]) for i, c in enumerate(row)).rstrip() for row in cells]
    unknown = sum(row["dollars"] is None for row in rows)
    more = f", and {unknown} of {len(rows)} stages whose price or size is unknown" if unknown else ""
    found += ["", f"Total: at most ${sum(row['dollars'] or 0 for row in rows):.2f}{more}"]
    said: dict[str, list[str]] = {}
    for row in rows:
        for text in _basis(row):
            said.setdefault(text, []).append(_place(row))
    found += [f"* {', '.join(places)}: {text}" for text, places in said.items()]
    for name, budget, spent in budgets:
        need = sum(row["dollars"] or 0 for row in rows if row["llm"] == name)
        verdict = "enough" if need <= budget - spent else "NOT enough"
        state = f"${spent:.2f} of ${budget:.2f} spent, {verdict} for ${need:.2f} more"
        found.append(f"* llm_transport.{name}.budget: {state}")
    return found


def _padded(column: int, text: str, width: int) -> str:
    return text.ljust(width) if column < 3 else text.rjust(width)


def _cells(row: dict) -> tuple[str, ...]:
    numbers = [_number(row[name]) for name in ("requests", "answered", "calls", "input_tokens", "output_tokens")]
    money, hours = (("-" if row[n] is None else f"{row[n]:,.2f}") for n in ("dollars", "hours"))
    return (row["stage"], row["dataset"] or "-", row["llm"], *numbers, money, hours)


def _basis(row: dict) -> list[str]:
    """What is to be said of a row beside its numbers."""
    basis = []
    if row["calls"]:
        basis.append(f"tokens in: {row['counted_with']}; tokens out: {row['output_from']}")
    return basis + ([row["remark"]] if row["remark"] else [])


def _place(row: dict) -> str:
    return " ".join(part for part in (row["stage"], row["dataset"], row["llm"]) if part)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
