# Stage evaluate: uncertainty of the scores of tables 1, 2 and 6.
#
# takes  predictions of stages evaluate and asked, <results>/{dataset}/benchmark/samples, labels
# makes  <results>/tables/intervals.csv          every score of every row with its interval over resampled patients
#        <results>/tables/comparisons.csv        differences between rows, tested over patients and over seeds
#        <results>/tables/phenotype_scores.csv   scores of each phenotype
#        <results>/tables/statistics.html        these on one page

if diagnosed_predictions():

    localrules:
        evaluate_statistics,

    rule evaluate_statistics:
        """Compute intervals, comparisons and phenotype scores for the rows of tables 1, 2 and 6."""
        input:
            predictions=diagnosed_predictions(),
            samples=of_datasets("<results>/{dataset}/benchmark/samples.parquet"),
            labels=of_datasets("<results>/{dataset}/benchmark/labels.parquet"),
            phenotypes="resources/phenotypes.csv",
            pairs="resources/paper_comparisons.csv",
            paper=[f"resources/paper_table{number}.csv" for number in paper.SCORED_TABLES],
            templates=page_templates("statistics"),
        output:
            intervals=report(
                "<results>/tables/intervals.csv",
                caption="../docs/captions/statistics.rst",
                category="Tables",
                labels={"table": "intervals", "form": "CSV"},
            ),
            comparisons=report(
                "<results>/tables/comparisons.csv",
                caption="../docs/captions/statistics.rst",
                category="Tables",
                labels={"table": "comparisons", "form": "CSV"},
            ),
            phenotype_scores=report(
                "<results>/tables/phenotype_scores.csv",
                caption="../docs/captions/statistics.rst",
                category="Tables",
                labels={"table": "phenotypes", "form": "CSV"},
            ),
            page=report(
                "<results>/tables/statistics.html",
                caption="../docs/captions/statistics.rst",
                category="Tables",
                labels={"table": "statistics", "form": "page"},
            ),
        log:
            "<logs>/evaluate_statistics/all.log",
        benchmark:
            "<timings>/evaluate_statistics/all.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 2
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            code=code_digest("evaluate_statistics"),
            sources=sources,
            record=output_record("tables/intervals.csv"),
            runs=diagnosed_runs,
            reference=setting("evaluate.reference"),
            bootstrap=setting("evaluate.bootstrap"),
        shell:
            "python scripts/evaluate_statistics.py --predictions {input.predictions:q}"
            " --samples {input.samples:q} --labels {input.labels:q} --phenotypes {input.phenotypes:q}"
            " --pairs {input.pairs:q} --paper {input.paper:q} --runs {params.runs:q}"
            " --reference {params.reference:q} --bootstrap {params.bootstrap:q} --templates {input.templates:q}"
            " --intervals {output.intervals:q} --comparisons {output.comparisons:q}"
            " --phenotype-scores {output.phenotype_scores:q} --page {output.page:q} > {log:q} 2>&1"
