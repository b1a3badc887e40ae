# Stage evaluate, the judges: language models that rate rationales by the criteria of appendix A.5 (figure 6a).
#
# takes  <results>/{dataset}/benchmark/*, <results>/{dataset}/rationale/*, predictions of stages asked and evaluate
# makes  <results>/{dataset}/evaluate/judge/{llm}/ratings.parquet   ratings of every rationale and control
#        <results>/tables/judge.csv, .html                          means with intervals per system and criterion
#        <results>/tables/judge_agreement.csv                       agreement of the judges
#        <results>/tables/judge_effects.csv                         effects of controls and of text length
# keeps  <answers>/answers.sqlite                                   every response of a language model
#
# {llm} is a row of `llms` listed in evaluate.judge.llms. Requests to a server are sent from the machine that runs Snakemake; a
# model that the job serves itself runs on a GPU node (rules/llm.smk).


if judges():

    localrules:
        evaluate_judge,
        evaluate_judge_scores,

    rule evaluate_judge:
        """Have one judge rate the rationales of every system, and controls that are wrong on purpose."""
        input:
            samples="<results>/{dataset}/benchmark/samples.parquet",
            courses="<results>/{dataset}/benchmark/courses.parquet",
            captions="<results>/{dataset}/benchmark/captions.parquet",
            labels="<results>/{dataset}/benchmark/labels.parquet",
            cases="<results>/{dataset}/evaluate/cases.parquet",
            rationales=judged_rationales,
            predictions=judged_predictions,
            prompt="resources/prompts/judge.txt",
            weights=weights_of("{llm}"),
        output:
            ratings="<results>/{dataset}/evaluate/judge/{llm}/ratings.parquet",
        log:
            "<logs>/evaluate_judge/{dataset}-{llm}.log",
        benchmark:
            "<timings>/evaluate_judge/{dataset}-{llm}.jsonl"
        wildcard_constraints:
            llm=any_of(judges()),
        conda:
            "../envs/rationale.yaml"
        threads: 1
        resources:
            **one_job_per_server("{llm}"),
            mem_mb=4000,
            runtime=10080,
            transport=transport("{llm}"),
            answers=setting("answers"),
        params:
            code=code_digest("evaluate_judge"),
            sources=sources,
            question=setting("evaluate.judge.question"),
            rows=judged_rows,
            llm=setting("llms.{llm}"),
        shell:
            "python scripts/evaluate_judge.py --samples {input.samples:q} --courses {input.courses:q}"
            " --captions {input.captions:q} --labels {input.labels:q} --cases {input.cases:q}"
            " --rationales {input.rationales:q} --predictions {input.predictions:q} --rows {params.rows:q}"
            " --prompt {input.prompt:q} --dataset {wildcards.dataset:q} --question {params.question:q}"
            " --name {wildcards.llm:q} --llm {params.llm:q} --transport {resources.transport:q}"
            " --weights {input.weights:q} --answers {resources.answers:q}"
            " --ratings {output.ratings:q} > {log:q} 2>&1"

    if served_judges():

        ruleorder: evaluate_judge_served > evaluate_judge

        use rule evaluate_judge as evaluate_judge_served with:
            wildcard_constraints:
                llm=any_of(served_judges()),
            retries: 2
            conda:
                "../envs/serve.yaml"
            threads: 4
            resources:
                **serving("{llm}"),

    rule evaluate_judge_scores:
        """Summarize the judges' ratings: means by system and criterion, effects of controls and length, agreement."""
        input:
            samples=expand(
                "<results>/{dataset}/benchmark/samples.parquet", dataset=CONFIG.dataset_names()
            ),
            ratings=judge_ratings(),
            templates=page_templates("judge"),
        output:
            scores=report(
                "<results>/tables/judge.csv",
                caption="../docs/captions/judge.rst",
                category="Rationales",
                labels={"file": "judge, scores"},
            ),
            agreement=report(
                "<results>/tables/judge_agreement.csv",
                caption="../docs/captions/judge.rst",
                category="Rationales",
                labels={"file": "judge, agreement"},
            ),
            effects=report(
                "<results>/tables/judge_effects.csv",
                caption="../docs/captions/judge.rst",
                category="Rationales",
                labels={"file": "judge, controls and length"},
            ),
            page=report(
                "<results>/tables/judge.html",
                caption="../docs/captions/judge.rst",
                category="Rationales",
                labels={"file": "judge, page"},
            ),
        log:
            "<logs>/evaluate_judge_scores/all.log",
        benchmark:
            "<timings>/evaluate_judge_scores/all.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            code=code_digest("evaluate_judge_scores"),
            sources=sources,
            record=output_record("tables/judge.csv"),
            bootstrap=setting("evaluate.bootstrap"),
        shell:
            "python scripts/evaluate_judge_scores.py --samples {input.samples:q} --ratings {input.ratings:q}"
            " --bootstrap {params.bootstrap:q}"
            " --templates {input.templates:q} --scores {output.scores:q} --agreement {output.agreement:q}"
            " --effects {output.effects:q} --page {output.page:q} > {log:q} 2>&1"
