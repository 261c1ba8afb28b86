"""Other people's services, each behind an interface of ours. "Denied" and "did not answer" are different exceptions."""
