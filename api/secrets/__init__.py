"""The resource `secret`: values that nodes refer to by name, and that nobody reads back."""
