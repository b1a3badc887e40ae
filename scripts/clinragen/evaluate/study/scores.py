"""What the ratings of people say: means with intervals, agreement, and what is known of each rater."""

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
from clinragen.schemas.ratings import AGREEMENT, AS_WRITTEN, CRITERIA, RATING_SCORES
from clinragen.schemas.study import STUDY_RATERS, STUDY_RATINGS

PEOPLE = "people"
TWICE = "people, first and second time"
ALL = "all"
FORMS = ("ICC(A,1)", "ICC(C,1)", "ICC(A,k)")
# "Moderate intra-class (0.637) and inter-class (0.608) agreement": read as the agreement of single ratings, and as the
# mean correlation of two raters (docs/decisions.md, Human study).
PAPER = {(PEOPLE, ALL, "ICC(A,1)"): 0.637, (PEOPLE, ALL, "pearson"): 0.608}


def leave_out(ratings: pa.Table, failed_checks: int | None) -> pa.Table:
    """The ratings (STUDY_RATINGS) with those of raters who failed so many attention checks marked as not counted."""
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
            "every rater failed as many attention checks as evaluate.study.exclusion.failed_checks allows; look at "
            "their files, or set it to null to count them anyway"
        )


def failures(frame: pd.DataFrame) -> dict[str, int]:
    """Attention checks with at least one other answer than the text asks for, by rater."""
    checks = frame[frame["kind"] == "attention"]
    wrong = checks[checks["value"] != checks["expected"]]
    return wrong.groupby("rater")["item"].nunique().to_dict()


def rating_scores(
    ratings: pa.Table, key: pa.Table, patients: dict[int, int], dataset: str, bootstrap: Bootstrap
) -> pa.Table:
    """Mean ratings (RATING_SCORES) of every system and criterion, with intervals over resampled patients.

    Repeats and attention checks do not count. A rationale without text is not shown to be rated and counts as 1 for
    each of its raters, as with a judge. Rows of fewer than 11 patients are empty.
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
            place = {"dataset": dataset, "rater": PEOPLE, "system": system, "condition": AS_WRITTEN}
            rows.append(place | {"criterion": criterion} | _summary(values, stays, missing, patients, bootstrap))
    return pa.Table.from_pylist(rows, schema=RATING_SCORES.schema)


def _summary(
    values: np.ndarray, stays: np.ndarray, missing: Sequence[int], patients: dict[int, int], bootstrap: Bootstrap
) -> dict[str, object]:
    whose = np.array([patients[stay] for stay in stays.tolist()])
    if not enough(whose.tolist()):
        return dict.fromkeys(("mean", "std", "low", "high", "ratings", "cases", "empty"))
    (low,), (high,) = mean_interval(values[:, None], whose, bootstrap)
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
    """Agreement of the raters with each other, and of each with the same rater's second rating (AGREEMENT).

    The rated texts are pairs of case and system; `all` takes each criterion of each text as one. Intraclass
    correlations need every rating, so they are empty where each case has only some of the raters. The interval of the
    mean correlation is over resampled cases. Agreement about fewer than 11 of them is empty; what a rater says twice
    is about the rater, and is not.
    """
    frame = first_ratings(ratings)
    few, rows = not enough(frame["stay_id"]), []
    for criterion, own in [*((name, frame[frame["criterion"] == name]) for name in CRITERIA), (ALL, frame)]:
        texts = own.pivot(index=["stay_id", "system", "criterion"], columns="rater", values="value")
        matrix, cases = texts.to_numpy(float), texts.index.get_level_values("stay_id").to_numpy()
        forms = icc(matrix) if not np.isnan(matrix).any() else dict.fromkeys(FORMS, Estimate(None))
        found = {form: forms[form] for form in FORMS}
        found |= {name: Estimate(value) for name, value in mean_pairwise(matrix).items()}
        found["pearson"] = Estimate(found["pearson"].value, *mean_pearson_interval(matrix, cases, bootstrap))
        found["alpha"] = Estimate(krippendorff_alpha(matrix))
        found = dict.fromkeys(found, Estimate(None)) if few else found
        rows += [agreement_row(dataset, PEOPLE, criterion, name, e, len(matrix)) for name, e in found.items()]
        pairs = _pairs(ratings, criterion)
        found = {"ICC(A,1)": icc(pairs)["ICC(A,1)"] if len(pairs) else Estimate(None)}
        found["kappa"] = Estimate(weighted_kappa(pairs[:, 0], pairs[:, 1]))
        found["same"] = Estimate(float(np.mean(pairs[:, 0] == pairs[:, 1])) if len(pairs) else None)
        rows += [agreement_row(dataset, TWICE, criterion, name, e, len(pairs)) for name, e in found.items()]
    return pa.Table.from_pylist(rows, schema=AGREEMENT.schema)


def agreement_row(dataset: str, raters: str, criterion: str, name: str, found: Estimate, n: int) -> dict[str, object]:
    """A row of AGREEMENT, with the paper's value where it has one."""
    bounds = {bound: None if value is None else round(value, 4) for bound, value in found._asdict().items()}
    paper = PAPER.get((raters, criterion, name))
    place = {"dataset": dataset, "raters": raters, "criterion": criterion, "statistic": name}
    return place | bounds | {"n": n, "paper": paper}


def raters_table(ratings: pa.Table, key: pa.Table, patients: dict[int, int], failed_checks: int | None) -> pa.Table:
    """What is known of each rater (STUDY_RATERS), those who sent nothing too."""
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
        left_out = failed_checks is not None and failed.get(rater, 0) >= failed_checks
        few = not enough(patients[stay] for stay in own["stay_id"])
        pairs = _pairs(ratings, ALL, rater)
        rows.append(
            row
            | {
                "status": "left out (failed attention checks)" if left_out else "counted",
                "failed": failed.get(rater, 0),
                "mean": None if few else round(float(own["value"].mean()), 4),
                "repeated": len(pairs),
                "same": round(float(np.mean(pairs[:, 0] == pairs[:, 1])), 4) if len(pairs) else None,
            }
        )
    return pa.Table.from_pylist(rows, schema=STUDY_RATERS.schema)


def first_ratings(ratings: pa.Table) -> pd.DataFrame:
    """First ratings of rationales by raters who count."""
    frame = ratings.to_pandas()
    return frame[frame["counted"] & (frame["kind"] == "case")]


def _pairs(ratings: pa.Table, criterion: str, rater: str | None = None) -> np.ndarray:
    """First and second rating [ratings, 2] of what a rater who counts (or this rater) was shown twice."""
    frame = ratings.to_pandas()
    frame = frame[frame["rater"] == rater] if rater else frame[frame["counted"]]
    if criterion != ALL:
        frame = frame[frame["criterion"] == criterion]
    of = ["rater", "stay_id", "system", "criterion"]
    first, second = (frame[frame["kind"] == kind].set_index(of)["value"] for kind in ("case", "repeat"))
    return np.stack([first.loc[second.index].to_numpy(float), second.to_numpy(float)], axis=1)
