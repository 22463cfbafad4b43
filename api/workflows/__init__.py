"""The resource `workflow`: stored graphs, versioned."""
