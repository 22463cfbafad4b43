"""The resource `usage`: what model calls took, and the budgets that limit it."""
