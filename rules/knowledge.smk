# Stage knowledge: from the names of the phenotypes to the vocabulary V^k.
#
# takes resources/knowledge (queries, abbreviations; offline also the authored texts), resources/prompts/terms.txt,
#       resources/stop_words.txt, <results>/backbones/{backbone} (stage train); PubMed, Wikipedia and a language model
# makes <results>/knowledge/pubmed.parquet, wikipedia.parquet   documents
#       <results>/knowledge/attrition_pubmed.csv, attrition_wikipedia.csv  documents that each step of the retrieval leaves
#       <results>/knowledge/terms.parquet, terms.csv            key terms K by the number of documents with them
#       <results>/knowledge/mentions.parquet                    every document with a term, key term or not
#       <results>/knowledge/answers.parquet                     every document that the model was shown, and its request
#       <results>/knowledge/convergence.csv, convergence.png    convergence of the terms, round by round
#       <results>/knowledge/vocab/{backbone}.json               V^k, with the terms and phenotypes of each token
#       <results>/knowledge/vocab/{backbone}.csv                its coverage, and overlap between phenotypes
#       <results>/knowledge/pubmed, wikipedia/{backbone}.json   the part of V^k from one source
#       <results>/knowledge/standard/{backbone}.json            the whole vocabulary
#       <results>/knowledge/sources.csv                         overlap of PubMed and Wikipedia
#       <results>/knowledge/knowledge.html                      all of this on one page
#
# Rules that need a network run where Snakemake runs: compute nodes often have none. Addresses, keys and retries are
# resources, which Snakemake does not compare, because they change no output. Responses of PubMed and Wikipedia are
# stored in <answers>/responses.sqlite, where every later run reads them.


localrules:
    knowledge_documents,
    knowledge_terms,
    knowledge_convergence,
    knowledge_vocabulary,
    knowledge_coverage,
    knowledge_standard,
    knowledge_sources,
    knowledge_page,


rule knowledge_documents:
    """Documents on each phenotype, from PubMed or Wikipedia or from the authored texts."""
    input:
        queries="resources/knowledge/queries.csv",
        texts=offline_texts,
    output:
        documents="<results>/knowledge/{source}.parquet",
        attrition="<results>/knowledge/attrition_{source}.csv",
    log:
        "<logs>/knowledge_documents/{source}.log",
    benchmark:
        "<timings>/knowledge_documents/{source}.jsonl"
    wildcard_constraints:
        source="pubmed|wikipedia",
    conda:
        "../envs/knowledge.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
        endpoint=setting("knowledge.{source}.endpoint"),
        email=setting("knowledge.pubmed.email"),
        answers=setting("answers"),
    params:
        code=code_digest("knowledge_documents"),
        sources=sources,
        mode=setting("knowledge.source"),
        documents=setting("knowledge.{source}.documents"),
        refresh=refresh_date,
    shell:
        "python scripts/knowledge_documents.py --queries {input.queries:q} --texts {input.texts:q}"
        " --source {wildcards.source:q} --mode {params.mode:q} --documents {params.documents:q}"
        " --answers {resources.answers:q} --refresh={params.refresh:q}"
        " --endpoint {resources.endpoint:q} --email={resources.email:q}"
        " --out {output.documents:q} --attrition {output.attrition:q} > {log:q} 2>&1"


