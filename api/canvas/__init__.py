"""The canvas: the single-page application of `web/`, served at `/app`."""
