"""The person: profile, and the devices on which they are signed in."""
