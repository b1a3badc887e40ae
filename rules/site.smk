# Stage site: the front page of the results.
#
# takes  every page of the results that may be shared, <results>/tables/claims.csv, table1.csv, table2.csv, planted.csv,
#        <results>/{dataset}/benchmark/attrition.csv, <results>/site/example-{dataset}.json
# makes  <results>/index.html    what was asked, what came out, one case, all pages


localrules:
    site_index,


rule site_index:
    """The front page: what was asked, what came out, one case, and all pages of the results."""
    input:
        pages=site_pages(),
        claims="<results>/tables/claims.csv",
        table1="<results>/tables/table1.csv",
        table2="<results>/tables/table2.csv",
        planted=["<results>/tables/planted.csv"] * bool(planted_files()),
        attrition=of_datasets("<results>/{dataset}/benchmark/attrition.csv"),
        examples=example_files(),
        lineage="<results>/audit/lineage.csv",
        templates=page_templates("index"),
    output:
        page="<results>/index.html",
    log:
        "<logs>/site_index/all.log",
    benchmark:
        "<timings>/site_index/all.jsonl"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code_digest("site_index"),
        sources=sources,
    shell:
        "python scripts/site_index.py --pages {input.pages:q} --claims {input.claims:q}"
        " --table1 {input.table1:q} --table2 {input.table2:q} --planted {input.planted:q}"
        " --attrition {input.attrition:q} --examples {input.examples:q} --lineage {input.lineage:q}"
        " --templates {input.templates:q} --page {output.page:q} > {log:q} 2>&1"
