"""Load on served workflows, simulated: engines, arrivals, and the schedulers of the server."""
