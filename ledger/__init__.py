"""The database that remembers who was asked, when, how, and what came back."""
