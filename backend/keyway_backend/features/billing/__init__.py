"""Plans and trials, through Stripe when billing is on. Off, everything is unlimited."""
