"""The lineage of a results tree as one page: every output with what made it, linked to what it was made of."""

import html
import json
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from clinragen.audit.graph import Graph, Record, listed

# From the tables back to the raw files, as one who asks goes.
STAGES = ("evaluate", "train", "rationale", "knowledge", "benchmark", "extract", "demo")
LONGEST_OPEN_LIST = 15
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Lineage</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1.5rem; color: #1b1f24; }}
section {{ border-top: 1px solid #d8dee4; padding: .6rem 0; }}
section:target, li:target {{ background: #fff8dc; }}
h3 {{ margin: 0; font-size: 1rem; }}
code, pre {{ font: 13px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }}
pre {{ white-space: pre-wrap; background: #f2f5f8; padding: .5rem .8rem; margin: .3rem 0; }}
ul {{ margin: .2rem 0; padding-left: 1.3rem; }}
dl {{ display: grid; grid-template-columns: 9rem 1fr; gap: .1rem .8rem; margin: .3rem 0; }}
dt {{ color: #57606a; }} dd {{ margin: 0; overflow-wrap: anywhere; }}
small {{ color: #57606a; }}
.warning {{ background: #fff4d6; border-left: 4px solid #d4a017; padding: .6rem 1rem; }}
</style></head><body>
<h1>Lineage</h1>
<p>Every output behind the tables, with what made it; each input is a link, down to the
<a href="#raw">raw files and resources</a>. From a value of a table's page a link leads to its row here.
<code>python scripts/trace.py FILE --verify</code> looks whether the files still are what is told here.</p>
{notice}
{contents}
{sections}
<h2 id="raw">Raw files and resources</h2>
{roots}
</body></html>
"""


def lineage_page(outputs: list[str], tree: str, root: str = "") -> str:
    """The page of these outputs, by their recorded paths; `tree` is the recorded path of the results tree, `root` the
    hash that covers all records.

    What lies outside of the tree by an absolute path is shown by the end of it: where a user keeps the raw files
    is nobody else's business.
    """
    graph = Graph.around(Path(outputs[0])) if outputs else None
    records = {path: graph.record(path) for path in outputs} if graph else {}
    users: dict[str, list[str]] = {}
    for path, record in records.items():
        for used in record["inputs"]:
            users.setdefault(used["path"], []).append(path)
    shown = {path: _shown(path, tree) for path in {*records, *users}}
    sections, contents = [], []
    for stage in sorted({_stage(record) for record in records.values()}, key=_place):
        of_stage = [path for path, record in records.items() if _stage(record) == stage]
        contents.append(f'<li><a href="#stage-{stage}">{stage}</a> <small>{len(of_stage)} outputs</small></li>')
        sections.append(f'<h2 id="stage-{stage}">{stage}</h2>')
        sections += ["\n".join(_section(path, records[path], shown, users, tree)) for path in of_stage]
    stand_ins = sorted({label for record in records.values() for label in record["stand_ins"]})
    told = html.escape(", ".join(stand_ins))
    return PAGE.format(
        notice=(f"<p>Root of the records: <code>{html.escape(root)}</code></p>" if root else "")
        + (f'<p class="warning">Stand-ins: {told}.</p>' if stand_ins else ""),
        contents=f"<ul>{''.join(contents)}</ul>",
        sections="\n".join(sections),
        roots="\n".join(_root(path, records, shown, users) for path in sorted(set(users) - set(records))),
    )


def _section(path: str, record: Record, shown: dict[str, str], users: dict[str, list[str]], tree: str) -> Iterator[str]:
    told, git = record["output"], record["git"]
    name = shown[path]
    commit = f"{git['commit']}{' with uncommitted changes' if git['dirty'] else ''}" if git else "outside of git"
    versions = ", ".join(f"{name} {version}" for name, version in record["environment"]["packages"].items())
    facts = {
        "made by": f"{record['rule']}, {record['started']}, in {record['wall_seconds']} s",
        "content": f"{told['bytes']:,} bytes{', {:,} rows'.format(told['rows']) if 'rows' in told else ''}, "
        f"{told['sharing']}",
        "sha256": told["sha256"],
        "code": f"{record['code_digest']}, runtime {record['runtime_digest']}, commit {commit}",
        "seed": "none" if record["seed"] is None else str(record["seed"]),
        **{key: listed(values) for key, values in record["facts"].items()},
        "stand-ins": ", ".join(record["stand_ins"]) or "none",
    }
    yield f'<section id="{html.escape(name)}"><h3><a href="../{quote(name)}">{html.escape(name)}</a></h3><dl>'
    yield from (f"<dt>{html.escape(key)}</dt><dd>{html.escape(value)}</dd>" for key, value in facts.items())
    yield "</dl>"
    yield f"<details><summary>command</summary><pre>{html.escape(_command(record, shown, tree))}</pre></details>"
    surroundings = f"python {record['environment']['python']}; {versions}\n{json.dumps(record['hardware'])}"
    yield f"<details><summary>environment and hardware</summary><pre>{html.escape(surroundings)}</pre></details>"
    named = {used for part in record["rows"] for used in part["inputs"]}
    long = len(record["inputs"]) > LONGEST_OPEN_LIST and not named
    yield f"<details{'' if long else ' open'}><summary>made of {len(record['inputs'])}</summary><ul>"
    yield from (f"<li>{_link(i['path'], shown)}</li>" for i in record["inputs"] if i["path"] not in named)
    for part in record["rows"]:
        row = " · ".join(part["where"].values())
        place = "/".join([name, *part["where"].values()])
        made_of = ", ".join(_link(used, shown) for used in part["inputs"])
        yield f'<li id="{html.escape(place)}">for {html.escape(row)}: {made_of}</li>'
    yield "</ul></details>"
    if path in users:
        yield f"<details><summary>used by {len(users[path])}</summary>{_links(users[path], shown)}</details>"
    yield "</section>"


def _root(path: str, records: dict[str, Record], shown: dict[str, str], users: dict[str, list[str]]) -> str:
    used = next(i for i in records[users[path][0]]["inputs"] if i["path"] == path)
    name = html.escape(shown[path])
    return (
        f'<section id="{name}"><h3>{name}</h3><code>{used["bytes"]:,} bytes, sha256 {used["sha256"]}</code>'
        f"<details><summary>used by {len(users[path])}</summary>{_links(users[path], shown)}</details></section>"
    )


def _links(paths: list[str], shown: dict[str, str]) -> str:
    return f"<ul>{''.join(f'<li>{_link(path, shown)}</li>' for path in paths)}</ul>"


def _link(path: str, shown: dict[str, str]) -> str:
    return f'<a href="#{quote(shown[path])}">{html.escape(shown[path])}</a>'


def _stage(record: Record) -> str:
    return record["rule"].split("_")[0]


def _place(stage: str) -> tuple[int, str]:
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)


def _shown(path: str, tree: str) -> str:
    place = PurePosixPath(path)
    if place.is_relative_to(tree):
        return place.relative_to(tree).as_posix()
    return "/".join(["…", *place.parts[-2:]]) if place.is_absolute() else path


def _command(record: Record, shown: dict[str, str], tree: str) -> str:
    def word(text: str) -> str:
        return shown.get(text) or (_shown(text, tree) if text.startswith((tree, "/")) else text)

    return shlex.join(word(text) for text in record["command"])
