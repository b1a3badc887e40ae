"""Agreement of people with each judge, by text and by ranking of the systems."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.disclosure import enough
from clinragen.evaluate.stats.agreement import Estimate, tau_of_systems
from clinragen.evaluate.stats.pairs import NAMES, TAU, compare_two
from clinragen.evaluate.study.scores import PEOPLE, agreement, agreement_row, first_ratings
from clinragen.schemas.judge import BY_RULE, RATINGS
from clinragen.schemas.ratings import AGREEMENT, ALL, AS_WRITTEN, CRITERIA

TEXT = ["stay_id", "system", "criterion"]


def agreement_of_all(ratings: pa.Table, judged: Sequence[Path], dataset: str, bootstrap: Bootstrap) -> pa.Table:
    """Return the agreement of people with each other and with the judges (AGREEMENT).

    `judged` are the tables `.../evaluate/judge/{llm}/ratings.parquet` of the dataset.
    """
    judges = {path.parts[-2]: RATINGS.read(path) for path in judged}
    own = agreement(ratings, dataset, bootstrap)
    return pa.concat_tables([own, agreement_with_judges(ratings, judges, dataset, bootstrap)])


def agreement_with_judges(
    ratings: pa.Table, judges: Mapping[str, pa.Table], dataset: str, bootstrap: Bootstrap
) -> pa.Table:
    """Compare people with each judge (AGREEMENT); `ratings` are STUDY_RATINGS, `judges` RATINGS of the dataset by name.

    Compares the mean rating of people with the judge's, over original rationales that both rated. `all` treats each
    criterion of each text as a separate target. Intervals are over resampled cases, each of a different patient;
    statistics of fewer than 11 are empty.
    """
    people = first_ratings(ratings).groupby(TEXT, as_index=False)["value"].mean()
    rows = []
    for name, table in judges.items():
        pairs = people.merge(_rated_by(table), on=TEXT, suffixes=("", " of judge"))
        for criterion in (*CRITERIA, ALL):
            own = pairs if criterion == ALL else pairs[pairs["criterion"] == criterion]
            shown = enough(own["stay_id"])
            statistics = _compared(own, bootstrap) if shown else dict.fromkeys((*NAMES, TAU), Estimate(None))
            rows += [
                agreement_row(dataset, f"{PEOPLE}, {name}", criterion, statistic, estimate, len(own) if shown else 0)
                for statistic, estimate in statistics.items()
            ]
    return pa.Table.from_pylist(rows, schema=AGREEMENT.schema)


def _rated_by(table: pa.Table) -> pd.DataFrame:
    """Return the judge's ratings, except those by rule, with a row for each criterion of a text."""
    frame = table.to_pandas()
    frame = frame[(frame["condition"] == AS_WRITTEN) & (frame["status"] != BY_RULE)]
    long = frame.melt(["stay_id", "system"], list(CRITERIA), var_name="criterion")
    return long[long["value"].notna()]


def _compared(pairs: pd.DataFrame, bootstrap: Bootstrap) -> dict[str, Estimate]:
    first, second = (pairs[name].to_numpy(np.float64) for name in ("value", "value of judge"))
    tau = tau_of_systems(pairs["system"].to_numpy(str), first, second)
    return compare_two(first, second, pairs["stay_id"].to_numpy(), bootstrap) | {TAU: Estimate(tau)}
