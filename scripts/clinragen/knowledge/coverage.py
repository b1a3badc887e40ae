"""How much of V^k each phenotype brings, how far phenotypes share it, and which sources it comes from."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from clinragen.knowledge.ranking import jaccard
from clinragen.knowledge.vocabulary import Origin, Pieces
from clinragen.schemas.knowledge import COVERAGE, SOURCES

ALL = "all"
Row = dict[str, Any]


def coverage(terms: list[Row], found: Mapping[int, Origin], kinds: Pieces, without: frozenset[int]) -> pa.Table:
    """Coverage and overlap of V^k (COVERAGE): a row per phenotype and one of all.

    `found` are the tokens of the key terms (rows of TERMS), `without` those that the settings leave out of V^k.
    """
    phenotypes = list(dict.fromkeys(term["phenotype"] for term in terms))
    printed = {p: {i for i, origin in found.items() if p in origin.phenotypes} for p in phenotypes}
    kept = {p: ids - without for p, ids in printed.items()}
    rows = []
    for phenotype in phenotypes:
        others = {other: round(jaccard(kept[phenotype], kept[other]), 4) for other in phenotypes if other != phenotype}
        nearest = max(others, key=lambda other: others[other], default=None)
        rows.append(
            {
                "phenotype": phenotype,
                "terms": sum(term["phenotype"] == phenotype for term in terms),
                "only": sum(found[i].phenotypes == {phenotype} for i in kept[phenotype]),
                "jaccard_mean": _mean(others.values()),
                "jaccard_max": others.get(nearest),
                "nearest": nearest,
            }
            | _sizes(printed[phenotype], set(found) - without, kinds, without)
        )
    total = {
        "phenotype": ALL,
        "terms": len({term["term"] for term in terms}),
        "only": sum(row["only"] for row in rows),
        "jaccard_mean": _mean(row["jaccard_mean"] for row in rows if row["jaccard_mean"] is not None),
        "jaccard_max": max((row["jaccard_max"] for row in rows if row["jaccard_max"] is not None), default=None),
        "nearest": None,
    }
    rows.append(total | _sizes(set(found), set(found) - without, kinds, without))
    return pa.Table.from_pylist(rows, schema=COVERAGE.schema)


def _sizes(printed: set[int], whole: set[int], kinds: Pieces, without: frozenset[int]) -> Row:
    kept = printed - without
    return {
        "tokens": len(kept),
        "share": round(len(kept) / len(whole), 4) if whole else 0.0,
        "as_printed": len(printed),
        "stop_word_pieces": len(printed & kinds.stop_words),
        "one_letter_pieces": len(printed & kinds.one_letter),
        "without_both": len(printed - kinds.stop_words - kinds.one_letter),
    }


def _mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return round(sum(values) / len(values), 4) if values else None


def source_overlap(
    terms: list[Row], mentions: list[Row], token_ids: Mapping[str, Mapping[str, frozenset[int]]]
) -> pa.Table:
    """What PubMed and Wikipedia bring, alone and together (SOURCES), in key terms and in tokens.

    From the key terms (rows of TERMS) and the documents that carry them (rows of MENTIONS); `token_ids` are the
    tokens of each wording by language model. A token counts for a source if a wording found there has it.
    """
    chosen = {(term["phenotype"], term["term"]) for term in terms}
    carried = [m for m in mentions if (m["phenotype"], m["term"]) in chosen]
    units = {"terms": lambda m: {m["term"]}}
    units |= {f"tokens of {name}": lambda m, ids=ids: ids[m["form"]] for name, ids in token_ids.items()}
    rows = []
    for unit, of_mention in units.items():
        for phenotype in [*dict.fromkeys(term["phenotype"] for term in terms), ALL]:
            found: dict[str, set] = {"pubmed": set(), "wikipedia": set()}
            for mention in carried:
                if phenotype in (ALL, mention["phenotype"]):
                    found[mention["source"]] |= of_mention(mention)
            rows.append({"unit": unit, "phenotype": phenotype} | _overlap(found["pubmed"], found["wikipedia"]))
    return pa.Table.from_pylist(rows, schema=SOURCES.schema)


def _overlap(pubmed: set, wikipedia: set) -> Row:
    return {
        "pubmed_only": len(pubmed - wikipedia),
        "wikipedia_only": len(wikipedia - pubmed),
        "both": len(pubmed & wikipedia),
        "jaccard": round(jaccard(pubmed, wikipedia), 4),
    }
