"""Activity: who did what, in words, filtered, and as a file."""
