"""The way into a host of a test: by nsenter, with modules on standard input rather than copied first."""

DOCUMENTATION = """
name: host
short_description: enter a host of a test
options:
  nsenter_pid:
    description: process whose namespaces are entered
    type: int
    vars:
      - name: ansible_nsenter_pid
"""

from ansible_collections.community.docker.plugins.connection.nsenter import Connection as Nsenter


class Connection(Nsenter):
    transport = "host"
    has_pipelining = True