rule knowledge_terms:
    """Key terms of each phenotype (equation 1), the documents with them, and the convergence of the rounds."""
    input:
        documents=documents_of_terms(),
        prompt="resources/prompts/terms.txt",
        abbreviations="resources/knowledge/abbreviations.csv",
        weights=weights_of("knowledge.terms.llm"),
    output:
        terms="<results>/knowledge/terms.parquet",
        readable="<results>/knowledge/terms.csv",
        mentions="<results>/knowledge/mentions.parquet",
        shown="<results>/knowledge/answers.parquet",
        convergence=report(
            "<results>/knowledge/convergence.csv",
            caption="../docs/captions/convergence.rst",
            category="Knowledge",
            labels={"file": "convergence, table"},
        ),
    log:
        "<logs>/knowledge_terms/all.log",
    benchmark:
        "<timings>/knowledge_terms/all.jsonl"
    conda:
        "../envs/knowledge.yaml"
    threads: 1
    resources:
        **one_job_per_server("knowledge.terms.llm"),
        mem_mb=1000,
        runtime=240,
        transport=transport("knowledge.terms.llm"),
        answers=setting("answers"),
    params:
        code=code_digest("knowledge_terms"),
        sources=sources,
        terms=setting("knowledge.terms"),
        llm=llm("knowledge.terms.llm"),
        record=output_record("knowledge/convergence.csv"),
    shell:
        "python scripts/knowledge_terms.py --documents {input.documents:q}"
        " --prompt {input.prompt:q} --abbreviations {input.abbreviations:q}"
        " --terms {params.terms:q} --llm {params.llm:q}"
        " --transport {resources.transport:q} --weights {input.weights:q} --answers {resources.answers:q}"
        " --out {output.terms:q} --readable {output.readable:q} --mentions {output.mentions:q}"
        " --shown {output.shown:q}"
        " --convergence {output.convergence:q} > {log:q} 2>&1"


if CONFIG.is_served(CONFIG.knowledge.terms.llm):

    ruleorder: knowledge_terms_served > knowledge_terms

    use rule knowledge_terms as knowledge_terms_served with:
        retries: 2
        conda:
            "../envs/serve.yaml"
        threads: 4
        resources:
            **serving("knowledge.terms.llm"),


rule knowledge_convergence:
    """Convergence of the key terms of each phenotype, as a picture."""
    input:
        "<results>/knowledge/convergence.csv",
    output:
        report(
            "<results>/knowledge/convergence.png",
            caption="../docs/captions/convergence.rst",
            category="Knowledge",
            labels={"file": "convergence, picture"},
        ),
    log:
        "<logs>/knowledge_convergence/all.log",
    benchmark:
        "<timings>/knowledge_convergence/all.jsonl"
    conda:
        "../envs/knowledge.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code_digest("knowledge_convergence"),
        bound=setting("knowledge.terms.jaccard"),
        record=output_record("knowledge/convergence.png"),
    shell:
        "python scripts/knowledge_convergence.py --convergence {input:q} --bound {params.bound:q}"
        " --picture {output:q} > {log:q} 2>&1"


rule knowledge_vocabulary:
    """The vocabulary V^k of a language model (equation 5), or the part of it from one source."""
    input:
        tokenizer="<results>/backbones/{backbone}",
        terms="<results>/knowledge/terms.parquet",
        mentions=mentions_of_source,
        stop_words="resources/stop_words.txt",
    output:
        "<results>/knowledge/{documents}/{backbone}.json",
    log:
        "<logs>/knowledge_vocabulary/{documents}-{backbone}.log",
    benchmark:
        "<timings>/knowledge_vocabulary/{documents}-{backbone}.jsonl"
    wildcard_constraints:
        documents="vocab|pubmed|wikipedia",
    conda:
        "../envs/knowledge.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("knowledge_vocabulary"),
        sources=sources,
        settings=setting("knowledge.vocabulary"),
    shell:
        "python scripts/knowledge_vocabulary.py --tokenizer {input.tokenizer:q} --terms {input.terms:q}"
        " --mentions {input.mentions:q} --source {wildcards.documents:q}"
        " --stop-words {input.stop_words:q} --backbone {wildcards.backbone:q} --settings {params.settings:q}"
        " --out {output:q} > {log:q} 2>&1"


