"""Command line of rule planted_predict."""

from pathlib import Path

from clinragen.evaluate.student_step import StudentStep
from clinragen.step import Context, Out, run


def planted_predict(context: Context, student: StudentStep, series_shuffled: Out, notes_shuffled: Out) -> None:
    """Write the outputs of a trained student for the test samples, each with the series or note of another sample."""
    from clinragen.evaluate.outcomes import report
    from clinragen.evaluate.parts import Parts
    from clinragen.evaluate.predict import predict
    from clinragen.evaluate.shuffle import shuffled_samples
    from clinragen.model.inputs import read_samples
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.runtime.context import Facts
    from clinragen.schemas.predictions import PREDICTIONS

    outputs, names = {"series": series_shuffled, "notes": notes_shuffled}, read_phenotypes(student.phenotypes)
    for name, samples in shuffled_samples(read_samples(student.files(), "test"), student.seed):
        kept = Parts(Path(student.parts), f"{context.fingerprint()}-{name}")
        table = predict(student.checkpoint, samples, names, student.decoding, student.batch, kept, student.base)
        PREDICTIONS.write(table, outputs[name])
        context.note(Facts({f"outputs_{name}_shuffled": report(table)}))
        context.after_commit(kept.remove)


if __name__ == "__main__":
    run(planted_predict)
