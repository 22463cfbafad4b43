"""What each node type does: one file a type, the I/O that specs and workflows never do."""
