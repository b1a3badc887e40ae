# Stage evaluate: similarity of rationales to the teacher's, and their faithfulness (docs/decisions.md, "Rationales compared").
#
# takes  predictions of stages evaluate and asked, <results>/{dataset}/rationale/{teacher}/*, <results>/{dataset}/benchmark/*,
#        <results>/knowledge/terms.parquet, <results>/encoders/{encoder}
# makes  <results>/{dataset}/evaluate/bertscores.parquet   BERTScore of every rationale; restricted
#        <results>/{dataset}/evaluate/texts.csv            all measures of the rationales of a dataset
#        <results>/{dataset}/evaluate/findings.parquet     contradicted statements; restricted
#        <results>/tables/texts.csv, .html                 the measures of all datasets


if CONFIG.compared_models():

    localrules:
        evaluate_texts,
        evaluate_text_table,

    rule evaluate_texts:
        """Compute all measures of the rationales of a dataset, and list their contradicted statements."""
        input:
            cases="<results>/{dataset}/evaluate/cases.parquet",
            samples="<results>/{dataset}/benchmark/samples.parquet",
            labels="<results>/{dataset}/benchmark/labels.parquet",
            captions="<results>/{dataset}/benchmark/captions.parquet",
            courses="<results>/{dataset}/benchmark/courses.parquet",
            series="<results>/{dataset}/benchmark/series_test.arrow",
            scales="<results>/{dataset}/benchmark/scales.csv",
            fences="<results>/{dataset}/benchmark/fences.csv",
            terms=terms_of_compared(),
            predictions=compared_predictions,
            notes=reference_rationales("notes"),
            labs=reference_rationales("labs"),
            bertscores=bertscores_in_use,
            wordings="resources/phenotype_wordings.csv",
            lab_wordings="resources/lab_wordings.csv",
            stop_words="resources/stop_words.txt",
            rationale_words="resources/rationale_words.txt",
        output:
            scores="<results>/{dataset}/evaluate/texts.csv",
            findings="<results>/{dataset}/evaluate/findings.parquet",
        log:
            "<logs>/evaluate_texts/{dataset}.log",
        benchmark:
            "<timings>/evaluate_texts/{dataset}.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            code=code_digest("evaluate_texts"),
            sources=sources,
            runs=compared_runs,
            scaled=setting("benchmark.series.scaled"),
            dataset=title,
            bootstrap=setting("evaluate.bootstrap"),
        shell:
            "python scripts/evaluate_texts.py --cases {input.cases:q} --samples {input.samples:q} --labels {input.labels:q}"
            " --captions {input.captions:q} --courses {input.courses:q} --series {input.series:q}"
            " --scales {input.scales:q} --fences {input.fences:q} --terms {input.terms:q}"
            " --predictions {input.predictions:q} --runs {params.runs:q}"
            " --notes {input.notes:q} --labs {input.labs:q} --bertscores {input.bertscores:q}"
            " --wordings {input.wordings:q} --lab-wordings {input.lab_wordings:q}"
            " --stop-words {input.stop_words:q} --rationale-words {input.rationale_words:q}"
            " --scaled {params.scaled:q} --dataset {params.dataset:q} --bootstrap {params.bootstrap:q}"
            " --scores {output.scores:q} --findings {output.findings:q} > {log:q} 2>&1"

    rule evaluate_text_table:
        """Join the measures of the rationales of all datasets, as a table and as a page."""
        input:
            scores=text_scores(),
            templates=page_templates("texts"),
        output:
            table=report(
                "<results>/tables/texts.csv",
                caption="../docs/captions/texts.rst",
                category="Tables",
                labels={"table": "rationales compared", "form": "CSV"},
            ),
            page=report(
                "<results>/tables/texts.html",
                caption="../docs/captions/texts.rst",
                category="Tables",
                labels={"table": "rationales compared", "form": "page"},
            ),
        log:
            "<logs>/evaluate_text_table/all.log",
        benchmark:
            "<timings>/evaluate_text_table/all.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            code=code_digest("evaluate_text_table"),
            sources=sources,
            record=output_record("tables/texts.csv"),
        shell:
            "python scripts/evaluate_text_table.py --scores {input.scores:q} --templates {input.templates:q}"
            " --table {output.table:q} --page {output.page:q} > {log:q} 2>&1"


if CONFIG.compared_models() and CONFIG.evaluate.bertscore:

    rule evaluate_bertscore:
        """Compute the BERTScore of every rationale of the cases against the teacher's."""
        input:
            cases="<results>/{dataset}/evaluate/cases.parquet",
            samples="<results>/{dataset}/benchmark/samples.parquet",
            predictions=compared_predictions,
            notes=reference_rationales("notes"),
            labs=reference_rationales("labs"),
            encoder=encoder_of_bertscore(),
        output:
            scores="<results>/{dataset}/evaluate/bertscores.parquet",
        log:
            "<logs>/evaluate_bertscore/{dataset}.log",
        benchmark:
            "<timings>/evaluate_bertscore/{dataset}.jsonl"
        retries: 2
        conda:
            "../envs/train.yaml"
        threads: 1
        resources:
            gpu=1,
            mem_mb=scaled(CONFIG.evaluate.request.memory_mb),
            runtime=CONFIG.evaluate.request.minutes,
        params:
            code=code_digest("evaluate_bertscore"),
            runs=compared_runs,
            settings=setting("evaluate.bertscore"),
        shell:
            "python scripts/evaluate_bertscore.py --cases {input.cases:q} --samples {input.samples:q}"
            " --predictions {input.predictions:q} --runs {params.runs:q}"
            " --notes {input.notes:q} --labs {input.labs:q} --encoder {input.encoder:q}"
            " --settings {params.settings:q} --scores {output.scores:q} > {log:q} 2>&1"
