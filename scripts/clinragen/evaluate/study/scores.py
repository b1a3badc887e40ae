"""Ratings of people: means with intervals, agreement, and a summary of each rater."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from clinragen.config.evaluate import Bootstrap
from clinragen.disclosure import enough, shown
from clinragen.errors import UserError
from clinragen.evaluate.stats.agreement import Estimate, icc, krippendorff_alpha, mean_pairwise, weighted_kappa
from clinragen.evaluate.stats.correlations import mean_pearson_interval
from clinragen.evaluate.stats.means import mean_interval
from clinragen.schemas.ratings import AGREEMENT, ALL, AS_WRITTEN, CRITERIA, RATING_SCORES
from clinragen.schemas.study import STUDY_RATERS, STUDY_RATINGS

PEOPLE = "people"
TWICE = "people, first and second time"
FORMS = ("ICC(A,1)", "ICC(C,1)", "ICC(A,k)")
# "Moderate intra-class (0.637) and inter-class (0.608) agreement", interpreted as the agreement of single ratings and
# as the mean correlation of two raters (docs/decisions.md, Human study).
PAPER = {(PEOPLE, ALL, "ICC(A,1)"): 0.637, (PEOPLE, ALL, "pearson"): 0.608}


def leave_out(ratings: pa.Table, failed_checks: int | None) -> pa.Table:
    """Mark the ratings (STUDY_RATINGS) of raters who failed `failed_checks` attention checks or more as not counted."""
    if failed_checks is None:
        return ratings
    frame = ratings.to_pandas()
    failed = failures(frame)
    frame["counted"] = ~frame["rater"].map(lambda rater: failed.get(rater, 0) >= failed_checks)
    return pa.Table.from_pandas(frame, schema=STUDY_RATINGS.schema, preserve_index=False)


def stop_without_raters(ratings: pa.Table) -> None:
    """Raise UserError if no rater counts."""
    if not any(ratings["counted"].to_pylist()):
        raise UserError(
            "every rater failed the number of attention checks in evaluate.study.exclusion.failed_checks, so none "
            "counts; look at their files, or set it to null to count them anyway"
        )


def failures(frame: pd.DataFrame) -> dict[str, int]:
    """Return the number of failed attention checks (with at least one wrong rating) by rater."""
    checks = frame[frame["kind"] == "attention"]
    wrong = checks[checks["value"] != checks["expected"]]
    return wrong.groupby("rater")["item"].nunique().to_dict()


def rating_scores(
    ratings: pa.Table, key: pa.Table, patients: dict[int, int], dataset: str, bootstrap: Bootstrap
) -> pa.Table:
    """Return the mean rating of every system and criterion with intervals over resampled patients (RATING_SCORES).

    Repeats and attention checks do not count. A rationale without text is not rated and counts as 1 for each of its
    raters, as with a judge. Rows of fewer than 11 patients are empty.
    """
    frame = first_ratings(ratings)
    counted = set(frame["rater"])
    rows = []
    texts = [row for row in key.to_pylist() if row["kind"] == "case" and row["rater"] in counted]
    for system in dict.fromkeys(sorted(row["system"] for row in texts)):
        missing = [row["stay_id"] for row in texts if row["system"] == system and row["without_text"]]
        for criterion in CRITERIA:
            own = frame[(frame["system"] == system) & (frame["criterion"] == criterion)]
            values = np.concatenate([own["value"].to_numpy(np.int64), np.ones(len(missing), np.int64)])
            stays = np.concatenate([own["stay_id"].to_numpy(np.int64), np.array(missing, np.int64)])
            key_columns = {"dataset": dataset, "rater": PEOPLE, "system": system, "condition": AS_WRITTEN}
            rows.append(key_columns | {"criterion": criterion} | _summary(values, stays, missing, patients, bootstrap))
    return pa.Table.from_pylist(rows, schema=RATING_SCORES.schema)


def _summary(
    values: np.ndarray, stays: np.ndarray, missing: Sequence[int], patients: dict[int, int], bootstrap: Bootstrap
) -> dict[str, object]:
    owners = np.array([patients[stay] for stay in stays.tolist()])
    if not enough(owners.tolist()):
        return {}
    (low,), (high,) = mean_interval(values[:, None], owners, bootstrap)
    return {
        "mean": round(float(values.mean()), 4),
        "std": round(float(values.std(ddof=1)), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "ratings": len(values),
        "cases": len(set(stays.tolist())),
        "empty": shown(len(set(missing))),
    }


def agreement(ratings: pa.Table, dataset: str, bootstrap: Bootstrap) -> pa.Table:
    """Return the agreement of the raters, and of each rater's first and second rating (AGREEMENT).

    The rated texts are pairs of case and system; `all` treats each criterion of each text as a separate target. The
    interval of the mean correlation is over resampled cases. Agreement about fewer than 11 cases is empty, except that
    of repeated ratings, which describes the rater.
    """
    frame = first_ratings(ratings)
    few, rows = not enough(frame["stay_id"]), []
    for criterion in (*CRITERIA, ALL):
        statistics, texts = _among(frame if criterion == ALL else frame[frame["criterion"] == criterion], bootstrap)
        statistics = dict.fromkeys(statistics, Estimate(None)) if few else statistics
        rows += [agreement_row(dataset, PEOPLE, criterion, name, e, texts) for name, e in statistics.items()]
        pairs = _pairs(ratings, criterion)
        twice = {
            "ICC(A,1)": icc(pairs)["ICC(A,1)"],
            "kappa": Estimate(weighted_kappa(pairs[:, 0], pairs[:, 1])),
            "same": Estimate(_share_of_equal(pairs)),
        }
        rows += [agreement_row(dataset, TWICE, criterion, name, e, len(pairs)) for name, e in twice.items()]
    return pa.Table.from_pylist(rows, schema=AGREEMENT.schema)


def _among(ratings: pd.DataFrame, bootstrap: Bootstrap) -> tuple[dict[str, Estimate], int]:
    """Return the statistics of agreement among raters, and the number of rated texts.

    Intraclass correlations need every rating, so they are empty if each case has only some of the raters.
    """
    texts = ratings.pivot(index=["stay_id", "system", "criterion"], columns="rater", values="value")
    matrix, cases = texts.to_numpy(float), texts.index.get_level_values("stay_id").to_numpy()
    forms = icc(matrix) if not np.isnan(matrix).any() else dict.fromkeys(FORMS, Estimate(None))
    means = mean_pairwise(matrix)
    statistics = {form: forms[form] for form in FORMS} | {
        "pearson": Estimate(means["pearson"], *mean_pearson_interval(matrix, cases, bootstrap)),
        "spearman": Estimate(means["spearman"]),
        "alpha": Estimate(krippendorff_alpha(matrix)),
    }
    return statistics, len(matrix)


def agreement_row(
    dataset: str, raters: str, criterion: str, statistic: str, estimate: Estimate, n: int
) -> dict[str, object]:
    """Return a row of AGREEMENT, with the paper's value if it has one."""
    bounds = {bound: None if value is None else round(value, 4) for bound, value in estimate._asdict().items()}
    paper = PAPER.get((raters, criterion, statistic))
    key = {"dataset": dataset, "raters": raters, "criterion": criterion, "statistic": statistic}
    return key | bounds | {"n": n, "paper": paper}


