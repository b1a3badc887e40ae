# Stage evaluate: the paper's claims, tested on its printed tables and on ours.
#
# takes resources/claims.yaml, resources/paper_*.csv, and those tables of <results>/tables that this run makes
# makes <results>/tables/claims.csv, .html    each claim with both verdicts
#       <results>/tables/contradictions.csv   where the paper's printed numbers contradict each other, or its text


localrules:
    evaluate_claims,


rule evaluate_claims:
    """Each claim of the paper, tested on its printed tables and on our values."""
    input:
        claims="resources/claims.yaml",
        printed=printed_values(),
        ours=tables_behind_claims,
        paper_rows="resources/paper_rows.csv",
        templates=page_templates("claims"),
    output:
        table=file_in_report("<results>/tables/claims.csv", "claims", "Claims", "claims, table"),
        contradictions=file_in_report(
            "<results>/tables/contradictions.csv", "claims", "Claims", "contradictions"
        ),
        page=file_in_report("<results>/tables/claims.html", "claims", "Claims", "claims, page"),
    log:
        "<logs>/evaluate_claims/all.log",
    benchmark:
        "<timings>/evaluate_claims/all.jsonl"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        options=run_options,
    params:
        code=code_digest("evaluate_claims"),
        sources=sources,
        rows=rows_of_tables,
        configured=configured_tables,
    shell:
        "python scripts/evaluate_claims.py --claims {input.claims:q} --printed {input.printed:q}"
        " --ours {input.ours:q} --paper-rows {input.paper_rows:q} --rows {params.rows:q}"
        " --configured {params.configured:q} --options {resources.options:q} --templates {input.templates:q}"
        " --table {output.table:q} --contradictions {output.contradictions:q} --page {output.page:q} > {log:q} 2>&1"
