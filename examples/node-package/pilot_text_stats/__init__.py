"""The node type `text_stats` for πlot."""
