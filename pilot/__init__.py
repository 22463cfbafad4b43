"""πlot: the durable backend of an AI workflow canvas, on Temporal."""

__version__ = "0.4.0"
