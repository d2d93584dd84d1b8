"""What multiwave serves over HTTP: callbacks in, and whether it is well."""
