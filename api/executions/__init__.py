"""The resource `execution`: one run of a workflow version."""
