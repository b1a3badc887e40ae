"""The page of stage knowledge: what was retrieved, which key terms came of it, and the vocabularies made from them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.config.knowledge import Terms
from clinragen.config.llms import Llm
from clinragen.knowledge.coverage import ALL
from clinragen.pages.render import render

FIRST = 6
"""Key terms of each phenotype that are visible before its list is opened."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Tables:
    """What the page shows: the tables of the stage, and the picture of the convergence as PNG."""

    terms: pa.Table
    """TERMS"""
    answers: pa.Table
    """ANSWERS"""
    convergence: pa.Table
    """CONVERGENCE"""
    picture: bytes
    attrition: Mapping[str, pa.Table]
    """ATTRITION by source"""
    sources: pa.Table
    """SOURCES"""
    coverage: Mapping[str, pa.Table]
    """COVERAGE by language model"""


def knowledge_page(
    tables: Tables, settings: Terms, llm: Llm, mode: str, stand_ins: list[str], templates: list[Path]
) -> str:
    """Return the page as HTML; `llm` named the terms, and `mode` the origin of the documents."""
    rounds = ends_of_rounds(tables.convergence)
    shared = {row["phenotype"]: row for row in tables.sources.to_pylist() if row["unit"] == "terms"}
    return render(
        "knowledge",
        templates,
        mode=mode,
        settings=settings,
        llm=llm,
        statuses=Counter(tables.answers["status"].to_pylist()),
        documents=tables.answers.num_rows,
        retrieved={source: table.to_pylist() for source, table in tables.attrition.items()},
        phenotypes=phenotypes(tables.terms.to_pylist(), rounds, shared),
        stable=sum(row["stable"] for row in rounds.values()),
        distinct=len(set(tables.terms["term"].to_pylist())),
        picture=tables.picture,
        vocabularies={name: vocabulary(name, table.to_pylist()) for name, table in tables.coverage.items()},
        units=[row for row in tables.sources.to_pylist() if row["phenotype"] == ALL],
        data=data_files(tables),
        stand_ins=stand_ins,
    )


def data_files(tables: Tables) -> list[str]:
    """Return the tables behind the page, by their paths in the results directory."""
    names = ["terms", "convergence", "sources", *(f"attrition_{source}" for source in tables.attrition)]
    names += [f"vocab/{name}" for name in tables.coverage]
    return [f"knowledge/{name}.csv" for name in names]


def ends_of_rounds(convergence: pa.Table) -> dict[str, Row]:
    """Return the last round of each phenotype (rows of CONVERGENCE), which says whether its terms became stable."""
    return {row["phenotype"]: row for row in sorted(convergence.to_pylist(), key=lambda row: row["round"])}


def phenotypes(terms: Iterable[Row], rounds: Mapping[str, Row], shared: Mapping[str, Row]) -> dict[str, Row]:
    """Return the key terms of each phenotype by rank, with its last round and its terms by source."""
    found: dict[str, Row] = {}
    for term in sorted(terms, key=lambda term: term["rank"]):
        own = found.setdefault(term["phenotype"], {"terms": [], "first": []})
        own["terms"].append(term)
        if len(own["first"]) < FIRST:
            own["first"].append(term["term"])
    return {name: found[name] | {"end": rounds[name], "shared": shared[name]} for name in sorted(found)}


def vocabulary(name: str, coverage: list[Row]) -> Row:
    """Return the size of V^k of a language model, and the share of each phenotype (rows of COVERAGE)."""
    total = next(row for row in coverage if row["phenotype"] == ALL)
    return {"all": total, "rows": coverage, "tile": (f"{total['tokens']:,}", f"tokens in the vocabulary of {name}")}
