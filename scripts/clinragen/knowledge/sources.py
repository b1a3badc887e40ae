"""Contribution of PubMed and Wikipedia to the key terms and to V^k (see the paper's limitations)."""

from collections.abc import Mapping, Set
from typing import Any

import pyarrow as pa

from clinragen.knowledge.ranking import jaccard
from clinragen.schemas.knowledge import SOURCES

ALL = "all"
Row = dict[str, Any]


def source_overlap(
    terms: list[Row], mentions: list[Row], token_ids: Mapping[str, Mapping[str, frozenset[int]]]
) -> pa.Table:
    """Count what PubMed and Wikipedia bring, alone and together, in key terms and in tokens (SOURCES).

    From the key terms (rows of TERMS) and their documents (rows of MENTIONS); `token_ids` are the
    tokens of each wording by language model. A token counts for a source if a wording found there has it.
    """
    keys = {(term["phenotype"], term["term"]) for term in terms}
    carried = [m for m in mentions if (m["phenotype"], m["term"]) in keys]
    units: dict[str, list[Set]] = {"terms": [{m["term"]} for m in carried]}
    units |= {f"tokens of {name}": [ids[m["form"]] for m in carried] for name, ids in token_ids.items()}
    rows = []
    for unit, brought in units.items():
        for phenotype in [*dict.fromkeys(term["phenotype"] for term in terms), ALL]:
            by_source: dict[str, set] = {"pubmed": set(), "wikipedia": set()}
            for mention, members in zip(carried, brought, strict=True):
                if phenotype in (ALL, mention["phenotype"]):
                    by_source[mention["source"]] |= members
            rows.append({"unit": unit, "phenotype": phenotype} | _overlap(by_source["pubmed"], by_source["wikipedia"]))
    return pa.Table.from_pylist(rows, schema=SOURCES.schema)


def terms_of_source(terms: list[Row], mentions: list[Row], source: str) -> list[Row]:
    """Return the key terms (rows of TERMS) in documents of a source, with the wordings of that source.

    Key terms are those of both sources together; `knowledge.terms.sources` chooses others, from one source alone.
    """
    forms: dict[tuple[str, str], set[str]] = {}
    for mention in mentions:
        if mention["source"] == source:
            forms.setdefault((mention["phenotype"], mention["term"]), set()).add(mention["form"])
    pairs = [(term, forms.get((term["phenotype"], term["term"]))) for term in terms]
    return [term | {"forms": sorted(own)} for term, own in pairs if own]


def _overlap(pubmed: set, wikipedia: set) -> Row:
    return {
        "pubmed_only": len(pubmed - wikipedia),
        "wikipedia_only": len(wikipedia - pubmed),
        "both": len(pubmed & wikipedia),
        "jaccard": round(jaccard(pubmed, wikipedia), 4),
    }
