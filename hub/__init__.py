"""`aullava release`: a checkpoint becomes a model repo of the Hub, after everything that must not go out was looked for.

adapters    LoRA adapters, merged into their base
weights     every parameter is there, no other, and each value is a number
results     figures of an evaluation, in the card and for leaderboards
card        of a checkpoint that brings none
shards      large weights as several files
texts       no secret and no place of a machine in a text file
terms       what the data allows, and who must state that they may
push        upload in one commit, or none
command     all of it in order, from arguments to an exit code
"""
