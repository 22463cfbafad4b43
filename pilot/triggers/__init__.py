"""What begins runs without anybody asking: schedules, and webhooks that others call."""
