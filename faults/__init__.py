"""Faults on purpose, in a lab of two hosts with Docker engines: what is lost, and what is left over.

site       the lab: orders for failpoints, kills of parts, the engines
stories    what is done while a fault strikes: docker commands, or calls of the drivers
leftovers  what is on hosts and in databases that belongs to nothing
campaigns  each fault at each point of each story
table      the result (`make faults`)
"""
