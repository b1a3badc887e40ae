"""The data card: all that is told of one dataset's data, on one page that holds everything it shows."""

import base64
from html import escape

import pyarrow as pa

from clinragen.benchmark.card_pictures import draw_bars, draw_prevalence
from clinragen.benchmark.disclosure import shown_parts
from clinragen.benchmark.distributions import Lengths, Survey
from clinragen.benchmark.split import SPLITS
from clinragen.config.benchmark import Series
from clinragen.registry.variables import Variable

# What stands in a cell that would tell of few patients.
HIDDEN = '<span class="hidden">hidden</span>'
NOT_COUNTED = '<span class="hidden">–</span>'
SOURCES = {
    "folder": "the release of PhysioNet, as it lies in the configured folder",
    "open-demo": "the open demo of PhysioNet: 100 patients",
    "synthetic": "a synthetic cohort in the layout of the release; none of its patients exists",
}
STAGES = {
    "stays": "Intensive care stays",
    "diagnoses": "Billing codes",
    "events": "Measurements",
    "unreadable values": "Values that could not be read",
    "conversions": "Converted values",
    "notes": "Discharge notes",
    "split": "Train, validation and test split",
    "patients whom the list does not name": "Patients whom the list does not name",
    "samples": "Samples",
}
MOST_CODES = 20

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data card: {dataset}</title>
<style>
:root {{ --ink: #1b1f24; --soft: #57606a; --line: #d8dee4; --pale: #f5f7f9; --ours: #0b6e99; --other: #b4540a; }}
* {{ box-sizing: border-box; }}
body {{ font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: #fff;
  margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 3rem; }}
h1 {{ font-size: 1.75rem; line-height: 1.2; margin: 0 0 .3rem; }}
h2 {{ font-size: 1.25rem; margin: 2.6rem 0 .5rem; padding-top: .6rem; border-top: 2px solid var(--ink); }}
h3 {{ font-size: 1rem; margin: 1.4rem 0 .3rem; }}
p {{ max-width: 46rem; margin: .4rem 0 .8rem; }}
.lead, .note, caption {{ color: var(--soft); }}
.note {{ font-size: .87rem; }}
.warning {{ background: #fff4d6; border-left: 4px solid #d4a017; padding: .6rem 1rem; max-width: none; }}
nav {{ display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: 1rem 0; font-size: .93rem; }}
a {{ color: var(--ours); }}
.facts {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .7rem; margin: 1.2rem 0; }}
.facts div {{ background: var(--pale); border-radius: 6px; padding: .6rem .8rem; }}
.facts b {{ display: block; font-size: 1.35rem; line-height: 1.3; }}
.facts span {{ color: var(--soft); font-size: .87rem; }}
/* A shade at the right border says that there is more to scroll to. */
.wide {{ overflow-x: auto; margin: .4rem 0 1rem; background:
  linear-gradient(to left, #fff 40%, #fff0) right / 3rem 100% no-repeat local,
  linear-gradient(to left, #1b1f2433, #1b1f2400) right / .7rem 100% no-repeat scroll; }}
table {{ border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .3rem .75rem .3rem 0; text-align: right; border-bottom: 1px solid var(--line);
  vertical-align: top; white-space: nowrap; }}
th {{ color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; }}
th:first-child, td:first-child {{ text-align: left; white-space: normal; min-width: 11rem; }}
tr.total td {{ font-weight: 600; background: var(--pale); }}
.hidden {{ color: var(--soft); font-style: italic; }}
.bar {{ display: inline-block; width: 6rem; height: .7rem; margin-left: .6rem; background: var(--pale);
  vertical-align: baseline; }}
.bar i {{ display: block; height: 100%; background: var(--ours); }}
figure {{ margin: 0; }}
img {{ display: block; max-width: 100%; height: auto; }}
figure.tall img {{ width: 31rem; }}
.beside {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: .5rem 2.5rem;
  align-items: start; }}
.beside h3 {{ margin-top: .8rem; }}
.panels {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 14.5rem), 1fr)); gap: 1.3rem 1.2rem;
  margin: .8rem 0 1rem; }}
.panels img {{ width: 100%; max-width: 22rem; }}
figcaption {{ font-size: .87rem; line-height: 1.35; margin-bottom: .2rem; }}
figcaption span {{ color: var(--soft); }}
.nothing {{ color: var(--soft); font-size: .87rem; font-style: italic; }}
@media (max-width: 34rem) {{ th, td {{ padding-right: .55rem; }} .bar {{ width: 3rem; }}
  th:first-child, td:first-child {{ min-width: 8.5rem; }} }}
@media (min-width: 62rem) {{ body {{ padding: 2.5rem 2rem 4rem; }} }}
@media print {{ nav {{ display: none; }} h2 {{ break-after: avoid; }} figure, tr {{ break-inside: avoid; }} }}
</style></head><body>
<header>
<h1>Data card: {dataset}</h1>
<p class="lead">Made from {source}. What the workflow's samples hold before any model reads them.</p>
{warning}
</header>
{facts}
<nav>{contents}</nav>
<p class="note">Aggregates only. {hidden} stands for a number that belongs to 1 to 10 patients, or from which
such a number would follow by subtraction: where one part of a whole is hidden, the next larger ones are hidden with it.
Bars of a picture that belong to fewer than 11 patients are not drawn, and the others are shares of what is drawn.</p>
{sections}
</body></html>
"""


def make_card(
    dataset: str,
    source: str,
    stand_ins: list[str],
    settings: Series,
    variables: list[Variable],
    read: set[str],
    samples: pa.Table,
    found: Survey,
    tables: dict[str, pa.Table],
) -> str:
    """The page: `tables` are attrition, prevalence, headings, leakage and unlabelled, as their rules wrote them.

    `found` is the survey of the samples, with all of the variables in their order; `read` are those that the model
    reads.
    """
    rows = {name: table.to_pylist() for name, table in tables.items()}
    sections = {
        "Attrition": _attrition(rows["attrition"]),
        "Split": _parts(samples),
        "Phenotypes": _prevalence(rows["prevalence"]),
        "Measurements": _coverage(variables, read, found),
        "Lengths": _lengths(found, settings),
        "Values": _values(variables, found),
        "Hospital course": _headings(rows["headings"]),
        "Leakage": _leakage(rows["leakage"]),
        "Codes without phenotype": _codes(rows["unlabelled"]),
    }
    ids = {title: title.lower().replace(" ", "-") for title in sections}
    warning = ""
    if stand_ins:
        warning = (
            f'<p class="warning"><b>Made with stand-ins:</b> {escape("; ".join(stand_ins))}. '
            f"The numbers on this page say nothing about {escape(dataset)} itself.</p>"
        )
    return PAGE.format(
        dataset=escape(dataset),
        source=SOURCES[source],
        warning=warning,
        hidden=HIDDEN,
        facts=_facts(samples, found, settings),
        contents="".join(f'<a href="#{ids[title]}">{title}</a>' for title in sections),
        sections="\n".join(
            f'<section id="{ids[t]}">\n<h2>{t}</h2>\n{text}\n</section>' for t, text in sections.items()
        ),
    )


def _table(head: list[str], rows: list[list[str]], totals: int = 0) -> str:
    """A table of cells that are HTML already; so many of the last rows sum up the others."""
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    lines = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows]
    first = len(lines) - totals
    body = "\n".join([*lines[:first], *(line.replace("<tr>", '<tr class="total">') for line in lines[first:])])
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _count(number: int | None, missing: str = HIDDEN) -> str:
    return missing if number is None else f"{number:,}"


def _share(number: float | None, bar: bool = False) -> str:
    """A share as percentage, with a bar beside it where asked for."""
    if number is None:
        return HIDDEN + ('<span class="bar"></span>' if bar else "")
    drawn = f'<span class="bar"><i style="width:{100 * number:.1f}%"></i></span>' if bar else ""
    return f"{100 * number:.1f} %{drawn}"


def _score(number: float | None) -> str:
    return HIDDEN if number is None else f"{number:.3f}"


def _image(png: bytes, text: str) -> str:
    return f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}" alt="{escape(text)}">'


def _panel(title: str, unit: str, png: bytes | None) -> str:
    caption = f"<figcaption><b>{escape(title)}</b> <span>{escape(unit)}</span></figcaption>"
    picture = '<p class="nothing">No bar has 11 patients.</p>' if png is None else _image(png, f"histogram of {title}")
    return f"<figure>{caption}{picture}</figure>"


def _facts(samples: pa.Table, found: Survey, settings: Series) -> str:
    patients = len(set(samples["subject_id"].to_pylist()))
    (visible,) = shown_parts([set(samples["subject_id"].to_pylist())])
    median = found.hours.quartiles[1]
    facts = [
        (_count(samples.num_rows if visible else None), "samples: ICU stays"),
        (_count(patients if visible else None), "patients"),
        (HIDDEN if median is None else f"{median:.0f} h", "median stay"),
        (f"{settings.variables} of {len(found.coverage)}", "variables the model reads"),
        (f"{settings.step_hours:g} h", f"a time bin; at most {settings.max_steps} of them"),
    ]
    return '<div class="facts">' + "".join(f"<div><b>{n}</b><span>{t}</span></div>" for n, t in facts) + "</div>"


def _attrition(rows: list[dict]) -> str:
    text = (
        f"<p>What each step left over, from the raw files to the samples. {NOT_COUNTED}: not counted at this step, or "
        "1 to 10 patients. What one step took away is the difference of two numbers, and not hidden.</p>"
    )
    tables = []
    # The splits of the samples have a table of their own.
    rows = [r for r in rows if r["table"] != "sample splits"]
    for name in dict.fromkeys(row["table"] for row in rows):
        steps = [r for r in rows if r["table"] == name]
        kinds = [k for k in ("stays", "admissions", "subjects", "rows") if any(r[k] is not None for r in steps)]
        titles = ["patients" if kind == "subjects" else kind for kind in kinds]
        cells = [[escape(r["step"]), *(_count(r[kind], NOT_COUNTED) for kind in kinds)] for r in steps]
        tables.append(f"<div><h3>{escape(STAGES.get(name, name))}</h3>{_table(['step', *titles], cells)}</div>")
    return f'{text}<div class="beside">{"".join(tables)}</div>'


def _parts(samples: pa.Table) -> str:
    rows = samples.to_pylist()
    splits = {split: [r for r in rows if r["split"] == split] for split in SPLITS}
    # Three numbers of one row, all hidden or none.
    visible = shown_parts([{r["subject_id"] for r in found} for found in splits.values()])
    visible += shown_parts([{r["subject_id"] for r in rows}])
    cells = []
    for (split, found), seen in zip([*splits.items(), ("all", rows)], visible, strict=True):
        counts = [len({r[key] for r in found}) if seen else None for key in ("stay_id", "hadm_id", "subject_id")]
        cells.append([split, *map(_count, counts), _share(len(found) / max(len(rows), 1) if seen else None)])
    head = ["split", "stays", "admissions", "patients", "share of stays"]
    return "<p>Split by patient: no patient is in two splits.</p>" + _table(head, cells, totals=1)


def _prevalence(rows: list[dict]) -> str:
    cells = [
        [
            escape(r["phenotype"]),
            _count(r["stays"]),
            _share(r["share"]),
            _share(r["benchmark_train"]),
            _share(r["benchmark_test"]),
        ]
        for r in rows
    ]
    table = _table(["phenotype", "stays", "share", "published, train", "published, test"], cells)
    picture = _image(draw_prevalence(rows), "prevalence of each phenotype beside that of the published benchmark")
    return (
        "<p>Share of the cohort's stays with each of the 25 phenotypes, among those with a billing code, beside the "
        "published benchmark on MIMIC-III (Harutyunyan et al., 2019).</p>"
        f'<div class="beside"><figure class="tall">{picture}</figure>{table}</div>'
    )


def _coverage(variables: list[Variable], read: set[str], found: Survey) -> str:
    cells = [
        [
            escape(v.name),
            "yes" if v.name in read else "no",
            _share(c.stays_without, bar=True),
            _share(c.bins_with, bar=True),
        ]
        for v, c in zip(variables, found.coverage, strict=True)
    ]
    return (
        "<p>How much of each variable there is in the time bins of the samples. The rest is filled in from other bins; "
        "a variable that a stay lacks altogether takes its normal value.</p>"
        + _table(["variable", "read", "stays without", "bins with a value"], cells)
    )


def _lengths(found: Survey, settings: Series) -> str:
    kinds: list[tuple[str, str, Lengths]] = [
        ("ICU stay", "hours", found.hours),
        ("Series", f"bins of {settings.step_hours:g} h, at most {settings.max_steps}", found.steps),
        ("Hospital course", "words after cleaning", found.words),
    ]
    cells = [
        [f"{title}, {unit}", *(HIDDEN if q is None else f"{q:,.0f}" for q in lengths.quartiles)]
        for title, unit, lengths in kinds
    ]
    panels = "".join(_panel(title, unit, draw_bars(lengths.bars)) for title, unit, lengths in kinds)
    table = _table(["length", "first quartile", "median", "third quartile"], cells)
    return f'<p>One number per sample.</p><div class="panels">{panels}</div>{table}'


def _values(variables: list[Variable], found: Survey) -> str:
    panels = "".join(
        _panel(v.name, v.unit, draw_bars(bars, levels=v.categorical))
        for v, bars in zip(variables, found.values, strict=True)
    )
    return (
        "<p>All measured values in the samples that lie in the plausible range, before they are binned and scaled. "
        "An axis spans what is drawn.</p>"
        f'<div class="panels">{panels}</div>'
    )


def _headings(rows: list[dict]) -> str:
    (none,) = [r for r in rows if r["heading"] == "(none)"] or [{"share": None}]
    ordered = sorted(rows, key=lambda r: (r["stays"] is None, -(r["stays"] or 0), r["heading"]))
    cells = [[escape(r["heading"]), _count(r["stays"]), _share(r["share"], bar=True)] for r in ordered]
    return (
        "<p>Headings under which the brief hospital course was found, among all stays that have a discharge note. "
        f"Without such a section: {_share(none['share'])}.</p>" + _table(["heading", "stays", "share"], cells)
    )


def _leakage(rows: list[dict]) -> str:
    cells = [
        [
            escape(r["phenotype"]),
            NOT_COUNTED if r["phenotype"] == "macro" else _count(r["stays"]),
            _share(r["recall"]),
            _share(r["others_named"]),
            *(_score(r[name]) for name in ("precision", "f1")),
        ]
        for r in rows
    ]
    head = ["phenotype", "stays with it", "of these named (recall)", "of others named", "precision", "F1"]
    return (
        "<p>How far the name of a phenotype in the very course that the model reads already diagnoses it: a plain "
        "search for the name and its parts, after the same cleaning. The search knows no synonyms and no negation "
        "(“no pneumonia” names pneumonia). A model that scores no better may have done nothing but read.</p>"
        + _table(head, cells, totals=2)
    )


def _codes(rows: list[dict]) -> str:
    cells = [
        [
            escape(r["icd_code"]),
            f"ICD-{r['icd_version']}",
            "yes" if r["known"] else "no",
            f"{r['codes']:,}",
            _count(r["stays"]),
        ]
        for r in rows[:MOST_CODES]
    ]
    if not cells:
        return "<p>None.</p>"
    return (
        f"<p>The most frequent of {sum(r['codes'] for r in rows):,} billing codes that stand for none of the 25 "
        "phenotypes; rare ones stand in one row together. Codes without a category may be errors of the raw files.</p>"
        + _table(["code", "version", "has a category", "codes", "stays"], cells)
    )
