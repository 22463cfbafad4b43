"""The resource `version` of a workflow: listed, compared, published, restored."""
