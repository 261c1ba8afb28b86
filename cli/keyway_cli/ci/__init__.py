"""What the GitHub Action (action.yml) runs: values of a vault for the steps that follow.

The standard library is enough for it: nothing is installed on the runner.
"""
