"""Reads the tree of a checked CEL expression.

`cel-expr-python` gives a compiled expression's tree only in its serialised form, the
protobuf message `cel.expr.CheckedExpr` (github.com/google/cel-spec, proto/cel/expr). The
message types below declare the fields that are needed here. Sub-expressions are declared as
bytes, so that each level is parsed by itself: protobuf refuses messages nested over 100 deep,
which a sum of fifty terms already is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_F = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int64": _F.TYPE_INT64,
    "int32": _F.TYPE_INT32,
    "bool": _F.TYPE_BOOL,
    "string": _F.TYPE_STRING,
    "bytes": _F.TYPE_BYTES,
}

# message: [(field, number, type, repeated)]
_MESSAGES: dict[str, list[tuple[str, int, str, bool]]] = {
    "Any": [("value", 2, "bytes", False)],
    "CheckedExpr": [("expr", 4, "bytes", False), ("source_info", 5, "SourceInfo", False)],
    "SourceInfo": [("positions", 4, "Position", True)],
    "Position": [("key", 1, "int64", False), ("value", 2, "int32", False)],
    "Expr": [
        ("id", 2, "int64", False),
        ("const_expr", 3, "Constant", False),
        ("ident_expr", 4, "Ident", False),
        ("select_expr", 5, "Select", False),
        ("call_expr", 6, "Call", False),
        ("list_expr", 7, "CreateList", False),
        ("struct_expr", 8, "CreateStruct", False),
        ("comprehension_expr", 9, "Comprehension", False),
    ],
    "Constant": [("int64_value", 3, "int64", False), ("string_value", 6, "string", False)],
    "Ident": [("name", 1, "string", False)],
    "Select": [
        ("operand", 1, "bytes", False),
        ("field", 2, "string", False),
        ("test_only", 3, "bool", False),
    ],
    "Call": [
        ("target", 1, "bytes", False),
        ("function", 2, "string", False),
        ("args", 3, "bytes", True),
    ],
    "CreateList": [("elements", 1, "bytes", True)],
    "CreateStruct": [("entries", 2, "Entry", True)],
    "Entry": [("map_key", 3, "bytes", False), ("value", 4, "bytes", False)],
    "Comprehension": [
        ("iter_var", 1, "string", False),
        ("iter_range", 2, "bytes", False),
        ("accu_var", 3, "string", False),
        ("accu_init", 4, "bytes", False),
        ("loop_condition", 5, "bytes", False),
        ("loop_step", 6, "bytes", False),
        ("result", 7, "bytes", False),
        ("iter_var2", 8, "string", False),
    ],
}


def _message_types() -> dict[str, type[Any]]:
    file = descriptor_pb2.FileDescriptorProto(
        name="pilot/checked.proto", package="pilot.checked", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            descriptor = message.field.add(
                name=field,
                number=number,
                label=_F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL,
            )
            if kind in _SCALARS:
                descriptor.type = _SCALARS[kind]
            else:
                descriptor.type = _F.TYPE_MESSAGE
                descriptor.type_name = f".pilot.checked.{kind}"
            if name in ("Expr", "Constant") and field != "id":
                if not message.oneof_decl:
                    message.oneof_decl.add(name="kind")
                descriptor.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"pilot.checked.{name}"))
        for name in _MESSAGES
    }


_TYPES = _message_types()
_ANY, _CHECKED, _EXPR = _TYPES["Any"], _TYPES["CheckedExpr"], _TYPES["Expr"]


def parse(serialized: bytes) -> tuple[Any, dict[int, int]]:
    """The root `Expr` of a serialised expression, and the offset in characters of each id."""
    checked = _CHECKED.FromString(_ANY.FromString(serialized).value)
    positions = {entry.key: entry.value for entry in checked.source_info.positions}
    return expr(checked.expr), positions


def expr(data: bytes) -> Any:
    """One level of a sub-expression: an `Expr` message."""
    return _EXPR.FromString(data)


def children(node: Any) -> Iterator[bytes]:
    """The serialised sub-expressions of an `Expr` that binds no name."""
    match node.WhichOneof("kind"):
        case "select_expr":
            yield node.select_expr.operand
        case "call_expr":
            if node.call_expr.target:
                yield node.call_expr.target
            yield from node.call_expr.args
        case "list_expr":
            yield from node.list_expr.elements
        case "struct_expr":
            for entry in node.struct_expr.entries:
                if entry.map_key:
                    yield entry.map_key
                yield entry.value
