# Stage extract: from raw MIMIC files to the cohort and its data.
#
# takes  the raw tables of resources/raw_tables.yaml
# makes  <results>/{dataset}/extract/stays.parquet        ICU stays of the cohort
#        <results>/{dataset}/extract/features.parquet     age, sex and type of admission, for models that read them
#        <results>/{dataset}/extract/groups.parquet       age, sex, care unit and insurance, by which scores are compared
#        <results>/{dataset}/extract/diagnoses.parquet    billing codes of their admissions
#        <results>/{dataset}/extract/events.parquet       measurements of the 17 variables
#        <results>/{dataset}/extract/notes.parquet        discharge notes
#        <results>/{dataset}/extract/attrition_*.csv      rows remaining after each step
#        <results>/{dataset}/extract/release.csv          release of the raw tables, by their numbers of rows
#        <results>/{dataset}/extract/inventory.csv        size and SHA-256 of the raw files


localrules:
    extract_inventory,


rule extract_stays:
    """Adult ICU stays without transfers, one per admission."""
    input:
        raw=raw_tables("icustays", "admissions", "patients"),
        raw_tables="resources/raw_tables.yaml",
    output:
        stays="<results>/{dataset}/extract/stays.parquet",
        attrition="<results>/{dataset}/extract/attrition_stays.csv",
        release="<results>/{dataset}/extract/release.csv",
    log:
        "<logs>/extract_stays/{dataset}.log",
    benchmark:
        "<timings>/extract_stays/{dataset}.jsonl"
    conda:
        "../envs/extract.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_extraction(),
        memory_limit_mb=CONFIG.extract.memory_limit_mb,
        runtime=30,
    params:
        code=code_digest("extract_stays"),
        sources=sources,
        cohort=setting("extract.cohort"),
        release=raw_release,
    shell:
        "python scripts/extract_stays.py --raw {input.raw:q} --raw-tables {input.raw_tables:q} --dataset {wildcards.dataset:q} --release={params.release:q}"
        " --cohort {params.cohort:q} --memory-limit-mb {resources.memory_limit_mb:q} --threads {threads}"
        " --stays {output.stays:q} --attrition {output.attrition:q} --counted {output.release:q} > {log:q} 2>&1"


rule extract_features:
    """Age, sex and type of admission of the cohort, for models that read them."""
    input:
        raw=raw_tables("admissions"),
        raw_tables="resources/raw_tables.yaml",
        stays="<results>/{dataset}/extract/stays.parquet",
        release="<results>/{dataset}/extract/release.csv",
    output:
        features="<results>/{dataset}/extract/features.parquet",
    log:
        "<logs>/extract_features/{dataset}.log",
    benchmark:
        "<timings>/extract_features/{dataset}.jsonl"
    conda:
        "../envs/extract.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_extraction(),
        memory_limit_mb=CONFIG.extract.memory_limit_mb,
        runtime=30,
    params:
        code=code_digest("extract_features"),
        sources=sources,
    shell:
        "python scripts/extract_features.py --raw {input.raw:q} --raw-tables {input.raw_tables:q} --stays {input.stays:q} --release {input.release:q}"
        " --dataset {wildcards.dataset:q} --memory-limit-mb {resources.memory_limit_mb:q} --threads {threads}"
        " --features {output.features:q} > {log:q} 2>&1"


rule extract_groups:
    """Age, sex, care unit and insurance of the cohort, by which scores are compared."""
    input:
        raw=raw_tables("admissions", "icustays"),
        raw_tables="resources/raw_tables.yaml",
        stays="<results>/{dataset}/extract/stays.parquet",
        release="<results>/{dataset}/extract/release.csv",
    output:
        groups="<results>/{dataset}/extract/groups.parquet",
    log:
        "<logs>/extract_groups/{dataset}.log",
    benchmark:
        "<timings>/extract_groups/{dataset}.jsonl"
    conda:
        "../envs/extract.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_extraction(),
        memory_limit_mb=CONFIG.extract.memory_limit_mb,
        runtime=30,
    params:
        code=code_digest("extract_groups"),
        sources=sources,
    shell:
        "python scripts/extract_groups.py --raw {input.raw:q} --raw-tables {input.raw_tables:q} --stays {input.stays:q} --release {input.release:q}"
        " --dataset {wildcards.dataset:q} --memory-limit-mb {resources.memory_limit_mb:q} --threads {threads}"
        " --groups {output.groups:q} > {log:q} 2>&1"


