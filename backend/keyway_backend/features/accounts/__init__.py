"""People: signing in with GitHub's device flow, who am I, signing out."""
