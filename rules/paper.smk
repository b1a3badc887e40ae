# Stage evaluate: the paper's tables and figures with our values.
#
# takes  <results>/{dataset}/evaluate/{model}/{run}/scores.csv, <results>/tables/intervals.csv, texts.csv, costs.csv,
#        parameters.csv, judge.csv, study.csv, checkpoints, timings, resources/paper_table*.csv
# makes  <results>/tables/table{1..6}.csv, .md, .tex, .html; of tables of scores also .png
#        <results>/figures/figure5.csv, .svg, .png       size and micro F1
#        <results>/figures/figure6{a,b}.csv, .svg, .png  ratings by language models (a) and people (b)
#        <results>/figures/figures.html                  all figures with their values on one page
#        <results>/{dataset}/evaluate/figure7.html       cases, with text from single patients
#        <results>/figures/figure7-{dataset}.html        how they are selected, without that text
#        <results>/site/example-{dataset}.json           a typical case, if its data are synthetic or open


localrules:
    evaluate_table,
    evaluate_table3,
    evaluate_table4,
    evaluate_table5,


rule evaluate_table:
    """One of the paper's tables of scores, compared with our values."""
    input:
        paper="resources/paper_table{number}.csv",
        scores=scores_of_table,
        intervals=intervals(),
        paper_rows="resources/paper_rows.csv",
        templates=page_templates("scores", "table"),
    output:
        table=table_in_report("<results>/tables/table{number}.csv", "table", "{number}"),
        markdown=table_in_report("<results>/tables/table{number}.md", "table", "{number}"),
        latex=table_in_report("<results>/tables/table{number}.tex", "table", "{number}"),
        page=table_in_report("<results>/tables/table{number}.html", "table", "{number}"),
        picture=table_in_report("<results>/tables/table{number}.png", "table", "{number}"),
    log:
        "<logs>/evaluate_table/table{number}.log",
    benchmark:
        "<timings>/evaluate_table/table{number}.jsonl"
    wildcard_constraints:
        number=any_of(map(str, paper.SCORED_TABLES)),
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        options=run_options,
    params:
        code=code_digest("evaluate_table"),
        sources=sources,
        record=output_record("tables/table{number}.csv"),
        rows=rows_of_table,
        configured=configured(None),
    shell:
        "python scripts/evaluate_table.py --paper {input.paper:q} --scores {input.scores:q}"
        " --intervals {input.intervals:q} --rows {params.rows:q} --paper-rows {input.paper_rows:q}"
        " --configured {params.configured:q} --options {resources.options:q} --templates {input.templates:q} --number {wildcards.number:q}"
        " --table {output.table:q} --markdown {output.markdown:q} --latex {output.latex:q}"
        " --page {output.page:q} --picture {output.picture:q} > {log:q} 2>&1"


rule evaluate_table3:
    """Time of each stage, from the timings of the jobs and the records of their outputs."""
    input:
        paper="resources/paper_table3.csv",
        outputs=timed_outputs(),
        costs=["<results>/tables/costs.csv"] * bool(answer_tables()),
        paper_rows="resources/paper_rows.csv",
        templates=page_templates("times"),
    output:
        table=table_in_report("<results>/tables/table3.csv", "times", "3"),
        markdown=table_in_report("<results>/tables/table3.md", "times", "3"),
        latex=table_in_report("<results>/tables/table3.tex", "times", "3"),
        page=table_in_report("<results>/tables/table3.html", "times", "3"),
    log:
        "<logs>/evaluate_table3/all.log",
    benchmark:
        "<timings>/evaluate_table3/all.jsonl"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        options=run_options,
        timings=setting("pathvars.timings"),
    params:
        code=code_digest("evaluate_table3"),
        sources=sources,
        record=output_record("tables/table3.csv"),
        jobs=timed_jobs,
        configured=configured(3),
    shell:
        "python scripts/evaluate_table3.py --paper {input.paper:q} --outputs {input.outputs:q}"
        " --jobs {params.jobs:q} --costs {input.costs:q} --timings {resources.timings:q}"
        " --paper-rows {input.paper_rows:q} --configured {params.configured:q} --options {resources.options:q}"
        " --templates {input.templates:q}"
        " --table {output.table:q} --markdown {output.markdown:q} --latex {output.latex:q}"
        " --page {output.page:q} > {log:q} 2>&1"


