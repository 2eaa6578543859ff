"""The four workflows of Teola, runnable on a small corpus."""
