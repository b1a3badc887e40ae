# Stage audit: what made the results.
#
# takes  the records next to all outputs behind the tables
# makes  <results>/audit/lineage.csv    a row per output: rule, hashes, code, commit, inputs, raw files reached
#        <results>/audit/lineage.html   the same and more as one page, every input a link
#
# Snakemake looks at neither intermediates nor records as long as the targets exist, and calls no handler when nothing
# is to be done. So both are checked by their records, before the first job and after the last.

from clinragen.audit.verify import report_after_run, warn_before_run


localrules:
    audit_lineage,


rule audit_lineage:
    """Every output behind the targets, with what made it and the raw files that it reaches."""
    input:
        targets=table_files(),
        data=data_files(),
        none=lambda wildcards: (
            warn_before_run(Path(CONFIG.pathvars.results)) if workflow.is_main_process else []
        ),
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
        record=output_record("audit/lineage.csv"),
    shell:
        "python scripts/audit_lineage.py --targets {input}"
        " --lineage {output.lineage} --page {output.page} > {log} 2>&1"


onsuccess:
    if {"all", "audit"} & set(map(str, workflow.dag_settings.targets or ["all"])):
        report_after_run(Path(CONFIG.pathvars.results))
