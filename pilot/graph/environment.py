"""CEL itself: its one environment, with the names of a run, the extensions and our functions.

Only what compiles or evaluates an expression imports this: CEL takes 18 MB of a process and a
tenth of a second to load.
"""

from __future__ import annotations

from cel_expr_python import cel
from cel_expr_python.ext import (
    ext_bindings,
    ext_encoders,
    ext_math,
    ext_optional,
    ext_strings,
)

from pilot.graph.functions import declarations


def environment() -> cel.Env:
    text_map = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return cel.NewEnv(
        variables={
            "input": cel.Type.DYN,
            "nodes": cel.Type.Map(cel.Type.STRING, text_map),
            "vars": text_map,
            "execution.id": cel.Type.STRING,
            "execution.input": cel.Type.DYN,
            "item": cel.Type.DYN,
            "index": cel.Type.INT,
            "secrets": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
            "hooks": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
            "payload": cel.Type.DYN,
        },
        extensions=[
            ext_strings.ExtStrings(),
            ext_math.ExtMath(),
            ext_encoders.ExtEncoders(),
            ext_optional.ExtOptional(),
            ext_bindings.ExtBindings(),
        ],
        functions=declarations(),
    )
