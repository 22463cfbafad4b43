"""n8n's nodes that look at all items at once, as the Python that does the same: Split Out,
Aggregate, Limit, Sort.

https://github.com/n8n-io/n8n/tree/master/packages/nodes-base/nodes/Transform
"""

from __future__ import annotations

from typing import Any

from pilot.convert.cel import AT_SOURCE, slot
from pilot.convert.n8n.build import Build, N8nNode, rows_of
from pilot.convert.n8n.views import At, Items
from pilot.nodes.code import SCOPE_NAMES

_ITEMS_SOURCE = """\
def _items(value):
    return value if isinstance(value, list) else [value]
"""


def split_out(node: N8nNode, build: Build) -> None:
    """Fields that are lists, element by element."""
    given = node.parameters
    names = [
        one.strip().removeprefix("$json.")
        for one in str(given.get("fieldToSplitOut") or "").split(",")
    ]
    puts = [one.strip() for one in str(node.options.get("destinationFieldName") or "").split(",")]
    puts = [one for one in puts if one]
    include = str(given.get("include") or "noOtherFields")
    is_read = all(name and not name.startswith(("=", "$")) for name in names)
    if not is_read or (puts and len(puts) != len(names)):
        build.placeholder(
            node, "the fields that it splits are not known", "write it as a code node"
        )
        return
    dotted = not node.options.get("disableDotNotation")
    rows = []
    for index, name in enumerate(names):
        path = name.split(".") if dotted else [name]
        spread = include == "noOtherFields" and not puts and len(names) == 1
        rows.append((path, puts[index] if puts else name, spread))
    selected = [
        one.strip().removeprefix("$json.").split(".") if dotted else [one.strip()]
        for one in str(given.get("fieldsToInclude") or "").split(",")
        if one.strip()
    ]
    _add(node, build, _SPLIT.format(fields=rows, include=include, selected=selected))


def aggregate(node: N8nNode, build: Build) -> None:
    """One item of all of them: the whole items as a list, or fields of theirs."""
    given, options = node.parameters, node.options
    if options.get("groupByFields"):
        build.placeholder(node, "groups of items are not carried", "write it as a code node")
        return
    if given.get("aggregate") == "aggregateAllItemData":
        names = {which: _listed(given.get(f"fieldsTo{which}")) for which in ("Include", "Exclude")}
        put = str(given.get("destinationFieldName") or "data")
        _add(
            node, build,
            _ALL.format(include=names["Include"], exclude=names["Exclude"], put=put), many=False,
        )  # fmt: skip
        return
    dotted = not options.get("disableDotNotation")
    fields = []
    for one in rows_of(given, "fieldsToAggregate", "fieldToAggregate"):
        name = str(one.get("fieldToAggregate") or "")
        path = name.split(".") if dotted else [name]
        put = str(one.get("outputFieldName") or path[-1])
        if name:
            fields.append((path, put))
    puts = [put for _, put in fields]
    if not fields or len(set(puts)) != len(puts) or (dotted and any("." in put for put in puts)):
        build.placeholder(node, "the fields that it gives are not known", "write it as a code node")
        return
    source = _FIELDS.format(
        fields=fields, keep=bool(options.get("keepMissing")), flat=bool(options.get("mergeLists"))
    )
    _add(node, build, source, many=False)


def limit(node: N8nNode, build: Build) -> None:
    count = node.parameters.get("maxItems", 1)
    if not isinstance(count, int) or count < 1:
        build.placeholder(node, "how many it keeps is not known", "write it as a code node")
        return
    last = node.parameters.get("keep") == "lastItems"
    _add(node, build, f"    return items[{-count if last else ''}:{'' if last else count}]\n")


