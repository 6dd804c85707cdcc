"""Programs that container runtimes start: a file each, on the standard library alone, to start at once.

They are copied to where the runtime looks for them, and hand all they get to the agent.
"""