rule knowledge_coverage:
    """Coverage of the vocabulary V^k by phenotype, its overlap between them, and the effect of the switches."""
    input:
        tokenizer="<results>/backbones/{backbone}",
        terms="<results>/knowledge/terms.parquet",
        stop_words="resources/stop_words.txt",
    output:
        report(
            "<results>/knowledge/vocab/{backbone}.csv",
            caption="../docs/captions/vocabulary.rst",
            category="Knowledge",
            labels={"file": "vocabulary of {backbone}"},
        ),
    log:
        "<logs>/knowledge_coverage/{backbone}.log",
    benchmark:
        "<timings>/knowledge_coverage/{backbone}.jsonl"
    conda:
        "../envs/knowledge.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("knowledge_coverage"),
        sources=sources,
        settings=setting("knowledge.vocabulary"),
        record=output_record("knowledge/vocab/{backbone}.csv"),
    shell:
        "python scripts/knowledge_coverage.py --tokenizer {input.tokenizer:q} --terms {input.terms:q}"
        " --stop-words {input.stop_words:q} --settings {params.settings:q}"
        " --table {output:q} > {log:q} 2>&1"


rule knowledge_standard:
    """The whole vocabulary of a language model, in place of V^k (ablation w/o KNOW)."""
    input:
        "<results>/backbones/{backbone}",
    output:
        "<results>/knowledge/standard/{backbone}.json",
    log:
        "<logs>/knowledge_standard/{backbone}.log",
    benchmark:
        "<timings>/knowledge_standard/{backbone}.jsonl"
    conda:
        "../envs/knowledge.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("knowledge_standard"),
    shell:
        "python scripts/knowledge_standard.py --tokenizer {input:q}"
        " --backbone {wildcards.backbone:q} --out {output:q} > {log:q} 2>&1"


rule knowledge_sources:
    """Overlap of PubMed and Wikipedia in the key terms and in the tokens of each language model."""
    input:
        terms="<results>/knowledge/terms.parquet",
        mentions="<results>/knowledge/mentions.parquet",
        tokenizers=expand("<results>/backbones/{backbone}", backbone=backbones_with_knowledge()),
    output:
        report(
            "<results>/knowledge/sources.csv",
            caption="../docs/captions/sources.rst",
            category="Knowledge",
            labels={"file": "sources"},
        ),
    log:
        "<logs>/knowledge_sources/all.log",
    benchmark:
        "<timings>/knowledge_sources/all.jsonl"
    conda:
        "../envs/knowledge.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("knowledge_sources"),
        record=output_record("knowledge/sources.csv"),
    shell:
        "python scripts/knowledge_sources.py --terms {input.terms:q} --mentions {input.mentions:q}"
        " --tokenizers {input.tokenizers:q} --out {output:q} > {log:q} 2>&1"


rule knowledge_page:
    """Documents, key terms, convergence and vocabularies on one page."""
    input:
        terms="<results>/knowledge/terms.parquet",
        shown="<results>/knowledge/answers.parquet",
        convergence="<results>/knowledge/convergence.csv",
        picture="<results>/knowledge/convergence.png",
        attrition=expand(
            "<results>/knowledge/attrition_{source}.csv", source=CONFIG.knowledge.terms.sources
        ),
        sources="<results>/knowledge/sources.csv",
        coverage=expand(
            "<results>/knowledge/vocab/{backbone}.csv", backbone=backbones_with_knowledge()
        ),
        templates=page_templates("knowledge"),
    output:
        page=file_in_report(
            "<results>/knowledge/knowledge.html", "knowledge", "Knowledge", "all, page"
        ),
    log:
        "<logs>/knowledge_page/all.log",
    benchmark:
        "<timings>/knowledge_page/all.jsonl"
    conda:
        "../envs/knowledge.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code_digest("knowledge_page"),
        sources=sources,
        mode=setting("knowledge.source"),
        settings=setting("knowledge.terms"),
        llm=llm("knowledge.terms.llm"),
        record=output_record("knowledge/knowledge.html"),
    shell:
        "python scripts/knowledge_page.py --terms {input.terms:q} --shown {input.shown:q}"
        " --convergence {input.convergence:q} --picture {input.picture:q} --attrition {input.attrition:q}"
        " --sources {input.sources:q} --coverage {input.coverage:q} --mode {params.mode:q}"
        " --settings {params.settings:q} --llm {params.llm:q} --templates {input.templates:q}"
        " --page {output.page:q} > {log:q} 2>&1"
