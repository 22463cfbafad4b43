"""The same chains on other engines: what a step costs, and what a kill leaves."""
