"""Reading faces: inputs -> work items -> rows -> tables.

inputs      what was asked for, as images, videos and webcams
work        those as work items; frames decodes them, prefetch finds their faces ahead of the model
pipeline    work items to rows (rows), for one process or several (processes); served asks a server in place of the model
store       rows on disk, from which an interrupted run resumes
tables      rows as columns; writers writes them, sidecar says how they were made, summary counts them
overlay     rows as images and videos to look at; drawing holds what those share, comparison puts truth beside them
video       `recognize_video`, all of this from Python
"""
