# Stage evaluate: predictions of every trained model, scores, and the paper's tables beside ours.
#
# takes  checkpoints of stage train, <results>/{dataset}/benchmark/*
# makes  <results>/{dataset}/evaluate/{model}/seed{seed}/predictions.parquet   outputs on the test split
#        <results>/{dataset}/evaluate/{model}/seed{seed}/scores.csv            precision, recall, F1
#        <results>/tables/table{number}.csv, .html, .png                       the paper's beside ours

# How many samples are decoded at once is a resource, which Snakemake does not compare: it changes no output.


localrules:
    evaluate_scores,
    evaluate_table,


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
        decoding=setting("evaluate.decoding"),
    shell:
        "python scripts/evaluate_predict.py --checkpoint {input.checkpoint}"
        " --samples {input.samples} --labels {input.labels} --courses {input.courses}"
        " --series {input.series} --phenotypes {input.phenotypes}"
        " --decoding {params.decoding:q} --batch {resources.batch} --seed {wildcards.seed}"
        " --predictions {output.predictions} > {log} 2>&1"


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
        dataset=title,
        row=setting("models.{model}.row"),
    shell:
        "python scripts/evaluate_scores.py --predictions {input.predictions}"
        " --phenotypes {input.phenotypes} --dataset {params.dataset:q} --model {params.row:q}"
        " --seed {wildcards.seed} --scores {output.scores} > {log} 2>&1"


rule evaluate_table:
    """One of the paper's tables with our values beside it."""
    input:
        paper="resources/paper_table{number}.csv",
        scores=scores_of_table,
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
        record=output_record("tables/table{number}.csv"),
    shell:
        "python scripts/evaluate_table.py --paper {input.paper} --scores {input.scores}"
        " --number {wildcards.number} --table {output.table} --page {output.page}"
        " --picture {output.picture} > {log} 2>&1"
