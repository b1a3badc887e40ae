"""Paths and content of the raw tables that a job reads, by the source of the dataset."""

from pathlib import Path

import pytest

from clinragen.workflow.inputs import raw_tables, source_digest
from clinragen.workflow.status import configuration

ROOT = Path(__file__).parents[2]
OPEN_DEMOS = ("config/demo.yaml", "config/open-demo.yaml")


@pytest.mark.parametrize(
    ("dataset", "notes"), [("mimic3", "demo/NOTEEVENTS.csv.gz"), ("mimic4", "demo/note/discharge.csv.gz")]
)
def test_synthetic_notes_are_in_the_results_as_the_release_names_them(dataset, notes):
    config = configuration(ROOT, *OPEN_DEMOS)
    patients, notes_path = raw_tables(config, dataset, ["patients", "noteevents"])
    assert notes_path == f"<results>/{dataset}/{notes}"
    assert patients.startswith(f"{getattr(config.datasets, dataset).raw}/")


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
@pytest.mark.parametrize(("source", "counts"), [("open-demo", False), ("folder", True)])
def test_only_the_content_of_your_own_tables_makes_jobs_rerun(dataset, source, counts, tmp_path):
    config = configuration(ROOT, *OPEN_DEMOS)
    own = getattr(config.datasets, dataset).model_copy(update={"raw": str(tmp_path), "source": source})
    config = config.model_copy(update={"datasets": config.datasets.model_copy(update={dataset: own})})
    (path,) = raw_tables(config, dataset, ["patients"])
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    digests = set()
    for content in ("1\n", "22\n"):
        Path(path).write_text(content)
        digests.add(source_digest(config, [path]))
    assert len(digests) == 1 + counts
