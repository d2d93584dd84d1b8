"""Tables of what the channels bring; campaigns and customers are in tables, the engine in engine_tables."""
