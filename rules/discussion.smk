# Stage evaluate: the questions of the paper's discussion, answered by data.
#
# takes predictions of stages evaluate and asked, <results>/{dataset}/benchmark/samples, labels, leakage, names,
#       <results>/{dataset}/extract/groups.parquet, the note rationales of the student's teacher
# makes <results>/tables/discussion.csv, .html   bias, subgroups, knowledge, parity, contamination, leakage

if has_student():

    localrules:
        evaluate_discussion,

    rule evaluate_discussion:
        """Bias, subgroups, knowledge, parity, contamination and leakage, each with its interval."""
        input:
            predictions=discussed_predictions(),
            samples=of_datasets("<results>/{dataset}/benchmark/samples.parquet"),
            labels=of_datasets("<results>/{dataset}/benchmark/labels.parquet"),
            groups=of_datasets("<results>/{dataset}/extract/groups.parquet"),
            leakage=of_datasets("<results>/{dataset}/benchmark/leakage.csv"),
            named=of_datasets("<results>/{dataset}/benchmark/names.parquet"),
            rationales=note_rationales_of_student(),
            phenotypes="resources/phenotypes.csv",
            wordings="resources/phenotype_wordings.csv",
            templates=page_templates("discussion"),
        output:
            table=table_in_report("<results>/tables/discussion.csv", "discussion", "discussion"),
            page=table_in_report("<results>/tables/discussion.html", "discussion", "discussion"),
        log:
            "<logs>/evaluate_discussion/all.log",
        benchmark:
            "<timings>/evaluate_discussion/all.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            code=code_digest("evaluate_discussion"),
            sources=sources,
            rows=discussed_rows,
            bootstrap=setting("evaluate.bootstrap"),
        shell:
            "python scripts/evaluate_discussion.py --predictions {input.predictions:q} --samples {input.samples:q}"
            " --labels {input.labels:q} --groups {input.groups:q} --leakage {input.leakage:q}"
            " --named {input.named:q} --rationales {input.rationales:q} --phenotypes {input.phenotypes:q}"
            " --wordings {input.wordings:q} --rows {params.rows:q} --bootstrap {params.bootstrap:q}"
            " --templates {input.templates:q} --table {output.table:q} --page {output.page:q} > {log:q} 2>&1"
