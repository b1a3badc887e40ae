# Stage audit: the lineage of the results.
#
# takes  the records of all outputs behind the tables
# makes  <results>/audit/lineage.csv    a row per output: rule, hashes, code, commit, inputs, raw files reached
#        <results>/audit/lineage.html   the same and more as one page, every input a link


localrules:
    audit_lineage,


rule audit_lineage:
    """Every output behind the targets, with what made it and the raw files that it reaches."""
    input:
        targets=table_files()
        + figure_files()
        + asked_files()
        + planted_files()
        + knowledge_files_in_use()
        + example_files(),
        data=data_files(),
        templates=page_templates("lineage"),
    output:
        lineage=report(
            "<results>/audit/lineage.csv",
            caption="../docs/captions/lineage.rst",
            category="Audit",
            labels={"file": "table"},
        ),
        page=report(
            "<results>/audit/lineage.html",
            caption="../docs/captions/lineage.rst",
            category="Audit",
            labels={"file": "page"},
        ),
    log:
        "<logs>/audit_lineage/all.log",
    benchmark:
        "<timings>/audit_lineage/all.jsonl"
    conda:
        "../envs/audit.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code_digest("audit_lineage"),
        sources=sources,
        record=output_record("audit/lineage.csv"),
    shell:
        "python scripts/audit_lineage.py --targets {input.targets:q} {input.data:q}"
        " --templates {input.templates:q} --lineage {output.lineage:q} --page {output.page:q} > {log:q} 2>&1"
