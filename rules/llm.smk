# Stage llm: language models that jobs serve themselves (`llms.<name>.provider: served`).
#
# takes the model hub, or the local directory that llms.<name>.model names
# makes <results>/llms/{llm}    weights and tokenizer
#
# Each rule that asks has a variant for these models, <rule>_served, with the environment of their server and a GPU;
# `ruleorder` prefers it. Both run the same script, which starts the server only if a request needs it.


localrules:
    llm_weights,


rule llm_weights:
    """Weights and tokenizer of a language model that jobs without a network can serve."""
    input:
        local=local_files_of_llm,
    output:
        weights=directory("<results>/llms/{llm}"),
    log:
        "<logs>/llm_weights/{llm}.log",
    benchmark:
        "<timings>/llm_weights/{llm}.jsonl"
    wildcard_constraints:
        llm=any_of(CONFIG.served_llms()),
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=600,
    params:
        code=code_digest("llm_weights"),
        sources=sources,
        model=setting("llms.{llm}.model"),
        revision=setting("llms.{llm}.revision"),
    shell:
        "python scripts/llm_weights.py --model {params.model:q} --revision {params.revision:q}"
        " --local {input.local:q} --weights {output.weights:q} > {log:q} 2>&1"
