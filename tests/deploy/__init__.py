"""The files of deployment: parsed, linted, rendered, and followed by hand."""
