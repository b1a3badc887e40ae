"""The judges compared with people, text by text and as orders of the systems."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.disclosure import enough
from clinragen.evaluate.stats.agreement import Estimate, tau_of_systems
from clinragen.evaluate.stats.pairs import NAMES, TAU, compare_two
from clinragen.evaluate.study.scores import ALL, PEOPLE, agreement, agreement_row, first_ratings
from clinragen.schemas.judge import BY_RULE, RATINGS
from clinragen.schemas.ratings import AGREEMENT, AS_WRITTEN, CRITERIA

TEXT = ["stay_id", "system", "criterion"]


def agreement_of_all(ratings: pa.Table, judged: Sequence[Path], dataset: str, bootstrap: Bootstrap) -> pa.Table:
    """Agreement of people with each other and with the judges (AGREEMENT).

    `judged` are the tables `.../evaluate/judge/{llm}/ratings.parquet` of the dataset.
    """
    judges = {path.parts[-2]: RATINGS.read(path) for path in judged}
    own = agreement(ratings, dataset, bootstrap)
    return pa.concat_tables([own, agreement_with_judges(ratings, judges, dataset, bootstrap)])


def agreement_with_judges(
    ratings: pa.Table, judges: Mapping[str, pa.Table], dataset: str, bootstrap: Bootstrap
) -> pa.Table:
    """People against each judge (AGREEMENT); `ratings` are STUDY_RATINGS, `judges` RATINGS of the dataset by name.

    Over the rationales that people and judge have rated, as they were written: the mean of the people's ratings, and
    the judge's rating. `all` takes each criterion of each text as one. Intervals are over resampled cases, each of
    another patient; nothing is said of fewer than 11.
    """
    people = first_ratings(ratings).groupby(TEXT, as_index=False)["value"].mean()
    rows = []
    for name, table in judges.items():
        pairs = people.merge(_rated_by(table), on=TEXT, suffixes=("", " of judge"))
        for criterion in (*CRITERIA, ALL):
            own = pairs if criterion == ALL else pairs[pairs["criterion"] == criterion]
            found = _compared(own, bootstrap) if enough(own["stay_id"]) else {}
            for statistic in (*NAMES, TAU):
                estimate, n = found.get(statistic, Estimate(None)), len(own) if found else 0
                rows.append(agreement_row(dataset, f"{PEOPLE}, {name}", criterion, statistic, estimate, n))
    return pa.Table.from_pylist(rows, schema=AGREEMENT.schema)


def _rated_by(table: pa.Table) -> pd.DataFrame:
    """What a judge has rated itself, a row for each criterion of a text."""
    frame = table.to_pandas()
    frame = frame[(frame["condition"] == AS_WRITTEN) & (frame["status"] != BY_RULE)]
    long = frame.melt(["stay_id", "system"], list(CRITERIA), var_name="criterion")
    return long[long["value"].notna()]


def _compared(pairs: pd.DataFrame, bootstrap: Bootstrap) -> dict[str, Estimate]:
    first, second = (pairs[name].to_numpy(np.float64) for name in ("value", "value of judge"))
    tau = tau_of_systems(pairs["system"].to_numpy(str), first, second)
    return compare_two(first, second, pairs["stay_id"].to_numpy(), bootstrap) | {TAU: Estimate(tau)}
