"""The pure cores: they decide, and do nothing. No clock, dice, sockets or logging in here."""
