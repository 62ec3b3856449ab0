"""Running points: a launcher (in this process, or on Ray) takes them from the backlog."""
