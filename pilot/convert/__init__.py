"""Graphs from elsewhere and to elsewhere: pure functions from a document to a graph and a report.

Nothing of what is imported is executed or fetched. What cannot be carried faithfully is said in
the report and stays an error of the graph, never a guess.
"""
