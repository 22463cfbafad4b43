"""With whom a workflow is shared."""
