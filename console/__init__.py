"""The ways in for people: commands, web pages, reports, and the demo."""
