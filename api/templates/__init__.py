"""The resource `template`: graphs to start from."""
