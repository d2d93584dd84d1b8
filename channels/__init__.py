"""What carries a message or a dial list: a file per provider, one literal table, readers of files that come back."""
