"""The formats in which values leave for other programs (`writing`), and those in which they come from elsewhere."""
