"""What a drawing of a workflow shows, whatever language it is written in."""
