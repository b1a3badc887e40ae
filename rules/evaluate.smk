# Stage evaluate: predictions of every trained model, scores, and the paper's tables compared with ours.
#
# takes  checkpoints of stage train, <results>/{dataset}/benchmark/*
# makes  <results>/{dataset}/evaluate/{model}/seed{seed}/predictions.parquet   outputs on the test split
#        <results>/{dataset}/evaluate/{model}/seed{seed}/scores.csv            precision, recall, F1
#        <results>/tables/table{number}.csv, .html, .png                       the paper's and ours
#        <results>/tables/training.csv, .html                                  the course of every training
#        <results>/tables/costs.csv                                            what the language models have cost

# How many samples are decoded at once is a resource, which Snakemake does not compare: it changes no output.


localrules:
    evaluate_scores,
    evaluate_table,
    evaluate_training,
    evaluate_costs,


rule evaluate_predict:
    """Outputs of a trained student on all test samples."""
    input:
        checkpoint=checkpoint_of,
        samples="<results>/{dataset}/benchmark/samples.parquet",
        labels="<results>/{dataset}/benchmark/labels.parquet",
        courses="<results>/{dataset}/benchmark/courses.parquet",
        series=series_of_model,
        phenotypes="resources/phenotypes.csv",
    output:
        predictions="<results>/{dataset}/evaluate/{model}/seed{seed}/predictions.parquet",
    log:
        "<logs>/evaluate_predict/{dataset}-{model}-seed{seed}.log",
    benchmark:
        "<timings>/evaluate_predict/{dataset}-{model}-seed{seed}.jsonl"
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
        code=code_digest("evaluate_predict"),
        sources=sources,
        decoding=setting("evaluate.decoding"),
    shell:
        "python scripts/evaluate_predict.py --checkpoint {input.checkpoint:q}"
        " --samples {input.samples:q} --labels {input.labels:q} --courses {input.courses:q}"
        " --series {input.series:q} --phenotypes {input.phenotypes:q}"
        " --decoding {params.decoding:q} --batch {resources.batch:q} --seed {wildcards.seed:q}"
        " --predictions {output.predictions:q} > {log:q} 2>&1"


rule evaluate_scores:
    """Micro and macro precision, recall and F1 of one run."""
    input:
        predictions="<results>/{dataset}/evaluate/{model}/seed{seed}/predictions.parquet",
        phenotypes="resources/phenotypes.csv",
    output:
        scores="<results>/{dataset}/evaluate/{model}/seed{seed}/scores.csv",
    log:
        "<logs>/evaluate_scores/{dataset}-{model}-seed{seed}.log",
    benchmark:
        "<timings>/evaluate_scores/{dataset}-{model}-seed{seed}.jsonl"
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
        row=setting("models.{model}.row"),
    shell:
        "python scripts/evaluate_scores.py --predictions {input.predictions:q}"
        " --phenotypes {input.phenotypes:q} --dataset {params.dataset:q} --model {params.row:q}"
        " --seed {wildcards.seed:q} --scores {output.scores:q} > {log:q} 2>&1"


rule evaluate_table:
    """One of the paper's tables compared with our values."""
    input:
        paper="resources/paper_table{number}.csv",
        scores=scores_of_table,
        templates=page_templates("table"),
    output:
        table=report(
            "<results>/tables/table{number}.csv",
            caption="../docs/captions/table.rst",
            category="Tables",
            labels={"table": "{number}", "form": "CSV"},
        ),
        page=report(
            "<results>/tables/table{number}.html",
            caption="../docs/captions/table.rst",
            category="Tables",
            labels={"table": "{number}", "form": "page"},
        ),
        picture=report(
            "<results>/tables/table{number}.png",
            caption="../docs/captions/table.rst",
            category="Tables",
            labels={"table": "{number}", "form": "picture"},
        ),
    log:
        "<logs>/evaluate_table/table{number}.log",
    benchmark:
        "<timings>/evaluate_table/table{number}.jsonl"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("evaluate_table"),
        sources=sources,
        record=output_record("tables/table{number}.csv"),
    shell:
        "python scripts/evaluate_table.py --paper {input.paper:q} --scores {input.scores:q}"
        " --templates {input.templates:q} --number {wildcards.number:q}"
        " --table {output.table:q} --page {output.page:q} --picture {output.picture:q} > {log:q} 2>&1"


rule evaluate_training:
    """The course of every training: losses, validation scores, what was cut."""
    input:
        checkpoints=checkpoints(),
        templates=page_templates("training"),
    output:
        table=report(
            "<results>/tables/training.csv",
            caption="../docs/captions/training.rst",
            category="Training",
            labels={"file": "table"},
        ),
        page=report(
            "<results>/tables/training.html",
            caption="../docs/captions/training.rst",
            category="Training",
            labels={"file": "page"},
        ),
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
    shell:
        "python scripts/evaluate_training.py --checkpoints {input.checkpoints:q}"
        " --templates {input.templates:q} --table {output.table:q} --page {output.page:q} > {log:q} 2>&1"


rule evaluate_costs:
    """Requests, tokens, money and time that the answers of language models have taken, by stage and model."""
    input:
        tables=asked_tables(),
    output:
        costs=report(
            "<results>/tables/costs.csv",
            caption="../docs/captions/costs.rst",
            category="Costs",
            labels={"file": "table"},
        ),
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
        stages=asked_stages,
        record=output_record("tables/costs.csv"),
    shell:
        "python scripts/evaluate_costs.py --tables {input.tables:q} --stages {params.stages:q}"
        " --answers {resources.answers:q} --costs {output.costs:q} > {log:q} 2>&1"
