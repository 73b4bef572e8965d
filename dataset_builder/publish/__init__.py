"""`aullava build`: a corpus becomes a folder of Parquet files with a card and a manifest, subject by subject.

request       the checked settings on which every byte of a shard depends
sources       a hash of what a shard was made from, so that changes are noticed
shards        one subject's rows, streamed into one Parquet file
workers       the shards of many subjects, in one or several processes
folder        the output folder: its owner, what is finished, what is stale
manifest      what was written, from which sources, by which code; configurations for `datasets.load_dataset`
dataset_card  the same for people
summary       messages of a build: progress, what was left out, what failed
push          upload to the Hub, for those who hold the right

commands/build.py runs all of it in order.
"""
