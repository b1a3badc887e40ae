# Stage knowledge: from the names of the phenotypes to the vocabulary V^k.
#
# takes resources/knowledge (queries; offline also the authored texts), resources/prompts/terms.txt,
#       <results>/backbones/{backbone} (stage train); PubMed, Wikipedia and a language model
# makes <results>/knowledge/pubmed.parquet, wikipedia.parquet             documents
#       <results>/knowledge/attrition_pubmed.csv, attrition_wikipedia.csv  what each step of the retrieval left over
#       <results>/knowledge/terms.parquet, terms.csv                      key terms and where each was found
#       <results>/knowledge/vocabulary-{backbone}-{vocabulary}.json       token ids
#
# What needs a network runs where Snakemake runs: compute nodes often have none. Addresses, keys and
# retries go as resources, which Snakemake does not compare: they change no output. Responses of PubMed and Wikipedia
# are kept in <answers>/responses.sqlite, from which every later run takes them.


localrules:
    knowledge_pubmed,
    knowledge_wikipedia,
    knowledge_terms,
    knowledge_vocabulary,


rule knowledge_pubmed:
    """Abstracts on each phenotype, from PubMed or from the authored texts."""
    input:
        queries="resources/knowledge/queries.csv",
        texts=offline(authored_texts("pubmed")),
    output:
        documents="<results>/knowledge/pubmed.parquet",
        attrition="<results>/knowledge/attrition_pubmed.csv",
    log:
        "<logs>/knowledge_pubmed/all.log",
    benchmark:
        "<timings>/knowledge_pubmed/all.jsonl"
    conda:
        "../envs/knowledge.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
        endpoint=setting("knowledge.pubmed.endpoint"),
        email=setting("knowledge.pubmed.email"),
    params:
        code=code_digest("knowledge_pubmed"),
        sources=sources,
        source=setting("knowledge.source"),
        documents=setting("knowledge.pubmed.documents"),
        answers=setting("answers"),
        refresh=refresh_date,
    shell:
        "python scripts/knowledge_pubmed.py --queries {input.queries:q} --texts {input.texts:q}"
        " --source {params.source:q} --documents {params.documents:q}"
        " --answers {params.answers:q} --refresh={params.refresh:q}"
        " --endpoint {resources.endpoint:q} --email={resources.email:q}"
        " --out {output.documents:q} --attrition {output.attrition:q} > {log:q} 2>&1"


rule knowledge_wikipedia:
    """Articles on each phenotype, from Wikipedia or from the authored texts."""
    input:
        queries="resources/knowledge/queries.csv",
        texts=offline(authored_texts("wikipedia")),
    output:
        documents="<results>/knowledge/wikipedia.parquet",
        attrition="<results>/knowledge/attrition_wikipedia.csv",
    log:
        "<logs>/knowledge_wikipedia/all.log",
    benchmark:
        "<timings>/knowledge_wikipedia/all.jsonl"
    conda:
        "../envs/knowledge.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
        endpoint=setting("knowledge.wikipedia.endpoint"),
        email=setting("knowledge.pubmed.email"),
    params:
        code=code_digest("knowledge_wikipedia"),
        sources=sources,
        source=setting("knowledge.source"),
        documents=setting("knowledge.wikipedia.documents"),
        answers=setting("answers"),
        refresh=refresh_date,
    shell:
        "python scripts/knowledge_wikipedia.py --queries {input.queries:q} --texts {input.texts:q}"
        " --source {params.source:q} --documents {params.documents:q}"
        " --answers {params.answers:q} --refresh={params.refresh:q}"
        " --endpoint {resources.endpoint:q} --email={resources.email:q}"
        " --out {output.documents:q} --attrition {output.attrition:q} > {log:q} 2>&1"


rule knowledge_terms:
    """Key terms of each phenotype (equation 1) with the document that each was found in."""
    input:
        pubmed="<results>/knowledge/pubmed.parquet",
        wikipedia="<results>/knowledge/wikipedia.parquet",
        prompt="resources/prompts/terms.txt",
    output:
        terms="<results>/knowledge/terms.parquet",
        readable="<results>/knowledge/terms.csv",
    log:
        "<logs>/knowledge_terms/all.log",
    benchmark:
        "<timings>/knowledge_terms/all.jsonl"
    conda:
        "../envs/knowledge.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
        transport=transport("knowledge.terms.llm"),
        answers=setting("answers"),
    params:
        code=code_digest("knowledge_terms"),
        sources=sources,
        terms=setting("knowledge.terms"),
        llm=llm("knowledge.terms.llm"),
    shell:
        "python scripts/knowledge_terms.py --pubmed {input.pubmed:q} --wikipedia {input.wikipedia:q}"
        " --prompt {input.prompt:q} --terms {params.terms:q} --llm {params.llm:q}"
        " --transport {resources.transport:q} --answers {resources.answers:q}"
        " --out {output.terms:q} --readable {output.readable:q} > {log:q} 2>&1"


rule knowledge_vocabulary:
    """Token ids of the knowledge vocabulary V^k (equation 5), or of the whole vocabulary."""
    input:
        tokenizer="<results>/backbones/{backbone}",
        terms=lambda wildcards: (
            ["<results>/knowledge/terms.parquet"] if wildcards.vocabulary == "knowledge" else []
        ),
    output:
        "<results>/knowledge/vocabulary-{backbone}-{vocabulary}.json",
    log:
        "<logs>/knowledge_vocabulary/{backbone}-{vocabulary}.log",
    benchmark:
        "<timings>/knowledge_vocabulary/{backbone}-{vocabulary}.jsonl"
    wildcard_constraints:
        vocabulary="knowledge|standard",
    conda:
        "../envs/knowledge.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("knowledge_vocabulary"),
    shell:
        "python scripts/knowledge_vocabulary.py --tokenizer {input.tokenizer:q} --terms {input.terms:q}"
        " --backbone {wildcards.backbone:q} --vocabulary {wildcards.vocabulary:q} --out {output:q} > {log:q} 2>&1"
