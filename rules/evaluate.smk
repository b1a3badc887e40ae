# Stage evaluate: predictions of every trained model, scores, and data about them; the paper's tables are in paper.smk.
#
# takes  checkpoints of stage train, predictions of stage asked, <results>/{dataset}/benchmark/*,
#        <results>/{dataset}/rationale/*
# makes  <results>/{dataset}/evaluate/{model}/seed{seed}/predictions.parquet   outputs on the test split
#        <results>/{dataset}/evaluate/{model}/{run}/scores.csv                 precision, recall, F1; run: seed or asked
#        <results>/{dataset}/evaluate/cases.parquet                            samples on which rationales are compared
#        <results>/tables/sensitivity.csv, .html                               variants next to the same models without them
#        <results>/tables/beyond.csv, .html                                    baselines beyond the paper
#        <results>/tables/rationales.csv, .html                                data card of rationales and answers by LLMs
#        <results>/tables/tokens.csv, .html                                    data card of token lengths
#        <results>/tables/training.csv, .html                                  losses and scores during training
#        <results>/tables/parameters.csv                                       parameter counts of the trained models
#        <results>/tables/costs.csv, .html                                     requests, tokens and money spent on LLMs

# The batch size changes no output, so it is a resource: Snakemake does not compare resources.


localrules:
    evaluate_cases,
    evaluate_scores,
    evaluate_rationales,
    evaluate_tokens,
    evaluate_training,
    evaluate_parameters,
    evaluate_costs,


rule evaluate_predict:
    """Outputs of a trained student on all test samples."""
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
        predictions="<results>/{dataset}/evaluate/{model}/seed{seed}/predictions.parquet",
    log:
        "<logs>/evaluate_predict/{dataset}-{model}-seed{seed}.log",
    benchmark:
        "<timings>/evaluate_predict/{dataset}-{model}-seed{seed}.jsonl"
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
        code=code_digest("evaluate_predict"),
        sources=sources,
        decoding=setting("evaluate.decoding"),
        parts=scratch("{dataset}/evaluate/{model}/seed{seed}/parts"),
    shell:
        "python scripts/evaluate_predict.py --checkpoint {input.checkpoint:q} --base {input.base:q}"
        " --labels {input.labels:q} --notes {input.notes:q}"
        " --captions {input.captions:q} --features {input.features:q}"
        " --series {input.series:q} --phenotypes {input.phenotypes:q}"
        " --decoding {params.decoding:q} --batch {resources.batch:q} --seed {wildcards.seed:q}"
        " --parts {params.parts:q}"
        " --predictions {output.predictions:q} > {log:q} 2>&1"


rule evaluate_classifier:
    """Phenotypes that a trained classifier predicts for all test samples."""
    input:
        checkpoint=checkpoint_of_classifier,
        samples="<results>/{dataset}/benchmark/samples.parquet",
        labels="<results>/{dataset}/benchmark/labels.parquet",
        notes=notes_of_classifier,
        series=series_of_classifier("test"),
    output:
        predictions="<results>/{dataset}/evaluate/{model}/seed{seed}/predictions.parquet",
    log:
        "<logs>/evaluate_classifier/{dataset}-{model}-seed{seed}.log",
    benchmark:
        "<timings>/evaluate_classifier/{dataset}-{model}-seed{seed}.jsonl"
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
        code=code_digest("evaluate_classifier"),
        device=setting("evaluate.decoding.device"),
        precision=setting("evaluate.decoding.precision"),
    shell:
        "python scripts/evaluate_classifier.py --checkpoint {input.checkpoint:q}"
        " --samples {input.samples:q} --labels {input.labels:q} --notes {input.notes:q}"
        " --series {input.series:q} --device {params.device:q} --precision {params.precision:q}"
        " --batch {resources.batch:q}"
        " --predictions {output.predictions:q} > {log:q} 2>&1"


