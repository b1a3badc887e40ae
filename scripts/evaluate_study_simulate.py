"""Command line of rule evaluate_study_simulate."""

from pathlib import Path

from clinragen.step import Context, Out, run


def evaluate_study_simulate(context: Context, key: Path, seed: int, responses: Out) -> None:
    """Write the ratings of simulated raters to files, as the forms do."""
    from clinragen.evaluate.study.responses import write_responses
    from clinragen.evaluate.study.simulate import simulate_raters
    from clinragen.schemas.study import STUDY_KEY

    context.stand_in("simulated raters")
    table = STUDY_KEY.read(key)
    responses.path.mkdir()
    for rater, values in simulate_raters(table, seed).items():
        write_responses(table["study"][0].as_py(), rater, values, responses.path / f"responses-{rater}.csv")


if __name__ == "__main__":
    run(evaluate_study_simulate)
