"""`aullava release`: a checkpoint becomes a model repo on the Hub, after a search for everything that must not be published.

assemble    the folder, after every check; the others are its steps
merge       LoRA adapters into their base
terms       what the data allows, and when a statement of right is needed
secrets     no secret and no absolute path in a text file
results     figures of an evaluation, in the card and for leaderboards
shards      large weights as several files
push        upload in one commit

checkpoint/ checks the weights and writes the card of a checkpoint without one; commands/release.py
has the flags.
"""
