"""The table of attacks in the documentation is what the scan does with them."""

from attacks import NINE, PLANTED, REFUSED, SECRETS, SEVEN, WAYS, kinds, restricted_tables
from runs import ROOT

from clinragen.audit.contents import declared

PAGE = ROOT / "docs/release.md"
KNOWN = {"secrets": {"MY_KEY": "correct-horse/battery staple"}, "places": {"the home directory": "/home/jane"}}


def row(planted: str, stopped: dict[str, set[str]]) -> list[str]:
    """Return a line of the table per finding, with all ways in which the content was planted."""
    ways: dict[str, list[str]] = {}
    for way, findings in stopped.items():
        ways.setdefault(", ".join(sorted(findings)) or "NOTHING", []).append(way)
    return [f"| {planted} | {len(names)}: {', '.join(names)} | {kind} |" for kind, names in ways.items()]


def test_the_table_of_attacks_is_true(tmp_path):
    sources = restricted_tables(tmp_path)
    identifying = {table.name: {"refused when it is written"} for table in declared().values() if table.identifying}
    lines = [
        "| planted | ways | stopped by |",
        "|---|---|---|",
        *row("a table that identifies, written to a shareable output", dict(sorted(identifying.items()))),
        *row("nine words of a note", {way: kinds(sources, name, f(NINE)) for way, (name, f) in WAYS.items()}),
        *row("seven words of a note", {way: kinds(sources, name, f(SEVEN)) for way, (name, f) in REFUSED.items()}),
        *row("an identifier", {way: kinds(sources, *planted) for way, planted in PLANTED.items()}),
        *row("secrets", {way: kinds(sources, "a.md", text, **KNOWN) for way, (_, text) in SECRETS.items()}),
    ]
    assert "NOTHING" not in "\n".join(lines)
    documented = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert documented[-len(lines) :] == lines, "\n".join(["copy this table to docs/release.md:", *lines])
