"""The server: MLflow's REST protocol over a tracking store, for every client from 1.20 to 3.x.

``app.App`` is an ASGI application; ``loopback.LoopbackServer`` serves it to the script of a run.
"""
