"""How long a workflow's executions are kept."""
