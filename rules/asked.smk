# Stage asked: rows of the paper's tables whose model is asked, not trained.
#
# takes <results>/{dataset}/benchmark/samples, courses, labels, captions.parquet, resources/prompts
# makes <results>/{dataset}/asked/{asked}/predictions.parquet   answers of a row of `asked` about the test split, or
#                                                               about the cases of evaluate.cases
# keeps <answers>/answers.sqlite                                every answer of a language model; outside the results
#
# The row decides whether the rule asks for diagnoses, rationales, or both. The rule needs the model's server, so it runs
# where Snakemake runs. The connection is a resource, not a parameter, because it changes no output.


localrules:
    asked_predict,


rule asked_predict:
    """Answers of a model about the test split: diagnoses, rationales, or both."""
    input:
        samples="<results>/{dataset}/benchmark/samples.parquet",
        courses="<results>/{dataset}/benchmark/courses.parquet",
        captions="<results>/{dataset}/benchmark/captions.parquet",
        labels="<results>/{dataset}/benchmark/labels.parquet",
        cases=cases_of_asked,
        phenotypes="resources/phenotypes.csv",
        wordings="resources/phenotype_wordings.csv",
        prompts=prompts_of_asked,
        examples=examples_of_asked,
        weights=weights_of("asked.{asked}.llm"),
    output:
        predictions="<results>/{dataset}/asked/{asked}/predictions.parquet",
    log:
        "<logs>/asked_predict/{dataset}-{asked}.log",
    benchmark:
        "<timings>/asked_predict/{dataset}-{asked}.jsonl"
    conda:
        "../envs/rationale.yaml"
    threads: 1
    resources:
        **one_job_per_server("asked.{asked}.llm"),
        mem_mb=4000,
        runtime=10080,
        transport=transport("asked.{asked}.llm"),
        answers=setting("answers"),
    params:
        code=code_digest("asked_predict"),
        sources=sources,
        question=setting("asked.{asked}.question"),
        name=setting("asked.{asked}.llm"),
        llm=llm("asked.{asked}.llm"),
    shell:
        "python scripts/asked_predict.py --samples {input.samples:q} --courses {input.courses:q}"
        " --captions {input.captions:q} --labels {input.labels:q} --cases {input.cases:q}"
        " --phenotypes {input.phenotypes:q} --wordings {input.wordings:q} --prompts {input.prompts:q} --examples {input.examples:q}"
        " --dataset {wildcards.dataset:q} --question {params.question:q} --name {params.name:q}"
        " --llm {params.llm:q} --transport {resources.transport:q}"
        " --weights {input.weights:q} --answers {resources.answers:q}"
        " --predictions {output.predictions:q} > {log:q} 2>&1"


if served_rows():

    ruleorder: asked_predict_served > asked_predict

    use rule asked_predict as asked_predict_served with:
        wildcard_constraints:
            asked=any_of(served_rows()),
        retries: 2
        conda:
            "../envs/serve.yaml"
        threads: 4
        resources:
            **serving("asked.{asked}.llm"),
