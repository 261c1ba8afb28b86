"""Speed, measured side by side with a floor in the same run and told as ratios. `make bench` prints all of it."""
