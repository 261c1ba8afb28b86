"""Values found in what a program prints, and replaced before anybody reads them."""
