"""One folder per thing that people do here."""
