"""What emitted files are made of: each gets a copy of the definitions it needs, as they stand here.

Lines from `# <word>` to `# </word>` are copied where the word applies to the workflow. The names in
`written.py` stand for what the emitter writes anew for every workflow. Imports among these modules
are left out of the copy: all definitions end up in one file.
"""