rule extract_diagnoses:
    """Billing codes of the admissions of the cohort."""
    input:
        raw=diagnosis_tables,
        raw_tables="resources/raw_tables.yaml",
        stays="<results>/{dataset}/extract/stays.parquet",
        release="<results>/{dataset}/extract/release.csv",
    output:
        diagnoses="<results>/{dataset}/extract/diagnoses.parquet",
        attrition="<results>/{dataset}/extract/attrition_diagnoses.csv",
    log:
        "<logs>/extract_diagnoses/{dataset}.log",
    benchmark:
        "<timings>/extract_diagnoses/{dataset}.jsonl"
    conda:
        "../envs/extract.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_extraction(),
        memory_limit_mb=CONFIG.extract.memory_limit_mb,
        runtime=30,
    params:
        code=code_digest("extract_diagnoses"),
        sources=sources,
        repairs=setting("extract.diagnoses"),
    shell:
        "python scripts/extract_diagnoses.py --raw {input.raw:q} --raw-tables {input.raw_tables:q} --stays {input.stays:q} --release {input.release:q}"
        " --dataset {wildcards.dataset:q} --repairs {params.repairs:q} --memory-limit-mb {resources.memory_limit_mb:q} --threads {threads}"
        " --diagnoses {output.diagnoses:q} --attrition {output.attrition:q} > {log:q} 2>&1"


rule extract_events:
    """Measurements of the 17 variables during the stays of the cohort."""
    input:
        raw=raw_tables("chartevents", "labevents"),
        raw_tables="resources/raw_tables.yaml",
        stays="<results>/{dataset}/extract/stays.parquet",
        release="<results>/{dataset}/extract/release.csv",
        item_table="resources/items.csv",
        variables="resources/variables.csv",
    output:
        events="<results>/{dataset}/extract/events.parquet",
        attrition="<results>/{dataset}/extract/attrition_events.csv",
    log:
        "<logs>/extract_events/{dataset}.log",
    benchmark:
        "<timings>/extract_events/{dataset}.jsonl"
    conda:
        "../envs/extract.yaml"
    threads: CONFIG.extract.threads
    resources:
        mem_mb=memory_of_extraction(),
        memory_limit_mb=CONFIG.extract.memory_limit_mb,
        runtime=240,
    params:
        code=code_digest("extract_events"),
        sources=sources,
        repairs=setting("extract.events"),
    shell:
        "python scripts/extract_events.py --raw {input.raw:q} --raw-tables {input.raw_tables:q} --stays {input.stays:q} --release {input.release:q}"
        " --items {input.item_table:q} --variables {input.variables:q} --dataset {wildcards.dataset:q}"
        " --repairs {params.repairs:q} --memory-limit-mb {resources.memory_limit_mb:q} --threads {threads}"
        " --events {output.events:q} --attrition {output.attrition:q} > {log:q} 2>&1"


rule extract_notes:
    """Discharge reports of the admissions of the cohort."""
    input:
        raw=raw_tables("noteevents"),
        raw_tables="resources/raw_tables.yaml",
        stays="<results>/{dataset}/extract/stays.parquet",
        release="<results>/{dataset}/extract/release.csv",
    output:
        notes="<results>/{dataset}/extract/notes.parquet",
        attrition="<results>/{dataset}/extract/attrition_notes.csv",
    log:
        "<logs>/extract_notes/{dataset}.log",
    benchmark:
        "<timings>/extract_notes/{dataset}.jsonl"
    conda:
        "../envs/extract.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_extraction(),
        memory_limit_mb=CONFIG.extract.memory_limit_mb,
        runtime=60,
    params:
        code=code_digest("extract_notes"),
        sources=sources,
        notes=setting("extract.notes"),
    shell:
        "python scripts/extract_notes.py --raw {input.raw:q} --raw-tables {input.raw_tables:q} --stays {input.stays:q} --release {input.release:q}"
        " --dataset {wildcards.dataset:q} --settings {params.notes:q}"
        " --memory-limit-mb {resources.memory_limit_mb:q} --threads {threads}"
        " --notes {output.notes:q} --attrition {output.attrition:q} > {log:q} 2>&1"


rule extract_inventory:
    """Size and SHA-256 of the raw files, from the records of the steps that read them."""
    input:
        extracted=expand(
            "<results>/{{dataset}}/extract/{table}.parquet",
            table=["stays", "diagnoses", "events", "notes"],
        ),
        raw_tables="resources/raw_tables.yaml",
        release="<results>/{dataset}/extract/release.csv",
    output:
        inventory="<results>/{dataset}/extract/inventory.csv",
    log:
        "<logs>/extract_inventory/{dataset}.log",
    benchmark:
        "<timings>/extract_inventory/{dataset}.jsonl"
    conda:
        "../envs/extract.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code_digest("extract_inventory"),
        sources=sources,
    shell:
        "python scripts/extract_inventory.py --extracted {input.extracted:q} --raw-tables {input.raw_tables:q} --dataset {wildcards.dataset:q}"
        " --release {input.release:q} --inventory {output.inventory:q} > {log:q} 2>&1"
