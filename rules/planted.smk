# Stage planted: does a student read the notes and the labs? Rules exist only where evidence is planted.
#
# takes  checkpoints and predictions of every trained model, <results>/{dataset}/benchmark/*, resources/demo/evidence.yaml
# makes  <results>/{dataset}/planted/{model}/seed{seed}/series-shuffled.parquet   outputs with exchanged series
#        <results>/{dataset}/planted/{model}/seed{seed}/notes-shuffled.parquet    outputs with exchanged notes
#        <results>/{dataset}/planted/{model}/seed{seed}/scores.csv, statements.csv   F1 by group; truth of lab rationales
#        <results>/tables/planted.csv, planted_statements.csv, planted.html       all runs


if CONFIG.planted_datasets():

    localrules:
        planted_scores,
        planted_page,

    rule planted_predict:
        """Predict the test samples with the series, and with the notes, of other samples."""
        input:
            checkpoint=checkpoint_of,
            base=base_of_model,
            labels="<results>/{dataset}/benchmark/labels.parquet",
            notes=note_tokens_of_model,
            captions=captions_of_model,
            features=features_of_model,
            series=series_of_model,
            phenotypes="resources/phenotypes.csv",
        output:
            series="<results>/{dataset}/planted/{model}/seed{seed}/series-shuffled.parquet",
            notes="<results>/{dataset}/planted/{model}/seed{seed}/notes-shuffled.parquet",
        log:
            "<logs>/planted_predict/{dataset}-{model}-seed{seed}.log",
        benchmark:
            "<timings>/planted_predict/{dataset}-{model}-seed{seed}.jsonl"
        wildcard_constraints:
            model=any_of(CONFIG.models),
        retries: 2
        conda:
            "../envs/train.yaml"
        threads: 1
        resources:
            gpu=1,
            mem_mb=memory("evaluate"),
            runtime=minutes("evaluate"),
            batch=decoded_together,
        params:
            code=code_digest("planted_predict"),
            sources=sources,
            decoding=setting("evaluate.decoding"),
            parts=scratch("{dataset}/planted/{model}/seed{seed}/parts"),
        shell:
            "python scripts/planted_predict.py --checkpoint {input.checkpoint:q} --base {input.base:q}"
            " --labels {input.labels:q} --notes {input.notes:q}"
            " --captions {input.captions:q} --features {input.features:q}"
            " --series {input.series:q} --phenotypes {input.phenotypes:q}"
            " --decoding {params.decoding:q} --batch {resources.batch:q} --seed {wildcards.seed:q}"
            " --parts {params.parts:q}"
            " --series-shuffled {output.series:q} --notes-shuffled {output.notes:q} > {log:q} 2>&1"

    rule planted_classifier:
        """Classify the test samples with the series, and with the notes, of other samples."""
        input:
            checkpoint=checkpoint_of_classifier,
            samples="<results>/{dataset}/benchmark/samples.parquet",
            labels="<results>/{dataset}/benchmark/labels.parquet",
            notes=notes_of_classifier,
            series=series_of_classifier("test"),
        output:
            series="<results>/{dataset}/planted/{model}/seed{seed}/series-shuffled.parquet",
            notes="<results>/{dataset}/planted/{model}/seed{seed}/notes-shuffled.parquet",
        log:
            "<logs>/planted_classifier/{dataset}-{model}-seed{seed}.log",
        benchmark:
            "<timings>/planted_classifier/{dataset}-{model}-seed{seed}.jsonl"
        wildcard_constraints:
            model=any_of(CONFIG.trained_classifiers()),
        retries: 2
        conda:
            "../envs/train.yaml"
        threads: 1
        resources:
            gpu=1,
            mem_mb=scaled(CONFIG.evaluate.request.memory_mb),
            runtime=CONFIG.evaluate.request.minutes,
            batch=CONFIG.evaluate.batch,
        params:
            code=code_digest("planted_classifier"),
            device=setting("evaluate.decoding.device"),
            precision=setting("evaluate.decoding.precision"),
        shell:
            "python scripts/planted_classifier.py --checkpoint {input.checkpoint:q}"
            " --samples {input.samples:q} --labels {input.labels:q} --notes {input.notes:q}"
            " --series {input.series:q} --device {params.device:q} --precision {params.precision:q}"
            " --batch {resources.batch:q}"
            " --seed {wildcards.seed:q}"
            " --series-shuffled {output.series:q} --notes-shuffled {output.notes:q} > {log:q} 2>&1"

    rule planted_scores:
        """Compute F1 of one run by place of the evidence, intact and shuffled, and the truth of its lab rationales."""
        input:
            as_is="<results>/{dataset}/evaluate/{model}/seed{seed}/predictions.parquet",
            notes="<results>/{dataset}/planted/{model}/seed{seed}/notes-shuffled.parquet",
            series="<results>/{dataset}/planted/{model}/seed{seed}/series-shuffled.parquet",
            captions=of_model("<results>/{dataset}/benchmark{variant}/captions.parquet"),
            samples="<results>/{dataset}/benchmark/samples.parquet",
            evidence="resources/demo/evidence.yaml",
        output:
            scores="<results>/{dataset}/planted/{model}/seed{seed}/scores.csv",
            statements="<results>/{dataset}/planted/{model}/seed{seed}/statements.csv",
        log:
            "<logs>/planted_scores/{dataset}-{model}-seed{seed}.log",
        benchmark:
            "<timings>/planted_scores/{dataset}-{model}-seed{seed}.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            code=code_digest("planted_scores"),
            sources=sources,
            dataset=title,
            row=row_of_run,
            bootstrap=setting("evaluate.bootstrap"),
        shell:
            "python scripts/planted_scores.py --as-is {input.as_is:q} --notes-shuffled {input.notes:q}"
            " --series-shuffled {input.series:q} --captions {input.captions:q} --samples {input.samples:q}"
            " --evidence {input.evidence:q} --bootstrap {params.bootstrap:q}"
            " --dataset {params.dataset:q} --model {params.row:q} --seed {wildcards.seed:q}"
            " --scores {output.scores:q} --statements {output.statements:q} > {log:q} 2>&1"

    rule planted_page:
        """Tabulate all runs by place of the evidence, as tables and as a page."""
        input:
            scores=planted_of_runs("scores"),
            statements=planted_of_runs("statements"),
            templates=page_templates("planted"),
        output:
            table=report(
                "<results>/tables/planted.csv",
                caption="../docs/captions/planted.rst",
                category="Planted evidence",
                labels={"file": "F1"},
            ),
            statements=report(
                "<results>/tables/planted_statements.csv",
                caption="../docs/captions/planted.rst",
                category="Planted evidence",
                labels={"file": "lab rationales"},
            ),
            page=report(
                "<results>/tables/planted.html",
                caption="../docs/captions/planted.rst",
                category="Planted evidence",
                labels={"file": "page"},
            ),
        log:
            "<logs>/planted_page/all.log",
        benchmark:
            "<timings>/planted_page/all.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            code=code_digest("planted_page"),
            sources=sources,
        shell:
            "python scripts/planted_page.py --scores {input.scores:q} --statements {input.statements:q}"
            " --templates {input.templates:q} --table {output.table:q} --stated {output.statements:q}"
            " --page {output.page:q} > {log:q} 2>&1"
