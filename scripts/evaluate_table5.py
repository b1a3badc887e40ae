"""Command line of rule evaluate_table5."""

from pathlib import Path

from clinragen.config.rows import RowNames
from clinragen.evaluate.paper.arguments import TableForms
from clinragen.step import Context, run


def evaluate_table5(
    context: Context, forms: TableForms, captions: list[Path], samples: list[Path], datasets: RowNames, variables: Path
) -> None:
    """Count the sentences of the captions that match the paper's, as CSV, Markdown, LaTeX and a page."""
    import pyarrow as pa

    from clinragen.evaluate.paper.captions import read_templates, shown_templates, templates_page, templates_table
    from clinragen.registry.variables import read_variables
    from clinragen.schemas.benchmark import CAPTIONS, SAMPLES
    from clinragen.schemas.paper import TEMPLATES

    names, sentences, tables = [v.name for v in read_variables(variables)], read_templates(forms.paper), []
    for dataset, path, described in zip(datasets.names, captions, samples, strict=True):
        rows = SAMPLES.read(described, ("stay_id", "subject_id")).to_pylist()
        patients = {row["stay_id"]: row["subject_id"] for row in rows}
        tables.append(templates_table(dataset, CAPTIONS.read(path), patients, sentences, names))
        context.made_of({"dataset": dataset}, [path, described])
    counted, stand_ins = pa.concat_tables(tables), sorted(context.stand_ins)
    TEMPLATES.write(counted, forms.table)
    forms.write(shown_templates(counted, stand_ins), templates_page(counted, stand_ins, forms.templates))


if __name__ == "__main__":
    run(evaluate_table5)
