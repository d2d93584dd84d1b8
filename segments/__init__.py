"""Who may be asked: customers imported, consent, zones, and rules translated to SQL."""
