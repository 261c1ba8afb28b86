"""Where an address is: from a database file on this machine, from ipinfo with a token for it, or not at all."""

from keyway_backend.clients.geoip.locators import (
    GeoDatabase,
    Ipinfo,
    Location,
    LocationUnknown,
    Locator,
    Nowhere,
    is_public,
    locator,
)

__all__ = ["GeoDatabase", "Ipinfo", "Location", "LocationUnknown", "Locator", "Nowhere", "is_public", "locator"]
