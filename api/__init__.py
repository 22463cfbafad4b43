"""The HTTP and WebSocket face of πlot. Starts and watches runs; never runs a node itself."""