def sort(node: N8nNode, build: Build) -> None:
    """By fields; texts by their small letters, as n8n does."""
    given = node.parameters
    fields = [
        (str(one.get("fieldName") or ""), one.get("order", "ascending") != "ascending")
        for one in rows_of(given, "sortFieldsUi", "sortField")
    ]
    if given.get("type", "simple") != "simple" or not fields:
        build.placeholder(
            node, f"a sort by {given.get('type')} is not carried", "write it as a code node"
        )
        return
    dotted = not node.options.get("disableDotNotation")
    lines = ""
    for name, descends in reversed(fields):
        path = name.split(".") if dotted else [name]
        lines += f"    items = sorted(items, key=lambda x: _key(x, {path}), reverse={descends})\n"
    build.account.approximated(
        "a field that some items lack, or that is a text in some and a number in others, is an "
        "error here",
        node.source,
        "sortFieldsUi",
        severity="info",
        action="keep to one type a field",
    )
    _add(node, build, f"{lines}    return items\n", _KEY)


def _listed(given: Any) -> list[str]:
    return [one.strip() for one in str(given or "").split(",") if one.strip()]


def _add(node: N8nNode, build: Build, lines: str, more: str = "", *, many: bool = True) -> None:
    """A code node over `items`; where the item that comes in stands in several places, a variable
    before it that holds it."""
    view = build.through(node)
    at = view.at if isinstance(view, Items) else view
    if isinstance(at, At):
        place = at.place.python
        root = str(at.place.path[0])
    else:
        whole = slot(build.whole(view, node))
        build.add(node, "variable", {"assignments": {node.node_id: whole}})
        place, root = f'vars["{node.node_id}"]', "vars"
    scope = root if root in SCOPE_NAMES else ""
    source = f"{AT_SOURCE}\n\n{_ITEMS_SOURCE}{more}\n\ndef main({scope}):\n"
    source += f"    items = _items({place})\n{lines}"
    if isinstance(at, At):
        build.add(node, "code", {"source": source})
        output = build.own(node)
    else:
        output = build.own_of(build.after(node, "items", "code", {"source": source}))
    build.views[node.name] = Items(output) if many else output


_SPLIT = """\
    found = []
    for item in items:
        rows = []
        for path, name, spread in {fields}:
            holder = _at(item, *path[:-1])
            there = isinstance(holder, dict) and path[-1] in holder
            value = holder[path[-1]] if there else []
            if isinstance(value, dict):
                value = list(value.values())
            elif not isinstance(value, list):
                value = [value]
            for index, element in enumerate(value):
                if index == len(rows):
                    rows.append({{}})
                if spread and isinstance(element, dict):
                    rows[index] = {{**rows[index], **element}}
                elif spread and isinstance(element, list):
                    more = {{str(at): one for at, one in enumerate(element)}}
                    rows[index] = {{**rows[index], **more}}
                else:
                    rows[index] = {{**rows[index], name: element}}
        if "{include}" == "allOtherFields":
            others = item
            for path, name, spread in {fields}:
                others = _without(others, path)
            rows = [{{**others, **row}} for row in rows]
        elif "{include}" == "selectedOtherFields":
            more = {{".".join(path): _at(item, *path) for path in {selected}}}
            rows = [{{**row, **more}} for row in rows]
        found += rows
    return found


def _without(value, path):
    if not isinstance(value, dict) or path[0] not in value:
        return value
    if len(path) == 1:
        return {{key: one for key, one in value.items() if key != path[0]}}
    return {{**value, path[0]: _without(value[path[0]], path[1:])}}
"""

_ALL = """\
    include, exclude = {include}, {exclude}
    if include or exclude:
        items = [
            {{
                key: one
                for key, one in item.items()
                if key not in exclude and (not include or key in include)
            }}
            for item in items
        ]
        items = [item for item in items if item]
    return {{{put!r}: items}}
"""

_FIELDS = """\
    given = {{}}
    for path, put in {fields}:
        values = []
        for item in items:
            value = _at(item, *path)
            if not {keep}:
                if value is None:
                    continue
                if isinstance(value, list):
                    value = [one for one in value if one is not None]
            if {flat} and isinstance(value, list):
                values += value
            else:
                values.append(value)
        given[put] = values
    return given
"""

_KEY = """

def _key(item, path):
    value = _at(item, *path)
    return value.lower() if isinstance(value, str) else value
"""
