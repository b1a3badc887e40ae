"""Functions of the rule that makes the front page of the results."""


def site_files():
    """Input: the front page."""
    return ["<results>/index.html"]


def site_pages():
    """Input: every page of the results that may be shared; each says in its head what it shows."""
    files = table_files() + ["<results>/study/study.html"] * bool(study_tables())
    files += figure_files() + planted_files() + knowledge_files_in_use() + data_files()
    pages = [path for path in files if path.endswith(".html")]
    return [*dict.fromkeys(pages), "<results>/audit/lineage.html"]


def example_files():
    """Input: a case of each dataset, if the records prove that its data are synthetic or open."""
    return [f"<results>/site/example-{name}.json" for name in datasets_with_cases()]
