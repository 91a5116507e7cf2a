"""The demo: sample tables in a source of its own, copied to a target of its own, with the proof that nothing differs.

`story` tells it in its order, `site` makes databases, roles and files, `sample` holds the tables, `flow` changes rows
and looks for them in the target. The pipeline is driven through `wiring`, as the command line does it.
"""
