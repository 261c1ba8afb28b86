"""Workflows: GitHub's token of a run for one of ours that reads one environment, and the rules of who may."""
