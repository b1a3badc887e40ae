"""The page on the uncertainty of the scores."""

import pyarrow as pa
import pytest
from pages import statistics, templates

from clinragen.config.evaluate import Bootstrap
from clinragen.evaluate.paper.comparison import PaperCell
from clinragen.evaluate.statistics import Statistics
from clinragen.evaluate.statistics_page import VERDICTS, power, statistics_page, verdict

PAPER = [PaperCell("MIMIC-III", row, "micro_f1", 0.5, None) for row in ("ClinRaGen", "<i>theirs</i>", "LLaMA-ft")]


def page(found: Statistics, reference: str = "ClinRaGen", stand_ins: tuple[str, ...] = ()) -> str:
    settings = Bootstrap(replicates=10_000, seed=1)
    return " ".join(
        statistics_page(found, PAPER, reference, settings, list(stand_ins), templates("statistics")).split()
    )


@pytest.mark.parametrize(
    ("patients", "seeds", "said"),
    [
        (0.01, 0.01, "differs"),
        (0.01, None, "differs in these runs"),
        (0.01, 0.06, "differs in these runs only"),
        (0.06, 0.01, "differs on these patients only"),
        (0.05, 0.05, "no difference shown"),
        (0.06, None, "no difference shown"),
    ],
)
def test_a_verdict_is_of_both_tests(patients, seeds, said):
    assert verdict({"p_patients_holm": patients, "p_welch_holm": seeds}) == said
    assert said in VERDICTS


@pytest.mark.parametrize(
    ("paper", "said"), [(0.02, "large enough"), (-0.02, "large enough"), (0.019, "too small"), (None, None)]
)
def test_whether_the_paper_could_have_shown_it_on_this_split(paper, said):
    assert power({"paper_difference": paper, "detectable": 0.02}) == said


def test_a_synthetic_split_does_not_judge_the_papers_differences():
    assert "differences that the paper prints for these rows" in page(statistics())
    text = page(statistics(), stand_ins=("synthetic cohort",))
    assert "differences that the paper prints" not in text and "<small>too small</small>" not in text


def test_names_are_escaped_and_values_lead_to_their_lineage():
    text = page(statistics())
    assert "&lt;i&gt;theirs&lt;/i&gt;" in text and "<i>theirs" not in text
    assert "../audit/lineage.html#tables/intervals.csv/MIMIC-III/ClinRaGen" in text
    assert "../audit/lineage.html#tables/comparisons.csv/MIMIC-III/ClinRaGen/%3Ci%3Etheirs" in text


def test_the_page_explains_its_numbers():
    text = page(statistics(), stand_ins=("tiny model",))
    for words in (
        "Made with stand-ins:</b> tiny model",
        "10,000 times",
        "0.11, which are read as percentage points: 0.0011",
        "40 test samples of 20 patients",
        "Rows of the paper's tables without a run: 1",
        "LLaMA-ft",
        "With a probability of 80 % a test of one comparison, without correction",
        "Hidden, because fewer than 11 patients",
    ):
        assert words in text, words


def test_rows_and_differences_have_ids_and_the_heads_say_what_is_corrected():
    text = page(statistics())
    assert '<th scope="row" id="mimic-iii-clinragen">' in text
    assert ' id="mimic-iii-micro-f1-clinragen-minus--i-theirs--i-">' in text
    for words in ("95 % interval, uncorrected", "p over patients, corrected"):
        assert f'<th scope="col">{words}</th>' in text and f'data-label="{words}"' in text
    assert text.index('id="differences"') < text.index("<h2>MIMIC-III</h2>") < text.index('href="#differences"')


def test_the_page_says_that_the_reference_has_no_runs():
    found = statistics()
    alone = Statistics(found.intervals, found.comparisons.slice(0, 0), found.phenotypes)
    text = page(alone, reference="ClinRaGen*")
    assert "Row ClinRaGen*, with which every other row is compared" in text and "has no run" in text
    assert "Differences in" not in text and "Phenotypes of MIMIC-III" not in text
    assert isinstance(found.intervals, pa.Table)
