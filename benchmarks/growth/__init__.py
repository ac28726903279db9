"""How each heavy operation grows over four sizes: spacewise, its peers, and what the machine itself needs.

`table.OPERATIONS` is what there is; `run.measured` measures one operation; `../bench.py` runs all and writes the page.
"""
