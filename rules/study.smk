# Human study of rationales (figure 6b): forms for raters, and their ratings. Defined if the rated student is.
#
# takes  <results>/{dataset}/benchmark/*, rationale/* of the teacher, predictions of the student and of the rows of table 4,
#        the CSV files that raters export (evaluate.study.responses)
#        <results>/{dataset}/evaluate/judge/{llm}/ratings.parquet, if judges rate the same systems
# makes  <results>/study/forms/form-{rater}.html    a form per rater; restricted if its notes are
#        <results>/study/key.csv                    the system behind each letter
#        <results>/study/study.html                 who may open the forms, and the next steps
#        <results>/study/simulated/*.csv            ratings of stand-in raters, for synthetic texts
#        <results>/study/ratings.parquet            every rating
#        <results>/tables/study*.csv, study.html    mean ratings, agreement, mixed model, raters


if CONFIG.study:

    localrules:
        evaluate_study_forms,
        evaluate_study_scores,

    rule evaluate_study_forms:
        """Write a form per rater, with blinded systems in a separate order for every item, and the key to all forms."""
        input:
            cases=of_study("evaluate/cases.parquet"),
            samples=of_study("benchmark/samples.parquet"),
            courses=of_study("benchmark/courses.parquet"),
            captions=of_study("benchmark/captions.parquet"),
            labels=of_study("benchmark/labels.parquet"),
            teacher=teacher_of_study(),
            predictions=predictions_of_study(),
            wording="resources/study.yaml",
            templates=[*page_templates("study_form"), *parts_of_form()],
        output:
            forms=directory("<results>/study/forms"),
            key="<results>/study/key.csv",
            page="<results>/study/study.html",
        log:
            "<logs>/evaluate_study_forms/all.log",
        benchmark:
            "<timings>/evaluate_study_forms/all.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            code=code_digest("evaluate_study_forms"),
            sources=sources,
            systems=systems_of_study,
            design=setting("evaluate.study.design"),
            dataset=title_of_study,
            source=source_of_study,
        shell:
            "python scripts/evaluate_study_forms.py --cases {input.cases:q} --samples {input.samples:q}"
            " --courses {input.courses:q} --captions {input.captions:q} --labels {input.labels:q}"
            " --teacher {input.teacher:q} --predictions {input.predictions:q} --systems {params.systems:q}"
            " --wording {input.wording:q} --design {params.design:q} --dataset {params.dataset:q}"
            " --source {params.source:q} --templates {input.templates:q}"
            " --forms {output.forms:q} --key {output.key:q} --page {output.page:q} > {log:q} 2>&1"

    if CONFIG.simulates_raters():

        localrules:
            evaluate_study_simulate,

        rule evaluate_study_simulate:
            """Write ratings of simulated raters, without differences between systems, in the files that the forms save."""
            input:
                key="<results>/study/key.csv",
            output:
                responses=directory("<results>/study/simulated"),
            log:
                "<logs>/evaluate_study_simulate/all.log",
            benchmark:
                "<timings>/evaluate_study_simulate/all.jsonl"
            conda:
                "../envs/evaluate.yaml"
            threads: 1
            resources:
                mem_mb=1000,
                runtime=30,
            params:
                code=code_digest("evaluate_study_simulate"),
                seed=setting("evaluate.study.design.seed"),
            shell:
                "python scripts/evaluate_study_simulate.py --key {input.key:q} --seed {params.seed:q}"
                " --responses {output.responses:q} > {log:q} 2>&1"

    rule evaluate_study_scores:
        """Import the ratings; compute their means, the agreement of the raters, and a mixed model."""
        input:
            key="<results>/study/key.csv",
            samples=of_study("benchmark/samples.parquet"),
            responses=responses_of_study,
            judged=ratings_of_judges_in_study(),
            templates=page_templates("study"),
        output:
            ratings="<results>/study/ratings.parquet",
            table=report(
                "<results>/tables/study.csv",
                caption="../docs/captions/study.rst",
                category="Human study",
                labels={"file": "ratings"},
            ),
            agreement=report(
                "<results>/tables/study_agreement.csv",
                caption="../docs/captions/study.rst",
                category="Human study",
                labels={"file": "agreement"},
            ),
            model=report(
                "<results>/tables/study_model.csv",
                caption="../docs/captions/study.rst",
                category="Human study",
                labels={"file": "mixed model"},
            ),
            raters=report(
                "<results>/tables/study_raters.csv",
                caption="../docs/captions/study.rst",
                category="Human study",
                labels={"file": "raters"},
            ),
            page=report(
                "<results>/tables/study.html",
                caption="../docs/captions/study.rst",
                category="Human study",
                labels={"file": "page"},
            ),
        log:
            "<logs>/evaluate_study_scores/all.log",
        benchmark:
            "<timings>/evaluate_study_scores/all.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        params:
            code=code_digest("evaluate_study_scores"),
            sources=sources,
            record=output_record("tables/study.csv"),
            exclusion=setting("evaluate.study.exclusion"),
            bootstrap=setting("evaluate.bootstrap"),
            dataset=title_of_study,
            reference=reference_of_study,
        shell:
            "python scripts/evaluate_study_scores.py --key {input.key:q} --samples {input.samples:q}"
            " --responses {input.responses:q} --judged {input.judged:q} --exclusion {params.exclusion:q}"
            " --bootstrap {params.bootstrap:q} --dataset {params.dataset:q} --reference {params.reference:q}"
            " --templates {input.templates:q} --ratings {output.ratings:q} --table {output.table:q}"
            " --agreement {output.agreement:q} --model {output.model:q} --raters {output.raters:q}"
            " --page {output.page:q} > {log:q} 2>&1"
