"""What running code needs: the protocol of a model, and adapters to real ones."""
