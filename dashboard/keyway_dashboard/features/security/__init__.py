"""Security: pulls in charts, alerts, and who read what."""
