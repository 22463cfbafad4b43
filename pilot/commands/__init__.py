"""The commands of `pilot`, a file a group. Each imports what it needs when it is called:
`pilot --help` and the supervisor of `pilot dev` must not wait for a database driver.
"""
