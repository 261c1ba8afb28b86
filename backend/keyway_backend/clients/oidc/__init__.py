"""The issuer of workflow tokens: its public keys."""

from keyway_backend.clients.oidc.keys import IssuerKeys, IssuerUnknown

__all__ = ["IssuerKeys", "IssuerUnknown"]