def raters_table(ratings: pa.Table, key: pa.Table, patients: dict[int, int]) -> pa.Table:
    """Return a summary of each rater, including those who sent nothing (STUDY_RATERS)."""
    frame, forms = ratings.to_pandas(), key.to_pandas()
    failed = failures(frame)
    rows = []
    for rater, form in forms.groupby("rater"):
        own = frame[(frame["rater"] == rater) & (frame["kind"] == "case")]
        items = form.drop_duplicates("item")["kind"].value_counts()
        row = {"rater": rater, "cases": int(items.get("case", 0)), "checks": int(items.get("attention", 0))}
        if own.empty:
            rows.append(row | {"status": "absent"})
            continue
        few = not enough(patients[stay] for stay in own["stay_id"])
        pairs = _pairs(ratings, ALL, rater)
        same = _share_of_equal(pairs)
        rows.append(
            row
            | {
                "status": "counted" if own["counted"].all() else "left out (failed attention checks)",
                "failed": failed.get(rater, 0),
                "mean": None if few else round(float(own["value"].mean()), 4),
                "repeated": len(pairs),
                "same": None if same is None else round(same, 4),
            }
        )
    return pa.Table.from_pylist(rows, schema=STUDY_RATERS.schema)


def first_ratings(ratings: pa.Table) -> pd.DataFrame:
    """Return the first ratings of rationales by counted raters."""
    frame = ratings.to_pandas()
    return frame[frame["counted"] & (frame["kind"] == "case")]


def _pairs(ratings: pa.Table, criterion: str, rater: str | None = None) -> np.ndarray:
    """Return the first and second rating [ratings, 2] of repeated texts, by counted raters or by this rater."""
    frame = ratings.to_pandas()
    frame = frame[frame["rater"] == rater] if rater else frame[frame["counted"]]
    if criterion != ALL:
        frame = frame[frame["criterion"] == criterion]
    index = ["rater", "stay_id", "system", "criterion"]
    first, second = (frame[frame["kind"] == kind].set_index(index)["value"] for kind in ("case", "repeat"))
    return np.stack([first.loc[second.index].to_numpy(float), second.to_numpy(float)], axis=1)


def _share_of_equal(pairs: np.ndarray) -> float | None:
    return float(np.mean(pairs[:, 0] == pairs[:, 1])) if len(pairs) else None
