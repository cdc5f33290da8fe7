"""Programs: steps of training (or of anything made of ops) as rows of kernel calls, run without Python in between.

`record` runs a step once and takes its kernel calls from the log; `simplify` drops and merges rows; `deal` divides them
among threads; `plan` gives temporaries their place in an arena; `run` walks the rows. `callable` is `tg.compile`.
"""
