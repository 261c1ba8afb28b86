"""How a program is started and kept: everything behind `keyway run` that is not the program's own doing."""
