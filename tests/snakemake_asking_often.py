"""`snakemake` for tests on a SLURM cluster: it asks for the state of its jobs every second.

The executor waits ten seconds longer after each answer, up to three minutes, because real jobs take hours.
"""

import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.next_seconds_between_status_checks = property(lambda executor: 1, lambda executor, seconds: None)
sys.argv[0] = "snakemake"
main()
