"""Command line of rule evaluate_predict."""

from pathlib import Path

from clinragen.evaluate.student_step import StudentStep
from clinragen.step import Context, Out, run


def evaluate_predict(context: Context, student: StudentStep, predictions: Out) -> None:
    """Write the outputs of a trained student for all test samples; one that reads notes alone gets no series."""
    from clinragen.evaluate.outcomes import report
    from clinragen.evaluate.parts import Parts
    from clinragen.evaluate.predict import predict
    from clinragen.model.inputs import read_samples
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.runtime.context import Facts
    from clinragen.schemas.predictions import PREDICTIONS

    samples, names = read_samples(student.files(), "test"), read_phenotypes(student.phenotypes)
    kept = Parts(Path(student.parts), context.fingerprint())
    table = predict(student.checkpoint, samples, names, student.decoding, student.batch, kept, student.base)
    PREDICTIONS.write(table, predictions)
    context.note(Facts({"outputs": report(table)}))
    context.after_commit(kept.remove)


if __name__ == "__main__":
    run(evaluate_predict)