rule evaluate_table4:
    """Similarity of the rationales to the teacher's, compared with the paper's values."""
    input:
        paper="resources/paper_table4.csv",
        texts=["<results>/tables/texts.csv"] * bool(CONFIG.compared_models()),
        paper_rows="resources/paper_rows.csv",
        templates=page_templates("scores", "similarity"),
    output:
        table=table_in_report("<results>/tables/table4.csv", "similarity", "4"),
        markdown=table_in_report("<results>/tables/table4.md", "similarity", "4"),
        latex=table_in_report("<results>/tables/table4.tex", "similarity", "4"),
        page=table_in_report("<results>/tables/table4.html", "similarity", "4"),
    log:
        "<logs>/evaluate_table4/all.log",
    benchmark:
        "<timings>/evaluate_table4/all.jsonl"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        options=run_options,
    params:
        code=code_digest("evaluate_table4"),
        sources=sources,
        record=output_record("tables/table4.csv"),
        configured=configured(4),
    shell:
        "python scripts/evaluate_table4.py --paper {input.paper:q} --texts {input.texts:q}"
        " --paper-rows {input.paper_rows:q} --configured {params.configured:q} --options {resources.options:q}"
        " --templates {input.templates:q}"
        " --table {output.table:q} --markdown {output.markdown:q} --latex {output.latex:q}"
        " --page {output.page:q} > {log:q} 2>&1"


rule evaluate_table5:
    """How many captions use each of the paper's sentences, by variable."""
    input:
        paper="resources/paper_table5.csv",
        captions=of_datasets("<results>/{dataset}/benchmark/captions.parquet"),
        samples=of_datasets("<results>/{dataset}/benchmark/samples.parquet"),
        variables="resources/variables.csv",
        templates=page_templates("templates"),
    output:
        table=table_in_report("<results>/tables/table5.csv", "templates", "5"),
        markdown=table_in_report("<results>/tables/table5.md", "templates", "5"),
        latex=table_in_report("<results>/tables/table5.tex", "templates", "5"),
        page=table_in_report("<results>/tables/table5.html", "templates", "5"),
    log:
        "<logs>/evaluate_table5/all.log",
    benchmark:
        "<timings>/evaluate_table5/all.jsonl"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("evaluate_table5"),
        sources=sources,
        record=output_record("tables/table5.csv"),
        datasets=dataset_names,
    shell:
        "python scripts/evaluate_table5.py --paper {input.paper:q} --captions {input.captions:q}"
        " --samples {input.samples:q} --datasets {params.datasets:q} --variables {input.variables:q}"
        " --templates {input.templates:q}"
        " --table {output.table:q} --markdown {output.markdown:q} --latex {output.latex:q}"
        " --page {output.page:q} > {log:q} 2>&1"


if diagnosed_predictions():

    localrules:
        evaluate_figure5,

    rule evaluate_figure5:
        """Parameters and micro F1 of the models of table 1."""
        input:
            parameters=["<results>/tables/parameters.csv"] * bool(CONFIG.models),
            intervals="<results>/tables/intervals.csv",
            sizes="resources/paper_sizes.csv",
            paper="resources/paper_table1.csv",
        output:
            table=figure_in_report("<results>/figures/figure5.csv", "figure5", "5"),
            drawing=figure_in_report("<results>/figures/figure5.svg", "figure5", "5"),
            picture=figure_in_report("<results>/figures/figure5.png", "figure5", "5"),
        log:
            "<logs>/evaluate_figure5/all.log",
        benchmark:
            "<timings>/evaluate_figure5/all.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            code=code_digest("evaluate_figure5"),
            sources=sources,
            record=output_record("figures/figure5.csv"),
            answered=rows_answered_by_templates,
        shell:
            "python scripts/evaluate_figure5.py --parameters {input.parameters:q}"
            " --intervals {input.intervals:q} --sizes {input.sizes:q} --paper {input.paper:q}"
            " --answered {params.answered:q}"
            " --table {output.table:q} --drawing {output.drawing:q} --picture {output.picture:q} > {log:q} 2>&1"


if rated_panels():

    localrules:
        evaluate_figure6,

    rule evaluate_figure6:
        """Ratings of rationales by criterion and system."""
        input:
            ratings=ratings_of_panel,
        output:
            table=figure_in_report("<results>/figures/figure6{panel}.csv", "figure6", "6{panel}"),
            drawing=figure_in_report("<results>/figures/figure6{panel}.svg", "figure6", "6{panel}"),
            picture=figure_in_report("<results>/figures/figure6{panel}.png", "figure6", "6{panel}"),
        log:
            "<logs>/evaluate_figure6/figure6{panel}.log",
        benchmark:
            "<timings>/evaluate_figure6/figure6{panel}.jsonl"
        wildcard_constraints:
            panel=any_of(rated_panels()),
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            code=code_digest("evaluate_figure6"),
            record=output_record("figures/figure6{panel}.csv"),
            title=title_of_panel,
        shell:
            "python scripts/evaluate_figure6.py --ratings {input.ratings:q} --title {params.title:q}"
            " --table {output.table:q} --drawing {output.drawing:q} --picture {output.picture:q} > {log:q} 2>&1"


