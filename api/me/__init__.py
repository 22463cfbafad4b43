"""The caller's own data as a whole."""
