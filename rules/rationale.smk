# Stage rationale: rationales that a teacher LLM writes for each sample.
#
# takes <results>/{dataset}/benchmark/samples, courses, labels, captions.parquet, resources/prompts
# makes <results>/{dataset}/rationale/{teacher}/notes.parquet      note rationales R^m (equation 2)
#       <results>/{dataset}/rationale/{teacher}/labs.parquet       lab rationales R^t (equation 3)
# keeps <answers>/answers.sqlite                            every answer of a language model; outside the results
#
# {teacher} is a row of `llms`; files that differ in a variant are in rationale/{teacher}+<variant>/. The first two
# rules need the teacher's server, so they run where Snakemake runs; a model that the job serves itself runs on a node
# with a GPU (rules/llm.smk). With several `rationale.shards` there is a job per shard, `.../notes/{shard}.parquet`, and
# a third rule joins them. The connection is a resource, not a parameter, because it changes no output.


localrules:
    rationale_notes,
    rationale_labs,


rule rationale_notes:
    """Note rationale R^m of every sample, including the test split (the reference for the text metrics)."""
    input:
        samples=of_variant("<results>/{dataset}/benchmark{variant}/samples.parquet"),
        courses=of_variant("<results>/{dataset}/benchmark{variant}/courses.parquet"),
        labels="<results>/{dataset}/benchmark/labels.parquet",
        prompt="resources/prompts/note_rationale.txt",
        examples=CONFIG.rationale.examples,
        wordings="resources/phenotype_wordings.csv",
        weights=weights_of("{teacher}"),
    output:
        sharded("<results>/{dataset}/rationale/{teacher}{variant}/notes.parquet"),
    log:
        sharded("<logs>/rationale_notes/{dataset}-{teacher}{variant}.log"),
    benchmark:
        sharded("<timings>/rationale_notes/{dataset}-{teacher}{variant}.jsonl")
    conda:
        "../envs/rationale.yaml"
    threads: 1
    resources:
        **one_job_per_server("{teacher}"),
        mem_mb=4000,
        runtime=10080,
        transport=transport("{teacher}"),
        answers=setting("answers"),
    params:
        code=code_digest("rationale_notes"),
        sources=sources,
        llm=setting("llms.{teacher}"),
        shard=shard,
    shell:
        "python scripts/rationale_notes.py --samples {input.samples:q} --courses {input.courses:q}"
        " --labels {input.labels:q} --prompt {input.prompt:q} --examples {input.examples:q}"
        " --wordings {input.wordings:q} --shard {params.shard:q}"
        " --dataset {wildcards.dataset:q} --teacher {wildcards.teacher:q}"
        " --llm {params.llm:q} --transport {resources.transport:q}"
        " --weights {input.weights:q} --answers {resources.answers:q}"
        " --out {output:q} > {log:q} 2>&1"


rule rationale_labs:
    """Lab rationale R^t of every sample, including the test split (the reference for the text metrics)."""
    input:
        samples=of_variant("<results>/{dataset}/benchmark{variant}/samples.parquet"),
        courses=of_variant("<results>/{dataset}/benchmark{variant}/courses.parquet"),
        labels="<results>/{dataset}/benchmark/labels.parquet",
        captions=of_variant("<results>/{dataset}/benchmark{variant}/captions.parquet"),
        notes=of_variant(sharded("<results>/{dataset}/rationale/{teacher}{variant}/notes.parquet")),
        prompt="resources/prompts/lab_rationale.txt",
        examples=CONFIG.rationale.examples,
        wordings="resources/phenotype_wordings.csv",
        weights=weights_of("{teacher}"),
    output:
        sharded("<results>/{dataset}/rationale/{teacher}{variant}/labs.parquet"),
    log:
        sharded("<logs>/rationale_labs/{dataset}-{teacher}{variant}.log"),
    benchmark:
        sharded("<timings>/rationale_labs/{dataset}-{teacher}{variant}.jsonl")
    conda:
        "../envs/rationale.yaml"
    threads: 1
    resources:
        **one_job_per_server("{teacher}"),
        mem_mb=4000,
        runtime=10080,
        transport=transport("{teacher}"),
        answers=setting("answers"),
    params:
        code=code_digest("rationale_labs"),
        sources=sources,
        llm=setting("llms.{teacher}"),
        shard=shard,
    shell:
        "python scripts/rationale_labs.py --samples {input.samples:q} --courses {input.courses:q}"
        " --labels {input.labels:q} --captions {input.captions:q} --notes {input.notes:q}"
        " --prompt {input.prompt:q} --examples {input.examples:q}"
        " --wordings {input.wordings:q} --shard {params.shard:q}"
        " --dataset {wildcards.dataset:q} --teacher {wildcards.teacher:q}"
        " --llm {params.llm:q} --transport {resources.transport:q}"
        " --weights {input.weights:q} --answers {resources.answers:q}"
        " --out {output:q} > {log:q} 2>&1"


if CONFIG.served_llms():

    ruleorder: rationale_notes_served > rationale_notes
    ruleorder: rationale_labs_served > rationale_labs

    use rule rationale_notes as rationale_notes_served with:
        wildcard_constraints:
            teacher=any_of(CONFIG.served_llms()),
        retries: 2
        conda:
            "../envs/serve.yaml"
        threads: 4
        resources:
            **serving("{teacher}"),

    use rule rationale_labs as rationale_labs_served with:
        wildcard_constraints:
            teacher=any_of(CONFIG.served_llms()),
        retries: 2
        conda:
            "../envs/serve.yaml"
        threads: 4
        resources:
            **serving("{teacher}"),


if CONFIG.rationale.shards > 1:

    rule rationale_join:
        """The rationales of all shards as one table."""
        input:
            shards_of,
        output:
            "<results>/{dataset}/rationale/{teacher}{variant}/{part}.parquet",
        log:
            "<logs>/rationale_join/{dataset}-{teacher}{variant}-{part}.log",
        benchmark:
            "<timings>/rationale_join/{dataset}-{teacher}{variant}-{part}.jsonl"
        wildcard_constraints:
            part="notes|labs",
        localrule: True
        conda:
            "../envs/rationale.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            code=code_digest("rationale_join"),
        shell:
            "python scripts/rationale_join.py --shards {input:q} --out {output:q} > {log:q} 2>&1"