if datasets_with_cases():

    localrules:
        evaluate_figure7,

    rule evaluate_figure7:
        """Cases selected by fixed rules, with note, labs and the rationales of teacher and student."""
        input:
            predictions=shown_student(
                "<results>/{dataset}/evaluate/{model}/seed{seed}/predictions.parquet"
            ),
            cases="<results>/{dataset}/evaluate/cases.parquet",
            samples=file_of_shown_student("<results>/{dataset}/benchmark{variant}/samples.parquet"),
            courses=file_of_shown_student("<results>/{dataset}/benchmark{variant}/courses.parquet"),
            captions=file_of_shown_student(
                "<results>/{dataset}/benchmark{variant}/captions.parquet"
            ),
            series=file_of_shown_student("<results>/{dataset}/benchmark{variant}/series_test.arrow"),
            scales=file_of_shown_student("<results>/{dataset}/benchmark{variant}/scales.csv"),
            fences=file_of_shown_student("<results>/{dataset}/benchmark{variant}/fences.csv"),
            notes=rationales_of_shown_teacher(0),
            labs=rationales_of_shown_teacher(1),
            terms=terms_of_shown_student(),
            wordings="resources/phenotype_wordings.csv",
            lab_wordings="resources/lab_wordings.csv",
            variables="resources/variables.csv",
            # With which the records of raw files are compared.
            origins=["resources/demo/open_demo_sha256.txt", "resources/raw_tables.yaml"],
            templates=page_templates("cases"),
        output:
            page="<results>/{dataset}/evaluate/figure7.html",
            shared=report(
                "<results>/figures/figure7-{dataset}.html",
                caption="../docs/captions/figure7.rst",
                category="Figures",
                labels={"figure": "7", "form": "page, {dataset}"},
            ),
            example="<results>/site/example-{dataset}.json",
        log:
            "<logs>/evaluate_figure7/{dataset}.log",
        benchmark:
            "<timings>/evaluate_figure7/{dataset}.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            code=code_digest("evaluate_figure7"),
            sources=sources,
            record=output_record("figures/figure7-{dataset}.html"),
            dataset=title,
            scaled=setting("benchmark.series.scaled"),
        shell:
            "python scripts/evaluate_figure7.py --predictions {input.predictions:q} --cases {input.cases:q}"
            " --samples {input.samples:q} --courses {input.courses:q} --captions {input.captions:q}"
            " --series {input.series:q} --scales {input.scales:q} --fences {input.fences:q}"
            " --notes {input.notes:q} --labs {input.labs:q} --terms {input.terms:q}"
            " --wordings {input.wordings:q} --lab-wordings {input.lab_wordings:q}"
            " --variables {input.variables:q} --origins {input.origins:q} --scaled {params.scaled:q}"
            " --dataset {params.dataset:q} --templates {input.templates:q}"
            " --page {output.page:q} --shared {output.shared:q} --example {output.example:q} > {log:q} 2>&1"


if figure_files():

    localrules:
        evaluate_figures,

    rule evaluate_figures:
        """The figures with their values on one page."""
        input:
            drawings=expand("<results>/figures/{name}.svg", name=drawn_figures()),
            tables=expand("<results>/figures/{name}.csv", name=drawn_figures()),
            cases=expand("<results>/figures/figure7-{dataset}.html", dataset=datasets_with_cases()),
            templates=page_templates("figures"),
        output:
            page=figure_in_report("<results>/figures/figures.html", "figures", "all"),
        log:
            "<logs>/evaluate_figures/all.log",
        benchmark:
            "<timings>/evaluate_figures/all.jsonl"
        conda:
            "../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=30,
        params:
            code=code_digest("evaluate_figures"),
            sources=sources,
            record=output_record("figures/figures.html"),
        shell:
            "python scripts/evaluate_figures.py --drawings {input.drawings:q} --tables {input.tables:q}"
            " --cases {input.cases:q} --templates {input.templates:q} --page {output.page:q} > {log:q} 2>&1"
