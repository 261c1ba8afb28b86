"""`python -m keyway_crypto.certificates`: the command by its name of design.md 5. The service itself issues nothing."""

from keyway_certificates import main

if __name__ == "__main__":
    main()
