"""Live progress: from the bus to WebSockets and server-sent events, repaired on the way."""
