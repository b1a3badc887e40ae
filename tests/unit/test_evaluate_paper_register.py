"""The register of claims: the paper's words, its numbers, and where it contradicts itself."""

import csv
import re
from pathlib import Path

import pytest

from clinragen.errors import UserError
from clinragen.evaluate.paper.claims import CONTRADICTED, HOLDS, NOT_PRINTED, TARGETS, assess, table_of
from clinragen.evaluate.paper.contradictions import (
    BEST,
    F1,
    TABLES,
    TEACHERS,
    TIME,
    WORDS,
    find_contradictions,
)
from clinragen.evaluate.paper.evidence import Evidence
from clinragen.evaluate.paper.kinds import cells_of, statements
from clinragen.evaluate.paper.register import Gain, read_claims
from clinragen.evaluate.paper.sources import NUMBERS, PRINTED, SCHEMAS, printed_evidence, printed_in_text
from clinragen.registry.paper_rows import read_paper_rows
from clinragen.workflow.inputs import BEHIND_CLAIMS

ROOT = Path(__file__).parents[2]
RESOURCES = ROOT / "resources"
PAPER = ROOT.parent / "shared" / "reference" / "paper_acl2025.txt"
CLAIMS = read_claims(RESOURCES / "claims.yaml")
PAPER_VALUES = printed_evidence([RESOURCES / f"{name}.csv" for name in PRINTED], printed_in_text(CLAIMS))
ASSESSED = assess(CLAIMS, PAPER_VALUES, Evidence({}))


def contradictions() -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for row in find_contradictions(PAPER_VALUES, ASSESSED).to_pylist():
        found.setdefault(row["kind"], []).append(row)
    return found


def test_there_are_claims_of_every_part_of_the_paper():
    assert len(CLAIMS) >= 30
    assert {c.section for c in CLAIMS} == {"Abstract", "Introduction", "4.1", "4.2", "4.3", "4.4", "5", "A.6"}


def test_every_quote_is_in_the_paper():
    if not PAPER.is_file():
        pytest.skip("the text of the paper (shared/reference) is not next to the checkout")

    def plain(text: str) -> str:
        return re.sub(r"[\s\-*]", "", text)  # hyphens at line ends, markup

    text = plain(PAPER.read_text(encoding="utf-8"))
    assert [c.quote for c in CLAIMS if plain(c.quote) not in text] == []


def test_every_number_of_a_quote_is_the_one_that_is_tested():
    """Percentages, as 1.1 %, are points of F1; `3%` is what 2.5 is rounded to, but not where it says `over`."""
    for claim in CLAIMS:
        for number in re.findall(r"(\d+(?:\.\d+)?)\s*%", claim.quote):
            assert isinstance(claim.test, Gain)
            bound = float(number) / 100
            assert claim.test.by == pytest.approx(bound if "over " in claim.quote.split("%")[0] else bound - 0.005)
        for number in re.findall(r"\((0\.\d+)\)", claim.quote):
            assert claim.test.printed == float(number)
    assert next(c.test.above for c in CLAIMS if c.quote.startswith("80×")) == 80
    assert next(c.test.below for c in CLAIMS if c.quote.startswith("less than half")) == 0.5


def test_every_row_of_a_table_is_one_of_the_paper():
    for claim in CLAIMS:
        for cell in cells_of(claim.test):
            if cell.source in ("table1", "table2", "table4", "table6", "times", "sizes"):
                assert cell in PAPER_VALUES.values, f"{claim.id}: {cell}"
            if cell.source in NUMBERS:
                rows = read_paper_rows(RESOURCES / "paper_rows.csv", NUMBERS[cell.source])
                assert cell.row in {row.model for row in rows}, f"{claim.id}: {cell}"


def test_verdicts_in_print():
    answers = {a.claim.id: a.print.verdict for a in ASSESSED}
    assert {name for name, verdict in answers.items() if verdict == CONTRADICTED} == {
        "multimodal-beats-single",
        "clinical-cot-best-baseline",
        "gain-over-3-all",
        "text-scores-follow-ratings",
        "teachers-alike",
    }
    not_printed = {name for name, verdict in answers.items() if verdict == NOT_PRINTED}
    rated = {c.id for c in CLAIMS if c.test.source in ("judge", "people", "discussion")}
    assert not_printed == rated | {"attention-improves-accuracy"}  # table 2 has no standard deviations
    assert sum(verdict == HOLDS for verdict in answers.values()) == len(CLAIMS) - len(not_printed) - 5


