"""The commands of `flowir`: what each takes; what it does is one room up, imported when it runs."""