rule evaluate_cases:
    """Test samples on which rationales are compared, the same for all models."""
    input:
        "<results>/{dataset}/benchmark/samples.parquet",
    output:
        "<results>/{dataset}/evaluate/cases.parquet",
    log:
        "<logs>/evaluate_cases/{dataset}.log",
    benchmark:
        "<timings>/evaluate_cases/{dataset}.jsonl"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("evaluate_cases"),
        settings=setting("evaluate.cases"),
    shell:
        "python scripts/evaluate_cases.py --samples {input:q} --settings {params.settings:q}"
        " --out {output:q} > {log:q} 2>&1"


rule evaluate_scores:
    """Micro and macro precision, recall and F1 of one run."""
    input:
        predictions=predictions_of_run,
        samples=samples_of_run,
        labels="<results>/{dataset}/benchmark/labels.parquet",
        cases=cases_of_run,
        phenotypes="resources/phenotypes.csv",
    output:
        scores="<results>/{dataset}/evaluate/{model}/{run}/scores.csv",
    log:
        "<logs>/evaluate_scores/{dataset}-{model}-{run}.log",
    benchmark:
        "<timings>/evaluate_scores/{dataset}-{model}-{run}.jsonl"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("evaluate_scores"),
        sources=sources,
        dataset=title,
        row=row_of_run,
    shell:
        "python scripts/evaluate_scores.py --predictions {input.predictions:q}"
        " --samples {input.samples:q} --labels {input.labels:q} --cases {input.cases:q}"
        " --phenotypes {input.phenotypes:q} --dataset {params.dataset:q} --model {params.row:q}"
        " --of-run {wildcards.run:q} --scores {output.scores:q} > {log:q} 2>&1"


if CONFIG.variant_rows():

    localrules:
        evaluate_sensitivity,

    rule evaluate_sensitivity:
        """F1 of every variant next to that of the same model without it."""
        input:
            scores=compared_scores(0),
            without=compared_scores(1),
            templates=page_templates("sensitivity"),
        output:
            table=table_in_report("<results>/tables/sensitivity.csv", "sensitivity", "sensitivity"),
            page=table_in_report("<results>/tables/sensitivity.html", "sensitivity", "sensitivity"),
        log:
            "<logs>/evaluate_sensitivity/all.log",
        benchmark:
            "<timings>/evaluate_sensitivity/all.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            code=code_digest("evaluate_sensitivity"),
            sources=sources,
            record=output_record("tables/sensitivity.csv"),
            rows=compared_rows,
        shell:
            "python scripts/evaluate_sensitivity.py --scores {input.scores:q} --without {input.without:q}"
            " --rows {params.rows:q} --templates {input.templates:q}"
            " --table {output.table:q} --page {output.page:q} > {log:q} 2>&1"


if CONFIG.classifiers:

    localrules:
        evaluate_beyond,

    rule evaluate_beyond:
        """Scores of the baselines beyond the paper."""
        input:
            scores=classifier_scores(),
            templates=page_templates("beyond"),
        output:
            table=table_in_report("<results>/tables/beyond.csv", "beyond", "beyond the paper"),
            page=table_in_report("<results>/tables/beyond.html", "beyond", "beyond the paper"),
        log:
            "<logs>/evaluate_beyond/all.log",
        benchmark:
            "<timings>/evaluate_beyond/all.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            code=code_digest("evaluate_beyond"),
            sources=sources,
            record=output_record("tables/beyond.csv"),
        shell:
            "python scripts/evaluate_beyond.py --scores {input.scores:q} --templates {input.templates:q}"
            " --table {output.table:q} --page {output.page:q} > {log:q} 2>&1"


