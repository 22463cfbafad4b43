"""The payload store: what is too large for a run's history lies in a folder or a bucket, and the
history has a reference in its place (docs/payloads.md)."""