def test_the_numbers_in_print_are_those_of_the_tables():
    """Each is computed again from the files."""
    with (RESOURCES / "paper_table1.csv").open(encoding="utf-8") as file:
        table1 = {(r["dataset"], r["model"], r["metric"]): float(r["mean"]) for r in csv.DictReader(file)}
    trained = ["Flan-T5", "PROMPTEHR", "LLaMA-ft", "FROZEN", "EHR-KnowGen", "Clinical CoT -w/o TSE"]
    trained.append("Clinical CoT -w/ TSE")
    gains = [
        value - table1[dataset, other, metric]
        for (dataset, model, metric), value in table1.items()
        if model == "ClinRaGen" and metric.endswith("f1")
        for other in trained
    ]
    rows = {row["id"]: row for row in table_of(ASSESSED).to_pylist()}
    assert rows["gain-over-1-1"]["printed"] == pytest.approx(sum(gains) / len(gains), abs=5e-5)
    assert rows["less-than-half-the-time"]["printed"] == pytest.approx(94623 / 259113, abs=5e-5)
    assert rows["eighty-times-fewer-parameters"]["printed"] == pytest.approx(7000 / 87, abs=5e-5)
    assert rows["decoders-gain-3"]["printed"] == pytest.approx(0.0299, abs=1e-4)


def test_the_contradictions_are_those_found_by_reading_the_paper():
    found = contradictions()
    differences = {row["place"].split(", ", 1)[1]: round(row["printed"] - row["other"], 4) for row in found[F1]}
    assert differences == {
        "MIMIC-III, Clinical CoT -w/o TSE, micro F1": 0.0056,
        "MIMIC-III, Clinical CoT -w/ TSE, micro F1": 0.0057,
        "MIMIC-III, ClinRaGen*, micro F1": 0.0067,
        "MIMIC-IV, PROMPTEHR, micro F1": 0.0034,
    }
    cot = [(0.6323, 0.6311), (0.6021, 0.5969), (0.6925, 0.6905), (0.6643, 0.6612)]
    assert [(row["printed"], row["other"]) for row in found[TABLES]] == cot
    assert {row["place"] for row in found[TEACHERS]} == {
        "Table 6, MIMIC-IV, QWEN-2.5-0.5B, Clinical-COT, DeepSeek, macro F1",
        "Table 6, MIMIC-IV, QWEN-2.5-0.5B, ClinRaGen, DeepSeek, macro F1",
    }
    micro = [r for r in found[BEST] if ", ClinRaGen, micro" in r["place"]]
    assert [round(row["printed"] - row["other"], 4) for row in micro] == [0.0046, 0.006]
    assert all("LLaMA-ft" in row["meaning"] for row in micro)
    assert [row["other"] for row in found[TIME]] == [94623 + 604715 + 12636]
    assert len(found[WORDS]) == 5


def test_all_statements_of_a_claim_are_the_same_in_print_and_on_our_values():
    """The page shows them side by side."""
    for claim in CLAIMS:
        texts = [[s.text.split(": p =")[0] for s in statements(claim.test, e)] for e in (PAPER_VALUES, Evidence({}))]
        assert texts[0] == texts[1], claim.id


def test_every_source_has_a_file_and_the_workflow_knows_those_that_are_read():
    assert {cell.source for claim in CLAIMS for cell in cells_of(claim.test)} <= set(TARGETS)
    assert set(SCHEMAS) == set(BEHIND_CLAIMS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text + text, "duplicate claim ids"),
        (lambda text: text.replace("quote: ", f"quote: {'word ' * 13}", 1), "more than 12 words"),
        (lambda text: text.replace("kind: above", "kind: unknown", 1), "kind"),
        (lambda text: text.replace("section:", "sektion:", 1), "section"),
        (lambda text: "[", "restore it with git checkout"),
    ],
)
def test_a_damaged_register_is_rejected(tmp_path, change, message):
    path = tmp_path / "claims.yaml"
    path.write_text(change((RESOURCES / "claims.yaml").read_text(encoding="utf-8").split("- id: significance")[0]))
    with pytest.raises(UserError, match=message):
        read_claims(path)
