"""What every feature stands on: settings, errors, HTTP, logs, time and ids."""
