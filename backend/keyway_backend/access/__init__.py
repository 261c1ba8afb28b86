"""Who may do what, decided once per request. Everything below receives a grant and never a name from the request."""