rule evaluate_rationales:
    """Data card of texts by language models: failed checks, missing texts and truncated notes."""
    input:
        samples=inputs.samples_in_use(CONFIG),
        rationales=rationales_in_use(),
        predictions=asked_predictions(),
        templates=page_templates("rationales"),
    output:
        table=file_in_report(
            "<results>/tables/rationales.csv", "rationales", "Data", "rationales, table"
        ),
        page=file_in_report(
            "<results>/tables/rationales.html", "rationales", "Data", "rationales, card"
        ),
    log:
        "<logs>/evaluate_rationales/all.log",
    benchmark:
        "<timings>/evaluate_rationales/all.jsonl"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("evaluate_rationales"),
        sources=sources,
        marked=setting("train.optimizer.marked_samples"),
    shell:
        "python scripts/evaluate_rationales.py --samples {input.samples:q} --rationales {input.rationales:q}"
        " --predictions {input.predictions:q}"
        " --marked-samples {params.marked:q} --templates {input.templates:q}"
        " --table {output.table:q} --page {output.page:q} > {log:q} 2>&1"


rule evaluate_tokens:
    """Data card of tokens: lengths of notes and targets for each language model, and how many are truncated."""
    input:
        samples=inputs.samples_in_use(CONFIG),
        tokens=inputs.tokens_in_use(CONFIG),
        templates=page_templates("tokens"),
    output:
        table=file_in_report("<results>/tables/tokens.csv", "tokens", "Data", "tokens, table"),
        page=file_in_report("<results>/tables/tokens.html", "tokens", "Data", "tokens, card"),
    log:
        "<logs>/evaluate_tokens/all.log",
    benchmark:
        "<timings>/evaluate_tokens/all.jsonl"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code_digest("evaluate_tokens"),
        sources=sources,
    shell:
        "python scripts/evaluate_tokens.py --samples {input.samples:q} --tokens {input.tokens:q}"
        " --templates {input.templates:q} --table {output.table:q} --page {output.page:q} > {log:q} 2>&1"


rule evaluate_training:
    """Losses, validation scores, learning rate and gradient norm of every training."""
    input:
        checkpoints=checkpoints(),
        templates=page_templates("training"),
    output:
        table=file_in_report("<results>/tables/training.csv", "training", "Training", "table"),
        page=file_in_report("<results>/tables/training.html", "training", "Training", "page"),
    log:
        "<logs>/evaluate_training/all.log",
    benchmark:
        "<timings>/evaluate_training/all.jsonl"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("evaluate_training"),
        sources=sources,
        rows=rows_of_checkpoints,
    shell:
        "python scripts/evaluate_training.py --checkpoints {input.checkpoints:q}"
        " --rows {params.rows:q} --templates {input.templates:q} --table {output.table:q} --page {output.page:q} > {log:q} 2>&1"


rule evaluate_parameters:
    """Parameter counts of every trained model by component, next to the sizes in the paper."""
    input:
        checkpoints=last_checkpoints(),
        sizes="resources/paper_sizes.csv",
    output:
        table=file_in_report(
            "<results>/tables/parameters.csv", "parameters", "Training", "parameters"
        ),
    log:
        "<logs>/evaluate_parameters/all.log",
    benchmark:
        "<timings>/evaluate_parameters/all.jsonl"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("evaluate_parameters"),
        sources=sources,
        trained=trained_models,
    shell:
        "python scripts/evaluate_parameters.py --checkpoints {input.checkpoints:q}"
        " --trained {params.trained:q} --sizes {input.sizes:q} --table {output.table:q} > {log:q} 2>&1"


rule evaluate_costs:
    """Requests, tokens, money and time spent on language models, by stage and model."""
    input:
        tables=answer_tables(),
        templates=page_templates("costs"),
    output:
        costs=file_in_report("<results>/tables/costs.csv", "costs", "Costs", "table"),
        page=file_in_report("<results>/tables/costs.html", "costs", "Costs", "page"),
    log:
        "<logs>/evaluate_costs/all.log",
    benchmark:
        "<timings>/evaluate_costs/all.jsonl"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        answers=setting("answers"),
    params:
        code=code_digest("evaluate_costs"),
        sources=sources,
        stages=asked_stages,
        record=output_record("tables/costs.csv"),
    shell:
        "python scripts/evaluate_costs.py --tables {input.tables:q} --stages {params.stages:q}"
        " --answers {resources.answers:q} --templates {input.templates:q}"
        " --costs {output.costs:q} --page {output.page:q} > {log:q} 2>&1"
