"""What GitHub tells by itself: removals take effect in the transaction of their delivery, everything else by a job."""
