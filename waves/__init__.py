"""The words of multiwave and its rules: values in, values out; no clock, no database, no network."""
