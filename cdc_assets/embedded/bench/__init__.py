"""The benchmarks: the product beside a peer that users know, on the same servers, in the same run.

`load`, `stream` and `scale` each run servers of their own below CDC_HOME, measure, and return a `BenchReport`; nothing
of them is left afterwards. Called by `cdc_assets.cli.bench`.
"""
