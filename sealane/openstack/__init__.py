"""What OpenStack's services load: the plugin of os-vif and a driver of virtual interfaces, for nova-compute.

They run in nova's process and hand all they get to the agent.  os-vif is nova's; Sealane needs none of it.
"""
