"""The resource `trigger`: schedules and webhooks, and the address that webhooks are called at."""
