"""The graph core: model, validation, scheduling, expressions and templates.

Pure functions over data: no `async`, no clock, no I/O.
"""
