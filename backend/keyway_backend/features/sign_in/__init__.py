"""Signing in with a browser: GitHub's OAuth web flow, the App's install callback, the hand-over to the dashboard."""
