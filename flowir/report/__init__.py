"""Reports for people: pages of HTML."""
