"""Parts of the composition root, by feature: what meets which client."""
