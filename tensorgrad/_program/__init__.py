"""Programs: steps of training (or of anything made of ops) as rows of kernel calls, run without Python in between.

`record` runs a step once and takes its kernel calls from the log; `trace` makes rows and buffers of them and `simplify`
drops and merges rows; `deal` divides them among threads (`threads` says how many pay); `arena` gives temporaries their
places; `run` holds the finished rows and walks them. `structure` sees whether a model is still as it was recorded.
`callable` is `tg.compile`; `fit` uses programs through `training/compiled.py`.
"""
