"""`aullava build`: a corpus becomes a folder of Parquet files with a card and a manifest, subject by subject.

request     what is asked for, checked: the settings on which every byte of a shard depends
sources     what a shard was made from, as one text, so that a change is noticed
shards      one subject's rows, streamed into one Parquet file
workers     the shards of many subjects, in one process or several
folder      the output folder: whose it is, what is finished, what is stale
manifest    what was written, from what, by what; configurations for `datasets.load_dataset`
card        the same for people
push        upload to the Hub, for those who may
command     all of it in order, from arguments to an exit code
"""
